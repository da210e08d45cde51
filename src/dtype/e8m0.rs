//! E8M0FNU: a power of two in a byte, the scale of the microscaling (MX) formats.

use super::format::Format;

/// How a number becomes a power of two. The names of the MX rules for a block's scale are in brackets; see
/// [`F8E8M0FNU::from_amax`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PowerRounding {
    /// The largest power of two that is not above it (FLOOR, the OCP specification's).
    Floor,
    /// The smallest power of two that is not below it (RCEIL, NVIDIA's).
    Ceil,
    /// The nearest power of two; a tie, 1.5 · 2^e, goes to the even code (EVEN rounds the mantissa first).
    Even,
}

/// 2^(code − 127); code `0xFF` is NaN. No sign, no zero, no infinity: OCP's E8M0, `float8_e8m0fnu` in `ml_dtypes`.
///
/// The smallest value, 2⁻¹²⁷, is a subnormal f32: exact here, flushed by many GPUs.
///
/// ```
/// use quarter::{dtype::{F8E8M0FNU, Format, PowerRounding}, scale::Scale};
/// let s = F8E8M0FNU::from_amax(500.0, Format::E4M3FN, PowerRounding::Ceil);
/// assert_eq!(s.to_f32(), 2.0); // 500 / 2 fits below 448, 500 / 1 does not
/// assert_eq!(Scale::try_from(s)?.get(), 2.0);
/// # Ok::<(), quarter::scale::ScaleError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(transparent)]
pub struct F8E8M0FNU(u8);

impl F8E8M0FNU {
    /// 1.
    pub const ONE: Self = Self(127);
    /// The smallest value, 2⁻¹²⁷.
    pub const MIN: Self = Self(0);
    /// The largest value, 2¹²⁷.
    pub const MAX: Self = Self(0xFE);
    /// Not a number.
    pub const NAN: Self = Self(0xFF);

    /// The value with this code.
    pub const fn from_bits(code: u8) -> Self {
        Self(code)
    }

    /// The code.
    pub const fn to_bits(self) -> u8 {
        self.0
    }

    /// Whether this is NaN.
    pub const fn is_nan(self) -> bool {
        self.0 == 0xFF
    }

    /// The same value as `f32`, exactly.
    pub const fn to_f32(self) -> f32 {
        f32::from_bits(match self.0 {
            0 => 0x0040_0000,
            0xFF => 0x7FC0_0000,
            code => (code as u32) << 23,
        })
    }

    /// `x` as a power of two.
    ///
    /// | `x` | becomes |
    /// |---|---|
    /// | positive, subnormals among them | by `rounding`, held to \[2⁻¹²⁷, 2¹²⁷\] |
    /// | 0, −0 | 2⁻¹²⁷, the smallest value |
    /// | negative, infinite, NaN | NaN |
    pub const fn from_f32(x: f32, rounding: PowerRounding) -> Self {
        let bits = x.to_bits();
        if bits == 0 || bits == 0x8000_0000 {
            return Self::MIN;
        }
        if bits >= 0x7F80_0000 {
            return Self::NAN; // infinite, NaN, or negative: the sign is the top bit
        }
        let (significand, exponent) = parts(bits);
        let down = exponent + 127;
        let up = match rounding {
            PowerRounding::Floor => false,
            PowerRounding::Ceil => significand > 1 << 23,
            // Below 2⁻¹²⁷ there is nothing to go down to, and 1.5 · 2^e is as far from both.
            PowerRounding::Even => significand > 3 << 22 || (significand == 3 << 22 && down & 1 != 0),
        };
        Self::held(down + up as i32)
    }

    /// The scale of a block whose largest magnitude is `amax` (its sign is ignored), for elements of `format`, by an MX
    /// rule: with emax the exponent of the format's largest value,
    ///
    /// | rule | scale |
    /// |---|---|
    /// | `Floor` | 2^(⌊log₂ amax⌋ − emax); what lies above the largest value saturates |
    /// | `Ceil` | the smallest power of two with amax / scale ≤ max, compared exactly; NVIDIA's kernels multiply by a rounded 1 / max first |
    /// | `Even` | as `Floor`, of amax rounded to the format's mantissa, ties to even |
    ///
    /// Held to \[2⁻¹²⁷, 2¹²⁷\]. As for [`Scale::from_amax`](crate::scale::Scale::from_amax), an amax below 2⁻¹²⁶
    /// counts as zero and gives 1. An infinite or NaN amax gives NaN.
    pub const fn from_amax(amax: f32, format: Format, rule: PowerRounding) -> Self {
        let bits = amax.to_bits() & 0x7FFF_FFFF;
        if bits >= 0x7F80_0000 {
            return Self::NAN;
        }
        if bits < 0x0080_0000 {
            return Self::ONE;
        }
        let (significand, exponent) = parts(bits);
        let emax = parts(format.max().to_bits()).1;
        let up = significand - (1 << 23) >= Self::up_from(format, rule);
        Self::held(exponent - emax + 127 + up as i32)
    }

    /// From which 23 bits of mantissa of amax on the scale of a block is the next power of two.
    pub(crate) const fn up_from(format: Format, rule: PowerRounding) -> u32 {
        let hidden = 1 << 23;
        match rule {
            PowerRounding::Floor => hidden,
            PowerRounding::Ceil => parts(format.max().to_bits()).0 - hidden + 1,
            // Rounding carries into the exponent from the last half step on, the tie included: all ones are odd. A
            // format without mantissa bits keeps the hidden one, which is odd too.
            PowerRounding::Even => hidden - (1 << (22 - format.man_bits())),
        }
    }

    const fn held(code: i32) -> Self {
        Self(if code < 0 {
            0
        } else if code > 0xFE {
            0xFE
        } else {
            code as u8
        })
    }
}

/// The significand with its leading one at bit 23, and the exponent, of a positive finite number.
const fn parts(bits: u32) -> (u32, i32) {
    if bits >= 0x0080_0000 {
        return ((bits & 0x007F_FFFF) | 0x0080_0000, (bits >> 23) as i32 - 127);
    }
    let top = bits.ilog2();
    (bits << (23 - top), top as i32 - 149)
}

/// As the equal `f32`.
impl std::fmt::Display for F8E8M0FNU {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.to_f32().fmt(f)
    }
}

/// As the equal `f32`.
impl std::fmt::Debug for F8E8M0FNU {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Debug::fmt(&self.to_f32(), f)
    }
}

/// Exact.
impl From<F8E8M0FNU> for f32 {
    fn from(x: F8E8M0FNU) -> Self {
        x.to_f32()
    }
}
