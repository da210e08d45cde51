//! Checks the encoders on all 2³² `f32` inputs.
//!
//! The expected codes come from a search among the midpoints of neighbouring values, in `f64`, over tables built here
//! from the definitions. Nothing is shared with the codec.

use std::process::ExitCode;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

use quarter::dtype::{Format, Overflow, encode_slice};

const USAGE: &str = "\
Checks the f32 encoders on all 2^32 inputs, in both overflow modes: the scalar codec and the slice loop.

usage: cargo run --release --example exhaustive [-- FORMAT...]

FORMAT  e4m3fn e5m2 e3m4fn e4m3 e3m4 e4m3fnuz e5m2fnuz e4m3b11fnuz
        without any: e4m3fn e5m2 e3m4fn
-h      this text

A format takes a minute or two. Exit code: 0 no differences, 1 differences, 2 wrong arguments.";

/// A format as its definition has it.
struct Definition {
    name: &'static str,
    mantissa_bits: u32,
    bias: i32,
    max_code: u8,
    strict_overflow: u8,
    nan: u8,
    negative_zero: bool,
}

const fn definition(
    name: &'static str,
    (mantissa_bits, bias): (u32, i32),
    [max_code, strict_overflow, nan]: [u8; 3],
) -> Definition {
    let negative_zero = nan != 0x80;
    Definition { name, mantissa_bits, bias, max_code, strict_overflow, nan, negative_zero }
}

const DEFINITIONS: [Definition; 8] = [
    definition("e4m3fn", (3, 7), [0x7E, 0x7F, 0x7F]),
    definition("e5m2", (2, 15), [0x7B, 0x7C, 0x7E]),
    definition("e3m4fn", (4, 3), [0x7E, 0x7F, 0x7F]),
    definition("e4m3", (3, 7), [0x77, 0x78, 0x7C]),
    definition("e3m4", (4, 3), [0x6F, 0x70, 0x78]),
    definition("e4m3fnuz", (3, 8), [0x7F, 0x80, 0x80]),
    definition("e5m2fnuz", (2, 16), [0x7F, 0x80, 0x80]),
    definition("e4m3b11fnuz", (3, 11), [0x7F, 0x80, 0x80]),
];

impl Definition {
    /// Magnitude of a code, as if no code were special.
    fn value(&self, code: u32) -> f64 {
        let one = 1 << self.mantissa_bits;
        let (exponent, mantissa) = (code / one, code % one);
        let fraction = f64::from(mantissa) / f64::from(one);
        if exponent == 0 {
            fraction * 2f64.powi(1 - self.bias)
        } else {
            (1.0 + fraction) * 2f64.powi(exponent as i32 - self.bias)
        }
    }

    /// Midpoint between each code and the next, up to the largest code; and whether a tie goes up, to the even one.
    fn midpoints(&self) -> Vec<(f64, bool)> {
        (0..=u32::from(self.max_code))
            .map(|code| ((self.value(code) + self.value(code + 1)) / 2.0, code % 2 == 1))
            .collect()
    }

    /// The codes for the two modes of [`MODES`].
    fn expected(&self, midpoints: &[(f64, bool)], x: f32) -> [u8; 2] {
        let sign = if x.is_sign_negative() { 0x80 } else { 0 };
        if x.is_nan() {
            return [sign | self.nan; 2];
        }
        let x = f64::from(x).abs();
        let code = midpoints.partition_point(|&(middle, up)| x > middle || (x == middle && up));
        if code > usize::from(self.max_code) {
            [sign | self.max_code, sign | self.strict_overflow]
        } else if code == 0 && !self.negative_zero {
            [0; 2]
        } else {
            [sign | code as u8; 2]
        }
    }
}

const MODES: [Overflow; 2] = [Overflow::Saturate, Overflow::Strict];
const BLOCK: u32 = 1 << 14;
const BLOCKS: u32 = 1 << 18;

/// Differences of one thread or of all.
#[derive(Default)]
struct Tally {
    inputs: u64,
    scalar: [u64; 2],
    slice: [u64; 2],
    /// Bits of some input that went wrong.
    example: Option<u32>,
}

impl Tally {
    fn add(mut self, other: Self) -> Self {
        self.inputs += other.inputs;
        for mode in 0..2 {
            self.scalar[mode] += other.scalar[mode];
            self.slice[mode] += other.slice[mode];
        }
        self.example = self.example.or(other.example);
        self
    }
}

/// Takes blocks of inputs until there are none left.
fn work(definition: &Definition, format: Format, next: &AtomicU32) -> Tally {
    let midpoints = definition.midpoints();
    let mut tally = Tally::default();
    let mut x = vec![0f32; BLOCK as usize];
    let mut codes = [vec![0u8; BLOCK as usize], vec![0u8; BLOCK as usize]];
    loop {
        let block = next.fetch_add(1, Ordering::Relaxed);
        if block >= BLOCKS {
            return tally;
        }
        for (i, x) in x.iter_mut().enumerate() {
            *x = f32::from_bits(block * BLOCK + i as u32);
        }
        for (mode, codes) in MODES.into_iter().zip(&mut codes) {
            encode_slice(format, mode, &x, codes).expect("equal lengths");
        }
        for (i, &x) in x.iter().enumerate() {
            let expected = definition.expected(&midpoints, x);
            for mode in 0..2 {
                let scalar = format.encode(x, MODES[mode]) != expected[mode];
                let slice = codes[mode][i] != expected[mode];
                tally.scalar[mode] += u64::from(scalar);
                tally.slice[mode] += u64::from(slice);
                if scalar || slice {
                    tally.example.get_or_insert(x.to_bits());
                }
            }
        }
        tally.inputs += u64::from(BLOCK);
    }
}

fn check(definition: &Definition) -> bool {
    let format: Format = definition.name.parse().expect("the crate has every format named here");
    let (start, next) = (Instant::now(), AtomicU32::new(0));
    let tally = std::thread::scope(|scope| {
        let other = scope.spawn(|| work(definition, format, &next));
        work(definition, format, &next).add(other.join().expect("no panic"))
    });
    for (i, mode) in MODES.into_iter().enumerate() {
        let mode = format!("{mode:?}");
        for (path, wrong) in [("scalar", tally.scalar[i]), ("slice", tally.slice[i])] {
            println!("{format:<12} {mode:<9} {path:<7} {:>11} {wrong:>12}", tally.inputs);
        }
    }
    println!("{format:<12} {:.1} s", start.elapsed().as_secs_f64());
    if let Some(bits) = tally.example {
        let x = f32::from_bits(bits);
        let expected = definition.expected(&definition.midpoints(), x);
        let got = MODES.map(|mode| format.encode(x, mode));
        println!("{format:<12} for example {bits:08x} = {x:e}: expected {expected:02x?}, scalar {got:02x?}");
    }
    tally.inputs == 1 << 32 && tally.scalar == [0; 2] && tally.slice == [0; 2]
}

fn main() -> ExitCode {
    let mut names: Vec<String> = std::env::args().skip(1).collect();
    if names.iter().any(|name| name == "-h" || name == "--help") {
        println!("{USAGE}");
        return ExitCode::SUCCESS;
    }
    if names.is_empty() {
        names = ["e4m3fn", "e5m2", "e3m4fn"].map(String::from).to_vec();
    }
    let mut chosen = Vec::new();
    for name in &names {
        let Some(definition) = DEFINITIONS.iter().find(|d| d.name == name) else {
            eprintln!("unknown format {name:?}\n\n{USAGE}");
            return ExitCode::from(2);
        };
        chosen.push(definition);
    }
    println!("{:<12} {:<9} {:<7} {:>11} {:>12}", "format", "mode", "path", "inputs", "differences");
    let wrong = chosen.into_iter().filter(|definition| !check(definition)).count();
    if wrong == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
