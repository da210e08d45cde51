#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| quarter_fuzz::codec::check(bytes));
