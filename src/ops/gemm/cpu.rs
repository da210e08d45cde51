//! GEMM on the CPU: codes decoded by table into panels that fit the cache, multiplied by a well-kept crate.

use super::{Gemm, Scaled, scaled};
use crate::{
    cpu::{self, HostArgs, Input, Threads, product},
    ops::{Activation, Operation},
    tensor,
};

/// Rows and columns of the output that are one piece of work, at most: enough that decoding A and B again for each
/// costs little.
const TILE: usize = 1024;
/// Columns of A and B that are decoded at once: few enough that a panel fits the cache, 2 MiB of f32 at most, and
/// enough that its codes are read in long stretches.
const PANEL: usize = 512;

/// What a product multiplies: lines along k.
pub(in crate::ops) trait Lines: Sync {
    /// Lines of a batch from `line` on, each from `first` on along k: dense rows of `depth`, as many as fill `out`.
    fn decode(&self, batch: usize, line: usize, first: usize, depth: usize, out: &mut [f32]);
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

    fn batches(&self) -> usize {
        let shape = self.operand.layout().shape();
        shape[..shape.len() - 2].iter().product::<u32>() as usize
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
    fn decode(&self, batch: usize, line: usize, first: usize, depth: usize, out: &mut [f32]) {
        if !self.k_rows {
            let extent = self.operand.layout().rows() as usize / self.batches();
            for (i, out) in out.chunks_exact_mut(depth).enumerate() {
                self.read(batch * extent + line + i, first, out);
            }
            return;
        }
        let mut row = vec![0.0; out.len() / depth];
        for k in 0..depth {
            self.read(batch * self.k + first + k, line, &mut row);
            for (out, v) in out.chunks_exact_mut(depth).zip(&row) {
                out[k] = *v;
            }
        }
    }
}

fn operand<'o>(operands: &'o [tensor::Operand], role: &str) -> &'o tensor::Operand {
    operands.iter().find(|o| o.role == role).expect("an operand of gemm")
}

/// What happens to a sum.
struct Epilogue<'a> {
    alpha: f64,
    a: Option<Vec<f64>>,
    b: Option<Vec<f64>>,
    bias: Option<Vec<f32>>,
    residual: Option<Input<'a>>,
    activation: Activation,
}

impl Epilogue<'_> {
    /// Finishes sums of one row of the output: `row` of all rows, from `col` on; `a` and `b` are its lines there.
    fn apply(&self, row: usize, col: usize, a: usize, b: usize, v: &mut [f32]) {
        let factor = self.alpha * self.a.as_ref().map_or(1.0, |s| s[a]);
        // One rounding, and no product of scales that leaves the range of f32 on the way.
        match &self.b {
            Some(s) => {
                v.iter_mut().zip(&s[b..]).for_each(|(v, s)| *v = (f64::from(*v) * (factor * s)) as f32)
            }
            None if factor != 1.0 => v.iter_mut().for_each(|v| *v = (f64::from(*v) * factor) as f32),
            None => {}
        }
        if let Some(bias) = &self.bias {
            v.iter_mut().zip(&bias[col..]).for_each(|(v, bias)| *v += bias);
        }
        if let Some(residual) = &self.residual {
            let mut add = vec![0.0; v.len()];
            residual.numbers(row, col, &mut add);
            v.iter_mut().zip(add).for_each(|(v, add)| *v += add);
        }
        if self.activation != Activation::None {
            v.iter_mut().for_each(|v| *v = self.activation.apply(*v));
        }
    }
}

pub(super) fn run(o: &Gemm, args: &mut HostArgs<'_>, threads: Threads) {
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
        activation: o.activation,
    };
    // Row `i` of one batch of the output, its columns from `col` on.
    let finish = |batch: usize, i: usize, col: usize, v: &mut [f32]| {
        let (of_a, of_b) = batches.sides(batch);
        epilogue.apply(batch * m + i, col, of_a * m + i, of_b * n + col, v);
    };
    // Rows that become codes are read twice, for their amax and then their codes: the epilogue comes before both.
    let coded = o.out.scaling().is_some();
    let (down, across) = threads.tile((m, n), TILE);
    let tiles = (0..batches.count() as usize).flat_map(|batch| {
        let rows = (0..m).step_by(down);
        rows.flat_map(move |row| (0..n).step_by(across).map(move |col| (batch, row, col)))
    });
    let tiles = threads.for_each(tiles, |(batch, row, col)| {
        let (rows, cols) = (down.min(m - row), across.min(n - col));
        let mut v = multiply((&a, &b), k, batches.sides(batch), (row, col), (rows, cols));
        if coded {
            for (i, v) in v.chunks_exact_mut(cols).enumerate() {
                finish(batch, row + i, col, v);
            }
        }
        v
    });
    let row = |row: usize, to: &mut [f32]| {
        let (batch, row) = (row / m, row % m);
        let band = &tiles[(batch * m.div_ceil(down) + row / down) * n.div_ceil(across)..];
        for ((to, tile), col) in to.chunks_mut(across).zip(band).zip((0..).step_by(across)) {
            let cols = to.len();
            to.copy_from_slice(&tile[row % down * cols..][..cols]);
            if !coded {
                finish(batch, row, col, to);
            }
        }
    };
    cpu::write(operand(&operands, "out"), args, threads, row);
}

/// Σₖ a · b of one tile of the output, by panels along k.
pub(in crate::ops) fn multiply(
    (a, b): (&impl Lines, &impl Lines),
    k: usize,
    (of_a, of_b): (usize, usize),
    (row, col): (usize, usize),
    (rows, cols): (usize, usize),
) -> Vec<f32> {
    let mut out = vec![0.0; rows * cols];
    let (mut pa, mut pb) = (vec![0.0; rows * PANEL.min(k)], vec![0.0; cols * PANEL.min(k)]);
    for first in (0..k).step_by(PANEL) {
        let depth = PANEL.min(k - first);
        let (pa, pb) = (&mut pa[..rows * depth], &mut pb[..cols * depth]);
        a.decode(of_a, row, first, depth, pa);
        b.decode(of_b, col, first, depth, pb);
        product(rows, cols, pa, pb, &mut out, first > 0);
    }
    out
}
