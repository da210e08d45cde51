//! The reference against closed forms.

use super::*;
use crate::tensor::HostTensor;

fn of(op: &Softmax, x: &[f32], more: Vec<(&'static str, HostTensor)>) -> Vec<f64> {
    let mut tensors = vec![("x", HostTensor::from_f32(x, op.shape.clone()).unwrap())];
    tensors.extend(more);
    let inputs = Inputs { tensors, arithmetic: Arithmetic::F32 };
    op.reference(&inputs).0.remove(0).1.into_iter().map(|v| v.value).collect()
}

fn near(got: &[f64], want: &[f64]) {
    assert_eq!(got.len(), want.len());
    for (g, w) in got.iter().zip(want) {
        approx::assert_relative_eq!(g, w, max_relative = 1e-14);
    }
}

#[test]
fn closed_forms() {
    // e^ln n is n.
    let ln = |n: f32| f64::from(n).ln() as f32;
    let got = of(&Softmax::new([4]), &[0.0, 0.0, ln(2.0), 1.0], vec![]);
    let sum = 2.0 + f64::from(ln(2.0)).exp() + 1f64.exp();
    near(&got, &[1.0 / sum, 1.0 / sum, f64::from(ln(2.0)).exp() / sum, 1f64.exp() / sum]);
    // What is added to all cancels, and two are a sigmoid.
    let got = of(&Softmax::new([2]).scale(3.0), &[1001.0, 1000.0], vec![]);
    near(&got, &[1.0 / (1.0 + (-3f64).exp()), 1.0 / (1.0 + 3f64.exp())]);
}

#[test]
fn what_rows_see() {
    let third = 1.0 / 3.0;
    let op = Softmax::new([2, 3]).causal(Causal::Aligned);
    near(&of(&op, &[7.0; 6], vec![]), &[0.5, 0.5, 0.0, third, third, third]);
    // More rows than columns: the first see nothing.
    let op = Softmax::new([3, 2]).causal(Causal::Aligned);
    near(&of(&op, &[7.0; 6], vec![]), &[0.0, 0.0, 1.0, 0.0, 0.5, 0.5]);
    let words = |role, w: &[u32]| (role, HostTensor::from_u32(w, [w.len() as u32]).unwrap());
    let op = Softmax::new([2, 3]).causal(Causal::Offset);
    near(&of(&op, &[7.0; 6], vec![words("offset", &[0])]), &[1.0, 0.0, 0.0, 0.5, 0.5, 0.0]);
    near(&of(&op, &[7.0; 6], vec![words("offset", &[u32::MAX])]), &[third; 6]);
    let op = Softmax::new([2, 1, 3]).lengths();
    near(&of(&op, &[7.0; 6], vec![words("lengths", &[0, 2])]), &[0.0, 0.0, 0.0, 0.5, 0.5, 0.0]);
}

#[test]
fn masks_and_specials() {
    let (inf, nan) = (f32::INFINITY, f32::NAN);
    let mask = |m: &[f32], shape: &[u32]| ("mask", HostTensor::from_f32(m, shape).unwrap());
    let op = Softmax::new([2, 2]).mask(DType::F32, [2, 1]);
    // What is added to a whole row cancels, unless it is −Inf.
    near(&of(&op, &[1.0; 4], vec![mask(&[5.0, -inf], &[2, 1])]), &[0.5, 0.5, 0.0, 0.0]);
    let op = Softmax::new([2, 2]).mask(DType::F32, [2]);
    near(&of(&op, &[1.0; 4], vec![mask(&[0.0, -inf], &[2])]), &[1.0, 0.0, 1.0, 0.0]);
    // A NaN under −Inf is one still; one that is hidden is not there.
    assert!(of(&op, &[1.0, nan, 1.0, 1.0], vec![mask(&[0.0, -inf], &[2])])[..2].iter().all(|v| v.is_nan()));
    let op = Softmax::new([2, 2]).causal(Causal::Aligned);
    near(&of(&op, &[1.0, nan, 1.0, 1.0], vec![]), &[1.0, 0.0, 0.5, 0.5]);
    let got = of(&Softmax::new([3, 2]), &[inf, 1.0, -inf, -inf, -inf, 0.0], vec![]);
    assert!(got[0].is_nan() && got[1].is_nan());
    near(&got[2..], &[0.0, 0.0, 0.0, 1.0]);
}
