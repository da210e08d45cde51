//! The threshold of least mean squared error.

use super::{Histogram, grid::Grid, least, sums::Sums};
use crate::{dtype::Format, scale::Scale};

pub(super) fn amax(histogram: &Histogram, format: Format) -> Option<f32> {
    let (sums, grid) = (Sums::new(histogram), Grid::new(format));
    least(histogram.thresholds(), |_, threshold| {
        let scale = Scale::from_amax(threshold, format).get().into();
        let codes = grid.codes(histogram, histogram.len(), scale);
        codes.map(|(value, bins)| sums.of(bins).error(value)).sum()
    })
}
