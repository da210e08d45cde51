//! Activations: one formula each, in f32 for the CPU, over [`Real`] for the reference; `lib/activation.wgsl` has it
//! for the GPU.

use super::Real;
use crate::cpu::{Loop, exp, vector};

/// The function at the end of an epilogue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Activation {
    /// v
    #[default]
    None,
    /// max(v, 0)
    Relu,
    /// min(max(v, 0), 6) (A. Howard et al., arXiv 1704.04861): what comes out is bounded, as 8-bit outputs like it.
    Relu6,
    /// v · Φ(v), Φ the normal distribution function: the exact GELU (D. Hendrycks, K. Gimpel, arXiv 1606.08415).
    /// erfc by Abramowitz & Stegun 7.1.26, |error| ≤ 1.5·10⁻⁷.
    Gelu,
    /// v/2 · (1 + tanh(√(2/π) · (v + 0.044715 v³))): its approximation by tanh.
    GeluTanh,
    /// v / (1 + e⁻ᵛ), also called swish.
    Silu,
    /// 1 / (1 + e⁻ᵛ)
    Sigmoid,
    /// tanh v: below 0.625 an odd polynomial (S. Moshier's Cephes, `tanhf`), beyond it 1 − 2e / (1 + e), e = e⁻²ᵛ.
    Tanh,
}

/// √(2/π) · 2, as the shaders have it.
const TANH_SLOPE: f32 = 1.595_769_2;

/// tanh x = x + x³ · P(x²) for |x| < 0.625, within 2 · 10⁻⁸; coefficients of P, highest first.
const TANH: [f32; 5] = [-0.005_704_988_7, 0.020_639_09, -0.053_739_716, 0.133_314_42, -0.333_332_83];

impl Activation {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::None,
        Self::Relu,
        Self::Relu6,
        Self::Gelu,
        Self::GeluTanh,
        Self::Silu,
        Self::Sigmoid,
        Self::Tanh,
    ];

    /// Defines of `lib/activation.wgsl`.
    #[cfg(feature = "gpu")]
    pub(crate) fn defines(self) -> &'static [&'static str] {
        match self {
            Self::None => &["ACT_NONE"],
            Self::Relu => &["ACT_RELU"],
            Self::Relu6 => &["ACT_RELU6"],
            Self::Gelu => &["ACT_GELU"],
            Self::GeluTanh => &["ACT_GELU_TANH", "ACT_GATE"],
            Self::Silu => &["ACT_SILU", "ACT_GATE"],
            Self::Sigmoid => &["ACT_SIGMOID"],
            Self::Tanh => &["ACT_TANH"],
        }
    }

    /// In f32. NaN stays NaN.
    #[inline(always)]
    pub fn apply(self, v: f32) -> f32 {
        let done = match self {
            Self::None => v,
            Self::Relu => relu(v),
            Self::Relu6 => {
                if v >= 6.0 {
                    6.0
                } else {
                    relu(v)
                }
            }
            Self::Gelu => {
                let x = v.abs().min(1e10);
                let t = 1.0 / (1.0 + 0.231_641_89 * x);
                let p = t
                    * (0.254_829_6
                        + t * (-0.284_496_72 + t * (1.421_413_8 + t * (-1.453_152_1 + t * 1.061_405_4))));
                relu(v) - 0.5 * x * p * exp(-0.5 * x * x)
            }
            Self::GeluTanh => {
                let x = v.clamp(-1e6, 1e6);
                gate(v, TANH_SLOPE * (x + 0.044_715 * x * x * x))
            }
            Self::Silu => gate(v, v),
            Self::Sigmoid => {
                let e = exp(-v.abs());
                (if v >= 0.0 { 1.0 } else { e }) / (1.0 + e)
            }
            Self::Tanh => {
                let (x, square) = (v.abs(), v * v);
                let near = x + x * square * TANH.into_iter().fold(0.0, |p, c| p * square + c);
                let e = exp(-2.0 * x);
                let far = 1.0 - 2.0 * e / (1.0 + e);
                (if x < 0.625 { near } else { far }).copysign(v)
            }
        };
        // No branch above looks for NaN, so that all is vector code. NaN + NaN is that NaN; were it `v` alone, a loop in place would store
        // where there is none only, by masked stores, a hundred times slower on some processors.
        if v.is_nan() { v + v } else { done }
    }

    /// Of all of them.
    pub(crate) fn apply_all(self, v: &mut [f32]) {
        // The function is chosen once, outside the loop.
        macro_rules! each {
            ($($of:ident)*) => {
                match self {
                    Self::None => {}
                    $(Self::$of => {
                        struct All<'a>(&'a mut [f32]);

                        impl Loop for All<'_> {
                            type Output = ();

                            #[inline(always)]
                            fn run(self) {
                                self.0.iter_mut().for_each(|v| *v = Activation::$of.apply(*v));
                            }
                        }
                        vector(All(v));
                    })*
                }
            };
        }
        each!(Relu Relu6 Gelu GeluTanh Silu Sigmoid Tanh);
    }

    /// Over [`Real`].
    pub fn real(self, v: Real) -> Real {
        if v.value.is_nan() {
            return v;
        }
        match self {
            Self::None => v,
            Self::Relu => v.max(Real::exact(0.0)),
            Self::Relu6 => -(-v.max(Real::exact(0.0))).max(Real::exact(-6.0)),
            Self::Gelu if v.value.is_infinite() => Real::exact(v.value.max(0.0)),
            Self::Gelu => {
                // The bound of the approximation at this point: its rounding, and how far it is from the truth.
                let (x, c) = (Real::exact(v.value.abs()), |c: f32| Real::exact(c.into()));
                let t = c(1.0) / (c(1.0) + c(0.231_641_89) * x);
                let p = [-1.453_152_1, 1.421_413_8, -0.284_496_72, 0.254_829_6f32]
                    .iter()
                    .fold(c(1.061_405_4), |p, &a| c(a) + t * p);
                let formula =
                    v.value.max(0.0) - 0.5 * v.value.abs() * (t * p).value * (-0.5 * v.value * v.value).exp();
                let rounding = c(0.5) * x * (t * p) * (-(c(0.5) * x * x)).exp();
                let truth =
                    if v.value.is_infinite() { v.value.max(0.0) } else { v.value * normal_cdf(v.value) };
                let off = (formula - truth).abs();
                // |GELU'| < 1.13 everywhere.
                Real::rounded(truth, 1.13 * v.error + rounding.error + off, 0.5)
            }
            Self::GeluTanh => {
                let c = |c: f32| Real::exact(c.into());
                gate_real(v, c(TANH_SLOPE) * (v + c(0.044_715) * v * v * v))
            }
            Self::Silu => gate_real(v, v),
            Self::Sigmoid | Self::Tanh if v.value.is_infinite() => {
                Real::exact(v.value.signum().max(if self == Self::Tanh { -1.0 } else { 0.0 }))
            }
            Self::Sigmoid => sigmoid_real(v),
            Self::Tanh => tanh_real(v),
        }
    }
}

/// max(v, 0); not `f32::max`, which would lose a NaN.
#[inline(always)]
fn relu(v: f32) -> f32 {
    if v <= 0.0 { 0.0 } else { v }
}

/// v · sigmoid(u), exponentials only of numbers ≤ 0; −0, the limit, where sigmoid vanishes, at v = −∞ too.
#[inline(always)]
fn gate(v: f32, u: f32) -> f32 {
    let e = exp(-u.abs());
    let s = if u >= 0.0 { 1.0 } else { e } / (1.0 + e);
    if s == 0.0 { -0.0 } else { v * s }
}

fn gate_real(v: Real, u: Real) -> Real {
    let s = sigmoid_real(u);
    if s.value == 0.0 && v.value.is_infinite() {
        return Real::exact(-0.0);
    }
    v * s
}

fn sigmoid_real(v: Real) -> Real {
    let e = (-v.abs()).exp();
    let one = Real::exact(1.0);
    let s = if v.value >= 0.0 { one } else { e } / (one + e);
    // 0 < sigmoid < 1, however wide the bound of its argument is.
    Real { value: s.value, error: s.error.min(1.0) }
}

fn tanh_real(v: Real) -> Real {
    let truth = v.value.tanh();
    let (x, c) = (Real::exact(v.value.abs()), |c: f32| Real::exact(c.into()));
    // Rounding of either formula at this point, and how far the polynomial is from the truth; by the side a bound
    // lies on, an implementation takes one or the other.
    let polynomial = {
        let square = x * x;
        x + x * square * TANH.into_iter().fold(c(0.0), |p, a| p * square + c(a))
    };
    let e = (-(x + x)).exp();
    let exponential = c(1.0) - (e + e) / (c(1.0) + e);
    let below = polynomial.error + (polynomial.value - truth.abs()).abs();
    let rounding = match (x.value - v.error < 0.625, x.value + v.error >= 0.625) {
        (true, true) => below.max(exponential.error),
        (true, false) => below,
        _ => exponential.error,
    };
    // |tanh'| ≤ 1, and |tanh| ≤ 1 however wide the bound is.
    Real { value: truth, error: (v.error + rounding).min(2.0) }
}

/// Φ(x) = (1 + erf(x / √2)) / 2, by the series of positive terms φ(x) · Σ x²ⁿ⁺¹ / (1·3·…·(2n+1)).
fn normal_cdf(x: f64) -> f64 {
    if x.abs() > 9.0 {
        return if x > 0.0 { 1.0 } else { 0.0 };
    }
    let (mut term, mut sum, mut n) = (x, x, 1.0);
    while term.abs() > 1e-18 * sum.abs() {
        n += 2.0;
        term *= x * x / n;
        sum += term;
    }
    0.5 + sum * (-0.5 * x * x).exp() / (2.0 * std::f64::consts::PI).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closed_forms() {
        let at = |a: Activation, v: f64| a.real(Real::exact(v)).value;
        assert_eq!((at(Activation::Relu, -2.0), at(Activation::Relu, 3.0)), (0.0, 3.0));
        approx::assert_relative_eq!(at(Activation::Gelu, 1.0), 0.841_344_746_068_542_9, max_relative = 1e-12);
        approx::assert_relative_eq!(
            at(Activation::Gelu, -3.0),
            -3.0 * 0.001_349_898_031_630_094_6,
            max_relative = 1e-9
        );
        approx::assert_relative_eq!(at(Activation::Silu, 1.0), 0.731_058_578_630_004_9, max_relative = 1e-12);
        approx::assert_relative_eq!(
            at(Activation::Sigmoid, -1.0),
            0.268_941_421_369_995_1,
            max_relative = 1e-12
        );
        approx::assert_relative_eq!(
            at(Activation::Tanh, -0.5),
            -0.462_117_157_260_009_75,
            max_relative = 1e-12
        );
        assert_eq!(
            (at(Activation::Relu6, 7.0), at(Activation::Relu6, -1.0), at(Activation::Relu6, 5.5)),
            (6.0, 0.0, 5.5)
        );
        let tanh = 0.5 * (1.0 + ((2.0 / std::f64::consts::PI).sqrt() * (1.0 + 0.044_715)).tanh());
        approx::assert_relative_eq!(at(Activation::GeluTanh, 1.0), tanh, max_relative = 1e-6);
    }

    #[test]
    fn f32_stays_within_the_bound_of_its_reference() {
        for a in Activation::ALL {
            let mut worst = 0.0f64;
            for i in -4000..=4000 {
                let v = i as f32 * 0.025;
                let (got, want) = (f64::from(a.apply(v)), a.real(Real::exact(v.into())));
                let d = (got - want.value).abs();
                assert!(d <= want.error, "{a:?}({v}) = {got}, expected {want:?}");
                worst = worst.max(if d == 0.0 { 0.0 } else { d / want.error });
            }
            assert!(
                matches!(a, Activation::None | Activation::Relu | Activation::Relu6) || worst > 0.01,
                "{a:?}: a bound that cannot fail"
            );
            assert!(a.apply(f32::NAN).is_nan(), "{a:?}");
            if matches!(a, Activation::None | Activation::Tanh) {
                assert_eq!(a.apply(-0.0).to_bits(), (-0.0f32).to_bits(), "{a:?}");
            }
            let top = match a {
                Activation::Relu6 => 6.0,
                Activation::Sigmoid | Activation::Tanh => 1.0,
                _ => f32::INFINITY,
            };
            assert_eq!(a.apply(f32::INFINITY), top, "{a:?}");
            assert_eq!(a.real(Real::exact(f64::INFINITY)).value, f64::from(top), "{a:?}");
        }
    }
}
