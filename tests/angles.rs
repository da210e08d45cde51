//! Rotary embeddings at the ends of what angles can be: frequencies that are none, and positions of any size.

mod common;

use quarter::{
    Context,
    ops::{Positions, Rope, RopeArgs},
    tensor::{HostTensor, Layout},
};

/// (1, 0) turned by each frequency at a position: cosines, then sines.
fn turned(ctx: &Context, frequencies: &[f32], position: u32) -> (Vec<f32>, Vec<f32>) {
    let pairs = frequencies.len();
    let shape = [1, 2 * pairs as u32];
    let x: Vec<f32> = (0..2 * pairs).map(|i| if i < pairs { 1.0 } else { 0.0 }).collect();
    let x = ctx.upload_blocking(&HostTensor::from_f32(&x, shape).unwrap()).unwrap();
    let f = ctx.upload_blocking(&HostTensor::from_f32(frequencies, [pairs as u32]).unwrap()).unwrap();
    let p = ctx.upload_blocking(&HostTensor::from_u32(&[position], [1]).unwrap()).unwrap();
    let out = ctx.empty_blocking(&Layout::new(shape, quarter::tensor::Element::F32).unwrap()).unwrap();
    let op = Rope::new(shape, 0).positions(Positions::Offset);
    let args = RopeArgs::new(&x, &out).frequencies(&f).offset(&p);
    ctx.run([&ctx.plan_blocking(&op).unwrap().bind(&args).unwrap()]).unwrap();
    let mut cos = ctx.download_blocking(&out).unwrap().to_f32();
    let sin = cos.split_off(pairs);
    (cos, sin)
}

#[test]
fn frequencies_that_are_none() {
    let frequencies = [1.0, f32::NAN, -1.0, f32::INFINITY, f32::NEG_INFINITY, 0.0, 1e-40];
    for ctx in common::contexts() {
        for position in [0, 3] {
            let (cos, sin) = turned(&ctx, &frequencies, position);
            for (i, f) in frequencies.iter().enumerate() {
                assert_eq!(cos[i].is_nan(), !f.is_finite(), "{} {position} {f}", ctx.name());
                assert_eq!(sin[i].is_nan(), !f.is_finite(), "{} {position} {f}", ctx.name());
            }
            assert_eq!((cos[5], sin[5], cos[6], sin[6]), (1.0, 0.0, 1.0, 0.0), "{}", ctx.name());
        }
    }
}

/// Products that f64 holds, so that its cosine and sine are the truth; the bound is that of the series, 3 ulp, and of a
/// phase of 32 bits.
#[test]
fn angles_of_any_size() {
    let short = |f: f32| f32::from_bits(f.to_bits() & !0xFFF);
    let frequencies: Vec<f32> =
        (-40..100).map(|e| short(1.618_034 * 2f32.powi(e)) * if e % 2 == 0 { 1.0 } else { -1.0 }).collect();
    for ctx in common::contexts() {
        for position in [1, 7, 131_071, 0x0FFF_FFFF, u32::MAX] {
            let (cos, sin) = turned(&ctx, &frequencies, position);
            for (i, f) in frequencies.iter().enumerate() {
                let angle = f64::from(*f) * f64::from(position);
                for (got, want) in [(cos[i], angle.cos()), (sin[i], angle.sin())] {
                    let bound =
                        3.0 * 2f64.powi(-23) * want.abs() + std::f64::consts::TAU * 2.01 * 2f64.powi(-32);
                    let off = (f64::from(got) - want).abs();
                    assert!(off <= bound, "{}: {f} at {position}: {got}, not {want}", ctx.name());
                }
            }
        }
    }
}
