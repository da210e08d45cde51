#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| quarter_fuzz::composer::check(bytes));
