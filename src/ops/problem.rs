//! Type erasure: what planner and drivers see of an operation. Authors and users never meet it, so [`Problem`] is not
//! re-exported beside [`Operation`], whose methods it shares.

use super::{Arithmetic, Body, Case, Cost, DescriptorError, Inputs, Kernel, Operation, Outputs, Refusal};
#[cfg(feature = "gpu")]
use crate::gpu::{Capabilities, Schedule, Tuning};
use crate::{
    cpu::{HostArgs, Threads},
    tensor::Operand,
};
use std::{fmt::Debug, sync::Arc};

/// The contract with its type erased. All of it is pure and synchronous, so everything asynchronous in the crate is
/// free of generics.
pub trait Problem: Debug + Send + Sync {
    /// [`Operation::NAME`].
    fn name(&self) -> &'static str;
    /// [`Operation::operands`].
    ///
    /// # Errors
    /// What contradicts itself.
    fn operands(&self) -> Result<Vec<Operand>, DescriptorError>;
    /// [`Operation::variant`].
    fn variant(&self) -> String;
    /// [`Operation::cost`].
    fn cost(&self) -> Cost;
    /// [`Operation::reference`].
    fn reference(&self, x: &Inputs) -> Outputs;
    /// [`Operation::KERNELS`].
    fn kernels(&self) -> Vec<KernelInfo>;
    /// Whether a CPU kernel takes it.
    ///
    /// # Errors
    /// Why not.
    fn accepts(&self, kernel: &str) -> Result<(), Refusal>;
    /// Variants of a GPU kernel, default first.
    ///
    /// # Errors
    /// Why it does not take the problem on such a device.
    #[cfg(feature = "gpu")]
    fn tunings(&self, kernel: &str, caps: &Capabilities) -> Result<Vec<Tuning>, Refusal>;
    /// What a GPU kernel binds and dispatches.
    #[cfg(feature = "gpu")]
    fn schedule(&self, kernel: &str, tuning: &Tuning, caps: &Capabilities) -> Schedule;
    /// Runs a CPU kernel.
    fn run(&self, kernel: &str, args: &mut HostArgs<'_>, threads: Threads);
    /// A shared copy.
    fn clone_arc(&self) -> Arc<dyn Problem>;
}

/// The id of a kernel on a problem, `gemm.tiled.e4m3fn_e4m3fn_f32.nt.b64x64x16`: operation, kernel, variant of the
/// problem, tuning.
pub fn id(problem: &dyn Problem, kernel: &str, tuning: &str) -> String {
    let parts = [problem.name(), kernel, &problem.variant(), tuning];
    parts.iter().filter(|p| !p.is_empty()).copied().collect::<Vec<_>>().join(".")
}

/// A kernel without its type.
#[derive(Clone, Copy, Debug)]
pub struct KernelInfo {
    /// Its name.
    pub name: &'static str,
    /// Whether it runs on the CPU.
    pub on_cpu: bool,
    /// What its bound depends on.
    pub arithmetic: Arithmetic,
}

fn find<O: Operation>(name: &str) -> &'static Kernel<O> {
    let found = O::KERNELS.iter().find(|k| k.name == name);
    found.unwrap_or_else(|| panic!("internal: {} has no kernel `{name}`", O::NAME))
}

impl<O: Operation> Problem for O {
    fn name(&self) -> &'static str {
        O::NAME
    }

    fn operands(&self) -> Result<Vec<Operand>, DescriptorError> {
        Operation::operands(self)
    }

    fn variant(&self) -> String {
        Operation::variant(self)
    }

    fn cost(&self) -> Cost {
        Operation::cost(self)
    }

    fn reference(&self, x: &Inputs) -> Outputs {
        Operation::reference(self, x)
    }

    fn kernels(&self) -> Vec<KernelInfo> {
        let info = |k: &Kernel<O>| KernelInfo {
            name: k.name,
            on_cpu: matches!(k.body, Body::Cpu { .. }),
            arithmetic: k.arithmetic,
        };
        O::KERNELS.iter().map(info).collect()
    }

    fn accepts(&self, kernel: &str) -> Result<(), Refusal> {
        match &find::<O>(kernel).body {
            Body::Cpu { accepts, .. } => accepts(self),
            #[cfg(feature = "gpu")]
            Body::Gpu { .. } => Ok(()),
        }
    }

    #[cfg(feature = "gpu")]
    fn tunings(&self, kernel: &str, caps: &Capabilities) -> Result<Vec<Tuning>, Refusal> {
        match &find::<O>(kernel).body {
            Body::Gpu { requires, tunings, .. } => {
                let missing = *requires - caps.features;
                if !missing.is_empty() {
                    return Err(Refusal::Missing(format!("{missing:?}")));
                }
                tunings(self, caps)
            }
            Body::Cpu { accepts, .. } => accepts(self).map(|()| vec![]),
        }
    }

    #[cfg(feature = "gpu")]
    fn schedule(&self, kernel: &str, tuning: &Tuning, caps: &Capabilities) -> Schedule {
        match &find::<O>(kernel).body {
            Body::Gpu { schedule, .. } => schedule(self, tuning, caps),
            Body::Cpu { .. } => Schedule::default(),
        }
    }

    fn run(&self, kernel: &str, args: &mut HostArgs<'_>, threads: Threads) {
        match &find::<O>(kernel).body {
            Body::Cpu { run, .. } => run(self, args, threads),
            #[cfg(feature = "gpu")]
            Body::Gpu { .. } => {}
        }
    }

    fn clone_arc(&self) -> Arc<dyn Problem> {
        Arc::new(self.clone())
    }
}

/// One operation in the registry.
pub struct Entry {
    /// Its name.
    pub name: &'static str,
    /// Its cases.
    pub cases: fn() -> Vec<Case<Arc<dyn Problem>>>,
}

/// The registry's entry of an operation.
pub const fn entry<O: Operation>() -> Entry {
    let cases = || {
        let erase =
            |c: Case<O>| Case { label: c.label, op: Arc::new(c.op) as _, purpose: c.purpose, data: c.data };
        O::cases().into_iter().map(erase).collect()
    };
    Entry { name: O::NAME, cases }
}
