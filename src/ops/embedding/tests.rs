//! The reference by hand.

use super::*;
use crate::ops::Arithmetic;
use crate::tensor::HostTensor;

#[test]
fn by_hand() {
    let op = Embedding::new([2, 2], 3, 2).residual(Element::F32).status();
    let f32 = |x: &[f32], shape: &[u32]| HostTensor::from_f32(x, shape).unwrap();
    let tensors = vec![
        ("index", HostTensor::from_u32(&[2, 0, 3, 1], [2, 2]).unwrap()),
        ("table", f32(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], &[3, 2])),
        ("residual", f32(&[0.5; 8], &[2, 2, 2])),
    ];
    let out = op.reference(&Inputs { tensors, arithmetic: Arithmetic::F32 }).0;
    let of = |i: usize| out[i].1.iter().map(|v| v.value).collect::<Vec<_>>();
    assert_eq!(of(0), [5.5, 6.5, 1.5, 2.5, 0.5, 0.5, 3.5, 4.5]);
    assert_eq!(of(1), [1.0]);
}
