//! How a scale follows from amax.

use super::{Granularity, Scale};
use crate::dtype::{F8E8M0FNU, Format, PowerRounding};

/// How the scale of a group follows from its amax, in current and delayed scaling.
///
/// | rule | scale |
/// |---|---|
/// | `Amax` | amax / max of the format, rounded once: [`Scale::from_amax`] |
/// | `Power(Floor)` | 2^(⌊log₂ amax⌋ − emax), the OCP specification's for MX |
/// | `Power(Ceil)` | the smallest power of two with amax / scale ≤ max, NVIDIA's for MX |
/// | `Power(Even)` | as `Floor`, of amax rounded to the format's mantissa |
///
/// Powers of two ([`F8E8M0FNU::from_amax`]) are held to \[2⁻¹²⁶, 2¹²⁶\], as every scale is. An amax below 2⁻¹²⁶ counts
/// as zero; zero, infinite and NaN give 1.
///
/// ```
/// use quarter::{dtype::{Format, PowerRounding}, scale::ScaleRule};
/// let scale = |rule: ScaleRule| rule.scale(500.0, Format::E4M3FN).get();
/// assert_eq!(scale(ScaleRule::Amax), 500.0 / 448.0);
/// assert_eq!(scale(ScaleRule::Power(PowerRounding::Floor)), 1.0); // 500 saturates
/// assert_eq!(scale(ScaleRule::Power(PowerRounding::Ceil)), 2.0);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum ScaleRule {
    /// amax / max.
    #[default]
    Amax,
    /// A power of two.
    Power(PowerRounding),
}

impl ScaleRule {
    /// The scale of a group of this amax.
    pub const fn scale(self, amax: f32, format: Format) -> Scale {
        match self {
            Self::Amax => Scale::from_amax(amax, format),
            Self::Power(rounding) => {
                let power = F8E8M0FNU::from_amax(amax, format, rounding);
                let bits = power.to_bits();
                Scale::held(match bits {
                    0xFF => F8E8M0FNU::ONE.to_f32(),
                    _ => power.to_f32(),
                })
            }
        }
    }

    /// Whether its scales can be stored at this granularity: those of MX blocks are powers of two.
    pub const fn suits(self, granularity: Granularity) -> bool {
        !matches!((self, granularity), (Self::Amax, Granularity::Mx { .. }))
    }
}
