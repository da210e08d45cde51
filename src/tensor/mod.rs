//! Tensors: what they hold, how they lie in memory, where they live.
//!
//! | idea | type |
//! |---|---|
//! | one number of a tensor, and its scale | [`DType`], [`Element`] |
//! | shape and place of every element | [`Layout`] |
//! | a tensor in host memory | [`HostTensor`] |
//! | what sums with its numbers can be in f16 | [`Accumulation`] |
//! | a tensor where its context computes | [`DeviceTensor`] |
//! | one tensor of an operation | [`Operand`], [`Slot`] |

mod accumulation;
mod device;
mod element;
mod host;
mod layout;
mod operand;
mod repack;
pub mod rows;

pub use accumulation::{Accumulation, Activations, SumBound, SumBounds};
#[cfg(feature = "gpu")]
pub(crate) use device::Buffer;
pub use device::DeviceTensor;
pub(crate) use device::Storage;
pub use element::{DType, Element};
pub use host::HostTensor;
pub use layout::{Layout, TensorError};
pub use operand::{Access, Draw, Operand, Part, Slot, scales, values};
