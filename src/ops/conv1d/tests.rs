//! The reference against closed forms.

use super::*;
use crate::{ops::Real, tensor::HostTensor};

fn reference(op: &Conv1d, x: &[f32], w: &[f32]) -> Vec<f64> {
    let operands = Operation::operands(op).unwrap();
    let tensors = [("x", x), ("w", w)].map(|(role, v)| {
        let shape = operands.iter().find(|o| o.role == role).unwrap().layout.shape().to_vec();
        (role, HostTensor::from_f32(v, shape).unwrap())
    });
    let given = Inputs { tensors: tensors.into(), arithmetic: Arithmetic::F32 };
    let out: Vec<Real> = Operation::reference(op, &given).0.remove(0).1;
    out.into_iter().map(|v| v.value).collect()
}

/// A kernel of one 1 moves the sequence.
#[test]
fn one_weight_moves_the_sequence() {
    let x: Vec<f32> = (1..=7).map(|i| i as f32).collect();
    for tap in 0..4 {
        let mut w = [0.0; 4];
        w[tap] = 1.0;
        let op = Conv1d::new([1, 7, 1], 1, 4).padding([2, 5]);
        let want: Vec<f64> = (0..11)
            .map(|l| (l + tap).checked_sub(2).and_then(|i| x.get(i)).map_or(0.0, |&v| v.into()))
            .collect();
        assert_eq!(reference(&op, &x, &w), want, "{tap}");
    }
}

#[test]
fn strides_dilation_and_groups() {
    let x: Vec<f32> = (0..10).map(|i| i as f32).collect();
    // Taps 3 apart, patches 2 apart.
    let op = Conv1d::new([1, 10, 1], 1, 2).stride(2).dilation(3);
    assert_eq!(reference(&op, &x, &[1.0, 100.0]), [300.0, 502.0, 704.0, 906.0]);
    assert_eq!(op.out_layout().unwrap().shape(), [1, 4, 1]);
    // Channel c is 10^c; every kernel sums its group.
    let x = [1.0, 10.0, 100.0, 1000.0];
    let op = Conv1d::new([1, 1, 4], 2, 1).groups(2);
    assert_eq!(reference(&op, &x, &[1.0; 4]), [11.0, 1100.0]);
    let op = Conv1d::new([1, 2, 2], 4, 2).groups(2);
    assert_eq!(op.w_layout().unwrap().shape(), [2, 4]);
    assert_eq!(reference(&op, &x, &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]), [501.0, 602.0, 7030.0, 8040.0]);
}

/// The formula itself, term by term, whichever way sequences lie.
#[test]
fn by_the_formula() {
    let small =
        |n: u32, of: u32| (0..n).map(move |i| ((i * of + i / 7) % 9) as f32 - 4.0).collect::<Vec<_>>();
    let (batch, length, channels, out_channels) = (2, 9, 6, 4);
    let op = Conv1d::new([batch, length, channels], out_channels, 3);
    let op = op.stride(2).dilation(2).padding([3, 1]).groups(2);
    let (x, w) = (small(batch * length * channels, 5), small(out_channels * 9, 7));
    let out = op.out_layout().unwrap().shape()[1];
    assert_eq!(out, 5);
    let of = |b: u32, l: u32, k: u32| -> f64 {
        let terms = (0..3).flat_map(|t| (0..3).map(move |c| (t, c)));
        let term = |(t, c): (u32, u32)| {
            let at = (2 * l + 2 * t).checked_sub(3).filter(|at| *at < length)?;
            let x = x[((b * length + at) * channels + k / 2 * 3 + c) as usize];
            Some(f64::from(x * w[((k * 3 + t) * 3 + c) as usize]))
        };
        terms.filter_map(term).sum()
    };
    let all = |order: fn(u32, u32) -> (u32, u32), outer: u32, inner: u32| -> Vec<f64> {
        let places = (0..batch).flat_map(|b| (0..outer * inner).map(move |i| (b, i / inner, i % inner)));
        places
            .map(|(b, y, x)| {
                let (l, k) = order(y, x);
                of(b, l, k)
            })
            .collect()
    };
    assert_eq!(reference(&op, &x, &w), all(|l, k| (l, k), out, out_channels));
    let turned: Vec<f32> = (0..batch * channels * length)
        .map(|i| {
            let (b, c, l) = (i / (channels * length), i / length % channels, i % length);
            x[((b * length + l) * channels + c) as usize]
        })
        .collect();
    let op = op.x_sequences(Sequences::Ncl).out_sequences(Sequences::Ncl);
    assert_eq!(reference(&op, &turned, &w), all(|k, l| (l, k), out_channels, out));
}
