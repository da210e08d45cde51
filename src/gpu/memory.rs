//! Buffers, their contents, and the way back to the host.

use crate::error::Error;
use std::{
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Poll, Waker},
};

/// Catches every kind of error of what follows on this thread, until it is popped or dropped. The last pushed lies
/// first, as wgpu wants them to end in that order.
pub(crate) struct Scopes([wgpu::ErrorScopeGuard; 3]);

pub(crate) fn scopes(device: &wgpu::Device) -> Scopes {
    use wgpu::ErrorFilter::{Internal, OutOfMemory, Validation};
    let mut pushed = [OutOfMemory, Internal, Validation].map(|f| device.push_error_scope(f));
    pushed.reverse();
    Scopes(pushed)
}

impl Scopes {
    /// The first error caught, if any. Takes effect at once; only the answer may take time.
    pub(crate) fn pop(self) -> impl Future<Output = Option<wgpu::Error>> {
        let [validation, internal, memory] = self.0;
        let validation = validation.pop();
        let internal = internal.pop();
        let memory = memory.pop();
        async { memory.await.or(internal.await).or(validation.await) }
    }

    /// [`pop`](Self::pop) where the answer is there at once, as it is on every native backend; a browser's comes
    /// too late to be waited for here, and is lost.
    pub(crate) fn now(self) -> Option<wgpu::Error> {
        #[cfg(not(target_arch = "wasm32"))]
        return pollster::block_on(self.pop());
        #[cfg(target_arch = "wasm32")]
        return None;
    }

    /// What was caught, as an error of ours.
    pub(crate) fn end(self) -> Result<(), Error> {
        self.now().map_or(Ok(()), |e| Err(Error::Wgpu(e.to_string())))
    }
}

/// An error where one buffer cannot be so large on this device.
pub(crate) fn expect_room(device: &wgpu::Device, what: &str, bytes: u64) -> Result<(), Error> {
    let limit = device.limits().max_buffer_size;
    if bytes <= limit {
        return Ok(());
    }
    let why = format!("the device allows {limit} in one buffer");
    Err(Error::OutOfMemory { what: what.to_owned(), bytes, why })
}

/// A buffer of `size` bytes that `fill` writes before the device sees it.
pub(crate) async fn allocate(
    device: &wgpu::Device,
    label: &str,
    usage: wgpu::BufferUsages,
    size: u64,
    fill: impl FnOnce(&mut wgpu::BufferViewMut),
) -> Result<wgpu::Buffer, Error> {
    let bytes = size.next_multiple_of(16);
    expect_room(device, label, bytes)?;
    let fail = |why: String| Error::OutOfMemory { what: label.to_owned(), bytes, why };
    let (buffer, caught) = {
        let scopes = scopes(device);
        let buffer = device.create_buffer(&wgpu::BufferDescriptor {
            label: Some(label),
            size: bytes,
            usage,
            mapped_at_creation: true,
        });
        if let Ok(mut view) = buffer.get_mapped_range_mut(..) {
            fill(&mut view);
        }
        buffer.unmap();
        (buffer, scopes.pop())
    };
    match caught.await {
        None => Ok(buffer),
        Some(e @ wgpu::Error::OutOfMemory { .. }) => Err(fail(e.to_string())),
        Some(e) => Err(Error::Wgpu(e.to_string())),
    }
}

/// A buffer that holds these bytes.
pub(crate) async fn allocate_with(
    device: &wgpu::Device,
    label: &str,
    usage: wgpu::BufferUsages,
    bytes: &[u8],
) -> Result<wgpu::Buffer, Error> {
    allocate(device, label, usage, bytes.len() as u64, |view| {
        view.slice(..bytes.len()).copy_from_slice(bytes)
    })
    .await
}

/// A value that a callback brings, as a future.
#[derive(Debug)]
struct Delivery<T>(Arc<Mutex<(Option<T>, Option<Waker>)>>);

impl<T> Delivery<T> {
    fn new() -> (Self, impl FnOnce(T)) {
        let shared = Arc::new(Mutex::new((None, None::<Waker>)));
        let theirs = Arc::clone(&shared);
        let deliver = move |value| {
            if let Ok(mut s) = theirs.lock() {
                s.0 = Some(value);
                if let Some(w) = s.1.take() {
                    w.wake();
                }
            }
        };
        (Self(shared), deliver)
    }
}

impl<T> Future for Delivery<T> {
    type Output = T;
    fn poll(self: Pin<&mut Self>, cx: &mut std::task::Context<'_>) -> Poll<T> {
        match self.0.lock() {
            Ok(mut s) => match s.0.take() {
                Some(v) => Poll::Ready(v),
                None => {
                    s.1 = Some(cx.waker().clone());
                    Poll::Pending
                }
            },
            Err(_) => Poll::Pending,
        }
    }
}

/// A part of a buffer: where it begins, and how many bytes.
pub(crate) type Source<'b> = (&'b wgpu::Buffer, u64, u64);

/// A copy on its way to the host.
#[derive(Debug)]
pub(crate) struct Arrival {
    staging: wgpu::Buffer,
    lengths: Vec<u64>,
    arrived: Delivery<Result<(), wgpu::BufferAsyncError>>,
}

/// Records copies of buffers into one that is mapped when `encoder`'s commands are submitted.
pub(crate) fn copy_out(
    device: &wgpu::Device,
    encoder: &mut wgpu::CommandEncoder,
    sources: &[Source<'_>],
) -> Result<Arrival, Error> {
    let total: u64 = sources.iter().map(|s| s.2.next_multiple_of(8)).sum();
    let what = "quarter readback";
    expect_room(device, what, total)?;
    let fail = |why| Error::OutOfMemory { what: what.into(), bytes: total, why };
    for (buffer, _, _) in sources {
        if !buffer.usage().contains(wgpu::BufferUsages::COPY_SRC) {
            let (expected, got) = ("usage COPY_SRC".to_owned(), format!("{:?}", buffer.usage()));
            return Err(Error::Buffer { what: "a tensor to be downloaded".into(), expected, got });
        }
    }
    let scopes = scopes(device);
    let staging = device.create_buffer(&wgpu::BufferDescriptor {
        label: Some(what),
        size: total,
        usage: wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST,
        mapped_at_creation: false,
    });
    match scopes.now() {
        None => {}
        Some(e @ wgpu::Error::OutOfMemory { .. }) => return Err(fail(e.to_string())),
        Some(e) => return Err(Error::Wgpu(e.to_string())),
    }
    let mut at = 0;
    for (buffer, offset, bytes) in sources {
        encoder.copy_buffer_to_buffer(buffer, *offset, &staging, at, *bytes);
        at += bytes.next_multiple_of(8);
    }
    let (arrived, deliver) = Delivery::new();
    encoder.map_buffer_on_submit(&staging, wgpu::MapMode::Read, .., deliver);
    Ok(Arrival { staging, lengths: sources.iter().map(|s| s.2).collect(), arrived })
}

impl Arrival {
    /// The words of every source, if they are there.
    pub(crate) fn try_take(&mut self) -> Option<Result<Vec<Vec<u32>>, Error>> {
        let done = self.arrived.0.lock().ok()?.0.take()?;
        Some(self.read(done))
    }

    /// The words of every source, once somebody has polled the device.
    pub(crate) async fn take(mut self) -> Result<Vec<Vec<u32>>, Error> {
        let done = (&mut self.arrived).await;
        self.read(done)
    }

    fn read(&self, done: Result<(), wgpu::BufferAsyncError>) -> Result<Vec<Vec<u32>>, Error> {
        done.map_err(|e| Error::DeviceLost(e.to_string()))?;
        let mut out = vec![];
        {
            let view = self.staging.get_mapped_range(..).map_err(|e| Error::Wgpu(e.to_string()))?;
            let mut at = 0;
            for bytes in &self.lengths {
                let words = view[at..at + *bytes as usize].chunks_exact(4);
                out.push(words.map(|w| u32::from_le_bytes([w[0], w[1], w[2], w[3]])).collect());
                at += bytes.next_multiple_of(8) as usize;
            }
        }
        self.staging.unmap();
        Ok(out)
    }
}

/// Copies buffers to the host: one submission, one mapping. `drive` says that nobody else polls this device.
pub(crate) async fn download(
    device: &wgpu::Device,
    queue: &wgpu::Queue,
    sources: &[Source<'_>],
    drive: bool,
) -> Result<Vec<Vec<u32>>, Error> {
    let (arrival, caught) = {
        // On a lost device mapping panics outside a scope.
        let scopes = scopes(device);
        let label = Some("quarter readback");
        let mut encoder = device.create_command_encoder(&wgpu::CommandEncoderDescriptor { label });
        let arrival = copy_out(device, &mut encoder, sources)?;
        let index = queue.submit([encoder.finish()]);
        if drive {
            poll(device.clone(), index, drop);
        }
        (arrival, scopes.pop())
    };
    if let Some(e) = caught.await {
        return Err(Error::Wgpu(e.to_string()));
    }
    arrival.take().await
}

/// Records a copy of words into a part of a buffer at its place among `encoder`'s commands.
pub(crate) fn copy_in(
    device: &wgpu::Device,
    encoder: &mut wgpu::CommandEncoder,
    words: &[u32],
    buffer: &wgpu::Buffer,
    offset: u64,
) -> Result<(), Error> {
    let bytes: &[u8] = bytemuck::cast_slice(words);
    let size = bytes.len() as u64;
    let scopes = scopes(device);
    let staging = device.create_buffer(&wgpu::BufferDescriptor {
        label: Some("quarter staging"),
        size,
        usage: wgpu::BufferUsages::COPY_SRC,
        mapped_at_creation: true,
    });
    if let Ok(mut view) = staging.get_mapped_range_mut(..) {
        view.slice(..).copy_from_slice(bytes);
    }
    staging.unmap();
    match scopes.now() {
        None => {}
        Some(wgpu::Error::OutOfMemory { source }) => {
            let why = source.to_string();
            return Err(Error::OutOfMemory { what: "quarter staging".into(), bytes: size, why });
        }
        Some(e) => return Err(Error::Wgpu(e.to_string())),
    }
    encoder.copy_buffer_to_buffer(&staging, 0, buffer, offset, size);
    Ok(())
}

/// Waits until everything submitted so far is done.
pub(crate) async fn finish(device: &wgpu::Device, queue: &wgpu::Queue, drive: bool) -> Result<(), Error> {
    let (done, deliver) = Delivery::new();
    if drive && cfg!(not(target_arch = "wasm32")) {
        // The callback below never comes on a lost device; the end of polling does.
        let index = queue.submit([]);
        poll(device.clone(), index, deliver);
    } else {
        queue.on_submitted_work_done(move || deliver(Ok(())));
    }
    done.await
}

/// Drives the callbacks of a device that nobody else polls, from a thread of its own, and tells when that is over; a
/// browser drives itself.
fn poll(
    device: wgpu::Device,
    index: wgpu::SubmissionIndex,
    over: impl FnOnce(Result<(), Error>) + Send + 'static,
) {
    let wait = move || {
        let wait = wgpu::PollType::Wait { submission_index: Some(index), timeout: None };
        over(device.poll(wait).map(|_| ()).map_err(|e| Error::DeviceLost(e.to_string())));
    };
    #[cfg(not(target_arch = "wasm32"))]
    std::thread::spawn(wait);
    #[cfg(target_arch = "wasm32")]
    wait();
}
