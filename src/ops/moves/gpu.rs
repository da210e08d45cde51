//! Moving on the GPU: one stage for the values, one for the scales.

use super::{AXES, Axis, Move, Walk};
use crate::{
    gpu::{Capabilities, DISPATCHES, Dispatch, Params, Schedule, Stage, Usage, Window, bind},
    ops::{
        binding::{LINEAR, StageBuilder},
        pieces::{limit, window},
    },
    shader::shader,
    tensor::{Layout, Slot, scales, values},
};

/// Side of a tile.
const TILE: u32 = 32;

/// How elements find their place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Path {
    /// Rows stay rows: 16 bytes at a time.
    Rows,
    /// The same, where 16 bytes of a row do not begin where those of the other do.
    Shifted,
    /// A word of the output at a time, from wherever its elements are.
    Gather,
    /// By tiles in workgroup memory, so that both sides see neighbours.
    Tiled,
}

/// The way that needs no workgroup memory, and whether tiles would do better on hardware.
pub(crate) fn path(walk: &Walk, bytes: u32) -> (Path, bool) {
    let unit = u64::from(16 / bytes);
    if walk.cols.from == 1 || walk.cols.extent == 1 {
        let mut all = walk.rows.iter().map(|a| a.from).chain([walk.first]);
        let aligned = all.all(|s| s.is_multiple_of(unit));
        return (if aligned { Path::Rows } else { Path::Shifted }, false);
    }
    let long = |extent: u32| extent >= TILE / 4;
    (Path::Gather, walk.lines().is_some_and(|i| long(walk.rows[i].extent)) && long(walk.cols.extent))
}

/// A part of a walk: of every axis, that of the columns last, where it begins and how far it goes.
#[derive(Clone)]
struct Part(Vec<(u32, u32)>);

/// Moves the values at `from` to `to`, where elements have as many bytes; in as many pieces as bindings take.
pub(crate) fn values_stage(
    (from, from_layout): (Slot, &Layout),
    (to, to_layout): (Slot, &Layout),
    walk: &Walk,
    path: Path,
    caps: &Capabilities,
) -> Stage {
    let bytes = from_layout.element().dtype().bytes();
    let (shader, threads) = match path {
        Path::Rows | Path::Shifted => (shader!("move/rows.wgsl"), LINEAR),
        Path::Gather => (shader!("move/gather.wgsl"), LINEAR),
        Path::Tiled => (shader!("move/tiled.wgsl"), 256),
    };
    let mut stage = StageBuilder::new(shader)
        .constant("SIZE", bytes)
        .bind(bind(1, from, Usage::Read))
        .bind(bind(2, to, Usage::Write));
    if path == Path::Shifted {
        stage = stage.define("SHIFTED");
    }
    // The axis of lines first, that of the columns last.
    let lines = walk.lines().filter(|_| path == Path::Tiled);
    let mut axes: Vec<Axis> = lines.map(|i| walk.rows[i]).into_iter().collect();
    axes.extend(walk.rows.iter().enumerate().filter(|(i, _)| Some(*i) != lines).map(|(_, a)| *a));
    axes.push(walk.cols);
    let mut whole = vec![1; axes.len()];
    // Words of lines, units of 16 bytes of columns.
    whole[0] = if path == Path::Tiled { 4 } else { 1 };
    whole[axes.len() - 1] = 16 / bytes;
    let cut = Cut { axes, whole, first: walk.first, layouts: (from_layout, to_layout), limit: limit(caps) };
    let mut dispatches = vec![];
    cut.pieces(Part(cut.axes.iter().map(|a| (0, a.extent)).collect()), &mut |windows, start, axes| {
        dispatches.push(dispatch(bytes, path, (windows, start), axes, caps));
        dispatches.len() <= DISPATCHES
    });
    match path {
        Path::Tiled => stage.build([256, 1, 1], TILE * (TILE + 1) * 4, dispatches),
        _ => stage.constant("WORKGROUP", threads).build([threads, 1, 1], 0, dispatches),
    }
}

/// What a piece binds, where it is not the whole, and its first element on both sides within that.
type Seen = (Vec<Window>, (u64, u64));

fn dispatch(bytes: u32, path: Path, (windows, start): Seen, axes: &[Axis], caps: &Capabilities) -> Dispatch {
    let (cols, mut rows) = axes.split_last().expect("columns");
    let width = cols.extent.next_multiple_of(16 / bytes);
    let (mut lines, mut out_line) = (1, 0);
    if path == Path::Tiled {
        (lines, out_line) = (rows[0].extent, rows[0].to as u32);
        rows = &rows[1..];
    }
    let count: u64 = rows.iter().map(|a| u64::from(a.extent)).product();
    let (units, items) = match path {
        Path::Rows | Path::Shifted => (width / (16 / bytes), 1),
        Path::Gather => (width / (4 / bytes), 1),
        Path::Tiled => (width.div_ceil(TILE), lines.div_ceil(TILE)),
    };
    let end = count * u64::from(units) * u64::from(items);
    let from = start.0 + axes.iter().map(|a| u64::from(a.extent - 1) * a.from).sum::<u64>();
    let mut params = Params::new(&[
        ("end", end as u32),
        ("units", units),
        ("cols", cols.extent),
        ("width", width),
        ("lines", lines),
        ("out_line", out_line),
        ("x_step", cols.from as u32),
        ("x_last", (from * u64::from(bytes) / 4) as u32),
        ("x_first", start.0 as u32),
        ("out_first", start.1 as u32),
    ]);
    params = params.and(&extents(rows)).and(&steps("x", rows, |a| a.from)).and(&steps("out", rows, |a| a.to));
    let groups = if path == Path::Tiled { end } else { end.div_ceil(LINEAR.into()) };
    Dispatch::linear(groups, params, caps).windows(windows)
}

/// Extents of the axes, innermost first: of all but one, since what remains is the index of the last.
fn extents(rows: &[Axis]) -> [(&'static str, u32); AXES - 2] {
    let extent = |i: usize| rows.len().checked_sub(i + 1).map_or(1, |i| rows[i].extent);
    [("extent_0", extent(0)), ("extent_1", extent(1)), ("extent_2", extent(2)), ("extent_3", extent(3))]
}

fn steps(role: &str, rows: &[Axis], of: impl Fn(&Axis) -> u64) -> [(&'static str, u32); AXES - 1] {
    let names = match role {
        "x" => ["x_0", "x_1", "x_2", "x_3", "x_4"],
        _ => ["out_0", "out_1", "out_2", "out_3", "out_4"],
    };
    std::array::from_fn(|i| (names[i], rows.len().checked_sub(i + 1).map_or(0, |i| of(&rows[i]) as u32)))
}

/// The step of an axis on one side.
type Step = fn(&Axis) -> u64;

struct Cut<'l> {
    axes: Vec<Axis>,
    /// What the extents of parts are multiples of.
    whole: Vec<u32>,
    first: u64,
    layouts: (&'l Layout, &'l Layout),
    limit: u64,
}

impl Cut<'_> {
    /// First and last element of a part on one side.
    fn span(&self, part: &Part, first: u64, step: impl Fn(&Axis) -> u64) -> (u64, u64) {
        let (mut least, mut most) = (first, first);
        for (a, (start, extent)) in self.axes.iter().zip(&part.0) {
            least += u64::from(*start) * step(a);
            most += u64::from(start + extent - 1) * step(a);
        }
        (least, most)
    }

    /// Halves what does not fit, along the axis that reaches furthest on the side that is too long, until all fits or
    /// nothing can be halved. `take` says when it is enough.
    fn pieces(&self, part: Part, take: &mut impl FnMut(Vec<Window>, (u64, u64), &[Axis]) -> bool) -> bool {
        let sides: [(u32, &Layout, u64, Step); 2] =
            [(1, self.layouts.0, self.first, |a| a.from), (2, self.layouts.1, 0, |a| a.to)];
        let (mut windows, mut starts) = (vec![], [0, 0]);
        for (side, (at, layout, first, step)) in sides.into_iter().enumerate() {
            let (least, most) = self.span(&part, first, step);
            starts[side] = least;
            if layout.values_bytes() <= self.limit {
                continue;
            }
            let (w, origin) = window(at, layout, least / 4..most / 4 + 1);
            if w.bytes > self.limit
                && let Some([a, b]) = self.halves(&part, step)
            {
                return self.pieces(a, take) && self.pieces(b, take);
            }
            starts[side] -= 4 * u64::from(origin);
            windows.push(w);
        }
        let axes: Vec<Axis> =
            self.axes.iter().zip(&part.0).map(|(a, p)| Axis { extent: p.1, ..*a }).collect();
        take(windows, (starts[0], starts[1]), &axes)
    }

    fn halves(&self, part: &Part, step: Step) -> Option<[Part; 2]> {
        let half = |i: usize| (part.0[i].1 / 2).next_multiple_of(self.whole[i]);
        let long = (0..part.0.len()).filter(|&i| (1..part.0[i].1).contains(&half(i)));
        let i = long.max_by_key(|&i| u64::from(part.0[i].1) * step(&self.axes[i]))?;
        let (mut a, mut b) = (part.clone(), part.clone());
        let (start, extent) = part.0[i];
        a.0[i] = (start, half(i));
        b.0[i] = (start + half(i), extent - half(i));
        Some([a, b])
    }
}

impl Move {
    /// From `x` to `out` by this path, scales among it.
    pub fn schedule(&self, path: Path, caps: &Capabilities) -> Schedule {
        let (from, to) = ((values("x"), &self.from), (values("out"), &self.to));
        let mut stages = vec![values_stage(from, to, &self.walk, path, caps)];
        stages.extend(self.groups.as_ref().map(|g| record(&self.from, &self.to, g, caps)));
        Schedule { stages, workspace: vec![] }
    }
}

/// The record of `x`, and the scales of the groups in this walk, become those of `out`.
fn record(x: &Layout, out: &Layout, groups: &Walk, caps: &Capabilities) -> Stage {
    // Per tensor there is nothing behind the record.
    let part = |l: &Layout| ((l.scales_bytes() / 4 - 4) / 3) as u32;
    let mut rows = groups.rows.clone();
    rows.push(groups.cols);
    let words = (out.scales_bytes() / 4) as u32;
    let params = Params::new(&[
        ("words", words),
        ("x_part", part(x)),
        ("out_part", part(out).max(1)),
        ("out_groups", out.groups() as u32),
        ("x_first", groups.first as u32),
    ]);
    let params = params.and(&extents(&rows)).and(&steps("x", &rows, |a| a.from));
    StageBuilder::new(shader!("move/record.wgsl"))
        .bind(bind(1, scales("x"), Usage::Read))
        .bind(bind(2, scales("out"), Usage::Write))
        .linear(LINEAR, words.into(), params, 0, caps)
}
