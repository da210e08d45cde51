//! Where tensors live and plans run: a GPU device, or the CPU backend.

#[cfg(feature = "gpu")]
use crate::gpu;
use crate::{
    cpu::Threads,
    error::Error,
    ops::problem::Problem,
    ops::{KernelInfo, Operation, Refusal},
    plan::{AnyPlan, Bound, Choice, Plan, Planner},
    scale::{Scales, flags},
    tensor::{DeviceTensor, HostTensor, Layout, Part, Storage},
};
use std::sync::{
    Arc, RwLock,
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

/// What to do when there is no GPU. Never decided silently: a fallback is logged, and [`Context::on`] tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Fallback {
    /// Fail.
    #[default]
    Never,
    /// Use the CPU backend when no adapter would do.
    NoAdapter,
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

#[cfg(feature = "gpu")]
#[derive(Debug)]
pub(crate) struct Gpu {
    pub(crate) device: wgpu::Device,
    pub(crate) queue: wgpu::Queue,
    capabilities: gpu::Capabilities,
    /// What was measured, and the capabilities that follow.
    measured: std::sync::OnceLock<(gpu::Facts, gpu::Capabilities)>,
    /// Never by f16, whatever was measured.
    exact_decode: bool,
    pub(crate) pipelines: gpu::Pipelines,
    name: String,
    /// A device of our own is polled by us, and tells us when it is lost.
    own: bool,
    lost: Arc<std::sync::Mutex<Option<String>>>,
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

    fn context(self, backend: Backend) -> Context {
        let poison = self.poison.unwrap_or(cfg!(debug_assertions));
        Context(Arc::new(Inner { id: ContextId::next(), backend, poison }))
    }

    /// A GPU context, or what the fallback says.
    ///
    /// # Errors
    /// [`Error::NoAdapter`], [`Error::NoDevice`].
    #[cfg(feature = "gpu")]
    pub async fn request(self) -> Result<Context, Error> {
        match gpu::find(self.software, self.limits.clone()).await {
            Ok(found) => {
                let exact_decode = self.exact_decode;
                let ctx = self.context(Backend::Gpu(Gpu::own(found, exact_decode)));
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

#[cfg(feature = "gpu")]
impl Gpu {
    fn own(found: gpu::Adapter, exact_decode: bool) -> Self {
        let lost = Arc::new(std::sync::Mutex::new(None));
        let theirs = Arc::clone(&lost);
        found.device.set_device_lost_callback(move |reason, message| {
            if let Ok(mut l) = theirs.lock() {
                *l = Some(format!("{reason:?}: {message}"));
            }
        });
        let name = gpu::describe(&found.info);
        log::info!("quarter: computing on {name}");
        Self {
            device: found.device,
            queue: found.queue,
            capabilities: found.capabilities,
            measured: std::sync::OnceLock::new(),
            exact_decode,
            pipelines: gpu::Pipelines::default(),
            name,
            own: true,
            lost,
        }
    }

    /// What the device can do, as far as it is known.
    pub(crate) fn capabilities(&self) -> &gpu::Capabilities {
        self.measured.get().map_or(&self.capabilities, |m| &m.1)
    }

    fn alive(&self) -> Result<(), Error> {
        match self.lost.lock().ok().and_then(|l| l.clone()) {
            Some(why) => Err(Error::DeviceLost(why)),
            None => Ok(()),
        }
    }

    async fn storage(&self, label: &str, words: u64, init: Init<'_>) -> Result<Storage, Error> {
        use wgpu::BufferUsages as U;
        let usage = U::STORAGE | U::UNIFORM | U::COPY_SRC | U::COPY_DST;
        let buffer = gpu::allocate(&self.device, label, usage, 4 * words, |view| match init {
            Init::Words(w) => view.slice(..4 * w.len()).copy_from_slice(bytemuck::cast_slice(w)),
            Init::Poison => view.slice(..).fill(POISON),
            Init::Zero => {}
        });
        Ok(Storage::Buffer(buffer.await?))
    }
}

/// Every byte of a poisoned tensor: NaN in every format but the FNUZ ones, and an absurd code there.
const POISON: u8 = 0xFF;

#[derive(Clone, Copy)]
enum Init<'a> {
    Words(&'a [u32]),
    Poison,
    Zero,
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

    /// The caller's own device. No hook is installed on it, and it is polled by nobody but its owner: an awaited
    /// [`download`](Self::download) resolves when the owner polls. (The blocking twin polls, since it was asked to
    /// block.)
    #[cfg(feature = "gpu")]
    pub fn from_wgpu(adapter: &wgpu::Adapter, device: &wgpu::Device, queue: &wgpu::Queue) -> Self {
        let info = adapter.get_info();
        let capabilities = gpu::Capabilities {
            features: device.features(),
            limits: device.limits(),
            software: info.device_type == wgpu::DeviceType::Cpu,
            f16_decode: false,
        };
        let gpu = Gpu {
            device: device.clone(),
            queue: queue.clone(),
            capabilities,
            measured: std::sync::OnceLock::new(),
            exact_decode: false,
            pipelines: gpu::Pipelines::default(),
            name: gpu::describe(&info),
            own: false,
            lost: Arc::default(),
        };
        Self::builder().context(Backend::Gpu(gpu))
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

    /// What the device can do; `None` on the CPU backend.
    #[cfg(feature = "gpu")]
    pub fn capabilities(&self) -> Option<&gpu::Capabilities> {
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

    /// Measures what the device does with numbers, once: kernels planned afterwards may take faster ways that are only
    /// right where the device is. A device of our own is measured when the context is made; a shared one only here and
    /// in [`self_check`](Self::self_check), since it takes a submission and a wait. `None` on the CPU backend.
    ///
    /// # Errors
    /// [`Error::Compile`], [`Error::DeviceLost`], [`Error::OutOfMemory`].
    #[cfg(feature = "gpu")]
    pub async fn verify(&self) -> Result<Option<gpu::Facts>, Error> {
        self.measure(false).await
    }

    /// `drive`: poll even a shared device.
    #[cfg(feature = "gpu")]
    pub(crate) async fn measure(&self, drive: bool) -> Result<Option<gpu::Facts>, Error> {
        let Backend::Gpu(g) = &self.0.backend else { return Ok(None) };
        g.alive()?;
        if let Some((facts, _)) = g.measured.get() {
            return Ok(Some(*facts));
        }
        let facts = gpu::probe(&g.device, &g.queue, &g.pipelines, g.own || drive).await?;
        let known = gpu::quirks_of(&g.name).iter().any(|q| q.remedy == gpu::Remedy::ExactDecode);
        let f16_decode = facts.f16_decode && !known && !g.exact_decode;
        let capabilities = gpu::Capabilities { f16_decode, ..g.capabilities.clone() };
        // Another thread may have measured the same.
        let _ = g.measured.set((facts, capabilities));
        Ok(Some(facts))
    }

    /// How many pipelines this context has compiled: a second plan of a known kernel adds none.
    #[cfg(feature = "gpu")]
    pub fn pipelines_compiled(&self) -> usize {
        match &self.0.backend {
            Backend::Gpu(g) => g.pipelines.compiled(),
            Backend::Cpu { .. } => 0,
        }
    }

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

    /// A tensor to be written. Its contents are arbitrary (NaN in debug builds); scales, where it has them, are 1.
    ///
    /// # Errors
    /// As [`Context::upload`].
    pub async fn empty(&self, layout: &Layout) -> Result<DeviceTensor, Error> {
        let groups = layout.groups() as usize;
        let scales = layout.element().scaling().map(|g| Scales::unit(g, groups));
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
        let parts = [Some(&tensor.values), tensor.scales.as_ref()];
        let mut words = match &self.0.backend {
            #[cfg(feature = "gpu")]
            Backend::Gpu(g) => {
                g.alive()?;
                let mut sources = vec![];
                for (part, storage) in [Part::Values, Part::Scales].into_iter().zip(parts) {
                    if let Some(Storage::Buffer(b)) = storage {
                        sources.push((b, tensor.layout.part_bytes(part)));
                    }
                }
                gpu::download(&g.device, &g.queue, &sources, g.own || drive).await?.into_iter()
            }
            Backend::Cpu { .. } => {
                let mut out = vec![];
                for (part, storage) in [Part::Values, Part::Scales].into_iter().zip(parts) {
                    if let Some(Storage::Host(w)) = storage {
                        let busy = || Error::Busy { slot: format!("{part:?} of tensor {}", tensor.layout) };
                        out.push(w.try_read().map_err(|_| busy())?.clone());
                    }
                }
                out.into_iter()
            }
        };
        let values = words.next().unwrap_or_default();
        Ok(HostTensor::from_parts(tensor.layout.clone(), values, words.next()))
    }

    pub(crate) fn owns(&self, id: ContextId, what: impl Fn() -> String) -> Result<(), Error> {
        if id == self.0.id { Ok(()) } else { Err(Error::WrongContext { what: what() }) }
    }

    /// A planner, for choices beyond [`plan`](Self::plan).
    pub fn planner<O: Operation>(&self, op: &O) -> Planner<'_, O> {
        Planner::new(self, op)
    }

    /// Chooses a kernel for this problem and compiles it: once per descriptor. Awaits at most a compilation.
    ///
    /// # Errors
    /// [`Error::Descriptor`], [`Error::Unsupported`] with every kernel's reason, [`Error::Compile`].
    pub async fn plan<O: Operation>(&self, op: &O) -> Result<Plan<O>, Error> {
        self.planner(op).build().await
    }

    /// Kernels of a problem that run on this context, in table order.
    pub fn kernels(&self, problem: &dyn Problem) -> Vec<KernelInfo> {
        let here = self.on() == On::Cpu;
        problem.kernels().into_iter().filter(|k| k.on_cpu == here).collect()
    }

    /// The first kernel that takes the problem, and every refusal before it. Pure; what [`plan`](Self::plan) does.
    ///
    /// # Errors
    /// [`Error::Descriptor`], [`Error::NoSuchKernel`], [`Error::Unsupported`].
    pub(crate) fn choose(&self, problem: &dyn Problem, choice: &Choice) -> Result<Chosen, Error> {
        let op = problem.name();
        let operands = problem.operands()?;
        let kernels = self.kernels(problem);
        if let Some(got) = choice.kernel()
            && !kernels.iter().any(|k| k.name == got)
        {
            let expected = kernels.iter().map(|k| k.name).collect();
            return Err(Error::NoSuchKernel { op, expected, got: got.to_owned() });
        }
        let mut refusals: Vec<(&'static str, Refusal)> = vec![];
        for k in kernels.into_iter().filter(|k| choice.kernel().is_none_or(|n| n == k.name)) {
            match &self.0.backend {
                #[cfg(feature = "gpu")]
                Backend::Gpu(g) => match problem.tunings(k.name, g.capabilities()) {
                    Err(r) => refusals.push((k.name, r)),
                    Ok(tunings) => {
                        if let Some(t) = choice.tuning()
                            && !tunings.contains(t)
                        {
                            let labels: Vec<&str> = tunings.iter().map(|t| t.label.as_str()).collect();
                            let why = format!("expected one of the variants {labels:?}, got {t:?}");
                            refusals.push((k.name, Refusal::Unfit(why)));
                            continue;
                        }
                        for tuning in choice.tuning().map_or(tunings, |t| vec![t.clone()]) {
                            let schedule = problem.schedule(k.name, &tuning, g.capabilities());
                            match schedule.check(&operands, g.capabilities()) {
                                Ok(()) => {
                                    log::debug!(
                                        "quarter: {op}: {} {}, after {refusals:?}",
                                        k.name,
                                        tuning.label
                                    );
                                    let id = id(problem, k.name, &tuning.label);
                                    return Ok(Chosen { kernel: k, id, operands, schedule: Some(schedule) });
                                }
                                Err(r) => refusals.push((k.name, r)),
                            }
                        }
                    }
                },
                #[cfg(feature = "gpu")]
                Backend::Cpu { .. } if choice.tuning().is_some() => {
                    refusals.push((k.name, Refusal::Unfit("a CPU kernel has no variants".to_owned())));
                }
                Backend::Cpu { .. } => match problem.accepts(k.name) {
                    Err(r) => refusals.push((k.name, r)),
                    Ok(()) => {
                        let id = id(problem, k.name, "");
                        return Ok(Chosen {
                            kernel: k,
                            id,
                            operands,
                            #[cfg(feature = "gpu")]
                            schedule: None,
                        });
                    }
                },
            }
        }
        Err(Error::Unsupported { op, place: self.name(), refusals })
    }

    /// [`plan`](Self::plan) for a problem whose type is not known: what generic drivers call.
    ///
    /// # Errors
    /// As there; [`Error::NoSuchKernel`] for a forced kernel that does not exist.
    pub async fn plan_any(&self, problem: &dyn Problem, choice: &Choice) -> Result<AnyPlan, Error> {
        #[cfg(feature = "gpu")]
        return AnyPlan::build(self, problem, choice, None).await;
        #[cfg(not(feature = "gpu"))]
        return AnyPlan::build(self, problem, choice).await;
    }

    /// Runs bounds in order. On a GPU: one pass, one submission, no wait; on the CPU: now.
    ///
    /// # Errors
    /// [`Error::WrongContext`]; [`Error::Busy`] on the CPU; [`Error::DeviceLost`] on a GPU.
    pub fn run<'b>(&self, bounds: impl IntoIterator<Item = &'b Bound>) -> Result<(), Error> {
        match &self.0.backend {
            #[cfg(feature = "gpu")]
            Backend::Gpu(g) => {
                g.alive()?;
                let mut encoder = g
                    .device
                    .create_command_encoder(&wgpu::CommandEncoderDescriptor { label: Some("quarter run") });
                {
                    let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor {
                        label: Some("quarter run"),
                        timestamp_writes: None,
                    });
                    for b in bounds {
                        self.owns(b.context(), || b.id().to_owned())?;
                        b.encode(&mut pass)?;
                    }
                }
                g.queue.submit([encoder.finish()]);
                Ok(())
            }
            Backend::Cpu { threads } => {
                for b in bounds {
                    self.owns(b.context(), || b.id().to_owned())?;
                    b.run_on_cpu(*threads)?;
                }
                Ok(())
            }
        }
    }

    /// Waits until everything run before is done; immediate on the CPU. On a shared device it ends when the owner
    /// polls.
    ///
    /// # Errors
    /// [`Error::DeviceLost`].
    pub async fn finish(&self) -> Result<(), Error> {
        self.wait(false).await
    }

    async fn wait(&self, drive: bool) -> Result<(), Error> {
        let _ = drive;
        match &self.0.backend {
            #[cfg(feature = "gpu")]
            Backend::Gpu(g) => {
                g.alive()?;
                gpu::finish(&g.device, &g.queue, g.own || drive).await
            }
            Backend::Cpu { .. } => Ok(()),
        }
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

    /// [`finish`](Self::finish), blocking.
    ///
    /// # Errors
    /// As there.
    pub fn finish_blocking(&self) -> Result<(), Error> {
        pollster::block_on(self.wait(true))
    }

    /// [`download`](Self::download), blocking.
    ///
    /// # Errors
    /// As there.
    pub fn download_blocking(&self, tensor: &DeviceTensor) -> Result<HostTensor, Error> {
        pollster::block_on(self.fetch(tensor, true))
    }

    /// [`plan`](Self::plan), blocking.
    ///
    /// # Errors
    /// As there.
    pub fn plan_blocking<O: Operation>(&self, op: &O) -> Result<Plan<O>, Error> {
        pollster::block_on(self.plan(op))
    }
}

/// A kernel that takes a problem here.
pub(crate) struct Chosen {
    pub(crate) kernel: KernelInfo,
    pub(crate) id: String,
    pub(crate) operands: Vec<crate::tensor::Operand>,
    #[cfg(feature = "gpu")]
    pub(crate) schedule: Option<gpu::Schedule>,
}

/// `gemm.tiled.e4m3fn_e4m3fn_f32.nt.b64x64x16`: operation, kernel, variant of the problem, tuning.
fn id(problem: &dyn Problem, kernel: &str, tuning: &str) -> String {
    let parts = [problem.name(), kernel, &problem.variant(), tuning];
    parts.iter().filter(|p| !p.is_empty()).copied().collect::<Vec<_>>().join(".")
}

impl AnyPlan {
    pub(crate) async fn build(
        context: &Context,
        problem: &dyn Problem,
        choice: &Choice,
        #[cfg(feature = "gpu")] edit: gpu::Edit<'_>,
    ) -> Result<Self, Error> {
        let chosen = context.choose(problem, choice)?;
        match &context.0.backend {
            #[cfg(feature = "gpu")]
            Backend::Gpu(g) => {
                g.alive()?;
                let schedule = chosen.schedule.clone().unwrap_or_default();
                let program =
                    gpu::Program::compile(&g.device, &g.pipelines, &chosen.id, schedule, edit).await?;
                Ok(Self::on_gpu(context, problem, chosen, program))
            }
            Backend::Cpu { .. } => Ok(Self::on_cpu(context, problem, chosen)),
        }
    }
}
