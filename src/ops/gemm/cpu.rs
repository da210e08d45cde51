//! GEMM on the CPU: codes decoded by table into panels that fit the cache, multiplied by a well-kept crate.

use super::Gemm;
use crate::{
    cpu::{HostArgs, Threads, amax, product, store},
    ops::Operation,
    scale::Scales,
    tensor::{Layout, rows, scales, values},
};

/// Rows of A that are decoded at once: enough that decoding B again for each block of them costs nothing.
const BLOCK_ROWS: usize = 1024;
/// Numbers in a decoded panel of B: 1 MiB of f32.
const PANEL: usize = 1 << 18;

struct Operand<'a> {
    layout: Layout,
    words: &'a [u32],
    scales: Option<Scales>,
}

impl Operand<'_> {
    /// Rows `first..first + count` as dense f32; scales are not applied.
    fn decode(&self, first: usize, count: usize) -> Vec<f32> {
        let cols = self.layout.cols() as usize;
        let mut out = vec![0.0; count * cols];
        for (i, row) in out.chunks_exact_mut(cols).enumerate() {
            rows::decode(&self.layout, self.words, first + i, 0, row);
        }
        out
    }

    /// Scale of a row; scales run along axis 0.
    fn scale(&self, row: usize) -> f64 {
        self.scales.as_ref().map_or(1.0, |s| f64::from(s.scale_of(if s.groups() == 1 { 0 } else { row })))
    }
}

pub(super) fn run(o: &Gemm, args: &mut HostArgs<'_>, threads: Threads) {
    let operands = o.operands().expect("validated");
    let of =
        |role: &str| operands.iter().find(|o| o.role == role).expect("an operand of gemm").layout.clone();
    let read = |role: &'static str| {
        let layout = of(role);
        let scales = layout
            .element()
            .scaling()
            .map(|g| Scales::from_words(g, layout.groups() as usize, args.read(scales(role)).to_vec()));
        Operand { words: args.read(values(role)), scales, layout }
    };
    let (a, b) = (read("a"), read("b"));
    let bias = o.bias.map(|_| read("bias").decode(0, 1));
    let (m, n) = (o.m as usize, o.n as usize);
    let mut v = vec![0.0; m * n];
    for (block, out) in v.chunks_mut(BLOCK_ROWS * n).enumerate() {
        let first = block * BLOCK_ROWS;
        multiply(&a, &b, first, out, n, threads);
        threads.for_each(out.chunks_exact_mut(n).enumerate(), |(i, row)| {
            let s_a = a.scale(first + i);
            for (j, v) in row.iter_mut().enumerate() {
                // One rounding, and no scale product that leaves the range of f32 on the way.
                let scaled = (f64::from(*v) * (s_a * b.scale(j))) as f32;
                *v = o.activation.apply(bias.as_ref().map_or(scaled, |bias| scaled + bias[j]));
            }
        });
    }
    write(o, &of("out"), args, &v, threads);
}

/// out\[rows, n\] = Σₖ a · b over the rows of A from `first` on.
fn multiply(a: &Operand<'_>, b: &Operand<'_>, first: usize, out: &mut [f32], n: usize, threads: Threads) {
    let (rows, k) = (out.len() / n, a.layout.cols() as usize);
    let piece = threads.piece(rows, 1);
    let starts = (0..rows).step_by(piece);
    let a = threads.for_each(starts, |r| a.decode(first + r, piece.min(rows - r))).concat();
    // Every thread gets panels of its own, none larger than the cache.
    let cols = threads.piece(n, 16).min((PANEL / k).max(16));
    let panels = threads.for_each((0..n).step_by(cols), |col| {
        let count = cols.min(n - col);
        let panel = b.decode(col, count);
        let mut c = vec![0.0; rows * count];
        product(rows, count, &a, &panel, &mut c, false);
        c
    });
    for (panel, col) in panels.iter().zip((0..n).step_by(cols)) {
        let count = cols.min(n - col);
        for (to, from) in out.chunks_exact_mut(n).zip(panel.chunks_exact(count)) {
            to[col..col + count].copy_from_slice(from);
        }
    }
}

fn write(o: &Gemm, out: &Layout, args: &mut HostArgs<'_>, v: &[f32], threads: Threads) {
    let n = out.cols() as usize;
    let words = args.write(values("out"));
    let row = |row: usize, to: &mut [f32]| to.copy_from_slice(&v[row * n..][..n]);
    let Some(g) = out.element().scaling() else {
        return store(out, words, None, o.overflow, threads, row);
    };
    let record = args.write(scales("out"));
    let mut s = Scales::from_words(g, out.groups() as usize, record.to_vec());
    s.reset();
    amax((out.rows() as usize, n), g.map(out.shape()), &mut s, threads, row);
    store(out, words, Some(&mut s), o.overflow, threads, row);
    record.copy_from_slice(s.words());
}
