//! Operations: each defined once, as data, in a file of its own; and the contract they keep.
//!
//! An operation is a descriptor that implements [`Operation`]. [`Context::plan`](crate::Context::plan) turns it into
//! a plan, a plan bound to tensors runs. Everything else (tests, benches, self-checks) walks [`OPERATIONS`].

mod activation;
#[cfg(feature = "gpu")]
pub mod binding;
mod concat;
mod dequantize;
mod expect;
mod gemm;
mod kinds;
mod moves;
mod operation;
pub(crate) mod permute;
#[cfg(feature = "gpu")]
mod pieces;
mod pool2d;
pub mod problem;
mod quantize;
mod real;
mod reduce;
mod slice;

pub use activation::Activation;
pub use concat::{Concat, ConcatArgs};
pub use dequantize::{Dequantize, DequantizeArgs};
pub use gemm::{Gemm, GemmArgs, Orientation};
pub use operation::{
    Arguments, Arithmetic, Body, Case, Cost, Data, DescriptorError, Inputs, Kernel, Operation, Outputs,
    Purpose, Refusal, Slots,
};
pub use permute::{Permute, PermuteArgs};
pub use pool2d::{Pool2d, Pool2dArgs, Pooling};
pub use problem::{Entry, KernelInfo, entry};
pub use quantize::{Quantize, QuantizeArgs, Rounding, Scaling};
pub use real::{Real, TINY, U};
pub use reduce::{Reduce, ReduceArgs};
pub use slice::{Indices, Slice, SliceArgs};

/// The registry. Nothing else enumerates operations.
pub static OPERATIONS: &[Entry] = &[
    // In the order of README's table.
    entry::<Quantize>(),
    entry::<Dequantize>(),
    entry::<Reduce>(),
    entry::<Gemm>(),
    entry::<Permute>(),
    entry::<Slice>(),
    entry::<Concat>(),
    entry::<Pool2d>(),
];
