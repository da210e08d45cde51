//! A product as the shaders below `gemm/` have it: what GEMM and convolution share.

use super::{Scaled, batch::Axis};
use crate::{
    dtype::Overflow,
    gpu::{Capabilities, Dispatch, Params, Stage, Usage, Window, bind},
    ops::{
        Activation,
        binding::{self, StageBuilder, in_groups},
    },
    shader::shader,
    tensor::{Layout, Slot},
};
use std::ops::Range;

/// NaN flags of the lines of A, then of B, one word each, then the bias in f32.
pub const PROLOGUE: Slot = Slot::Workspace(0);

/// Axes of batches that `gemm/params.wgsl` has.
pub const AXES: usize = 4;

/// Invocations that look through one line for NaN.
const SCAN: u32 = 64;

/// One side.
#[derive(Clone, Copy, Debug)]
pub struct Side<'l> {
    pub layout: &'l Layout,
    pub scaled: Scaled,
    /// Whether the rows of its storage run along k.
    pub k_rows: bool,
}

/// One product, roles `a`, `b`, `bias`, `residual` and `out`.
#[derive(Clone, Debug)]
pub struct Product<'l> {
    pub a: Side<'l>,
    pub b: Side<'l>,
    pub bias: Option<&'l Layout>,
    pub residual: Option<&'l Layout>,
    pub out: &'l Layout,
    pub alpha: f32,
    pub activation: Activation,
    pub overflow: Overflow,
    /// Lines of A and of B in a batch.
    pub m: u32,
    pub n: u32,
    /// Numbers of a line at each tap.
    pub k: u32,
    pub taps: u32,
    pub batches: [Axis; AXES],
    /// Rows and quads of columns of the output from batch to batch.
    pub batch_rows: u32,
    pub batch_quads: u32,
    /// Words that flag A and B in all batches.
    pub a_flags: u32,
    pub b_flags: u32,
    /// What makes A patches of images: the parameters that `gemm/params.wgsl` has of them.
    pub patches: Option<Params>,
    /// Whether these are some pixels of the output and some taps: a phase of a transposed convolution.
    pub phase: bool,
}

/// A part of the output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    pub batches: Range<u32>,
    pub rows: Range<u32>,
    pub cols: Range<u32>,
}

/// What a dispatch does of a product.
#[derive(Clone, Debug)]
pub struct Part {
    pub piece: Piece,
    /// Columns and rows of a tile.
    pub tile: (u32, u32),
    /// What the prologue looks through.
    pub a_items: Range<u32>,
    pub b_items: Range<u32>,
    pub windows: Vec<(Window, u32)>,
}

impl Part {
    /// A piece of the output by such tiles.
    pub fn output(piece: Piece, tile: (u32, u32), windows: Vec<(Window, u32)>) -> Self {
        Self { piece, tile, a_items: 0..0, b_items: 0..0, windows }
    }
}

impl Product<'_> {
    /// Quads of columns that a batch writes.
    fn col_quads(&self) -> u32 {
        if self.batch_quads > 0 { self.batch_quads } else { self.out.row_quads() }
    }

    /// Tiles across and in all, of one batch.
    fn tiles(&self, part: &Part) -> (u32, u32) {
        let Piece { rows, cols, .. } = &part.piece;
        // Whoever has the last column writes the padding too.
        let end = if cols.end == self.n { 4 * self.col_quads() } else { cols.end };
        let across = (end - cols.start).div_ceil(part.tile.0);
        (across, across * (rows.end - rows.start).div_ceil(part.tile.1))
    }

    /// The dispatch of a part, a workgroup for each of its tiles.
    pub fn dispatch(&self, part: &Part, caps: &Capabilities) -> Dispatch {
        let groups = u64::from(self.tiles(part).1) * part.piece.batches.len() as u64;
        self.dispatch_of(part, groups, caps)
    }

    /// The same with so many workgroups.
    pub fn dispatch_of(&self, part: &Part, groups: u64, caps: &Capabilities) -> Dispatch {
        let windows = part.windows.iter().map(|w| w.0).collect();
        Dispatch::linear(groups, self.params(part), caps).windows(windows)
    }

    /// `gemm/params.wgsl`
    fn params(&self, part: &Part) -> Params {
        let [p, q, r, s] = self.batches;
        let (col_tiles, tiles) = self.tiles(part);
        let origin = |at| part.windows.iter().find(|w| w.0.at == at).map_or(0, |w| w.1);
        let params = Params::new(&[
            ("m", self.m),
            ("n", self.n),
            ("k", self.k),
            ("k_quads", self.k.div_ceil(4)),
            ("taps", self.taps),
            ("batch_first", part.piece.batches.start),
            ("batch_end", part.piece.batches.end),
            ("row_first", part.piece.rows.start),
            ("row_end", part.piece.rows.end),
            ("col_first", part.piece.cols.start),
            ("col_tiles", col_tiles),
            ("tiles", tiles),
            ("cols", self.out.cols()),
            ("batch_rows", self.batch_rows),
            ("batch_quads", self.batch_quads),
            ("col_quads", self.col_quads()),
            ("batch_1", q.extent),
            ("batch_2", r.extent),
            ("batch_3", s.extent),
            ("a_step_0", p.a),
            ("a_step_1", q.a),
            ("a_step_2", r.a),
            ("a_step_3", s.a),
            ("b_step_0", p.b),
            ("b_step_1", q.b),
            ("b_step_2", r.b),
            ("b_step_3", s.b),
            ("a_quads", self.a.layout.row_quads()),
            ("a_origin", origin(1)),
            ("b_quads", self.b.layout.row_quads()),
            ("b_origin", origin(3)),
            ("residual_quads", self.residual.map_or(0, Layout::row_quads)),
            ("residual_origin", origin(5)),
            ("out_quads", self.out.row_quads()),
            ("out_origin", origin(6)),
        ]);
        let params = params
            .and(&in_groups!("a", self.a.layout))
            .and(&in_groups!("b", self.b.layout))
            .and(&binding::out_groups(self.out))
            .and(&[
                ("b_flags", self.a_flags),
                ("bias", self.a_flags + self.b_flags),
                ("bias_quads", self.out.cols().div_ceil(4)),
                ("a_first", part.a_items.start),
                ("a_items", part.a_items.len() as u32),
                ("b_first", part.b_items.start),
                ("b_items", part.b_items.len() as u32),
                ("alpha", self.alpha.to_bits()),
            ]);
        self.patches.iter().fold(params, |params, p| params.and(p.fields()))
    }

    /// Bytes of the prologue's workspace.
    pub fn workspace(&self) -> u64 {
        4 * (u64::from(self.a_flags) + u64::from(self.b_flags) + 4 * u64::from(self.out.cols().div_ceil(4)))
    }

    /// What says that A is patches, and of what.
    pub fn patched(&self, stage: StageBuilder) -> StageBuilder {
        let stage = if self.patches.is_some() { stage.define("PATCHES") } else { stage };
        if self.phase { stage.define("PHASE") } else { stage }
    }

    /// Operand A as shaders expect it.
    pub fn side_a(&self, stage: StageBuilder) -> StageBuilder {
        side(self.patched(stage).input("a", 1, 2, self.a.layout.element()), "A", self.a)
    }

    /// Operand B.
    pub fn side_b(&self, stage: StageBuilder) -> StageBuilder {
        side(stage.input("b", 3, 4, self.b.layout.element()), "B", self.b)
    }

    /// What comes after the sums, as `gemm/epilogue.wgsl` expects it.
    pub fn epilogue(&self, stage: StageBuilder) -> StageBuilder {
        let mut stage = stage;
        if self.bias.is_some() {
            stage = stage.define("BIAS");
        }
        if let Some(residual) = self.residual {
            stage = stage.define("RESIDUAL").input("residual", 5, 9, residual.element());
        }
        stage = stage.output("out", 6, 7, self.out.element(), self.overflow);
        let leaves_sum = |s: Side<'_>| u32::from(s.scaled == Scaled::Lines);
        let scaled = self.alpha != 1.0;
        if scaled {
            stage = stage.define("ALPHA");
        }
        if leaves_sum(self.a) + leaves_sum(self.b) + u32::from(scaled) > 1 {
            stage = stage.define("RESCALE");
        }
        self.activation.defines().iter().fold(stage, |stage, d| stage.define(d))
    }

    /// Operands are decoded by way of f16 where the device does so without loss. A scale on each code might take what is
    /// folded out of the range of f32.
    pub fn decoded(&self, stage: StageBuilder, caps: &Capabilities) -> StageBuilder {
        let (mut stage, mut fold) = (stage, 0);
        for (role, side) in [("a", self.a), ("b", self.b)] {
            if caps.f16_decode && side.scaled != Scaled::AlongK {
                let (next, left_out) = stage.by_f16(role, side.layout.element());
                (stage, fold) = (next, fold + left_out);
            }
        }
        stage.constant_f32("FOLD", 2f32.powi(fold))
    }

    /// The prologue, on a stage that has side A or what stands for it: NaN is looked for, the bias becomes f32. Each part
    /// looks through its items; the first does the bias.
    pub fn prologue(&self, stage: StageBuilder, parts: &[Part], caps: &Capabilities) -> Stage {
        let mut stage = self.side_b(stage);
        let mut bias_groups = 0;
        if let Some(bias) = self.bias {
            stage = stage.define("BIAS").operand("bias", 5, bias.element());
            bias_groups = u64::from(self.out.cols().div_ceil(4).div_ceil(SCAN));
        }
        let dispatch = |(i, part): (usize, &Part)| {
            let bias = if i == 0 { bias_groups } else { 0 };
            let groups = part.a_items.len() as u64 + part.b_items.len() as u64 + bias;
            self.dispatch_of(part, groups, caps)
        };
        let dispatches = parts.iter().enumerate().map(dispatch).collect();
        stage.bind(bind(8, PROLOGUE, Usage::Write)).constant("WORKGROUP", SCAN).build(
            [SCAN, 1, 1],
            4,
            dispatches,
        )
    }

    /// Forgets amax and flags of an 8-bit output.
    pub fn reset(&self, caps: &Capabilities) -> Option<Stage> {
        self.out.element().scaling().map(|_| binding::reset(self.out, caps))
    }

    /// The main loop straight from storage: 8 rows and 4 columns of the output per invocation.
    pub fn register(
        &self,
        threads: u32,
        parts: impl Fn((u32, u32)) -> Vec<Part>,
        caps: &Capabilities,
    ) -> Stage {
        let stage = self.main(StageBuilder::new(shader!("gemm/register.wgsl")), caps);
        let stage = stage.constant("THREADS", threads);
        let parts = parts((4 * threads, 8));
        self.finish(stage, threads, 0, &parts, caps)
    }

    /// The main loop through workgroup memory: tiles of the output of `bm` rows and `bn` columns.
    pub fn tiled(
        &self,
        (bm, bn): (u32, u32),
        parts: impl Fn((u32, u32)) -> Vec<Part>,
        caps: &Capabilities,
    ) -> Stage {
        let threads = bm * bn / 16;
        // Steps of sixteen k, or, where there are many taps, no more than one has; one vector of padding between two.
        let step = if self.taps > 1 { self.k.div_ceil(4).min(4) } else { 4 };
        let shared = 64 * step * ((bm / 4 + 1) + (bn / 4 + 1));
        let stage = self.main(StageBuilder::new(shader!("gemm/tiled.wgsl")), caps);
        let stage = [("BM", bm), ("BN", bn), ("THREADS", threads), ("BK_QUADS", step)]
            .into_iter()
            .fold(stage, |stage, (name, value)| stage.constant(name, value));
        self.finish(stage, threads, shared, &parts((bn, bm)), caps)
    }

    fn main(&self, stage: StageBuilder, caps: &Capabilities) -> StageBuilder {
        let stage = self.epilogue(self.side_b(self.side_a(stage)));
        self.decoded(stage, caps).bind(bind(8, PROLOGUE, Usage::Read))
    }

    fn finish(
        &self,
        stage: StageBuilder,
        threads: u32,
        shared: u32,
        parts: &[Part],
        caps: &Capabilities,
    ) -> Stage {
        let dispatches = parts.iter().map(|part| self.dispatch(part, caps)).collect();
        stage.build([threads, 1, 1], shared + binding::output_shared(self.out.element()), dispatches)
    }
}

fn side(stage: StageBuilder, name: &str, side: Side<'_>) -> StageBuilder {
    let stage = if side.k_rows { stage.define(&format!("{name}_K_ROWS")) } else { stage };
    match side.scaled {
        Scaled::No => stage,
        Scaled::Lines => stage.define(&format!("{name}_SCALES_LINES")),
        Scaled::AlongK => stage.define(&format!("{name}_SCALES_ALONG_K")),
    }
}
