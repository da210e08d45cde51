//! The threshold of largest cosine similarity.

use super::{Histogram, grid::Grid, least, sums::Sums};
use crate::{dtype::Format, scale::Scale};

/// The cosine is Σxq / √(Σx² · Σq²), never negative: its square has its order. Squares are compared in f32, of which sums in f64 are sure:
/// where a cosine sees no difference, and it sees none in the amplitude, the largest threshold is to be taken, not what rounding prefers.
pub(super) fn amax(histogram: &Histogram, format: Format) -> Option<f32> {
    let (sums, grid) = (Sums::new(histogram), Grid::new(format));
    let all = sums.of(0..histogram.len()).squares;
    least(histogram.thresholds(), |_, threshold| {
        let scale = Scale::from_amax(threshold, format).get().into();
        let (mut product, mut squares) = (0.0, 0.0);
        for (value, bins) in grid.codes(histogram, histogram.len(), scale) {
            let of = sums.of(bins);
            product += of.sum * value;
            squares += of.count * (value * value);
        }
        // All zero where the scale, which is held to 2^-126, is too large.
        if squares == 0.0 { 0.0 } else { f64::from(-(product * product / (squares * all)) as f32) }
    })
}
