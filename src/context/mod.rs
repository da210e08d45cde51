//! Where tensors live and plans run: a GPU device, or the CPU backend.

mod builder;
#[cfg(feature = "gpu")]
mod gpu;
mod plans;
mod tensors;

pub use builder::{ContextBuilder, Fallback};
#[cfg(feature = "gpu")]
pub(crate) use gpu::Gpu;
pub(crate) use plans::Chosen;
#[cfg(feature = "gpu")]
pub use tensors::Readback;

use crate::{cpu::Threads, error::Error};
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

/// Tells contexts apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ContextId(u64);

impl ContextId {
    fn next() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

/// Where a context computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum On {
    /// A GPU device.
    Gpu,
    /// The CPU backend.
    Cpu,
}

/// A GPU device or the CPU backend: makes tensors, plans and runs. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Context(pub(crate) Arc<Inner>);

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) id: ContextId,
    pub(crate) backend: Backend,
    /// Fresh tensors hold NaN, so that a value nobody wrote is seen.
    poison: bool,
    /// How it was asked for.
    #[cfg(feature = "gpu")]
    builder: ContextBuilder,
}

#[derive(Debug)]
#[cfg_attr(feature = "gpu", allow(clippy::large_enum_variant))]
pub(crate) enum Backend {
    #[cfg(feature = "gpu")]
    Gpu(Gpu),
    Cpu {
        threads: Threads,
    },
}

impl Context {
    /// Choices before a context exists.
    pub fn builder() -> ContextBuilder {
        ContextBuilder::default()
    }

    /// The best GPU there is; an error if there is none.
    ///
    /// # Errors
    /// [`Error::NoAdapter`], [`Error::NoDevice`].
    #[cfg(feature = "gpu")]
    pub async fn request() -> Result<Self, Error> {
        Self::builder().request().await
    }

    /// [`request`](Self::request), blocking.
    ///
    /// # Errors
    /// As there.
    #[cfg(all(feature = "gpu", not(target_arch = "wasm32")))]
    pub fn request_blocking() -> Result<Self, Error> {
        Self::builder().request_blocking()
    }

    /// The CPU backend, on all threads of the machine; [`ContextBuilder::threads`] for another number.
    pub fn cpu() -> Self {
        Self::builder().cpu()
    }

    /// Where it computes.
    pub fn on(&self) -> On {
        match &self.0.backend {
            #[cfg(feature = "gpu")]
            Backend::Gpu(_) => On::Gpu,
            Backend::Cpu { .. } => On::Cpu,
        }
    }

    /// Adapter and driver, or `cpu` and its threads.
    pub fn name(&self) -> String {
        match &self.0.backend {
            #[cfg(feature = "gpu")]
            Backend::Gpu(g) => g.name.clone(),
            Backend::Cpu { threads } => format!("cpu ({} threads)", threads.get()),
        }
    }

    /// How often the host has waited for the device so far, by downloads and [`finish`](Self::finish): running, recording and
    /// whatever finds scales never does. 0 on the CPU backend, and of what a caller's own encoder copies.
    pub fn waits(&self) -> u64 {
        match &self.0.backend {
            #[cfg(feature = "gpu")]
            Backend::Gpu(g) => g.waits.load(Ordering::Relaxed),
            Backend::Cpu { .. } => 0,
        }
    }

    /// What the device can do; `None` on the CPU backend.
    #[cfg(feature = "gpu")]
    pub fn capabilities(&self) -> Option<&crate::gpu::Capabilities> {
        match &self.0.backend {
            Backend::Gpu(g) => Some(g.capabilities()),
            Backend::Cpu { .. } => None,
        }
    }

    /// The device and queue; `None` on the CPU backend.
    #[cfg(feature = "gpu")]
    pub fn wgpu(&self) -> Option<(&wgpu::Device, &wgpu::Queue)> {
        match &self.0.backend {
            Backend::Gpu(g) => Some((&g.device, &g.queue)),
            Backend::Cpu { .. } => None,
        }
    }

    /// How many pipelines this context has compiled: a second plan of a known kernel adds none.
    #[cfg(feature = "gpu")]
    pub fn pipelines_compiled(&self) -> usize {
        match &self.0.backend {
            Backend::Gpu(g) => g.pipelines.compiled(),
            Backend::Cpu { .. } => 0,
        }
    }

    pub(crate) fn owns(&self, id: ContextId, what: impl Fn() -> String) -> Result<(), Error> {
        if id == self.0.id { Ok(()) } else { Err(Error::WrongContext { what: what() }) }
    }
}
