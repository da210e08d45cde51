//! GEMM on the GPU: which shaders, bindings and grids.

use super::{
    Gemm, Scaled,
    batch::Axis,
    pieces::{Cutter, Piece},
    scaled,
};
use crate::{
    gpu::{Capabilities, Dispatch, Params, Schedule, Stage, Tuning, Usage, Window, bind},
    ops::{
        Operation, Refusal,
        binding::{self, StageBuilder},
    },
    shader::{Shader, shader},
    tensor::{Layout, Slot},
};
use std::ops::Range;

/// NaN flags of the lines of A, then of B, one word each, then the bias in f32.
const PROLOGUE: Slot = Slot::Workspace(0);

/// Axes of batches that `gemm/params.wgsl` has.
const AXES: usize = 4;

/// What every GPU kernel asks of a problem.
fn accepts(o: &Gemm) -> Result<(), Refusal> {
    if o.batches().axes::<AXES>().is_none() {
        let why = format!(
            "batches {:?} and {:?} broadcast along more than {AXES} axes after joining",
            o.batch_a, o.batch_b
        );
        return Err(Refusal::Unfit(why));
    }
    let (needed, limit) = (workspace(o, &layouts(o)) / 4, u32::MAX.into());
    if needed > limit {
        return Err(Refusal::Limit { what: "words of the workspace".to_owned(), needed, limit });
    }
    Ok(())
}

pub(super) fn register_tunings(o: &Gemm, caps: &Capabilities) -> Result<Vec<Tuning>, Refusal> {
    let why = "register tiles read from storage suit adapters without fast workgroup memory; this is none";
    if !caps.software {
        return Err(Refusal::Unfit(why.to_owned()));
    }
    accepts(o)?;
    Ok([32, 8].map(|t| Tuning::new(format!("t{t}"), &[("THREADS", t)])).to_vec())
}

pub(super) fn tiled_tunings(o: &Gemm, _: &Capabilities) -> Result<Vec<Tuning>, Refusal> {
    accepts(o)?;
    let tile = |m: u32, n: u32| Tuning::new(format!("b{m}x{n}x16"), &[("BM", m), ("BN", n)]);
    Ok(vec![tile(64, 64), tile(32, 32)])
}

pub(super) struct Layouts {
    pub a: Layout,
    pub b: Layout,
    pub bias: Option<Layout>,
    pub residual: Option<Layout>,
    pub out: Layout,
}

fn layouts(o: &Gemm) -> Layouts {
    let mut all = o.operands().expect("validated").into_iter().map(|o| o.layout);
    let mut next = || all.next().expect("an operand of gemm");
    Layouts {
        a: next(),
        b: next(),
        bias: o.bias.map(|_| next()),
        residual: o.residual.map(|_| next()),
        out: next(),
    }
}

impl Gemm {
    fn a_scaled(&self, l: &Layouts) -> Scaled {
        scaled(&l.a, self.orientation.a_k_rows())
    }

    fn b_scaled(&self, l: &Layouts) -> Scaled {
        scaled(&l.b, self.orientation.b_k_rows())
    }
}

/// Invocations that look through one line for NaN.
const SCAN: u32 = 64;

/// Lines of one side in all batches.
fn lines(side: &Layout, k: u32, k_rows: bool) -> u32 {
    if k_rows { side.rows() / k * side.cols() } else { side.rows() }
}

/// What a dispatch does of a problem.
struct Part {
    piece: Piece,
    /// Columns and rows of a tile.
    tile: (u32, u32),
    a_items: Range<u32>,
    b_items: Range<u32>,
    windows: Vec<(Window, u32)>,
}

impl Part {
    /// Tiles across and in all, of one batch.
    fn tiles(&self, l: &Layouts) -> (u32, u32) {
        let Piece { rows, cols, .. } = &self.piece;
        // Whoever has the last column writes the padding too.
        let end = if cols.end == l.out.cols() { 4 * l.out.row_quads() } else { cols.end };
        let across = (end - cols.start).div_ceil(self.tile.0);
        (across, across * (rows.end - rows.start).div_ceil(self.tile.1))
    }

    fn groups(&self, l: &Layouts) -> u64 {
        u64::from(self.tiles(l).1) * self.piece.batches.len() as u64
    }

    fn dispatch(self, o: &Gemm, l: &Layouts, groups: u64, caps: &Capabilities) -> Dispatch {
        let params = self.params(o, l);
        let windows = self.windows.into_iter().map(|w| w.0).collect();
        Dispatch::linear(groups, params, caps).windows(windows)
    }

    /// `gemm/params.wgsl`
    fn params(&self, o: &Gemm, l: &Layouts) -> Params {
        let [p, q, r, s]: [Axis; AXES] = o.batches().axes().expect("accepted");
        let (col_tiles, tiles) = self.tiles(l);
        let residual_quads = l.residual.as_ref().map_or(0, Layout::row_quads);
        let [a, b] = [&l.a, &l.b].map(Layout::group_map);
        let origin = |at| self.windows.iter().find(|w| w.0.at == at).map_or(0, |w| w.1);
        let a_lines = lines(&l.a, o.k, o.orientation.a_k_rows());
        let b_lines = lines(&l.b, o.k, o.orientation.b_k_rows());
        Params::new(&[
            ("m", o.m),
            ("cols", o.n),
            ("k", o.k),
            ("k_quads", o.k.div_ceil(4)),
            ("batch_first", self.piece.batches.start),
            ("batch_end", self.piece.batches.end),
            ("row_first", self.piece.rows.start),
            ("row_end", self.piece.rows.end),
            ("col_first", self.piece.cols.start),
            ("col_tiles", col_tiles),
            ("tiles", tiles),
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
            ("a_quads", l.a.row_quads()),
            ("a_origin", origin(1)),
            ("b_quads", l.b.row_quads()),
            ("b_origin", origin(3)),
            ("residual_quads", residual_quads),
            ("residual_origin", origin(5)),
            ("out_quads", l.out.row_quads()),
            ("out_origin", origin(6)),
            ("a_row_stride", a.row_stride),
            ("a_row_groups", a.row_groups),
            ("a_col_stride", a.col_stride),
            ("a_col_groups", a.col_groups),
            ("b_row_stride", b.row_stride),
            ("b_row_groups", b.row_groups),
            ("b_col_stride", b.col_stride),
            ("b_col_groups", b.col_groups),
        ])
        .and(&binding::out_groups(&l.out))
        .and(&[
            ("b_flags", a_lines),
            ("bias", a_lines + b_lines),
            ("bias_quads", o.n.div_ceil(4)),
            ("a_first", self.a_items.start),
            ("a_items", self.a_items.len() as u32),
            ("b_first", self.b_items.start),
            ("b_items", self.b_items.len() as u32),
            ("alpha", o.alpha.to_bits()),
        ])
    }
}

/// Bytes of the prologue's workspace.
fn workspace(o: &Gemm, l: &Layouts) -> u64 {
    let a_lines = lines(&l.a, o.k, o.orientation.a_k_rows());
    let b_lines = lines(&l.b, o.k, o.orientation.b_k_rows());
    4 * (u64::from(a_lines) + u64::from(b_lines) + 4 * u64::from(o.n.div_ceil(4)))
}

/// A and B as `gemm/side.wgsl` expects them.
fn sides(stage: StageBuilder, o: &Gemm, l: &Layouts) -> StageBuilder {
    let (a, b) = (l.a.element(), l.b.element());
    let mut stage = stage.operand("a", 1, a).scale("a", 2, a).operand("b", 3, b).scale("b", 4, b);
    for (side, scaled, k_rows) in
        [("A", o.a_scaled(l), o.orientation.a_k_rows()), ("B", o.b_scaled(l), o.orientation.b_k_rows())]
    {
        if k_rows {
            stage = stage.define(&format!("{side}_K_ROWS"));
        }
        stage = match scaled {
            Scaled::No => stage,
            Scaled::Lines => stage.define(&format!("{side}_SCALES_LINES")),
            Scaled::AlongK => stage.define(&format!("{side}_SCALES_ALONG_K")),
        };
    }
    stage
}

/// What happens before the product: the record of `out` is reset, NaN is looked for, the bias becomes f32.
fn before(o: &Gemm, l: &Layouts, cutter: &Cutter<'_>, caps: &Capabilities) -> Vec<Stage> {
    let mut stage = sides(StageBuilder::new(shader!("gemm/prologue.wgsl")), o, l);
    let mut bias_groups = 0;
    if let Some(bias) = &l.bias {
        stage = stage.define("BIAS").operand("bias", 5, bias.element());
        bias_groups = u64::from(o.n.div_ceil(4).div_ceil(SCAN));
    }
    let piece = Piece { batches: 0..1, rows: 0..o.m, cols: 0..o.n };
    let dispatch = |(i, (a_items, b_items, windows)): (usize, _)| {
        let part = Part { piece: piece.clone(), tile: (1, 1), a_items, b_items, windows };
        let bias = if i == 0 { bias_groups } else { 0 };
        let groups = part.a_items.len() as u64 + part.b_items.len() as u64 + bias;
        part.dispatch(o, l, groups, caps)
    };
    let dispatches = cutter.prologue().into_iter().enumerate().map(dispatch).collect();
    let prologue = stage.bind(bind(8, PROLOGUE, Usage::Write)).constant("WORKGROUP", SCAN).build(
        [SCAN, 1, 1],
        4,
        dispatches,
    );
    let reset = l.out.element().scaling().map(|_| binding::reset(&l.out, caps));
    reset.into_iter().chain([prologue]).collect()
}

/// The whole schedule, its product in the shader of `stage`; `tile` columns and rows of the output per workgroup.
fn product(
    o: &Gemm,
    caps: &Capabilities,
    stage: StageBuilder,
    tuning: &Tuning,
    threads: u32,
    tile: (u32, u32),
    shared: u32,
) -> Schedule {
    let l = layouts(o);
    let mut stage = sides(stage, o, &l);
    if o.bias.is_some() {
        stage = stage.define("BIAS");
    }
    if let Some(residual) = &l.residual {
        let e = residual.element();
        stage = stage.define("RESIDUAL").operand("residual", 5, e).scale("residual", 9, e);
    }
    stage = stage.output("out", 6, 7, o.out, o.overflow).bind(bind(8, PROLOGUE, Usage::Read));
    let leaves_sum = |s| u32::from(s == Scaled::Lines);
    let scaled = o.alpha != 1.0;
    if scaled {
        stage = stage.define("ALPHA");
    }
    if leaves_sum(o.a_scaled(&l)) + leaves_sum(o.b_scaled(&l)) + u32::from(scaled) > 1 {
        stage = stage.define("RESCALE");
    }
    for d in o.activation.defines() {
        stage = stage.define(d);
    }
    for (name, value) in &tuning.values {
        stage = stage.constant(name, *value);
    }
    let cutter = Cutter::new(o, &l, tile, caps);
    let dispatch = |piece: Piece| {
        let windows = cutter.windows(&piece);
        let part = Part { piece, tile, a_items: 0..0, b_items: 0..0, windows };
        let groups = part.groups(&l);
        part.dispatch(o, &l, groups, caps)
    };
    let dispatches = cutter.product().into_iter().map(dispatch).collect();
    let mut stages = before(o, &l, &cutter, caps);
    stages.push(stage.build([threads, 1, 1], shared + binding::output_shared(o.out), dispatches));
    Schedule { stages, workspace: vec![workspace(o, &l)] }
}

/// A product whose operands are decoded by way of f16 where the device does so without loss. A scale on each code might
/// take what is folded out of the range of f32.
fn decoded(o: &Gemm, shader: Shader, caps: &Capabilities) -> StageBuilder {
    let l = layouts(o);
    let mut stage = StageBuilder::new(shader);
    let mut fold = 0;
    for (role, element, scaled) in [("a", o.a, o.a_scaled(&l)), ("b", o.b, o.b_scaled(&l))] {
        if caps.f16_decode && scaled != Scaled::AlongK {
            let (next, left_out) = stage.by_f16(role, element);
            (stage, fold) = (next, fold + left_out);
        }
    }
    stage.constant_f32("FOLD", 2f32.powi(fold))
}

pub(super) fn register(o: &Gemm, t: &Tuning, caps: &Capabilities) -> Schedule {
    let threads = t.get("THREADS");
    let stage = decoded(o, shader!("gemm/register.wgsl"), caps);
    product(o, caps, stage, t, threads, (4 * threads, 8), 0)
}

pub(super) fn tiled(o: &Gemm, t: &Tuning, caps: &Capabilities) -> Schedule {
    let (bm, bn) = (t.get("BM"), t.get("BN"));
    let threads = bm * bn / 16;
    let mut t = t.clone();
    t.values.push(("THREADS", threads));
    // Sixteen k of both tiles, each with one vector of padding.
    let shared = 16 * 16 * ((bm / 4 + 1) + (bn / 4 + 1));
    product(o, caps, decoded(o, shader!("gemm/tiled.wgsl"), caps), &t, threads, (bn, bm), shared)
}
