//! The magnitude of a rank.

use super::Histogram;

pub(super) fn amax(histogram: &Histogram, percent: f64) -> Option<f32> {
    let enough = |seen: f64| seen * 100.0 >= percent * histogram.count() as f64;
    let mut seen = histogram.zeros() as f64;
    if enough(seen) {
        return Some(0.0);
    }
    let mut from = 0;
    histogram.thresholds().find_map(|(bins, threshold)| {
        seen += (from..bins).map(|i| histogram.bin(i).count).sum::<f64>();
        from = bins;
        enough(seen).then_some(threshold)
    })
}
