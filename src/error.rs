//! Errors of the crate: one type per layer, all of them in [`Error`].

use crate::{
    dtype::CodebookError,
    ops::{DescriptorError, Refusal},
    scale::{CalibrationError, ScaleError},
    tensor::TensorError,
