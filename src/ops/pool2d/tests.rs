//! The reference against closed forms.

use super::Pool2d;
use crate::{
    ops::{Arithmetic, Inputs, Operation},
    tensor::{Element, HostTensor},
};

fn values(op: &Pool2d, x: &[f32]) -> Vec<f64> {
    let x = HostTensor::from_f32(x, op.shape).unwrap();
    op.operands().unwrap();
    let out = op.reference(&Inputs { tensors: vec![("x", x)], arithmetic: Arithmetic::F32 });
    out.0[0].1.iter().map(|v| v.value).collect()
}

/// 0, 1, 2, … of an image of one channel.
fn rising(op: &Pool2d) -> Vec<f64> {
    let x: Vec<f32> = (0..op.shape.iter().product()).map(|i| i as f32).collect();
    values(op, &x)
}

#[test]
fn windows_by_hand() {
    let max = Pool2d::max([1, 4, 5, 1], Element::F32, [2, 2]);
    assert_eq!(rising(&max), [6., 8., 16., 18.]);
    assert_eq!(rising(&max.clone().ceil()), [6., 8., 9., 16., 18., 19.]);
    assert_eq!(rising(&max.clone().dilation([3, 4])), [19.]);
    assert_eq!(rising(&max.clone().padding([1, 1, 0, 0])), [0., 2., 4., 10., 12., 14.]);
    assert_eq!(rising(&Pool2d::global_max([2, 2, 2, 2], Element::F32)), [6., 7., 14., 15.]);
}

#[test]
fn means_by_hand() {
    let mean = Pool2d::average([1, 3, 3, 1], Element::F32, [2, 2]);
    assert_eq!(rising(&mean), [2.]);
    // Corners of one number, sides of two.
    let padded = mean.clone().stride([3, 3]).padding([1; 4]);
    assert_eq!(rising(&padded), [0., 2., 6., 8.]);
    assert_eq!(rising(&padded.count_padding()), [0., 0.5, 1.5, 2.]);
    // The last windows have a column and a row beyond, which nobody counts.
    assert_eq!(rising(&mean.clone().ceil()), [2., 3.5, 6.5, 8.]);
    assert_eq!(rising(&mean.ceil().count_padding()), [2., 3.5, 6.5, 8.]);
    assert_eq!(rising(&Pool2d::global_average([2, 2, 2, 2], Element::F32)), [3., 4., 11., 12.]);
}

/// A window that would begin beyond the image is none.
#[test]
fn extents() {
    let op = Pool2d::max([1, 5, 7, 1], Element::F32, [2, 3]).padding([1, 1, 1, 2]).stride([4, 6]).ceil();
    assert_eq!(op.windows(), [2, 2]);
    let op = Pool2d::max([1, 4, 4, 1], Element::F32, [1, 1]).stride([4, 3]).ceil();
    assert_eq!(op.windows(), [1, 2]);
}

#[test]
fn zeros_and_nan() {
    let op = Pool2d::global_max([1, 1, 2, 1], Element::F32);
    for x in [[0.0, -0.0], [-0.0, 0.0]] {
        assert!(values(&op, &x)[0].is_sign_positive());
    }
    for x in [[f32::NAN, 1.0], [f32::INFINITY, f32::NAN]] {
        assert!(values(&op, &x)[0].is_nan());
    }
}
