//! The 8-bit format that suits the numbers of a tensor best.

use super::{CalibrationError, Histogram, calibrate::Grid};
use crate::dtype::{Format, Specials};

/// How well a format holds some numbers, at scale 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fit {
    /// The format, its bias among the fields.
    pub format: Format,
    /// Mean squared error of the codes, over all finite numbers.
    pub mse: f64,
    /// Signal-to-quantisation-noise ratio in decibels, 10·log₁₀(Σx² / Σ(x − q)²); infinite without an error.
    pub sqnr: f64,
}

/// Every split of 8 bits into sign, exponent and mantissa, each with the bias of least mean squared error; the best split
/// first.
///
/// Formats without a sign are among them if no number is negative. Codes are at scale 1 and saturate: a bias
/// moves all values by a power of two, so bias b with scale 1 is bias b′ with scale 2^(b′ − b). Errors are exact, but for the
/// rounding of f64.
///
/// With equal errors a format with a sign comes first, then fewer bits of exponent. The bias is sought from the highest that
/// clips nothing up, and of equal ones the lowest is taken; for zeros alone it is 2^(exp_bits − 1) − 1. [`Specials::None`] has the most values and no NaN; no unsigned
/// format has those of [`Specials::Fnuz`]. Matrix products take formats that are
/// [`is_f32_safe`](Format::is_f32_safe).
///
/// After *FP8 Quantization: The Power of the Exponent* (arXiv 2208.09225) and *All-You-Can-Fit 8-Bit Flexible Floating-Point
/// Format* (FFP8, arXiv 2104.07329).
///
/// # Errors
/// [`CalibrationError::Empty`] for numbers none of which is finite.
///
/// ```
/// use quarter::{dtype::Specials, scale::{Histogram, search_formats}};
/// let mut h = Histogram::default();
/// h.observe(&[0.0, 1.0, 2.0, 3.0, 127.0, 254.0]); // after a ReLU, and best in even steps
/// let fits = search_formats(&h, Specials::Fn)?;
/// assert_eq!((fits[0].format.name(), fits[0].mse), ("e1m7b-6fnu", 0.0));
/// # Ok::<(), quarter::scale::CalibrationError>(())
/// ```
pub fn search_formats(numbers: &Histogram, specials: Specials) -> Result<Vec<Fit>, CalibrationError> {
    if numbers.count() == 0 {
        return Err(CalibrationError::Empty { non_finite: numbers.non_finite() });
    }
    let signal: f64 = numbers.bins().map(|b| b.squares()).sum();
    let fit = |formats: Vec<Format>| {
        let (error, format) = best_bias(numbers, &formats)?;
        let sqnr = if error == 0.0 { f64::INFINITY } else { 10.0 * (signal / error).log10() };
        Some(Fit { format, mse: error / numbers.count() as f64, sqnr })
    };
    let signed = (1..8).map(|e| biases(|bias| Format::signed(e, 7 - e, bias, specials).ok()));
    let unsigned = (1..9).map(|e| biases(|bias| Format::unsigned(e, 8 - e, bias, specials).ok()));
    let unsigned = unsigned.filter(|_| numbers.negative() == 0);
    let mut fits: Vec<Fit> = signed.chain(unsigned).filter_map(fit).collect();
    // A stable sort: the order above decides what errors do not.
    fits.sort_by(|a, b| a.mse.total_cmp(&b.mse));
    Ok(fits)
}

/// All formats that differ in their bias; the largest first.
fn biases(format: impl Fn(i32) -> Option<Format>) -> Vec<Format> {
    (-127..=126).filter_map(format).collect()
}

/// The best of formats whose range falls, and its squared error.
///
/// Of those that clip nothing the one with the smallest range has the values of all others. Once the clipped numbers alone
/// cost more than the best, no smaller range can be better.
fn best_bias(numbers: &Histogram, formats: &[Format]) -> Option<(f64, Format)> {
    let amax = numbers.amax();
    if amax == 0.0 {
        let middle = |f: &&Format| f.bias() == (1 << (f.exp_bits() - 1)) - 1;
        return Some((0.0, *formats.iter().find(middle).or(formats.last())?));
    }
    let start = formats.partition_point(|f| f.max() >= amax).saturating_sub(1);
    let mut best: Option<(f64, Format)> = None;
    for &format in formats.get(start..)? {
        let least = best.map_or(f64::INFINITY, |b| b.0);
        if clipped(numbers, format.max().into()) >= least {
            break;
        }
        let grid = Grid::new(format);
        let codes = grid.codes(numbers, numbers.len(), 1.0);
        let errors = codes.flat_map(|(value, bins)| bins.map(move |i| numbers.bin(i).error(value)));
        let error = errors.sum();
        if error < least {
            best = Some((error, format));
        }
    }
    best
}

/// Squared error of the bins above `max` if they become it.
fn clipped(numbers: &Histogram, max: f64) -> f64 {
    numbers.bins().filter(|b| b.upper - b.width >= max).map(|b| b.error(max)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dtype::Overflow;

    /// Unit roundoff of f64.
    const U: f64 = f64::EPSILON / 2.0;

    fn search(x: &[f32], specials: Specials) -> Vec<Fit> {
        let mut h = Histogram::default();
        h.observe(x);
        search_formats(&h, specials).unwrap()
    }

    fn error(f: Format, x: &[f32]) -> f64 {
        let code = |x: f32| f.decode(f.encode(x, Overflow::Saturate));
        x.iter().map(|&x| (f64::from(x) - f64::from(code(x))).powi(2)).sum()
    }

    /// What computing the same in another order and by bins may change: sums of up to n terms, and three products for each
    /// number that are as large as the squares of its error and of twice the width of its bin together.
    fn noise(f: Format, x: &[f32]) -> f64 {
        let code = |x: f32| f64::from(f.decode(f.encode(x, Overflow::Saturate)));
        let width = |x: f32| f64::from(x.abs()) / 256.0;
        let sum: f64 = x.iter().map(|&x| ((f64::from(x) - code(x)).abs() + 2.0 * width(x)).powi(2)).sum();
        (9 + 2 * x.len()) as f64 * U * sum
    }

    /// Every field, every bias, by the codec itself; the best bias of each split, of equal ones the lowest from the smallest range
    /// on that holds all numbers.
    fn by_codec(x: &[f32], specials: Specials) -> Vec<(f64, Format)> {
        let amax = x.iter().fold(0.0, |m: f32, x| m.max(x.abs()));
        let all = |signed| {
            (1..9).filter_map(move |e| {
                let formats = (-300..300).filter_map(|bias| match signed {
                    true => Format::signed(e, 7u32.checked_sub(e)?, bias, specials).ok(),
                    false => Format::unsigned(e, 8 - e, bias, specials).ok(),
                });
                let errors: Vec<_> = formats.map(|f| (error(f, x), f)).collect();
                let least = errors.iter().map(|e| e.0).min_by(f64::total_cmp)?;
                let start = errors.iter().rposition(|e| e.1.max() >= amax).unwrap_or(0);
                errors[start..].iter().find(|e| e.0 == least).copied()
            })
        };
        let signless = all(false).filter(|_| x.iter().all(|&x| x >= 0.0));
        let mut found: Vec<_> = all(true).chain(signless).collect();
        found.sort_by(|a, b| a.0.total_cmp(&b.0));
        found
    }

    fn words(n: usize) -> Vec<u32> {
        let mut state = 7u64;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 32) as u32
        };
        (0..n).map(|_| next()).collect()
    }

    /// Integers of 12 bits: squares of their errors add up exactly in f64.
    #[test]
    fn integers_are_ranked_as_by_the_codec() {
        for specials in [Specials::None, Specials::Fn, Specials::Fnuz, Specials::Ieee] {
            for signed in [false, true] {
                for n in [1, 3, 50, 400] {
                    let number = |w: u32| ((w & 0xFFF) >> (w >> 28)) as f32;
                    let sign = |w: u32| if signed && w & 0x1000 != 0 { -1.0 } else { 1.0 };
                    let x: Vec<f32> = words(n).into_iter().map(|w| sign(w) * number(w)).collect();
                    if x.iter().all(|&x| x == 0.0) {
                        continue;
                    }
                    let got: Vec<_> = search(&x, specials).iter().map(|f| (f.mse, f.format)).collect();
                    let want: Vec<_> = by_codec(&x, specials).iter().map(|f| (f.0 / n as f64, f.1)).collect();
                    assert_eq!(got, want, "{specials:?} {n}");
                }
            }
        }
    }

    /// Steps of 2 cost 70, steps of 1 clip the largest at the cost of 49: e1m6 must not stop at the first.
    #[test]
    fn clipping_may_be_cheaper_than_steps() {
        let x: Vec<f32> = (0..70).map(|i| (i % 64 * 2 + 1) as f32).chain([134.0]).collect();
        let fits = search(&x, Specials::None);
        let e1m6 = fits.iter().find(|f| f.format.exp_bits() == 1 && f.format.is_signed()).unwrap();
        assert_eq!((e1m6.format.max(), e1m6.mse * 71.0), (127.0, 49.0));
    }

    #[test]
    fn all_bits_of_mantissa_are_ranked_as_by_the_codec() {
        for exponents in [3, 30] {
            let number = |w: u32| f32::from_bits(w << 31 | (120 + (w >> 1) % exponents) << 23 | w >> 9);
            let x: Vec<f32> = words(200).into_iter().map(number).collect();
            let (got, want) = (search(&x, Specials::Fn), by_codec(&x, Specials::Fn));
            assert_eq!(got.len(), want.len());
            for (got, want) in got.iter().zip(&want) {
                let noise = noise(got.format, &x) + noise(want.1, &x);
                let sum = got.mse * x.len() as f64;
                assert!((sum - want.0).abs() <= noise, "{got:?} {want:?}");
                assert!((sum - error(got.format, &x)).abs() <= noise, "{got:?}");
            }
        }
    }

    #[test]
    fn a_bias_is_a_power_of_two() {
        let x: Vec<f32> = words(100).iter().map(|w| (*w as i32 >> 8) as f32 / 3e5).collect();
        for fit in search(&x, Specials::Fn) {
            let (f, bias) = (fit.format, 20);
            let other = Format::signed(f.exp_bits(), f.man_bits(), bias, f.specials()).unwrap();
            let scale = 2f32.powi(bias - f.bias());
            for x in &x {
                let code = other.encode(x / scale, Overflow::Saturate);
                assert_eq!(code, f.encode(*x, Overflow::Saturate));
                assert_eq!(other.decode(code) * scale, f.decode(code));
            }
        }
    }

    #[test]
    fn ties_zeros_extremes_and_nothing() {
        let names = |x: &[f32]| {
            let fits = search(x, Specials::None);
            fits.iter().take(2).map(|f| (f.format.name(), f.mse, f.sqnr)).collect::<Vec<_>>()
        };
        let exact = |a, b| vec![(a, 0.0, f64::INFINITY), (b, 0.0, f64::INFINITY)];
        assert_eq!(names(&[0.0, -0.0]), exact("e1m6b0f", "e2m5b1f"));
        // The smallest range that holds 1 ends below 2.
        assert_eq!(names(&[1.0]), exact("e1m6b1f", "e2m5b3f"));
        assert_eq!(names(&[-1.0]), exact("e1m6b1f", "e2m5b3f"));
        for x in [f32::MAX, f32::MIN_POSITIVE] {
            let fits = search(&[x], Specials::Fn);
            assert!(fits[0].mse.is_finite() && fits.len() == 14, "{x}: {fits:?}");
        }
        let mut h = Histogram::default();
        h.observe(&[f32::NAN]);
        assert_eq!(search_formats(&h, Specials::None), Err(CalibrationError::Empty { non_finite: 1 }));
    }
}
