//! Mean and 1 / √(variance + ε) of one group of numbers: the reference, and the sums of the CPU kernels.

use crate::ops::{Real, TINY, U};

/// What a group is normalised by.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moments {
    /// How many numbers they are of, where they are those of the group itself.
    pub count: Option<f64>,
    /// Mean, or exactly zero.
    pub mean: Real,
    /// Mean square of the deviations.
    pub variance: Real,
    /// Sum of their squares.
    pub squares: Real,
}

/// Σ / n by way of a multiplication with 1 / n, which is rounded unless n is a power of two. The value is the quotient's:
/// an exact one stays exact.
pub(super) fn over(sum: Real, n: f64) -> Real {
    let error = if n.log2().fract() == 0.0 {
        sum.error / n + TINY
    } else {
        (sum * Real::rounded(1.0 / n, 0.0, 0.5)).error
    };
    Real { value: sum.value / n, error }
}

/// Of these numbers, in two passes; about their mean, or about zero. Numbers that hold NaN or Inf have no mean: all is NaN. Sums have at most `chain` additions in a row, or a
/// 256th of the group.
pub(super) fn moments<'r>(z: impl Iterator<Item = &'r Real> + Clone, centred: bool, chain: u32) -> Moments {
    let n = z.clone().count() as f64;
    let chain = chain.max((n / 256.0).ceil() as u32);
    let mean = if centred { over(Real::sum(z.clone().copied(), chain), n) } else { Real::exact(0.0) };
    if !mean.value.is_finite() {
        let none = Real::exact(f64::NAN);
        return Moments { count: Some(n), mean: none, variance: none, squares: none };
    }
    // That the mean is off is the same in every deviation, and true deviations add up to zero: it enters squared.
    let (mut v, mut e, mut a) = (0.0, 0.0, 0.0);
    for x in z {
        let own = x.error + TINY;
        let most = (x.value - mean.value).abs() + mean.error + own;
        v += (x.value - mean.value).powi(2);
        // A rounded subtraction and a rounded product.
        e += 2.0 * most * own + 3.1 * U * most * most + TINY;
        a += most * most;
    }
    let error = e + n * mean.error * mean.error + Real::depth(n, chain) * (U * a + TINY);
    let squares = Real { value: v, error };
    Moments { count: Some(n), mean, variance: over(squares, n), squares }
}

impl Moments {
    /// 1 / √(variance + ε); the variance counts as zero below 2⁻¹²⁶, as infinite beyond
    /// the range of f32.
    pub(super) fn inverse(&self, epsilon: f32) -> Real {
        let v = self.variance;
        if !v.value.is_finite() || v.value > f64::from(f32::MAX) {
            return Real::exact(if v.value.is_nan() { f64::NAN } else { 0.0 });
        }
        let t = if epsilon == 0.0 { v } else { v + Real::exact(epsilon.into()) };
        if t.value.abs() < TINY { Real::exact(f64::INFINITY) } else { t.inverse_sqrt() }
    }

    /// (z − mean) · inverse. Whatever mean and variance are off by, no number of n is further than √n deviations from
    /// their mean.
    pub(super) fn normalise(&self, z: Real, inverse: Real, epsilon: f32) -> Real {
        let v = (z - self.mean) * inverse;
        match self.count {
            Some(n) if epsilon > 0.0 && v.value.is_finite() => {
                let most = v.value.abs() + 1.01 * n.sqrt();
                Real { error: if v.error < most { v.error } else { most }, ..v }
            }
            _ => v,
        }
    }
}

/// The sum of what `f` makes of numbers: sixteen lanes of sixteen at most, then a tree.
pub(super) fn sum(v: &[f32], f: impl Fn(f32) -> f32 + Copy) -> f32 {
    if v.len() > 256 {
        let (low, high) = v.split_at((v.len() / 2).next_multiple_of(256));
        return sum(low, f) + sum(high, f);
    }
    let mut lanes = [0.0f32; 16];
    let mut whole = v.chunks_exact(16);
    for v in &mut whole {
        for (lane, v) in lanes.iter_mut().zip(v) {
            *lane += f(*v);
        }
    }
    for (lane, v) in lanes.iter_mut().zip(whole.remainder()) {
        *lane += f(*v);
    }
    lanes.into_iter().sum()
}

/// 1 / √t of a variance and ε; what is below 2⁻¹²⁶ counts as zero.
pub(super) fn inverse_root(t: f32) -> f32 {
    if t.abs() < f32::MIN_POSITIVE { f32::INFINITY } else { 1.0 / t.sqrt() }
}
