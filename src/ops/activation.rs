//! Activations: one formula each, in f32 for the CPU, over [`Real`] for the reference; `lib/activation.wgsl` has it
//! for the GPU.

use super::Real;

/// The function at the end of an epilogue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Activation {
    /// v
    #[default]
    None,
    /// max(v, 0)
    Relu,
    /// v · Φ(v), Φ the normal distribution function: the exact GELU (D. Hendrycks, K. Gimpel, arXiv 1606.08415).
    /// erfc by Abramowitz & Stegun 7.1.26, |error| ≤ 1.5·10⁻⁷.
    Gelu,
    /// v/2 · (1 + tanh(√(2/π) · (v + 0.044715 v³))): its approximation by tanh.
    GeluTanh,
    /// v / (1 + e⁻ᵛ), also called swish.
    Silu,
}

/// √(2/π) · 2, as the shaders have it.
const TANH_SLOPE: f32 = 1.595_769_2;

impl Activation {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::None, Self::Relu, Self::Gelu, Self::GeluTanh, Self::Silu];

    /// Defines of `lib/activation.wgsl`.
    #[cfg(feature = "gpu")]
    pub(crate) fn defines(self) -> &'static [&'static str] {
        match self {
            Self::None => &[],
            Self::Relu => &["ACT_RELU"],
            Self::Gelu => &["ACT_GELU"],
            Self::GeluTanh => &["ACT_GELU_TANH", "ACT_SIGMOID"],
            Self::Silu => &["ACT_SILU", "ACT_SIGMOID"],
        }
    }

    /// In f32. NaN stays NaN.
    pub fn apply(self, v: f32) -> f32 {
        match self {
            Self::None => v,
            // Not f32::max, which would lose a NaN.
            Self::Relu => {
                if v <= 0.0 {
                    0.0
                } else {
                    v
                }
            }
            Self::Gelu => {
                let x = v.abs().min(1e10);
                let t = 1.0 / (1.0 + 0.231_641_89 * x);
                let p = t
                    * (0.254_829_6
                        + t * (-0.284_496_72 + t * (1.421_413_8 + t * (-1.453_152_1 + t * 1.061_405_4))));
                Self::Relu.apply(v) - 0.5 * x * p * (-0.5 * x * x).exp()
            }
            Self::GeluTanh => {
                let x = v.clamp(-1e6, 1e6);
                gate(v, TANH_SLOPE * (x + 0.044_715 * x * x * x))
            }
            Self::Silu => gate(v, v),
        }
    }

    /// Over [`Real`].
    pub fn real(self, v: Real) -> Real {
        if v.value.is_nan() {
            return v;
        }
        match self {
            Self::None => v,
            Self::Relu => v.max(Real::exact(0.0)),
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
        }
    }
}

/// v · sigmoid(u), exponentials only of numbers ≤ 0; −0, the limit, where sigmoid vanishes, at v = −∞ too.
fn gate(v: f32, u: f32) -> f32 {
    let e = (-u.abs()).exp();
    let s = if u >= 0.0 { 1.0 } else { e } / (1.0 + e);
    if s == 0.0 { -0.0 } else { v * s }
}

fn gate_real(v: Real, u: Real) -> Real {
    let e = (-u.abs()).exp();
    let one = Real::exact(1.0);
    let s = if u.value >= 0.0 { one } else { e } / (one + e);
    if s.value == 0.0 && v.value.is_infinite() {
        return Real::exact(-0.0);
    }
    // 0 < sigmoid < 1, however wide the bound of its argument is.
    v * Real { value: s.value, error: s.error.min(1.0) }
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
                a == Activation::None || a == Activation::Relu || worst > 0.01,
                "{a:?}: a bound that cannot fail"
            );
            assert!(a.apply(f32::NAN).is_nan(), "{a:?}");
            assert_eq!(a.apply(f32::INFINITY), f32::INFINITY, "{a:?}");
        }
    }
}
