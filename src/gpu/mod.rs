//! The GPU layer: plain data in, recorded dispatches out. It knows no operation.
//!
//! [`Schedule`] (what to bind and dispatch, checked against the limits of a device by us) becomes a `Program`
//! (pipelines, shared through a cache), which bound to tensors becomes a `Recording` (bind groups).

mod adapter;
mod capabilities;
mod memory;
mod probe;
mod program;
mod quirks;
mod schedule;

pub use adapter::recommended;
pub(crate) use adapter::{Adapter, describe, find};
pub use capabilities::Capabilities;
pub(crate) use memory::{Arrival, Source, allocate, copy_in, copy_out, download, finish, scopes};
pub use probe::Facts;
pub(crate) use probe::{can_probe, probe};
pub(crate) use program::{Edit, Pipelines, Program, Recording, Workspace};
pub(crate) use quirks::of as quirks_of;
pub use quirks::{QUIRKS, Quirk, Remedy};
pub use schedule::{
    Binding, DISPATCHES, Dispatch, Footprint, Params, Schedule, Specialization, Stage, Tuning, Usage, WINDOW,
    Window, bind,
};
