//! Choices before a context exists.

#[cfg(feature = "gpu")]
use super::Gpu;
use super::{Backend, Context, ContextId, Inner};
use crate::cpu::Threads;
#[cfg(feature = "gpu")]
use crate::{error::Error, gpu};
use std::sync::Arc;

/// What to do when there is no GPU. Never decided silently: a fallback is logged, and [`Context::on`] tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Fallback {
    /// Fail.
    #[default]
    Never,
    /// Use the CPU backend when no adapter would do.
    NoAdapter,
}

/// Choices before a context exists.
///
/// ```
/// # #[cfg(feature = "gpu")] {
/// use quarter::{Context, Fallback};
/// let ctx = Context::builder().fallback(Fallback::NoAdapter).request_blocking()?;
/// println!("computing on {}", ctx.name());
/// # }
/// # Ok::<(), quarter::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct ContextBuilder {
    #[cfg(feature = "gpu")]
    software: bool,
    #[cfg(feature = "gpu")]
    limits: Option<wgpu::Limits>,
    #[cfg(feature = "gpu")]
    fallback: Fallback,
    #[cfg(feature = "gpu")]
    exact_decode: bool,
    #[cfg(feature = "gpu")]
    pipeline_cache: Option<Arc<[u8]>>,
    poison: Option<bool>,
    threads: Option<Threads>,
}

impl ContextBuilder {
    /// Whether a software adapter (a CPU pretending to be a GPU) will do. Off by default: the CPU backend is faster.
    #[cfg(feature = "gpu")]
    #[must_use]
    pub fn software(self, yes: bool) -> Self {
        Self { software: yes, ..self }
    }

    /// Keeps to these limits and to no feature, whatever the adapter has: `wgpu::Limits::default()` is what every
    /// WebGPU device grants.
    #[cfg(feature = "gpu")]
    #[must_use]
    pub fn limits(self, limits: wgpu::Limits) -> Self {
        Self { limits: Some(limits), ..self }
    }

    /// Whether to decode codes by integers only, whatever the device was measured to do right.
    #[cfg(feature = "gpu")]
    #[must_use]
    pub fn exact_decode(self, yes: bool) -> Self {
        Self { exact_decode: yes, ..self }
    }

    /// Starts with what [`Context::pipeline_cache_data`] gave in an earlier run. Bytes of another device, driver or
    /// version, or bytes that were damaged, are ignored. Keep them where nobody but the program writes: the driver
    /// runs what they hold.
    #[cfg(feature = "gpu")]
    #[must_use]
    pub fn pipeline_cache(self, data: impl Into<Arc<[u8]>>) -> Self {
        Self { pipeline_cache: Some(data.into()), ..self }
    }

    /// What to do when there is no GPU.
    #[cfg(feature = "gpu")]
    #[must_use]
    pub fn fallback(self, fallback: Fallback) -> Self {
        Self { fallback, ..self }
    }

    /// Whether fresh tensors hold NaN; on by default in debug builds.
    #[must_use]
    pub fn poison(self, yes: bool) -> Self {
        Self { poison: Some(yes), ..self }
    }

    /// Threads of the CPU backend.
    #[must_use]
    pub fn threads(self, threads: Threads) -> Self {
        Self { threads: Some(threads), ..self }
    }

    /// The CPU backend.
    pub fn cpu(self) -> Context {
        let threads = self.threads.unwrap_or_default();
        self.context(Backend::Cpu { threads })
    }

    pub(super) fn context(self, backend: Backend) -> Context {
        let poison = self.poison.unwrap_or(cfg!(debug_assertions));
        Context(Arc::new(Inner {
            id: ContextId::next(),
            backend,
            poison,
            #[cfg(feature = "gpu")]
            builder: self,
        }))
    }

    /// [`Context::from_wgpu`] with the options that do not choose a device: [`pipeline_cache`](Self::pipeline_cache),
    /// [`exact_decode`](Self::exact_decode), [`poison`](Self::poison).
    #[cfg(feature = "gpu")]
    pub fn from_wgpu(self, adapter: &wgpu::Adapter, device: &wgpu::Device, queue: &wgpu::Queue) -> Context {
        let gpu = Gpu::shared(adapter, device, queue, self.exact_decode, self.pipeline_cache.as_deref());
        self.context(Backend::Gpu(gpu))
    }

    /// A GPU context, or what the fallback says.
    ///
    /// # Errors
    /// [`Error::NoAdapter`], [`Error::NoDevice`].
    #[cfg(feature = "gpu")]
    pub async fn request(self) -> Result<Context, Error> {
        match gpu::find(self.software, self.limits.clone()).await {
            Ok(found) => {
                let gpu = Gpu::own(found, self.exact_decode, self.pipeline_cache.as_deref());
                let ctx = self.context(Backend::Gpu(gpu));
                ctx.measure(true).await?;
                Ok(ctx)
            }
            Err(Error::NoAdapter(why)) if self.fallback == Fallback::NoAdapter => {
                log::warn!("quarter: computing on the CPU backend: {why}");
                Ok(self.cpu())
            }
            Err(e) => Err(e),
        }
    }

    /// [`request`](Self::request), blocking.
    ///
    /// # Errors
    /// As there.
    #[cfg(all(feature = "gpu", not(target_arch = "wasm32")))]
    pub fn request_blocking(self) -> Result<Context, Error> {
        pollster::block_on(self.request())
    }
}
