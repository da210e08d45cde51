//! What has seen the numbers of one tensor.

use super::{Calibration, CalibrationError, Histogram, cosine, kl, mse, percentile};
use crate::{dtype::Format, scale::Scale};

/// A [`Histogram`] of all numbers seen of one tensor, and how its range follows.
///
/// Made by [`Calibration::observer`]. New ones take no memory; `amax` costs some milliseconds, so ask for it when all is seen.
///
/// ```
/// use quarter::{dtype::Format, scale::Calibration};
/// let mut o = Calibration::MinMax.observer(Format::E4M3FN)?;
/// o.observe(&[0.5, -896.0]);
/// o.observe(&[3.0, f32::INFINITY]); // told by the histogram, no part of the range
/// assert_eq!((o.amax()?, o.scale()?.get()), (896.0, 2.0));
/// assert_eq!(o.histogram().non_finite(), 1);
/// # Ok::<(), quarter::scale::CalibrationError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Observer {
    calibration: Calibration,
    format: Format,
    histogram: Histogram,
}

impl Observer {
    pub(super) fn new(calibration: Calibration, format: Format) -> Self {
        Self { calibration, format, histogram: Histogram::default() }
    }

    /// Takes in more numbers, in any order and in batches of any size. NaN and infinities are counted
    /// ([`Histogram::non_finite`]) and change no range.
    pub fn observe(&mut self, x: &[f32]) {
        self.histogram.observe(x);
    }

    /// Takes in what another observer has seen, of the same tensor on another thread.
    ///
    /// # Errors
    /// [`CalibrationError::Another`] for one of another calibration or format.
    pub fn join(&mut self, other: &Self) -> Result<(), CalibrationError> {
        let of = |o: &Self| (o.calibration, o.format);
        if of(self) != of(other) {
            return Err(CalibrationError::Another { expected: of(self), got: of(other) });
        }
        self.histogram.join(&other.histogram);
        Ok(())
    }

    /// The static range: the magnitude that is to be the largest code. 0 of zeros.
    ///
    /// # Errors
    /// [`CalibrationError::Empty`] if no finite number was seen, [`CalibrationError::Negative`] if one was below zero and the format is
    /// unsigned.
    pub fn amax(&self) -> Result<f32, CalibrationError> {
        let (h, format) = (&self.histogram, self.format);
        if h.count() == 0 {
            return Err(CalibrationError::Empty { non_finite: h.non_finite() });
        }
        if h.negative() > 0 && !format.is_signed() {
            return Err(CalibrationError::Negative { format, count: h.negative() });
        }
        let found = match self.calibration {
            Calibration::MinMax => None,
            Calibration::Percentile(percent) => percentile::amax(h, percent),
            Calibration::Kl => kl::amax(h, format),
            Calibration::Mse => mse::amax(h, format),
            Calibration::Cosine => cosine::amax(h, format),
        };
        // There is no threshold among zeros.
        Ok(found.unwrap_or(h.amax()))
    }

    /// The scale at which [`amax`](Self::amax) becomes the largest code: [`Scale::from_amax`]. For a power of two,
    /// give amax to [`ScaleRule::scale`](crate::scale::ScaleRule::scale).
    ///
    /// # Errors
    /// As [`amax`](Self::amax).
    pub fn scale(&self) -> Result<Scale, CalibrationError> {
        Ok(Scale::from_amax(self.amax()?, self.format))
    }

    /// How the range is chosen.
    pub fn calibration(&self) -> Calibration {
        self.calibration
    }

    /// The format that numbers are to be codes of.
    pub fn format(&self) -> Format {
        self.format
    }

    /// What was seen.
    pub fn histogram(&self) -> &Histogram {
        &self.histogram
    }
}
