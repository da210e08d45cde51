//! Elements that operations have in common to refuse.

use super::DescriptorError;
use crate::{
    scale::Granularity,
    tensor::{DType, Element},
};

/// Every one of these must be 1 or more.
pub(crate) fn expect_some(op: &'static str, all: &[(&'static str, u32)]) -> Result<(), DescriptorError> {
    match all.iter().find(|e| e.1 == 0) {
        Some((what, _)) => Err(DescriptorError::new(op, what, "1 or more", "0")),
        None => Ok(()),
    }
}

/// What operations read and write: numbers, not integers.
pub(crate) fn expect_number(op: &'static str, what: &'static str, e: Element) -> Result<(), DescriptorError> {
    match e.dtype() {
        got @ (DType::U32 | DType::Code8) => {
            Err(DescriptorError::new(op, what, "f32, f16, bf16 or an 8-bit float", got.to_string()))
        }
        _ => Ok(()),
    }
}

/// What is added to a variance.
pub(crate) fn expect_epsilon(op: &'static str, epsilon: f32) -> Result<(), DescriptorError> {
    if epsilon == 0.0 || epsilon.is_normal() && epsilon > 0.0 {
        return Ok(());
    }
    let expected = "0, or a number from 2^-126 to the largest f32";
    Err(DescriptorError::new(op, "epsilon", expected, epsilon.to_string()))
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
        got @ (DType::F8(_) | DType::Code8 | DType::U32) => {
            Err(DescriptorError::new(op, what, "f32, f16 or bf16", got.to_string()))
        }
    }
}

/// What products multiply: products of codes must be exact and normal in f32; codes of a codebook are numbers of f32.
pub(crate) fn expect_factor(op: &'static str, what: &'static str, e: Element) -> Result<(), DescriptorError> {
    if e.dtype() == DType::Code8 {
        return Ok(());
    }
    expect_number(op, what, e)?;
    let Some(f) = e.format().filter(|f| !f.is_f32_safe()) else { return Ok(()) };
    let expected = "a format whose products are exact and normal in f32: magnitudes in [2^-63, 2^64)";
    let got = format!("{f}, from {:e} to {:e}", f.min_positive_subnormal(), f.max());
    Err(DescriptorError::new(op, what, expected, got))
}

/// Numbers with one scale at most: a uniform, which costs no storage binding.
pub(crate) fn expect_per_tensor(
    op: &'static str,
    what: &'static str,
    e: Element,
) -> Result<(), DescriptorError> {
    match e.scaling() {
        None | Some(Granularity::PerTensor) => Ok(()),
        Some(g) => {
            let expected = "f32, f16, bf16, or an 8-bit format scaled per tensor";
            Err(DescriptorError::new(op, what, expected, g.to_string()))
        }
    }
}
