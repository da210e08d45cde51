//! Elements that operations have in common to refuse.

use super::DescriptorError;
use crate::{
    scale::Granularity,
    tensor::{DType, Element},
};

/// What operations read: numbers, not integers.
pub(crate) fn expect_number(op: &'static str, what: &'static str, e: Element) -> Result<(), DescriptorError> {
    match e.dtype() {
        DType::U32 => Err(DescriptorError::new(op, what, "f32, f16, bf16 or an 8-bit float", "u32")),
        _ => Ok(()),
    }
}

/// What they write: numbers, their scales not in blocks yet.
pub(crate) fn expect_computed(
    op: &'static str,
    what: &'static str,
    e: Element,
) -> Result<(), DescriptorError> {
    expect_number(op, what, e)?;
    match e.scaling() {
        Some(g @ Granularity::PerBlock { .. }) => Err(DescriptorError::new(
            op,
            what,
            "scales per tensor, per channel or per token",
            format!("{g}: block scales are read, no kernel writes them yet"),
        )),
        _ => Ok(()),
    }
}

/// An unscaled kind as an element.
pub(crate) fn unscaled(
    op: &'static str,
    what: &'static str,
    dtype: DType,
) -> Result<Element, DescriptorError> {
    match dtype {
        DType::F32 => Ok(Element::F32),
        DType::F16 => Ok(Element::F16),
        DType::Bf16 => Ok(Element::BF16),
        got @ (DType::F8(_) | DType::U32) => {
            Err(DescriptorError::new(op, what, "f32, f16 or bf16", got.to_string()))
        }
    }
}
