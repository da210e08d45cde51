//! The contract: one operation, defined once, as data.

use super::Real;
#[cfg(feature = "gpu")]
use crate::gpu::{Capabilities, Schedule, Tuning};
use crate::{
    cpu::{HostArgs, Threads},
    tensor::{DeviceTensor, Element, HostTensor, Operand, TensorError, rows},
};
use std::fmt::{self, Debug};

/// A descriptor that contradicts itself: which field or operand, what would do, what came.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{op}: `{what}`: expected {expected}, got {got}")]
pub struct DescriptorError {
    /// The operation.
    pub op: &'static str,
    /// Field or operand.
    pub what: &'static str,
    /// What would do.
    pub expected: String,
    /// What came.
    pub got: String,
}

impl DescriptorError {
    /// The error of field or operand `what` of operation `op`.
    pub fn new(
        op: &'static str,
        what: &'static str,
        expected: impl Into<String>,
        got: impl Into<String>,
    ) -> Self {
        Self { op, what, expected: expected.into(), got: got.into() }
    }

    /// Turns the error of a layout into one of operand `what`.
    pub fn layout(op: &'static str, what: &'static str) -> impl Fn(TensorError) -> Self {
        move |e| Self::new(op, what, "a tensor that can be", e.to_string())
    }
}

/// Why a kernel does not take a problem here.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Refusal {
    /// The device lacks a feature.
    Missing(String),
    /// A limit of the device is exceeded.
    Limit {
        /// Which.
        what: String,
        /// What the kernel needs.
        needed: u64,
        /// What the device has.
        limit: u64,
    },
    /// The kernel does not compute this; the reason.
    Unfit(String),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(what) => write!(f, "the device lacks {what}"),
            Self::Limit { what, needed, limit } => write!(f, "{what}: {needed} needed, {limit} allowed"),
            Self::Unfit(why) => f.write_str(why),
        }
    }
}

/// Work that a problem cannot avoid, for rooflines.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Cost {
    /// Floating-point operations, a multiply-add counted as two.
    pub flops: u64,
    /// Bytes that must be read or written once.
    pub bytes: u64,
}

/// An operation: everything the crate knows of it. Planner, conformance test, benches, shader test and documentation
/// walk this, and nothing but the registry lists operations.
///
/// An operation of another crate is planned, bound and run like the crate's own: `tests/external` in the repository is
/// one. [`verify::check`](crate::verify::check) on the cases of [`entry`](super::entry) proves it. Its mistakes (a stage
/// that binds what there is not, a reference of the wrong length) panic with a message that begins with `internal:`.
pub trait Operation: Clone + Debug + PartialEq + Send + Sync + 'static {
    /// Its name, that of its file and of its folder of shaders.
    const NAME: &'static str;
    /// Implementations, GPU and CPU, best first.
    const KERNELS: &'static [Kernel<Self>];
    /// Validates the descriptor and lists its tensors: only those it has. Pure; every path calls it first.
    ///
    /// # Errors
    /// What contradicts itself.
    fn operands(&self) -> Result<Vec<Operand>, DescriptorError>;
    /// What tells one problem's kernel id from another's beside the shape: element kinds, layouts.
    fn variant(&self) -> String {
        String::new()
    }
    /// The same with other elements for the operand `role`; `None` where this descriptor has no such operand, or its elements
    /// are not to be chosen. What quantises a network asks it; unless an operation answers, its operands stay what they are.
    #[must_use]
    fn with_element(&self, role: &str, e: Element) -> Option<Self> {
        let _ = (role, e);
        None
    }
    /// Compulsory work.
    fn cost(&self) -> Cost;
    /// The truth in f64 with the bound of f32 arithmetic: plain loops over [`Real`].
    fn reference(&self, x: &Inputs) -> Outputs;
    /// What tests and benches run.
    fn cases() -> Vec<Case<Self>>;
}

/// [`Operation::with_element`] of a descriptor whose fields have the names of their roles: those that every one has; then those
/// that one may lack.
macro_rules! elements {
    ($($role:ident),* ; $($option:ident),*) => {
        fn with_element(&self, role: &str, e: Element) -> Option<Self> {
            match role {
                $(stringify!($role) => Some(Self { $role: e, ..self.clone() }),)*
                $(stringify!($option) if self.$option.is_some() => Some(Self { $option: Some(e), ..self.clone() }),)*
                _ => None,
            }
        }
    };
}
pub(super) use elements;

/// One implementation, as plain data.
pub struct Kernel<O: 'static> {
    /// Its name; on the CPU, `cpu` or `cpu.…`.
    pub name: &'static str,
    /// What its error bound depends on.
    pub arithmetic: Arithmetic,
    /// Where and how it runs.
    pub body: Body<O>,
}

impl<O> Kernel<O> {
    /// On the GPU, in f32, asking for no feature; see [`Body::Gpu`].
    #[cfg(feature = "gpu")]
    pub const fn gpu(
        name: &'static str,
        tunings: fn(&O, &Capabilities) -> Result<Vec<Tuning>, Refusal>,
        schedule: fn(&O, &Tuning, &Capabilities) -> Schedule,
    ) -> Self {
        let body = Body::Gpu { requires: wgpu::Features::empty(), tunings, schedule };
        Self { name, arithmetic: Arithmetic::F32, body }
    }

    /// The same named `plain`, of one variant, for every problem.
    #[cfg(feature = "gpu")]
    pub const fn plain(schedule: fn(&O, &Tuning, &Capabilities) -> Schedule) -> Self {
        Self::gpu("plain", |_, _| Ok(vec![Tuning::new("", &[])]), schedule)
    }

    /// The same with another error bound.
    #[must_use]
    pub const fn arithmetic(self, arithmetic: Arithmetic) -> Self {
        Self { arithmetic, ..self }
    }

    /// On the CPU, in f32, named `cpu`, for every problem.
    pub const fn cpu(run: fn(&O, &mut HostArgs<'_>, Threads)) -> Self {
        Self { name: "cpu", arithmetic: Arithmetic::F32, body: Body::Cpu { accepts: |_| Ok(()), run } }
    }
}

/// Where and how a kernel runs.
pub enum Body<O: 'static> {
    /// On the GPU.
    #[cfg(feature = "gpu")]
    Gpu {
        /// Features the device must have.
        requires: wgpu::Features,
        /// A refusal, or the variants to choose from, default first.
        tunings: fn(&O, &Capabilities) -> Result<Vec<Tuning>, Refusal>,
        /// What to bind and dispatch. Pure: no device is needed.
        schedule: fn(&O, &Tuning, &Capabilities) -> Schedule,
    },
    /// On the CPU.
    Cpu {
        /// A refusal, if it does not compute this.
        accepts: fn(&O) -> Result<(), Refusal>,
        /// Computes it.
        run: fn(&O, &mut HostArgs<'_>, Threads),
    },
}

/// What a kernel's error bound depends on beside the formula.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Arithmetic {
    /// The most additions that one accumulator makes in a row before a tree joins the partial sums.
    pub chain: u32,
}

impl Arithmetic {
    /// f32 sums in any order.
    pub const F32: Self = Self { chain: u32::MAX };
}

/// Typed arguments of an operation.
pub trait Arguments<O> {
    /// Tensors by role.
    fn slots(&self) -> Slots<'_>;
}

/// Tensors by role: what generic drivers pass.
#[derive(Clone, Debug, Default)]
pub struct Slots<'a>(pub Vec<(&'static str, &'a DeviceTensor)>);

impl<O> Arguments<O> for Slots<'_> {
    fn slots(&self) -> Slots<'_> {
        self.clone()
    }
}

/// Defines the arguments of an operation: `arguments! { pub struct GemmArgs for Gemm { a, b, out } { bias } }`,
/// required roles first, then optional ones.
#[macro_export]
macro_rules! arguments {
    ($(#[$doc:meta])* pub struct $args:ident for $op:ty
        { $($(#[$rd:meta])* $req:ident),* $(,)? } { $($(#[$od:meta])* $opt:ident),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Debug)]
        pub struct $args<'a> {
            $($(#[$rd])* pub $req: &'a $crate::tensor::DeviceTensor,)*
            $($(#[$od])* pub $opt: Option<&'a $crate::tensor::DeviceTensor>,)*
        }
        impl<'a> $args<'a> {
            /// The tensors every such call has.
            pub fn new($($req: &'a $crate::tensor::DeviceTensor),*) -> Self {
                Self { $($req,)* $($opt: None,)* }
            }
            $($(#[$od])* #[must_use] pub fn $opt(mut self, tensor: &'a $crate::tensor::DeviceTensor) -> Self {
                self.$opt = Some(tensor);
                self
            })*
        }
        impl $crate::ops::Arguments<$op> for $args<'_> {
            fn slots(&self) -> $crate::ops::Slots<'_> {
                #[allow(unused_mut)]
                let mut s = vec![$((stringify!($req), self.$req),)*];
                $(if let Some(t) = self.$opt { s.push((stringify!($opt), t)); })*
                $crate::ops::Slots(s)
            }
        }
    };
}

/// What a case is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// A self-check in a moment; mutants run here.
    Smoke,
    /// A corner.
    Edge,
    /// What users do.
    Typical,
    /// For the benches only.
    Bench,
}

/// How a case's operands are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Data {
    /// Real-looking numbers, compared within the bound.
    Random,
    /// Small integers and power-of-two scales: every f32 sum is exact in any order, so every bit must be right.
    SmallIntegers,
    /// Zeros of both signs, subnormal codes, the largest codes, Inf and NaN among ordinary numbers.
    Specials,
}

/// One problem to check or time.
#[derive(Clone, Debug)]
pub struct Case<O> {
    /// Its name in reports.
    pub label: String,
    /// The descriptor.
    pub op: O,
    /// What it is for.
    pub purpose: Purpose,
    /// How its operands are drawn.
    pub data: Data,
}

impl<O> Case<O> {
    /// A case.
    pub fn new(label: impl Into<String>, purpose: Purpose, data: Data, op: O) -> Self {
        Self { label: label.into(), op, purpose, data }
    }
}

/// What a reference reads.
#[derive(Clone, Debug)]
pub struct Inputs {
    /// Tensors by role: those that are read and, of those that are written, the given scales.
    pub tensors: Vec<(&'static str, HostTensor)>,
    /// Of the kernel whose bound is asked for.
    pub arithmetic: Arithmetic,
}

impl Inputs {
    /// The tensor with this role.
    ///
    /// # Panics
    /// If the operation has none: an internal invariant.
    pub fn tensor(&self, role: &str) -> &HostTensor {
        let found = self.tensors.iter().find(|(r, _)| *r == role);
        &found.unwrap_or_else(|| panic!("internal: no operand `{role}`")).1
    }

    /// Its numbers, decoded; scales are not applied.
    pub fn codes(&self, role: &str) -> Vec<f64> {
        let t = self.tensor(role);
        let cols = t.layout().cols() as usize;
        let mut x = vec![0.0; t.layout().elements() as usize];
        for (i, row) in x.chunks_exact_mut(cols).enumerate() {
            rows::decode(t.layout(), t.words(), i, 0, row);
            if let Some(s) = t.scales() {
                s.look_up(row);
            }
        }
        x.into_iter().map(f64::from).collect()
    }

    /// Scale of every element of the tensor; 1 where it is unscaled.
    pub fn scales(&self, role: &str) -> Vec<f64> {
        let t = self.tensor(role);
        let cols = t.layout().cols() as usize;
        let Some(s) = t.scales() else { return vec![1.0; t.layout().elements() as usize] };
        let map = s.granularity().map(t.shape());
        let scale = |i| f64::from(s.scale_of(map.group(i / cols, i % cols)));
        (0..t.layout().elements() as usize).map(scale).collect()
    }

    /// Real numbers, code × scale: what one multiplication makes of them.
    pub fn real(&self, role: &str) -> Vec<Real> {
        let scaled = self.tensor(role).layout().element().format().is_some();
        let pairs = self.codes(role).into_iter().zip(self.scales(role));
        let real = |(c, s): (f64, f64)| if scaled { Real::exact(c) * Real::exact(s) } else { Real::exact(c) };
        pairs.map(real).collect()
    }
}

/// What must come out: real numbers by role, in row-major order. How they may look as f16 or as codes, and which
/// amax, flags and scales go with them, follows from the operand.
#[derive(Clone, Debug, Default)]
pub struct Outputs(pub Vec<(&'static str, Vec<Real>)>);
