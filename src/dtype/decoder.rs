//! The branch-free twin of [`Format::decode`]: shifts and selects, so a loop over it is vector code.
//!
//! Infinities and NaNs are left to the table. It must equal the scalar codec for every code of every format;
//! the test below checks all.

use super::format::{Format, Specials};

/// What the decoding loop needs of a format, worked out once per slice.
#[derive(Clone, Copy)]
pub(super) struct Decoder {
    /// Exponent and mantissa of a code.
    magnitude: u8,
    /// Code of the largest finite value: what is above is special.
    max: u8,
    /// The sign bit that makes a NaN of a zero; 0 but in FNUZ formats.
    nan: u8,
    /// Sign, and how far it is from that of f32.
    sign: u8,
    sign_shift: u32,
    /// The smallest normal code; those below count units.
    normal: u32,
    unit: f32,
    /// From the place of the other codes to that in f32, then from bias to bias.
    shift: u32,
    rebias: u32,
}

impl Decoder {
    pub(super) fn new(format: Format) -> Self {
        Self {
            magnitude: format.magnitude_mask(),
            max: format.max_code(),
            nan: if format.specials() == Specials::Fnuz { format.sign_mask() } else { 0 },
            sign: format.sign_mask(),
            sign_shift: 31 - format.magnitude_bits(),
            normal: 1 << format.man_bits(),
            unit: format.min_positive_subnormal(),
            shift: 23 - format.man_bits(),
            rebias: (127 - format.bias()).cast_unsigned() << 23,
        }
    }

    /// Whether a code is an infinity or a NaN.
    #[inline(always)]
    pub(super) fn is_special(self, code: u8) -> bool {
        let magnitude = code & self.magnitude;
        magnitude > self.max || (magnitude == 0) & (code & self.nan != 0)
    }

    /// The value of a finite code.
    #[inline(always)]
    pub(super) fn lane(self, code: u8) -> f32 {
        let magnitude = u32::from(code & self.magnitude);
        let normal = (magnitude << self.shift).wrapping_add(self.rebias);
        let subnormal = (magnitude.cast_signed() as f32 * self.unit).to_bits();
        let value = if magnitude < self.normal { subnormal } else { normal };
        f32::from_bits(value | u32::from(code & self.sign) << self.sign_shift)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dtype::decode_vec;

    #[test]
    fn every_code_of_every_format() {
        let codes: Vec<u8> = (0..=255).collect();
        let mut formats = 0;
        for signed in [false, true] {
            for (exp_bits, man_bits) in (1..=8).flat_map(|e| (0..8).map(move |m| (e, m))) {
                for specials in [Specials::Ieee, Specials::Fn, Specials::Fnuz, Specials::None] {
                    for bias in -300..300 {
                        let make = if signed { Format::signed } else { Format::unsigned };
                        let Ok(f) = make(exp_bits, man_bits, bias, specials) else { continue };
                        formats += 1;
                        let decoder = Decoder::new(f);
                        // Neighbours as they come, and by themselves: a special one sends them all to the table.
                        for (code, value) in codes.iter().zip(decode_vec(f, &codes)) {
                            let want = f.decode(*code).to_bits();
                            assert_eq!(value.to_bits(), want, "{f}: {code:#04x}");
                            assert_eq!(decoder.is_special(*code), !f.is_finite(*code), "{f}: {code:#04x}");
                            if f.is_finite(*code) {
                                assert_eq!(decoder.lane(*code).to_bits(), want, "{f}: {code:#04x}");
                            }
                        }
                    }
                }
            }
        }
        assert!(formats > 10_000, "only {formats}");
    }
}
