//! A tensor where its context computes.

use super::{Layout, Part};
use std::sync::{Arc, RwLock};

/// The memory of one part of a tensor.
#[derive(Clone, Debug)]
pub(crate) enum Storage {
    /// A GPU buffer, used from its start.
    #[cfg(feature = "gpu")]
    Buffer(wgpu::Buffer),
    /// Host memory, of a tensor on the CPU backend.
    Host(Arc<RwLock<Vec<u32>>>),
}

impl Storage {
    pub(crate) fn same(&self, other: &Self) -> bool {
        match (self, other) {
            #[cfg(feature = "gpu")]
            (Self::Buffer(a), Self::Buffer(b)) => a == b,
            (Self::Host(a), Self::Host(b)) => Arc::ptr_eq(a, b),
            #[cfg(feature = "gpu")]
            _ => false,
        }
    }
}

/// A tensor where its context computes: GPU buffers, or host memory on the CPU backend.
///
/// Cloning is cheap and shares the memory. Made by [`Context::upload`](crate::Context::upload) and
/// [`Context::empty`](crate::Context::empty).
#[derive(Clone, Debug)]
pub struct DeviceTensor {
    pub(crate) layout: Layout,
    pub(crate) values: Storage,
    pub(crate) scales: Option<Storage>,
    pub(crate) context: crate::context::ContextId,
}

impl DeviceTensor {
    /// Shape and elements.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    pub(crate) fn part(&self, part: Part) -> Option<&Storage> {
        match part {
            Part::Values => Some(&self.values),
            Part::Scales => self.scales.as_ref(),
        }
    }
}
