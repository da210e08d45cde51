//! Moving on the CPU: rows in parallel, blocks where the last axis changes.

use super::{Move, Walk};
use crate::{
    cpu::{HostArgs, Threads},
    tensor::{Layout, scales, values},
};
use bytemuck::Pod;

/// Rows and columns of a block, so that both sides of it stay in the nearest cache.
const BLOCK: usize = 64;

impl Move {
    /// From `x` to `out`, scales among it.
    pub fn run(&self, args: &mut HostArgs<'_>, threads: Threads) {
        let (x, out) = (args.read(values("x")), args.write(values("out")));
        match self.bytes() {
            1 => copy::<u8>(&self.to, &self.walk, x, out, threads),
            2 => copy::<u16>(&self.to, &self.walk, x, out, threads),
            _ => copy::<u32>(&self.to, &self.walk, x, out, threads),
        }
        let Some(groups) = &self.groups else { return };
        let (x, out) = (args.read(scales("x")), args.write(scales("out")));
        out[..4].copy_from_slice(&x[..4]);
        // Per tensor there is nothing behind the record.
        let (theirs, mine) = ((x.len() - 4) / 3, (out.len() - 4) / 3);
        if theirs == 0 {
            return;
        }
        for (x, out) in x[4..].chunks_exact(theirs).zip(out[4..].chunks_exact_mut(mine)) {
            out.fill(0);
            for row in 0..groups.rows() {
                let (from, to) = groups.row(row);
                for col in 0..groups.cols.extent as usize {
                    out[to + col] = x[from + col * groups.cols.from as usize];
                }
            }
        }
    }
}

impl Walk {
    fn rows(&self) -> usize {
        self.rows.iter().map(|a| a.extent as usize).product()
    }

    /// Where a row begins on both sides.
    fn row(&self, mut row: usize) -> (usize, usize) {
        let (mut from, mut to) = (self.first as usize, 0);
        for a in self.rows.iter().rev() {
            let i = row % a.extent as usize;
            row /= a.extent as usize;
            from += i * a.from as usize;
            to += i * a.to as usize;
        }
        (from, to)
    }
}

fn copy<T: Pod + Send + Sync>(to: &Layout, walk: &Walk, x: &[u32], out: &mut [u32], threads: Threads) {
    let x: &[T] = bytemuck::cast_slice(x);
    let (cols, step, pitch) =
        (to.cols() as usize, walk.cols.from as usize, 4 * to.row_words() / size_of::<T>());
    let piece = threads.piece(to.rows() as usize, 1);
    let pieces = out.chunks_mut(piece * to.row_words()).enumerate();
    threads.for_each(pieces, |(i, words)| {
        let out: &mut [T] = bytemuck::cast_slice_mut(words);
        for (j, rows) in out.chunks_mut(BLOCK * pitch).enumerate() {
            let first = i * piece + j * BLOCK;
            let starts: Vec<usize> = (0..rows.len() / pitch).map(|row| walk.row(first + row).0).collect();
            if step == 1 {
                for (row, &start) in rows.chunks_exact_mut(pitch).zip(&starts) {
                    row[..cols].copy_from_slice(&x[start..start + cols]);
                }
            } else {
                for block in (0..cols).step_by(BLOCK) {
                    for col in block..(block + BLOCK).min(cols) {
                        for (row, &start) in starts.iter().enumerate() {
                            rows[row * pitch + col] = x[start + col * step];
                        }
                    }
                }
            }
            for row in rows.chunks_exact_mut(pitch) {
                row[cols..].fill(T::zeroed());
            }
        }
    });
}
