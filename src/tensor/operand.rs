//! One tensor of an operation.

use super::{Element, Layout, TensorError};
use crate::{dtype::Overflow, scale::ScaleRule};
use std::fmt;

/// Who may touch a part of a tensor, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Only read.
    Read,
    /// Written whole, padding included; what was there does not matter.
    Write,
    /// Updated: read, then written.
    ReadWrite,
}

/// A tensor is up to two buffers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Part {
    /// The numbers, or their codes.
    Values,
    /// The record and the scales of an 8-bit tensor.
    Scales,
}

/// One buffer of an operation: a part of the operand with this role.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Slot {
    /// A part of an operand.
    Of(&'static str, Part),
    /// Scratch memory of the plan, by number.
    Workspace(u8),
}

/// The values of an operand.
pub const fn values(role: &'static str) -> Slot {
    Slot::Of(role, Part::Values)
}

/// The scales of an operand.
pub const fn scales(role: &'static str) -> Slot {
    Slot::Of(role, Part::Scales)
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Of(role, Part::Values) => write!(f, "values of `{role}`"),
            Self::Of(role, Part::Scales) => write!(f, "scales of `{role}`"),
            Self::Workspace(i) => write!(f, "workspace {i}"),
        }
    }
}

/// How tests and self-checks draw the values of an operand.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Draw {
    /// Around zero, both signs.
    Normal,
    /// The same, its scales never so large that sums of products of scaled numbers leave the range of f32.
    Moderate,
    /// Magnitudes that rise along each row and from row to row: what a maximum needs to be sensitive to the end.
    Rising,
    /// For strict data numbers 0 … 4 whose largest occurs once or twice in every beginning of a row, whatever is cut
    /// off its end: what is shared out among the largest is exact.
    Levels,
    /// For strict data zeros, then −Inf to the end of each row; otherwise numbers, then now and then −Inf.
    Hiding,
    /// Powers of two for strict data: what division by is exact.
    Powers,
    /// u32 below this; among special data some beyond.
    Below(u32),
    /// u32 from 0 to this, none below the one before, some of them alike; among special data some that fall, and some beyond.
    Offsets(u32),
    /// Blocks of `rows` × `cols` whose mean and variance are exact: over each, small integers have a power of two or
    /// zero for mean and a power of four for variance (but blocks of one and of three). Real-looking numbers deviate
    /// by 1 from means of 0, of 1 and of one so large that in its square, rounded to f32, a variance of 1 is lost.
    Balanced {
        /// Rows of a block.
        rows: u32,
        /// Columns of a block.
        cols: u32,
        /// Mean zero and scale 1, so that the sum of two such tensors is one too.
        beside: bool,
    },
    /// Above zero; small integers are powers of four.
    Positive,
}

/// One tensor of an operation: what validation, binding, errors, documentation, reference and tests share.
#[derive(Clone, Debug, PartialEq)]
pub struct Operand {
    /// Its name in arguments, errors and shaders.
    pub role: &'static str,
    /// Shape and elements.
    pub layout: Layout,
    /// What happens to its values.
    pub access: Access,
    /// What happens to its scales.
    pub scales: Access,
    /// How they follow from amax, where the operation finds them.
    pub rule: ScaleRule,
    /// What becomes of numbers beyond its largest code, where it is written.
    pub overflow: Overflow,
    /// The operand whose seed rounds its codes stochastically; to nearest even without one.
    pub seed: Option<&'static str>,
    /// The operand whose elements are moved here ([`moved_from`](Self::moved_from)).
    pub moved: Option<&'static str>,
    /// How tests draw it.
    pub draw: Draw,
}

impl Operand {
    /// An operand that is only read.
    ///
    /// # Errors
    /// As [`Layout::new`].
    pub fn read(role: &'static str, shape: impl Into<Vec<u32>>, e: Element) -> Result<Self, TensorError> {
        let layout = Layout::new(shape, e)?;
        Ok(Self {
            role,
            layout,
            access: Access::Read,
            scales: Access::Read,
            rule: ScaleRule::Amax,
            overflow: Overflow::Saturate,
            seed: None,
            moved: None,
            draw: Draw::Normal,
        })
    }

    /// An operand whose values are written whole. Its scales are given; amax and flags of its record are updated.
    ///
    /// # Errors
    /// As [`Layout::new`].
    pub fn write(role: &'static str, shape: impl Into<Vec<u32>>, e: Element) -> Result<Self, TensorError> {
        Ok(Self { access: Access::Write, scales: Access::ReadWrite, ..Self::read(role, shape, e)? })
    }

    /// An operand whose values are updated, all of them or some.
    ///
    /// # Errors
    /// As [`Layout::new`].
    pub fn update(role: &'static str, shape: impl Into<Vec<u32>>, e: Element) -> Result<Self, TensorError> {
        Ok(Self { access: Access::ReadWrite, ..Self::write(role, shape, e)? })
    }

    /// One that is read, its scales set anew by the operation; amax, flags and codes stay. The reference gives the scale of
    /// every group.
    #[must_use]
    pub fn rescaled(self) -> Self {
        Self { scales: Access::ReadWrite, ..self }
    }

    /// Whether nothing of it is written.
    pub(crate) fn is_read(&self) -> bool {
        self.access == Access::Read && self.scales == Access::Read
    }

    /// Whether nothing but its scales is set.
    pub(crate) fn is_rescaled(&self) -> bool {
        self.access == Access::Read && self.scales == Access::ReadWrite
    }

    /// The same, its scales found by the operation too, from amax by this rule.
    #[must_use]
    pub fn finds_scales(self, rule: ScaleRule) -> Self {
        Self { scales: Access::Write, rule, ..self }
    }

    /// The same, with another rule for numbers beyond its largest code.
    #[must_use]
    pub fn overflow(self, overflow: Overflow) -> Self {
        Self { overflow, ..self }
    }

    /// The same, rounded stochastically by the seed in the operand `role`: u32\[4\], the words of
    /// [`Philox`](crate::dtype::Philox); an element's index counts in row-major order.
    #[must_use]
    pub fn stochastic(self, role: &'static str) -> Self {
        Self { seed: Some(role), ..self }
    }

    /// The same, every element one of the operand `role`, bits and all. Scales and inverse scales go along; so do amax and
    /// flags, which were true of all of them: where fewer are taken, amax is an upper bound and a flag says what may be.
    /// The reference gives places, the index of each element in `role` in row-major order.
    #[must_use]
    pub fn moved_from(self, role: &'static str) -> Self {
        Self { moved: Some(role), scales: Access::Write, ..self }
    }

    /// The same, drawn otherwise by tests.
    #[must_use]
    pub fn draw(self, draw: Draw) -> Self {
        Self { draw, ..self }
    }

    /// Its buffers and what happens to each.
    pub fn parts(&self) -> impl Iterator<Item = (Part, Access)> + '_ {
        [(Part::Values, self.access), (Part::Scales, self.scales)]
            .into_iter()
            .filter(|(p, _)| self.layout.part_bytes(*p) > 0)
    }
}
