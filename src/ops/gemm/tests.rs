//! The reference against closed forms.

use super::*;
use crate::ops::Arithmetic;
use crate::{
    dtype::Format,
    ops::{Inputs, U},
    scale::{Scale, Scales},
    tensor::HostTensor,
};

fn inputs(a: HostTensor, b: HostTensor) -> Inputs {
    Inputs { tensors: vec![("a", a), ("b", b)], arithmetic: Arithmetic::F32 }
}

#[test]
fn identity_times_anything() {
    let n = 7;
    let eye: Vec<f32> = (0..n * n).map(|i| if i % (n + 1) == 0 { 1.0 } else { 0.0 }).collect();
    let any: Vec<f32> = (0..n * n).map(|i| i as f32 * 0.37 - 3.0).collect();
    let op = Gemm::new(n, n, n);
    let t = |v: &[f32]| HostTensor::from_f32(v, [n, n]).unwrap();
    let out = op.reference(&inputs(t(&any), t(&eye))).0.remove(0).1;
    assert!(out.iter().zip(&any).all(|(r, x)| r.value == f64::from(*x)));
}

#[test]
fn sums_of_ones_and_of_a_geometric_series() {
    let (k, s) = (100, Scales::per_tensor(Scale::new(0.5).unwrap()));
    let ones = HostTensor::from_codes(Format::E4M3FN, &[0x38; 100], [1, k], s).unwrap();
    let halves: Vec<f32> = (0..k).map(|i| 0.5f32.powi(i as i32)).collect();
    let halves = HostTensor::from_f32(&halves, [1, k]).unwrap();
    let op = Gemm::new(1, 1, k).a(ones.layout().element());
    let r = op.reference(&inputs(ones, halves)).0.remove(0).1[0];
    // 0.5 * (2 - 2^-99), and a bound of about k * u * sum.
    assert!((r.value - 1.0).abs() < 1e-15);
    assert!(r.error > 90.0 * U && r.error < 120.0 * U, "{r:?}");
}
