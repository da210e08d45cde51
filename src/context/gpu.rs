//! The GPU behind a context: a device of our own, or a shared one.

use super::{Backend, Context};
use crate::{error::Error, gpu};
use std::sync::{Arc, Mutex, OnceLock, atomic::AtomicU64};

#[derive(Debug)]
pub(crate) struct Gpu {
    pub(crate) device: wgpu::Device,
    pub(crate) queue: wgpu::Queue,
    capabilities: gpu::Capabilities,
    /// What was measured, and the capabilities that follow.
    measured: OnceLock<(gpu::Facts, gpu::Capabilities)>,
    /// Never by f16, whatever was measured.
    exact_decode: bool,
    pub(crate) pipelines: gpu::Pipelines,
    pub(super) name: String,
    /// A device of our own is polled by us, and tells us when it is lost.
    pub(crate) own: bool,
    lost: Arc<Mutex<Option<String>>>,
    /// How often the host waited for the device.
    pub(super) waits: AtomicU64,
}

impl Gpu {
    pub(super) fn own(found: gpu::Adapter, exact_decode: bool, cache: Option<&[u8]>) -> Self {
        let lost = Arc::new(Mutex::new(None));
        let theirs = Arc::clone(&lost);
        found.device.set_device_lost_callback(move |reason, message| {
            if let Ok(mut l) = theirs.lock() {
                *l = Some(format!("{reason:?}: {message}"));
            }
        });
        let name = gpu::describe(&found.info);
        log::info!("quarter: computing on {name}");
        let pipelines = gpu::Pipelines::new(&found.device, cache);
        Self {
            device: found.device,
            queue: found.queue,
            capabilities: found.capabilities,
            measured: OnceLock::new(),
            exact_decode,
            pipelines,
            name,
            own: true,
            lost,
            waits: AtomicU64::new(0),
        }
    }

    pub(super) fn shared(
        adapter: &wgpu::Adapter,
        device: &wgpu::Device,
        queue: &wgpu::Queue,
        exact_decode: bool,
        cache: Option<&[u8]>,
    ) -> Self {
        let info = adapter.get_info();
        let capabilities = gpu::Capabilities {
            features: device.features(),
            limits: device.limits(),
            software: info.device_type == wgpu::DeviceType::Cpu,
            f16_decode: false,
        };
        Self {
            device: device.clone(),
            queue: queue.clone(),
            capabilities,
            measured: OnceLock::new(),
            exact_decode,
            pipelines: gpu::Pipelines::new(device, cache),
            name: gpu::describe(&info),
            own: false,
            lost: Arc::default(),
            waits: AtomicU64::new(0),
        }
    }

    /// What the device can do, as far as it is known.
    pub(crate) fn capabilities(&self) -> &gpu::Capabilities {
        self.measured.get().map_or(&self.capabilities, |m| &m.1)
    }

    /// An error once the device is lost.
    pub(crate) fn alive(&self) -> Result<(), Error> {
        match self.lost.lock().ok().and_then(|l| l.clone()) {
            Some(why) => Err(Error::DeviceLost(why)),
            None => Ok(()),
        }
    }

    /// The result, or the loss of the device where that is why it failed: wgpu reports a loss as whatever failed first.
    pub(crate) fn explain<T>(&self, result: Result<T, Error>) -> Result<T, Error> {
        if result.is_err() {
            if self.own {
                // Its callbacks run here.
                let _ = self.device.poll(wgpu::PollType::Poll);
            }
            self.alive()?;
        }
        result
    }
}

impl Context {
    /// The caller's own device, for renderers and engines: tensors are buffers of that device, and
    /// [`Bound::encode`](crate::Bound::encode) records into the caller's passes. [`recommended`](crate::recommended)
    /// says what to ask for when making it.
    ///
    /// No hook is installed on it, and it is polled by nobody but its owner: an awaited
    /// [`download`](Self::download) resolves when the owner polls. (The blocking twin polls, since it was asked to
    /// block.) What the device does with numbers is not measured before [`verify`](Self::verify) is called; until then
    /// kernels decode by integers, which is right everywhere. When the device is lost, its owner says so by
    /// [`device_lost`](Self::device_lost). Options, a pipeline cache among them, by
    /// [`ContextBuilder::from_wgpu`](crate::ContextBuilder::from_wgpu).
    pub fn from_wgpu(adapter: &wgpu::Adapter, device: &wgpu::Device, queue: &wgpu::Queue) -> Self {
        Self::builder().from_wgpu(adapter, device, queue)
    }

    /// Tells a context on a shared device that the device is lost: the device has one slot for such a callback, and
    /// that is its owner's. Every later call returns [`Error::DeviceLost`].
    pub fn device_lost(&self, reason: impl Into<String>) {
        if let Backend::Gpu(g) = &self.0.backend
            && let Ok(mut lost) = g.lost.lock()
        {
            *lost = Some(reason.into());
        }
    }

    /// A new context as this one was asked for, with a new device where it had one of its own: what to do after
    /// [`Error::DeviceLost`]. Tensors and plans of the old one stay with it.
    ///
    /// # Errors
    /// As [`request`](Self::request); [`Error::NotOwn`] for a shared device, which is its owner's to make again.
    pub async fn recreate(&self) -> Result<Self, Error> {
        match &self.0.backend {
            Backend::Gpu(g) if !g.own => Err(Error::NotOwn(g.name.clone())),
            Backend::Gpu(_) => self.0.builder.clone().request().await,
            Backend::Cpu { .. } => Ok(self.0.builder.clone().cpu()),
        }
    }

    /// Measures what the device does with numbers, once: kernels planned afterwards may take faster ways that are only
    /// right where the device is. A device of our own is measured when the context is made; a shared one only here and
    /// in [`self_check`](Self::self_check), since it takes a submission and a wait. `None` on the CPU backend, and where limits leave no room for it.
    ///
    /// # Errors
    /// [`Error::Compile`], [`Error::DeviceLost`], [`Error::OutOfMemory`].
    pub async fn verify(&self) -> Result<Option<gpu::Facts>, Error> {
        self.measure(false).await
    }

    /// `drive`: poll even a shared device.
    pub(crate) async fn measure(&self, drive: bool) -> Result<Option<gpu::Facts>, Error> {
        let Backend::Gpu(g) = &self.0.backend else { return Ok(None) };
        g.alive()?;
        if let Some((facts, _)) = g.measured.get() {
            return Ok(Some(*facts));
        }
        if !gpu::can_probe(&g.capabilities) {
            return Ok(None);
        }
        let facts = gpu::probe(&g.device, &g.queue, &g.pipelines, g.own || drive).await;
        let facts = g.explain(facts)?;
        let known = gpu::quirks_of(&g.name).iter().any(|q| q.remedy == gpu::Remedy::ExactDecode);
        let f16_decode = facts.f16_decode && !known && !g.exact_decode;
        let capabilities = gpu::Capabilities { f16_decode, ..g.capabilities.clone() };
        // Another thread may have measured the same.
        let _ = g.measured.set((facts, capabilities));
        Ok(Some(facts))
    }

    /// Everything compiled so far as bytes, for [`ContextBuilder::pipeline_cache`](crate::ContextBuilder::pipeline_cache)
    /// of a later run; `None` where the driver has no such cache.
    pub fn pipeline_cache_data(&self) -> Option<Vec<u8>> {
        match &self.0.backend {
            Backend::Gpu(g) => g.pipelines.data(),
            Backend::Cpu { .. } => None,
        }
    }
}
