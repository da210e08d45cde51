//! The reference against closed forms.

use super::*;
use crate::ops::Arithmetic;
use crate::tensor::HostTensor;

fn reference(op: &Conv2d, x: &[f32], w: &[f32]) -> Vec<f64> {
    let [x, w] = [("x", x), ("w", w)].map(|(role, v)| {
        let operands = op.operands().unwrap();
        let shape = operands.iter().find(|o| o.role == role).unwrap().layout.shape().to_vec();
        (role, HostTensor::from_f32(v, shape).unwrap())
    });
    let given = Inputs { tensors: vec![x, w], arithmetic: Arithmetic::F32 };
    op.reference(&given).0.remove(0).1.into_iter().map(|v| v.value).collect()
}

#[test]
fn one_weight_moves_the_image() {
    let image: Vec<f32> = (1..=12).map(|i| i as f32).collect();
    for (r, s) in (0..3).flat_map(|r| (0..3).map(move |s| (r, s))) {
        let mut w = [0.0; 9];
        w[3 * r + s] = 1.0;
        let op = Conv2d::new([1, 3, 4, 1], 1, [3, 3]).padding([1; 4]);
        let got = reference(&op, &image, &w);
        for (y, x) in (0..3).flat_map(|y| (0..4).map(move |x| (y, x))) {
            let (from_y, from_x) = (y + r, x + s);
            let inside = (1..=3).contains(&from_y) && (1..=4).contains(&from_x);
            let want = if inside { f64::from(image[(from_y - 1) * 4 + from_x - 1]) } else { 0.0 };
            assert_eq!(got[y * 4 + x], want, "{r} {s} {y} {x}");
        }
    }
}

#[test]
fn groups_see_their_own_channels() {
    // Channel c is 10^c; every kernel sums its group.
    let x: Vec<f32> = vec![1.0, 10.0, 100.0, 1000.0];
    let op = Conv2d::new([1, 1, 1, 4], 2, [1, 1]).groups(2);
    assert_eq!(reference(&op, &x, &[1.0; 4]), [11.0, 1100.0]);
    let op = Conv2d::new([1, 1, 1, 4], 8, [1, 1]).groups(4);
    let w: Vec<f32> = (1..=8).map(|i| i as f32).collect();
    assert_eq!(reference(&op, &x, &w), [1.0, 2.0, 30.0, 40.0, 500.0, 600.0, 7000.0, 8000.0]);
    let op = Conv2d::new([1, 1, 1, 4], 4, [1, 1]).x_images(Images::Nchw).groups(4);
    assert_eq!(reference(&op, &x, &[1.0; 4]), [1.0, 10.0, 100.0, 1000.0]);
}

#[test]
fn strides_and_dilation_choose_pixels() {
    let x: Vec<f32> = (0..10).map(|i| i as f32).collect();
    // Taps 3 apart, patches 2 apart.
    let op = Conv2d::new([1, 1, 10, 1], 1, [1, 2]).stride([1, 2]).dilation([1, 3]);
    assert_eq!(reference(&op, &x, &[1.0, 100.0]), [300.0, 502.0, 704.0, 906.0]);
    assert_eq!(op.out_layout().unwrap().shape(), [1, 1, 4, 1]);
}
