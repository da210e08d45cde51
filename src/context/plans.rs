//! Plans and runs.

use super::{Backend, Context, On};
#[cfg(feature = "gpu")]
use crate::gpu;
use crate::{
    error::Error,
    ops::problem::{Problem, id},
    ops::{KernelInfo, Operation, Refusal},
    plan::{AnyPlan, Bound, Choice, Plan, Planner},
};
#[cfg(feature = "gpu")]
use std::sync::atomic::Ordering;

impl Context {
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
                                // Variants are often refused for one reason.
                                Err(r) if refusals.last().is_some_and(|l| l.0 == k.name && l.1 == r) => {}
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

    /// Runs bounds in order. On a GPU: one pass, one submission, no wait; on the CPU: now, on rayon's pool. As with everything
    /// that waits in that pool, a task of it that holds a lock here may be made to wait for another that wants the same lock.
    ///
    /// # Errors
    /// [`Error::WrongContext`]; [`Error::Busy`] on the CPU; [`Error::DeviceLost`] on a GPU; [`Error::Wgpu`]: a buffer of
    /// the caller's that is mapped, or destroyed.
    pub fn run<'b>(&self, bounds: impl IntoIterator<Item = &'b Bound>) -> Result<(), Error> {
        match &self.0.backend {
            #[cfg(feature = "gpu")]
            Backend::Gpu(g) => {
                g.alive()?;
                let scopes = gpu::scopes(&g.device);
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
                g.explain(scopes.end())
            }
            Backend::Cpu { threads } => {
                let bounds: Vec<&Bound> = bounds.into_iter().collect();
                // All on the pool: threads wait for each other between operations without going to sleep.
                threads.within(|| {
                    bounds.iter().try_for_each(|b| {
                        self.owns(b.context(), || b.id().to_owned())?;
                        b.run_on_cpu(*threads)
                    })
                })
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
                g.waits.fetch_add(1, Ordering::Relaxed);
                g.explain(gpu::finish(&g.device, &g.queue, g.own || drive).await)
            }
            Backend::Cpu { .. } => Ok(()),
        }
    }
}

/// Blocking twins: the same, for callers without an executor. Not in browsers, where blocking is not allowed.
#[cfg(not(target_arch = "wasm32"))]
impl Context {
    /// [`finish`](Self::finish), blocking.
    ///
    /// # Errors
    /// As there.
    pub fn finish_blocking(&self) -> Result<(), Error> {
        pollster::block_on(self.wait(true))
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
                let program = gpu::Program::compile(&g.device, &g.pipelines, &chosen.id, schedule, edit);
                let program = g.explain(program.await)?;
                Ok(Self::on_gpu(context, problem, chosen, program))
            }
            Backend::Cpu { .. } => Ok(Self::on_cpu(context, problem, chosen)),
        }
    }
}
