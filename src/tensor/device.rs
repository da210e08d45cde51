//! A tensor where its context computes.

use super::{Layout, Part};
#[cfg(feature = "gpu")]
use crate::Context;
use crate::Error;
use std::sync::{Arc, RwLock};

/// The memory of one part of a tensor.
#[derive(Clone, Debug)]
pub(crate) enum Storage {
    /// A GPU buffer, or a part of one.
    #[cfg(feature = "gpu")]
    Buffer(Buffer),
    /// Host memory, of a tensor on the CPU backend.
    Host(Arc<RwLock<Vec<u32>>>),
}

/// A part of a GPU buffer.
#[cfg(feature = "gpu")]
#[derive(Clone, Debug)]
pub(crate) struct Buffer {
    pub buffer: wgpu::Buffer,
    /// Where it begins, in bytes.
    pub offset: u64,
}

#[cfg(feature = "gpu")]
impl Buffer {
    /// One of our own, used from its start.
    pub(crate) fn whole(buffer: wgpu::Buffer) -> Self {
        Self { buffer, offset: 0 }
    }
}

impl Storage {
    /// Whether both lie in one buffer, in whatever parts of it: wgpu tracks whole buffers.
    pub(crate) fn same(&self, other: &Self) -> bool {
        match (self, other) {
            #[cfg(feature = "gpu")]
            (Self::Buffer(a), Self::Buffer(b)) => a.buffer == b.buffer,
            (Self::Host(a), Self::Host(b)) => Arc::ptr_eq(a, b),
            #[cfg(feature = "gpu")]
            _ => false,
        }
    }
}

/// A tensor where its context computes: GPU buffers, or host memory on the CPU backend.
///
/// Cloning is cheap and shares the memory. Made by [`Context::upload`](crate::Context::upload) and
/// [`Context::empty`](crate::Context::empty), or around buffers of the caller's.
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

    /// The same numbers in another shape: nothing is moved, the memory is shared.
    ///
    /// # Errors
    /// [`Error::Tensor`] as [`Layout::reshape`].
    pub fn reshape(&self, shape: impl Into<Vec<u32>>) -> Result<Self, Error> {
        Ok(Self { layout: self.layout.reshape(shape)?, ..self.clone() })
    }

    pub(crate) fn part(&self, part: Part) -> Option<&Storage> {
        match part {
            Part::Values => Some(&self.values),
            Part::Scales => self.scales.as_ref(),
        }
    }
}

/// Buffers of the caller's.
#[cfg(feature = "gpu")]
impl DeviceTensor {
    /// A tensor in a buffer of the caller's, from byte `offset` on; nothing is copied. For elements without scales.
    ///
    /// The values lie as `layout` says: rows start at multiples of 16 bytes ([`Layout::row_bytes`]), and bytes between
    /// rows are zero: whoever writes the buffer sees to that. The buffer needs `STORAGE`, and `COPY_SRC` or `COPY_DST`
    /// for copies from or to the host. It must belong to the context's device: binding fails otherwise.
    ///
    /// # Errors
    /// [`Error::Buffer`]: an offset that the device cannot bind at, too few bytes, a usage that is missing, elements
    /// with scales; [`Error::NotOnGpu`] on the CPU backend.
    pub fn from_buffer(
        ctx: &Context,
        buffer: &wgpu::Buffer,
        offset: u64,
        layout: &Layout,
    ) -> Result<Self, Error> {
        if layout.element().scaling().is_some() {
            let got = layout.element().to_string();
            let expected = "unscaled elements, or a second buffer by `from_buffers`".to_owned();
            return Err(Error::Buffer { what: format!("values of {layout}"), expected, got });
        }
        let values = part(ctx, layout, Part::Values, buffer, offset)?;
        Ok(Self { layout: layout.clone(), values, scales: None, context: ctx.0.id })
    }

    /// The same for 8-bit elements: codes in one buffer, record and scales in another, each from its offset on.
    ///
    /// The second holds [`Scales::words`](crate::scale::Scales::words) and needs `UNIFORM` beside `STORAGE`. If nobody
    /// looked through the codes for NaN, the record must say so: [`Scales::unscanned`](crate::scale::Scales::unscanned).
    ///
    /// # Errors
    /// As [`from_buffer`](Self::from_buffer); elements without scales; one buffer for both.
    pub fn from_buffers(
        ctx: &Context,
        values: (&wgpu::Buffer, u64),
        scales: (&wgpu::Buffer, u64),
        layout: &Layout,
    ) -> Result<Self, Error> {
        let fail = |expected: &str, got: String| Error::Buffer {
            what: format!("scales of {layout}"),
            expected: expected.to_owned(),
            got,
        };
        if layout.element().scaling().is_none() {
            return Err(fail("8-bit elements, or no buffer of scales", layout.element().to_string()));
        }
        if values.0 == scales.0 {
            return Err(fail(
                "a buffer of its own: kernels write codes and read scales",
                "that of the codes".into(),
            ));
        }
        let codes = part(ctx, layout, Part::Values, values.0, values.1)?;
        let record = part(ctx, layout, Part::Scales, scales.0, scales.1)?;
        Ok(Self { layout: layout.clone(), values: codes, scales: Some(record), context: ctx.0.id })
    }

    /// The buffer of the values and the byte at which they begin, for shaders of the caller's; `None` on the CPU
    /// backend.
    pub fn values_buffer(&self) -> Option<(&wgpu::Buffer, u64)> {
        buffer_of(&self.values)
    }

    /// The buffer of record and scales; `None` where there are none.
    pub fn scales_buffer(&self) -> Option<(&wgpu::Buffer, u64)> {
        self.scales.as_ref().and_then(buffer_of)
    }
}

#[cfg(feature = "gpu")]
fn buffer_of(s: &Storage) -> Option<(&wgpu::Buffer, u64)> {
    match s {
        Storage::Buffer(b) => Some((&b.buffer, b.offset)),
        Storage::Host(_) => None,
    }
}

/// One part of a tensor in a buffer of the caller's, if it can be bound there.
#[cfg(feature = "gpu")]
fn part(
    ctx: &Context,
    layout: &Layout,
    part: Part,
    buffer: &wgpu::Buffer,
    offset: u64,
) -> Result<Storage, Error> {
    use wgpu::BufferUsages as U;
    let name = if part == Part::Values { "values" } else { "scales" };
    let what = format!("{name} of {layout}");
    let fail = |expected: String, got: String| Error::Buffer { what: what.clone(), expected, got };
    let Some(caps) = ctx.capabilities() else { return Err(Error::NotOnGpu(format!("buffer of {what}"))) };
    let (storage, uniform) =
        (caps.limits.min_storage_buffer_offset_alignment, caps.limits.min_uniform_buffer_offset_alignment);
    let (align, needed) = match part {
        Part::Values => (storage, U::STORAGE),
        // Scales of a whole tensor are a uniform.
        Part::Scales => (storage.max(uniform), U::STORAGE | U::UNIFORM),
    };
    if !offset.is_multiple_of(align.into()) {
        return Err(fail(format!("an offset that is a multiple of {align}"), offset.to_string()));
    }
    let end = offset.checked_add(layout.part_bytes(part));
    if end.is_none_or(|end| end > buffer.size()) {
        let expected = format!("{} bytes from byte {offset} on", layout.part_bytes(part));
        return Err(fail(expected, format!("a buffer of {}", buffer.size())));
    }
    if !buffer.usage().contains(needed) {
        return Err(fail(format!("usage {needed:?}"), format!("{:?}", buffer.usage())));
    }
    Ok(Storage::Buffer(Buffer { buffer: buffer.clone(), offset }))
}
