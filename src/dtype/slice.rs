//! Many values at once.

use half::{bf16, f16};

use super::decoder::Decoder;
use super::encoder::{Encoder, widen_f16};
use super::format::{Format, Overflow};
use crate::trusted::{Loop, vector};

/// Two buffers that belong together differ in length.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}: expected {expected} elements, got {actual}")]
pub struct LengthError {
    /// The buffer that does not fit.
    pub what: &'static str,
    /// Elements that were needed.
    pub expected: usize,
    /// Elements that were there.
    pub actual: usize,
}

impl LengthError {
    pub(super) fn check(what: &'static str, expected: usize, actual: usize) -> Result<(), Self> {
        if expected == actual { Ok(()) } else { Err(Self { what, expected, actual }) }
    }
}

/// Applies `f` to each element, in vector code.
fn convert<A: Copy, B>(input: &[A], out: &mut [B], f: impl Fn(A) -> B + Copy) -> Result<(), LengthError> {
    LengthError::check("output slice", input.len(), out.len())?;
    vector(Convert { input, out, f });
    Ok(())
}

struct Convert<'a, A, B, F> {
    input: &'a [A],
    out: &'a mut [B],
    f: F,
}

impl<A: Copy, B, F: Fn(A) -> B> Loop for Convert<'_, A, B, F> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { input, out, f } = self;
        // Sixteen at a time, so that a compiler fills whole vectors of codes.
        let (inputs, input_tail) = input.as_chunks::<16>();
        let (outs, out_tail) = out.as_chunks_mut::<16>();
        for (out, input) in outs.iter_mut().zip(inputs) {
            for (out, input) in out.iter_mut().zip(input) {
                *out = f(*input);
            }
        }
        for (out, input) in out_tail.iter_mut().zip(input_tail) {
            *out = f(*input);
        }
    }
}

/// Looks each code up: exact by construction.
fn look_up<T: Copy>(table: &[T; 256], codes: &[u8], out: &mut [T]) -> Result<(), LengthError> {
    LengthError::check("output slice", codes.len(), out.len())?;
    for (out, &code) in out.iter_mut().zip(codes) {
        *out = table[code as usize];
    }
    Ok(())
}

/// Codes nearest to `x`, as [`Format::encode`] gives them.
///
/// # Errors
/// [`LengthError`] when the slices differ in length; nothing is written then.
///
/// ```
/// use quarter::dtype::{Format, Overflow, encode_slice};
///
/// let mut codes = [0; 3];
/// encode_slice(Format::E4M3FN, Overflow::Saturate, &[1.0, -0.5, 1e9], &mut codes)?;
/// assert_eq!(codes, [0x38, 0xB0, 0x7E]);
/// # Ok::<(), quarter::dtype::LengthError>(())
/// ```
pub fn encode_slice(
    format: Format,
    overflow: Overflow,
    x: &[f32],
    out: &mut [u8],
) -> Result<(), LengthError> {
    match Encoder::new(format, overflow) {
        Some(encoder) => convert(x, out, |x| encoder.lane(x.to_bits())),
        None => convert(x, out, |x| format.encode(x, overflow)),
    }
}

/// Codes nearest to each `x` times `factor`, none of which is NaN.
///
/// # Errors
/// [`LengthError`] when the slices differ in length; nothing is written then.
pub(crate) fn encode_numbers(
    format: Format,
    overflow: Overflow,
    factor: f32,
    x: &[f32],
    out: &mut [u8],
) -> Result<(), LengthError> {
    match Encoder::new(format, overflow) {
        Some(encoder) => convert(x, out, |x| encoder.number(x * factor)),
        None => convert(x, out, |x| format.encode(x * factor, overflow)),
    }
}

/// Codes nearest to `x`, as [`Format::encode_f16`] gives them.
///
/// # Errors
/// [`LengthError`] when the slices differ in length; nothing is written then.
pub fn encode_slice_f16(
    format: Format,
    overflow: Overflow,
    x: &[f16],
    out: &mut [u8],
) -> Result<(), LengthError> {
    match Encoder::new(format, overflow) {
        Some(encoder) => convert(x, out, |x| encoder.lane(widen_f16(x.to_bits()))),
        None => convert(x, out, |x| format.encode_f16(x, overflow)),
    }
}

/// Codes nearest to `x`, as [`Format::encode_bf16`] gives them.
///
/// # Errors
/// [`LengthError`] when the slices differ in length; nothing is written then.
pub fn encode_slice_bf16(
    format: Format,
    overflow: Overflow,
    x: &[bf16],
    out: &mut [u8],
) -> Result<(), LengthError> {
    match Encoder::new(format, overflow) {
        Some(encoder) => convert(x, out, |x| encoder.lane(u32::from(x.to_bits()) << 16)),
        None => convert(x, out, |x| format.encode_bf16(x, overflow)),
    }
}

/// The values of `codes`, as [`Format::decode`] gives them.
///
/// # Errors
/// [`LengthError`] when the slices differ in length; nothing is written then.
///
/// ```
/// use quarter::dtype::{Format, decode_slice};
///
/// let mut x = [0.0; 2];
/// decode_slice(Format::E5M2, &[0x3C, 0x7B], &mut x)?;
/// assert_eq!(x, [1.0, 57344.0]);
/// # Ok::<(), quarter::dtype::LengthError>(())
/// ```
pub fn decode_slice(format: Format, codes: &[u8], out: &mut [f32]) -> Result<(), LengthError> {
    LengthError::check("output slice", codes.len(), out.len())?;
    vector(Decode { decoder: Decoder::new(format), table: format.table(), codes, out });
    Ok(())
}

struct Decode<'a> {
    decoder: Decoder,
    table: &'a [f32; 256],
    codes: &'a [u8],
    out: &'a mut [f32],
}

impl Loop for Decode<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { decoder, table, codes, out } = self;
        // As many as one vector holds codes.
        let (chunks, tail) = codes.as_chunks::<32>();
        let (outs, out_tail) = out.as_chunks_mut::<32>();
        for (out, codes) in outs.iter_mut().zip(chunks) {
            if codes.iter().fold(false, |any, c| any | decoder.is_special(*c)) {
                *out = codes.map(|c| table[c as usize]);
                continue;
            }
            for (out, c) in out.iter_mut().zip(codes) {
                *out = decoder.lane(*c);
            }
        }
        for (out, c) in out_tail.iter_mut().zip(tail) {
            *out = table[*c as usize];
        }
    }
}

/// The values of `codes` as `f16`: exact for every format of [`Format::ALL`], rounded to nearest even where a
/// flexible format goes beyond it.
///
/// # Errors
/// [`LengthError`] when the slices differ in length; nothing is written then.
pub fn decode_slice_f16(format: Format, codes: &[u8], out: &mut [f16]) -> Result<(), LengthError> {
    look_up(format.table_f16(), codes, out)
}

/// The values of `codes` as `bf16`, which holds every value of every format exactly.
///
/// # Errors
/// [`LengthError`] when the slices differ in length; nothing is written then.
pub fn decode_slice_bf16(format: Format, codes: &[u8], out: &mut [bf16]) -> Result<(), LengthError> {
    look_up(format.table_bf16(), codes, out)
}

/// A new vector filled by one of the functions above.
fn collect<T: bytemuck::Zeroable + Clone>(
    len: usize,
    fill: impl FnOnce(&mut [T]) -> Result<(), LengthError>,
) -> Vec<T> {
    let mut out = vec![T::zeroed(); len];
    fill(&mut out).expect("the vector was made with the input's length");
    out
}

/// [`encode_slice`] into a new vector.
pub fn encode_vec(format: Format, overflow: Overflow, x: &[f32]) -> Vec<u8> {
    collect(x.len(), |out| encode_slice(format, overflow, x, out))
}

/// [`encode_slice_f16`] into a new vector.
pub fn encode_vec_f16(format: Format, overflow: Overflow, x: &[f16]) -> Vec<u8> {
    collect(x.len(), |out| encode_slice_f16(format, overflow, x, out))
}

/// [`encode_slice_bf16`] into a new vector.
pub fn encode_vec_bf16(format: Format, overflow: Overflow, x: &[bf16]) -> Vec<u8> {
    collect(x.len(), |out| encode_slice_bf16(format, overflow, x, out))
}

/// [`decode_slice`] into a new vector.
pub fn decode_vec(format: Format, codes: &[u8]) -> Vec<f32> {
    collect(codes.len(), |out| decode_slice(format, codes, out))
}

/// [`decode_slice_f16`] into a new vector.
pub fn decode_vec_f16(format: Format, codes: &[u8]) -> Vec<f16> {
    collect(codes.len(), |out| decode_slice_f16(format, codes, out))
}

/// [`decode_slice_bf16`] into a new vector.
pub fn decode_vec_bf16(format: Format, codes: &[u8]) -> Vec<bf16> {
    collect(codes.len(), |out| decode_slice_bf16(format, codes, out))
}
