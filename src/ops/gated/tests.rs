//! The reference by hand, one way and the other.

use super::*;
use crate::ops::Arithmetic;
use crate::tensor::HostTensor;

fn of(op: &Gated, tensors: &[(&'static str, &[f32])]) -> Vec<f64> {
    let operands = op.operands().unwrap();
    let shape = |role| operands.iter().find(|o| o.role == role).unwrap().layout.shape().to_vec();
    let tensors = tensors.iter().map(|(r, x)| (*r, HostTensor::from_f32(x, shape(*r)).unwrap())).collect();
    let inputs = Inputs { tensors, arithmetic: Arithmetic::F32 };
    op.reference(&inputs).0.remove(0).1.into_iter().map(|v| v.value).collect()
}

#[test]
fn by_hand() {
    let op = Gated::new([2, 3], Activation::Relu);
    let (gate, up) = ([1.0, -2.0, 3.0, 4.0, 5.0, -6.0], [10.0, 20.0, -30.0, 40.0, 50.0, 60.0]);
    let want = [10.0, 0.0, -90.0, 160.0, 250.0, 0.0];
    assert_eq!(of(&op, &[("gate", &gate), ("up", &up)]), want);
    let packed = |a: &[f32], b: &[f32]| [&a[..3], &b[..3], &a[3..], &b[3..]].concat();
    assert_eq!(of(&op.clone().halves(Halves::GateFirst), &[("x", &packed(&gate, &up))]), want);
    assert_eq!(of(&op.halves(Halves::GateSecond), &[("x", &packed(&up, &gate))]), want);
}

#[test]
fn the_usual_units() {
    let at = |a| of(&Gated::new([1], a), &[("gate", &[1.0]), ("up", &[3.0])])[0];
    approx::assert_relative_eq!(at(Activation::Silu), 3.0 * 0.731_058_578_630_004_9, max_relative = 1e-12);
    approx::assert_relative_eq!(at(Activation::Sigmoid), 3.0 * 0.731_058_578_630_004_9, max_relative = 1e-12);
    approx::assert_relative_eq!(at(Activation::Gelu), 3.0 * 0.841_344_746_068_542_9, max_relative = 1e-12);
    // A closed gate lets no number through, and Inf times nothing is NaN.
    let shut =
        of(&Gated::new([2], Activation::Relu), &[("gate", &[-1.0, -1.0]), ("up", &[7.0, f32::INFINITY])]);
    assert!(shut[0] == 0.0 && shut[1].is_nan());
}
