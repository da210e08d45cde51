//! Typed scalars: one 8-bit float type per format, shaped like `half::f16`.

#[cfg(feature = "approx")]
mod close;
mod ops;
mod order;
mod text;

use std::num::FpCategory;

use half::{bf16, f16};

use super::format::{Format, Overflow};

pub use text::ParseFloat8Error;

/// The constants that only some formats have.
macro_rules! special_constants {
    (ieee) => {
        /// Positive infinity.
        pub const INFINITY: Self = Self(Self::FORMAT.infinity_code().unwrap());
        /// Negative infinity.
        pub const NEG_INFINITY: Self = Self(0x80 | Self::INFINITY.0);
        special_constants!(finite);
    };
    (finite) => {
        /// Negative zero; equal to [`ZERO`](Self::ZERO).
        pub const NEG_ZERO: Self = Self(0x80);
    };
    (fnuz) => {};
}

macro_rules! float8 {
    ($($name:ident $format:ident $specials:ident $summary:literal)*) => {$(
        #[doc = $summary]
        ///
        /// Conversions round to nearest, ties to even, and saturate: what is too large, infinities included, becomes
        /// ±[`MAX`](Self::MAX), and NaN stays NaN. The `_with` twins take an [`Overflow`] instead. Conversions to
        /// wider types are exact.
        ///
        /// Arithmetic is done in `f64` and rounded once by [`from_f64`](Self::from_f64), so each operation is
        /// correctly rounded and saturates: `MAX + MAX` is `MAX`, `1 / 0` is `MAX`, and so is infinity plus one.
        /// For IEEE overflow compute in `f32` and convert with [`Overflow::Strict`].
        ///
        /// ```
        #[doc = concat!("use quarter::dtype::", stringify!($name), " as F8;")]
        ///
        /// let x = F8::from_f32(1.5);
        /// assert_eq!((x + F8::ONE).to_f32(), 2.5);
        /// assert_eq!(F8::from_f32(1e30), F8::MAX);
        /// assert_eq!("-0.25".parse(), Ok(F8::from_f32(-0.25)));
        /// ```
        #[derive(Clone, Copy, Default, bytemuck::Pod, bytemuck::Zeroable)]
        #[repr(transparent)]
        pub struct $name(u8);

        impl $name {
            /// The format's description.
            pub const FORMAT: Format = Format::$format;
            /// Largest finite value.
            pub const MAX: Self = Self(Self::FORMAT.max_code());
            /// Smallest finite value, `-MAX`.
            pub const MIN: Self = Self(0x80 | Self::FORMAT.max_code());
            /// Smallest positive normal value.
            pub const MIN_POSITIVE: Self = Self(1 << Self::FORMAT.man_bits());
            /// Smallest positive value.
            pub const MIN_POSITIVE_SUBNORMAL: Self = Self(1);
            /// Largest subnormal value.
            pub const MAX_SUBNORMAL: Self = Self(Self::MIN_POSITIVE.0 - 1);
            /// Distance from 1 to the next larger value.
            pub const EPSILON: Self = Self::from_f32(
                Self(Self::ONE.0 + 1).to_f32() - Self::ONE.to_f32(),
            );
            /// Zero.
            pub const ZERO: Self = Self(0);
            /// One.
            pub const ONE: Self = Self((Self::FORMAT.bias() as u8) << Self::FORMAT.man_bits());
            /// Minus one.
            pub const NEG_ONE: Self = Self(0x80 | Self::ONE.0);
            /// The NaN that conversions give.
            pub const NAN: Self = Self(Self::FORMAT.nan_code());
            special_constants!($specials);

            /// Base of the representation.
            pub const RADIX: u32 = 2;
            /// Significant bits, the hidden one included.
            pub const MANTISSA_DIGITS: u32 = Self::FORMAT.man_bits() + 1;
            /// Decimal digits that any decimal number keeps: ⌊(`MANTISSA_DIGITS` − 1) · log₁₀ 2⌋.
            pub const DIGITS: u32 = Self::FORMAT.man_bits() * 30103 / 100_000;
            /// One more than the exponent of [`MIN_POSITIVE`](Self::MIN_POSITIVE), as in `f32::MIN_EXP`.
            pub const MIN_EXP: i32 = Self::FORMAT.min_exponent() + 1;
            /// One more than the exponent of [`MAX`](Self::MAX), as in `f32::MAX_EXP`.
            pub const MAX_EXP: i32 =
                (Self::MAX.0 >> Self::FORMAT.man_bits()) as i32 - Self::FORMAT.bias() + 1;

            /// The value with this code.
            pub const fn from_bits(bits: u8) -> Self {
                Self(bits)
            }

            /// The code.
            pub const fn to_bits(self) -> u8 {
                self.0
            }

            /// Nearest value, saturating.
            pub const fn from_f32(x: f32) -> Self {
                Self::from_f32_with(x, Overflow::Saturate)
            }

            /// Nearest value, saturating; rounded once.
            pub const fn from_f64(x: f64) -> Self {
                Self::from_f64_with(x, Overflow::Saturate)
            }

            /// Nearest value, saturating.
            pub const fn from_f16(x: f16) -> Self {
                Self::from_f16_with(x, Overflow::Saturate)
            }

            /// Nearest value, saturating.
            pub const fn from_bf16(x: bf16) -> Self {
                Self::from_bf16_with(x, Overflow::Saturate)
            }

            /// Nearest value; `overflow` says what becomes of what is too large.
            pub const fn from_f32_with(x: f32, overflow: Overflow) -> Self {
                Self(Self::FORMAT.encode(x, overflow))
            }

            /// Nearest value, rounded once; `overflow` says what becomes of what is too large.
            pub const fn from_f64_with(x: f64, overflow: Overflow) -> Self {
                Self(Self::FORMAT.encode_f64(x, overflow))
            }

            /// Nearest value; `overflow` says what becomes of what is too large.
            pub const fn from_f16_with(x: f16, overflow: Overflow) -> Self {
                Self(Self::FORMAT.encode_f16(x, overflow))
            }

            /// Nearest value; `overflow` says what becomes of what is too large.
            pub const fn from_bf16_with(x: bf16, overflow: Overflow) -> Self {
                Self(Self::FORMAT.encode_bf16(x, overflow))
            }

            /// The same value as `f32`.
            pub const fn to_f32(self) -> f32 {
                Self::FORMAT.decode(self.0)
            }

            /// The same value as `f64`.
            pub const fn to_f64(self) -> f64 {
                self.to_f32() as f64
            }

            /// The same value as `f16`.
            pub const fn to_f16(self) -> f16 {
                f16::from_f32_const(self.to_f32())
            }

            /// The same value as `bf16`.
            pub const fn to_bf16(self) -> bf16 {
                bf16::from_f32_const(self.to_f32())
            }

            /// Whether this is NaN.
            pub const fn is_nan(self) -> bool {
                Self::FORMAT.is_nan(self.0)
            }

            /// Whether this is an infinity; always false in formats without.
            pub const fn is_infinite(self) -> bool {
                Self::FORMAT.is_infinite(self.0)
            }

            /// Whether this is neither NaN nor an infinity.
            pub const fn is_finite(self) -> bool {
                Self::FORMAT.is_finite(self.0)
            }

            /// Whether this is finite, and neither zero nor subnormal.
            pub const fn is_normal(self) -> bool {
                matches!(self.classify(), FpCategory::Normal)
            }

            /// The category of the value.
            pub const fn classify(self) -> FpCategory {
                if self.is_nan() {
                    FpCategory::Nan
                } else if self.is_infinite() {
                    FpCategory::Infinite
                } else if self.0 & 0x7F == 0 {
                    FpCategory::Zero
                } else if self.0 & 0x7F < Self::MIN_POSITIVE.0 {
                    FpCategory::Subnormal
                } else {
                    FpCategory::Normal
                }
            }

            /// Whether the sign bit is clear.
            pub const fn is_sign_positive(self) -> bool {
                !self.is_sign_negative()
            }

            /// Whether the sign bit is set; so it is in negative zero and in the NaN of FNUZ formats.
            pub const fn is_sign_negative(self) -> bool {
                self.0 & 0x80 != 0
            }

            /// 1 or −1 by the sign bit, zeros included; NaN for NaN.
            pub const fn signum(self) -> Self {
                if self.is_nan() { self } else { Self::ONE.copysign(self) }
            }

            /// This magnitude with the sign bit of `sign`. In FNUZ formats zero and NaN have no sign and stay as they are.
            pub const fn copysign(self, sign: Self) -> Self {
                if self.0 & 0x7F == 0 && !Self::FORMAT.has_negative_zero() {
                    self
                } else {
                    Self((self.0 & 0x7F) | (sign.0 & 0x80))
                }
            }

            /// The magnitude; NaN stays NaN.
            pub const fn abs(self) -> Self {
                self.copysign(Self::ZERO)
            }

            /// The code as one byte.
            pub const fn to_le_bytes(self) -> [u8; 1] {
                [self.0]
            }

            /// The code as one byte.
            pub const fn to_be_bytes(self) -> [u8; 1] {
                [self.0]
            }

            /// The code as one byte.
            pub const fn to_ne_bytes(self) -> [u8; 1] {
                [self.0]
            }

            /// The value with this code.
            pub const fn from_le_bytes(bytes: [u8; 1]) -> Self {
                Self(bytes[0])
            }

            /// The value with this code.
            pub const fn from_be_bytes(bytes: [u8; 1]) -> Self {
                Self(bytes[0])
            }

            /// The value with this code.
            pub const fn from_ne_bytes(bytes: [u8; 1]) -> Self {
                Self(bytes[0])
            }
        }

        /// Exact.
        impl From<$name> for f32 {
            fn from(x: $name) -> Self {
                x.to_f32()
            }
        }

        /// Exact.
        impl From<$name> for f64 {
            fn from(x: $name) -> Self {
                x.to_f64()
            }
        }

        /// Exact.
        impl From<$name> for f16 {
            fn from(x: $name) -> Self {
                x.to_f16()
            }
        }

        /// Exact.
        impl From<$name> for bf16 {
            fn from(x: $name) -> Self {
                x.to_bf16()
            }
        }

        ops::arithmetic!($name);
        order::order!($name);
        text::text!($name);
        #[cfg(feature = "approx")]
        close::close!($name);
    )*};
}

float8! {
    F8E4M3FN E4M3FN finite "E4M3 of the OCP specification: max 448, no infinities."
    F8E5M2 E5M2 ieee "E5M2 of the OCP specification: max 57344."
    F8E3M4FN E3M4FN finite "E3M4 of arXiv 2309.14592: max 30, no infinities."
    F8E4M3 E4M3 ieee "The IEEE-like E4M3: max 240."
    F8E3M4 E3M4 ieee "The IEEE-like E3M4: max 15.5."
    F8E4M3FNUZ E4M3FNUZ fnuz "E4M3 with bias 8: max 240, no infinities, no negative zero."
    F8E5M2FNUZ E5M2FNUZ fnuz "E5M2 with bias 16: max 57344, no infinities, no negative zero."
    F8E4M3B11FNUZ E4M3B11FNUZ fnuz "E4M3 with bias 11: max 30, no infinities, no negative zero."
}
