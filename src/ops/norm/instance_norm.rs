//! `instance_norm`: channels of a sample, of mean 0 and variance 1.

use super::{
    Norm, cases,
    columns::{self, ColumnNorm, Source, column_kernels},
    descriptor,
};
use crate::{
    arguments,
    dtype::Overflow,
    ops::{Activation, Case, Cost, DescriptorError, Inputs, Kernel, Operation, Outputs, operation::elements},
    tensor::{DType, Element, Operand},
};

descriptor! {
    /// out = act((z − mean) / √(variance + ε) · γ + β), mean and variance over all rows and one channel of each sample.
    /// Instance normalisation (D. Ulyanov, A. Vedaldi, V. Lempitsky, arXiv 1607.08022), as PyTorch's `instance_norm`
    /// and ONNX's InstanceNormalization, channels last.
    ///
    /// * `x`: \[samples, …, channels\], f32, f16, bf16 or 8-bit at any granularity. z is x or, where the descriptor has
    ///   a `residual` (of that shape, f32, f16, bf16 or 8-bit scaled per tensor), x + residual in f32.
    /// * `gamma`, `beta`: \[channels\], f32, f16 or bf16, each if the descriptor has it; 1 and 0 without.
    /// * `out`: as `x`, f32, f16, bf16, or 8-bit with given scales, encoded as
    ///   code = encode(v × inv_scale), amax and flags kept.
    ///
    /// Sums run over chunks of 32 rows, then in a tree: the same bits every time. The variance is the mean square of
    /// what differs from the mean, in a second pass. Error: as of [`LayerNorm`](crate::ops::LayerNorm), d the depth of
    /// that tree.
    ///
    /// NaN or Inf in a group makes all of the group NaN; NaN in gamma or beta makes its channel NaN. A variance + ε
    /// below 2⁻¹²⁶ counts as 0, so a constant group with ε = 0 is NaN, 0 · ∞. Squares beyond the range of f32 are Inf.
    ///
    /// Errors: fewer than two axes; an `epsilon` that is neither 0 nor a normal positive f32; an 8-bit gamma or beta; a
    /// residual scaled finer than per tensor; block scales of `out`; shapes that cannot be.
    ///
    /// ```
    /// use quarter::{Context, tensor::*, ops::*};
    /// let ctx = Context::cpu();
    /// let x = ctx.upload_blocking(&HostTensor::from_f32(&[3.0, 8.0, 5.0, 4.0], [1, 2, 2])?)?;
    /// let y = ctx.empty_blocking(x.layout())?;
    /// let norm = InstanceNorm::new([1, 2, 2]).epsilon(0.0);
    /// ctx.run([&ctx.plan_blocking(&norm)?.bind(&InstanceNormArgs::new(&x, &y))?])?;
    /// assert_eq!(ctx.download_blocking(&y)?.to_f32(), [-1.0, 1.0, 1.0, -1.0]);
    /// # Ok::<(), quarter::Error>(())
    /// ```
    pub struct InstanceNorm {
    }
}

arguments! {
    /// Tensors of one [`InstanceNorm`].
    pub struct InstanceNormArgs for InstanceNorm {
        /// Numbers.
        x,
        /// Normalised.
        out,
    } {
        /// \[channels\]; exactly when the descriptor has it.
        gamma,
        /// \[channels\]; exactly when the descriptor has it.
        beta,
        /// As `x`; exactly when the descriptor has it.
        residual,
    }
}

impl InstanceNorm {
    /// f32 to f32, ε = 10⁻⁵, nothing before or after it.
    pub fn new(shape: impl Into<Vec<u32>>) -> Self {
        let f32 = Element::F32;
        Self {
            shape: shape.into(),
            x: f32,
            gamma: None,
            beta: None,
            epsilon: 1e-5,
            residual: None,
            activation: Activation::None,
            out: f32,
            overflow: Overflow::Saturate,
        }
    }

    fn columns(&self) -> ColumnNorm {
        let (groups, source) = (None, Source::Found);
        ColumnNorm { norm: self.norm(), by_sample: true, groups, source, saved: false }
    }
}

impl From<ColumnNorm> for InstanceNorm {
    fn from(o: ColumnNorm) -> Self {
        let Norm { shape, x, gamma, beta, epsilon, residual, activation, out, overflow, .. } = o.norm;
        Self { shape, x, gamma, beta, epsilon, residual, activation, out, overflow }
    }
}

impl Operation for InstanceNorm {
    const NAME: &'static str = "instance_norm";
    const KERNELS: &'static [Kernel<Self>] = column_kernels!();

    fn operands(&self) -> Result<Vec<Operand>, DescriptorError> {
        self.columns().operands()
    }

    elements!(x, out; residual);

    fn variant(&self) -> String {
        self.norm().variant()
    }

    fn cost(&self) -> Cost {
        self.columns().cost()
    }

    fn reference(&self, x: &Inputs) -> Outputs {
        self.columns().reference(x)
    }

    fn cases() -> Vec<Case<Self>> {
        cases::groups(
            &Self::new([1, 1]).columns(),
            &[([3, 5, 8], 0), ([2, 33, 6], 0), ([3, 2, 9], 0), ([2, 65, 20], 0)],
        )
    }
}
