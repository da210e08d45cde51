//! What a format is: field widths, bias and which codes are special.

use std::fmt;
use std::str::FromStr;

/// How a format spends its special codes. The names follow the suffixes of `ml_dtypes` and LLVM.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Specials {
    /// As in IEEE 754: the top exponent holds the infinities and the NaNs. No suffix in the name.
    Ieee,
    /// *Finite, NaN*: no infinity; only the all-ones code of each sign is NaN.
    Fn,
    /// *Finite, NaN, unsigned zero*: no infinity, no negative zero; code `0x80` is the only NaN.
    Fnuz,
}

/// What becomes of a value too large for the format, infinities included. A NaN stays NaN in both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Overflow {
    /// The largest finite value of that sign: ONNX's default, CUDA's `SATFINITE`.
    #[default]
    Saturate,
    /// Infinity where the format has one, else NaN: the behaviour of `ml_dtypes`.
    Strict,
}

/// A signed 8-bit float format: one sign bit, then exponent, then mantissa.
///
/// A code with exponent field `e` and mantissa field `m` (of `M` bits) has the magnitude
/// `(1 + m/2^M) · 2^(e − bias)` when `e > 0`, and `m/2^M · 2^(1 − bias)` when `e = 0`,
/// unless [`Specials`] says it is an infinity or a NaN.
///
/// | format | max | min normal | min subnormal | NaN codes | infinities |
/// |---|---|---|---|---|---|
/// | [`E4M3FN`](Self::E4M3FN) | 448 | 2⁻⁶ | 2⁻⁹ | 7F FF | none |
/// | [`E5M2`](Self::E5M2) | 57344 | 2⁻¹⁴ | 2⁻¹⁶ | 7D–7F FD–FF | 7C FC |
/// | [`E3M4FN`](Self::E3M4FN) | 30 | 2⁻² | 2⁻⁶ | 7F FF | none |
/// | [`E4M3`](Self::E4M3) | 240 | 2⁻⁶ | 2⁻⁹ | 79–7F F9–FF | 78 F8 |
/// | [`E3M4`](Self::E3M4) | 15.5 | 2⁻² | 2⁻⁶ | 71–7F F1–FF | 70 F0 |
/// | [`E4M3FNUZ`](Self::E4M3FNUZ) | 240 | 2⁻⁷ | 2⁻¹⁰ | 80 | none |
/// | [`E5M2FNUZ`](Self::E5M2FNUZ) | 57344 | 2⁻¹⁵ | 2⁻¹⁷ | 80 | none |
/// | [`E4M3B11FNUZ`](Self::E4M3B11FNUZ) | 30 | 2⁻¹⁰ | 2⁻¹³ | 80 | none |
///
/// ```
/// use quarter::dtype::{Format, Overflow};
///
/// let f: Format = "e4m3fn".parse()?;
/// assert_eq!(f, Format::E4M3FN);
/// assert_eq!(f.max(), 448.0);
/// assert_eq!(f.encode(1.0e6, Overflow::Saturate), f.max_code());
/// # Ok::<(), quarter::dtype::ParseFormatError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Format {
    exp_bits: u8,
    man_bits: u8,
    bias: i16,
    specials: Specials,
}

impl Format {
    /// `E4M3` of the OCP 8-bit floating point specification; `float8_e4m3fn` in `ml_dtypes` and PyTorch.
    pub const E4M3FN: Self = Self::new(4, 3, 7, Specials::Fn);
    /// `E5M2` of the OCP specification; `float8_e5m2` in `ml_dtypes` and PyTorch.
    pub const E5M2: Self = Self::new(5, 2, 15, Specials::Ieee);
    /// The `E3M4` of arXiv 2309.14592, whose largest value is 30. Libraries call something else E3M4: see [`Self::E3M4`].
    pub const E3M4FN: Self = Self::new(3, 4, 3, Specials::Fn);
    /// The IEEE-like E4M3 with infinities, max 240; `float8_e4m3` in `ml_dtypes`.
    pub const E4M3: Self = Self::new(4, 3, 7, Specials::Ieee);
    /// The IEEE-like E3M4 with infinities, max 15.5; `float8_e3m4` in `ml_dtypes`.
    pub const E3M4: Self = Self::new(3, 4, 3, Specials::Ieee);
    /// E4M3 with bias 8 and no infinities; `float8_e4m3fnuz` in `ml_dtypes` and PyTorch.
    pub const E4M3FNUZ: Self = Self::new(4, 3, 8, Specials::Fnuz);
    /// E5M2 with bias 16 and no infinities; `float8_e5m2fnuz` in `ml_dtypes` and PyTorch.
    pub const E5M2FNUZ: Self = Self::new(5, 2, 16, Specials::Fnuz);
    /// E4M3 with bias 11 and no infinities; `float8_e4m3b11fnuz` in `ml_dtypes`.
    pub const E4M3B11FNUZ: Self = Self::new(4, 3, 11, Specials::Fnuz);

    /// Every format, in the order of the table above.
    pub const ALL: [Self; 8] = [
        Self::E4M3FN,
        Self::E5M2,
        Self::E3M4FN,
        Self::E4M3,
        Self::E3M4,
        Self::E4M3FNUZ,
        Self::E5M2FNUZ,
        Self::E4M3B11FNUZ,
    ];

    const fn new(exp_bits: u8, man_bits: u8, bias: i16, specials: Specials) -> Self {
        assert!(exp_bits + man_bits == 7);
        Self { exp_bits, man_bits, bias, specials }
    }

    /// Place in [`Self::ALL`].
    pub(super) const fn index(self) -> usize {
        let (mut i, key) = (0, self.key());
        while Self::ALL[i].key() != key {
            i += 1;
        }
        i
    }

    /// One number per format: `==` on structs is not const.
    const fn key(self) -> u32 {
        ((self.bias as u32) << 16) | ((self.man_bits as u32) << 8) | self.specials as u32
    }

    /// Width of the exponent field in bits.
    pub const fn exp_bits(self) -> u32 {
        self.exp_bits as u32
    }

    /// Width of the mantissa field in bits.
    pub const fn man_bits(self) -> u32 {
        self.man_bits as u32
    }

    /// What is subtracted from the exponent field.
    pub const fn bias(self) -> i32 {
        self.bias as i32
    }

    /// Which codes are infinities and NaNs.
    pub const fn specials(self) -> Specials {
        self.specials
    }

    /// Exponent of the smallest normal value, `1 − bias`; subnormals share it.
    pub(super) const fn min_exponent(self) -> i32 {
        1 - self.bias as i32
    }

    /// The lower-case name, as `ml_dtypes` writes it after `float8_`; `"e3m4fn"` is this crate's.
    pub const fn name(self) -> &'static str {
        const NAMES: [&str; 8] =
            ["e4m3fn", "e5m2", "e3m4fn", "e4m3", "e3m4", "e4m3fnuz", "e5m2fnuz", "e4m3b11fnuz"];
        NAMES[self.index()]
    }

    /// The positive code with all exponent bits set and an empty mantissa.
    const fn top_exponent(self) -> u8 {
        ((1 << self.exp_bits) - 1) << self.man_bits
    }

    /// Code of the largest finite value; with bit 7 set, of the smallest.
    pub const fn max_code(self) -> u8 {
        match self.specials {
            Specials::Ieee => self.top_exponent() - 1,
            Specials::Fn => 0x7E,
            Specials::Fnuz => 0x7F,
        }
    }

    /// Largest finite value.
    pub const fn max(self) -> f32 {
        self.decode(self.max_code())
    }

    /// Smallest positive normal value, `2^(1 − bias)`.
    pub const fn min_positive(self) -> f32 {
        self.decode(1 << self.man_bits)
    }

    /// Smallest positive value, `2^(1 − bias − man_bits)`.
    pub const fn min_positive_subnormal(self) -> f32 {
        self.decode(1)
    }

    /// The NaN code that encoding writes for a positive NaN: quiet where the format has several.
    pub const fn nan_code(self) -> u8 {
        match self.specials {
            Specials::Ieee => self.top_exponent() | (1 << (self.man_bits - 1)),
            Specials::Fn => 0x7F,
            Specials::Fnuz => 0x80,
        }
    }

    /// Code of positive infinity, where there is one.
    pub const fn infinity_code(self) -> Option<u8> {
        match self.specials {
            Specials::Ieee => Some(self.top_exponent()),
            Specials::Fn | Specials::Fnuz => None,
        }
    }

    /// Whether sign, exponent and mantissa lie alike in the codes of both.
    pub(crate) const fn shares_fields(self, other: Self) -> bool {
        self.exp_bits == other.exp_bits && self.man_bits == other.man_bits
    }

    /// The sign bit of a code.
    pub(crate) const fn sign_mask(self) -> u8 {
        0x80
    }

    /// Whether a code is NaN.
    pub const fn has_nan(self) -> bool {
        true
    }

    /// Whether `0x80` is a negative zero; in the FNUZ formats it is NaN.
    pub const fn has_negative_zero(self) -> bool {
        !matches!(self.specials, Specials::Fnuz)
    }

    /// Whether `code` is a NaN.
    pub const fn is_nan(self, code: u8) -> bool {
        match self.specials {
            Specials::Ieee => code & 0x7F > self.top_exponent(),
            Specials::Fn => code & 0x7F == 0x7F,
            Specials::Fnuz => code == 0x80,
        }
    }

    /// Whether `code` is an infinity of either sign.
    pub const fn is_infinite(self, code: u8) -> bool {
        matches!(self.specials, Specials::Ieee) && code & 0x7F == self.top_exponent()
    }

    /// Whether `code` is neither NaN nor infinity.
    pub const fn is_finite(self, code: u8) -> bool {
        code & 0x7F <= self.max_code() && !self.is_nan(code)
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl fmt::Debug for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.name().to_ascii_uppercase())
    }
}

/// The text names none of the formats.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown 8-bit float format {text:?}: expected one of {}", names())]
pub struct ParseFormatError {
    text: String,
}

fn names() -> String {
    Format::ALL.map(Format::name).join(", ")
}

/// Reads [`Format::name`] in either case.
///
/// # Errors
/// [`ParseFormatError`] when the text is no such name.
impl FromStr for Format {
    type Err = ParseFormatError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|f| f.name().eq_ignore_ascii_case(text))
            .ok_or_else(|| ParseFormatError { text: text.to_owned() })
    }
}
