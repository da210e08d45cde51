//! Networks: layers that hold weights, and graphs of operations planned once per shape.
//!
//! A [`Layer`] records its operations into a [`Graph`]; [`Graph::compile`] plans and binds them all, with memory shared
//! between what does not meet; the [`Model`] that comes out runs in one pass and one submission, or in a pass of the
//! caller's. No mathematics of its own: everything is an operation of [`ops`](crate::ops).
//!
//! [`Precision`] says what becomes 8-bit: weights on the host when a layer is built, activations on the device before a product,
//! by the scales that its [`Recipe`] finds.

mod attention;
mod conv2d;
mod embedding;
mod graph;
mod linear;
mod norm;
mod precision;
pub mod ptq;
mod recipe;
mod sequential;

pub use attention::MultiHeadAttention;
pub use conv2d::Conv2d;
pub use embedding::Embedding;
pub use graph::{Graph, Model, Value};
pub use linear::Linear;
pub use norm::{BatchNorm2d, LayerNorm, RmsNorm, Statistics};
pub use precision::Precision;
pub use recipe::{Delay, Recipe};
pub use sequential::Sequential;

use crate::error::Error;

/// `Send + Sync`, but in browsers, where nothing of wgpu is.
#[cfg(not(target_arch = "wasm32"))]
pub trait Shareable: Send + Sync {}
#[cfg(not(target_arch = "wasm32"))]
impl<T: Send + Sync + ?Sized> Shareable for T {}
/// `Send + Sync`, but in browsers, where nothing of wgpu is.
#[cfg(target_arch = "wasm32")]
pub trait Shareable {}
#[cfg(target_arch = "wasm32")]
impl<T: ?Sized> Shareable for T {}

/// What holds weights on a device and says which operations they take part in.
pub trait Layer: Shareable {
    /// Records what it makes of `x`.
    ///
    /// # Errors
    /// [`Error::Descriptor`] and [`Error::Argument`] for an `x` that it does not take.
    fn record(&self, g: &mut Graph, x: Value) -> Result<Value, Error>;
}
