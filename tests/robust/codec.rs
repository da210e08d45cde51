//! Any format that can be, any number: encode finds the nearest code, and slices agree with scalars.

use arbitrary::{Result, Unstructured};
use quarter::dtype::{
    Format, Overflow, Philox, Specials, decode_slice, encode_slice, encode_slice_stochastic,
};

pub fn check(bytes: &[u8]) {
    let _ = run(&mut Unstructured::new(bytes));
}

/// A named format, or one of any fields: most cannot be, and say so.
pub fn format(u: &mut Unstructured<'_>) -> Result<Format> {
    if u.ratio(2, 3)? {
        return u.choose(&Format::ALL).copied();
    }
    let specials = [Specials::Ieee, Specials::Fn, Specials::Fnuz, Specials::None];
    let (exp, man, bias) = (u.int_in_range(0..=9)?, u.int_in_range(0..=9)?, u.arbitrary::<i16>()?);
    let near = (bias % 200).into();
    let made = if u.arbitrary()? {
        Format::signed(exp, man, near, *u.choose(&specials)?)
    } else {
        Format::unsigned(exp, man, near, *u.choose(&specials)?)
    };
    Ok(made.unwrap_or(Format::E4M3FN))
}

fn run(u: &mut Unstructured<'_>) -> Result<()> {
    let f = format(u)?;
    let overflow = *u.choose(&[Overflow::Saturate, Overflow::Strict])?;
    let numbers: Vec<f32> = u.arbitrary_iter::<u32>()?.take(64).flatten().map(f32::from_bits).collect();
    let codes: Vec<u8> = (0..=255).take(1 << f.bits()).collect();
    let mut decoded = vec![0.0; codes.len()];
    decode_slice(f, &codes, &mut decoded).expect("equal lengths");
    for (&code, &v) in codes.iter().zip(&decoded) {
        assert!(v.to_bits() == f.decode(code).to_bits() || (v.is_nan() && f.is_nan(code)), "{f}: {code:#x}");
        assert!(!f.is_finite(code) || f.encode(v, overflow) == code, "{f}: {code:#x} is {v}");
    }
    let mut out = vec![0; numbers.len()];
    encode_slice(f, overflow, &numbers, &mut out).expect("equal lengths");
    for (&x, &code) in numbers.iter().zip(&out) {
        assert_eq!(code, f.encode(x, overflow), "{f} {overflow:?}: {x}");
        nearest(f, overflow, x, code, &decoded);
    }
    let random = Philox::new(u.arbitrary()?, u.arbitrary()?);
    encode_slice_stochastic(f, overflow, random, 0, &numbers, &mut out).expect("equal lengths");
    for ((&x, &code), i) in numbers.iter().zip(&out).zip(0..) {
        assert_eq!(code, f.encode_stochastic(x, random.word(i), overflow), "{f} {overflow:?}: {x}");
    }
    Ok(())
}

/// No finite code is nearer than this one.
fn nearest(f: Format, overflow: Overflow, x: f32, code: u8, decoded: &[f32]) {
    let got = f.decode(code);
    if x.is_nan() {
        assert!(f.is_nan(code) || (!f.has_nan() && code == 0), "{f}: NaN became {got}");
        return;
    }
    if !f.is_finite(code) {
        assert_eq!(overflow, Overflow::Strict, "{f}: {x} became {got}");
        assert!(x.abs() > f.max() || (x < 0.0 && !f.is_signed()), "{f}: {x} became {got}");
        return;
    }
    let x = f64::from(x.clamp(-f32::MAX, f32::MAX));
    let error = |v: f32| (f64::from(v) - x).abs();
    for (code, &v) in (0..=255u8).zip(decoded) {
        assert!(!f.is_finite(code) || error(v) >= error(got), "{f}: {x} became {got}, not {v}");
    }
}
