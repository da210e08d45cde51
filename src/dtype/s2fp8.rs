//! S2FP8: E5M2 of numbers that were shifted and squeezed to its range.

use super::{Codebook, Format, log2};

/// Statistics of a tensor for S2FP8, and the codebook that they give: *Shifted and Squeezed 8-bit Floating Point Format for Low-Precision
/// Training of Deep Neural Networks* (arXiv 2001.05674).
///
/// Over the numbers that are not zero: μ = mean log₂ |x|, m = max log₂ |x|; α = 15 / (m − μ), β = −α·μ.
///
/// x becomes y = sign(x) · 2^β · |x|^α, rounded to nearest even in E5M2, and y comes back as sign(y) · (2^−β · |y|)^(1/α): by then a
/// table of 256 numbers, 2^(μ + log₂ |y| / α). Tables and the magnitudes at which codes change are made in integers from exact sums,
/// so they are the same whatever computes them and in whatever order; numbers are within 2 units in the last place of the formula.
///
/// What the paper leaves open:
/// * NaN, Inf and subnormals (which count as zero) are outside the statistics. NaN stays NaN, Inf becomes the largest code.
/// * No number at all: α = 1, β = 0, that is E5M2.
/// * α is at most 128. Where all magnitudes are alike m − μ is 0 and α would be infinite; near there a larger α buys a step of less than
///   0.2 % and pushes all that lies an octave below μ to zero. One magnitude, however often, comes back to the bit.
///
/// ```
/// use quarter::dtype::S2fp8;
/// let s = S2fp8::new(&[1e-7, -4e-7, 0.0, 2e-7]);
/// let c = s.codebook();
/// assert!((s.alpha() - 15.0).abs() < 1e-6); // log₂ of 1, 4, 2: mean 1, largest 2
/// assert_eq!(c.encode(-4e-7), 0xF8); // −2¹⁵
/// assert!((c.decode(0xF8) + 4e-7).abs() < 1e-13);
/// assert_eq!(c.decode(c.encode(0.0)), 0.0);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct S2fp8 {
    count: u64,
    /// Σ log₂ |x| + 127, 32 bits behind the point.
    sum: u128,
    /// Bits of the largest finite magnitude.
    largest: u32,
}

/// Bits behind the point of logarithms.
const POINT: u32 = 32;
const ONE: u64 = 1 << POINT;
/// log₂ of what the largest magnitude becomes.
const TOP: u64 = 15;
/// The largest α.
const ALPHA: u64 = 128;
/// Bits of the largest f32.
const LARGEST: u32 = f32::MAX.to_bits();
/// The code of the largest finite E5M2.
const LAST: u8 = 0x7B;

impl S2fp8 {
    /// The least 15 / α, 32 bits behind the point.
    pub(crate) const LEAST_RANGE: u32 = (TOP * ONE / ALPHA) as u32;

    /// Statistics of these numbers.
    pub fn new(x: &[f32]) -> Self {
        let mut s = Self::default();
        s.see(x);
        s
    }

    /// Takes these numbers in too.
    pub fn see(&mut self, x: &[f32]) {
        for bits in x.iter().map(|v| v.to_bits() & 0x7FFF_FFFF) {
            if (0x0080_0000..0x7F80_0000).contains(&bits) {
                self.count += 1;
                self.sum += u128::from(log2::log2(bits));
                self.largest = self.largest.max(bits);
            }
        }
    }

    /// Takes in what others have seen; in any order.
    pub fn join(&mut self, other: &Self) {
        self.count += other.count;
        self.sum += other.sum;
        self.largest = self.largest.max(other.largest);
    }

    /// μ + 127 and 15 / α, both with 32 bits behind the point.
    pub(crate) fn fixed(&self) -> (u64, u64) {
        if self.count == 0 {
            return (127 * ONE, TOP * ONE);
        }
        let mean = (self.sum / u128::from(self.count)) as u64;
        (mean, (log2::log2(self.largest) - mean).max(Self::LEAST_RANGE.into()))
    }

    /// α; 1 where there is no number.
    pub fn alpha(&self) -> f64 {
        TOP as f64 * ONE as f64 / self.fixed().1 as f64
    }

    /// β = −α·μ.
    pub fn beta(&self) -> f64 {
        -self.alpha() * (self.fixed().0 as f64 / ONE as f64 - 127.0)
    }

    /// What codes mean, and where they change.
    pub fn codebook(&self) -> Codebook {
        let squeezed = |log: i64| log2::exp2(self.restored(log));
        let mut table = [0; 256];
        for code in 1..=LAST {
            let bits = squeezed(log_of(u32::from(code) * 2));
            table[usize::from(code)] = bits;
            table[usize::from(code | 0x80)] = bits | 0x8000_0000;
        }
        table[0x80] = 0x8000_0000;
        for code in LAST + 1..=0x7F {
            let bits = Format::E5M2.decode(code).to_bits();
            table[usize::from(code)] = bits;
            table[usize::from(code | 0x80)] = bits | 0x8000_0000;
        }
        // The least magnitude that is a later code than `code`: a tie, where there is one, goes to the even code.
        // Beyond the largest number there is but Inf.
        let first = |code: u8| match squeezed(log_of(u32::from(code) * 2 + 1)) {
            LARGEST => 0x7F80_0000,
            bits => (bits + u32::from(code.is_multiple_of(2))).max(0x0080_0000),
        };
        let negative = (1..=LAST).rev().map(|code| 0x7FFF_FFFF - (first(code - 1) - 1));
        let positive = (0..LAST).map(|code| first(code) | 0x8000_0000);
        // The last code below zero has no key of its own: it is where all begins.
        let keys: Vec<u32> = negative.chain([0x8000_0000]).chain(positive).collect();
        let codes: Vec<u8> = (0x80..=LAST | 0x80).rev().chain(0..=LAST).collect();
        Codebook::of(table, &codes, &keys)
    }

    /// log₂ |x| + 127 of what becomes 2^log: μ + log / α; 0 where it is below that.
    fn restored(&self, log: i64) -> u64 {
        let (mean, range) = self.fixed();
        // The product's integer bits, and what is behind the point of it.
        let (whole, part) = (log.unsigned_abs() >> POINT, log.unsigned_abs() & (ONE - 1));
        let behind = part * (range & (ONE - 1));
        let product = whole * range + part * (range >> POINT) + (behind >> POINT);
        let distance = product / TOP;
        if log < 0 { mean.saturating_sub(distance) } else { mean + distance }
    }
}

/// log₂ 1.25, 1.5, 1.75 and of what lies between them and 1 and 2, 32 bits behind the point: by eighths.
const EIGHTHS: [u32; 8] =
    [0x0000_0000, 0x2B80_3474, 0x5269_E12F, 0x759D_4F81, 0x95C0_1A3A, 0xB350_0472, 0xCEAE_CFEB, 0xE829_FB69];

/// log₂ of an E5M2 magnitude, 32 bits behind the point; twice its code, odd numbers for what lies half-way to the next.
fn log_of(twice: u32) -> i64 {
    let (exponent, mantissa) = match twice {
        // Subnormal: a multiple of 2⁻¹⁷.
        1..8 => {
            let top = twice.ilog2();
            (top as i32 - 17, twice << (3 - top) & 7)
        }
        _ => ((twice >> 3) as i32 - 15, twice & 7),
    };
    (i64::from(exponent) << POINT) + i64::from(EIGHTHS[mantissa as usize])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dtype::Overflow;

    /// Numbers of every kind of tensor that has some.
    fn tensors() -> Vec<Vec<f32>> {
        let unit = |i: u32| f64::from(i.wrapping_mul(0x9E37_79B9) >> 8) / f64::from(1 << 24);
        let normal = |i: u32| (0..12).map(|j| unit(12 * i + j)).sum::<f64>() - 6.0;
        let of = |f: &dyn Fn(u32) -> f64| (0..20_000).map(|i| f(i) as f32).collect::<Vec<_>>();
        vec![
            of(&|i| 1e-7 * normal(i)),
            of(&|i| if i % 2 == 0 { 0.0 } else { 1e-7 * normal(i) }),
            of(&|i| (6.0 * normal(i)).exp() * if i % 3 == 0 { -1.0 } else { 1.0 }),
            of(&|i| 0.9 + 0.2 * unit(i)),
            of(&|i| 2f64.powf(250.0 * unit(i) - 125.0)),
            vec![3.0, -0.75],
        ]
    }

    /// μ and α of the paper, in f64.
    fn formula(x: &[f32]) -> (f64, f64) {
        let logs: Vec<f64> = x.iter().filter(|v| **v != 0.0).map(|v| f64::from(v.abs()).log2()).collect();
        let mean = logs.iter().sum::<f64>() / logs.len() as f64;
        let largest = logs.iter().copied().fold(f64::MIN, f64::max);
        (mean, 15.0 / (largest - mean))
    }

    #[test]
    fn numbers_are_those_of_the_formula() {
        for x in tensors() {
            let (s, (mean, alpha)) = (S2fp8::new(&x), formula(&x));
            assert!((s.alpha() / alpha - 1.0).abs() < 1e-7 && (s.beta() + alpha * mean).abs() < 1e-5);
            let c = s.codebook();
            for code in 1..=LAST {
                let y = f64::from(Format::E5M2.decode(code));
                let want = (mean + y.log2() / alpha).exp2();
                if want < f64::from(f32::MIN_POSITIVE) || want > f64::from(f32::MAX) {
                    continue;
                }
                let unit = f64::from((want as f32).next_up() - want as f32);
                let got = f64::from(c.decode(code));
                assert!((got - want).abs() <= 2.0 * unit, "{code:#x}: {got:e}, not {want:e}");
                assert_eq!(c.decode(code | 0x80), -c.decode(code));
            }
        }
    }

    /// Codes are those of E5M2 of the squeezed number, but where that is half-way between two, within what logarithms lack.
    #[test]
    fn codes_are_those_of_the_formula() {
        for x in tensors() {
            let (c, (mean, alpha)) = (S2fp8::new(&x).codebook(), formula(&x));
            for v in x {
                let y = (alpha * (f64::from(v.abs()).log2() - mean)).exp2() as f32 * v.signum();
                let sure =
                    [1.0 - 1e-6, 1.0 + 1e-6].map(|near| Format::E5M2.encode(y * near, Overflow::Saturate));
                let got = c.encode(v);
                assert!(v == 0.0 && got == 0 || sure.contains(&got), "{v:e}: {got:#x} of {sure:x?}");
            }
        }
    }

    /// Codes change where their own numbers say, and every number is its own code.
    #[test]
    fn codes_are_in_order() {
        for x in tensors() {
            let c = S2fp8::new(&x).codebook();
            for code in (0..=LAST).chain(0x80..=LAST | 0x80) {
                let v = c.decode(code);
                assert!(c.encode(v) == code || v.abs() == f32::MAX || v == 0.0, "{code:#x}: {v:e}");
            }
        }
    }

    #[test]
    fn what_the_formula_leaves_open() {
        let e5m2 = |c: &Codebook| (0..=LAST).all(|code| c.decode(code) == Format::E5M2.decode(code));
        for none in [&[0.0, -0.0][..], &[1e-40], &[f32::INFINITY], &[f32::NAN], &[]] {
            let s = S2fp8::new(none);
            assert_eq!((s.alpha(), s.beta()), (1.0, 0.0));
            let c = s.codebook();
            assert!(e5m2(&c));
            for bits in (0..=u32::MAX).step_by(9973) {
                let x = f32::from_bits(bits);
                let x = if x.abs() < f32::MIN_POSITIVE { 0.0f32.copysign(x) } else { x };
                let want = Format::E5M2.encode(x, Overflow::Saturate);
                assert!(c.encode(x) == want || x.is_nan() && c.is_nan(c.encode(x)), "{x:e}");
            }
        }
        for v in [1.0, -3.3e-38, 0.1, 7e37, f32::MAX, f32::MIN_POSITIVE] {
            for n in [1, 1000] {
                let s = S2fp8::new(&vec![v; n]);
                assert_eq!((s.alpha(), s.codebook().decode(s.codebook().encode(v))), (128.0, v));
            }
        }
        let c = S2fp8::new(&[f32::NAN, 2.0, f32::NEG_INFINITY, 0.0, 1.0]).codebook();
        assert_eq!(c, S2fp8::new(&[2.0, 1.0]).codebook());
        assert!(c.is_nan(c.encode(f32::NAN)));
        assert_eq!(c.encode(f32::NEG_INFINITY), 0xFB);
    }

    #[test]
    fn statistics_join_in_any_order() {
        for x in tensors() {
            let mut parts = x.chunks(x.len().div_ceil(3)).map(S2fp8::new).rev().collect::<Vec<_>>();
            let mut all = parts.remove(0);
            parts.iter().for_each(|p| all.join(p));
            assert_eq!(all, S2fp8::new(&x));
        }
    }
}
