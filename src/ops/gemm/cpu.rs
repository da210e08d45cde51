//! GEMM on the CPU: codes decoded by table into panels that fit the cache, multiplied by a well-kept crate.

use super::{Gemm, Scaled, scaled};
use crate::{
    cpu::{self, HostArgs, Input, Matrix, Room, Threads, product},
    ops::Operation,
    tensor,
};
use std::ops::Range;

/// Rows and columns of the output that are one piece of work, at most: enough that decoding A and B again for each
/// costs little.
const TILE: usize = 1024;
/// Columns of A and B that are decoded at once: few enough that a panel fits the cache, 2 MiB of f32 at most, and
/// enough that its codes are read in long stretches.
const PANEL: usize = 512;

/// What a product multiplies: lines along k.
pub(in crate::ops) trait Lines: Sync {
    /// These lines of a batch, this part of k: where they lie in memory, or made in `room`.
    fn panel<'p>(
        &'p self,
        batch: usize,
        lines: Range<usize>,
        k: Range<usize>,
        room: &'p mut Vec<f32>,
    ) -> Matrix<'p>;
}

/// One side of the product: lines along k, whichever way it lies.
struct Side<'a> {
    operand: Input<'a>,
    k: usize,
    k_rows: bool,
    scaled: Scaled,
}

impl<'a> Side<'a> {
    fn new(operand: Input<'a>, k: usize, k_rows: bool) -> Self {
        Self { scaled: scaled(operand.layout(), k_rows), operand, k, k_rows }
    }

    /// A stretch of a storage row as it enters the sum.
    fn read(&self, row: usize, col: usize, out: &mut [f32]) {
        match self.scaled {
            Scaled::AlongK => self.operand.numbers(row, col, out),
            _ => self.operand.codes(row, col, out),
        }
    }

    /// The row of storage that a line of a batch is.
    fn row(&self, batch: usize, line: usize) -> usize {
        let shape = self.operand.layout().shape();
        let batches = shape[..shape.len() - 2].iter().product::<u32>() as usize;
        batch * (self.operand.layout().rows() as usize / batches) + line
    }

    /// Scales that leave the sum, of every line of every batch; `None` where there are none.
    fn line_scales(&self) -> Option<Vec<f64>> {
        let s = self.operand.scales().filter(|_| self.scaled == Scaled::Lines)?;
        let l = self.operand.layout();
        let (rows, cols) = (l.rows() as usize, l.cols() as usize);
        let map = s.granularity().map(l.shape());
        let of = |row, col| f64::from(s.scale_of(map.group(row, col)));
        Some(if self.k_rows {
            (0..rows / self.k * cols).map(|i| of(i / cols * self.k, i % cols)).collect()
        } else {
            (0..rows).map(|row| of(row, 0)).collect()
        })
    }
}

impl Lines for Side<'_> {
    fn panel<'p>(
        &'p self,
        batch: usize,
        lines: Range<usize>,
        k: Range<usize>,
        room: &'p mut Vec<f32>,
    ) -> Matrix<'p> {
        let depth = k.len();
        if !self.k_rows {
            let row = self.row(batch, lines.start);
            if let Some(m) = self.operand.plain() {
                return Matrix { numbers: &m.numbers[row * m.stride + k.start..], ..m };
            }
            room.resize(lines.len() * depth, 0.0);
            // Whole rows without padding are read as one, but for scales of their own.
            let joined = depth == self.k && self.operand.layout().is_dense() && self.scaled != Scaled::AlongK;
            let run = if joined { lines.len() } else { 1 };
            for (row, room) in (row..).step_by(run).zip(room.chunks_mut(run * depth)) {
                self.read(row, k.start, room);
            }
        } else {
            room.resize(lines.len() * depth, 0.0);
            let mut row = vec![0.0; lines.len()];
            for (i, of_k) in k.enumerate() {
                self.read(batch * self.k + of_k, lines.start, &mut row);
                for (line, v) in room.chunks_exact_mut(depth).zip(&row) {
                    line[i] = *v;
                }
            }
        }
        Matrix { numbers: room, stride: depth }
    }
}

fn operand<'o>(operands: &'o [tensor::Operand], role: &str) -> &'o tensor::Operand {
    operands.iter().find(|o| o.role == role).expect("an operand of gemm")
}

/// What happens to a sum before the activation.
struct Epilogue<'a> {
    alpha: f64,
    a: Option<Vec<f64>>,
    b: Option<Vec<f64>>,
    bias: Option<Vec<f32>>,
    residual: Option<Input<'a>>,
}

impl Epilogue<'_> {
    /// Finishes sums of a tile of the output: rows of `n` from `row` of all rows and `col` on; `a` and `b` are its first lines.
    fn apply(&self, (row, col): (usize, usize), (a, b): (usize, usize), v: &mut [f32], n: usize) {
        let finish = cpu::Finish {
            factor: self.alpha,
            rows: self.a.as_ref().map(|s| &s[a..]),
            cols: self.b.as_ref().map(|s| &s[b..]),
            bias: self.bias.as_ref().map(|bias| &bias[col..]),
        };
        finish.apply(v, n);
        if let Some(residual) = &self.residual {
            (row..).zip(v.chunks_exact_mut(n)).for_each(|(row, v)| residual.add(row, col, v));
        }
    }
}

pub(in crate::ops) fn run(o: &Gemm, args: &mut HostArgs<'_>, threads: Threads) {
    let operands = o.operands().expect("validated");
    let (m, n, k) = (o.m as usize, o.n as usize, o.k as usize);
    let read = |role| Input::new(operand(&operands, role), args);
    let a = Side::new(read("a"), k, o.orientation.a_k_rows());
    let b = Side::new(read("b"), k, o.orientation.b_k_rows());
    let batches = o.batches();
    let epilogue = Epilogue {
        alpha: o.alpha.into(),
        a: a.line_scales(),
        b: b.line_scales(),
        bias: o.bias.map(|_| {
            let mut bias = vec![0.0; n];
            read("bias").codes(0, 0, &mut bias);
            bias
        }),
        residual: o.residual.map(|_| read("residual")),
    };
    // Rows of one batch of the output from `row` on, `cols` columns of them from `col` on.
    let finish = |batch: usize, (row, col): (usize, usize), v: &mut [f32], cols: usize| {
        let (of_a, of_b) = batches.sides(batch);
        epilogue.apply((batch * m + row, col), (of_a * m + row, of_b * n + col), v, cols);
        o.activation.apply_all(v);
    };
    // Batches are pieces of work; of one or two, so are their parts.
    let count = batches.count() as usize;
    let (down, across) = if count >= threads.get() { Threads::ONE } else { threads }.tile((m, n), TILE);
    let out = operand(&operands, "out");
    if across >= n {
        let rows = (0..count * m).step_by(m).flat_map(|first| {
            (first..first + m).step_by(down).map(move |row| row..(row + down).min(first + m))
        });
        let blocks: Vec<_> = rows.collect();
        return cpu::write_blocks(out, args, threads, &blocks, |rows, v, room| {
            let (batch, row) = (rows.start / m, rows.start % m);
            multiply(
                (&a, &b),
                k,
                batches.sides(batch),
                (row..row + rows.len(), 0..n),
                (v, n),
                &mut room.panels,
            );
            finish(batch, (row, 0), v, n);
        });
    }
    let tiles = (0..count).flat_map(|batch| {
        let rows = (0..m).step_by(down);
        rows.flat_map(move |row| (0..n).step_by(across).map(move |col| (batch, row, col)))
    });
    let tiles = threads.for_each_in(tiles, |(batch, row, col), room: &mut Room| {
        let (rows, cols) = (down.min(m - row), across.min(n - col));
        let mut v = vec![0.0; rows * cols];
        multiply(
            (&a, &b),
            k,
            batches.sides(batch),
            (row..row + rows, col..col + cols),
            (&mut v, cols),
            &mut room.panels,
        );
        finish(batch, (row, col), &mut v, cols);
        v
    });
    cpu::write(out, args, threads, |row, to| {
        let (batch, row) = (row / m, row % m);
        let band = &tiles[(batch * m.div_ceil(down) + row / down) * n.div_ceil(across)..];
        for (to, tile) in to.chunks_mut(across).zip(band) {
            to.copy_from_slice(&tile[row % down * to.len()..][..to.len()]);
        }
    });
}

/// Σₖ a · b of one tile of the output, by panels along k, into rows `stride` numbers apart.
pub(in crate::ops) fn multiply(
    (a, b): (&impl Lines, &impl Lines),
    k: usize,
    (of_a, of_b): (usize, usize),
    (rows, cols): (Range<usize>, Range<usize>),
    (out, stride): (&mut [f32], usize),
    [room_a, room_b]: &mut [Vec<f32>; 2],
) {
    for first in (0..k).step_by(PANEL) {
        let part = first..k.min(first + PANEL);
        let extents = (rows.len(), cols.len(), part.len());
        let a = a.panel(of_a, rows.clone(), part.clone(), room_a);
        let b = b.panel(of_b, cols.clone(), part, room_b);
        product(extents, a, b, out, stride, first > 0);
    }
}
