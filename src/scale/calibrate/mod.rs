//! Static ranges: what amax a tensor is taken to have, from samples of its numbers.

mod batches;
mod cosine;
mod grid;
mod histogram;
mod kl;
mod mse;
mod observer;
mod percentile;
mod sums;

pub use batches::{Progress, calibrate};
pub(super) use grid::Grid;
pub use histogram::Histogram;
pub use observer::Observer;

use crate::dtype::Format;

/// How a static range follows from the numbers seen: the amax that becomes the largest code; what is above saturates.
///
/// | calibration | amax |
/// |---|---|
/// | `MinMax` | the largest magnitude: nothing saturates |
/// | `Percentile(p)` | the least that p percent of all numbers do not exceed |
/// | `Kl` | the threshold whose quantised histogram diverges least from the original (Kullback-Leibler), as TensorRT's entropy calibration |
/// | `Mse` | the threshold whose codes have the least mean squared error |
/// | `Cosine` | the threshold whose codes have the largest cosine similarity with the numbers, as Unified INT8 Training |
///
/// Thresholds are the edges of a [`Histogram`]'s bins, 256 to every factor of two, and the largest magnitude. Of equally
/// good ones the largest is taken. Codes are those of the format, scaled so that its largest value is the threshold.
///
/// * `Percentile` counts zeros, so it is 0 where they alone are p percent. It is the number of that rank, rounded up to an edge.
/// * `Kl` compares the histogram up to the threshold, what is above added to its last bin, with one in which the numbers
///   of each code are spread evenly over the occupied bins that round to it. Zeros are left out, as they are exact at any threshold,
///   and so are thresholds that clip more than half of the other numbers: of few bins any histogram is its own best match.
///
/// ```
/// use quarter::{dtype::Format, scale::Calibration};
/// let mut o = Calibration::Percentile(99.0).observer(Format::E4M3FN)?;
/// o.observe(&[1.0; 99]);
/// o.observe(&[-1000.0]);
/// assert_eq!(o.amax()?, 1.0);
/// # Ok::<(), quarter::scale::CalibrationError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Calibration {
    /// The largest magnitude.
    MinMax,
    /// The magnitude that so many percent, above 0 and at most 100, do not exceed.
    Percentile(f64),
    /// Least divergence of the quantised histogram from the original.
    Kl,
    /// Least mean squared error.
    Mse,
    /// Largest cosine similarity.
    Cosine,
}

/// Numbers that give no range.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum CalibrationError {
    /// No share of the numbers.
    #[error("percentile: expected above 0 and at most 100, got {0}")]
    Percentile(f64),
    /// Nothing finite was seen.
    #[error("numbers: expected one or more that are finite, got {non_finite} that are not")]
    Empty {
        /// NaN and infinities seen.
        non_finite: u64,
    },
    /// An unsigned format has no codes for them.
    #[error("numbers: expected none below 0 for {format}, got {count}")]
    Negative {
        /// The unsigned format.
        format: Format,
        /// How many are negative.
        count: u64,
    },
    /// Observers that do not look for the same.
    #[error("observer: expected one of {expected:?}, got one of {got:?}")]
    Another {
        /// Calibration and format.
        expected: (Calibration, Format),
        /// Those of the other.
        got: (Calibration, Format),
    },
}

impl Calibration {
    /// An observer that has seen nothing, of numbers that are to be codes of `format`.
    ///
    /// # Errors
    /// [`CalibrationError::Percentile`] for a percentile that is not above 0 and at most 100.
    pub fn observer(self, format: Format) -> Result<Observer, CalibrationError> {
        match self {
            Self::Percentile(p) if !(p > 0.0 && p <= 100.0) => Err(CalibrationError::Percentile(p)),
            _ => Ok(Observer::new(self, format)),
        }
    }
}

/// The threshold of the least loss; of equal ones the largest. `thresholds` rise.
fn least<T>(thresholds: impl Iterator<Item = (T, f32)>, mut loss: impl FnMut(T, f32) -> f64) -> Option<f32> {
    let mut best: Option<(f64, f32)> = None;
    for (at, threshold) in thresholds {
        let loss = loss(at, threshold);
        if best.is_none_or(|(least, _)| loss <= least) {
            best = Some((loss, threshold));
        }
    }
    best.map(|b| b.1)
}

#[cfg(test)]
mod tests;
