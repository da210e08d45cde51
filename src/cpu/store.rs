//! How CPU kernels end: rows of real numbers become a tensor, and their amax is found.

use super::{HostArgs, Threads, magnitude, scaled};
use crate::{
    dtype::Overflow,
    scale::{GroupMap, Scales, flags},
    tensor::{DType, Layout, Operand, rows, scales, values},
};

/// Writes the operand `out`, all rows that `fill` makes. Where it is 8-bit, its scales are given, and amax and flags of
/// its record are kept.
///
/// # Panics
/// As [`HostArgs::write`].
pub fn write(
    out: &Operand,
    args: &mut HostArgs<'_>,
    threads: Threads,
    fill: impl Fn(usize, &mut [f32]) + Sync + Send,
) {
    write_raising(out, args, threads, 0, fill);
}

/// The same; where there is a record, these flags are raised in it too.
pub(crate) fn write_raising(
    out: &Operand,
    args: &mut HostArgs<'_>,
    threads: Threads,
    raised: u32,
    fill: impl Fn(usize, &mut [f32]) + Sync + Send,
) {
    let (layout, words) = (&out.layout, args.write(values(out.role)));
    if layout.element().scaling().is_none() {
        return store(layout, words, None, out.overflow, threads, fill);
    }
    let record = args.write(scales(out.role));
    let mut s = layout.scales(record);
    s.reset();
    amax((layout.rows() as usize, layout.cols() as usize), layout.group_map(), &mut s, threads, &fill);
    store(layout, words, Some(&mut s), out.overflow, threads, fill);
    s.raise(raised);
    record.copy_from_slice(s.words());
}

/// Takes the magnitude of every number into the running maxima of `s`, whose groups `map` finds; `fill` makes one row
/// of real numbers.
pub(crate) fn amax(
    shape: (usize, usize),
    map: GroupMap,
    s: &mut Scales,
    threads: Threads,
    fill: impl Fn(usize, &mut [f32]) + Sync + Send,
) {
    let (rows, cols) = shape;
    let piece = threads.piece(rows, 1);
    // So many columns share a group.
    let stretch = map.col_stride as usize;
    // Every piece has maxima of its own; integer maxima may be joined in any order.
    let seen = threads.for_each((0..rows).step_by(piece), |first| {
        let mut mine = s.clone();
        let mut v = vec![0.0; cols];
        for row in first..(first + piece).min(rows) {
            fill(row, &mut v);
            for (col, v) in (0..).step_by(stretch).zip(v.chunks(stretch)) {
                mine.see(map.group(row, col), v.iter().map(|v| magnitude(*v)).max().unwrap_or(0));
            }
        }
        mine
    });
    for mine in seen {
        for g in 0..s.groups() {
            s.see(g, mine.amax_of(g).to_bits());
        }
    }
}

/// Writes every row that `fill` makes, padding included. Where `scales` are given the rows become codes,
/// encode(v × inv_scale), and `HAS_NAN` is raised when one of them is NaN, with `LOST_NAN` where the format has none.
pub fn store(
    out: &Layout,
    words: &mut [u32],
    scales: Option<&mut Scales>,
    overflow: Overflow,
    threads: Threads,
    fill: impl Fn(usize, &mut [f32]) + Sync + Send,
) {
    let dtype = out.element().dtype();
    store_by(out, words, scales, threads, fill, |_, v, words| rows::encode(dtype, overflow, v, words));
}

/// The same; `encode` makes words, padding included, of the numbers of one row, which are scaled already.
pub(crate) fn store_by(
    out: &Layout,
    words: &mut [u32],
    scales: Option<&mut Scales>,
    threads: Threads,
    fill: impl Fn(usize, &mut [f32]) + Sync + Send,
    encode: impl Fn(usize, &[f32], &mut [u32]) + Sync + Send,
) {
    let dtype = out.element().dtype();
    let coded = scales.as_deref().map(|s| (s, s.granularity().map(out.shape())));
    let piece = threads.piece(out.rows() as usize, 1);
    let pieces = words.chunks_mut(piece * out.row_words()).enumerate();
    let nan = threads.for_each(pieces, |(i, words)| {
        let mut v = vec![0.0; out.cols() as usize];
        let mut nan = false;
        for (j, words) in words.chunks_exact_mut(out.row_words()).enumerate() {
            let row = i * piece + j;
            if dtype == DType::F32 {
                // Made where it stays.
                let (v, padding) = bytemuck::cast_slice_mut(words).split_at_mut(v.len());
                fill(row, v);
                padding.fill(0.0);
                continue;
            }
            fill(row, &mut v);
            if let Some((s, map)) = coded {
                let stretch = map.col_stride as usize;
                for (col, v) in (0..).step_by(stretch).zip(v.chunks_mut(stretch)) {
                    let inv_scale = s.inv_scale_of(map.group(row, col));
                    v.iter_mut().for_each(|v| *v = scaled(*v, inv_scale));
                }
            }
            encode(row, &v, words);
            if let Some(f) = dtype.format() {
                if !f.has_nan() {
                    nan |= v.iter().fold(false, |nan, v| nan | v.is_nan());
                    continue;
                }
                let codes = &bytemuck::cast_slice::<u32, u8>(words)[..v.len()];
                // No early end, so that it is vector code.
                nan |= codes.iter().fold(false, |nan, &c| nan | f.is_nan(c));
            }
        }
        nan
    });
    if let Some(s) = scales
        && nan.contains(&true)
    {
        let has_nan = dtype.format().is_none_or(|f| f.has_nan());
        s.raise(flags::HAS_NAN | if has_nan { 0 } else { flags::LOST_NAN });
    }
}
