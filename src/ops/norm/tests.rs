//! The references against closed forms.

use super::*;
use crate::{
    ops::{Arithmetic, Inputs, Operation, Real},
    tensor::HostTensor,
};

fn inputs(tensors: &[(&'static str, &[f32], &[u32])], chain: u32) -> Inputs {
    let tensor = |&(role, v, shape): &(&'static str, &[f32], &[u32])| {
        (role, HostTensor::from_f32(v, shape.to_vec()).unwrap())
    };
    Inputs { tensors: tensors.iter().map(tensor).collect(), arithmetic: Arithmetic { chain } }
}

fn of(op: &impl Operation, i: usize, x: &Inputs) -> Vec<Real> {
    op.reference(x).0.remove(i).1
}

#[test]
fn rising_rows() {
    // 0 … n − 1: mean (n − 1) / 2, variance (n² − 1) / 12, mean square (n − 1)(2n − 1) / 6.
    let n = 1001;
    let x: Vec<f32> = (0..n).map(|i| i as f32).collect();
    let x = inputs(&[("x", &x, &[1, n]), ("gamma", &vec![3.0; n as usize], &[n])], u32::MAX);
    let (m, epsilon) = (f64::from(n), 2.5);
    let out = of(&LayerNorm::new([1, n]).epsilon(epsilon).gamma(DType::F32), 0, &x);
    let root = ((m * m - 1.0) / 12.0 + f64::from(epsilon)).sqrt();
    for (i, r) in out.iter().enumerate() {
        approx::assert_relative_eq!(r.value, 3.0 * (i as f64 - (m - 1.0) / 2.0) / root, max_relative = 1e-13);
    }
    let out = of(&RmsNorm::new([1, n]).epsilon(epsilon).gamma(DType::F32).zero_centred(), 0, &x);
    let root = ((m - 1.0) * (2.0 * m - 1.0) / 6.0 + f64::from(epsilon)).sqrt();
    for (i, r) in out.iter().enumerate() {
        approx::assert_relative_eq!(r.value, 4.0 * i as f64 / root, max_relative = 1e-13);
    }
}

#[test]
fn residuals_and_sums() {
    let (x, r) = ([1.0, 2.0, 3.0, 4.0], [1.0, -4.0, -1.0, -2.0]);
    let x = inputs(&[("x", &x, &[2, 2]), ("residual", &r, &[2, 2])], u32::MAX);
    let op = LayerNorm::new([2, 2]).epsilon(0.0).residual(Element::F32).sum(Element::F32);
    let values = |i| of(&op, i, &x).iter().map(|r| r.value).collect::<Vec<_>>();
    // Rows (2, −2), (2, 2): the second deviates by nothing, and 0 · ∞ is NaN.
    assert_eq!(values(1), [2.0, -2.0, 2.0, 2.0]);
    assert_eq!(values(0)[..2], [1.0, -1.0]);
    assert!(values(0)[2..].iter().all(|v| v.is_nan()));
}

/// Rows of mean 10⁴ and deviation 1: the bound of a tree bites, that of any order of summation would not.
#[test]
fn a_large_mean() {
    let n = 4096;
    let x: Vec<f32> = (0..n).map(|i| 1e4 + [1.0, -1.0][i % 2]).collect();
    let worst = |chain| {
        let x = inputs(&[("x", &x, &[1, n as u32])], chain);
        of(&LayerNorm::new([1, n as u32]), 0, &x).iter().fold(0.0f64, |w, r| w.max(r.error))
    };
    let tree = worst(rows::CPU.chain);
    assert!(tree > 1e-4 && tree < 0.05, "{tree}");
    assert!(worst(u32::MAX) > 1.0);
    // E[x²] − E[x]², as f32 has it, is out of that bound.
    let mean = x.iter().sum::<f32>() / n as f32;
    let squares = x.iter().map(|x| x * x).sum::<f32>() / n as f32;
    let wrong = (x[0] - mean) / (squares - mean * mean + 1e-5).abs().sqrt();
    assert!((wrong - 1.0).abs() > 0.1, "{wrong}");
}

/// A NaN in gamma or beta is one in its column; an infinity in a row is its own affair.
#[test]
fn specials_of_kernels() {
    use crate::{Context, tensor::HostTensor};
    let ctx = Context::cpu();
    let up = |v: &[f32], shape: &[u32]| {
        ctx.upload_blocking(&HostTensor::from_f32(v, shape.to_vec()).unwrap()).unwrap()
    };
    let inf = f32::INFINITY;
    let x = up(&[1.0, -1.0, 1.0, -1.0, inf, 1.0, 2.0, 3.0, 1.0, f32::NAN, 2.0, 3.0], &[3, 4]);
    let (gamma, beta) = (up(&[1.0, f32::NAN, 1.0, 1.0], &[4]), up(&[0.5, 0.0, f32::NAN, 0.5], &[4]));
    let y = ctx.empty_blocking(x.layout()).unwrap();
    let op = RmsNorm::new([3, 4]).epsilon(0.0).gamma(DType::F32).beta(DType::F32);
    let args = RmsNormArgs::new(&x, &y).gamma(&gamma).beta(&beta);
    ctx.run([&ctx.plan_blocking(&op).unwrap().bind(&args).unwrap()]).unwrap();
    let got = ctx.download_blocking(&y).unwrap().to_f32();
    let want = [1.5, f32::NAN, f32::NAN, -0.5, f32::NAN, f32::NAN, f32::NAN, 0.5];
    for (got, want) in got[..8].iter().zip(want) {
        assert!(got == &want || (got.is_nan() && want.is_nan()), "{got} {want}");
    }
    assert!(got[8..].iter().all(|v| v.is_nan()));
}
