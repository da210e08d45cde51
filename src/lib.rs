#![cfg_attr(feature = "gpu", doc = include_str!("../README.md"))]
#![cfg_attr(
    not(feature = "gpu"),
    doc = "8-bit floats, and the CPU kernels that compute with them; GPU kernels come with the feature `gpu`."
)]
#![deny(clippy::print_stdout, clippy::print_stderr)]
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(target_endian = "big")]
compile_error!("quarter packs codes lowest lane first and casts words to bytes: little-endian targets only");

mod context;
pub mod dtype;
mod error;
mod plan;
#[cfg(feature = "gpu")]
mod profiler;
pub mod scale;
pub mod tensor;
mod trusted;
pub mod verify;

pub mod cpu;
#[cfg(feature = "gpu")]
pub mod gpu;
pub mod nn;
pub mod ops;
#[cfg(feature = "gpu")]
pub mod shader;

#[cfg(feature = "gpu")]
pub use context::Readback;
pub use context::{Context, ContextBuilder, Fallback, On};
pub use error::Error;
#[cfg(feature = "gpu")]
pub use gpu::recommended;
#[cfg(feature = "gpu")]
pub use plan::Workspace;
pub use plan::{AnyPlan, Bound, Choice, Plan, Planner};
#[cfg(feature = "gpu")]
pub use profiler::{Profiler, Timings};
#[cfg(feature = "gpu")]
pub use wgpu;
