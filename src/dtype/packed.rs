//! Codes packed four to a `u32`, the layout of GPU storage buffers: lane 0 is the lowest byte on every machine.

use std::borrow::Cow;

use super::format::{Format, Overflow};
use super::slice::{LengthError, decode_vec, encode_slice};

/// Codes in one word.
pub const LANES: usize = 4;

/// Words that hold `len` codes.
pub const fn words(len: usize) -> usize {
    len.div_ceil(LANES)
}

/// The code in `lane` of `word`.
///
/// # Panics
/// When `lane` is not below [`LANES`].
///
/// ```
/// assert_eq!(quarter::dtype::packed::get(0x4433_2211, 1), 0x22);
/// ```
pub const fn get(word: u32, lane: usize) -> u8 {
    word.to_le_bytes()[lane]
}

/// Packs codes, filling the last word with code 0.
///
/// ```
/// use quarter::dtype::packed::pack;
/// assert_eq!(pack(&[0x11, 0x22, 0x33, 0x44, 0x55]), [0x4433_2211, 0x55]);
/// ```
pub fn pack(codes: &[u8]) -> Vec<u32> {
    filled(codes.len(), |bytes| bytes.copy_from_slice(codes))
}

/// The first `len` codes of `words`.
///
/// # Errors
/// [`LengthError`] when there are not exactly [`words(len)`](words) words.
pub fn unpack(words: &[u32], len: usize) -> Result<Vec<u8>, LengthError> {
    Ok(bytes(words, len)?[..len].to_vec())
}

/// Encodes straight into packed words: [`pack`] of [`encode_vec`](super::encode_vec).
pub fn encode(format: Format, overflow: Overflow, x: &[f32]) -> Vec<u32> {
    filled(x.len(), |codes| {
        encode_slice(format, overflow, x, codes).expect("the words were made for the input's length");
    })
}

/// The values of the first `len` codes of `words`.
///
/// # Errors
/// [`LengthError`] when there are not exactly [`words(len)`](words) words.
pub fn decode(format: Format, words: &[u32], len: usize) -> Result<Vec<f32>, LengthError> {
    Ok(decode_vec(format, &bytes(words, len)?[..len]))
}

/// Zeroed words whose first `len` bytes `fill` has written.
fn filled(len: usize, fill: impl FnOnce(&mut [u8])) -> Vec<u32> {
    let mut out = vec![0u32; words(len)];
    fill(&mut bytemuck::cast_slice_mut(&mut out)[..len]);
    // The bytes are in lane order; nothing to do on little-endian machines.
    out.iter_mut().for_each(|word| *word = u32::from_le(*word));
    out
}

/// All bytes in lane order, borrowed where memory has that order already.
fn bytes(words: &[u32], len: usize) -> Result<Cow<'_, [u8]>, LengthError> {
    LengthError::check("packed words", self::words(len), words.len())?;
    Ok(if cfg!(target_endian = "little") {
        Cow::Borrowed(bytemuck::cast_slice(words))
    } else {
        Cow::Owned(words.iter().flat_map(|word| word.to_le_bytes()).collect())
    })
}
