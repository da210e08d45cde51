//! GEMM on the GPU: which shaders, bindings and grids.

use super::Gemm;
use crate::{
    gpu::{Capabilities, Dispatch, Params, Schedule, Stage, Tuning, Usage, bind},
    ops::{
        Operation, Refusal,
        binding::{self, StageBuilder},
    },
    shader::shader,
    tensor::{Layout, Slot},
};

/// Which rows hold a NaN, one word per row of A, then of B.
const NAN: Slot = Slot::Workspace(0);

pub(super) fn register_tunings(_: &Gemm, caps: &Capabilities) -> Result<Vec<Tuning>, Refusal> {
    let why = "register tiles read from storage suit adapters without fast workgroup memory; this is none";
    if !caps.software {
        return Err(Refusal::Unfit(why.to_owned()));
    }
    Ok([32, 8].map(|t| Tuning::new(format!("t{t}"), &[("THREADS", t)])).to_vec())
}

pub(super) fn tiled_tunings(_: &Gemm, _: &Capabilities) -> Result<Vec<Tuning>, Refusal> {
    let tile = |m: u32, n: u32| Tuning::new(format!("b{m}x{n}x16"), &[("BM", m), ("BN", n)]);
    Ok(vec![tile(64, 64), tile(32, 32)])
}

struct Layouts {
    a: Layout,
    b: Layout,
    bias: Option<Layout>,
    out: Layout,
}

fn layouts(o: &Gemm) -> Layouts {
    let mut all = o.operands().expect("validated").into_iter().map(|o| o.layout);
    let mut next = || all.next().expect("an operand of gemm");
    Layouts { a: next(), b: next(), bias: o.bias.map(|_| next()), out: next() }
}

/// What happens before the product: the record of `out` is reset, NaN is looked for.
fn before(l: &Layouts, caps: &Capabilities) -> Vec<Stage> {
    const THREADS: u32 = 64;
    let (m, n) = (l.a.rows(), l.b.rows());
    let params = Params::new(&[
        ("m", m),
        ("n", n),
        ("k_quads", l.a.cols().div_ceil(4)),
        ("a_quads", l.a.row_quads()),
        ("b_quads", l.b.row_quads()),
    ]);
    let rows = u64::from(m) + u64::from(n);
    let nan = operands(StageBuilder::new(shader!("gemm/nan.wgsl")), l)
        .bind(bind(8, NAN, Usage::Write))
        .linear(THREADS, rows * u64::from(THREADS), params, 4, caps);
    let reset = l.out.element().scaling().map(|_| binding::reset(&l.out, caps));
    reset.into_iter().chain([nan]).collect()
}

fn operands(stage: StageBuilder, l: &Layouts) -> StageBuilder {
    let (a, b) = (l.a.element(), l.b.element());
    stage.operand("a", 1, a).scale("a", 2, a).operand("b", 3, b).scale("b", 4, b)
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
    // Padding columns are written too.
    let col_tiles = (4 * l.out.row_quads()).div_ceil(tile.0);
    let tiles = u64::from(col_tiles) * u64::from(o.m.div_ceil(tile.1));
    let map = binding::group_map(&l.out);
    let params = Params::new(&[
        ("m", o.m),
        ("cols", o.n),
        ("k_quads", o.k.div_ceil(4)),
        ("a_quads", l.a.row_quads()),
        ("b_quads", l.b.row_quads()),
        ("out_quads", l.out.row_quads()),
    ])
    .and(&binding::out_groups(&l.out, map))
    .and(&[("bias_quads", l.bias.as_ref().map_or(1, Layout::row_quads)), ("col_tiles", col_tiles)]);
    let mut stage = operands(stage, &l);
    if let Some(bias) = &l.bias {
        stage = stage.define("BIAS").operand("bias", 5, bias.element());
    }
    stage = stage.output("out", 6, 7, o.out, o.overflow).bind(bind(8, NAN, Usage::Read));
    for d in o.activation.defines() {
        stage = stage.define(d);
    }
    for (name, value) in &tuning.values {
        stage = stage.constant(name, *value);
    }
    let shared = shared + binding::output_shared(o.out);
    let main = stage.build([threads, 1, 1], shared, Dispatch::linear(tiles, params, caps));
    let mut stages = before(&l, caps);
    stages.push(main);
    Schedule { stages, workspace: vec![4 * (u64::from(o.m) + u64::from(o.n))] }
}

pub(super) fn register(o: &Gemm, t: &Tuning, caps: &Capabilities) -> Schedule {
    let threads = t.get("THREADS");
    // Software drivers decode f16 exactly, subnormals too: measured, and checked by every test that runs on one.
    let (stage, fold_a) = StageBuilder::new(shader!("gemm/register.wgsl")).by_f16("a", o.a);
    let (stage, fold_b) = stage.by_f16("b", o.b);
    let stage = stage.constant_f32("FOLD", 2f32.powi(fold_a + fold_b));
    product(o, caps, stage, t, threads, (4 * threads, 8), 0)
}

pub(super) fn tiled(o: &Gemm, t: &Tuning, caps: &Capabilities) -> Schedule {
    let (bm, bn) = (t.get("BM"), t.get("BN"));
    let threads = bm * bn / 16;
    let mut t = t.clone();
    t.values.push(("THREADS", threads));
    // Sixteen k of both tiles, each with one vector of padding.
    let shared = 16 * 16 * ((bm / 4 + 1) + (bn / 4 + 1));
    product(o, caps, StageBuilder::new(shader!("gemm/tiled.wgsl")), &t, threads, (bn, bm), shared)
}
