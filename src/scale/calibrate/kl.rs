//! The threshold of least Kullback-Leibler divergence.

use super::{Histogram, grid::Grid, least};
use crate::{dtype::Format, scale::Scale};

/// Sums over bins below one: numbers, widths of occupied bins, Σ p·ln(p / width).
#[derive(Clone, Copy, Default)]
struct Below {
    count: f64,
    width: f64,
    logs: f64,
}

/// p·ln(p / q), 0 for p = 0.
fn term(p: f64, q: f64) -> f64 {
    if p == 0.0 { 0.0 } else { p * (p / q).ln() }
}

/// With the numbers of each code spread by width over its occupied bins, q = m · width / (width of the code): bins of one code add
/// Σ p·ln(p / width) − m·ln(m / width of the code) to Σ p·ln(p / q). The last bin is put right afterwards, as the clipped numbers are
/// in p there and not in q.
///
/// Spread by width, since bins are not equally wide: so the divergence is that of the densities, however bins are cut.
pub(super) fn amax(histogram: &Histogram, format: Format) -> Option<f32> {
    let grid = Grid::new(format);
    let mut below = vec![Below::default()];
    let mut now = Below::default();
    for bin in histogram.bins() {
        if bin.count > 0.0 {
            now.count += bin.count;
            now.width += bin.width;
            now.logs += term(bin.count, bin.width);
        }
        below.push(now);
    }
    let all = now.count;
    let occupied = histogram
        .thresholds()
        .filter(|&(bins, _)| histogram.bin(bins - 1).count > 0.0 && 2.0 * below[bins].count >= all);
    least(occupied, |bins, threshold| {
        let scale = Scale::from_amax(threshold, format).get().into();
        let kept = below[bins];
        let last = histogram.bin(bins - 1);
        let (mut divergence, mut density) = (kept.logs, 0.0);
        for (_, codes) in grid.codes(histogram, bins, scale).filter(|(_, codes)| !codes.is_empty()) {
            let (low, high) = (below[codes.start], below[codes.end]);
            let (count, width) = (high.count - low.count, high.width - low.width);
            divergence -= term(count, width);
            if codes.end == bins {
                density = count / width;
            }
        }
        let clipped = all - kept.count;
        let q = density * last.width;
        divergence += term(last.count + clipped, q) - term(last.count, q);
        divergence / all + (kept.count / all).ln()
    })
}
