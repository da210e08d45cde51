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
    /// An 8-bit code whose number stands in the tensor's own table ([`Codebook`](crate::dtype::Codebook)).
    Code8,
}

impl DType {
    /// Bytes per element.
    pub const fn bytes(self) -> u32 {
        match self {
            Self::F32 | Self::U32 => 4,
            Self::F16 | Self::Bf16 => 2,
            Self::F8(_) | Self::Code8 => 1,
        }
    }

    /// The 8-bit format, if it is one.
    pub const fn format(self) -> Option<Format> {
        match self {
            Self::F8(f) => Some(f),
            _ => None,
        }
    }

    /// Whether elements are 8-bit codes, of a format or of a codebook.
    pub(crate) const fn is_coded(self) -> bool {
        matches!(self, Self::F8(_) | Self::Code8)
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
            Self::Code8 => f.write_str("code8"),
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

    /// An 8-bit code of the tensor's codebook, which lies behind its record.
    pub const CODE8: Self = Self { dtype: DType::Code8, scaling: Some(Granularity::PerTensor) };

    /// A 32-bit unsigned integer.
    pub const U32: Self = Self { dtype: DType::U32, scaling: None };

    /// An 8-bit float with scales; every 8-bit tensor has them, 1 where nobody scaled.
    pub const fn f8(format: Format, granularity: Granularity) -> Self {
        Self { dtype: DType::F8(format), scaling: Some(granularity) }
    }

    /// The same, for f32, f16 and bf16 with a record beside the values ([`crate::scale::Record`], scale 1) in which kernels
    /// that write keep amax and flags, as they do for 8-bit numbers: what quantises the tensor by its own amax need not read
    /// it twice. Other elements stay as they are.
    pub const fn observed(self) -> Self {
        match self.dtype {
            DType::F32 | DType::F16 | DType::Bf16 => Self { scaling: Some(Granularity::PerTensor), ..self },
            DType::U32 | DType::F8(_) | DType::Code8 => self,
        }
    }

    /// Whether it is f32, f16 or bf16 with a record.
    pub const fn is_observed(self) -> bool {
        matches!(self.dtype, DType::F32 | DType::F16 | DType::Bf16) && self.scaling.is_some()
    }

    /// The same without a record, where it is [`observed`](Self::observed): what reads the values has no need of it.
    pub const fn plain(self) -> Self {
        if self.is_observed() { Self { scaling: None, ..self } } else { self }
    }

    /// How the number is stored.
    pub const fn dtype(self) -> DType {
        self.dtype
    }

    /// How it is scaled; per tensor, by 1, where it is observed or its codes are those of a codebook.
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
            Some(_) if self.is_observed() => write!(f, "{} with amax", self.dtype),
            Some(_) if self.dtype == DType::Code8 => self.dtype.fmt(f),
            Some(g) => write!(f, "{} scaled {g}", self.dtype),
            None => self.dtype.fmt(f),
        }
    }
}
