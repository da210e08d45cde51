//! Whether sums in f16 can overflow, and how far off they are: bounds from the weights alone.

use super::{DType, HostTensor, TensorError, rows};
use crate::{dtype::Format, scale::Scale};

/// Largest finite f16.
const MAX: f64 = 65504.0;
/// Unit roundoff of f16.
const ROUNDOFF: f64 = 1.0 / 2048.0;
/// What a product that rounds to a subnormal f16, or to zero, is off by at most.
const UNDERFLOW: f64 = 1.0 / 33_554_432.0;

/// What is known of the numbers that weights are multiplied with.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Activations {
    /// Plain numbers, none larger in magnitude.
    Amax(f32),
    /// Finite codes of a format, and their scale.
    Codes(Format, Scale),
}

impl Activations {
    /// Largest magnitude, in codes and as a real number.
    fn amax(self) -> Result<(f64, f64), TensorError> {
        match self {
            Self::Amax(amax) if (0.0..=f32::MAX).contains(&amax) => Ok((amax.into(), amax.into())),
            Self::Amax(got) => {
                Err(TensorError::Number { what: "amax", expected: "0 or a finite positive number", got })
            }
            Self::Codes(format, scale) => {
                let max = f64::from(format.max());
                Ok((max, max * f64::from(scale.get())))
            }
        }
    }
}

/// What the sums of one output channel cannot exceed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SumBound {
    /// Weights that are not zero: the terms that matter.
    pub terms: u64,
    /// ‖w‖₁ · amax, which no partial sum exceeds in magnitude, whatever the order, and which the worst signs reach.
    pub sum: f64,
    /// What a sum can be off by in f16, every product and every addition rounded to nearest:
    /// ((1 + 2⁻¹¹)^(terms + 1) − 1) · `sum` + (1 + 2⁻¹¹)^terms · terms · 2⁻²⁵.
    pub error: f64,
}

impl SumBound {
    /// Of weights whose magnitudes add up to `l1`.
    ///
    /// A term is rounded as a product and in terms − 1 additions at most. The one rounding more covers what f64 loses in `l1`, where
    /// it is up to 2³² · 2⁻⁵³, and the product of weight and scale.
    fn new(terms: u64, l1: f64, amax: f64) -> Self {
        let (sum, n) = (l1 * amax, terms as f64);
        let growth = |n: f64| (n * ROUNDOFF.ln_1p()).exp();
        let relative = ((n + 1.0) * ROUNDOFF.ln_1p()).exp_m1();
        let error = if sum == 0.0 { 0.0 } else { relative * sum + growth(n) * n * UNDERFLOW };
        Self { terms, sum, error }
    }

    /// Largest magnitude that a partial sum can have in f16, rounding included.
    pub fn reach(self) -> f64 {
        self.sum + self.error
    }

    /// Whether no partial sum can overflow in f16: its reach is at most 65504.
    pub fn fits(self) -> bool {
        self.reach() <= MAX
    }

    /// log₂(65504 / reach): bits of magnitude to spare, negative where it does not fit.
    pub fn headroom(self) -> f64 {
        (MAX / self.reach()).log2()
    }
}

/// Bounds of all output channels, in one unit.
#[derive(Clone, Debug, PartialEq)]
pub struct SumBounds {
    /// One for each channel.
    pub channels: Vec<SumBound>,
}

impl SumBounds {
    /// The channel of the largest reach, the first of equal ones; what fits if all do.
    pub fn largest(&self) -> (usize, SumBound) {
        let channels = self.channels.iter().copied().enumerate();
        let larger =
            |a: (usize, SumBound), b: (usize, SumBound)| if b.1.reach() > a.1.reach() { b } else { a };
        channels.reduce(larger).expect("no axis is empty")
    }

    /// Whether no sum of any channel can overflow in f16.
    pub fn fits(&self) -> bool {
        self.failing().next().is_none()
    }

    /// Channels whose sums may overflow in f16.
    pub fn failing(&self) -> impl Iterator<Item = usize> {
        self.channels.iter().enumerate().filter(|c| !c.1.fits()).map(|c| c.0)
    }
}

/// What summing the products of weights and activations in f16 could do: made by [`HostTensor::f16_accumulation`].
///
/// That nothing overflows does not make sums accurate: compare [`SumBound::error`] with the numbers that matter.
#[derive(Clone, Debug, PartialEq)]
pub struct Accumulation {
    /// Of products of codes, which kernels add up: scales that are constant over a channel are left out, others applied.
    pub codes: SumBounds,
    /// Of products of real numbers.
    pub real: SumBounds,
}

impl HostTensor {
    /// Bounds of every sum of products that these weights take part in, by the l1 norm of each output channel, and whether f16
    /// would do as its accumulator.
    ///
    /// `axis` is that of the output channels: 0 of \[n, k\], or 1 of \[k, n\]. The bounds hold for every order of the sum, with
    /// activations as far as `activations` says; weights that are not f16 numbers are taken as they are.
    ///
    /// After *Quantized Neural Networks for Low-Precision Accumulation with Guaranteed Overflow Avoidance* (arXiv 2301.13376), which
    /// has integers; floats round, so their bound grows with the number of terms.
    ///
    /// # Errors
    /// [`TensorError::Axis`] for an axis that is not there, [`TensorError::Kind`] for integers, [`TensorError::Number`] for weights or
    /// an amax that are not finite, and for a negative amax.
    ///
    /// ```
    /// use quarter::tensor::{Activations, HostTensor};
    /// let w = HostTensor::from_f32(&[1.0, -2.0, 3.0, 100.0, 0.0, -500.0], [2, 3])?;
    /// let sums = w.f16_accumulation(0, Activations::Amax(128.0))?.real;
    /// assert_eq!((sums.channels[0].sum, sums.channels[1].sum), (768.0, 76800.0));
    /// assert_eq!((sums.fits(), sums.failing().collect::<Vec<_>>()), (false, vec![1]));
    /// assert_eq!(sums.channels[0].headroom().floor(), 6.0);
    /// assert!(sums.channels[0].error > 1.0); // of 768: no overflow, and not exact
    /// # Ok::<(), quarter::tensor::TensorError>(())
    /// ```
    pub fn f16_accumulation(
        &self,
        axis: usize,
        activations: Activations,
    ) -> Result<Accumulation, TensorError> {
        let (in_codes, in_real) = activations.amax()?;
        let (shape, layout) = (self.shape(), self.layout());
        if layout.element().dtype() == DType::U32 {
            return Err(TensorError::Kind { what: "weights", expected: "floats", got: DType::U32 });
        }
        let Some(&channels) = shape.get(axis) else {
            return Err(TensorError::Axis { shape: shape.to_vec(), axis });
        };
        let last = shape.len() - 1;
        let stride = shape.get(axis + 1..last).map_or(1, |s| s.iter().product::<u32>()) as usize;
        let channel = |row: usize, col: usize| {
            if axis == last { col } else { row / stride % channels as usize }
        };
        let scaling = self.scales().map(|s| (s, s.granularity().map(shape)));
        let mut all = vec![Magnitudes::default(); channels as usize];
        let mut x = vec![0.0; layout.cols() as usize];
        for row in 0..layout.rows() as usize {
            rows::decode(layout, self.words(), row, 0, &mut x);
            // A NaN that no code holds spoils them all.
            if let Some(scales) = self.scales() {
                scales.look_up(&mut x);
            }
            for (col, &code) in x.iter().enumerate() {
                let (scale, group) = scaling.map_or((1.0, 0), |(scales, map)| {
                    let group = map.group(row, col);
                    (scales.scale_of(group), group)
                });
                if !code.is_finite() {
                    return Err(TensorError::Number {
                        what: "weights",
                        expected: "finite numbers",
                        got: code,
                    });
                }
                all[channel(row, col)].add(code, scale, group);
            }
        }
        let varies = all.iter().any(|m| m.varies);
        let bounds = |l1: fn(&Magnitudes) -> f64, amax: f64| SumBounds {
            channels: all.iter().map(|m| SumBound::new(m.terms, l1(m), amax)).collect(),
        };
        let codes = bounds(if varies { |m| m.real } else { |m| m.codes }, in_codes);
        Ok(Accumulation { codes, real: bounds(|m| m.real, in_real) })
    }
}

/// The weights of one output channel, added up by magnitude.
#[derive(Clone, Copy, Default)]
struct Magnitudes {
    terms: u64,
    codes: f64,
    real: f64,
    group: Option<usize>,
    /// Whether they have several scales.
    varies: bool,
}

impl Magnitudes {
    fn add(&mut self, code: f32, scale: f32, group: usize) {
        self.varies |= *self.group.get_or_insert(group) != group;
        let code = f64::from(code.abs());
        self.terms += u64::from(code != 0.0);
        self.codes += code;
        self.real += code * f64::from(scale);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What codes of a codebook mean is added up, not the codes.
    #[test]
    fn codebooks_are_looked_up() {
        let posits = crate::dtype::Codebook::posit8(2).expect("a posit");
        let w = HostTensor::from_codebook(&posits, &[0x40, 0xC0, 0x44, 0x00], [2, 2]).expect("codes");
        let sums = w.f16_accumulation(0, Activations::Amax(1.0)).expect("numbers");
        for bounds in [&sums.real, &sums.codes] {
            assert_eq!([bounds.channels[0].sum, bounds.channels[1].sum], [2.0, 1.5]);
        }
        let nan = HostTensor::from_codebook(&posits, &[0x80], [1, 1]).expect("codes");
        assert!(nan.f16_accumulation(0, Activations::Amax(1.0)).is_err());
    }

    use crate::scale::Granularity::{self, *};
    use half::f16;

    fn words(n: usize) -> Vec<u32> {
        let mut state = 3u64;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 32) as u32
        };
        (0..n).map(|_| next()).collect()
    }

    fn bounds(w: &[f32], shape: &[u32], axis: usize, activations: Activations) -> Accumulation {
        HostTensor::from_f32(w, shape).unwrap().f16_accumulation(axis, activations).unwrap()
    }

    /// Largest partial sum over all subsets, that is over all orders, and all signs of activations that are ±amax or 0.
    #[test]
    fn the_worst_signs_reach_the_bound_and_none_exceeds_it() {
        let w: Vec<f32> = words(18).iter().map(|w| (w % 9) as f32 - 4.0).collect();
        for (axis, shape) in [(0, [3, 6]), (1, [6, 3])] {
            let found = bounds(&w, &shape, axis, Activations::Amax(4.0));
            for channel in 0..3 {
                let at = |k| if axis == 0 { w[channel * 6 + k] } else { w[k * 3 + channel] };
                let sums = (0..3u32.pow(6)).map(|pattern| {
                    let x = |k| (pattern / 3u32.pow(k) % 3) as f32 - 1.0;
                    (0..6).map(|k| at(k as usize) * 4.0 * x(k)).sum::<f32>()
                });
                let worst = sums.fold(0.0, |a: f32, s| a.max(s.abs()));
                assert_eq!(found.real.channels[channel].sum, worst.into());
                assert_eq!(found.codes.channels[channel].sum, worst.into());
                let terms = (0..6).filter(|&k| at(k) != 0.0).count();
                assert_eq!(found.real.channels[channel].terms, terms as u64);
            }
        }
    }

    /// In f16, one after the other and in pairs, with numbers from the subnormals up.
    #[test]
    fn sums_in_f16_stay_within_their_bounds() {
        for (n, exponents, base) in [(1, 4, 10), (7, 30, 1), (64, 12, 4), (1000, 3, 10), (1000, 20, 1)] {
            let number = |w: u32| {
                f16::from_bits(((w >> 31) << 15 | (base + w % exponents) << 10 | w >> 8 & 0x3FF) as u16)
            };
            let numbers: Vec<f16> = words(2 * n).into_iter().map(number).collect();
            let (w, x) = numbers.split_at(n);
            let plain: Vec<f32> = w.iter().map(|w| w.to_f32()).collect();
            // Signs of the worst case, and as they came.
            for worst in [false, true] {
                let sign = |w: &f16, x: &f16| {
                    if worst { f16::from_f32(w.signum().to_f32() * x.to_f32().abs()) } else { *x }
                };
                let x: Vec<f16> = w.iter().zip(x).map(|(w, x)| sign(w, x)).collect();
                let amax = x.iter().fold(0.0, |a: f32, x| a.max(x.to_f32().abs()));
                let bound = bounds(&plain, &[1, n as u32], 0, Activations::Amax(amax)).real.channels[0];
                let truth: f64 = w.iter().zip(&x).map(|(w, x)| w.to_f64() * x.to_f64()).sum();
                // Exact in f32 and in f64 before the one rounding.
                let mut terms: Vec<f16> =
                    w.iter().zip(&x).map(|(w, x)| f16::from_f32(w.to_f32() * x.to_f32())).collect();
                let add = |a: f16, b: f16| f16::from_f64(a.to_f64() + b.to_f64());
                let mut sums = vec![];
                let chain = terms.iter().fold(f16::ZERO, |a, b| {
                    sums.push(add(a, *b));
                    add(a, *b)
                });
                while terms.len() > 1 {
                    terms =
                        terms.chunks(2).map(|t| if let [a, b] = t { add(*a, *b) } else { t[0] }).collect();
                    sums.extend(&terms);
                }
                for got in [chain, terms[0]] {
                    let error = (got.to_f64() - truth).abs();
                    assert!(!bound.fits() || error <= bound.error, "{n}: {error} of {bound:?}");
                }
                let most = sums.iter().fold(0.0, |a: f64, s| a.max(s.to_f64().abs()));
                assert!(!bound.fits() || most <= bound.reach(), "{n}: {most} of {bound:?}");
            }
        }
    }

    /// Against products of decoded numbers, at every granularity and on every axis.
    #[test]
    fn scales_enter_where_they_vary() {
        let shape = [4, 3, 8];
        let w: Vec<f32> =
            words(96).iter().map(|w| (w % 64) as f32 - 32.0 + (w >> 20) as f32 / 999.0).collect();
        let w = HostTensor::from_f32(&w, shape).unwrap();
        let (format, scale) = (Format::E4M3FN, Scale::new(0.25).unwrap());
        let leaves = |g: Granularity, axis| match g {
            PerTensor => true,
            PerChannel { axis: of } => usize::from(of) == axis,
            _ => false,
        };
        for g in [
            PerTensor,
            PerToken,
            PerChannel { axis: 0 },
            PerChannel { axis: 1 },
            PerChannel { axis: 2 },
            PerBlock { rows: 2, cols: 4 },
        ] {
            let q = w.quantize(Format::E5M2, g).unwrap();
            let decode = |c: &u8| f64::from(Format::E5M2.decode(*c).abs());
            let codes: Vec<f64> = q.codes().unwrap().iter().map(decode).collect();
            let map = g.map(&shape);
            let scaled =
                |i: usize| codes[i] * f64::from(q.scales().unwrap().scale_of(map.group(i / 8, i % 8)));
            for axis in 0..3 {
                let found = q.f16_accumulation(axis, Activations::Codes(format, scale)).unwrap();
                for channel in 0..shape[axis] as usize {
                    let of = |i: &usize| [i / 24, i / 8 % 3, i % 8][axis] == channel;
                    let real: f64 = (0..96).filter(of).map(scaled).sum();
                    let plain: f64 = (0..96).filter(of).map(|i| codes[i]).sum();
                    let inner = if leaves(g, axis) { plain } else { real };
                    assert_eq!(found.codes.channels[channel].sum, inner * 448.0, "{g} {axis}");
                    assert_eq!(found.real.channels[channel].sum, real * 112.0, "{g} {axis}");
                }
            }
        }
    }

    #[test]
    fn what_fits_and_what_does_not() {
        let found = |w: &[f32], amax| bounds(w, &[w.len() as u32, 1], 0, Activations::Amax(amax)).real;
        let b = found(&[0.0, 1.0, 2.0, 3.0], 32740.0);
        // 2 · 32740 is a number of f16, but roundings could carry it beyond.
        assert_eq!(b.failing().collect::<Vec<_>>(), [2, 3]);
        assert_eq!(b.largest().0, 3);
        assert_eq!((b.channels[0].error, b.channels[0].headroom()), (0.0, f64::INFINITY));
        assert!(b.channels[1].headroom() > 0.99 && b.channels[3].headroom() < -0.5);
        // Exponents of thousands of roundings do not overflow what they are computed in.
        let b = bounds(&[1e30; 5000], &[1, 5000], 0, Activations::Amax(1e30)).real;
        assert!(!b.fits() && b.largest().1.error > b.largest().1.sum);
        assert!(bounds(&[f32::MAX; 2], &[2], 0, Activations::Amax(0.0)).real.fits());
    }

    #[test]
    fn what_has_no_bound_is_refused() {
        let w = |x| HostTensor::from_f32(&[1.0, x], [1, 2]).unwrap();
        let report = |w: &HostTensor, axis, amax| w.f16_accumulation(axis, Activations::Amax(amax)).err();
        for amax in [-1.0, f32::NAN, f32::INFINITY] {
            assert!(matches!(report(&w(1.0), 0, amax), Some(TensorError::Number { what: "amax", .. })));
        }
        for x in [f32::NAN, f32::NEG_INFINITY] {
            let got = report(&w(x), 0, 1.0);
            assert!(matches!(got, Some(TensorError::Number { what: "weights", .. })));
            let q = w(x).quantize(Format::E5M2, PerTensor).unwrap();
            let got = report(&q, 0, 1.0);
            // Current scaling saturates infinities.
            assert_eq!(got.is_some(), x.is_nan());
        }
        assert_eq!(report(&w(1.0), 2, 1.0), Some(TensorError::Axis { shape: vec![1, 2], axis: 2 }));
        assert_eq!(
            report(&w(1.0), usize::MAX, 1.0).unwrap().to_string().split(',').next().unwrap(),
            "axis: expected below 2"
        );
        let words = HostTensor::from_u32(&[1], [1]).unwrap();
        assert!(matches!(report(&words, 0, 1.0), Some(TensorError::Kind { .. })));
    }
}
