//! Type erasure: what planner and drivers see of an operation. Authors and users never meet it, so [`Problem`] is not
//! re-exported beside [`Operation`], whose methods it shares.

use super::{Arithmetic, Body, Case, Cost, DescriptorError, Inputs, Kernel, Operation, Outputs, Refusal};
#[cfg(feature = "gpu")]
use crate::gpu::{Capabilities, Schedule, Tuning};
use crate::{
    cpu::{HostArgs, Threads},
    tensor::{Element, Operand},
};
use std::{any::Any, fmt::Debug, sync::Arc};

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
    /// [`Operation::with_element`].
    fn with_element(&self, role: &str, e: Element) -> Option<Arc<dyn Problem>>;
    /// A shared copy.
    fn clone_arc(&self) -> Arc<dyn Problem>;
    /// The descriptor, for who knows its type.
    fn as_any(&self) -> &dyn Any;
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

    fn with_element(&self, role: &str, e: Element) -> Option<Arc<dyn Problem>> {
        Operation::with_element(self, role, e).map(|o| Arc::new(o) as _)
    }

    fn clone_arc(&self) -> Arc<dyn Problem> {
        Arc::new(self.clone())
    }

    fn as_any(&self) -> &dyn Any {
        self
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

#[cfg(test)]
mod tests {
    use super::super::{OPERATIONS, Purpose};
    use crate::tensor::Element;

    /// Other elements change that operand and no other, and an operand of the elements that it has changes nothing.
    #[test]
    fn elements_are_those_of_one_operand() {
        let layouts = |p: &dyn super::Problem| -> Vec<_> {
            p.operands().into_iter().flatten().map(|o| (o.role, o.layout, o.access, o.scales)).collect()
        };
        let mut answered = 0;
        for case in OPERATIONS.iter().flat_map(|o| (o.cases)()).filter(|c| c.purpose != Purpose::Bench) {
            let before = layouts(&*case.op);
            for (i, (role, layout, ..)) in before.iter().enumerate() {
                let Some(same) = case.op.with_element(role, layout.element()) else { continue };
                assert_eq!(layouts(&*same), before, "{} {role}", case.label);
                answered += 1;
                let Some(other) = case.op.with_element(role, Element::BF16) else {
                    panic!("{} {role}: one element and not another", case.label);
                };
                let mut after = layouts(&*other);
                // Some combinations are no problem that can be.
                if after.is_empty() {
                    continue;
                }
                assert_eq!(after[i].1, layout.with(Element::BF16).unwrap(), "{} {role}", case.label);
                after[i].1 = layout.clone();
                assert_eq!(after, before, "{} {role}", case.label);
            }
            assert!(case.op.with_element("no role", Element::F32).is_none());
        }
        assert!(answered > 0);
    }
}
