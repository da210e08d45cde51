//! Products too large for one dispatch: by what a binding may show, and by how long a driver waits.

use super::{Gemm, batch::Batches, gpu::Layouts, product::Piece};
use crate::{
    gpu::{Capabilities, DISPATCHES, Window},
    ops::pieces::{limit, window},
    tensor::Layout,
};
use std::ops::Range;

/// Operations of one dispatch at most: below a second at 40 GFLOP/s, so that no operating system takes a slow device
/// for a hung one.
pub(in crate::ops) const WORK: u64 = 1 << 35;

/// A dispatch of the prologue: items of A and of B (see `gemm/prologue.wgsl`), and windows as `Cutter::windows` has them.
pub(super) type Look = (Range<u32>, Range<u32>, Vec<(Window, u32)>);

/// Bindings and storage rows of the operands of one dispatch.
type Rows<'l> = Vec<(u32, &'l Layout, Range<u64>)>;

/// Where the pieces of a problem come from.
pub(super) struct Cutter<'l> {
    o: &'l Gemm,
    l: &'l Layouts,
    batches: Batches,
    /// Columns and rows of a tile.
    tile: (u32, u32),
    limit: u64,
}

/// Rows of the storage of one side that hold lines `lines` of matrices `batches`.
fn storage(batches: &Range<u64>, lines: &Range<u32>, extent: u32, k: u32, k_rows: bool) -> Range<u64> {
    let (first, last) = (batches.start, batches.end - 1);
    if k_rows {
        return first * u64::from(k)..(last + 1) * u64::from(k);
    }
    first * u64::from(extent) + u64::from(lines.start)..last * u64::from(extent) + u64::from(lines.end)
}

impl<'l> Cutter<'l> {
    pub fn new(o: &'l Gemm, l: &'l Layouts, tile: (u32, u32), caps: &Capabilities) -> Self {
        Self { o, l, batches: o.batches(), tile, limit: limit(caps) }
    }

    /// Storage rows of A, B, out and the residual that a piece touches.
    fn rows(&self, p: &Piece) -> Rows<'l> {
        let (o, l) = (self.o, self.l);
        let [a, b] = self.batches.span(&p.batches);
        let out = storage(&(p.batches.start.into()..p.batches.end.into()), &p.rows, o.m, 0, false);
        let mut all = vec![
            (1, &l.a, storage(&a, &p.rows, o.m, o.k, o.orientation.a_k_rows())),
            (3, &l.b, storage(&b, &p.cols, o.n, o.k, o.orientation.b_k_rows())),
            (6, &l.out, out.clone()),
        ];
        all.extend(l.residual.as_ref().map(|r| (5, r, out)));
        all
    }

    /// Windows of a piece, by binding, and the first quad of each; none where operands are bound whole.
    pub fn windows(&self, p: &Piece) -> Vec<(Window, u32)> {
        self.show(self.rows(p))
    }

    fn show(&self, rows: Rows<'_>) -> Vec<(Window, u32)> {
        let large = rows.into_iter().filter(|(_, l, _)| l.values_bytes() > self.limit);
        large
            .map(|(at, l, rows)| {
                let quads = u64::from(l.row_quads());
                window(at, l, rows.start * quads..rows.end * quads)
            })
            .collect()
    }

    /// Whether B's part, and then all else, fits.
    fn fits(&self, p: &Piece) -> (bool, bool) {
        let over = |at| self.windows(p).iter().any(|(w, _)| (w.at == 3) == at && w.bytes > self.limit);
        let extents = [p.batches.len(), p.rows.len(), p.cols.len(), self.o.k as usize];
        let work = extents.into_iter().fold(2u64, |n, d| n.saturating_mul(d as u64));
        (!over(true), !over(false) && work <= WORK)
    }

    fn fits_whole(&self, p: &Piece) -> bool {
        self.fits(p) == (true, true)
    }

    /// The pieces of the product, or more of them than a stage may have: the schedule's check says so, and where a
    /// piece cannot be made small enough.
    pub fn product(&self) -> Vec<Piece> {
        let mut pieces: Vec<Piece> = vec![];
        let mut batch = 0;
        while batch < self.batches.count() && pieces.len() <= DISPATCHES {
            let of = |end| Piece { batches: batch..end, rows: 0..self.o.m, cols: 0..self.o.n };
            let (mut fit, mut over) = (batch + 1, self.batches.count());
            if self.fits_whole(&of(over)) {
                fit = over;
            } else if !self.fits_whole(&of(fit)) {
                pieces.extend(self.cut(&of(fit)).take(DISPATCHES + 1));
                batch = fit;
                continue;
            }
            // The most that fit: what is more than too many is too many.
            while over - fit > 1 {
                let middle = fit + (over - fit) / 2;
                if self.fits_whole(&of(middle)) { fit = middle } else { over = middle }
            }
            pieces.push(of(fit));
            batch = fit;
        }
        pieces
    }

    /// One batch in pieces of equal extents.
    fn cut(&self, one: &Piece) -> impl Iterator<Item = Piece> {
        let half = |extent: u32, tile: u32| (extent / 2).next_multiple_of(tile).max(tile);
        // Rows are masked one by one, so a piece may have fewer than a tile; lines are read in fours.
        let fewer = |rows: u32| half(rows, if rows / 2 < self.tile.1 { 4 } else { self.tile.1 });
        let (mut rows, mut cols) = (one.rows.end, one.cols.end);
        loop {
            let corner = Piece { rows: 0..rows, cols: 0..cols, ..one.clone() };
            let (down, across) = (fewer(rows), half(cols, self.tile.0));
            match self.fits(&corner) {
                (true, true) => break,
                (true, false) if down < rows => rows = down,
                _ if across < cols => cols = across,
                _ if down < rows => rows = down,
                _ => break,
            }
        }
        let ranges =
            |end: u32, step: u32| (0..end).step_by(step as usize).map(move |x| x..(x + step).min(end));
        let (batches, end) = (one.batches.clone(), one.cols.end);
        let columns = move |r: Range<u32>| {
            let batches = batches.clone();
            ranges(end, cols).map(move |cols| Piece { batches: batches.clone(), rows: r.clone(), cols })
        };
        ranges(one.rows.end, rows).flat_map(columns)
    }

    /// What the prologue looks through in each of its dispatches.
    pub fn prologue(&self) -> Vec<Look> {
        let (o, l) = (self.o, self.l);
        let a = self.items(&l.a, o.orientation.a_k_rows());
        let b = self.items(&l.b, o.orientation.b_k_rows());
        let none = |all: &[(Range<u32>, Range<u64>)]| (0..0, all[0].1.clone());
        (0..a.len().max(b.len()))
            .map(|i| {
                let (a, b) = (a.get(i).cloned().unwrap_or(none(&a)), b.get(i).cloned().unwrap_or(none(&b)));
                (a.0, b.0, self.show(vec![(1, &l.a, a.1), (3, &l.b, b.1)]))
            })
            .collect()
    }

    /// Items of one side, and the storage rows that hold them.
    fn items(&self, side: &Layout, k_rows: bool) -> Vec<(Range<u32>, Range<u64>)> {
        let (unit, per_unit) = if k_rows { (self.o.k, side.cols().div_ceil(4)) } else { (1, 1) };
        let units = side.rows() / unit;
        let fit = self.limit.saturating_sub(512) / (side.row_bytes() * u64::from(unit));
        let step = if side.values_bytes() <= self.limit { units } else { fit.clamp(1, units.into()) as u32 };
        let piece = |first: u32| {
            let end = (first + step).min(units);
            let rows = u64::from(first) * u64::from(unit)..u64::from(end) * u64::from(unit);
            (first * per_unit..end * per_unit, rows)
        };
        (0..units).step_by(step as usize).take(DISPATCHES + 1).map(piece).collect()
    }
}
