//! Shape, and the place of every element.

use super::{DType, Element, Part};
use crate::{
    dtype::Format,
    scale::{self, Granularity, GroupMap, ScaleError, ScaleRule, Scales},
};
use std::fmt;

/// A tensor that cannot be.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum TensorError {
    /// A shape needs at least one axis, and every axis at least one index.
    #[error("shape: expected one or more axes, none of them 0, got {0:?}")]
    Shape(Vec<u32>),
    /// More elements, padding of rows included, or more words of scales than 32-bit indices can count.
    #[error(
        "shape: expected at most 2^32 - 1 elements, rows padded to 16 bytes, and words of scales, got {0:?}"
    )]
    TooLarge(Vec<u32>),
    /// The granularity asks for an axis that the shape does not have, or for an empty block.
    #[error("granularity: expected one that fits shape {shape:?}, got {granularity}")]
    Granularity {
        /// The shape.
        shape: Vec<u32>,
        /// The granularity that does not fit.
        granularity: Granularity,
    },
    /// An axis that the shape does not have.
    #[error("axis: expected below {}, for shape {shape:?}, got {axis}", shape.len())]
    Axis {
        /// The shape.
        shape: Vec<u32>,
        /// The axis asked for.
        axis: usize,
    },
    /// A number that will not do.
    #[error("{what}: expected {expected}, got {got}")]
    Number {
        /// The argument.
        what: &'static str,
        /// What would do.
        expected: &'static str,
        /// What came.
        got: f32,
    },
    /// As many numbers as the shape has elements are needed.
    #[error("{what}: expected {expected} elements, got {got}")]
    Length {
        /// The argument.
        what: &'static str,
        /// Elements of the shape.
        expected: u64,
        /// Elements given.
        got: u64,
    },
    /// Another kind of number was asked for.
    #[error("{what}: expected {expected}, got {got}")]
    Kind {
        /// The argument.
        what: &'static str,
        /// What would do.
        expected: &'static str,
        /// What came.
        got: DType,
    },
    /// MX blocks store powers of two.
    #[error("rule: expected one that gives powers of two, for scales {granularity}, got {rule:?}")]
    Rule {
        /// How scales were to follow from amax.
        rule: ScaleRule,
        /// The granularity.
        granularity: Granularity,
    },
    /// Scales of another granularity than the tensor's.
    #[error("scales: expected {expected}, got {got}")]
    Scales {
        /// The tensor's elements.
        expected: super::Element,
        /// The granularity of the scales.
        got: Granularity,
    },
    /// Codes of a codebook come with one, other elements without.
    #[error("scales: expected {expected}, for elements {element}")]
    Codebook {
        /// What would do.
        expected: &'static str,
        /// The tensor's elements.
        element: super::Element,
    },
    /// A NaN where no code means it.
    #[error("{what}: expected numbers, got NaN, which no code of the codebook means")]
    NoNan {
        /// The argument.
        what: &'static str,
    },
    /// Numbers stay where they are: as many of them, rows as long as before or without padding on both sides, and scales that
    /// need no shape.
    #[error(
        "reshape: expected as many elements in rows that lie alike, scaled per tensor if at all, got {to:?} for {from}"
    )]
    Reshape {
        /// Shape and elements.
        from: String,
        /// The shape asked for.
        to: Vec<u32>,
    },
    /// An output of a graph that no operation of it writes.
    #[error("output: expected a value of the graph that an operation writes or a tensor holds, got {0}")]
    Unused(String),
    /// Codes mean the same, a power of two aside, only where sign, exponent and mantissa lie alike.
    #[error("repack: expected a format with the fields of {from}, got {to}")]
    Repack {
        /// Format of the tensor.
        from: Format,
        /// The format asked for.
        to: Format,
    },
    /// A code that will not do.
    #[error("{what}: expected {expected}, got {code:#04x} of {got} at element {index}")]
    Code {
        /// The argument.
        what: &'static str,
        /// What would do.
        expected: &'static str,
        /// The kind of number.
        got: DType,
        /// The code.
        code: u8,
        /// Its place, in row-major order.
        index: u64,
    },
    /// A NaN where the format has none: no code could hold it.
    #[error("{what}: expected numbers, got NaN, which {format} cannot hold")]
    LostNan {
        /// The argument.
        what: &'static str,
        /// The format.
        format: Format,
    },
    /// A scale that cannot be.
    #[error(transparent)]
    Scale(#[from] ScaleError),
}

/// Words of the scales of such a tensor.
fn scales_words(element: Element, granularity: Granularity, groups: u64) -> u64 {
    match element.dtype() {
        DType::Code8 => scale::CODEBOOK_WORDS as u64,
        _ => scale::words_for(granularity, groups),
    }
}

/// Shape of a tensor and the place of every element.
///
/// Elements lie in row-major order, the last axis contiguous. A *row* is one run along the last axis; every row
/// starts at a multiple of 16 bytes, so that kernels load whole `vec4<u32>`. The bytes between the end of a row and
/// the start of the next are zero, in every tensor the crate writes: kernels may multiply them.
///
/// 8-bit codes therefore lie four to a word, lane 0 lowest. Scales are a second buffer ([`crate::scale::Scales`]).
///
/// ```
/// use quarter::{dtype::Format, scale::Granularity, tensor::{Element, Layout}};
/// let l = Layout::new([3, 5], Element::f8(Format::E4M3FN, Granularity::PerTensor))?;
/// assert_eq!((l.rows(), l.cols(), l.row_bytes(), l.values_bytes()), (3, 5, 16, 48));
/// # Ok::<(), quarter::tensor::TensorError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Layout {
    shape: Vec<u32>,
    element: Element,
}

impl Layout {
    /// # Errors
    /// [`TensorError`]: an empty shape or axis, a granularity that does not fit it, or too many elements.
    pub fn new(shape: impl Into<Vec<u32>>, element: Element) -> Result<Self, TensorError> {
        let shape = shape.into();
        if shape.is_empty() || shape.contains(&0) {
            return Err(TensorError::Shape(shape));
        }
        let countable = |n: u64| n <= u32::MAX.into();
        let (&cols, outer) = shape.split_last().expect("one or more axes");
        let padded = u64::from(cols).next_multiple_of(u64::from(16 / element.dtype().bytes()));
        let elements = outer.iter().try_fold(padded, |n, &d| n.checked_mul(d.into()));
        if !elements.is_some_and(countable) {
            return Err(TensorError::TooLarge(shape));
        }
        if let Some(granularity) = element.scaling() {
            match granularity.groups(&shape) {
                None => return Err(TensorError::Granularity { shape, granularity }),
                Some(groups) if !countable(scales_words(element, granularity, groups)) => {
                    return Err(TensorError::TooLarge(shape));
                }
                Some(_) => {}
            }
        }
        Ok(Self { shape, element })
    }

    /// Extents, outermost first.
    pub fn shape(&self) -> &[u32] {
        &self.shape
    }

    /// What one element is.
    pub fn element(&self) -> Element {
        self.element
    }

    /// Product of all extents but the last.
    pub fn rows(&self) -> u32 {
        self.shape[..self.shape.len() - 1].iter().product()
    }

    /// The last extent.
    pub fn cols(&self) -> u32 {
        self.shape[self.shape.len() - 1]
    }

    /// Number of elements.
    pub fn elements(&self) -> u64 {
        u64::from(self.rows()) * u64::from(self.cols())
    }

    /// Bytes from one row to the next, a multiple of 16.
    pub fn row_bytes(&self) -> u64 {
        (u64::from(self.cols()) * u64::from(self.element.dtype().bytes())).next_multiple_of(16)
    }

    /// Groups of four elements from one row to the next: the step of GPU kernels.
    #[cfg(feature = "gpu")]
    pub fn row_quads(&self) -> u32 {
        (self.row_bytes() / u64::from(4 * self.element.dtype().bytes())) as u32
    }

    /// Whether rows have no padding.
    pub(crate) fn is_dense(&self) -> bool {
        self.row_bytes() == u64::from(self.cols()) * u64::from(self.element.dtype().bytes())
    }

    /// Words from one row to the next.
    pub(crate) fn row_words(&self) -> usize {
        (self.row_bytes() / 4) as usize
    }

    /// Bytes of all values.
    pub fn values_bytes(&self) -> u64 {
        u64::from(self.rows()) * self.row_bytes()
    }

    /// Number of scales; 0 for unscaled elements.
    pub fn groups(&self) -> u64 {
        self.element.scaling().and_then(|g| g.groups(&self.shape)).unwrap_or(0)
    }

    /// Bytes of the scales; 0 for unscaled elements.
    pub fn scales_bytes(&self) -> u64 {
        self.element.scaling().map_or(0, |g| 4 * scales_words(self.element, g, self.groups()))
    }

    /// Bytes of one part.
    pub fn part_bytes(&self, part: Part) -> u64 {
        match part {
            Part::Values => self.values_bytes(),
            Part::Scales => self.scales_bytes(),
        }
    }

    /// The same shape with other elements.
    ///
    /// # Errors
    /// As [`Layout::new`].
    pub fn with(&self, element: Element) -> Result<Self, TensorError> {
        Self::new(self.shape.clone(), element)
    }

    /// The same numbers in the same places, in another shape.
    ///
    /// # Errors
    /// [`TensorError::Reshape`]: another number of elements; rows of another length, unless neither has padding; scales
    /// that are not per tensor, or per token of rows that stay. As [`Layout::new`].
    pub fn reshape(&self, shape: impl Into<Vec<u32>>) -> Result<Self, TensorError> {
        let to = Self::new(shape, self.element)?;
        let alike = to.cols() == self.cols() || (to.is_dense() && self.is_dense());
        let scaled = match self.element.scaling() {
            None | Some(Granularity::PerTensor) => true,
            Some(Granularity::PerToken) => to.cols() == self.cols(),
            Some(_) => to.shape == self.shape,
        };
        if to.elements() == self.elements() && alike && scaled {
            return Ok(to);
        }
        Err(TensorError::Reshape { from: self.to_string(), to: to.shape })
    }

    /// Which scale an element has; the same for all where there are none.
    pub fn group_map(&self) -> GroupMap {
        self.element.scaling().unwrap_or(Granularity::PerTensor).map(&self.shape)
    }

    /// The scales of such a tensor from the words of their buffer.
    ///
    /// # Panics
    /// If the tensor has no scales, or another number of words ([`scales_bytes`](Self::scales_bytes)): kernels are
    /// given the right ones.
    pub fn scales(&self, words: &[u32]) -> Scales {
        let granularity = self.element.scaling().expect("internal: scales of a tensor that has none");
        assert_eq!(4 * words.len() as u64, self.scales_bytes());
        Scales::from_words(granularity, self.groups() as usize, words.to_vec())
    }

    /// Whether such a tensor is what an operand asks for; where it is only read, a record beside plain numbers does no harm.
    pub(crate) fn serves(&self, o: &super::Operand) -> bool {
        *self == o.layout
            || (o.access == super::Access::Read
                && self.shape == o.layout.shape
                && self.element.plain() == o.layout.element)
    }

    pub(crate) fn expect_scales(&self, scales: &Scales) -> Result<(), TensorError> {
        let granularity = scales.granularity();
        let (expected, got) = (self.groups() as usize, scales.groups());
        if self.element.scaling() != Some(granularity) {
            return Err(TensorError::Scales { expected: self.element, got: granularity });
        }
        let coded = self.element.dtype() == DType::Code8;
        if coded != scales.has_codebook() {
            let expected = if coded { "a codebook" } else { "no codebook" };
            return Err(TensorError::Codebook { expected, element: self.element });
        }
        if self.element.is_observed() && scales.scale_of(0) != 1.0 {
            return Err(ScaleError::Observed(scales.scale_of(0)).into());
        }
        if got == expected { Ok(()) } else { Err(ScaleError::Count { expected, got, granularity }.into()) }
    }

    pub(crate) fn expect_len(&self, what: &'static str, got: usize) -> Result<(), TensorError> {
        if got as u64 == self.elements() {
            Ok(())
        } else {
            Err(TensorError::Length { what, expected: self.elements(), got: got as u64 })
        }
    }
}

impl fmt::Display for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} of {}", self.shape, self.element)
    }
}

impl fmt::Debug for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
