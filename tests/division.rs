//! Division at the ends of the range of f32, where a driver need not be right by itself: the same cases everywhere.

mod common;

use quarter::{
    Context,
    ops::{Binary, BinaryArgs, BinaryOp},
    tensor::HostTensor,
};

/// Zeros, subnormals, ends of the normal range, numbers between, Inf and NaN; of both signs.
fn numbers() -> Vec<f32> {
    let positive =
        [0x0000_0000, 0x0000_0001, 0x007f_ffff, 0x0080_0000, 0x0080_0001, 0x3eaa_aaab, 0x3f80_0000]
            .into_iter()
            .chain([
                0x4049_0fdb,
                0x7e80_0000,
                0x7e80_0001,
                0x7f00_0000,
                0x7f7f_ffff,
                0x7f80_0000,
                0x7fc0_0000,
            ]);
    positive.flat_map(|bits| [f32::from_bits(bits), -f32::from_bits(bits)]).collect()
}

fn flushed(v: f32) -> f64 {
    f64::from(if v.abs() < f32::MIN_POSITIVE { 0.0f32.copysign(v) } else { v })
}

#[test]
fn every_pair() {
    let x = numbers();
    let n = x.len() as u32;
    let contexts = [
        Context::cpu(),
        #[cfg(feature = "gpu")]
        common::gpu(),
    ];
    for ctx in contexts {
        let a = ctx.upload_blocking(&HostTensor::from_f32(&x, [n, 1]).unwrap()).unwrap();
        let b = ctx.upload_blocking(&HostTensor::from_f32(&x, [n]).unwrap()).unwrap();
        let all = HostTensor::from_f32(&vec![0.0; x.len() * x.len()], [n, n]).unwrap();
        let out = ctx.empty_blocking(all.layout()).unwrap();
        let op = Binary::new(BinaryOp::Div, [n, 1], [n]);
        let bound = ctx.plan_blocking(&op).unwrap().bind(&BinaryArgs::new(&a, &b, &out)).unwrap();
        ctx.run([&bound]).unwrap();
        let got = ctx.download_blocking(&out).unwrap().to_f32();
        for (i, got) in got.into_iter().enumerate() {
            let (x, y) = (x[i / x.len()], x[i % x.len()]);
            let want = flushed(x) / flushed(y);
            let off = (f64::from(got) - want).abs();
            let within = off <= 2.5 * f64::from(f32::EPSILON) * want.abs() + f64::from(f32::MIN_POSITIVE);
            let same = got.is_nan() == want.is_nan() && got.is_sign_negative() == want.is_sign_negative();
            let right = if want.is_nan() {
                got.is_nan()
            } else {
                same && (within || f64::from(got) == f64::from(want as f32))
            };
            assert!(right, "{}: {x:e} / {y:e} = {got:e}, expected {want:e}", ctx.name());
        }
    }
}
