//! The reference by hand, and against what rotations are.

use super::*;
use crate::ops::Arithmetic;
use crate::tensor::HostTensor;

fn of(op: &Rope, tensors: &[(&'static str, &[f32])], words: &[(&'static str, &[u32])]) -> Vec<f64> {
    let operands = op.operands().unwrap();
    let shape = |role| operands.iter().find(|o| o.role == role).unwrap().layout.shape().to_vec();
    let numbers = tensors.iter().map(|(r, x)| (*r, HostTensor::from_f32(x, shape(*r)).unwrap()));
    let words = words.iter().map(|(r, x)| (*r, HostTensor::from_u32(x, shape(*r)).unwrap()));
    let inputs = Inputs { tensors: numbers.chain(words).collect(), arithmetic: Arithmetic::F32 };
    op.reference(&inputs).0.remove(0).1.into_iter().map(|v| v.value).collect()
}

fn close(got: &[f64], want: &[f64]) {
    assert_eq!(got.len(), want.len());
    for (g, w) in got.iter().zip(want) {
        approx::assert_abs_diff_eq!(g, w, epsilon = 1e-12);
    }
}

#[test]
fn by_hand() {
    let x = [1.0, 2.0, 3.0, 4.0, 5.0];
    // Cosines 10 and 20, sines 1 and 2: pairs (1, 3) and (2, 4), or (1, 2) and (3, 4); the fifth passes.
    let table: [(&'static str, &[f32]); 3] = [("x", &x), ("cos", &[10.0, 20.0]), ("sin", &[1.0, 2.0])];
    let op = Rope::new([1, 5], 0).rotary(4).tables(1, DType::F32);
    assert_eq!(of(&op, &table, &[]), [7.0, 32.0, 31.0, 84.0, 5.0]);
    assert_eq!(of(&op.clone().interleaved(), &table, &[]), [8.0, 21.0, 52.0, 86.0, 5.0]);
    assert_eq!(of(&op.clone().scale(2.0), &table, &[]), [14.0, 64.0, 62.0, 168.0, 5.0]);
    // Beyond the table there is no angle.
    let beyond = of(&op.positions(Positions::Offset), &table, &[("offset", &[1])]);
    assert!(beyond[..4].iter().all(|v| v.is_nan()) && beyond[4] == 5.0);
}

/// Which token a row is, and which position it has, in both orders of heads.
#[test]
fn places() {
    let (cos, sin) = ((0..8).map(|i| i as f32).collect::<Vec<_>>(), [0.0; 8]);
    let x = vec![1.0; 2 * 3 * 2 * 2];
    let table: [(&'static str, &[f32]); 3] = [("x", &x), ("cos", &cos), ("sin", &sin)];
    let seen = |axis, positions, words: &[(&'static str, &[u32])]| {
        let shape = if axis == 1 { [2, 3, 2, 2] } else { [2, 2, 3, 2] };
        let all = of(&Rope::new(shape, axis).tables(8, DType::F32).positions(positions), &table, words);
        all.into_iter().step_by(2).map(|v| v as u32).collect::<Vec<_>>()
    };
    assert_eq!(seen(1, Positions::FromZero, &[]), [0, 0, 1, 1, 2, 2, 0, 0, 1, 1, 2, 2]);
    assert_eq!(seen(2, Positions::FromZero, &[]), [0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2]);
    assert_eq!(seen(2, Positions::Offset, &[("offset", &[4])]), [4, 5, 6, 4, 5, 6, 4, 5, 6, 4, 5, 6]);
    let shared: (&'static str, &[u32]) = ("positions", &[7, 1, 5]);
    assert_eq!(seen(1, Positions::Shared, &[shared]), [7, 7, 1, 1, 5, 5, 7, 7, 1, 1, 5, 5]);
    let each: (&'static str, &[u32]) = ("positions", &[7, 1, 5, 0, 2, 3]);
    assert_eq!(seen(1, Positions::PerSequence, &[each]), [7, 7, 1, 1, 5, 5, 0, 0, 2, 2, 3, 3]);
    assert_eq!(seen(2, Positions::PerSequence, &[each]), [7, 1, 5, 7, 1, 5, 0, 2, 3, 0, 2, 3]);
}

#[test]
fn rotations() {
    let frequencies = Rope::frequencies(8, 10_000.0);
    let want = [1.0, 0.1, 0.01, 0.001f32];
    frequencies.iter().zip(want).for_each(|(f, w)| approx::assert_relative_eq!(*f, w, max_relative = 1e-7));
    let x: Vec<f32> = (0..8).map(|i| (i as f32 - 2.5) * 0.375).collect();
    let op = Rope::new([1, 8], 0).positions(Positions::Offset);
    let at = |x: &[f32], p: u32| of(&op, &[("x", x), ("frequencies", &frequencies)], &[("offset", &[p])]);
    let exact: Vec<f64> = x.iter().map(|v| f64::from(*v)).collect();
    close(&at(&x, 0), &exact);
    let y: Vec<f32> = x.iter().rev().map(|v| v * v - 0.25).collect();
    let dot = |p, q| at(&x, p).iter().zip(at(&y, q)).map(|(a, b)| a * b).sum::<f64>();
    // Lengths stay, and only differences of positions count.
    approx::assert_relative_eq!(
        at(&x, 4711).iter().map(|v| v * v).sum::<f64>(),
        exact.iter().map(|v| v * v).sum::<f64>(),
        max_relative = 1e-13
    );
    approx::assert_relative_eq!(dot(3, 5), dot(1_000_003, 1_000_005), max_relative = 1e-9);
    // A known angle: pair 0 by 2 radians.
    let got = at(&x, 2);
    let (sin, cos) = 2f64.sin_cos();
    close(&[got[0], got[4]], &[exact[0] * cos - exact[4] * sin, exact[4] * cos + exact[0] * sin]);
}
