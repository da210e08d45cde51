//! Operations: each defined once, as data, in a file of its own; and the contract they keep.
//!
//! An operation is a descriptor that implements [`Operation`]. [`Context::plan`](crate::Context::plan) turns it into
//! a plan, a plan bound to tensors runs. Everything else (tests, benches, self-checks) walks [`OPERATIONS`].

mod activation;
mod binary;
#[cfg(feature = "gpu")]
pub mod binding;
mod concat;
mod conv1d;
mod conv2d;
mod conv_transpose2d;
mod delayed_scale;
mod dequantize;
mod embedding;
mod embedding_bag;
mod encode;
mod expect;
mod gated;
mod gemm;
mod kinds;
mod moves;
mod norm;
mod operation;
pub(crate) mod permute;
#[cfg(feature = "gpu")]
mod pieces;
mod pool2d;
pub mod problem;
mod quantize;
mod real;
mod reduce;
mod rope;
mod slice;
mod softmax;
mod unary;
mod upsample2d;

pub use activation::Activation;
pub use binary::{Binary, BinaryArgs, BinaryOp};
pub use concat::{Concat, ConcatArgs};
pub use conv_transpose2d::{ConvTranspose2d, ConvTranspose2dArgs};
pub use conv1d::{Conv1d, Conv1dArgs, Sequences};
pub use conv2d::{Conv2d, Conv2dArgs, Images};
pub use delayed_scale::{AmaxOf, DelayedScale, DelayedScaleArgs};
pub use dequantize::{Dequantize, DequantizeArgs};
pub use embedding::{Embedding, EmbeddingArgs};
pub use embedding_bag::{BagMode, Bags, EmbeddingBag, EmbeddingBagArgs};
pub use encode::{Coding, Encode, EncodeArgs};
pub(crate) use expect::{expect_epsilon, expect_number, unscaled};
pub use gated::{Gated, GatedArgs, Halves};
pub use gemm::{Gemm, GemmArgs, Orientation};
pub use norm::{
    BatchNorm, BatchNormArgs, GroupNorm, GroupNormArgs, InstanceNorm, InstanceNormArgs, LayerNorm,
    LayerNormArgs, RmsNorm, RmsNormArgs,
};
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
pub use rope::{Angles, Positions, Rope, RopeArgs};
pub use slice::{Indices, Slice, SliceArgs};
pub use softmax::{Causal, Softmax, SoftmaxArgs};
pub use unary::{Unary, UnaryArgs};
pub use upsample2d::{Interpolation, Upsample2d, Upsample2dArgs};

/// The registry. Nothing else enumerates operations.
pub static OPERATIONS: &[Entry] = &[
    // In the order of README's table.
    entry::<Quantize>(),
    entry::<Dequantize>(),
    entry::<Encode>(),
    entry::<Reduce>(),
    entry::<DelayedScale>(),
    entry::<Gemm>(),
    entry::<Conv2d>(),
    entry::<Conv1d>(),
    entry::<ConvTranspose2d>(),
    entry::<LayerNorm>(),
    entry::<RmsNorm>(),
    entry::<BatchNorm>(),
    entry::<GroupNorm>(),
    entry::<InstanceNorm>(),
    entry::<Softmax>(),
    entry::<Rope>(),
    entry::<Embedding>(),
    entry::<EmbeddingBag>(),
    entry::<Binary>(),
    entry::<Unary>(),
    entry::<Gated>(),
    entry::<Pool2d>(),
    entry::<Upsample2d>(),
    entry::<Permute>(),
    entry::<Slice>(),
    entry::<Concat>(),
];
