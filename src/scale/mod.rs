//! How codes become real numbers: **real = code × scale**, at one granularity per tensor.
//!
//! | idea | type |
//! |---|---|
//! | which elements share a scale | [`Granularity`], [`GroupMap`] |
//! | a dequantisation multiplier (ours) | [`Scale`] |
//! | its inverse, a multiplier into FP8 | [`Multiplier`] |
//! | how it follows from amax | [`ScaleRule`] |
//! | how a static amax follows from samples | [`Calibration`], [`Observer`], [`Histogram`] |
//! | everything a quantised tensor carries beside its codes | [`Scales`] |

mod calibrate;
mod e8m0;
mod granularity;
mod rule;
mod scales;
mod unit;

pub use calibrate::{Calibration, CalibrationError, Histogram, Observer, Progress, calibrate};
pub use granularity::{Granularity, GroupMap};
pub use rule::ScaleRule;
pub(crate) use scales::words_for;
pub use scales::{Record, Scales, flags};
pub use unit::{Multiplier, Scale, ScaleError};
