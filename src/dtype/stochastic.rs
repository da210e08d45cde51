//! Stochastic rounding: to one of the two neighbours, each as likely as the number is near it.

use super::format::{Format, Overflow};
use super::philox::Philox;
use super::slice::LengthError;

impl Format {
    /// The code below or above `x`, as 32 random bits decide.
    ///
    /// The magnitude is written in units of the last place it would have with no limit on the exponent: whole units,
    /// and a fraction cut off after 32 bits. `random` is added below the units, and what is below them dropped. So the
    /// chance of the upper neighbour is the fraction (within 2⁻³²), the mean of many draws is `x`, and a number that
    /// is a code never moves. Subnormals have the unit of the smallest normals.
    ///
    /// Then as [`encode`](Self::encode): what came out above the largest value overflows as `o` says (the largest value
    /// itself never does), so do infinities; NaN stays NaN; no negative zero in FNUZ and unsigned formats.
    ///
    /// ```
    /// use quarter::dtype::{Format, Overflow};
    /// let f = Format::E4M3FN; // 17 lies between 16 and 18
    /// assert_eq!(f.decode(f.encode_stochastic(17.0, 0x7FFF_FFFF, Overflow::Saturate)), 16.0);
    /// assert_eq!(f.decode(f.encode_stochastic(17.0, 0x8000_0000, Overflow::Saturate)), 18.0);
    /// ```
    pub const fn encode_stochastic(self, x: f32, random: u32, o: Overflow) -> u8 {
        let (bits, negative) = (x.to_bits() & 0x7FFF_FFFF, x.to_bits() >> 31 != 0);
        if bits > 0x7F80_0000 {
            return self.nan(negative);
        }
        if bits == 0x7F80_0000 {
            return self.place(negative, u32::MAX, o);
        }
        // significand × 2^(exponent − 23)
        let (significand, exponent) = match bits >> 23 {
            0 => (bits, -126),
            field => ((bits & 0x7F_FFFF) | 0x80_0000, field as i32 - 127),
        };
        let floor = self.min_exponent();
        let unit = if exponent > floor { exponent } else { floor };
        let drop = (23 - self.man_bits()) + (unit - exponent) as u32;
        let kept = if drop < 32 { significand >> drop } else { 0 };
        let fraction = if drop < 32 {
            significand << (32 - drop)
        } else if drop < 64 {
            significand >> (drop - 32)
        } else {
            0
        };
        // A normal's units carry the hidden bit, which stands for the one in its exponent field.
        let down = (((unit - floor) as u32) << self.man_bits()) + kept;
        self.place(negative, down + fraction.overflowing_add(random).1 as u32, o)
    }
}

/// The codes of `x`, each rounded by [`Format::encode_stochastic`] with the word that `random` has for its index,
/// `first` for the first of them: parts of a tensor may be encoded apart.
///
/// # Errors
/// [`LengthError`] when the slices differ in length; nothing is written then.
///
/// ```
/// use quarter::dtype::{Format, Overflow, Philox, encode_slice_stochastic};
/// let mut codes = [0; 1000];
/// let x = [17.0; 1000];
/// encode_slice_stochastic(Format::E4M3FN, Overflow::Saturate, Philox::new(1, 0), 0, &x, &mut codes)?;
/// let mean = codes.iter().map(|&c| Format::E4M3FN.decode(c)).sum::<f32>() / 1000.0;
/// assert!((mean - 17.0).abs() < 0.2);
/// # Ok::<(), quarter::dtype::LengthError>(())
/// ```
pub fn encode_slice_stochastic(
    format: Format,
    overflow: Overflow,
    random: Philox,
    first: u64,
    x: &[f32],
    out: &mut [u8],
) -> Result<(), LengthError> {
    LengthError::check("output slice", x.len(), out.len())?;
    for ((x, out), i) in x.iter().zip(out).zip(0u64..) {
        *out = format.encode_stochastic(*x, random.word(first.wrapping_add(i)), overflow);
    }
    Ok(())
}
