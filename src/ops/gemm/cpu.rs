//! GEMM on the CPU: codes decoded by table into panels that fit the cache, multiplied by a well-kept crate.

use super::Gemm;
use crate::{
    cpu::{HostArgs, Threads, amax, product, store},
    ops::{Activation, Operation},
    scale::Scales,
    tensor::{Layout, rows, scales, values},
};

/// Rows and columns of the output that are one piece of work, at most: enough that decoding A and B again for each
/// costs little.
const TILE: usize = 1024;
/// Columns of A and B that are decoded at once: few enough that a panel fits the cache, 2 MiB of f32 at most, and
/// enough that its codes are read in long stretches.
const PANEL: usize = 512;

struct Operand<'a> {
    layout: Layout,
    words: &'a [u32],
    scales: Option<Scales>,
}

impl Operand<'_> {
    /// Rows from `row` on, each from `col` on, as dense f32 rows of `cols`; scales are not applied.
    fn decode(&self, row: usize, col: usize, cols: usize, out: &mut [f32]) {
        for (i, out) in out.chunks_exact_mut(cols).enumerate() {
            rows::decode(&self.layout, self.words, row + i, col, out);
            if self.scales.as_ref().is_some_and(Scales::lost_nan) {
                out.fill(f32::NAN);
            }
        }
    }

    /// Scales of all rows, along which they run.
    fn scales(&self) -> Vec<f64> {
        let of = |s: &Scales, row| f64::from(s.scale_of(if s.groups() == 1 { 0 } else { row }));
        (0..self.layout.rows() as usize).map(|row| self.scales.as_ref().map_or(1.0, |s| of(s, row))).collect()
    }
}

/// What happens to a sum.
struct Epilogue {
    /// Scales of the rows of A and of B, where one of them has any.
    scales: Option<(Vec<f64>, Vec<f64>)>,
    bias: Option<Vec<f32>>,
    activation: Activation,
}

impl Epilogue {
    /// Finishes the sums of one row from `col` on.
    fn apply(&self, row: usize, col: usize, v: &mut [f32]) {
        if let Some((a, b)) = &self.scales {
            for (v, b) in v.iter_mut().zip(&b[col..]) {
                // One rounding, and no scale product that leaves the range of f32 on the way.
                *v = (f64::from(*v) * (a[row] * b)) as f32;
            }
        }
        if let Some(bias) = &self.bias {
            for (v, bias) in v.iter_mut().zip(&bias[col..]) {
                *v += bias;
            }
        }
        if self.activation != Activation::None {
            for v in v {
                *v = self.activation.apply(*v);
            }
        }
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
    let (m, n) = (o.m as usize, o.n as usize);
    let epilogue = Epilogue {
        scales: (a.scales.is_some() || b.scales.is_some()).then(|| (a.scales(), b.scales())),
        bias: o.bias.map(|_| {
            let mut bias = vec![0.0; n];
            read("bias").decode(0, 0, n, &mut bias);
            bias
        }),
        activation: o.activation,
    };
    // Rows that become codes are read twice, for their amax and then their codes: the epilogue comes before both.
    let coded = o.out.scaling().is_some();
    let (down, across) = threads.tile((m, n), TILE);
    let tiles = (0..m).step_by(down).flat_map(|row| (0..n).step_by(across).map(move |col| (row, col)));
    let tiles = threads.for_each(tiles, |(row, col)| {
        let (rows, cols) = (down.min(m - row), across.min(n - col));
        let mut v = multiply(&a, &b, (row, col), (rows, cols));
        if coded {
            for (i, v) in v.chunks_exact_mut(cols).enumerate() {
                epilogue.apply(row + i, col, v);
            }
        }
        v
    });
    let row = |row: usize, to: &mut [f32]| {
        let band = &tiles[row / down * n.div_ceil(across)..];
        for ((to, tile), col) in to.chunks_mut(across).zip(band).zip((0..).step_by(across)) {
            let cols = to.len();
            to.copy_from_slice(&tile[row % down * cols..][..cols]);
            if !coded {
                epilogue.apply(row, col, to);
            }
        }
    };
    write(o, &of("out"), args, row, threads);
}

/// Σₖ a · b of one tile of the output, by panels along k.
fn multiply(
    a: &Operand<'_>,
    b: &Operand<'_>,
    (row, col): (usize, usize),
    (rows, cols): (usize, usize),
) -> Vec<f32> {
    let k = a.layout.cols() as usize;
    let mut out = vec![0.0; rows * cols];
    let (mut pa, mut pb) = (vec![0.0; rows * PANEL.min(k)], vec![0.0; cols * PANEL.min(k)]);
    for first in (0..k).step_by(PANEL) {
        let depth = PANEL.min(k - first);
        let (pa, pb) = (&mut pa[..rows * depth], &mut pb[..cols * depth]);
        a.decode(row, first, depth, pa);
        b.decode(col, first, depth, pb);
        product(rows, cols, pa, pb, &mut out, first > 0);
    }
    out
}

fn write(
    o: &Gemm,
    out: &Layout,
    args: &mut HostArgs<'_>,
    row: impl Fn(usize, &mut [f32]) + Sync + Send,
    threads: Threads,
) {
    let words = args.write(values("out"));
    let Some(g) = out.element().scaling() else {
        return store(out, words, None, o.overflow, threads, row);
    };
    let record = args.write(scales("out"));
    let mut s = Scales::from_words(g, out.groups() as usize, record.to_vec());
    s.reset();
    amax((o.m as usize, o.n as usize), g.map(out.shape()), &mut s, threads, &row);
    store(out, words, Some(&mut s), o.overflow, threads, row);
    record.copy_from_slice(s.words());
}
