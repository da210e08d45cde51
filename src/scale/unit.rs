//! The two directions of a scale, as distinct types.

use crate::dtype::Format;

/// Smallest positive normal f32, 2⁻¹²⁶: below it, magnitudes count as zero (many GPUs flush them).
pub(crate) const TINY: f32 = f32::MIN_POSITIVE;
/// Largest scale, 2¹²⁶: its reciprocal is still a normal f32.
const HUGE: f32 = f32::from_bits(0x7E80_0000);

/// A number that cannot be a scale.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ScaleError {
    /// Negative, NaN, infinite, subnormal or above 2¹²⁶.
    #[error("scale: expected 0 or a number in [2^-126, 2^126], got {0}")]
    OutOfRange(f32),
    /// Only powers of two have an E8M0 code.
    #[error("scale: expected a power of two, got {0}")]
    NotPowerOfTwo(f32),
    /// A tensor has one group or more, and exactly one at per-tensor granularity.
    #[error("groups: expected {} for {granularity}, got {groups}", if *granularity == super::Granularity::PerTensor { "1" } else { "1 or more" })]
    Groups {
        /// Groups given.
        groups: usize,
        /// The granularity asked for.
        granularity: super::Granularity,
    },
    /// Plain numbers are not scaled.
    #[error("scale: expected 1, of numbers that are not 8-bit, got {0}")]
    Observed(f32),
    /// As many scales as the granularity has groups are needed.
    #[error("scales: expected {expected} for {granularity}, got {got}")]
    Count {
        /// Groups of the tensor at this granularity.
        expected: usize,
        /// Scales given.
        got: usize,
        /// The granularity asked for.
        granularity: super::Granularity,
    },
    /// Codes of a codebook have no scales to derive.
    #[error("scales: expected scales, got a codebook")]
    Codebook,
}

/// A dequantisation multiplier: real = code × scale.
///
/// Zero or a number in \[2⁻¹²⁶, 2¹²⁶\], so that neither it nor its inverse is subnormal: many GPUs flush
/// subnormals, and a scale must mean the same everywhere.
///
/// ```
/// use quarter::scale::{Multiplier, Scale};
/// let s = Scale::new(0.25)?;
/// assert_eq!(s.inverse().get(), 4.0);
/// assert_eq!(Scale::from(Multiplier::new(4.0)?), s); // the other convention, converted by name
/// assert!(Scale::new(-1.0).is_err());
/// # Ok::<(), quarter::scale::ScaleError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Scale(f32);

/// A multiplier into FP8: code = encode(real × multiplier). The inverse direction of [`Scale`].
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Multiplier(f32);

const fn check(v: f32) -> Result<f32, ScaleError> {
    if v == 0.0 {
        Ok(0.0)
    } else if v >= TINY && v <= HUGE {
        Ok(v)
    } else {
        Err(ScaleError::OutOfRange(v))
    }
}

/// 1 / v rounded once; 0 for 0: a zero scale sends everything to zero in both directions.
const fn reciprocal(v: f32) -> f32 {
    if v == 0.0 { 0.0 } else { 1.0 / v }
}

impl Scale {
    /// Codes are the numbers themselves.
    pub const ONE: Self = Self(1.0);

    /// # Errors
    /// [`ScaleError::OutOfRange`] unless `v` is 0 or in \[2⁻¹²⁶, 2¹²⁶\].
    pub const fn new(v: f32) -> Result<Self, ScaleError> {
        match check(v) {
            Ok(v) => Ok(Self(v)),
            Err(e) => Err(e),
        }
    }

    /// The scale at which `amax`, the largest magnitude, becomes the largest code: amax / max, rounded once and
    /// held to \[2⁻¹²⁶, 2¹²⁶\]. An amax below 2⁻¹²⁶ counts as zero; zero, infinite and NaN give 1.
    pub const fn from_amax(amax: f32, format: Format) -> Self {
        if !(amax >= TINY && amax < f32::INFINITY) {
            return Self::ONE;
        }
        Self::held(amax / format.max())
    }

    /// The nearest scale above zero.
    pub(crate) const fn held(s: f32) -> Self {
        Self(if s < TINY {
            TINY
        } else if s > HUGE {
            HUGE
        } else {
            s
        })
    }

    /// The value.
    pub const fn get(self) -> f32 {
        self.0
    }

    /// The inverse direction, rounded once.
    pub const fn inverse(self) -> Multiplier {
        Multiplier(reciprocal(self.0))
    }
}

impl Multiplier {
    /// # Errors
    /// [`ScaleError::OutOfRange`] unless `v` is 0 or in \[2⁻¹²⁶, 2¹²⁶\].
    pub const fn new(v: f32) -> Result<Self, ScaleError> {
        match check(v) {
            Ok(v) => Ok(Self(v)),
            Err(e) => Err(e),
        }
    }

    /// The value.
    pub const fn get(self) -> f32 {
        self.0
    }
}

impl From<Multiplier> for Scale {
    fn from(m: Multiplier) -> Self {
        Self(reciprocal(m.0))
    }
}

impl From<Scale> for Multiplier {
    fn from(s: Scale) -> Self {
        s.inverse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scale_and_its_inverse_are_normal() {
        for v in [TINY, HUGE, 1.0, 0.1, 448.0] {
            let s = Scale::new(v).unwrap();
            assert!(s.inverse().get().is_normal(), "{v}");
        }
        for v in [f32::from_bits(1), TINY / 2.0, HUGE * 2.0, -1.0, f32::NAN, f32::INFINITY] {
            assert!(Scale::new(v).is_err(), "{v}");
        }
        for f in Format::ALL {
            for amax in [0.0, 1e-40, TINY, 1.0, 1e30, f32::MAX, f32::INFINITY, f32::NAN] {
                let s = Scale::from_amax(amax, f);
                assert!(s.get().is_normal() && s.inverse().get().is_normal(), "{f} {amax}");
            }
        }
        assert_eq!(Scale::new(0.0).unwrap().inverse().get(), 0.0);
    }
}
