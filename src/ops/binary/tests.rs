//! The reference by hand.

use super::*;
use crate::ops::Arithmetic;
use crate::tensor::HostTensor;

fn of(op: &Binary, a: &[f32], b: &[f32]) -> Vec<f64> {
    let tensor = |x: &[f32], shape: &[u32]| HostTensor::from_f32(x, shape).unwrap();
    let tensors = vec![("a", tensor(a, &op.a_shape)), ("b", tensor(b, &op.b_shape))];
    let inputs = Inputs { tensors, arithmetic: Arithmetic::F32 };
    op.reference(&inputs).0.remove(0).1.into_iter().map(|v| v.value).collect()
}

#[test]
fn broadcasts_by_hand() {
    let got = of(&Binary::new(BinaryOp::Sub, [2, 1], [3]), &[10.0, 20.0], &[1.0, 2.0, 3.0]);
    assert_eq!(got, [9.0, 8.0, 7.0, 19.0, 18.0, 17.0]);
    let got = of(
        &Binary::new(BinaryOp::Mul, [2, 2], [2]).activation(Activation::Relu),
        &[1.0, 2.0, -3.0, 4.0],
        &[5.0, -6.0],
    );
    assert_eq!(got, [5.0, 0.0, 0.0, 0.0]);
}

#[test]
fn division_is_ieee() {
    let (inf, tiny) = (f32::INFINITY, f32::from_bits(1));
    let a = [1.0, -1.0, 1.0, 0.0, inf, inf, 1.0, 7.0, tiny, 1.0];
    let b = [0.0, 0.0, -0.0, 0.0, inf, -2.0, -inf, 2.0, 1.0, tiny];
    let got = of(&Binary::new(BinaryOp::Div, [10], [10]), &a, &b);
    assert_eq!(got[..3], [f64::INFINITY, f64::NEG_INFINITY, f64::NEG_INFINITY]);
    assert!(got[3].is_nan() && got[4].is_nan());
    assert_eq!(got[5..], [f64::NEG_INFINITY, 0.0, 3.5, 0.0, f64::INFINITY]);
    assert!(got[6].is_sign_negative());
    for (i, got) in got.into_iter().enumerate() {
        let host = f64::from(divide(a[i], b[i]));
        assert!(host == got || (host.is_nan() && got.is_nan()), "{i}");
    }
}
