//! One value in, one code out: integer work only, so every compiler and machine gives the same bits.

use half::{bf16, f16};

use super::format::{Format, Overflow};

impl Format {
    /// The value of `code`. Exact: every finite value of every format is zero or a normal `f32`.
    ///
    /// Bits above the format's are ignored. A NaN code gives a quiet NaN with the code's sign (positive for FNUZ, whose NaN has none).
    ///
    /// ```
    /// # use quarter::dtype::Format;
    /// assert_eq!(Format::E4M3FN.decode(0x38), 1.0);
    /// assert_eq!(Format::E5M2.decode(0xFC), f32::NEG_INFINITY);
    /// ```
    pub const fn decode(self, code: u8) -> f32 {
        let sign = ((code & self.sign_mask() != 0) as u32) << 31;
        if self.is_nan(code) {
            let sign = if self.has_negative_zero() { sign } else { 0 };
            return f32::from_bits(sign | 0x7FC0_0000);
        }
        if self.is_infinite(code) {
            return f32::from_bits(sign | 0x7F80_0000);
        }
        let field = ((code & self.magnitude_mask()) >> self.man_bits()) as i32;
        let fraction = code as u32 & ((1 << self.man_bits()) - 1);
        // value = significand × 2^point
        let (significand, point) = if field == 0 {
            (fraction, self.min_exponent() - self.man_bits() as i32)
        } else {
            (fraction | (1 << self.man_bits()), field - self.bias() - self.man_bits() as i32)
        };
        if significand == 0 {
            return f32::from_bits(sign);
        }
        let top = significand.ilog2();
        let exponent = (top as i32 + point + 127) as u32;
        f32::from_bits(sign | (exponent << 23) | ((significand << (23 - top)) & 0x7F_FFFF))
    }

    /// The code nearest to `x`; a tie goes to the even code.
    ///
    /// The value is first rounded to the format's mantissa, with no limit on the exponent, and only then compared
    /// with the largest finite value. So 464 is 448 in E4M3FN, and anything above it overflows: see [`Overflow`].
    /// A NaN becomes [`nan_code`](Self::nan_code) with the sign of `x` (FNUZ: `0x80`), or 0 in a format that has none:
    /// whoever writes such codes must keep the NaN elsewhere. FNUZ formats have no negative zero: what rounds to it
    /// becomes code 0.
    ///
    /// In an unsigned format a negative number that does not round to zero is out of range: 0, the nearest value, by
    /// [`Overflow::Saturate`]; by [`Overflow::Strict`] NaN, or 0 where there is none.
    ///
    /// ```
    /// # use quarter::dtype::{Format, Overflow};
    /// let f = Format::E4M3FN;
    /// assert_eq!(f.encode(464.0, Overflow::Strict), 0x7E);
    /// assert_eq!(f.encode(465.0, Overflow::Strict), 0x7F);
    /// assert_eq!(f.encode(465.0, Overflow::Saturate), 0x7E);
    /// ```
    pub const fn encode(self, x: f32, o: Overflow) -> u8 {
        self.encode_ieee(x.to_bits() as u64, 8, 23, o)
    }

    /// As [`encode`](Self::encode), rounded once from `f64`.
    pub const fn encode_f64(self, x: f64, o: Overflow) -> u8 {
        self.encode_ieee(x.to_bits(), 11, 52, o)
    }

    /// As [`encode`](Self::encode), rounded once from `f16`.
    pub const fn encode_f16(self, x: f16, o: Overflow) -> u8 {
        self.encode_ieee(x.to_bits() as u64, 5, 10, o)
    }

    /// As [`encode`](Self::encode), rounded once from `bf16`.
    pub const fn encode_bf16(self, x: bf16, o: Overflow) -> u8 {
        self.encode_ieee(x.to_bits() as u64, 8, 7, o)
    }

    /// Takes an IEEE binary float of the given field widths apart, then rounds it.
    const fn encode_ieee(self, bits: u64, exp_bits: u32, man_bits: u32, o: Overflow) -> u8 {
        let negative = (bits >> (exp_bits + man_bits)) & 1 != 0;
        let field = ((bits >> man_bits) & ((1 << exp_bits) - 1)) as i32;
        let fraction = bits & ((1 << man_bits) - 1);
        let bias = (1 << (exp_bits - 1)) - 1;
        if field == (1 << exp_bits) - 1 {
            return if fraction == 0 { self.place(negative, u32::MAX, o) } else { self.nan(negative) };
        }
        let magnitude = if field == 0 {
            self.round(fraction, 1 - bias - man_bits as i32)
        } else {
            self.round(fraction | (1 << man_bits), field - bias - man_bits as i32)
        };
        self.place(negative, magnitude, o)
    }

    /// The code nearest to `significand × 2^point`, without sign, as a number that may run past the largest code; the
    /// significand is below 2⁶³.
    const fn round(self, significand: u64, point: i32) -> u32 {
        if significand == 0 {
            return 0;
        }
        let floor = self.min_exponent();
        let exponent = significand.ilog2() as i32 + point;
        let exponent = if exponent > floor { exponent } else { floor };
        let shift = exponent - self.man_bits() as i32 - point;
        let (kept, lost, half) = if shift <= 0 {
            (significand << -shift, 0, 1)
        } else if shift > 63 {
            (0, 0, 1) // less than half a unit
        } else {
            (significand >> shift, significand & ((1 << shift) - 1), 1 << (shift - 1))
        };
        // A normal's units carry the hidden bit, which stands for the one in its exponent field.
        let down = (((exponent - floor) as u32) << self.man_bits()) + kept as u32;
        down + (lost > half || (lost == half && down & 1 == 1)) as u32
    }

    /// The code of a magnitude code and a sign; magnitudes past the largest code have overflowed.
    pub(super) const fn place(self, negative: bool, magnitude: u32, o: Overflow) -> u8 {
        if negative && !self.is_signed() {
            return match o {
                Overflow::Strict if magnitude != 0 => self.nan_code(),
                _ => 0,
            };
        }
        let sign = if negative { self.sign_mask() } else { 0 };
        if magnitude > self.max_code() as u32 {
            // The NaN of the FNUZ formats is the sign bit and absorbs any sign.
            sign | match (o, self.infinity_code()) {
                (Overflow::Strict, Some(infinity)) => infinity,
                (Overflow::Strict, None) if self.has_nan() => self.nan_code(),
                _ => self.max_code(),
            }
        } else if magnitude == 0 && !self.has_negative_zero() {
            0
        } else {
            sign | magnitude as u8
        }
    }

    /// What a NaN becomes.
    pub(super) const fn nan(self, negative: bool) -> u8 {
        let sign = if negative && self.has_nan() { self.sign_mask() } else { 0 };
        sign | self.nan_code()
    }
}
