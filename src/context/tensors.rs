//! Tensors of a context: made, copied there and back.

#[cfg(feature = "gpu")]
use super::Gpu;
use super::{Backend, Context};
use crate::{
    dtype::S2fp8,
    error::Error,
    scale::{Scales, flags},
    tensor::{DType, DeviceTensor, HostTensor, Layout, Part, Storage},
};
#[cfg(feature = "gpu")]
use crate::{gpu, tensor::Buffer};
#[cfg(feature = "gpu")]
use std::sync::atomic::Ordering;
use std::sync::{Arc, RwLock};

/// Every byte of a poisoned tensor: NaN in every format but the FNUZ ones, and an absurd code there.
const POISON: u8 = 0xFF;

#[derive(Clone, Copy)]
enum Init<'a> {
    Words(&'a [u32]),
    Poison,
    Zero,
}

#[cfg(feature = "gpu")]
impl Gpu {
    async fn storage(&self, label: &str, words: u64, init: Init<'_>) -> Result<Storage, Error> {
        use wgpu::BufferUsages as U;
        let usage = U::STORAGE | U::UNIFORM | U::COPY_SRC | U::COPY_DST;
        let buffer = gpu::allocate(&self.device, label, usage, 4 * words, |view| match init {
            Init::Words(w) => view.slice(..4 * w.len()).copy_from_slice(bytemuck::cast_slice(w)),
            Init::Poison => view.slice(..).fill(POISON),
            Init::Zero => {}
        });
        Ok(Storage::Buffer(Buffer::whole(self.explain(buffer.await)?)))
    }
}

impl Context {
    async fn storage(&self, label: &str, words: u64, init: Init<'_>) -> Result<Storage, Error> {
        match &self.0.backend {
            #[cfg(feature = "gpu")]
            Backend::Gpu(g) => {
                g.alive()?;
                g.storage(label, words, init).await
            }
            Backend::Cpu { .. } => {
                let mut host = vec![];
                host.try_reserve_exact(words as usize).map_err(|e| Error::OutOfMemory {
                    what: label.to_owned(),
                    bytes: 4 * words,
                    why: e.to_string(),
                })?;
                match init {
                    Init::Words(w) => host.extend_from_slice(w),
                    Init::Poison => host.resize(words as usize, u32::from_ne_bytes([POISON; 4])),
                    Init::Zero => host.resize(words as usize, 0),
                }
                Ok(Storage::Host(Arc::new(RwLock::new(host))))
            }
        }
    }

    async fn tensor(
        &self,
        layout: &Layout,
        values: Init<'_>,
        scales: Option<&Scales>,
    ) -> Result<DeviceTensor, Error> {
        let label = format!("quarter {layout}");
        let values = self.storage(&label, layout.values_bytes() / 4, values).await?;
        let scales = match scales {
            Some(s) => Some(self.storage(&label, s.words().len() as u64, Init::Words(s.words())).await?),
            None => None,
        };
        Ok(DeviceTensor { layout: layout.clone(), values, scales, context: self.0.id })
    }

    /// Copies a tensor to where this context computes.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`], [`Error::DeviceLost`].
    pub async fn upload(&self, tensor: &HostTensor) -> Result<DeviceTensor, Error> {
        self.tensor(tensor.layout(), Init::Words(tensor.words()), tensor.scales()).await
    }

    /// A tensor to be written. Its contents are arbitrary (NaN in debug builds); scales, where it has them, are 1, a codebook that of
    /// E5M2.
    ///
    /// # Errors
    /// As [`Context::upload`].
    pub async fn empty(&self, layout: &Layout) -> Result<DeviceTensor, Error> {
        let groups = layout.groups() as usize;
        let scales = layout.element().scaling().map(|g| match layout.element().dtype() {
            DType::Code8 => Scales::with_codebook(&S2fp8::default().codebook()),
            _ => Scales::unit(g, groups),
        });
        self.fresh(layout, scales).await
    }

    /// The same with given scales: the target of static and delayed scaling.
    ///
    /// # Errors
    /// As [`Context::upload`]; [`Error::Tensor`] when the scales are not those of such a tensor.
    pub async fn empty_scaled(&self, layout: &Layout, scales: &Scales) -> Result<DeviceTensor, Error> {
        layout.expect_scales(scales)?;
        let mut scales = scales.clone();
        scales.reset();
        self.fresh(layout, Some(scales)).await
    }

    async fn fresh(&self, layout: &Layout, mut scales: Option<Scales>) -> Result<DeviceTensor, Error> {
        if self.0.poison
            && let Some(s) = &mut scales
        {
            s.raise(flags::HAS_NAN);
        }
        self.tensor(layout, if self.0.poison { Init::Poison } else { Init::Zero }, scales.as_ref()).await
    }

    /// Copies a tensor to the host, once everything run before is done.
    ///
    /// # Errors
    /// [`Error::WrongContext`], [`Error::DeviceLost`], [`Error::OutOfMemory`].
    pub async fn download(&self, tensor: &DeviceTensor) -> Result<HostTensor, Error> {
        self.fetch(tensor, false).await
    }

    /// `drive`: whoever calls asked for it, so poll even a shared device.
    pub(crate) async fn fetch(&self, tensor: &DeviceTensor, drive: bool) -> Result<HostTensor, Error> {
        let _ = drive;
        self.owns(tensor.context, || format!("tensor {}", tensor.layout))?;
        let words = match &self.0.backend {
            #[cfg(feature = "gpu")]
            Backend::Gpu(g) => {
                g.alive()?;
                g.waits.fetch_add(1, Ordering::Relaxed);
                g.explain(gpu::download(&g.device, &g.queue, &sources(tensor), g.own || drive).await)?
            }
            Backend::Cpu { .. } => {
                let mut out = vec![];
                for part in [Part::Values, Part::Scales] {
                    if let Some(Storage::Host(w)) = tensor.part(part) {
                        let busy = || Error::Busy { slot: format!("{part:?} of tensor {}", tensor.layout) };
                        out.push(w.try_read().map_err(|_| busy())?.clone());
                    }
                }
                out
            }
        };
        Ok(from_words(&tensor.layout, words))
    }

    /// Replaces what a tensor holds, scales included, before whatever is run or submitted next.
    ///
    /// On a GPU this is `Queue::write_buffer`: it takes effect at the next submission, before all of its commands. For a
    /// place among the commands of an encoder there is [`upload_on`](Self::upload_on).
    ///
    /// # Errors
    /// [`Error::Argument`]: another shape or element; [`Error::WrongContext`]; [`Error::Busy`] on the CPU;
    /// [`Error::DeviceLost`]; [`Error::Buffer`]: a buffer of the caller's without `COPY_DST`; [`Error::Wgpu`]: one of
    /// another device, or mapped.
    pub fn write(&self, tensor: &DeviceTensor, from: &HostTensor) -> Result<(), Error> {
        self.expect_same(tensor, from)?;
        let given = [Some(from.words()), from.scales().map(Scales::words)];
        for (part, words) in [Part::Values, Part::Scales].into_iter().zip(given) {
            match (tensor.part(part), words, &self.0.backend) {
                #[cfg(feature = "gpu")]
                (Some(Storage::Buffer(b)), Some(words), Backend::Gpu(g)) => {
                    g.alive()?;
                    expect_target(b)?;
                    let scopes = gpu::scopes(&g.device);
                    g.queue.write_buffer(&b.buffer, b.offset, bytemuck::cast_slice(words));
                    g.explain(scopes.end())?;
                }
                (Some(Storage::Host(w)), Some(words), _) => {
                    let busy = || Error::Busy { slot: format!("{part:?} of tensor {}", tensor.layout) };
                    w.try_write().map_err(|_| busy())?.copy_from_slice(words);
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn expect_same(&self, tensor: &DeviceTensor, from: &HostTensor) -> Result<(), Error> {
        self.owns(tensor.context, || format!("tensor {}", tensor.layout))?;
        if tensor.layout == *from.layout() {
            return Ok(());
        }
        let (expected, got) = (tensor.layout.to_string(), from.layout().to_string());
        Err(Error::Argument { op: "write", role: "from", expected, got })
    }
}

fn from_words(layout: &Layout, words: Vec<Vec<u32>>) -> HostTensor {
    let mut words = words.into_iter();
    let values = words.next().unwrap_or_default();
    HostTensor::from_parts(layout.clone(), values, words.next())
}

/// Where the parts of a tensor lie.
#[cfg(feature = "gpu")]
fn sources(tensor: &DeviceTensor) -> Vec<gpu::Source<'_>> {
    let of = |part| match tensor.part(part) {
        Some(Storage::Buffer(b)) => Some((&b.buffer, b.offset, tensor.layout.part_bytes(part))),
        _ => None,
    };
    [Part::Values, Part::Scales].into_iter().filter_map(of).collect()
}

#[cfg(feature = "gpu")]
fn expect_target(b: &Buffer) -> Result<(), Error> {
    if b.buffer.usage().contains(wgpu::BufferUsages::COPY_DST) {
        return Ok(());
    }
    let (expected, got) = ("usage COPY_DST".to_owned(), format!("{:?}", b.buffer.usage()));
    Err(Error::Buffer { what: "a tensor to be written".into(), expected, got })
}

/// Copies among the commands of the caller's own encoder: nothing is submitted, nothing is polled.
#[cfg(feature = "gpu")]
impl Context {
    fn gpu(&self, what: &str) -> Result<&Gpu, Error> {
        match &self.0.backend {
            Backend::Gpu(g) => g.alive().map(|()| g),
            Backend::Cpu { .. } => Err(Error::NotOnGpu(what.to_owned())),
        }
    }

    /// Records a copy of a tensor to the host: it is what the commands before leave. Once they are submitted and the
    /// device's owner has polled, the [`Readback`] has it.
    ///
    /// # Errors
    /// [`Error::WrongContext`], [`Error::NotOnGpu`], [`Error::OutOfMemory`], [`Error::DeviceLost`]; [`Error::Buffer`]: a
    /// buffer of the caller's without `COPY_SRC`.
    pub fn download_on(
        &self,
        encoder: &mut wgpu::CommandEncoder,
        tensor: &DeviceTensor,
    ) -> Result<Readback, Error> {
        self.owns(tensor.context, || format!("tensor {}", tensor.layout))?;
        let g = self.gpu("download")?;
        let arrival = g.explain(gpu::copy_out(&g.device, encoder, &sources(tensor)))?;
        Ok(Readback { layout: tensor.layout.clone(), arrival })
    }

    /// Records a copy of a host tensor into a live one, scales included, at this place among the encoder's commands.
    ///
    /// # Errors
    /// As [`write`](Self::write); [`Error::NotOnGpu`], [`Error::OutOfMemory`].
    pub fn upload_on(
        &self,
        encoder: &mut wgpu::CommandEncoder,
        tensor: &DeviceTensor,
        from: &HostTensor,
    ) -> Result<(), Error> {
        self.expect_same(tensor, from)?;
        let g = self.gpu("upload")?;
        let given = [Some(from.words()), from.scales().map(Scales::words)];
        for (part, words) in [Part::Values, Part::Scales].into_iter().zip(given) {
            if let (Some(Storage::Buffer(b)), Some(words)) = (tensor.part(part), words) {
                expect_target(b)?;
                g.explain(gpu::copy_in(&g.device, encoder, words, &b.buffer, b.offset))?;
            }
        }
        Ok(())
    }
}

/// A tensor on its way to the host, recorded by [`Context::download_on`].
#[cfg(feature = "gpu")]
#[derive(Debug)]
pub struct Readback {
    layout: Layout,
    arrival: gpu::Arrival,
}

#[cfg(feature = "gpu")]
impl Readback {
    /// The tensor, if it is there: after the submission, once the device was polled. It is given once.
    pub fn try_take(&mut self) -> Option<Result<HostTensor, Error>> {
        let words = self.arrival.try_take()?;
        Some(words.map(|w| from_words(&self.layout, w)))
    }

    /// Waits for the tensor; somebody must submit the commands and poll the device, or it waits for ever.
    ///
    /// # Errors
    /// [`Error::DeviceLost`].
    pub async fn take(self) -> Result<HostTensor, Error> {
        let words = self.arrival.take().await?;
        Ok(from_words(&self.layout, words))
    }
}

/// Blocking twins: the same, for callers without an executor. Not in browsers, where blocking is not allowed.
#[cfg(not(target_arch = "wasm32"))]
impl Context {
    /// [`upload`](Self::upload), blocking.
    ///
    /// # Errors
    /// As there.
    pub fn upload_blocking(&self, tensor: &HostTensor) -> Result<DeviceTensor, Error> {
        pollster::block_on(self.upload(tensor))
    }

    /// [`empty`](Self::empty), blocking.
    ///
    /// # Errors
    /// As there.
    pub fn empty_blocking(&self, layout: &Layout) -> Result<DeviceTensor, Error> {
        pollster::block_on(self.empty(layout))
    }

    /// [`empty_scaled`](Self::empty_scaled), blocking.
    ///
    /// # Errors
    /// As there.
    pub fn empty_scaled_blocking(&self, layout: &Layout, scales: &Scales) -> Result<DeviceTensor, Error> {
        pollster::block_on(self.empty_scaled(layout, scales))
    }

    /// [`download`](Self::download), blocking.
    ///
    /// # Errors
    /// As there.
    pub fn download_blocking(&self, tensor: &DeviceTensor) -> Result<HostTensor, Error> {
        pollster::block_on(self.fetch(tensor, true))
    }
}
