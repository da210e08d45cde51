//! The reference against closed forms, and phases against the formula.

use super::*;
use crate::ops::Arithmetic;
use crate::{ops::Real, tensor::HostTensor};

fn reference(op: &ConvTranspose2d, x: &[f32], w: &[f32]) -> Vec<f64> {
    let operands = op.operands().unwrap();
    let tensors = [("x", x), ("w", w)].map(|(role, v)| {
        let shape = operands.iter().find(|o| o.role == role).unwrap().layout.shape().to_vec();
        (role, HostTensor::from_f32(v, shape).unwrap())
    });
    let given = Inputs { tensors: tensors.into(), arithmetic: Arithmetic::F32 };
    let out: Vec<Real> = op.reference(&given).0.remove(0).1;
    out.into_iter().map(|v| v.value).collect()
}

/// A pixel of 1 leaves the kernel where its strides take it.
#[test]
fn one_pixel_shows_the_kernel() {
    let w: Vec<f32> = (1..=6).map(|i| i as f32).collect();
    for (y, x) in (0..2).flat_map(|y| (0..3).map(move |x| (y, x))) {
        let mut image = [0.0; 6];
        image[3 * y + x] = 1.0;
        let op = ConvTranspose2d::new([1, 2, 3, 1], 1, [2, 3]).stride([3, 2]).dilation([1, 2]);
        assert_eq!(op.out_layout().unwrap().shape(), [1, 5, 9, 1]);
        let got = reference(&op, &image, &w);
        let mut want = [0.0; 45];
        for (r, s) in (0..2).flat_map(|r| (0..3).map(move |s| (r, s))) {
            want[(3 * y + r) * 9 + 2 * x + 2 * s] = f64::from(w[3 * r + s]);
        }
        assert_eq!(got, want, "{y} {x}");
    }
}

/// Padding cuts off, output padding goes on.
#[test]
fn edges() {
    let (x, w) = ([1.0, 2.0], [1.0, 10.0, 100.0]);
    let whole = ConvTranspose2d::new([1, 1, 2, 1], 1, [1, 3]).stride([1, 2]);
    assert_eq!(reference(&whole, &x, &w), [1.0, 10.0, 102.0, 20.0, 200.0]);
    assert_eq!(reference(&whole.clone().padding([0, 1, 0, 2]), &x, &w), [10.0, 102.0]);
    let longer = whole.clone().output_padding([0, 1]);
    assert_eq!(reference(&longer, &x, &w), [1.0, 10.0, 102.0, 20.0, 200.0, 0.0]);
    assert_eq!(reference(&longer.padding([0, 4, 0, 0]), &x, &w), [200.0, 0.0]);
}

#[test]
fn groups_see_their_own_channels() {
    // Channel c is 10^c; every kernel sums its group.
    let x = [1.0, 10.0, 100.0, 1000.0];
    let op = ConvTranspose2d::new([1, 1, 1, 4], 2, [1, 1]).groups(2);
    assert_eq!(reference(&op, &x, &[1.0; 4]), [11.0, 1100.0]);
    let op = ConvTranspose2d::new([1, 1, 1, 4], 8, [1, 1]).groups(4).out_images(Images::Nchw);
    let w: Vec<f32> = (1..=8).map(|i| i as f32).collect();
    assert_eq!(reference(&op, &x, &w), [1.0, 2.0, 30.0, 40.0, 500.0, 600.0, 7000.0, 8000.0]);
}

/// <conv(x), y> = <x, transposed conv(y)>, term by term the same products.
#[test]
fn the_adjoint_of_a_convolution() {
    let small = |n: u32, of: u32| (0..n).map(|i| ((i * of + i / 5) % 9) as f32 - 4.0).collect::<Vec<_>>();
    let (channels, out) = (6, 4);
    let (stride, dilation, padding) = ([2, 3], [3, 2], [2, 1, 3, 4]);
    let conv = Conv2d::new([2, 9, 10, channels], out, [2, 3]).groups(2);
    let conv = conv.stride(stride).dilation(dilation).padding(padding);
    let size = conv.out_layout().unwrap().shape().to_vec();
    let back = ConvTranspose2d::new([2, size[1], size[2], out], channels, [2, 3]).groups(2);
    let mut back = back.stride(stride).dilation(dilation).padding(padding);
    // What the strides of the convolution leave over.
    let short = back.out_layout().unwrap().shape().to_vec();
    back = back.output_padding([9 - short[1], 10 - short[2]]);
    assert_eq!(back.out_layout().unwrap().shape(), [2, 9, 10, channels]);
    let x = small(2 * 9 * 10 * channels, 5);
    let y = small(size.iter().product(), 7);
    // [out, 2, 3, channels / 2] and, in and out changed over, [channels, 2, 3, out / 2].
    let w = small(out * 6 * channels / 2, 11);
    let turned: Vec<f32> = (0..channels * 6 * out / 2)
        .map(|i| {
            let (c, tap, k) = (i / (3 * out), i / (out / 2) % 6, i % (out / 2));
            let (group, c) = (c / (channels / 2), c % (channels / 2));
            w[(((group * out / 2 + k) * 6 + tap) * (channels / 2) + c) as usize]
        })
        .collect();
    let tensors = [("x", &x), ("w", &w)].map(|(role, v)| {
        let operands = conv.operands().unwrap();
        let shape = operands.iter().find(|o| o.role == role).unwrap().layout.shape().to_vec();
        (role, HostTensor::from_f32(v, shape).unwrap())
    });
    let given = Inputs { tensors: tensors.into(), arithmetic: Arithmetic::F32 };
    let there = conv.reference(&given).0.remove(0).1;
    let there: f64 = there.iter().zip(&y).map(|(a, b)| a.value * f64::from(*b)).sum();
    let back: f64 = reference(&back, &y, &turned).iter().zip(&x).map(|(a, b)| a * f64::from(*b)).sum();
    assert!(there == back && there != 0.0, "{there} {back}");
}

/// Every tap that the formula brings to a pixel is in the phase of that pixel, and no other.
#[test]
fn phases_are_the_formula() {
    let mut seen = 0;
    for (stride, dilation, kernel, pad, extent) in (1..5)
        .flat_map(|s| (1..5).flat_map(move |d| (1..5).map(move |k| (s, d, k))))
        .flat_map(|(s, d, k)| (0..4).flat_map(move |p| (1..4).map(move |e| (s, d, k, p, e))))
    {
        let op = ConvTranspose2d::new([1, extent, 1, 1], 1, [kernel, 1]);
        let op = op.stride([stride, 1]).dilation([dilation, 1]).padding([pad, 0, 0, 0]);
        let op = op.output_padding([stride.max(dilation) - 1, 0]);
        if op.operands().is_err() {
            continue;
        }
        let mut got = vec![];
        for [down, across] in phases::phases(&op) {
            assert_eq!((across.pixels.count, across.taps.count), (1, 1));
            for i in 0..down.pixels.count {
                for j in 0..down.taps.count {
                    let from = down.start + i64::from(i * down.stride) + i64::from(j) * down.dilation;
                    got.push((
                        down.pixels.first + i * down.pixels.step,
                        down.taps.first + j * down.taps.step,
                        from,
                    ));
                }
            }
        }
        let mut want = vec![];
        for (y, r) in (0..op.out_size()[0]).flat_map(|y| (0..kernel).map(move |r| (y, r))) {
            let from = i64::from(y + pad) - i64::from(r * dilation);
            if from % i64::from(stride) == 0 {
                want.push((y, r, from / i64::from(stride)));
            }
        }
        got.sort_unstable();
        assert_eq!(got, want, "{op:?}");
        seen += 1;
    }
    assert!(seen > 500, "{seen}");
}
