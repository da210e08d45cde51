//! The reference by hand, and on what any interpolation keeps.

use super::*;
use crate::ops::Arithmetic;
use crate::tensor::HostTensor;

fn values(op: &Upsample2d, x: &[f32]) -> Vec<f64> {
    let x = HostTensor::from_f32(x, op.shape).unwrap();
    op.operands().unwrap();
    let out = op.reference(&Inputs { tensors: vec![("x", x)], arithmetic: Arithmetic::F32 });
    out.0[0].1.iter().map(|v| v.value).collect()
}

fn line(op: fn([u32; 4], Element, [u32; 2]) -> Upsample2d, x: &[f32], size: u32) -> Upsample2d {
    op([1, 1, x.len() as u32, 1], Element::F32, [1, size])
}

#[test]
fn lines_by_hand() {
    let x = [0.0, 4.0, 8.0, 24.0];
    let of = |op: Upsample2d| values(&op, &x);
    let (nearest, bilinear) = (Upsample2d::nearest, Upsample2d::bilinear);
    assert_eq!(of(line(nearest, &x, 8)), [0., 0., 4., 4., 8., 8., 24., 24.]);
    assert_eq!(of(line(nearest, &x, 3)), [0., 4., 8.]);
    assert_eq!(of(line(nearest, &x, 6)), [0., 0., 4., 8., 8., 24.]);
    assert_eq!(of(line(bilinear, &x, 4)), [0., 4., 8., 24.]);
    assert_eq!(of(line(bilinear, &x, 8)), [0., 1., 3., 5., 7., 12., 20., 24.]);
    assert_eq!(of(line(bilinear, &x, 2)), [2., 16.]);
    assert_eq!(of(line(bilinear, &x, 1)), [6.]);
    let aligned = |size| of(line(bilinear, &x, size).align_corners());
    assert_eq!(aligned(7), [0., 2., 4., 6., 8., 16., 24.]);
    assert_eq!(aligned(2), [0., 24.]);
    assert_eq!(aligned(1), [0.]);
    assert_eq!(of(line(nearest, &x, 8).align_corners()), of(line(nearest, &x, 8)));
}

/// A plane stays one inside the edges, images and channels apart.
#[test]
fn planes() {
    let [n, h, w, c] = [2u32, 5, 4, 3];
    let plane = |n: f64, y: f64, x: f64, c: f64| 7.0 * n + 3.0 * y - 2.0 * x + 0.5 * c;
    let numbers: Vec<f32> = (0..n * h * w * c)
        .map(|i| [i / c / w / h, i / c / w % h, i / c % w, i % c].map(f64::from))
        .map(|[n, y, x, c]| plane(n, y, x, c) as f32)
        .collect();
    for (aligned, size) in [(false, [7u32, 9]), (true, [7, 9]), (false, [3, 2]), (true, [11, 4])] {
        let op = Upsample2d::bilinear([n, h, w, c], Element::F32, size);
        let op = if aligned { op.align_corners() } else { op };
        let place = |i: u32, from: u32, to: u32| {
            let (i, from, to) = (f64::from(i), f64::from(from), f64::from(to));
            let place = if aligned { i * (from - 1.0) / (to - 1.0) } else { (i + 0.5) * from / to - 0.5 };
            place.clamp(0.0, from - 1.0)
        };
        for (i, v) in values(&op, &numbers).into_iter().enumerate() {
            let i = i as u32;
            let (y, x) = (place(i / c / size[1] % size[0], h, size[0]), place(i / c % size[1], w, size[1]));
            let want = plane(f64::from(i / c / size[1] / size[0]), y, x, f64::from(i % c));
            approx::assert_abs_diff_eq!(v, want, epsilon = 1e-12);
        }
    }
}

/// Whole fractions: a factor of two needs two bits of any image.
#[test]
fn places() {
    let axis = Axis::new(1 << 20, 1 << 21, Interpolation::Bilinear).unwrap();
    assert_eq!((axis.step, axis.less, axis.unit), (2, 1, 4));
    assert!(Axis::new((1 << 20) + 1, 1 << 21, Interpolation::Bilinear).is_none());
    // 49 · 2 / 98 is 1, if not in f32.
    assert_eq!(Axis::new(2, 98, Interpolation::Nearest).unwrap().at(49).low, 1);
}

#[test]
fn what_has_no_weight() {
    let x = [1.0, f32::NAN, f32::INFINITY, f32::NEG_INFINITY];
    let aligned = values(&line(Upsample2d::bilinear, &x, 7).align_corners(), &x);
    assert_eq!((aligned[0], aligned[4], aligned[6]), (1.0, f64::INFINITY, f64::NEG_INFINITY));
    assert!([1, 2, 3, 5].iter().all(|&i: &usize| aligned[i].is_nan()));
}
