//! GPU time of every bound.

use crate::{
    context::{Backend, Context},
    error::Error,
    gpu,
    plan::Bound,
};
use std::time::Duration;

/// Times bounds on the GPU, each in a pass of its own: between dispatches of one pass a timestamp may land wrong, so
/// nobody overlaps and the sum may be longer than a frame that is not profiled.
///
/// Everything is recorded in the caller's encoder; nothing is submitted or polled. [`encode`](Self::encode) allocates
/// nothing of its own.
///
/// ```no_run
/// # use quarter::{Bound, Context, Profiler};
/// # fn frame(ctx: &Context, model: &[Bound]) -> Result<(), quarter::Error> {
/// # let (device, queue) = ctx.wgpu().unwrap();
/// let mut profiler = Profiler::new(ctx, model.len() as u32)?;
/// let mut encoder = device.create_command_encoder(&Default::default());
/// for bound in model {
///     profiler.encode(&mut encoder, bound)?;
/// }
/// let mut timings = profiler.resolve(&mut encoder)?;
/// queue.submit([encoder.finish()]);
/// device.poll(quarter::wgpu::PollType::wait_indefinitely()).unwrap();
/// for (id, time) in timings.try_take().expect("polled")? {
///     println!("{id}: {time:?}");
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Profiler {
    context: Context,
    queries: wgpu::QuerySet,
    resolved: wgpu::Buffer,
    /// Nanoseconds per tick.
    period: f32,
    capacity: usize,
    bounds: Vec<Bound>,
}

impl Profiler {
    /// For so many bounds between two calls of [`resolve`](Self::resolve).
    ///
    /// # Errors
    /// [`Error::Feature`]: the device was made without `TIMESTAMP_QUERY`; [`Error::NotOnGpu`];
    /// [`Error::DeviceLost`]; [`Error::Buffer`]: none, or more than a query set holds.
    pub fn new(ctx: &Context, capacity: u32) -> Result<Self, Error> {
        let Backend::Gpu(g) = &ctx.0.backend else { return Err(Error::NotOnGpu("profiler".to_owned())) };
        g.alive()?;
        if !g.device.features().contains(wgpu::Features::TIMESTAMP_QUERY) {
            return Err(Error::Feature { what: "profiler", feature: "TIMESTAMP_QUERY" });
        }
        let most = wgpu::QUERY_SET_MAX_QUERIES / 2;
        if !(1..=most).contains(&capacity) {
            return Err(full(format!("1 to {most} bounds"), capacity.to_string()));
        }
        let label = Some("quarter profiler");
        let queries = g.device.create_query_set(&wgpu::QuerySetDescriptor {
            label,
            ty: wgpu::QueryType::Timestamp,
            count: 2 * capacity,
        });
        let resolved = g.device.create_buffer(&wgpu::BufferDescriptor {
            label,
            size: 16 * u64::from(capacity),
            usage: wgpu::BufferUsages::QUERY_RESOLVE | wgpu::BufferUsages::COPY_SRC,
            mapped_at_creation: false,
        });
        let (capacity, period) = (capacity as usize, g.queue.get_timestamp_period());
        Ok(Self {
            context: ctx.clone(),
            queries,
            resolved,
            period,
            capacity,
            bounds: Vec::with_capacity(capacity),
        })
    }

    /// Records a bound in a pass of its own, timed.
    ///
    /// # Errors
    /// [`Error::Buffer`]: more bounds than there is room for; [`Error::WrongContext`].
    pub fn encode(&mut self, encoder: &mut wgpu::CommandEncoder, bound: &Bound) -> Result<(), Error> {
        self.context.owns(bound.context(), || bound.id().to_owned())?;
        if self.bounds.len() == self.capacity {
            return Err(full(format!("at most {} bounds", self.capacity), "one more".to_owned()));
        }
        let at = 2 * self.bounds.len() as u32;
        let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor {
            label: Some(bound.id()),
            timestamp_writes: Some(wgpu::ComputePassTimestampWrites {
                query_set: &self.queries,
                beginning_of_pass_write_index: Some(at),
                end_of_pass_write_index: Some(at + 1),
            }),
        });
        bound.encode(&mut pass)?;
        self.bounds.push(bound.clone());
        Ok(())
    }

    /// Records the way back of all timings so far, and begins anew.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`], [`Error::DeviceLost`].
    pub fn resolve(&mut self, encoder: &mut wgpu::CommandEncoder) -> Result<Timings, Error> {
        let Backend::Gpu(g) = &self.context.0.backend else {
            return Err(Error::NotOnGpu("profiler".to_owned()));
        };
        g.alive()?;
        let count = 2 * self.bounds.len() as u32;
        encoder.resolve_query_set(&self.queries, 0..count, &self.resolved, 0);
        let source = (&self.resolved, 0, 8 * u64::from(count));
        let arrival = g.explain(gpu::copy_out(&g.device, encoder, &[source]))?;
        let bounds = std::mem::replace(&mut self.bounds, Vec::with_capacity(self.capacity));
        Ok(Timings { bounds, period: self.period, arrival })
    }
}

fn full(expected: String, got: String) -> Error {
    Error::Buffer { what: "profiler".to_owned(), expected, got }
}

/// Timings on their way to the host.
#[derive(Debug)]
pub struct Timings {
    bounds: Vec<Bound>,
    period: f32,
    arrival: gpu::Arrival,
}

impl Timings {
    /// Kernel ids and GPU times in the order recorded, if they are there: after the submission, once the device was
    /// polled. They are given once.
    pub fn try_take(&mut self) -> Option<Result<Vec<(String, Duration)>, Error>> {
        let words = self.arrival.try_take()?;
        Some(words.map(|w| times(&self.bounds, self.period, &w[0])))
    }

    /// Waits for them; somebody must submit the commands and poll the device.
    ///
    /// # Errors
    /// [`Error::DeviceLost`].
    pub async fn take(self) -> Result<Vec<(String, Duration)>, Error> {
        let words = self.arrival.take().await?;
        Ok(times(&self.bounds, self.period, &words[0]))
    }
}

fn times(bounds: &[Bound], period: f32, words: &[u32]) -> Vec<(String, Duration)> {
    let tick = |w: &[u32]| u64::from(w[0]) | u64::from(w[1]) << 32;
    let time = |(b, w): (&Bound, &[u32])| {
        let ticks = tick(&w[2..]).saturating_sub(tick(w));
        let nanoseconds = ticks as f64 * f64::from(period);
        (b.id().to_owned(), Duration::from_nanos(nanoseconds as u64))
    };
    bounds.iter().zip(words.chunks_exact(4)).map(time).collect()
}
