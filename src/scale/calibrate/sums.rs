//! Sums over any run of bins at once.

use super::Histogram;
use std::ops::Range;

/// Count, sum and sum of squares of the magnitudes of some bins.
#[derive(Clone, Copy, Default)]
pub(super) struct Moments {
    pub count: f64,
    pub sum: f64,
    pub squares: f64,
}

impl Moments {
    /// Sum of the squares of their distances from `x`.
    pub fn error(self, x: f64) -> f64 {
        self.squares - 2.0 * x * self.sum + self.count * (x * x)
    }
}

/// For each bin, the moments of all below it; then those of all.
pub(super) struct Sums(Vec<Moments>);

impl Sums {
    pub fn new(histogram: &Histogram) -> Self {
        let mut sums = vec![Moments::default()];
        let mut now = Moments::default();
        for bin in histogram.bins() {
            now.count += bin.count;
            now.sum += bin.sum();
            now.squares += bin.squares();
            sums.push(now);
        }
        Self(sums)
    }

    pub fn of(&self, bins: Range<usize>) -> Moments {
        let (low, high) = (self.0[bins.start], self.0[bins.end]);
        Moments {
            count: high.count - low.count,
            sum: high.sum - low.sum,
            squares: high.squares - low.squares,
        }
    }
}
