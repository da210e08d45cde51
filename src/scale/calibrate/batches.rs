//! An observer over all batches of a data set.

use super::{Calibration, CalibrationError, Observer};
use crate::dtype::Format;

/// How far a calibration is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Batches done.
    pub batches: u64,
    /// Batches at most, if the iterator knows.
    pub of: Option<u64>,
    /// Numbers in the batches done.
    pub elements: u64,
}

/// Observes all batches; `progress` is told after each.
///
/// # Errors
/// As [`Calibration::observer`]. That nothing finite was seen is told by [`Observer::amax`].
///
/// ```
/// use quarter::{dtype::Format, scale::{Calibration, calibrate}};
/// let batches = [vec![0.5, -2.0], vec![4.0]];
/// let mut done = 0;
/// let o = calibrate(&batches, Calibration::MinMax, Format::E5M2, |p| done = p.batches * 100 / p.of.unwrap())?;
/// assert_eq!((o.amax()?, done), (4.0, 100));
/// # Ok::<(), quarter::scale::CalibrationError>(())
/// ```
pub fn calibrate<I>(
    batches: I,
    calibration: Calibration,
    format: Format,
    mut progress: impl FnMut(Progress),
) -> Result<Observer, CalibrationError>
where
    I: IntoIterator<Item: AsRef<[f32]>>,
{
    let mut observer = calibration.observer(format)?;
    let batches = batches.into_iter();
    let mut now = Progress { batches: 0, of: batches.size_hint().1.map(|n| n as u64), elements: 0 };
    for batch in batches {
        let batch = batch.as_ref();
        observer.observe(batch);
        now.batches += 1;
        now.elements += batch.len() as u64;
        progress(now);
    }
    Ok(observer)
}
