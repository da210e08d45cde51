//! Every format against golden vectors written from the definitions (`golden/make_golden.py`), every route against
//! the scalar codec, and the codec against properties.

mod common;

use common::golden;
use half::{bf16, f16};
use proptest::prelude::*;
use quarter::dtype::*;

const MODES: [Overflow; 2] = [Overflow::Saturate, Overflow::Strict];

/// Bits with all NaNs made one; zeros keep their sign.
fn class(x: f32) -> u32 {
    if x.is_nan() { 0x7FC0_0000 } else { x.to_bits() }
}

/// What a strict encoder makes of a code, NaN codes made one.
fn code_class(format: Format, code: u8) -> u8 {
    if format.is_nan(code) { format.nan_code() } else { code }
}

fn golden_inputs(format: Format) -> Vec<f32> {
    golden("encode", format).iter().map(|row| f32::from_bits(row[0])).collect()
}

#[test]
fn decode_matches_golden() {
    for format in Format::ALL {
        let rows = golden("decode", format);
        assert_eq!(rows.len(), 256);
        for row in rows {
            let code = row[0] as u8;
            assert_eq!(class(format.decode(code)), row[1], "{format} {code:02x}");
            assert_eq!(format.decode(code).to_bits(), format.table()[code as usize].to_bits());
        }
    }
}

#[test]
fn encode_matches_golden() {
    for format in Format::ALL {
        let rows = golden("encode", format);
        assert!(rows.len() > 1800, "{format}: {} rows", rows.len());
        for row in rows {
            let x = f32::from_bits(row[0]);
            for (mode, want) in MODES.into_iter().zip(&row[1..]) {
                let got = format.encode(x, mode);
                assert_eq!(u32::from(got), *want, "{format} {mode:?} {x:e} {:08x}", row[0]);
            }
        }
    }
}

#[test]
fn constants_match_the_definitions() {
    // exponent bits, mantissa bits, bias, max, smallest normal and subnormal exponents, NaN codes
    let table = [
        ("e4m3fn", 4, 3, 7, 448.0, -6, -9, 2),
        ("e5m2", 5, 2, 15, 57344.0, -14, -16, 6),
        ("e3m4fn", 3, 4, 3, 30.0, -2, -6, 2),
        ("e4m3", 4, 3, 7, 240.0, -6, -9, 14),
        ("e3m4", 3, 4, 3, 15.5, -2, -6, 30),
        ("e4m3fnuz", 4, 3, 8, 240.0, -7, -10, 1),
        ("e5m2fnuz", 5, 2, 16, 57344.0, -15, -17, 1),
        ("e4m3b11fnuz", 4, 3, 11, 30.0, -10, -13, 1),
    ];
    for (format, (name, exp, man, bias, max, normal, subnormal, nans)) in Format::ALL.into_iter().zip(table) {
        assert_eq!(format.name(), name);
        assert_eq!((format.exp_bits(), format.man_bits(), format.bias()), (exp, man, bias));
        assert_eq!(format.max(), max);
        assert_eq!(format.min_positive(), 2f32.powi(normal));
        assert_eq!(format.min_positive_subnormal(), 2f32.powi(subnormal));
        assert_eq!((0..=255).filter(|&c| format.is_nan(c)).count(), nans);
        assert!(format.is_nan(format.nan_code()));
        let infinite = (0..=255).filter(|&c| format.is_infinite(c)).count();
        assert_eq!(infinite, if format.specials() == Specials::Ieee { 2 } else { 0 });
        assert_eq!(format.infinity_code().map(|c| format.decode(c)), (infinite > 0).then_some(f32::INFINITY));
        assert_eq!(format.has_negative_zero(), format.decode(0x80).to_bits() == 0x8000_0000);
        for code in 0..=255 {
            let x = format.decode(code);
            assert_eq!(
                (format.is_nan(code), format.is_infinite(code), format.is_finite(code)),
                (x.is_nan(), x.is_infinite(), x.is_finite()),
            );
        }
    }
}

#[test]
fn names_parse_and_print() {
    for format in Format::ALL {
        assert_eq!(format.to_string().parse(), Ok(format));
        assert_eq!(format!("{format:?}"), format.name().to_uppercase());
        assert_eq!(format!("{format:?}").parse(), Ok(format));
    }
    assert_eq!(format!("[{:>8}]", Format::E5M2), "[    e5m2]");
    let error = "e2m5".parse::<Format>().unwrap_err().to_string();
    assert!(error.contains("\"e2m5\"") && error.contains("e4m3fn, e5m2, e3m4fn"), "{error}");
}

#[test]
fn overflow_edges() {
    let f = Format::E4M3FN;
    for (x, strict) in [(448.0, 0x7E), (464.0, 0x7E), (464.00003, 0x7F), (f32::INFINITY, 0x7F)] {
        assert_eq!(f.encode(x, Overflow::Strict), strict);
        assert_eq!(f.encode(x, Overflow::Saturate), 0x7E);
        assert_eq!(f.encode(-x, Overflow::Strict), 0x80 | strict);
    }
    assert_eq!(Format::E5M2.encode(61439.996, Overflow::Strict), 0x7B);
    assert_eq!(Format::E5M2.encode(61440.0, Overflow::Strict), 0x7C);
    assert_eq!(Format::E4M3FNUZ.encode(-248.0, Overflow::Strict), 0x80);
    assert_eq!(Format::E4M3FNUZ.encode(-248.0, Overflow::Saturate), 0xFF);
    assert_eq!(Format::E4M3FNUZ.encode(-0.0, Overflow::Saturate), 0);
    assert_eq!(Format::E4M3FNUZ.encode(-1e-9, Overflow::Saturate), 0);
    assert_eq!(Overflow::default(), Overflow::Saturate);
}

#[test]
fn slices_equal_the_scalar_codec_on_golden_inputs() {
    for format in Format::ALL {
        let mut x = golden_inputs(format);
        x.extend_from_within(..5); // a tail
        for mode in MODES {
            let want: Vec<u8> = x.iter().map(|&x| format.encode(x, mode)).collect();
            assert_eq!(encode_vec(format, mode, &x), want);
            let words = packed::encode(format, mode, &x);
            assert_eq!(words, packed::pack(&want));
            assert_eq!(packed::unpack(&words, x.len()), Ok(want.clone()));
            let decoded = packed::decode(format, &words, x.len()).unwrap();
            for (x, code) in decoded.iter().zip(want) {
                assert_eq!(x.to_bits(), format.decode(code).to_bits());
            }
        }
    }
}

#[test]
fn all_half_inputs() {
    let f16s: Vec<f16> = (0..=u16::MAX).map(f16::from_bits).collect();
    let bf16s: Vec<bf16> = (0..=u16::MAX).map(bf16::from_bits).collect();
    for format in Format::ALL {
        for mode in MODES {
            let from_f16 = encode_vec_f16(format, mode, &f16s);
            let from_bf16 = encode_vec_bf16(format, mode, &bf16s);
            for i in 0..f16s.len() {
                // f16 and bf16 widen exactly, so the f32 route is a reference for the NaN-free rest.
                let (x, y) = (f16s[i], bf16s[i]);
                assert_eq!(format.encode_f16(x, mode), from_f16[i], "{format} {mode:?} {i:04x}");
                assert_eq!(format.encode(x.to_f32(), mode), from_f16[i], "{format} {mode:?} {i:04x}");
                assert_eq!(format.encode_bf16(y, mode), from_bf16[i], "{format} {mode:?} {i:04x}");
                assert_eq!(format.encode(y.to_f32(), mode), from_bf16[i], "{format} {mode:?} {i:04x}");
            }
        }
    }
}

#[test]
fn every_code_to_every_type_and_back() {
    let codes: Vec<u8> = (0..=255).collect();
    for format in Format::ALL {
        let (x, h, b) =
            (decode_vec(format, &codes), decode_vec_f16(format, &codes), decode_vec_bf16(format, &codes));
        for code in 0..=255u8 {
            let i = code as usize;
            let want = class(format.decode(code));
            assert_eq!([class(x[i]), class(h[i].to_f32()), class(b[i].to_f32())], [want; 3]);
            for mode in MODES {
                // An infinite code survives only the strict mode.
                let want =
                    if format.is_infinite(code) && mode == Overflow::Saturate { code - 1 } else { code };
                let got = [
                    format.encode(x[i], mode),
                    format.encode_f64(f64::from(x[i]), mode),
                    format.encode_f16(h[i], mode),
                    format.encode_bf16(b[i], mode),
                ];
                let want = code_class(format, want);
                assert_eq!(got.map(|c| code_class(format, c)), [want; 4], "{format} {code:02x}");
            }
        }
    }
}

#[test]
fn f64_is_rounded_once() {
    for format in Format::ALL {
        let mut through_f32 = 0;
        for lower in 0..format.max_code() {
            let (a, b) = (f64::from(format.decode(lower)), f64::from(format.decode(lower + 1)));
            let middle = (a + b) / 2.0;
            let even = lower + (lower & 1);
            for (x, want) in [(middle.next_down(), lower), (middle, even), (middle.next_up(), lower + 1)] {
                assert_eq!(format.encode_f64(x, Overflow::Strict), want, "{format} {x:e}");
                let negative = if want == 0 && !format.has_negative_zero() { 0 } else { 0x80 | want };
                assert_eq!(format.encode_f64(-x, Overflow::Strict), negative, "{format} -{x:e}");
                through_f32 += u32::from(format.encode(x as f32, Overflow::Strict) != want);
            }
        }
        // Each midpoint has one neighbour that f32 takes for the midpoint, and that then goes to the wrong side.
        assert_eq!(through_f32, u32::from(format.max_code()), "{format}");
        for (x, code) in [(f64::MAX, format.max_code()), (5e-324, 0), (f64::MIN_POSITIVE, 0)] {
            assert_eq!(format.encode_f64(x, Overflow::Saturate), code);
        }
        assert!(format.is_nan(format.encode_f64(f64::NAN, Overflow::Saturate)));
    }
}

#[test]
fn wrong_lengths_are_errors_and_write_nothing() {
    let f = Format::E5M2;
    let mut codes = [9; 3];
    let error = encode_slice(f, Overflow::Saturate, &[1.0; 4], &mut codes).unwrap_err();
    assert_eq!((error.expected, error.actual, codes), (4, 3, [9; 3]));
    assert_eq!(error.to_string(), "output slice: expected 4 elements, got 3");
    assert!(encode_slice_f16(f, Overflow::Saturate, &[f16::ONE; 2], &mut codes).is_err());
    assert!(encode_slice_bf16(f, Overflow::Saturate, &[bf16::ONE; 4], &mut codes).is_err());
    assert!(decode_slice(f, &codes, &mut [0.0; 2]).is_err());
    assert!(decode_slice_f16(f, &codes, &mut [f16::ZERO; 4]).is_err());
    assert!(decode_slice_bf16(f, &codes, &mut [bf16::ZERO; 2]).is_err());
    assert!(packed::unpack(&[0, 0], 4).is_err());
    assert!(packed::decode(f, &[0], 5).is_err());
}

#[test]
fn packing() {
    assert_eq!(packed::pack(&[]), [0u32; 0]);
    assert_eq!(packed::pack(&[1, 2, 3, 4, 5]), [0x0403_0201, 5]);
    assert_eq!(packed::unpack(&[0x0403_0201, 5], 5), Ok(vec![1, 2, 3, 4, 5]));
    assert_eq!([0, 1, 2, 3].map(|lane| packed::get(0x0403_0201, lane)), [1, 2, 3, 4]);
}

/// The `float8` crate's bit patterns. Its conversions are right; its `MAX` constants (416, 49152) are not, so they are not used.
#[test]
fn float8_crate_agrees() {
    for (format, to, from) in [
        (
            Format::E4M3FN,
            (|c| float8::F8E4M3::from_bits(c).to_f32()) as fn(u8) -> f32,
            (|x| float8::F8E4M3::from_f32(x).to_bits()) as fn(f32) -> u8,
        ),
        (Format::E5M2, |c| float8::F8E5M2::from_bits(c).to_f32(), |x| float8::F8E5M2::from_f32(x).to_bits()),
    ] {
        for code in 0..=255 {
            assert_eq!(class(to(code)), class(format.decode(code)), "{format} {code:02x}");
        }
        for x in golden_inputs(format) {
            if !x.is_nan() {
                let want = format.encode(x, Overflow::Saturate);
                assert_eq!(from(x), want, "{format} {x:e} {:08x}", x.to_bits());
            }
        }
    }
}

fn any_format() -> impl Strategy<Value = Format> {
    prop::sample::select(Format::ALL.to_vec())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn encoding_is_idempotent(format in any_format(), bits: u32) {
        for mode in MODES {
            let code = format.encode(f32::from_bits(bits), mode);
            prop_assert_eq!(format.encode(format.decode(code), mode), code);
        }
    }

    #[test]
    fn encoding_is_monotonic(format in any_format(), a: f32, b: f32, scale in -20i32..20) {
        let near = |x: f32| x.rem_euclid(4.0) * 2f32.powi(scale);
        for (a, b) in [(a, b), (near(a), near(b))] {
            let value = |x| format.decode(format.encode(x, Overflow::Saturate));
            prop_assert!(value(a.min(b)) <= value(a.max(b)));
        }
    }

    #[test]
    fn error_is_at_most_half_a_step(format in any_format(), x in -600f32..600.0) {
        if x.abs() <= format.max() {
            let step = (x.abs().max(format.min_positive())).log2().floor().exp2()
                * (-(format.man_bits() as f32)).exp2();
            let error = (format.decode(format.encode(x, Overflow::Strict)) - x).abs();
            prop_assert!(error <= step / 2.0);
        }
    }

    #[test]
    fn slices_equal_the_scalar_codec(format in any_format(), bits in prop::collection::vec(any::<u32>(), 0..70)) {
        let x: Vec<f32> = bits.into_iter().map(f32::from_bits).collect();
        for mode in MODES {
            let want: Vec<u8> = x.iter().map(|&x| format.encode(x, mode)).collect();
            prop_assert_eq!(encode_vec(format, mode, &x), want);
        }
    }

    #[test]
    fn packing_round_trips(codes in prop::collection::vec(any::<u8>(), 0..40)) {
        let words = packed::pack(&codes);
        for (i, &code) in codes.iter().enumerate() {
            prop_assert_eq!(packed::get(words[i / 4], i % 4), code);
        }
        prop_assert_eq!(packed::unpack(&words, codes.len()), Ok(codes));
    }
}
