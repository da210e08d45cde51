//! The typed scalars, each type through the same checks.

use std::cmp::Ordering;
use std::num::FpCategory;

use half::{bf16, f16};
use quarter::dtype::*;

macro_rules! scalar_tests {
    ($($module:ident $name:ident;)*) => {$(
        mod $module {
            use super::*;
            type F8 = $name;
            const FORMAT: Format = F8::FORMAT;

            fn all() -> impl Iterator<Item = F8> + Clone {
                (0..=255).map(F8::from_bits)
            }

            fn same(a: F8, b: F8) -> bool {
                a.to_bits() == b.to_bits() || a.is_nan() && b.is_nan()
            }

            #[test]
            fn constants() {
                assert_eq!(F8::FORMAT.name(), stringify!($module));
                assert_eq!(F8::ZERO.to_f32(), 0.0);
                assert_eq!(F8::ONE.to_f32(), 1.0);
                assert_eq!(F8::NEG_ONE.to_f32(), -1.0);
                assert_eq!(F8::MAX.to_f32(), FORMAT.max());
                assert_eq!(F8::MIN.to_f32(), -FORMAT.max());
                assert_eq!(F8::MIN_POSITIVE.to_f32(), FORMAT.min_positive());
                assert_eq!(F8::MIN_POSITIVE_SUBNORMAL.to_f32(), FORMAT.min_positive_subnormal());
                assert_eq!(F8::MAX_SUBNORMAL.to_f32() + FORMAT.min_positive_subnormal(), FORMAT.min_positive());
                assert_eq!(F8::EPSILON.to_f32(), F8::from_bits(F8::ONE.to_bits() + 1).to_f32() - 1.0);
                assert_eq!(F8::EPSILON.to_f64(), 2f64.powi(1 - F8::MANTISSA_DIGITS as i32));
                assert!(F8::NAN.is_nan());
                assert_eq!(F8::RADIX, 2);
                assert_eq!(F8::DIGITS, u32::from(F8::MANTISSA_DIGITS == 5));
                assert_eq!(F8::MIN_POSITIVE.to_f64(), 2f64.powi(F8::MIN_EXP - 1));
                assert_eq!(F8::MAX_EXP - 1, FORMAT.max().log2().floor() as i32);
                assert_eq!(F8::default().to_bits(), 0);
            }

            #[test]
            fn conversions() {
                for x in all() {
                    let y = x.to_f32();
                    assert_eq!(y.to_bits(), FORMAT.decode(x.to_bits()).to_bits());
                    assert_eq!(f32::from(x).to_bits(), y.to_bits());
                    if x.is_nan() {
                        assert!(x.to_f64().is_nan() && x.to_f16().is_nan() && x.to_bf16().is_nan());
                    } else {
                        assert_eq!(f64::from(x), f64::from(y));
                        assert_eq!(f16::from(x).to_f32().to_bits(), y.to_bits());
                        assert_eq!(bf16::from(x).to_f32().to_bits(), y.to_bits());
                    }
                    for o in [Overflow::Saturate, Overflow::Strict] {
                        let want = F8::from_bits(FORMAT.encode(y, o));
                        assert!(same(F8::from_f32_with(y, o), want));
                        assert!(same(F8::from_f64_with(x.to_f64(), o), want));
                        assert!(same(F8::from_f16_with(x.to_f16(), o), want));
                        assert!(same(F8::from_bf16_with(x.to_bf16(), o), want));
                    }
                    assert_eq!(F8::from_le_bytes(x.to_le_bytes()).to_bits(), x.to_bits());
                    assert_eq!(F8::from_be_bytes(x.to_be_bytes()).to_bits(), x.to_bits());
                    assert_eq!(F8::from_ne_bytes(x.to_ne_bytes()).to_bits(), x.to_bits());
                }
                for big in [F8::from_f32(1e9), F8::from_f64(f64::INFINITY), F8::from_f16(f16::INFINITY), F8::from_bf16(bf16::MAX)] {
                    assert_eq!(big.to_bits(), F8::MAX.to_bits());
                }
                let strict = F8::from_f32_with(f32::NEG_INFINITY, Overflow::Strict);
                assert!(strict.is_nan() || strict.to_f32() == f32::NEG_INFINITY);
            }

            #[test]
            fn classes_and_signs() {
                for x in all() {
                    let y = x.to_f32();
                    assert_eq!((x.is_nan(), x.is_infinite(), x.is_finite()), (y.is_nan(), y.is_infinite(), y.is_finite()));
                    let want = match y.classify() {
                        FpCategory::Normal if y.abs() < FORMAT.min_positive() => FpCategory::Subnormal,
                        class => class,
                    };
                    assert_eq!(x.classify(), want);
                    assert_eq!(x.is_normal(), want == FpCategory::Normal);
                    assert!(same(x.abs(), F8::from_f32_with(y.abs(), Overflow::Strict)));
                    assert!(same(-x, F8::from_f32_with(-y, Overflow::Strict)));
                    assert_eq!((-x).is_nan(), x.is_nan());
                    if FORMAT.has_negative_zero() || x.to_bits() != 0x80 {
                        assert_eq!(x.is_sign_negative(), y.is_sign_negative());
                        assert_eq!(x.is_sign_positive(), y.is_sign_positive());
                        assert!(same(x.signum(), F8::from_f32(y.signum())));
                    }
                    for s in [F8::ONE, F8::NEG_ONE] {
                        assert!(same(x.copysign(s), F8::from_f32_with(y.copysign(s.to_f32()), Overflow::Strict)));
                    }
                }
            }

            #[test]
            fn order() {
                for a in all() {
                    for b in all() {
                        let (x, y) = (a.to_f32(), b.to_f32());
                        assert_eq!(a == b, x == y);
                        assert_eq!(a.partial_cmp(&b), x.partial_cmp(&y));
                        let (low, high) = (a.min(b).to_f32(), a.max(b).to_f32());
                        assert!(low == x.min(y) || low.is_nan() && x.is_nan() && y.is_nan());
                        assert!(high == x.max(y) || high.is_nan() && x.is_nan() && y.is_nan());
                        if x.is_nan() || y.is_nan() || x != y {
                            // decoded NaNs all have one payload, so equal signs compare equal there
                            let want = x.total_cmp(&y);
                            assert!(a.total_cmp(&b) == want || want == Ordering::Equal);
                        }
                        assert_eq!(a.total_cmp(&b) == Ordering::Equal, a.to_bits() == b.to_bits());
                    }
                    if !a.is_nan() {
                        assert_eq!(a.clamp(F8::NEG_ONE, F8::ONE).to_f32(), a.to_f32().clamp(-1.0, 1.0));
                    }
                }
                assert!(F8::NAN.clamp(F8::NEG_ONE, F8::ONE).is_nan());
                assert!(std::panic::catch_unwind(|| F8::ONE.clamp(F8::ONE, F8::NEG_ONE)).is_err());
                assert!(std::panic::catch_unwind(|| F8::ONE.clamp(F8::NAN, F8::ONE)).is_err());
            }

            #[test]
            fn arithmetic() {
                let round = F8::from_f64;
                for a in all() {
                    for b in all() {
                        let (x, y) = (a.to_f64(), b.to_f64());
                        assert!(same(a + b, round(x + y)));
                        assert!(same(a - b, round(x - y)));
                        assert!(same(a * b, round(x * y)));
                        assert!(same(a / b, round(x / y)));
                        assert!(same(a % b, round(x % y)));
                        // The quotient is the nearest value: no neighbour is nearer to a when multiplied back.
                        let q = a / b;
                        if q.is_finite() && x.is_finite() && y.is_finite() && y != 0.0 && q.to_bits() & 0x7F != FORMAT.max_code() {
                            let error = |q: F8| (q.to_f64() * y - x).abs();
                            let m = q.to_bits() & 0x7F;
                            for neighbour in [m.saturating_sub(1), m + 1] {
                                let n = F8::from_bits(neighbour).copysign(q);
                                if n.is_finite() && m != 0 {
                                    assert!(error(q) < error(n) || error(q) == error(n) && m & 1 == 0 || n == q);
                                }
                            }
                        }
                    }
                }
                let mut x = F8::ONE;
                x += F8::ONE;
                x *= x;
                x -= F8::ONE;
                x /= F8::ONE + F8::ONE;
                assert_eq!(x.to_f32(), 1.5);
                x %= F8::ONE;
                assert_eq!(x.to_f32(), 0.5);
                assert_eq!((F8::MAX + F8::MAX).to_bits(), F8::MAX.to_bits());
                assert_eq!((F8::NEG_ONE / F8::ZERO).to_bits(), F8::MIN.to_bits());
                assert!((F8::ZERO / F8::ZERO).is_nan());
                // One rounding at the end: in steps, each of these would be lost.
                let tiny = F8::from_f32(F8::EPSILON.to_f32() / 4.0);
                let parts = [F8::ONE, tiny, tiny, tiny, tiny];
                assert_eq!(parts.iter().sum::<F8>().to_f32(), 1.0 + 4.0 * tiny.to_f32());
                assert_eq!(parts[..3].iter().copied().sum::<F8>().to_f32(), 1.0);
                assert_eq!([x, x, F8::NEG_ONE].iter().product::<F8>().to_f32(), -0.25);
                assert_eq!([x, x].into_iter().product::<F8>().to_f32(), 0.25);
            }

            #[test]
            fn text() {
                for x in all() {
                    let y = x.to_f32();
                    assert_eq!(x.to_string(), y.to_string());
                    assert_eq!(format!("{x:?} {x:e} {x:E} {x:+.2}"), format!("{y:?} {y:e} {y:E} {y:+.2}"));
                    for text in [format!("{x}"), format!("{x:?}"), format!("{x:e}"), format!("{x:E}")] {
                        assert!(same(text.parse().unwrap(), x), "{text}");
                    }
                }
                assert_eq!("1e400".parse(), Ok(F8::MAX));
                assert_eq!("-1e40".parse(), Ok(F8::MIN));
                let error = "one".parse::<F8>().unwrap_err().to_string();
                assert!(error.contains("\"one\"") && error.contains(FORMAT.name()), "{error}");
                for text in ["inf", "-Infinity", "+INF"] {
                    match (text.parse::<F8>(), FORMAT.infinity_code()) {
                        (Ok(x), Some(_)) => assert_eq!(x.to_f32(), text.parse::<f32>().unwrap()),
                        (Err(ParseFloat8Error::NoInfinity { format, text: got }), None) => {
                            assert_eq!((format, got.as_str()), (FORMAT, text));
                        }
                        other => panic!("{text}: {other:?}"),
                    }
                }
            }

            #[test]
            fn memory() {
                let codes = [0u8, 1, 0x38, 0xFF];
                let scalars: &[F8] = bytemuck::cast_slice(&codes);
                assert_eq!(scalars[2].to_bits(), 0x38);
                assert_eq!(bytemuck::cast_slice::<F8, u8>(scalars), codes);
                assert_eq!(size_of::<F8>(), 1);
            }

            #[cfg(feature = "approx")]
            #[test]
            fn approximate_comparison() {
                use approx::{AbsDiffEq, RelativeEq, UlpsEq, assert_abs_diff_eq, assert_relative_eq, assert_ulps_eq};
                let next = F8::from_bits(F8::ONE.to_bits() + 1);
                let far = F8::from_bits(F8::ONE.to_bits() + 3);
                assert_abs_diff_eq!(F8::ONE, next);
                assert_relative_eq!(F8::ONE, next);
                assert_ulps_eq!(F8::ONE, next);
                assert!(F8::ONE.abs_diff_ne(&far, F8::EPSILON));
                assert!(F8::ONE.relative_ne(&far, F8::ZERO, F8::EPSILON));
                assert!(F8::ONE.ulps_ne(&far, F8::ZERO, 2));
                assert!(F8::ONE.ulps_eq(&far, F8::ZERO, 3));
                assert!(F8::MIN_POSITIVE_SUBNORMAL.ulps_ne(&-F8::MIN_POSITIVE_SUBNORMAL, F8::ZERO, 255));
                assert!(F8::NAN.abs_diff_ne(&F8::NAN, F8::MAX));
                assert!(F8::NAN.relative_ne(&F8::NAN, F8::MAX, F8::MAX));
                assert!(F8::NAN.ulps_ne(&F8::NAN, F8::MAX, 255));
                assert!(F8::MAX.relative_eq(&F8::MAX, F8::ZERO, F8::ZERO));
            }
        }
    )*};
}

scalar_tests! {
    e4m3fn F8E4M3FN;
    e5m2 F8E5M2;
    e3m4fn F8E3M4FN;
    e4m3 F8E4M3;
    e3m4 F8E3M4;
    e4m3fnuz F8E4M3FNUZ;
    e5m2fnuz F8E5M2FNUZ;
    e4m3b11fnuz F8E4M3B11FNUZ;
}

#[test]
fn special_constants() {
    assert_eq!(F8E5M2::INFINITY.to_f32(), f32::INFINITY);
    assert_eq!(F8E4M3::NEG_INFINITY.to_f32(), f32::NEG_INFINITY);
    assert_eq!(F8E3M4::INFINITY.to_bits(), 0x70);
    assert_eq!(F8E4M3FN::NEG_ZERO, F8E4M3FN::ZERO);
    assert!(F8E4M3FN::NEG_ZERO.is_sign_negative());
    assert_eq!((F8E5M2::INFINITY + F8E5M2::ONE).to_bits(), F8E5M2::MAX.to_bits());
}

/// The conversions are const.
#[test]
fn constants_can_be_computed() {
    const X: F8E4M3FN = F8E4M3FN::from_f32(0.3);
    const Y: f32 = X.to_f32();
    assert_eq!(Y, 0.3125);
    const Z: F8E5M2 = F8E5M2::from_f16_with(f16::MAX, Overflow::Strict);
    assert_eq!(Z, F8E5M2::INFINITY);
}
