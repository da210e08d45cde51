//! Normalisation of rows: what `layer_norm` and `rms_norm` compute, and how.

use super::{
    Norm,
    ends::{self, Affine, Source, Weights},
    expect_plain, operand, statistics,
};
use crate::{
    cpu::{self, HostArgs, Threads},
    ops::{Arithmetic, Cost, DescriptorError, Inputs, Outputs},
    tensor::{Element, Operand},
};
#[cfg(feature = "gpu")]
use crate::{
    gpu::{Capabilities, Dispatch, Params, Schedule, Tuning},
    ops::{
        binding::{self, StageBuilder, in_groups},
        pieces::{self, Beside},
    },
    shader::shader,
    tensor::Layout,
};

/// GPU kernel: four quads of a row per lane, or a 1024th of it; then a tree.
#[cfg(feature = "gpu")]
pub(super) const GPU: Arithmetic = Arithmetic { chain: 8 };
/// CPU kernel: sixteen lanes of sixteen, then a tree.
pub(super) const CPU: Arithmetic = Arithmetic { chain: 32 };

/// One normalisation of rows.
#[derive(Clone, Debug)]
pub(super) struct RowNorm {
    pub norm: Norm,
    /// About the mean, or about zero.
    pub centred: bool,
    pub sum: Option<Element>,
}

impl RowNorm {
    pub(super) fn operands(&self) -> Result<Vec<Operand>, DescriptorError> {
        let (o, op) = (&self.norm, self.norm.op);
        // A shape that cannot be is found below.
        let cols = o.shape.last().copied().unwrap_or(1).max(1);
        if o.zero_centred && o.gamma.is_none() {
            return Err(DescriptorError::new(op, "zero_centred", "a gamma to add 1 to", "none"));
        }
        let mut all = o.operands((1, cols), self.centred)?;
        if let Some(e) = self.sum {
            expect_plain(op, "sum", e)?;
            if o.residual.is_none() {
                return Err(DescriptorError::new(op, "sum", "a residual to add", "none"));
            }
            let sum =
                Operand::write("sum", o.shape.clone(), e).map_err(DescriptorError::layout(op, "sum"))?;
            all.push(sum.overflow(o.overflow));
        }
        Ok(all)
    }

    pub(super) fn cost(&self) -> Cost {
        let n = self.norm.elements();
        let sum = self.sum.map_or(0, |e| u64::from(e.dtype().bytes()));
        let flops = n.saturating_mul(if self.centred { 7 } else { 5 });
        Cost { flops, bytes: self.norm.bytes().saturating_add(n.saturating_mul(sum)) }
    }

    pub(super) fn reference(&self, x: &Inputs) -> Outputs {
        let o = &self.norm;
        let cols = *o.shape.last().expect("validated") as usize;
        let z = ends::summed(o, x);
        let affine = Affine::new(o, x);
        let mut out = Vec::with_capacity(z.len());
        for row in z.chunks_exact(cols) {
            let m = statistics::moments(row.iter(), self.centred, x.arithmetic.chain);
            let inverse = m.inverse(o.epsilon);
            for (col, &v) in row.iter().enumerate() {
                out.push(affine.apply(col, m.normalise(v, inverse, o.epsilon)));
            }
        }
        let mut all = vec![("out", out)];
        if self.sum.is_some() {
            all.push(("sum", z));
        }
        Outputs(all)
    }

    pub(super) fn run(&self, args: &mut HostArgs<'_>, threads: Threads) {
        let (all, o) = (self.operands().expect("validated"), &self.norm);
        let cols = *o.shape.last().expect("validated") as usize;
        let (source, weights) = (Source::new(&all, args), Weights::new(o, &all, args));
        let inverse_count = (1.0 / cols as f64) as f32;
        let normalise = |row: usize, v: &mut [f32]| {
            source.load(row, v);
            if self.centred {
                let mean = statistics::sum(v, |v| v) * inverse_count;
                v.iter_mut().for_each(|v| *v -= mean);
            }
            let spread = statistics::sum(v, |v| v * v) * inverse_count + o.epsilon;
            let inverse = statistics::inverse_root(spread);
            v.iter_mut().for_each(|v| *v *= inverse);
            weights.apply(v);
        };
        cpu::write(operand(&all, "out").expect("an operand"), args, threads, normalise);
        if let Some(sum) = operand(&all, "sum") {
            cpu::write(sum, args, threads, |row, v| source.load(row, v));
        }
    }
}

/// Invocations of a workgroup.
#[cfg(feature = "gpu")]
const WORKGROUP: u32 = 256;

#[cfg(feature = "gpu")]
impl RowNorm {
    /// How many invocations share a row, and how many quads of it each keeps in registers: as few as hold it, else none
    /// and the row is read three times.
    pub(super) fn tunings(&self) -> Vec<Tuning> {
        let all = self.operands().expect("validated");
        let widest = all.iter().map(|o| o.layout.row_quads()).max().expect("operands");
        let tuning = |lanes: u32, held: u32| {
            let label = if held == 0 { format!("l{lanes}") } else { format!("l{lanes}x{held}") };
            Tuning::new(label, &[("LANES", lanes), ("HELD", held)])
        };
        let held = [(16, 4), (64, 4), (256, 4), (256, 8)];
        let fits = held.into_iter().find(|(lanes, held)| lanes * held >= widest);
        let again = [(256, 0), (64, 0)];
        fits.into_iter().chain(again).map(|(lanes, held)| tuning(lanes, held)).collect()
    }

    pub(super) fn schedule(&self, t: &Tuning, caps: &Capabilities) -> Schedule {
        let all = self.operands().expect("validated");
        let layout = |role| operand(&all, role).map(|o| &o.layout);
        let (x, out) = (layout("x").expect("an operand"), layout("out").expect("an operand"));
        let (residual, sum) = (layout("residual"), layout("sum"));
        let o = &self.norm;

        let mut stage = ends::load(StageBuilder::new(shader!("norm/rows.wgsl")), &all);
        stage = ends::affine(stage, o, &all);
        let mut windows = vec![(1, x), (7, out)];
        windows.extend(residual.map(|l| (3, l)));
        if let Some(l) = sum {
            stage = stage.define("SUM").output("sum", 9, 10, l.element(), o.overflow);
            windows.push((9, l));
        }
        if self.centred {
            stage = stage.define("CENTRED");
        }
        let (lanes, held) = (t.get("LANES"), t.get("HELD"));
        if held > 0 {
            stage = stage.define("HELD").define(&format!("HELD_{held}"));
        }
        let stage = stage.constant("LANES", lanes).constant("WORKGROUP", WORKGROUP);

        let quads = out.cols().div_ceil(4);
        let row_quads = |l: Option<&Layout>| l.map_or(0, Layout::row_quads);
        let dispatch = |piece: pieces::RowPiece| {
            let origin = |at| {
                let found = windows.iter().position(|w| w.0 == at);
                found.map_or(0, |i| piece.origins[i])
            };
            let params = Params::new(&[
                ("first", piece.rows.start),
                ("end", piece.rows.end),
                ("cols", out.cols()),
                ("quads", quads),
                ("read_quads", quads.max(row_quads(sum))),
                ("inverse_count", ((1.0 / f64::from(out.cols())) as f32).to_bits()),
                ("epsilon", o.epsilon.to_bits()),
                ("x_quads", x.row_quads()),
                ("x_origin", origin(1)),
            ])
            .and(&in_groups!("x", x))
            .and(&[
                ("residual_quads", row_quads(residual)),
                ("residual_origin", origin(3)),
                ("out_quads", out.row_quads()),
                ("out_origin", origin(7)),
            ])
            .and(&binding::out_groups(out))
            .and(&[("sum_quads", row_quads(sum)), ("sum_origin", origin(9))]);
            let groups = (piece.rows.len() as u64).div_ceil(u64::from(WORKGROUP / lanes));
            Dispatch::linear(groups, params, caps).windows(piece.windows)
        };
        let cut: Vec<(u32, &Layout, Beside<'_>)> =
            windows.iter().map(|&(at, l)| (at, l, &pieces::same as _)).collect();
        let dispatches = pieces::by_rows(out.rows(), &cut, caps).into_iter().map(dispatch).collect();
        // A partial sum and flags for each invocation.
        let shared = 8 * WORKGROUP
            + binding::output_shared(out.element())
            + sum.map_or(0, |l| binding::output_shared(l.element()));
        let mut stages = ends::resets(&all, caps);
        stages.push(stage.build([WORKGROUP, 1, 1], shared, dispatches));
        Schedule { stages, workspace: vec![] }
    }
}

/// Kernels of an operation that has `fn rows(&self) -> RowNorm`.
macro_rules! row_kernels {
    () => {
        &[
            #[cfg(feature = "gpu")]
            Kernel::<Self>::gpu(
                "rows",
                |o, _| Ok(o.rows().tunings()),
                |o, t, caps| o.rows().schedule(t, caps),
            )
            .arithmetic(rows::GPU),
            Kernel::<Self>::cpu(|o, args, threads| o.rows().run(args, threads)).arithmetic(rows::CPU),
        ]
    };
}
pub(super) use row_kernels;
