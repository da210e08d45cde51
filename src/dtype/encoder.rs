//! The branch-free twin of [`Format::encode`]: one addition rounds, selects do the rest, so a loop over it is vector code.
//!
//! It must equal the scalar codec for every input; `examples/exhaustive.rs` checks all 2³².

use super::format::{Format, Overflow};

/// What the encoding loop needs of a format, worked out once per slice.
#[derive(Clone, Copy)]
pub(super) struct Encoder {
    /// Larger magnitudes are taken for this: the largest value to saturate, the step after it to be strict.
    /// The code after the largest one is what a strict overflow gives, in all formats.
    limit: f32,
    /// Smallest normal value.
    min_normal: f32,
    /// Added to an exponent's bits: from a power of two to the number whose last place is that power's unit.
    lift: u32,
    /// From f32 exponent bits to code exponent bits.
    shift: u32,
    /// All constants to subtract at once: `lift`, and the exponent field of the smallest normal.
    base: u32,
    /// Turns the limit's code into the NaN code.
    nan_flip: u32,
    /// Carries into bit 7 from the codes that have a sign: all, or in FNUZ formats all but zero.
    signed: u32,
}

impl Encoder {
    /// `None` for formats whose codes are not sign, NaN and mantissa in a byte, or whose range leaves no room above it
    /// for the addition that rounds.
    pub(super) fn new(format: Format, overflow: Overflow) -> Option<Self> {
        let whole = format.is_signed() && format.bits() == 8;
        if !(whole && format.has_nan() && format.man_bits() > 0 && format.is_f32_safe()) {
            return None;
        }
        let shift = 23 - format.man_bits();
        let after = u32::from(overflow == Overflow::Strict);
        let limit = format.max().to_bits() + (after << shift);
        let lift = shift << 23;
        Some(Self {
            limit: f32::from_bits(limit),
            min_normal: format.min_positive(),
            lift,
            shift,
            base: lift + (format.min_positive().to_bits() >> shift),
            nan_flip: (u32::from(format.max_code()) + after) ^ u32::from(format.nan_code()),
            signed: if format.has_negative_zero() { 0x80 } else { 0x7F },
        })
    }

    /// The code of an `f32` given by its bits.
    #[inline(always)]
    pub(super) fn lane(self, bits: u32) -> u8 {
        let magnitude = f32::from_bits(bits & 0x7FFF_FFFF);
        let code = self.rounded(magnitude);
        self.signed(code ^ if magnitude.is_nan() { self.nan_flip } else { 0 }, bits)
    }

    /// [`lane`](Self::lane) of what is not NaN.
    #[inline(always)]
    pub(super) fn number(self, x: f32) -> u8 {
        self.signed(self.rounded(x.abs()), x.to_bits())
    }

    /// The code of a magnitude, that of the limit where it is larger or NaN.
    ///
    /// With M mantissa bits, adding 2^(e + 23 − M) to a magnitude of exponent e makes the adder round it to nearest
    /// even at those M bits. Holding e at the smallest normal exponent does the same for subnormals.
    #[inline(always)]
    fn rounded(self, magnitude: f32) -> u32 {
        // False for NaN too.
        let clamped = if magnitude < self.limit { magnitude } else { self.limit };
        let raised = if clamped > self.min_normal { clamped } else { self.min_normal };
        let power = raised.to_bits() & 0x7F80_0000;
        let sum = clamped + f32::from_bits(power.wrapping_add(self.lift));
        // The sum's low bits are the significand in units. A normal's hidden bit counts as one in the exponent field.
        (sum.to_bits().wrapping_sub(power)).wrapping_add(power >> self.shift).wrapping_sub(self.base)
    }

    /// The code with the sign of these f32 bits.
    #[inline(always)]
    fn signed(self, code: u32, bits: u32) -> u8 {
        (code | ((bits >> 24) & 0x80 & code.wrapping_add(self.signed))) as u8
    }
}

/// Exact widening of f16 bits to f32 bits, without branches.
#[inline(always)]
pub(super) fn widen_f16(bits: u16) -> u32 {
    let bits = u32::from(bits);
    let magnitude = (bits & 0x7FFF) << 13;
    // Exponent bias 15 becomes 127; a subnormal gets a hidden bit that the subtraction takes away again.
    let normal = magnitude + (112 << 23);
    let subnormal = (f32::from_bits(magnitude + (113 << 23)) - f32::from_bits(113 << 23)).to_bits();
    let special = magnitude | 0x7F80_0000;
    let value = if magnitude < (1 << 23) { subnormal } else { normal };
    let value = if magnitude >= (31 << 23) { special } else { value };
    value | ((bits & 0x8000) << 16)
}
