//! A number that carries its own f32 error bound.
//!
//! First-order running error analysis (N. Higham, *Accuracy and Stability of Numerical Algorithms*, ch. 3):
//! references are plain loops over [`Real`], and the bound of any operation, linear or not, falls out.

use std::ops::{Add, Div, Mul, Neg, Sub};

/// Unit roundoff of f32.
pub const U: f64 = 1.0 / (1u64 << 24) as f64;
/// An operation may flush a result below 2⁻¹²⁶ to zero.
pub const TINY: f64 = f32::MIN_POSITIVE as f64;

/// A true value and a bound on what f32 arithmetic makes of it: |computed − value| ≤ error.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub struct Real {
    /// The value in f64.
    pub value: f64,
    /// The bound, absolute; −∞ for a value that may be NaN instead ([`or_nan`](Self::or_nan)).
    pub error: f64,
}

impl Real {
    /// A number every implementation has exactly.
    pub const fn exact(value: f64) -> Self {
        Self { value, error: 0.0 }
    }

    /// A result of one operation that is right within `ulps` units in the last place.
    pub fn rounded(value: f64, error: f64, ulps: f64) -> Self {
        Self { value, error: error + 2.0 * ulps * U * (value.abs() + error) + TINY }
    }

    /// The same where an operation takes a number below 2⁻¹²⁶ for zero, as it may.
    fn flushed(self) -> Self {
        let lost = if self.value.abs() < TINY { self.value.abs() } else { 0.0 };
        Self { error: self.error + lost, ..self }
    }

    /// It, or NaN: where a driver that takes an operand below 2⁻¹²⁶ for zero multiplies it by Inf. Said of a result
    /// that is final, as no operation carries it on.
    #[must_use]
    pub const fn or_nan(self) -> Self {
        Self { error: f64::NEG_INFINITY, ..self }
    }

    /// What f32 holds of it: Inf beyond its range.
    #[must_use]
    pub const fn in_f32(self) -> Self {
        let held = self.value as f32;
        if held.is_infinite() { Self::exact(held as f64) } else { self }
    }

    /// Whether NaN will do as well.
    pub const fn may_be_nan(&self) -> bool {
        self.error == f64::NEG_INFINITY
    }

    /// f of it, where |f′| ≤ `slope` near the value, evaluated within `ulps`.
    #[must_use]
    pub fn map(self, f: impl Fn(f64) -> f64, slope: f64, ulps: f64) -> Self {
        Self::rounded(f(self.value), slope * self.error, ulps)
    }

    /// eˣ; WGSL allows 3 + 2·|x| ulp.
    #[must_use]
    pub fn exp(self) -> Self {
        let v = self.value.exp();
        // Not v · expm1(error): that is 0 · ∞ where v has vanished.
        Self::rounded(v, (self.value + self.error).exp() - v, 3.0 + 2.0 * self.value.abs())
    }

    /// 1 / √x; WGSL allows 2 ulp. Where x may be zero or less, by its bound, there is none.
    #[must_use]
    pub fn inverse_sqrt(self) -> Self {
        let v = 1.0 / self.value.sqrt();
        if self.error == 0.0 && !self.value.is_normal() {
            return Self::exact(v);
        }
        let x = self.flushed();
        // The slope is steepest at the lower end.
        let off = 1.0 / (x.value - x.error).max(0.0).sqrt() - v;
        Self::rounded(v, off, 2.0)
    }

    /// sin x within 3 ulp, by a kernel that reduces x itself: WGSL's own is right within 2⁻¹¹, and between −π and π only.
    #[must_use]
    pub fn sin(self) -> Self {
        let (sin, cos) = self.value.sin_cos();
        self.wave(sin, cos)
    }

    /// cos x, the same.
    #[must_use]
    pub fn cos(self) -> Self {
        let (sin, cos) = self.value.sin_cos();
        self.wave(cos, sin)
    }

    /// A wave of this value and slope at x.
    fn wave(self, value: f64, slope: f64) -> Self {
        if self.value == 0.0 && self.error == 0.0 {
            return Self::exact(value);
        }
        // No slope is steeper than that here and the change of it; from one end to the other it is 2.
        let off = (slope.abs() * self.error + self.error * self.error / 2.0).min(2.0);
        Self::rounded(value, off, 3.0)
    }

    /// The larger of two.
    #[must_use]
    pub fn max(self, o: Self) -> Self {
        let (hi, lo) = if self.value >= o.value || self.value.is_nan() { (self, o) } else { (o, self) };
        // The smaller may be computed as the larger.
        Self { value: hi.value, error: hi.error.max(lo.value + lo.error - hi.value) }
    }

    /// |x|.
    #[must_use]
    pub fn abs(self) -> Self {
        Self { value: self.value.abs(), ..self }
    }

    /// Σ of terms that are each exact products or numbers, fused or not, with at most `chain` additions in a row
    /// before a tree joins the partial sums: Σ eᵢ + depth · (U · Σ |xᵢ| + TINY).
    pub fn sum(terms: impl IntoIterator<Item = Self>, chain: u32) -> Self {
        let (mut v, mut e, mut a, mut n) = (0.0, 0.0, 0.0, 0.0f64);
        for t in terms {
            v += t.value;
            e += t.error;
            a += t.value.abs() + t.error;
            n += 1.0;
        }
        Self { value: v, error: e + Self::depth(n, chain) * (U * a + TINY) }
    }

    /// Additions that any of `n` terms goes through, as [`sum`](Self::sum) has it.
    pub(crate) fn depth(n: f64, chain: u32) -> f64 {
        let chain = f64::from(chain);
        if n <= chain { (n - 1.0).max(0.0) } else { chain + (n / chain).log2().ceil() }
    }

    /// Σ x · y of exact numbers, products rounded or not: [`sum`](Self::sum) of the products, in one loop.
    pub fn dot(x: &[f64], y: &[f64], chain: u32) -> Self {
        let (mut v, mut a, mut lost) = (0.0, 0.0, 0.0);
        for (x, y) in x.iter().zip(y) {
            v += x * y;
            a += (x * y).abs();
            if x.abs().min(y.abs()) < TINY {
                lost += (x * y).abs();
            }
        }
        let (n, chain) = (x.len() as f64, f64::from(chain));
        let depth = if n <= chain { n } else { chain + 1.0 + (n / chain).log2().ceil() };
        Self { value: v, error: lost + depth * U * a + (depth + n) * TINY }
    }
}

/// The larger, +0 above −0; NaN if one of them is.
pub(crate) fn larger(a: Real, b: Real) -> Real {
    let first = a.value.is_nan() || (!b.value.is_nan() && a.value.total_cmp(&b.value).is_ge());
    if first { a.max(b) } else { b.max(a) }
}

/// Whether a driver that takes an operand below 2⁻¹²⁶ for zero makes NaN of x · y, as it may: 0 · Inf.
pub(crate) fn spoils(x: f64, y: f64) -> bool {
    let tiny = |v: f64| v != 0.0 && v.abs() < TINY;
    (tiny(x) && y.is_infinite()) || (x.is_infinite() && tiny(y))
}

impl Neg for Real {
    type Output = Self;
    fn neg(self) -> Self {
        Self { value: -self.value, ..self }
    }
}

impl Add for Real {
    type Output = Self;
    fn add(self, o: Self) -> Self {
        let (x, y) = (self.flushed(), o.flushed());
        Self::rounded(x.value + y.value, x.error + y.error, 0.5)
    }
}

impl Sub for Real {
    type Output = Self;
    fn sub(self, o: Self) -> Self {
        self + -o
    }
}

impl Mul for Real {
    type Output = Self;
    fn mul(self, o: Self) -> Self {
        let (x, y) = (self.flushed(), o.flushed());
        let e = x.value.abs() * y.error + y.value.abs() * x.error + x.error * y.error;
        Self::rounded(x.value * y.value, e, 0.5)
    }
}

impl Div for Real {
    type Output = Self;
    /// WGSL division is right within 2.5 ulp.
    fn div(self, o: Self) -> Self {
        let q = self.value / o.value;
        Self::rounded(
            q,
            (self.flushed().error + q.abs() * o.error) / (o.value.abs() - o.error).max(TINY),
            2.5,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A bound that is never exceeded, and never so loose that nothing could exceed it.
    #[test]
    fn bounds_hold_and_bite() {
        let mut seed = 1u32;
        let mut next = || {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (seed >> 8) as f32 / 8_388_608.0 - 1.0
        };
        let exact = |v: f32| Real::exact(f64::from(v));
        let mut worst = 0.0f64;
        for _ in 0..200 {
            let pairs: Vec<(f32, f32)> = (0..257).map(|_| (next(), next())).collect();
            let got = pairs.iter().fold(0.0f32, |s, (x, y)| s + x * y);
            let want = Real::sum(pairs.iter().map(|&(x, y)| exact(x) * exact(y)), u32::MAX);
            worst = worst.max((f64::from(got) - want.value).abs() / want.error);
            let (x, y) = pairs[0];
            for (g, w) in [
                (x / y, exact(x) / exact(y)),
                (x.exp() * y, exact(x).exp() * exact(y)),
                (x - y, exact(x) - exact(y)),
                (1.0 / (x * x + y * y).sqrt(), (exact(x) * exact(x) + exact(y) * exact(y)).inverse_sqrt()),
            ] {
                assert!((f64::from(g) - w.value).abs() <= w.error, "{x} {y}: {g} {w:?}");
                assert!(w.error <= 1e-5 * w.value.abs() + 1e-6, "{w:?} could not fail");
            }
        }
        assert!(worst <= 1.0 && worst > 1e-3, "{worst}");
    }

    #[test]
    fn beyond_f32_it_is_infinite() {
        let at = |value: f64| Real::rounded(value, 0.0, 0.5).in_f32();
        let top = f64::from(f32::MAX);
        assert_eq!(at(-2.0 * top), Real::exact(f64::NEG_INFINITY));
        assert_eq!(at(top).value, top);
        assert!(at(top).error > 0.0 && at(f64::NAN).value.is_nan());
    }

    #[test]
    fn waves() {
        let at = |value, error| Real { value, error };
        assert_eq!((at(0.0, 0.0).sin(), at(0.0, 0.0).cos()), (Real::exact(0.0), Real::exact(1.0)));
        for i in -400..400 {
            let x = at(f64::from(i) * 0.05, 0.01);
            for (f, wave) in [(f64::sin as fn(f64) -> f64, x.sin()), (f64::cos, x.cos())] {
                let furthest = [-1.0, -0.5, 0.5, 1.0]
                    .iter()
                    .map(|s| (f(x.value + s * x.error) - wave.value).abs())
                    .fold(0.0, f64::max);
                assert!(furthest <= wave.error && wave.error <= 1.02 * furthest + 1e-6, "{x:?} {wave:?}");
            }
        }
        // All that a wave can be, whatever x may be; 3 ulp where x is known.
        assert!((at(1.0, 1e9).sin().error - 2.0).abs() < 1e-5);
        assert!((at(1.0, 0.0).cos().error / 1f64.cos() - 6.0 * U).abs() < 1e-12);
        assert!(at(f64::INFINITY, 0.0).sin().value.is_nan());
    }

    #[test]
    fn inverse_roots() {
        let at = |value, error| Real { value, error }.inverse_sqrt();
        assert_eq!(
            (at(0.25, 0.0).value, at(0.0, 0.0).value, at(f64::INFINITY, 0.0).value),
            (2.0, f64::INFINITY, 0.0)
        );
        // Half the root's relative error, and 2 ulp.
        let r = at(4.0, 1e-3);
        assert!((r.error / r.value - 0.5 * 1e-3 / 4.0 - 4.0 * U).abs() < 1e-7, "{r:?}");
        assert!(r.value + r.error >= 1.0 / (4.0f64 - 1e-3).sqrt());
        // What may be zero has no bound.
        assert_eq!(at(1e-3, 1e-3).error, f64::INFINITY);
    }
}
