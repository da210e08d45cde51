//! Slice conversions beside the scalar codec, the `float8` crate, and a copy of the same `f32` data: what memory allows.
//! Reported per second: elements, and bytes read and written.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use half::f16;
use quarter::dtype::*;

/// 1 MiB of `f32`: beyond the first-level cache, within the last.
const LEN: usize = 1 << 18;
const FORMATS: [Format; 3] = [Format::E4M3FN, Format::E5M2, Format::E3M4FN];

/// Both signs, exponents from 2⁻²⁰ (subnormal or zero) to 2¹¹ (overflow in two of the formats), in a fixed sequence.
fn data() -> Vec<f32> {
    let mut state = 1u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state
    };
    (0..LEN)
        .map(|_| {
            let exponent = 107 + (next() >> 27);
            f32::from_bits((next() & 0x807F_FFFF) | (exponent << 23))
        })
        .collect()
}

fn throughput(bytes_per_element: usize) -> Throughput {
    Throughput::ElementsAndBytes { elements: LEN as u64, bytes: (LEN * bytes_per_element) as u64 }
}

/// The plain loop over a scalar conversion.
fn map<A: Copy, B>(input: &[A], out: &mut [B], f: impl Fn(A) -> B) {
    for (out, &x) in black_box(out).iter_mut().zip(black_box(input)) {
        *out = f(x);
    }
}

fn encode(c: &mut Criterion) {
    let x = data();
    let halves: Vec<f16> = x.iter().map(|&x| f16::from_f32(x)).collect();
    let mut out = vec![0u8; LEN];
    let mode = Overflow::Saturate;
    for format in FORMATS {
        let mut group = c.benchmark_group(format!("encode {format}"));
        group.throughput(throughput(5));
        group.bench_function("slice", |b| {
            b.iter(|| encode_slice(black_box(format), mode, black_box(&x), &mut out));
        });
        group.bench_function("scalar", |b| {
            let format = black_box(format);
            b.iter(|| map(&x, &mut out, |x| format.encode(x, mode)));
        });
        if format == Format::E4M3FN {
            group.bench_function("float8 crate", |b| {
                b.iter(|| map(&x, &mut out, |x| float8::F8E4M3::from_f32(x).to_bits()));
            });
        } else if format == Format::E5M2 {
            group.bench_function("float8 crate", |b| {
                b.iter(|| map(&x, &mut out, |x| float8::F8E5M2::from_f32(x).to_bits()));
            });
        }
        group.throughput(throughput(3));
        group.bench_function("f16 slice", |b| {
            b.iter(|| encode_slice_f16(black_box(format), mode, black_box(&halves), &mut out));
        });
    }
}

fn decode(c: &mut Criterion) {
    let x = data();
    let mut out = vec![0f32; LEN];
    let mut halves = vec![f16::ZERO; LEN];
    for format in FORMATS {
        let codes = encode_vec(format, Overflow::Saturate, &x);
        let mut group = c.benchmark_group(format!("decode {format}"));
        group.throughput(throughput(5));
        group.bench_function("slice", |b| {
            b.iter(|| decode_slice(black_box(format), black_box(&codes), &mut out));
        });
        group.bench_function("scalar", |b| {
            let format = black_box(format);
            b.iter(|| map(&codes, &mut out, |code| format.decode(code)));
        });
        if format == Format::E4M3FN {
            group.bench_function("float8 crate", |b| {
                b.iter(|| map(&codes, &mut out, |c| float8::F8E4M3::from_bits(c).to_f32()));
            });
        } else if format == Format::E5M2 {
            group.bench_function("float8 crate", |b| {
                b.iter(|| map(&codes, &mut out, |c| float8::F8E5M2::from_bits(c).to_f32()));
            });
        }
        group.throughput(throughput(3));
        group.bench_function("f16 slice", |b| {
            b.iter(|| decode_slice_f16(black_box(format), black_box(&codes), &mut halves));
        });
    }
}

/// The floor: the same `f32` data read and written.
fn memcpy(c: &mut Criterion) {
    let x = data();
    let mut out = vec![0f32; LEN];
    let mut group = c.benchmark_group("memcpy");
    group.throughput(throughput(8));
    group.bench_function("f32", |b| {
        b.iter(|| black_box(&mut out).copy_from_slice(black_box(&x)));
    });
}

criterion_group!(benches, encode, decode, memcpy);
criterion_main!(benches);
