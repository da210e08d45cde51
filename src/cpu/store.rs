//! How CPU kernels end: rows of real numbers become a tensor, and their amax is found.

use super::{HostArgs, Loop, Room, Threads, largest, scale_all, vector};
use crate::{
    dtype::{Format, Overflow},
    scale::{GroupMap, Scales, flags},
    tensor::{DType, Layout, Operand, rows, scales, values},
};
use std::{
    ops::Range,
    sync::atomic::{AtomicU32, Ordering},
};

/// Numbers that are encoded at once, at most, where rows are short: they stay in the nearest cache.
const RUN: usize = 4096;

/// Writes the operand `out`, all rows that `fill` makes. Where it has a record, amax and flags are kept there; the scales of
/// 8-bit numbers are given.
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
    keep(out, args, raised, |s| {
        let (rows, cols) = (layout.rows() as usize, layout.cols() as usize);
        amax((rows, cols), layout.group_map(), s, threads, &Made { cols, fill: &fill });
        store(layout, words, Some(s), out.overflow, threads, fill);
    });
}

/// Writes the record of `out`: what `write` sees and raises, scales as they were, and these flags.
fn keep(out: &Operand, args: &mut HostArgs<'_>, raised: u32, write: impl FnOnce(&mut Scales)) {
    let record = args.write(scales(out.role));
    let mut s = out.layout.scales(record);
    s.reset();
    write(&mut s);
    s.raise(raised);
    record.copy_from_slice(s.words());
}

/// As [`write`], of blocks: ranges of rows that follow one another and are all rows together. `fill` makes the numbers of one.
pub(crate) fn write_blocks(
    out: &Operand,
    args: &mut HostArgs<'_>,
    threads: Threads,
    blocks: &[Range<usize>],
    fill: impl Fn(&Range<usize>, &mut [f32], &mut Room) + Sync + Send,
) {
    write_blocks_raising(out, args, threads, 0, blocks, fill);
}

/// The same; where there is a record, these flags are raised in it too.
pub(crate) fn write_blocks_raising(
    out: &Operand,
    args: &mut HostArgs<'_>,
    threads: Threads,
    raised: u32,
    blocks: &[Range<usize>],
    fill: impl Fn(&Range<usize>, &mut [f32], &mut Room) + Sync + Send,
) {
    let (layout, cols) = (&out.layout, out.layout.cols() as usize);
    if layout.element().dtype() == DType::F32 && layout.is_dense() {
        // Made where they stay, and seen while they are near.
        let observed = layout.element().is_observed();
        let most = AtomicU32::new(0);
        let numbers = bytemuck::cast_slice_mut(args.write(values(out.role)));
        fill_blocks(numbers, cols, threads, blocks, |rows, v, room| {
            fill(rows, v, room);
            if observed {
                most.fetch_max(largest(v), Ordering::Relaxed);
            }
        });
        if observed {
            keep(out, args, raised, |s| s.see(0, most.into_inner()));
        }
        return;
    }
    let mut numbers = vec![0.0; layout.elements() as usize];
    fill_blocks(&mut numbers, cols, threads, blocks, fill);
    write_raising(out, args, threads, raised, |row, v| v.copy_from_slice(&numbers[row * cols..][..cols]));
}

/// Fills dense rows of `cols` numbers, block by block.
pub(crate) fn fill_blocks(
    mut numbers: &mut [f32],
    cols: usize,
    threads: Threads,
    blocks: &[Range<usize>],
    fill: impl Fn(&Range<usize>, &mut [f32], &mut Room) + Sync + Send,
) {
    let mut parts = vec![];
    for rows in blocks {
        let (part, rest) = numbers.split_at_mut(rows.len() * cols);
        parts.push((rows, part));
        numbers = rest;
    }
    threads.for_each_in(parts, |(rows, part), room| fill(rows, part, room));
}

/// Rows of real numbers, read many at a time.
pub(crate) trait Rows: Sync {
    /// Makes rows from `first` on, as many as fill `out`.
    fn fill(&self, first: usize, out: &mut [f32]);

    /// The same rows where they lie in memory, or made in `room`.
    fn read<'r>(&'r self, first: usize, room: &'r mut [f32]) -> &'r [f32] {
        self.fill(first, room);
        room
    }
}

/// Rows that a function makes one by one.
pub(crate) struct Made<F> {
    pub cols: usize,
    pub fill: F,
}

impl<F: Fn(usize, &mut [f32]) + Sync> Rows for Made<F> {
    fn fill(&self, first: usize, out: &mut [f32]) {
        for (row, out) in (first..).zip(out.chunks_exact_mut(self.cols)) {
            (self.fill)(row, out);
        }
    }
}

/// Rows of a tensor; scales are not applied.
pub(crate) struct Stored<'a> {
    pub layout: &'a Layout,
    pub words: &'a [u32],
}

impl Rows for Stored<'_> {
    fn fill(&self, first: usize, out: &mut [f32]) {
        rows::decode_rows(self.layout, self.words, first, out);
    }

    fn read<'r>(&'r self, first: usize, room: &'r mut [f32]) -> &'r [f32] {
        if self.layout.element().dtype() == DType::F32 && self.layout.is_dense() {
            return &bytemuck::cast_slice(&self.words[first * self.layout.row_words()..])[..room.len()];
        }
        self.fill(first, room);
        room
    }
}

/// Takes the magnitude of every number into the running maxima of `s`, whose groups `map` finds.
pub(crate) fn amax(
    (rows, cols): (usize, usize),
    map: GroupMap,
    s: &mut Scales,
    threads: Threads,
    numbers: &impl Rows,
) {
    let piece = threads.piece(rows, 1);
    // Rows of one group are one stretch; else so many columns share a group.
    let joined = s.groups() == 1;
    let run = run(joined, cols, piece);
    let stretch = if joined { run * cols } else { map.col_stride as usize };
    // Every piece has maxima of its own; integer maxima may be joined in any order.
    let seen = threads.for_each((0..rows).step_by(piece), |first| {
        let mut mine = s.clone();
        let mut room = vec![0.0; run * cols];
        let end = (first + piece).min(rows);
        for row in (first..end).step_by(run) {
            let v = numbers.read(row, &mut room[..run.min(end - row) * cols]);
            for (col, v) in (0..).step_by(stretch).zip(v.chunks(stretch)) {
                mine.see(map.group(row, col), largest(v));
            }
        }
        mine
    });
    seen.iter().for_each(|mine| s.join(mine));
}

/// So many rows of a piece are one run.
fn run(joined: bool, cols: usize, piece: usize) -> usize {
    if joined { (RUN / cols).clamp(1, piece) } else { 1 }
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
    store_rows(out, words, scales, overflow, threads, &Made { cols: out.cols() as usize, fill });
}

/// The same of rows that need not be made.
pub(crate) fn store_rows(
    out: &Layout,
    words: &mut [u32],
    scales: Option<&mut Scales>,
    overflow: Overflow,
    threads: Threads,
    numbers: &impl Rows,
) {
    let dtype = out.element().dtype();
    store_by(out, words, scales, threads, numbers, |_, v, inv_scale, words| match (dtype, inv_scale) {
        (DType::F8(format), Some(inv_scale)) => rows::encode_scaled(format, overflow, inv_scale, v, words),
        _ => rows::encode(dtype, overflow, v, words),
    });
}

/// The same; `encode` makes words of rows from one on, times the inverse scale if one is given, the last word filled up with zeros.
pub(crate) fn store_by(
    out: &Layout,
    words: &mut [u32],
    scales: Option<&mut Scales>,
    threads: Threads,
    numbers: &impl Rows,
    encode: impl Fn(usize, &[f32], Option<f32>, &mut [u32]) + Sync + Send,
) {
    let (dtype, cols) = (out.element().dtype(), out.cols() as usize);
    let coded = scales.as_deref().map(|s| (s, s.granularity().map(out.shape())));
    let piece = threads.piece(out.rows() as usize, 1);
    // Rows without scales of their own are encoded as one.
    let joined = coded.is_none_or(|(s, _)| s.groups() == 1);
    let run = run(joined, cols, piece);
    let row_bytes = cols * dtype.bytes() as usize;
    let pieces = words.chunks_mut(piece * out.row_words()).enumerate();
    let nan = threads.for_each(pieces, |(i, words)| {
        let mut all = vec![0.0; if dtype == DType::F32 { 0 } else { run * cols }];
        let mut dense = vec![0u32; if out.is_dense() { 0 } else { (run * row_bytes).div_ceil(4) }];
        let mut nan = false;
        for (j, words) in words.chunks_mut(run * out.row_words()).enumerate() {
            let first = i * piece + j * run;
            if dtype == DType::F32 {
                // Made where they stay.
                for (row, words) in (first..).zip(words.chunks_exact_mut(out.row_words())) {
                    let (v, padding) = bytemuck::cast_slice_mut(words).split_at_mut(cols);
                    numbers.fill(row, v);
                    padding.fill(0.0);
                }
                continue;
            }
            let room = &mut all[..words.len() / out.row_words() * cols];
            let length = room.len();
            let (v, inv_scale) = match coded {
                None => (numbers.read(first, room), None),
                // Where a run has one scale.
                Some((s, map)) if map.col_groups == 1 => {
                    (numbers.read(first, room), Some(s.inv_scale_of(map.group(first, 0))))
                }
                Some((s, map)) => {
                    numbers.fill(first, room);
                    let stretch = map.col_stride as usize;
                    for (col, v) in (0..).step_by(stretch).zip(room.chunks_mut(stretch)) {
                        scale_all(v, s.inv_scale_of(map.group(first, col)));
                    }
                    (&*room, None)
                }
            };
            if out.is_dense() {
                encode(first, v, inv_scale, words);
            } else {
                encode(first, v, inv_scale, &mut dense[..(length * dtype.bytes() as usize).div_ceil(4)]);
                let rows = bytemuck::cast_slice::<u32, u8>(&dense).chunks_exact(row_bytes);
                for (words, row) in words.chunks_exact_mut(out.row_words()).zip(rows) {
                    let bytes = bytemuck::cast_slice_mut(words);
                    if bytes.len() == 16 {
                        // One store, where a copy of a slice would be a call for each short row.
                        let unit = row.iter().rev().fold(0, |unit: u128, byte| unit << 8 | u128::from(*byte));
                        bytes.copy_from_slice(&unit.to_le_bytes());
                        continue;
                    }
                    let (to, padding) = bytes.split_at_mut(row_bytes);
                    to.copy_from_slice(row);
                    padding.fill(0);
                }
            }
            if let Some(f) = dtype.format() {
                if !f.has_nan() {
                    nan |= v.iter().fold(false, |nan, v| nan | v.is_nan());
                    continue;
                }
                let codes =
                    &bytemuck::cast_slice::<u32, u8>(if out.is_dense() { words } else { &dense })[..length];
                nan |= vector(AnyNan(f, codes));
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

/// Whether any code is NaN.
struct AnyNan<'a>(Format, &'a [u8]);

impl Loop for AnyNan<'_> {
    type Output = bool;

    #[inline(always)]
    fn run(self) -> bool {
        // No early end, so that it is vector code.
        self.1.iter().fold(false, |nan, &c| nan | self.0.is_nan(c))
    }
}
