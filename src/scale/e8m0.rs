//! Powers of two in a byte as scales, and back.

use super::{Scale, ScaleError};
use crate::dtype::{F8E8M0FNU, PowerRounding};

/// # Errors
/// [`ScaleError::OutOfRange`] for NaN, 2⁻¹²⁷ and 2¹²⁷, which are no scales.
impl TryFrom<F8E8M0FNU> for Scale {
    type Error = ScaleError;

    fn try_from(x: F8E8M0FNU) -> Result<Self, ScaleError> {
        Self::new(x.to_f32())
    }
}

/// # Errors
/// [`ScaleError::NotPowerOfTwo`] for every other scale, 0 among them.
impl TryFrom<Scale> for F8E8M0FNU {
    type Error = ScaleError;

    fn try_from(s: Scale) -> Result<Self, ScaleError> {
        let x = Self::from_f32(s.get(), PowerRounding::Floor);
        if x.to_f32() == s.get() { Ok(x) } else { Err(ScaleError::NotPowerOfTwo(s.get())) }
    }
}
