//! What one element is.

use crate::{dtype::Format, scale::Granularity};
use std::fmt;

/// How one number is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DType {
    /// IEEE 754 binary32.
    F32,
    /// IEEE 754 binary16.
    F16,
    /// bfloat16: the upper half of a binary32.
    Bf16,
    /// A 32-bit unsigned integer: indices and seeds, not numbers to compute with.
    U32,
    /// An 8-bit float.
    F8(Format),
}

impl DType {
    /// Bytes per element.
    pub const fn bytes(self) -> u32 {
        match self {
            Self::F32 | Self::U32 => 4,
            Self::F16 | Self::Bf16 => 2,
            Self::F8(_) => 1,
        }
    }

    /// The 8-bit format, if it is one.
    pub const fn format(self) -> Option<Format> {
        match self {
            Self::F8(f) => Some(f),
            _ => None,
        }
    }
}

impl fmt::Display for DType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::F32 => f.write_str("f32"),
            Self::F16 => f.write_str("f16"),
            Self::Bf16 => f.write_str("bf16"),
            Self::U32 => f.write_str("u32"),
            Self::F8(x) => f.write_str(x.name()),
        }
    }
}

/// What one element of a tensor is: its number and, for 8-bit floats, how it is scaled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Element {
    dtype: DType,
    scaling: Option<Granularity>,
}

impl Element {
    /// IEEE 754 binary32.
    pub const F32: Self = Self { dtype: DType::F32, scaling: None };
    /// IEEE 754 binary16.
    pub const F16: Self = Self { dtype: DType::F16, scaling: None };
    /// bfloat16.
    pub const BF16: Self = Self { dtype: DType::Bf16, scaling: None };

    /// A 32-bit unsigned integer.
    pub const U32: Self = Self { dtype: DType::U32, scaling: None };

    /// An 8-bit float with scales; every 8-bit tensor has them, 1 where nobody scaled.
    pub const fn f8(format: Format, granularity: Granularity) -> Self {
        Self { dtype: DType::F8(format), scaling: Some(granularity) }
    }

    /// How the number is stored.
    pub const fn dtype(self) -> DType {
        self.dtype
    }

    /// How it is scaled.
    pub const fn scaling(self) -> Option<Granularity> {
        self.scaling
    }

    /// The 8-bit format, if it is one.
    pub const fn format(self) -> Option<Format> {
        self.dtype.format()
    }
}

impl fmt::Display for Element {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.scaling {
            Some(g) => write!(f, "{} scaled {g}", self.dtype),
            None => self.dtype.fmt(f),
        }
    }
}
