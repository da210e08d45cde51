//! Bags of embeddings on the GPU: what bags hold, then their rows, a stage for each part of the table that a binding shows.

use super::{BagMode, Bags, EmbeddingBag};
use crate::{
    gpu::{Capabilities, DISPATCHES, Dispatch, Params, Schedule, Stage, Tuning, Usage, bind},
    ops::{
        Operation, Refusal,
        binding::{self, LINEAR, StageBuilder, in_groups},
        gemm::pieces::WORK,
        pieces::{self, Beside, RowPiece},
    },
    shader::shader,
    tensor::{Element, Layout, Operand, Slot, values},
};
use std::ops::Range;

/// What bags hold, four words each.
const BAGS: Slot = Slot::Workspace(0);
/// What stages hand each other, a row for each bag.
const PARTS: Slot = Slot::Workspace(1);
/// Places of a bag, one bag for the other, from which on a workgroup shares them out among its lanes.
const SHARED: u64 = 64;
/// Quads that a workgroup of `tree` makes.
const QUADS: u32 = 8;
/// Stages at most: parts of the table.
const STAGES: u64 = 256;

/// Layouts of a problem.
struct Layouts {
    operands: Vec<Operand>,
}

impl Layouts {
    fn new(o: &EmbeddingBag) -> Self {
        Self { operands: o.operands().expect("validated") }
    }

    fn find(&self, role: &str) -> Option<&Layout> {
        self.operands.iter().find(|o| o.role == role).map(|o| &o.layout)
    }

    fn get(&self, role: &str) -> &Layout {
        self.find(role).expect("an operand of embedding_bag")
    }
}

fn accepts(o: &EmbeddingBag, caps: &Capabilities) -> Result<Vec<Tuning>, Refusal> {
    let l = Layouts::new(o);
    let table = l.get("table");
    let within = |what: &str, needed: u64, limit: u64| {
        if needed <= limit { Ok(()) } else { Err(Refusal::Limit { what: what.to_owned(), needed, limit }) }
    };
    let needed = table.rows().div_ceil(pieces::rows_shown(table, caps));
    within("parts of the table", needed.into(), STAGES)?;
    let pieces = Pass::new(o, &l, parts(&l, needed).as_ref(), caps).pieces.len() as u64;
    within("dispatches, at least", pieces * u64::from(needed), DISPATCHES as u64)?;
    Ok(vec![Tuning::new("", &[])])
}

pub(super) fn plain(o: &EmbeddingBag, caps: &Capabilities) -> Result<Vec<Tuning>, Refusal> {
    accepts(o, caps)
}

pub(super) fn tree(o: &EmbeddingBag, caps: &Capabilities) -> Result<Vec<Tuning>, Refusal> {
    if o.bags.average() < SHARED {
        return Err(Refusal::Unfit(format!("bags of {SHARED} places or more")));
    }
    accepts(o, caps)
}

/// The stage that finds what every bag holds.
fn bags(o: &EmbeddingBag, l: &Layouts, caps: &Capabilities) -> Stage {
    let (index, out) = (l.get("index"), l.get("out"));
    let even = matches!(o.bags, Bags::Even { .. });
    let mut stage = StageBuilder::new(shader!("embedding_bag/bags.wgsl"))
        .bind(bind(1, values("index"), Usage::Read))
        .bind(bind(5, BAGS, Usage::Write));
    if !even {
        stage = stage.define("OFFSETS").bind(bind(2, values("offsets"), Usage::Read));
    }
    if out.element().scaling().is_some() {
        stage = stage.record("out", 3, out.element());
    }
    if o.status {
        stage = stage.define("STATUS").bind(bind(4, values("status"), Usage::ReadWrite));
    }
    if o.padding_index.is_some() {
        stage = stage.define("PADDING");
    }
    let cut: &[(u32, &Layout, Beside<'_>)] = if even { &[(1, index, &pieces::same)] } else { &[] };
    let dispatch = |p: RowPiece| {
        let params = Params::new(&[
            ("first", p.rows.start),
            ("end", p.rows.end),
            ("index_origin", p.origins.first().copied().unwrap_or(0)),
            ("index_quads", if even { index.row_quads() } else { 0 }),
            ("places", o.bags.places()),
            ("vocabulary", o.vocabulary),
            ("padding_index", o.padding_index.unwrap_or(0)),
            ("out_groups", out.groups() as u32),
        ]);
        Dispatch::linear((p.rows.len() as u64).div_ceil(8), params, caps).windows(p.windows)
    };
    let dispatches = pieces::by_rows(o.bags.count(), cut, caps).into_iter().map(dispatch).collect();
    stage.build([64, 1, 1], 64, dispatches)
}

/// A pass over the rows of the output: by binding, what is cut for them.
struct Pass {
    cut: Vec<u32>,
    pieces: Vec<RowPiece>,
}

impl Pass {
    fn new(o: &EmbeddingBag, l: &Layouts, parts: Option<&Layout>, caps: &Capabilities) -> Self {
        let same: Beside<'_> = &pieces::same;
        let out = l.get("out");
        let mut cut = vec![(6, out, same)];
        cut.extend(parts.map(|parts| (8, parts, same)));
        if matches!(o.bags, Bags::Even { .. }) {
            cut.push((1, l.get("index"), same));
            cut.extend(l.find("weights").map(|w| (4, w, same)));
        }
        // Not so many that a dispatch takes long, should all bags be alike.
        let each = o.bags.average().saturating_mul(out.cols().into()).max(1);
        let most = (WORK / each).clamp(1, u32::MAX.into()) as u32;
        let mut all = vec![];
        for p in pieces::by_rows(out.rows(), &cut, caps) {
            let mut first = p.rows.start;
            while first < p.rows.end && all.len() <= DISPATCHES {
                let rows = first..first.saturating_add(most).min(p.rows.end);
                first = rows.end;
                all.push(RowPiece { rows, ..p.clone() });
            }
        }
        Self { cut: cut.into_iter().map(|c| c.0).collect(), pieces: all }
    }

    /// First quad that a piece shows at a binding.
    fn origin(&self, piece: &RowPiece, at: u32) -> u32 {
        self.cut.iter().position(|c| *c == at).map_or(0, |i| piece.origins[i])
    }
}

/// What stages hand each other where the table is seen in parts.
fn parts(l: &Layouts, parts: u32) -> Option<Layout> {
    let out = l.get("out");
    let layout = || Layout::new([out.rows(), 4 * out.row_quads()], Element::F32);
    (parts > 1).then(|| layout().expect("as many quads as the output has"))
}

/// The stage that sees these rows of the table.
fn look_up(
    o: &EmbeddingBag,
    l: &Layouts,
    (pass, seen, parts): (&Pass, &Range<u32>, Option<&Layout>),
    tree: bool,
    caps: &Capabilities,
) -> Stage {
    let (index, table, out, weights) = (l.get("index"), l.get("table"), l.get("out"), l.find("weights"));
    let (first, last) = (seen.start == 0, seen.end == table.rows());
    let shader = if tree { shader!("embedding_bag/tree.wgsl") } else { shader!("embedding_bag/plain.wgsl") };
    let mut stage = StageBuilder::new(shader)
        .bind(bind(1, values("index"), Usage::Read))
        .input("table", 2, 3, table.element())
        .bind(bind(5, BAGS, Usage::Read));
    if let Some(weights) = weights {
        stage = stage.define("WEIGHTS").operand("weights", 4, weights.element());
    }
    let mode = match o.mode {
        BagMode::Sum => None,
        BagMode::Mean => Some("MEAN"),
        BagMode::Max => Some("MAX"),
    };
    let of_parts = parts.map(|_| "PARTS");
    let ends = [first.then_some("FIRST"), last.then_some("LAST"), o.padding_index.map(|_| "PADDING")];
    for name in [mode, of_parts].into_iter().chain(ends).flatten() {
        stage = stage.define(name);
    }
    if last {
        stage = stage.output("out", 6, 7, out.element(), o.overflow);
    }
    if parts.is_some() {
        let usage = match (first, last) {
            (true, _) => Usage::Write,
            _ => Usage::ReadWrite,
        };
        stage = stage.bind(bind(8, PARTS, usage));
    }
    let even = matches!(o.bags, Bags::Even { .. });
    let quads = |l: &Layout| u64::from(l.row_quads());
    let (window, table_origin) =
        pieces::window(2, table, u64::from(seen.start) * quads(table)..u64::from(seen.end) * quads(table));
    let dispatch = |p: &RowPiece| {
        let across = if tree { out.row_quads().div_ceil(QUADS) } else { out.row_quads() };
        let end = p.rows.len() as u64 * u64::from(across);
        let params = Params::new(&[
            ("row", p.rows.start),
            ("end", end as u32),
            ("out_origin", pass.origin(p, 6)),
            ("index_origin", pass.origin(p, 1)),
            ("weights_origin", pass.origin(p, 4)),
            ("parts_origin", pass.origin(p, 8)),
            ("table_origin", if parts.is_some() { table_origin } else { 0 }),
            ("table_first", seen.start),
            ("table_end", seen.end),
            ("vocabulary", o.vocabulary),
            ("padding_index", o.padding_index.unwrap_or(0)),
            ("index_quads", if even { index.row_quads() } else { 0 }),
            ("weights_quads", weights.filter(|_| even).map_or(0, Layout::row_quads)),
            ("cols", out.cols()),
            ("table_quads", table.row_quads()),
            ("out_quads", out.row_quads()),
        ])
        .and(&in_groups!("table", table))
        .and(&binding::out_groups(out));
        // What this stage does not bind it does not see.
        let mut windows = p.windows.clone();
        windows.retain(|w| last || w.at != 6);
        windows.extend(parts.map(|_| window));
        let groups = if tree { end } else { end.div_ceil(LINEAR.into()) };
        Dispatch::linear(groups, params, caps).windows(windows)
    };
    let dispatches = pass.pieces.iter().map(dispatch).collect();
    let shared = if last { binding::output_shared(out.element()) } else { 0 };
    if tree {
        stage.build([256, 1, 1], shared + 256 * 16, dispatches)
    } else {
        stage.constant("WORKGROUP", LINEAR).build([LINEAR, 1, 1], shared, dispatches)
    }
}

pub(super) fn schedule(o: &EmbeddingBag, tree: bool, caps: &Capabilities) -> Schedule {
    let l = Layouts::new(o);
    let (table, out) = (l.get("table"), l.get("out"));
    let step = pieces::rows_shown(table, caps);
    let parts = parts(&l, table.rows().div_ceil(step));
    let pass = Pass::new(o, &l, parts.as_ref(), caps);
    let mut stages = vec![];
    if out.element().scaling().is_some() {
        stages.push(binding::reset(out, caps));
    }
    if o.status {
        // A row of two words, padded to four.
        let zero = StageBuilder::new(shader!("reduce/zero.wgsl"));
        let zero = zero.bind(bind(1, values("status"), Usage::Write));
        stages.push(zero.linear(LINEAR, 4, Params::new(&[("words", 4)]), 0, caps));
    }
    stages.push(bags(o, &l, caps));
    for first in (0..table.rows()).step_by(step as usize) {
        let seen = first..first.saturating_add(step).min(table.rows());
        stages.push(look_up(o, &l, (&pass, &seen, parts.as_ref()), tree, caps));
    }
    let mut workspace = vec![16 * u64::from(o.bags.count())];
    workspace.extend(parts.map(|parts| parts.values_bytes()));
    Schedule { stages, workspace }
}
