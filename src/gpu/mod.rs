//! The GPU layer: plain data in, recorded dispatches out. It knows no operation.
//!
//! [`Schedule`] (what to bind and dispatch, checked against the limits of a device by us) becomes a `Program`
//! (pipelines, shared through a cache), which bound to tensors becomes a `Recording` (bind groups).

mod adapter;
mod capabilities;
mod memory;
mod program;
mod schedule;

pub(crate) use adapter::{Adapter, describe, find};
pub use capabilities::Capabilities;
pub(crate) use memory::{allocate, download, finish};
pub(crate) use program::{Edit, Pipelines, Program, Recording};
pub use schedule::{
    Binding, Dispatch, Footprint, Params, Schedule, Specialization, Stage, Tuning, Usage, bind,
};
