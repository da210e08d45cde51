//! Errors of the crate: one type per layer, all of them in [`Error`].

use crate::{
    ops::{DescriptorError, Refusal},
    scale::{CalibrationError, ScaleError},
    tensor::TensorError,
};

/// Anything that can go wrong.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The descriptor of an operation contradicts itself.
    #[error(transparent)]
    Descriptor(#[from] DescriptorError),
    /// A tensor that cannot be.
    #[error(transparent)]
    Tensor(#[from] TensorError),
    /// A scale that cannot be.
    #[error(transparent)]
    Scale(#[from] ScaleError),
    /// Numbers that give no range.
    #[error(transparent)]
    Calibration(#[from] CalibrationError),
    /// An argument does not fit the descriptor.
    #[error("{op}: `{role}`: expected {expected}, got {got}")]
    Argument {
        /// The operation.
        op: &'static str,
        /// The operand.
        role: &'static str,
        /// What the descriptor asks for.
        expected: String,
        /// What came.
        got: String,
    },
    /// No kernel takes this problem here; every kernel with its reason.
    #[error("{op}: no kernel takes this problem on {place}: {}", list(refusals))]
    Unsupported {
        /// The operation.
        op: &'static str,
        /// The adapter, or `cpu`.
        place: String,
        /// Kernels in table order, and why not.
        refusals: Vec<(&'static str, Refusal)>,
    },
    /// The device was made without a feature.
    #[error(
        "{what}: expected a device with {feature}, which `quarter::recommended` asks for, got one without"
    )]
    Feature {
        /// What needs it.
        what: &'static str,
        /// The feature.
        feature: &'static str,
    },
    /// A forced kernel that the operation does not have.
    #[error("{op}: expected one of the kernels {expected:?}, got `{got}`")]
    NoSuchKernel {
        /// The operation.
        op: &'static str,
        /// Kernels of this context.
        expected: Vec<&'static str>,
        /// The name asked for.
        got: String,
    },
    /// No adapter that would do.
    #[error("no GPU adapter: {0}")]
    NoAdapter(String),
    /// The adapter gave no device.
    #[error("no GPU device: {0}")]
    NoDevice(String),
    /// The device is lost; everything on it is gone.
    #[error("the GPU device is lost: {0}")]
    DeviceLost(String),
    /// Only the owner of a shared device can do this.
    #[error("{0}: a shared device: expected its owner to make it again and call `Context::from_wgpu`")]
    NotOwn(String),
    /// A shader or pipeline the driver does not take; lines are those of the named WGSL file.
    #[error("{kernel}: {message}")]
    Compile {
        /// Kernel id.
        kernel: String,
        /// The driver's or naga's message.
        message: String,
    },
    /// More memory than the device has, or than its limits allow in one buffer.
    #[error("{what}: {bytes} bytes are not to be had: {why}")]
    OutOfMemory {
        /// What it was for.
        what: String,
        /// Bytes asked for.
        bytes: u64,
        /// The limit or the driver's message.
        why: String,
    },
    /// A buffer of the caller's that cannot be a tensor.
    #[error("buffer of {what}: expected {expected}, got {got}")]
    Buffer {
        /// Which part of which tensor.
        what: String,
        /// What would do.
        expected: String,
        /// What came.
        got: String,
    },
    /// Any other complaint of wgpu.
    #[error("wgpu: {0}")]
    Wgpu(String),
    /// What needs a GPU was asked of the CPU backend; a plan there runs by `Context::run`.
    #[error("{0}: expected a context on a GPU, got the CPU backend")]
    NotOnGpu(String),
    /// A tensor, plan or bound of another context.
    #[error("{what}: belongs to another context; carry it over with download and upload")]
    WrongContext {
        /// The thing.
        what: String,
    },
    /// Host memory of a tensor is in use by another call on another thread.
    #[error("{slot}: in use by another call")]
    Busy {
        /// The buffer.
        slot: String,
    },
}

fn list(refusals: &[(&'static str, Refusal)]) -> String {
    let all: Vec<String> = refusals.iter().map(|(k, r)| format!("{k}: {r}")).collect();
    all.join("; ")
}
