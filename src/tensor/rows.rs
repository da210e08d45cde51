//! Rows of a tensor as f32, and back: how every CPU computation meets the padded words of a layout.

use super::{DType, Layout};
use crate::{
    cpu::{largest, scale_all},
    dtype::{self, Overflow},
};
use half::{bf16, f16, slice::HalfFloatSliceExt};

/// Rows of so many numbers at most are decoded together with their padding.
const SHORT: usize = 64;

/// Numbers of row `row`, decoded, or codes of a codebook as they are; scales are not applied. `out` takes `out.len()` of them, from column `col` on; where rows
/// have no padding, on into the rows that follow.
///
/// # Panics
/// As an index: if `words` has no such row, or the row no such columns.
pub fn decode(layout: &Layout, words: &[u32], row: usize, col: usize, out: &mut [f32]) {
    let start = row * layout.row_words();
    let row = if layout.is_dense() { &words[start..] } else { &words[start..start + layout.row_words()] };
    unpack(layout.element().dtype(), row, col, out);
}

/// [`decode`] of whole rows from `row` on, as many as fill `out`.
///
/// # Panics
/// As there.
pub fn decode_rows(layout: &Layout, words: &[u32], row: usize, out: &mut [f32]) {
    let (dtype, cols) = (layout.element().dtype(), layout.cols() as usize);
    if layout.is_dense() {
        return decode(layout, words, row, 0, out);
    }
    let padded = layout.row_words() * (4 / dtype.bytes() as usize);
    if padded > SHORT {
        for (row, out) in (row..).zip(out.chunks_exact_mut(cols)) {
            decode(layout, words, row, 0, out);
        }
        return;
    }
    let mut room = [0.0; 16 * SHORT];
    let run = room.len() / padded;
    for (first, out) in (row..).step_by(run).zip(out.chunks_mut(run * cols)) {
        let room = &mut room[..out.len() / cols * padded];
        unpack(dtype, &words[first * layout.row_words()..], 0, room);
        for (out, padded) in out.chunks_exact_mut(cols).zip(room.chunks_exact(padded)) {
            out.iter_mut().zip(padded).for_each(|(out, v)| *out = *v);
        }
    }
}

/// Numbers of words that hold nothing else, from the one numbered `first` on.
fn unpack(dtype: DType, words: &[u32], first: usize, out: &mut [f32]) {
    let all = first..first + out.len();
    match dtype {
        DType::F32 => out.copy_from_slice(&bytemuck::cast_slice::<u32, f32>(words)[all]),
        DType::F16 => bytemuck::cast_slice::<u32, f16>(words)[all].convert_to_f32_slice(out),
        DType::Bf16 => bytemuck::cast_slice::<u32, bf16>(words)[all].convert_to_f32_slice(out),
        DType::Code8 => {
            let codes = &bytemuck::cast_slice::<u32, u8>(words)[all];
            out.iter_mut().zip(codes).for_each(|(out, code)| *out = f32::from(*code));
        }
        DType::U32 => out.iter_mut().zip(&words[all]).for_each(|(out, x)| *out = *x as f32),
        DType::F8(f) => {
            dtype::decode_slice(f, &bytemuck::cast_slice::<u32, u8>(words)[all], out).expect("equal lengths")
        }
    }
}

/// Writes one row (`words` is the row, padding included) from f32, rounded to nearest even; 8-bit codes take `x` as it
/// is, already multiplied by inv_scale.
///
/// # Panics
/// As an index: if the row is too short. For u32, which no operation writes.
pub fn encode(dtype: DType, overflow: Overflow, x: &[f32], words: &mut [u32]) {
    let n = x.len();
    let bytes = n * dtype.bytes() as usize;
    match dtype {
        DType::F32 => bytemuck::cast_slice_mut::<u32, f32>(words)[..n].copy_from_slice(x),
        DType::F16 => bytemuck::cast_slice_mut::<u32, f16>(words)[..n].convert_from_f32_slice(x),
        DType::Bf16 => bytemuck::cast_slice_mut::<u32, bf16>(words)[..n].convert_from_f32_slice(x),
        DType::U32 | DType::Code8 => unreachable!("internal: no operation writes {dtype} by rows"),
        DType::F8(f) => {
            let codes = &mut bytemuck::cast_slice_mut::<u32, u8>(words)[..n];
            dtype::encode_slice(f, overflow, x, codes).expect("equal lengths");
        }
    }
    bytemuck::cast_slice_mut::<u32, u8>(words)[bytes..].fill(0);
}

/// [`encode`] of codes, each number multiplied by `inv_scale` on the way.
///
/// # Panics
/// As there.
pub(crate) fn encode_scaled(
    format: dtype::Format,
    overflow: Overflow,
    inv_scale: f32,
    x: &[f32],
    words: &mut [u32],
) {
    /// Numbers that stay in the nearest cache with their codes.
    const RUN: usize = 1024;
    // Subnormals count as zero, and become it as any number does that is below half the smallest code.
    let flushes = inv_scale * f32::MIN_POSITIVE < format.min_positive_subnormal() / 2.0;
    let mut room = [0.0; RUN];
    let (codes, padding) = bytemuck::cast_slice_mut::<u32, u8>(words).split_at_mut(x.len());
    for (x, codes) in x.chunks(RUN).zip(codes.chunks_mut(RUN)) {
        let done = if flushes && f32::from_bits(largest(x)).is_finite() {
            dtype::encode_numbers(format, overflow, inv_scale, x, codes)
        } else {
            let scaled = &mut room[..x.len()];
            scaled.copy_from_slice(x);
            scale_all(scaled, inv_scale);
            dtype::encode_slice(format, overflow, scaled, codes)
        };
        done.expect("equal lengths");
    }
    padding.fill(0);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        cpu::scaled,
        dtype::{Format, Specials},
    };

    /// Runs with and without what is told apart, under scales that lift subnormals to codes and others, against one at a time.
    #[test]
    fn scaled_codes_equal_the_scalar_codec() {
        let wide = Format::signed(6, 1, 31, Specials::Ieee).expect("a format");
        let unsigned = Format::unsigned(4, 4, 7, Specials::Fn).expect("a format");
        let bits = |i: u32| i.wrapping_mul(0x9E37_79B9) ^ (i << 7);
        let any: Vec<f32> = (0..4096).map(|i| f32::from_bits(bits(i))).collect();
        let finite: Vec<f32> = any.iter().map(|v| if v.is_finite() { *v } else { 0.0 }).collect();
        let small: Vec<f32> = finite.iter().map(|v| f32::from_bits(v.to_bits() & 0x81FF_FFFF)).collect();
        let near: Vec<f32> = (0..4096).map(|i| f32::from_bits(0x3980_0000 + bits(i) % 0x0C00_0000)).collect();
        for format in Format::ALL.into_iter().chain([Format::E2M3FN, Format::E2M1FN, wide, unsigned]) {
            for overflow in [Overflow::Saturate, Overflow::Strict] {
                for factor in [1.0, 0.37, 2f32.powi(126), 2f32.powi(-126), 3e20, 2f32.powi(60)] {
                    for x in [&any, &finite, &small, &near] {
                        let mut words = vec![0; 1024];
                        encode_scaled(format, overflow, factor, x, &mut words);
                        for (x, code) in x.iter().zip(bytemuck::cast_slice::<u32, u8>(&words)) {
                            let want = format.encode(scaled(*x, factor), overflow);
                            assert_eq!(*code, want, "{format} {overflow:?}: {x:e} times {factor:e}");
                        }
                    }
                }
            }
        }
    }
}
