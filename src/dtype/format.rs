//! What a format is: sign, field widths, bias and which codes are special.

/// How a format spends its special codes. The names follow the suffixes of `ml_dtypes` and LLVM.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Specials {
    /// As in IEEE 754: the top exponent holds the infinities and the NaNs. No suffix in the name.
    Ieee,
    /// *Finite, NaN*: no infinity; only the all-ones code of each sign is NaN.
    Fn,
    /// *Finite, NaN, unsigned zero*: no infinity, no negative zero; the sign bit alone (`0x80`) is the only NaN.
    Fnuz,
    /// All codes are numbers: no infinity, no NaN. The formats of OCP's microscaling (MX) elements below 8 bits.
    None,
}

/// What becomes of a value too large for the format, infinities included. A NaN stays NaN in both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Overflow {
    /// The largest finite value of that sign: ONNX's default, CUDA's `SATFINITE`.
    #[default]
    Saturate,
    /// Infinity where the format has one, else NaN: the behaviour of `ml_dtypes`. Saturates where it has neither.
    Strict,
}

/// A float format of 2 to 8 bits: a sign bit if it is signed, then exponent, then mantissa, right-aligned in a byte.
///
/// A code with exponent field `e` and mantissa field `m` (of `M` bits) has the magnitude
/// `(1 + m/2^M) · 2^(e − bias)` when `e > 0`, and `m/2^M · 2^(1 − bias)` when `e = 0`,
/// unless [`Specials`] says it is an infinity or a NaN. Bits above the format's are zero.
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
/// | [`E2M3FN`](Self::E2M3FN), 6 bits | 7.5 | 1 | 2⁻³ | none | none |
/// | [`E3M2FN`](Self::E3M2FN), 6 bits | 28 | 2⁻² | 2⁻⁴ | none | none |
/// | [`E2M1FN`](Self::E2M1FN), 4 bits | 6 | 1 | 2⁻¹ | none | none |
/// | [`signed`](Self::signed), [`unsigned`](Self::unsigned) | any | | | | |
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
    signed: bool,
}

/// A format that cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FormatError {
    /// A code is a byte at most.
    #[error("bits: expected 2 to 8, the sign among them, got {0}")]
    Bits(u32),
    /// Without an exponent there is nothing that floats.
    #[error("exp_bits: expected 1 or more, got {0}")]
    ExpBits(u32),
    /// The special codes leave no normal number, or need a bit that is not there.
    #[error("specials: expected {expected}, got {got:?}")]
    Specials {
        /// What is missing.
        expected: &'static str,
        /// What was asked for.
        got: Specials,
    },
    /// All values, and half the smallest, must be normal numbers of f32, so that they are the same on every machine.
    #[error("bias: expected {min} to {max} for these fields, got {got}")]
    Bias {
        /// Lowest that keeps the largest value below 2¹²⁸.
        min: i32,
        /// Highest that keeps the smallest value at 2⁻¹²⁵ or above.
        max: i32,
        /// What was asked for.
        got: i32,
    },
}

impl Format {
    /// `E4M3` of the OCP 8-bit floating point specification; `float8_e4m3fn` in `ml_dtypes` and PyTorch.
    pub const E4M3FN: Self = Self::known(4, 3, 7, Specials::Fn);
    /// `E5M2` of the OCP specification; `float8_e5m2` in `ml_dtypes` and PyTorch.
    pub const E5M2: Self = Self::known(5, 2, 15, Specials::Ieee);
    /// The `E3M4` of arXiv 2309.14592, whose largest value is 30. Libraries call something else E3M4: see [`Self::E3M4`].
    pub const E3M4FN: Self = Self::known(3, 4, 3, Specials::Fn);
    /// The IEEE-like E4M3 with infinities, max 240; `float8_e4m3` in `ml_dtypes`.
    pub const E4M3: Self = Self::known(4, 3, 7, Specials::Ieee);
    /// The IEEE-like E3M4 with infinities, max 15.5; `float8_e3m4` in `ml_dtypes`.
    pub const E3M4: Self = Self::known(3, 4, 3, Specials::Ieee);
    /// E4M3 with bias 8 and no infinities; `float8_e4m3fnuz` in `ml_dtypes` and PyTorch.
    pub const E4M3FNUZ: Self = Self::known(4, 3, 8, Specials::Fnuz);
    /// E5M2 with bias 16 and no infinities; `float8_e5m2fnuz` in `ml_dtypes` and PyTorch.
    pub const E5M2FNUZ: Self = Self::known(5, 2, 16, Specials::Fnuz);
    /// E4M3 with bias 11 and no infinities; `float8_e4m3b11fnuz` in `ml_dtypes`.
    pub const E4M3B11FNUZ: Self = Self::known(4, 3, 11, Specials::Fnuz);

    /// The 6-bit E2M3 of OCP's MX formats; `float6_e2m3fn` in `ml_dtypes`.
    pub const E2M3FN: Self = Self::known(2, 3, 1, Specials::None);
    /// The 6-bit E3M2 of OCP's MX formats; `float6_e3m2fn` in `ml_dtypes`.
    pub const E3M2FN: Self = Self::known(3, 2, 3, Specials::None);
    /// The 4-bit E2M1 of OCP's MX formats; `float4_e2m1fn` in `ml_dtypes`. One code to a byte here.
    pub const E2M1FN: Self = Self::known(2, 1, 1, Specials::None);

    /// Every signed 8-bit format with a name, in the order of the table above.
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

    const fn known(exp_bits: u32, man_bits: u32, bias: i32, specials: Specials) -> Self {
        match Self::signed(exp_bits, man_bits, bias, specials) {
            Ok(f) => f,
            Err(_) => panic!("internal: a format of this table that cannot be"),
        }
    }

    /// A format with a sign bit, of `1 + exp_bits + man_bits` bits.
    ///
    /// # Errors
    /// [`FormatError`] for a width outside 2 to 8 bits, a format without a normal number, and a bias that takes values
    /// out of the normal range of f32.
    ///
    /// ```
    /// use quarter::dtype::{Format, Specials};
    /// let f = Format::signed(3, 2, 5, Specials::Fn)?; // 6 bits
    /// assert_eq!((f.name(), f.max(), f.max_code()), ("e3m2b5fn", 6.0, 0x1E));
    /// assert_eq!("e3m2b5fn".parse(), Ok(f));
    /// assert_eq!(Format::signed(4, 3, 7, Specials::Fn)?, Format::E4M3FN);
    /// # Ok::<(), quarter::dtype::FormatError>(())
    /// ```
    pub const fn signed(
        exp_bits: u32,
        man_bits: u32,
        bias: i32,
        specials: Specials,
    ) -> Result<Self, FormatError> {
        Self::new(true, exp_bits, man_bits, bias, specials)
    }

    /// A format without a sign bit, of `exp_bits + man_bits` bits: twice the values for what is never negative.
    ///
    /// # Errors
    /// As [`signed`](Self::signed); also for [`Specials::Fnuz`], whose NaN is a sign bit.
    pub const fn unsigned(
        exp_bits: u32,
        man_bits: u32,
        bias: i32,
        specials: Specials,
    ) -> Result<Self, FormatError> {
        Self::new(false, exp_bits, man_bits, bias, specials)
    }

    const fn new(
        signed: bool,
        exp_bits: u32,
        man_bits: u32,
        bias: i32,
        specials: Specials,
    ) -> Result<Self, FormatError> {
        let bits = exp_bits.saturating_add(man_bits).saturating_add(signed as u32);
        if bits < 2 || bits > 8 {
            return Err(FormatError::Bits(bits));
        }
        if exp_bits == 0 {
            return Err(FormatError::ExpBits(exp_bits));
        }
        let expected = match specials {
            Specials::Ieee if man_bits == 0 => "a mantissa bit, which IEEE's NaN needs",
            Specials::Ieee if exp_bits == 1 => "two exponent bits, since IEEE's specials take one exponent",
            Specials::Fn if exp_bits + man_bits == 1 => "a code beside zero and NaN",
            Specials::Fnuz if !signed => "a sign, which is the NaN of FNUZ",
            _ => "",
        };
        if !expected.is_empty() {
            return Err(FormatError::Specials { expected, got: specials });
        }
        let (exp_bits, man_bits) = (exp_bits as u8, man_bits as u8);
        let f = Self { exp_bits, man_bits, bias: 0, specials, signed };
        // The exponent field of the largest value.
        let (min, max) = ((f.max_code() >> man_bits) as i32 - 127, 126 - man_bits as i32);
        if bias < min || bias > max {
            return Err(FormatError::Bias { min, max, got: bias });
        }
        Ok(Self { bias: bias as i16, ..f })
    }

    /// Whether there is a sign bit.
    pub const fn is_signed(self) -> bool {
        self.signed
    }

    /// Width of a code in bits, the sign among them.
    pub const fn bits(self) -> u32 {
        self.magnitude_bits() + self.signed as u32
    }

    /// Width of exponent and mantissa: the place of the sign.
    pub const fn magnitude_bits(self) -> u32 {
        self.exp_bits() + self.man_bits()
    }

    /// Exponent and mantissa of a code.
    pub(crate) const fn magnitude_mask(self) -> u8 {
        ((1u32 << self.magnitude_bits()) - 1) as u8
    }

    /// The sign bit of a code; 0 where there is none.
    pub(crate) const fn sign_mask(self) -> u8 {
        if self.signed { 1 << self.magnitude_bits() } else { 0 }
    }

    /// All bits of a code.
    pub(crate) const fn code_mask(self) -> u8 {
        self.magnitude_mask() | self.sign_mask()
    }

    /// Whether sign, exponent and mantissa lie alike in the codes of both.
    pub(crate) const fn shares_fields(self, other: Self) -> bool {
        self.exp_bits == other.exp_bits && self.man_bits == other.man_bits && self.signed == other.signed
    }

    /// Whether every product of two values of such formats is exact and, but for zero, a normal number in f32: all
    /// magnitudes lie in [2⁻⁶³, 2⁶⁴). Others are refused in matrix products and by stochastic rounding.
    pub const fn is_f32_safe(self) -> bool {
        let top = (self.max_code() >> self.man_bits) as i32 - self.bias();
        self.min_exponent() - self.man_bits as i32 >= -63 && top <= 63
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

    /// The positive code with all exponent bits set and an empty mantissa.
    const fn top_exponent(self) -> u8 {
        (((1u32 << self.exp_bits) - 1) << self.man_bits) as u8
    }

    /// Code of the largest finite value; with the sign bit set, of the smallest.
    pub const fn max_code(self) -> u8 {
        match self.specials {
            Specials::Ieee => self.top_exponent() - 1,
            Specials::Fn => self.magnitude_mask() - 1,
            Specials::Fnuz | Specials::None => self.magnitude_mask(),
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

    /// The code that encoding writes for a positive NaN: quiet where the format has several, 0 where it has none.
    pub const fn nan_code(self) -> u8 {
        match self.specials {
            Specials::Ieee => self.top_exponent() | (1 << (self.man_bits - 1)),
            Specials::Fn => self.magnitude_mask(),
            Specials::Fnuz => self.sign_mask(),
            Specials::None => 0,
        }
    }

    /// Code of positive infinity, where there is one.
    pub const fn infinity_code(self) -> Option<u8> {
        match self.specials {
            Specials::Ieee => Some(self.top_exponent()),
            Specials::Fn | Specials::Fnuz | Specials::None => None,
        }
    }

    /// Whether a code is NaN.
    pub const fn has_nan(self) -> bool {
        !matches!(self.specials, Specials::None)
    }

    /// Whether the sign bit alone is a negative zero; in the FNUZ formats it is NaN, unsigned formats have none.
    pub const fn has_negative_zero(self) -> bool {
        self.signed && !matches!(self.specials, Specials::Fnuz)
    }

    /// Whether `code` is a NaN.
    pub const fn is_nan(self, code: u8) -> bool {
        let magnitude = code & self.magnitude_mask();
        match self.specials {
            Specials::Ieee => magnitude > self.top_exponent(),
            Specials::Fn => magnitude == self.magnitude_mask(),
            Specials::Fnuz => code & self.code_mask() == self.sign_mask(),
            Specials::None => false,
        }
    }

    /// Whether `code` is an infinity of either sign.
    pub const fn is_infinite(self, code: u8) -> bool {
        matches!(self.specials, Specials::Ieee) && code & self.magnitude_mask() == self.top_exponent()
    }

    /// Whether `code` is neither NaN nor infinity.
    pub const fn is_finite(self, code: u8) -> bool {
        code & self.magnitude_mask() <= self.max_code() && !self.is_nan(code)
    }
}
