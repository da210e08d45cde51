//! The values of a format, and the bins that round to each.

use super::Histogram;
use crate::dtype::Format;
use std::ops::Range;

/// The magnitudes of a format from 0 up.
pub(crate) struct Grid(Vec<f64>);

impl Grid {
    pub fn new(format: Format) -> Self {
        Self((0..=format.max_code()).map(|code| f64::from(format.decode(code))).collect())
    }

    /// Every value times `scale`, with the bins of the first `bins` that round to it, as far as whole bins can; what is above
    /// the largest saturates.
    pub fn codes(
        &self,
        histogram: &Histogram,
        bins: usize,
        scale: f64,
    ) -> impl Iterator<Item = (f64, Range<usize>)> {
        let mut start = 0;
        (0..self.0.len()).map(move |i| {
            let value = self.0[i];
            let end = match self.0.get(i + 1) {
                Some(next) => histogram.below((value + next) / 2.0 * scale).min(bins),
                None => bins,
            };
            let codes = start..end;
            start = end;
            (value * scale, codes)
        })
    }
}
