//! Operands too large for one binding: what each dispatch sees of them.

use crate::{
    gpu::{Capabilities, DISPATCHES, WINDOW, Window},
    tensor::Layout,
};
use std::ops::Range;

/// The part of the values at binding `at` that holds these quads (groups of four elements, counted through all rows),
/// and its first quad, from which shaders count.
pub(crate) fn window(at: u32, layout: &Layout, quads: Range<u64>) -> (Window, u32) {
    let size = u64::from(4 * layout.element().dtype().bytes());
    let first = quads.start * size / WINDOW * WINDOW;
    let end = (quads.end * size).next_multiple_of(16).min(layout.values_bytes());
    // A quad divides WINDOW.
    (Window { at, first, bytes: end - first }, (first / size) as u32)
}

/// Bytes that one binding of values may show.
pub(crate) fn limit(caps: &Capabilities) -> u64 {
    caps.limits.max_storage_buffer_binding_size
}

/// Rows that one binding of values may show in a window that begins at any of them: all, if they fit at once.
pub(crate) fn rows_shown(layout: &Layout, caps: &Capabilities) -> u32 {
    if layout.values_bytes() <= limit(caps) {
        return layout.rows();
    }
    // A window starts up to 256 bytes early and ends up to 16 late.
    let fit = limit(caps).saturating_sub(512) / layout.row_bytes();
    fit.clamp(1, layout.rows().into()) as u32
}

/// One piece of a pass over all quads of a tensor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    /// Quads of the tensor that leads.
    pub quads: Range<u64>,
    /// First quad of each operand's window; 0 where all is bound.
    pub origins: Vec<u32>,
    /// One per operand, or none where all is bound.
    pub windows: Vec<Window>,
}

/// Cuts a pass over the quads of the first operand so that every operand's part of each piece fits one binding.
/// Operands are values of one shape, by binding. No more pieces than show that there are too many.
pub(crate) fn stream(operands: &[(u32, &Layout)], caps: &Capabilities) -> Vec<Piece> {
    let lead = operands[0].1;
    let total = u64::from(lead.rows()) * u64::from(lead.row_quads());
    if operands.iter().all(|(_, l)| l.values_bytes() <= limit(caps)) {
        return vec![Piece { quads: 0..total, origins: vec![0; operands.len()], windows: vec![] }];
    }
    // Rows are padded differently: of so many bytes of an operand one quad of the lead has need at most.
    let need = |l: &Layout| {
        u64::from(4 * l.element().dtype().bytes()) * u64::from(l.row_quads().div_ceil(lead.row_quads()))
    };
    let widest = operands.iter().map(|(_, l)| need(l)).max().unwrap_or(16);
    let step = (limit(caps).saturating_sub(2 * WINDOW) / widest).max(64) / 64 * 64;
    let piece = |first: u64| {
        let quads = first..(first + step).min(total);
        let part = |&(at, l): &(u32, &Layout)| window(at, l, beside(&quads, lead, l));
        let (windows, origins) = operands.iter().map(part).unzip();
        Piece { quads, origins, windows }
    };
    (0..total).step_by(step as usize).take(DISPATCHES + 1).map(piece).collect()
}

/// Which rows of an operand lie beside rows of the tensor that leads.
pub(crate) type Beside<'a> = &'a dyn Fn(&Range<u32>) -> Range<u64>;

/// An operand whose rows lie beside those of the tensor that leads one to one.
pub(crate) fn same(rows: &Range<u32>) -> Range<u64> {
    rows.start.into()..rows.end.into()
}

/// Some of all rows, and what a dispatch sees of the operands for them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RowPiece {
    /// Rows of the tensor that leads, or whatever a pass counts.
    pub rows: Range<u32>,
    /// First quad of each operand's window; 0 where all is bound.
    pub origins: Vec<u32>,
    /// One per operand that is not bound whole.
    pub windows: Vec<Window>,
}

/// Cuts rows so that every operand's part of each piece fits one binding: operands by binding, with the rows that lie
/// beside those of the piece. A row that does not fit is a piece of its own, which the schedule's check refuses. No more
/// pieces than show that there are too many.
pub(crate) fn by_rows(
    rows: u32,
    operands: &[(u32, &Layout, Beside<'_>)],
    caps: &Capabilities,
) -> Vec<RowPiece> {
    let limit = limit(caps);
    let piece = |rows: Range<u32>| {
        let (mut origins, mut windows) = (vec![], vec![]);
        for (at, l, beside) in operands {
            let seen = (l.values_bytes() > limit).then(|| {
                let (quads, of) = (u64::from(l.row_quads()), beside(&rows));
                window(*at, l, of.start * quads..of.end * quads)
            });
            origins.push(seen.as_ref().map_or(0, |s| s.1));
            windows.extend(seen.map(|s| s.0));
        }
        RowPiece { rows, origins, windows }
    };
    let fits = |p: &RowPiece| p.windows.iter().all(|w| w.bytes <= limit);
    let (mut pieces, mut first) = (vec![], 0);
    while first < rows && pieces.len() <= DISPATCHES {
        let (mut fit, mut over) = (first + 1, rows);
        if fits(&piece(first..rows)) {
            fit = rows;
        }
        while over - fit > 1 {
            let middle = fit + (over - fit) / 2;
            if fits(&piece(first..middle)) { fit = middle } else { over = middle }
        }
        pieces.push(piece(first..fit));
        first = fit;
    }
    pieces
}

/// Quads of `other` that lie beside these of `lead`, a tensor of the same shape; one at least.
fn beside(quads: &Range<u64>, lead: &Layout, other: &Layout) -> Range<u64> {
    let (pitch, theirs) = (u64::from(lead.row_quads()), u64::from(other.row_quads()));
    let last = quads.end - 1;
    let start = quads.start / pitch * theirs + (quads.start % pitch).min(theirs - 1);
    // The last quad of a row has all padding beside it.
    let ends_row = quads.end.is_multiple_of(pitch);
    let end = last / pitch * theirs + if ends_row { theirs } else { (last % pitch + 1).min(theirs) };
    start..end.max(start + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{dtype::Format, scale::Granularity, tensor::Element};

    /// Every quad of every operand is seen by some piece, where it is looked for.
    #[test]
    fn pieces_see_everything() {
        let mut caps = Capabilities::portable();
        caps.limits.max_storage_buffer_binding_size = 4096;
        let f8 = Element::f8(Format::E5M2, Granularity::PerTensor);
        for shape in [[1u32, 5000], [5000, 1], [37, 301], [3, 3]] {
            let [a, b] = [Element::F32, f8].map(|e| Layout::new(shape, e).unwrap());
            for (lead, other) in [(&a, &b), (&b, &a)] {
                let pieces = stream(&[(1, lead), (2, other)], &caps);
                let mut next = 0;
                for p in &pieces {
                    assert_eq!(p.quads.start, next);
                    next = p.quads.end;
                    assert!(p.windows.iter().all(|w| w.bytes <= 4096), "{shape:?} {p:?}");
                    let of = |i: usize, l: &Layout| {
                        let size = u64::from(4 * l.element().dtype().bytes());
                        let all = (0, l.values_bytes());
                        let (first, bytes) = p.windows.get(i).map_or(all, |w| (w.first, w.bytes));
                        assert_eq!(first / size, p.origins[i].into());
                        first / size..(first + bytes) / size
                    };
                    let (seen, beside) = (of(0, lead), of(1, other));
                    for q in p.quads.clone() {
                        let (row, quad) = (q / u64::from(lead.row_quads()), q % u64::from(lead.row_quads()));
                        let at = row * u64::from(other.row_quads()) + quad;
                        assert!(seen.contains(&q));
                        assert!(quad >= other.row_quads().into() || beside.contains(&at), "{shape:?} {p:?}");
                    }
                }
                assert_eq!(next, u64::from(lead.rows()) * u64::from(lead.row_quads()));
                assert_eq!(pieces.len() > 1, shape != [3, 3]);
            }
        }
    }
}
