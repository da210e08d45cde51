//! Rows of a tensor as f32, and back: how every CPU computation meets the padded words of a layout.

use super::{DType, Layout};
use crate::dtype::{self, Overflow};
use half::{bf16, f16, slice::HalfFloatSliceExt};

/// Numbers of row `row`, decoded; scales are not applied. `out` takes `out.len()` of them, from column `col` on; where rows
/// have no padding, on into the rows that follow.
///
/// # Panics
/// As an index: if `words` has no such row, or the row no such columns.
pub fn decode(layout: &Layout, words: &[u32], row: usize, col: usize, out: &mut [f32]) {
    let start = row * layout.row_words();
    let row = if layout.is_dense() { &words[start..] } else { &words[start..start + layout.row_words()] };
    let n = out.len();
    match layout.element().dtype() {
        DType::F32 => out.copy_from_slice(&bytemuck::cast_slice::<u32, f32>(row)[col..col + n]),
        DType::F16 => bytemuck::cast_slice::<u32, f16>(row)[col..col + n].convert_to_f32_slice(out),
        DType::Bf16 => bytemuck::cast_slice::<u32, bf16>(row)[col..col + n].convert_to_f32_slice(out),
        DType::U32 => {
            for (out, x) in out.iter_mut().zip(&row[col..col + n]) {
                *out = *x as f32;
            }
        }
        DType::F8(f) => {
            dtype::decode_slice(f, &bytemuck::cast_slice::<u32, u8>(row)[col..col + n], out)
                .expect("equal lengths");
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
        DType::U32 => unreachable!("internal: no operation writes u32"),
        DType::F8(f) => {
            let codes = &mut bytemuck::cast_slice_mut::<u32, u8>(words)[..n];
            dtype::encode_slice(f, overflow, x, codes).expect("equal lengths");
        }
    }
    bytemuck::cast_slice_mut::<u32, u8>(words)[bytes..].fill(0);
}
