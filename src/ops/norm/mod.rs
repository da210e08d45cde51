//! Normalisations: (x − mean) / √(variance + ε) over rows, over groups of channels, or over a batch. What they share.

mod batch_norm;
mod cases;
mod columns;
#[cfg(feature = "gpu")]
mod columns_gpu;
mod ends;
mod group_norm;
mod instance_norm;
mod layer_norm;
mod rms_norm;
mod rows;
mod statistics;
#[cfg(test)]
mod tests;

pub use batch_norm::{BatchNorm, BatchNormArgs};
pub use group_norm::{GroupNorm, GroupNormArgs};
pub use instance_norm::{InstanceNorm, InstanceNormArgs};
pub use layer_norm::{LayerNorm, LayerNormArgs};
pub use rms_norm::{RmsNorm, RmsNormArgs};

use super::{
    Activation, DescriptorError,
    expect::{expect_epsilon, expect_number, unscaled},
};
use crate::{
    dtype::Overflow,
    scale::Granularity,
    tensor::{DType, Draw, Element, Operand},
};

/// Fields that every normalisation has.
#[derive(Clone, Debug)]
struct Norm {
    /// The factor is 1 + gamma.
    zero_centred: bool,
    op: &'static str,
    shape: Vec<u32>,
    x: Element,
    gamma: Option<DType>,
    beta: Option<DType>,
    epsilon: f32,
    residual: Option<Element>,
    activation: Activation,
    out: Element,
    overflow: Overflow,
}

/// Defines a descriptor: the fields of [`Norm`], those of its own, and setters for the former.
macro_rules! descriptor {
    ($(#[$doc:meta])* pub struct $name:ident { $($(#[$field_doc:meta])* pub $field:ident: $ty:ty,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq)]
        pub struct $name {
            /// Shape of `x` and of `out`.
            pub shape: Vec<u32>,
            /// Elements of `x`.
            pub x: Element,
            /// Kind of `gamma`, if there is one.
            pub gamma: Option<DType>,
            /// Kind of `beta`, if there is one.
            pub beta: Option<DType>,
            /// What is added to the variance.
            pub epsilon: f32,
            /// Elements of the residual, if there is one.
            pub residual: Option<Element>,
            /// The function at the end.
            pub activation: Activation,
            /// Elements of the output.
            pub out: Element,
            /// What becomes of numbers beyond the largest code of an 8-bit output.
            pub overflow: Overflow,
            $($(#[$field_doc])* pub $field: $ty,)*
        }

        impl $name {
            /// Elements of `x`.
            #[must_use]
            pub fn x(self, x: Element) -> Self {
                Self { x, ..self }
            }

            /// A factor of this kind for each column.
            #[must_use]
            pub fn gamma(self, gamma: DType) -> Self {
                Self { gamma: Some(gamma), ..self }
            }

            /// A summand of this kind for each column.
            #[must_use]
            pub fn beta(self, beta: DType) -> Self {
                Self { beta: Some(beta), ..self }
            }

            /// What is added to the variance.
            #[must_use]
            pub fn epsilon(self, epsilon: f32) -> Self {
                Self { epsilon, ..self }
            }

            /// A residual of these elements, added to `x` before anything else.
            #[must_use]
            pub fn residual(self, residual: Element) -> Self {
                Self { residual: Some(residual), ..self }
            }

            /// The function at the end.
            #[must_use]
            pub fn activation(self, activation: Activation) -> Self {
                Self { activation, ..self }
            }

            /// Elements of the output.
            #[must_use]
            pub fn out(self, out: Element) -> Self {
                Self { out, ..self }
            }

            /// What becomes of numbers beyond the largest code of an 8-bit output.
            #[must_use]
            pub fn overflow(self, overflow: Overflow) -> Self {
                Self { overflow, ..self }
            }

            fn norm(&self) -> Norm {
                Norm {
                    zero_centred: false,
                    op: Self::NAME,
                    shape: self.shape.clone(),
                    x: self.x,
                    gamma: self.gamma,
                    beta: self.beta,
                    epsilon: self.epsilon,
                    residual: self.residual,
                    activation: self.activation,
                    out: self.out,
                    overflow: self.overflow,
                }
            }
        }
    };
}
use descriptor;

/// Operands that are added to others, or are sums: one scale costs no storage binding.
fn expect_plain(op: &'static str, what: &'static str, e: Element) -> Result<(), DescriptorError> {
    expect_number(op, what, e)?;
    match e.scaling() {
        None | Some(Granularity::PerTensor) => Ok(()),
        Some(g) => {
            let expected = "f32, f16, bf16, or an 8-bit format scaled per tensor";
            Err(DescriptorError::new(op, what, expected, g.to_string()))
        }
    }
}

impl Norm {
    /// Operands that every normalisation has: x, gamma, beta, residual, out. Statistics are over blocks of so many rows
    /// and columns; `centred`: of numbers less their mean.
    fn operands(&self, block: (u32, u32), centred: bool) -> Result<Vec<Operand>, DescriptorError> {
        let op = self.op;
        expect_number(op, "x", self.x)?;
        expect_number(op, "out", self.out)?;
        expect_epsilon(op, self.epsilon)?;
        let read = |role: &'static str, shape: &[u32], e| {
            Operand::read(role, shape, e).map_err(DescriptorError::layout(op, role))
        };
        let (rows, cols) = block;
        let beside = !centred || self.residual.is_some();
        let mut all = vec![read("x", &self.shape, self.x)?.draw(Draw::Balanced { rows, cols, beside })];
        let channels = &self.shape[self.shape.len() - 1..];
        for (role, kind) in [("gamma", self.gamma), ("beta", self.beta)] {
            if let Some(kind) = kind {
                all.push(read(role, channels, unscaled(op, role, kind)?)?);
            }
        }
        if let Some(e) = self.residual {
            expect_plain(op, "residual", e)?;
            let draw = Draw::Balanced { rows, cols, beside: true };
            all.push(read("residual", &self.shape, e)?.draw(draw));
        }
        let out = Operand::write("out", self.shape.clone(), self.out);
        all.push(out.map_err(DescriptorError::layout(op, "out"))?.overflow(self.overflow));
        Ok(all)
    }

    fn variant(&self) -> String {
        format!("{}_{}", self.x.dtype(), self.out.dtype())
    }

    /// Elements of `x`.
    fn elements(&self) -> u64 {
        self.shape.iter().fold(1u64, |n, &d| n.saturating_mul(d.into()))
    }

    /// Bytes of `x`, residual and output.
    fn bytes(&self) -> u64 {
        let each = [Some(self.x), self.residual, Some(self.out)].into_iter().flatten();
        self.elements().saturating_mul(each.map(|e| u64::from(e.dtype().bytes())).sum())
    }
}

/// The operand with this role.
fn operand<'o>(all: &'o [Operand], role: &str) -> Option<&'o Operand> {
    all.iter().find(|o| o.role == role)
}
