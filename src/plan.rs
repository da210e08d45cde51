//! Descriptor → [`Plan`] → [`Plan::bind`] → [`Bound::encode`].

#[cfg(feature = "gpu")]
use crate::{
    context::Backend,
    gpu::{self, Program, Recording, Tuning},
};
use crate::{
    context::{Chosen, Context, ContextId, On},
    cpu::{Bytes, HostArgs, Threads},
    error::Error,
    ops::problem::Problem,
    ops::{Arguments, Operation, Slots},
    tensor::{Access, Operand, Slot, Storage},
};
use std::{
    fmt,
    marker::PhantomData,
    sync::{Arc, RwLock},
};

/// Which kernel a plan takes.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub enum Choice {
    /// The first that takes the problem.
    #[default]
    Best,
    /// This one, or an error: a forced kernel never falls back.
    Kernel(String),
    /// This variant of this one, or an error.
    #[cfg(feature = "gpu")]
    Exactly(String, Tuning),
}

impl Choice {
    pub(crate) fn kernel(&self) -> Option<&str> {
        match self {
            Self::Best => None,
            Self::Kernel(k) => Some(k),
            #[cfg(feature = "gpu")]
            Self::Exactly(k, _) => Some(k),
        }
    }

    #[cfg(feature = "gpu")]
    pub(crate) fn tuning(&self) -> Option<&Tuning> {
        match self {
            Self::Exactly(_, t) => Some(t),
            _ => None,
        }
    }
}

/// Choices before a plan exists.
#[derive(Clone, Debug)]
pub struct Planner<'c, O> {
    context: &'c Context,
    op: O,
    choice: Choice,
}

impl<'c, O: Operation> Planner<'c, O> {
    pub(crate) fn new(context: &'c Context, op: &O) -> Self {
        Self { context, op: op.clone(), choice: Choice::Best }
    }

    /// Forces a kernel: an error instead of another.
    #[must_use]
    pub fn kernel(self, name: &str) -> Self {
        Self { choice: Choice::Kernel(name.to_owned()), ..self }
    }

    /// Forces a variant of a kernel.
    #[cfg(feature = "gpu")]
    #[must_use]
    pub fn tuning(self, kernel: &str, tuning: Tuning) -> Self {
        Self { choice: Choice::Exactly(kernel.to_owned(), tuning), ..self }
    }

    /// Compiles it.
    ///
    /// # Errors
    /// As [`Context::plan`]; [`Error::NoSuchKernel`] for a forced kernel that does not exist.
    pub async fn build(self) -> Result<Plan<O>, Error> {
        let any = AnyPlan::build(
            self.context,
            &self.op,
            &self.choice,
            #[cfg(feature = "gpu")]
            None,
        );
        Ok(Plan { any: any.await?, op: PhantomData })
    }

    /// [`build`](Self::build), blocking.
    ///
    /// # Errors
    /// As there.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn build_blocking(self) -> Result<Plan<O>, Error> {
        pollster::block_on(self.build())
    }
}

/// A problem compiled for one context; bind it to tensors as often as you like. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Plan<O> {
    any: AnyPlan,
    op: PhantomData<fn(&O)>,
}

impl<O: Operation> Plan<O> {
    /// The kernel's id, as labels and logs have it.
    pub fn id(&self) -> &str {
        &self.any.0.id
    }

    /// Where it runs.
    pub fn on(&self) -> On {
        match &self.any.0.body {
            #[cfg(feature = "gpu")]
            Body::Gpu { .. } => On::Gpu,
            Body::Cpu { .. } => On::Cpu,
        }
    }

    /// Bytes of scratch memory that a bound of this plan owns, in all.
    pub fn workspace_size(&self) -> u64 {
        self.workspace_bytes().iter().sum()
    }

    /// Bytes of every scratch buffer.
    pub fn workspace_bytes(&self) -> Vec<u64> {
        self.any.workspace_bytes()
    }

    /// Checks the arguments and prepares everything: the only allocation.
    ///
    /// # Errors
    /// [`Error::Argument`]: a missing or unknown operand, another shape or element, a buffer that is written and
    /// used twice; [`Error::WrongContext`].
    pub fn bind(&self, args: &impl Arguments<O>) -> Result<Bound, Error> {
        self.any.bind(&args.slots())
    }

    /// The same with scratch memory that other bounds use too, which saves memory and costs overlap: dispatches that
    /// share it wait for each other. On the CPU backend there is none.
    ///
    /// # Errors
    /// As [`bind`](Self::bind); [`Error::Buffer`] for a workspace that is too small; [`Error::WrongContext`] for one of
    /// another context.
    #[cfg(feature = "gpu")]
    pub fn bind_with(&self, args: &impl Arguments<O>, workspace: &Workspace) -> Result<Bound, Error> {
        self.any.bind_with(&args.slots(), workspace)
    }
}

/// Scratch memory that several bounds may share, made by [`Context::workspace`]. Cheap to clone.
#[cfg(feature = "gpu")]
#[derive(Clone, Debug)]
pub struct Workspace {
    context: ContextId,
    /// None on the CPU backend.
    buffers: Option<gpu::Workspace>,
}

#[cfg(feature = "gpu")]
impl Context {
    /// Scratch memory for plans whose [`Plan::workspace_bytes`] are these, or less.
    ///
    /// ```
    /// # use quarter::{Context, ops::Gemm};
    /// # let ctx = Context::cpu();
    /// let plans = [ctx.plan_blocking(&Gemm::new(1, 8, 8))?, ctx.plan_blocking(&Gemm::new(64, 8, 8))?];
    /// let workspace = ctx.workspace(plans.iter().map(|p| p.workspace_bytes()))?;
    /// # Ok::<(), quarter::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::OutOfMemory`], [`Error::DeviceLost`].
    pub fn workspace<B: AsRef<[u64]>>(&self, plans: impl IntoIterator<Item = B>) -> Result<Workspace, Error> {
        // Buffer by buffer the largest.
        let mut bytes: Vec<u64> = vec![];
        for plan in plans {
            let plan = plan.as_ref();
            bytes.resize(bytes.len().max(plan.len()), 0);
            bytes.iter_mut().zip(plan).for_each(|(b, p)| *b = (*b).max(*p));
        }
        let buffers = match &self.0.backend {
            Backend::Gpu(g) => {
                g.alive()?;
                Some(g.explain(gpu::Workspace::new(&g.device, "quarter shared", &bytes))?)
            }
            Backend::Cpu { .. } => None,
        };
        Ok(Workspace { context: self.0.id, buffers })
    }
}

/// A plan without its type: what generic drivers pass around.
#[derive(Clone, Debug)]
pub struct AnyPlan(Arc<PlanBody>);

#[derive(Debug)]
struct PlanBody {
    id: String,
    kernel: &'static str,
    op: &'static str,
    context: ContextId,
    operands: Vec<Operand>,
    body: Body,
}

#[derive(Debug)]
enum Body {
    #[cfg(feature = "gpu")]
    Gpu {
        context: Context,
        program: Arc<Program>,
    },
    Cpu {
        problem: Arc<dyn Problem>,
        kernel: &'static str,
    },
}

impl AnyPlan {
    #[cfg(feature = "gpu")]
    pub(crate) fn on_gpu(
        ctx: &Context,
        problem: &dyn Problem,
        chosen: Chosen,
        program: Arc<Program>,
    ) -> Self {
        Self::new(ctx, problem, chosen, |_| Body::Gpu { context: ctx.clone(), program })
    }

    pub(crate) fn on_cpu(ctx: &Context, problem: &dyn Problem, chosen: Chosen) -> Self {
        Self::new(ctx, problem, chosen, |kernel| Body::Cpu { problem: problem.clone_arc(), kernel })
    }

    fn new(ctx: &Context, problem: &dyn Problem, c: Chosen, body: impl FnOnce(&'static str) -> Body) -> Self {
        let kernel = c.kernel.name;
        let body = body(kernel);
        Self(Arc::new(PlanBody {
            id: c.id,
            kernel,
            op: problem.name(),
            context: ctx.0.id,
            operands: c.operands,
            body,
        }))
    }

    /// The kernel's name.
    pub fn kernel(&self) -> &'static str {
        self.0.kernel
    }

    /// [`Plan::bind`] by role.
    ///
    /// # Errors
    /// As there.
    pub fn bind(&self, args: &Slots<'_>) -> Result<Bound, Error> {
        self.bind_shared(
            args,
            #[cfg(feature = "gpu")]
            None,
        )
    }

    /// [`Plan::bind_with`] by role.
    ///
    /// # Errors
    /// As there.
    #[cfg(feature = "gpu")]
    pub fn bind_with(&self, args: &Slots<'_>, workspace: &Workspace) -> Result<Bound, Error> {
        if workspace.context != self.0.context {
            return Err(Error::WrongContext { what: format!("workspace for {}", self.0.id) });
        }
        self.bind_shared(args, workspace.buffers.as_ref())
    }

    /// Bytes of every scratch buffer.
    pub fn workspace_bytes(&self) -> Vec<u64> {
        match &self.0.body {
            #[cfg(feature = "gpu")]
            Body::Gpu { program, .. } => program.workspace().to_vec(),
            Body::Cpu { .. } => vec![],
        }
    }

    fn bind_shared(
        &self,
        args: &Slots<'_>,
        #[cfg(feature = "gpu")] shared: Option<&gpu::Workspace>,
    ) -> Result<Bound, Error> {
        let plan = &self.0;
        let parts = check(plan, args)?;
        let body = match &plan.body {
            #[cfg(feature = "gpu")]
            Body::Gpu { context, program } => {
                let of = |slot| match parts.iter().find(|p| p.0 == slot) {
                    Some((_, _, Storage::Buffer(b))) => {
                        let Slot::Of(role, part) = slot else { return None };
                        let o = plan.operands.iter().find(|o| o.role == role)?;
                        Some((&b.buffer, b.offset, o.layout.part_bytes(part)))
                    }
                    _ => None,
                };
                let Backend::Gpu(g) = &context.0.backend else {
                    return Err(Error::NotOnGpu(plan.id.clone()));
                };
                g.alive()?;
                BoundBody::Gpu(g.explain(program.record(&g.device, &plan.id, of, shared))?)
            }
            Body::Cpu { problem, kernel } => {
                let mut slots = vec![];
                for (slot, access, storage) in parts {
                    match storage {
                        Storage::Host(words) => slots.push((slot, access, Arc::clone(words))),
                        #[cfg(feature = "gpu")]
                        Storage::Buffer(_) => return Err(Error::WrongContext { what: slot.to_string() }),
                    }
                }
                BoundBody::Cpu { problem: Arc::clone(problem), kernel, slots }
            }
        };
        Ok(Bound(Arc::new(BoundInner { plan: self.clone(), body })))
    }
}

/// Every role must be that of an operand, and be given once: one `thing`.
pub(crate) fn expect_roles(
    op: &'static str,
    operands: &[Operand],
    roles: &[&'static str],
    thing: &str,
) -> Result<(), Error> {
    let fail =
        |role, expected: String, got: &str| Err(Error::Argument { op, role, expected, got: got.into() });
    for (i, role) in roles.iter().enumerate() {
        if !operands.iter().any(|o| o.role == *role) {
            let all: Vec<_> = operands.iter().map(|o| o.role).collect();
            return fail(role, format!("only the operands of the descriptor, {all:?}"), "one more");
        }
        if roles[..i].contains(role) {
            return fail(role, format!("one {thing}"), "two");
        }
    }
    Ok(())
}

/// Roles, contexts, shapes, elements and aliasing, before any GPU call and alike on both backends.
fn check<'a>(plan: &PlanBody, args: &Slots<'a>) -> Result<Vec<(Slot, Access, &'a Storage)>, Error> {
    let fail = |role, expected: String, got: String| Error::Argument { op: plan.op, role, expected, got };
    let roles: Vec<_> = args.0.iter().map(|a| a.0).collect();
    expect_roles(plan.op, &plan.operands, &roles, "tensor")?;
    let mut out: Vec<(Slot, Access, &'a Storage)> = vec![];
    for o in &plan.operands {
        let Some((_, t)) = args.0.iter().find(|(r, _)| *r == o.role) else {
            return Err(fail(o.role, o.layout.to_string(), "no tensor".into()));
        };
        if t.context != plan.context {
            return Err(Error::WrongContext { what: format!("{}: tensor `{}`", plan.op, o.role) });
        }
        if !t.layout.serves(o) {
            return Err(fail(o.role, o.layout.to_string(), t.layout.to_string()));
        }
        for (part, access) in o.parts() {
            let storage = t.part(part).expect("a layout with scales has them");
            for (other, a, s) in &out {
                if (access != Access::Read || *a != Access::Read) && storage.same(s) {
                    let got = format!("the buffer of {other}, and one of them is written");
                    return Err(fail(o.role, "a buffer of its own".into(), got));
                }
            }
            out.push((Slot::Of(o.role, part), access, storage));
        }
    }
    Ok(out)
}

/// A plan with its tensors, which it keeps alive. Not generic: a model is a `Vec<Bound>`. Cheap to clone.
#[derive(Clone)]
pub struct Bound(Arc<BoundInner>);

struct BoundInner {
    plan: AnyPlan,
    body: BoundBody,
}

/// A buffer of the CPU backend, and what happens to it.
type HostSlot = (Slot, Access, Arc<RwLock<Vec<u32>>>);

enum BoundBody {
    #[cfg(feature = "gpu")]
    Gpu(Recording),
    Cpu {
        problem: Arc<dyn Problem>,
        kernel: &'static str,
        slots: Vec<HostSlot>,
    },
}

impl fmt::Debug for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Bound").field(&self.id()).finish()
    }
}

impl Bound {
    /// The kernel's id.
    pub fn id(&self) -> &str {
        &self.0.plan.0.id
    }

    pub(crate) fn context(&self) -> ContextId {
        self.0.plan.0.context
    }

    /// Records into the caller's pass: no queue, no submission, no wait, no allocation. Leaves the pipeline and bind
    /// group 0 of the pass changed.
    ///
    /// # Errors
    /// [`Error::NotOnGpu`] for a plan of the CPU backend.
    ///
    /// # Panics
    /// In wgpu, if the pass belongs to another device: a pass does not tell whose it is.
    #[cfg(feature = "gpu")]
    pub fn encode(&self, pass: &mut wgpu::ComputePass<'_>) -> Result<(), Error> {
        match &self.0.body {
            BoundBody::Gpu(r) => {
                r.encode(pass);
                Ok(())
            }
            BoundBody::Cpu { .. } => Err(Error::NotOnGpu(self.id().to_owned())),
        }
    }

    pub(crate) fn run_on_cpu(&self, threads: Threads) -> Result<(), Error> {
        match &self.0.body {
            #[cfg(feature = "gpu")]
            BoundBody::Gpu(_) => Err(Error::WrongContext { what: self.id().to_owned() }),
            BoundBody::Cpu { problem, kernel, slots } => {
                let busy = |s: Slot| Error::Busy { slot: s.to_string() };
                let (mut reads, mut writes) = (vec![], vec![]);
                for (slot, access, words) in slots {
                    // The same tensor may be read twice; what is written is no one else's, `check` saw to it.
                    match access {
                        Access::Read => reads.push((*slot, words.try_read().map_err(|_| busy(*slot))?)),
                        _ => writes.push((*slot, words.try_write().map_err(|_| busy(*slot))?)),
                    }
                }
                let mut args = HostArgs::default();
                for (slot, words) in &reads {
                    args.push(*slot, Bytes::Read(words));
                }
                for (slot, words) in &mut writes {
                    args.push(*slot, Bytes::Write(words));
                }
                problem.run(kernel, &mut args, threads.for_cost(problem.cost()));
                Ok(())
            }
        }
    }
}
