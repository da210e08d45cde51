//! GEMM on the GPU: which shaders, bindings and grids.

use super::{
    Gemm,
    pieces::Cutter,
    product::{AXES, Part, Piece, Product, Side},
    scaled,
};
use crate::{
    gpu::{Capabilities, Schedule, Stage, Tuning},
    ops::{Operation, Refusal, binding::StageBuilder},
    shader::shader,
    tensor::Layout,
};

/// What every GPU kernel asks of a problem.
fn accepts(o: &Gemm) -> Result<(), Refusal> {
    if o.batches().axes::<AXES>().is_none() {
        let why = format!(
            "batches {:?} and {:?} broadcast along more than {AXES} axes after joining",
            o.batch_a, o.batch_b
        );
        return Err(Refusal::Unfit(why));
    }
    let l = layouts(o);
    let lines = u64::from(lines(&l.a, o.k, o.orientation.a_k_rows()))
        + u64::from(lines(&l.b, o.k, o.orientation.b_k_rows()));
    let (needed, limit) = (lines + 4 * u64::from(o.n.div_ceil(4)), u32::MAX.into());
    if needed > limit {
        return Err(Refusal::Limit { what: "words of the workspace".to_owned(), needed, limit });
    }
    Ok(())
}

/// Variants of the main loop straight from storage.
pub(in crate::ops) fn register_variants(caps: &Capabilities) -> Result<Vec<Tuning>, Refusal> {
    let why = "register tiles read from storage suit adapters without fast workgroup memory; this is none";
    if !caps.software {
        return Err(Refusal::Unfit(why.to_owned()));
    }
    Ok([32, 8].map(|t| Tuning::new(format!("t{t}"), &[("THREADS", t)])).to_vec())
}

/// Variants of the main loop through workgroup memory.
pub(in crate::ops) fn tiled_variants() -> Vec<Tuning> {
    let tile = |m: u32, n: u32| Tuning::new(format!("b{m}x{n}x16"), &[("BM", m), ("BN", n)]);
    vec![tile(64, 64), tile(32, 32)]
}

pub(super) fn register_tunings(o: &Gemm, caps: &Capabilities) -> Result<Vec<Tuning>, Refusal> {
    accepts(o).and(register_variants(caps))
}

pub(super) fn tiled_tunings(o: &Gemm, _: &Capabilities) -> Result<Vec<Tuning>, Refusal> {
    accepts(o).map(|()| tiled_variants())
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

/// Lines of one side in all batches.
fn lines(side: &Layout, k: u32, k_rows: bool) -> u32 {
    if k_rows { side.rows() / k * side.cols() } else { side.rows() }
}

/// The problem as shaders have it.
fn product<'l>(o: &Gemm, l: &'l Layouts) -> Product<'l> {
    let side = |layout, k_rows| Side { layout, scaled: scaled(layout, k_rows), k_rows };
    let (a, b) = (side(&l.a, o.orientation.a_k_rows()), side(&l.b, o.orientation.b_k_rows()));
    Product {
        a,
        b,
        bias: l.bias.as_ref(),
        residual: l.residual.as_ref(),
        out: &l.out,
        alpha: o.alpha,
        activation: o.activation,
        overflow: o.overflow,
        m: o.m,
        n: o.n,
        k: o.k,
        taps: 1,
        batches: o.batches().axes().expect("accepted"),
        batch_rows: o.m,
        batch_quads: 0,
        a_flags: lines(a.layout, o.k, a.k_rows),
        b_flags: lines(b.layout, o.k, b.k_rows),
        patches: None,
        phase: false,
    }
}

/// The whole schedule; `main` makes the stage of the product of the parts that tiles of this size cut it into.
fn schedule(
    o: &Gemm,
    caps: &Capabilities,
    main: impl Fn(&Product<'_>, &dyn Fn((u32, u32)) -> Vec<Part>) -> Stage,
) -> Schedule {
    let l = layouts(o);
    let p = product(o, &l);
    let parts = |tile| {
        let cutter = Cutter::new(o, &l, tile, caps);
        let part = |piece: Piece| {
            let windows = cutter.windows(&piece);
            Part::output(piece, tile, windows)
        };
        cutter.product().into_iter().map(part).collect()
    };
    let whole = Piece { batches: 0..1, rows: 0..o.m, cols: 0..o.n };
    let looks = Cutter::new(o, &l, (1, 1), caps).prologue().into_iter();
    let looks = looks.map(|(a_items, b_items, windows)| Part {
        piece: whole.clone(),
        tile: (1, 1),
        a_items,
        b_items,
        windows,
    });
    let prologue = p.side_a(StageBuilder::new(shader!("gemm/prologue.wgsl")));
    let prologue = p.prologue(prologue, &looks.collect::<Vec<_>>(), caps);
    let stages = p.reset(caps).into_iter().chain([prologue, main(&p, &parts)]).collect();
    Schedule { stages, workspace: vec![p.workspace()] }
}

pub(in crate::ops) fn register(o: &Gemm, t: &Tuning, caps: &Capabilities) -> Schedule {
    schedule(o, caps, |p, parts| p.register(t.get("THREADS"), parts, caps))
}

pub(in crate::ops) fn tiled(o: &Gemm, t: &Tuning, caps: &Capabilities) -> Schedule {
    schedule(o, caps, |p, parts| p.tiled((t.get("BM"), t.get("BN")), parts, caps))
}
