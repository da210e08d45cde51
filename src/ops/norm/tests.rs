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

#[test]
fn groups_instances_and_batches() {
    // Two samples of three rows of four channels, rising.
    let x: Vec<f32> = (0..24).map(|i| i as f32).collect();
    let x = inputs(&[("x", &x, &[2, 3, 4])], u32::MAX);
    // Channels 0 and 1 of a sample are s + {0, 1, 4, 5, 8, 9}: mean s + 4.5, variance 131 / 12.
    let out = of(&GroupNorm::new([2, 3, 4], 2).epsilon(0.0), 0, &x);
    let root = (131.0f64 / 12.0).sqrt();
    for (i, r) in out.iter().enumerate() {
        let within = f64::from([0.0f32, 1.0, 4.0, 5.0, 8.0, 9.0][i % 12 / 4 * 2 + i % 2]);
        approx::assert_relative_eq!(r.value, (within - 4.5) / root, max_relative = 1e-13);
    }
    // One channel of a sample is c + {0, 4, 8}: variance 32 / 3.
    let out = of(&InstanceNorm::new([2, 3, 4]).epsilon(0.0), 0, &x);
    for (i, r) in out.iter().enumerate() {
        let want = [-4.0, 0.0, 4.0][i / 4 % 3] / (32.0f64 / 3.0).sqrt();
        approx::assert_relative_eq!(r.value, want, max_relative = 1e-13, epsilon = 1e-14);
    }
}

#[test]
fn training_follows_the_batch() {
    // Channels 0, 2, 4, 6 and 1, 3, 5, 7: means 3 and 4, variance 5, unbiased 20 / 3.
    let x: Vec<f32> = (0..8).map(|i| i as f32).collect();
    let (mean, var) = ([10.0, 20.0], [1.0, 2.0]);
    let tensors: [(&'static str, &[f32], &[u32]); 3] =
        [("x", &x, &[4, 2]), ("running_mean", &mean, &[2]), ("running_var", &var, &[2])];
    let x = inputs(&tensors, u32::MAX);
    let op = BatchNorm::new([4, 2]).epsilon(4.0).training(0.25).saved();
    let names: Vec<&str> = op.reference(&x).0.iter().map(|o| o.0).collect();
    assert_eq!(names, ["out", "running_mean", "running_var", "saved_mean", "saved_inv_std"]);
    let close = |op: &BatchNorm, i: usize, want: &[f64]| {
        for (r, want) in of(op, i, &x).iter().zip(want) {
            approx::assert_relative_eq!(r.value, *want, max_relative = 1e-13);
        }
    };
    close(&op, 0, &[-1.0, -1.0, -1.0 / 3.0, -1.0 / 3.0, 1.0 / 3.0, 1.0 / 3.0, 1.0, 1.0]);
    close(&op, 1, &[0.75 * 10.0 + 0.25 * 3.0, 0.75 * 20.0 + 0.25 * 4.0]);
    close(&op, 2, &[0.75 + 0.25 * 20.0 / 3.0, 0.75 * 2.0 + 0.25 * 20.0 / 3.0]);
    close(&op, 3, &[3.0, 4.0]);
    close(&op, 4, &[1.0 / 3.0, 1.0 / 3.0]);
    // Inference by what is given.
    close(&BatchNorm::new([4, 2]).epsilon(3.0), 0, &[-5.0, -19.0 / 5.0f64.sqrt()]);
}

/// Running statistics are read and written in place, step after step.
#[test]
fn running_statistics_over_steps() {
    let ctx = crate::Context::cpu();
    let up = |v: &[f32], shape: &[u32]| {
        ctx.upload_blocking(&HostTensor::from_f32(v, shape.to_vec()).unwrap()).unwrap()
    };
    let x = up(&[3.0, 5.0], &[2, 1]);
    let (mean, var) = (up(&[0.0], &[1]), up(&[1.0], &[1]));
    let y = ctx.empty_blocking(x.layout()).unwrap();
    let plan = ctx.plan_blocking(&BatchNorm::new([2, 1]).training(0.5)).unwrap();
    let bound = plan.bind(&BatchNormArgs::new(&x, &mean, &var, &y)).unwrap();
    ctx.run([&bound, &bound]).unwrap();
    assert_eq!(ctx.download_blocking(&mean).unwrap().to_f32(), [3.0]);
    assert_eq!(ctx.download_blocking(&var).unwrap().to_f32(), [1.75]);
}
