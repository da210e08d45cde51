//! `layer_norm`: rows of mean 0 and variance 1.

use super::{
    Norm, cases, descriptor,
    rows::{self, RowNorm, row_kernels},
};
use crate::{
    arguments,
    dtype::Overflow,
    ops::{Activation, Case, Cost, DescriptorError, Inputs, Kernel, Operation, Outputs, operation::elements},
    tensor::{DType, Element, Operand},
};

descriptor! {
    /// out = act((z − mean) / √(variance + ε) · γ + β), over each row: the last axis. Layer normalisation (J. Ba, J.
    /// Kiros, G. Hinton, arXiv 1607.06450), as PyTorch's `layer_norm` over the last axis and ONNX's LayerNormalization.
    ///
    /// * `x`: `shape`, one axis or more, f32, f16, bf16 or 8-bit at any granularity. z is x or, where the descriptor
    ///   has a `residual` (`shape`, f32, f16, bf16 or 8-bit scaled per tensor), x + residual in f32.
    /// * `gamma`, `beta`: \[cols\], f32, f16 or bf16, each if the descriptor has it; 1 and 0 without. With
    ///   `zero_centred` the factor is 1 + γ.
    /// * `out`: `shape`, f32, f16, bf16, or 8-bit with given scales, encoded as
    ///   code = encode(v × inv_scale), amax and flags kept.
    /// * `sum`, if the descriptor has it: z, f32, f16, bf16 or 8-bit scaled per tensor. What is normalised is z before
    ///   it is rounded: add and norm of a pre-norm decoder in one pass.
    ///
    /// Mean, then the mean square of what differs from it (the biased variance), in f32, in two passes over the row;
    /// never the difference of two large squares. Error: e_m = (d + 1)·u·mean|z| for the mean, d additions deep; a
    /// relative d·u + (e_m / σ)² for the variance, half of it and 2 ulp for the root; 4 roundings at the end; then the
    /// activation's.
    ///
    /// NaN in a row makes all of it NaN, in gamma or beta its column. Inf follows IEEE: a row that has one is NaN, Inf
    /// − Inf. A variance + ε below 2⁻¹²⁶ counts as 0, so a constant row with ε = 0 is NaN, 0 · ∞. Squares beyond the
    /// range of f32 are Inf.
    ///
    /// Errors: an `epsilon` that is neither 0 nor a normal positive f32; an 8-bit gamma or beta; a residual or sum
    /// scaled finer than per tensor; a sum without a residual, or `zero_centred` without gamma; block scales of `out`;
    /// shapes that cannot be. A descriptor that takes every tensor there is, `x` scaled finer than per tensor and both
    /// outputs 8-bit, needs nine storage buffers, one more than WebGPU promises: then the GPU refuses it.
    ///
    /// ```
    /// use quarter::{Context, tensor::*, ops::*};
    /// let ctx = Context::cpu();
    /// let x = ctx.upload_blocking(&HostTensor::from_f32(&[3.0, 5.0, 3.0, 5.0], [1, 4])?)?;
    /// let y = ctx.empty_blocking(x.layout())?;
    /// let norm = LayerNorm::new([1, 4]).epsilon(0.0);
    /// ctx.run([&ctx.plan_blocking(&norm)?.bind(&LayerNormArgs::new(&x, &y))?])?;
    /// assert_eq!(ctx.download_blocking(&y)?.to_f32(), [-1.0, 1.0, -1.0, 1.0]);
    /// # Ok::<(), quarter::Error>(())
    /// ```
    pub struct LayerNorm {
        /// The factor is 1 + gamma.
        pub zero_centred: bool,
        /// Elements of the sum that is kept, if it is.
        pub sum: Option<Element>,
    }
}

arguments! {
    /// Tensors of one [`LayerNorm`].
    pub struct LayerNormArgs for LayerNorm {
        /// Numbers.
        x,
        /// Normalised.
        out,
    } {
        /// \[cols\]; exactly when the descriptor has it.
        gamma,
        /// \[cols\]; exactly when the descriptor has it.
        beta,
        /// As `x`; exactly when the descriptor has it.
        residual,
        /// As `x`; exactly when the descriptor has it.
        sum,
    }
}

impl LayerNorm {
    /// f32 to f32 over the last axis, ε = 10⁻⁵, nothing before or after it.
    pub fn new(shape: impl Into<Vec<u32>>) -> Self {
        let (f32, none) = (Element::F32, Activation::None);
        Self {
            shape: shape.into(),
            x: f32,
            gamma: None,
            beta: None,
            epsilon: 1e-5,
            residual: None,
            activation: none,
            out: f32,
            overflow: Overflow::Saturate,
            zero_centred: false,
            sum: None,
        }
    }

    /// The factor is 1 + gamma: weights that are kept as what they differ from 1 by (Gemma, Transformer Engine).
    #[must_use]
    pub fn zero_centred(self) -> Self {
        Self { zero_centred: true, ..self }
    }

    /// Keeps x + residual, with these elements.
    #[must_use]
    pub fn sum(self, sum: Element) -> Self {
        Self { sum: Some(sum), ..self }
    }

    fn rows(&self) -> RowNorm {
        let norm = Norm { zero_centred: self.zero_centred, ..self.norm() };
        RowNorm { norm, centred: true, sum: self.sum }
    }
}

impl From<RowNorm> for LayerNorm {
    fn from(o: RowNorm) -> Self {
        let RowNorm { norm, sum, .. } = o;
        let Norm {
            shape, x, gamma, beta, epsilon, residual, activation, out, overflow, zero_centred, ..
        } = norm;
        Self { shape, x, gamma, beta, epsilon, residual, activation, out, overflow, zero_centred, sum }
    }
}

impl Operation for LayerNorm {
    const NAME: &'static str = "layer_norm";
    const KERNELS: &'static [Kernel<Self>] = row_kernels!();

    fn operands(&self) -> Result<Vec<Operand>, DescriptorError> {
        self.rows().operands()
    }

    elements!(x, out; residual, sum);

    fn variant(&self) -> String {
        self.norm().variant()
    }

    fn cost(&self) -> Cost {
        self.rows().cost()
    }

    fn reference(&self, x: &Inputs) -> Outputs {
        self.rows().reference(x)
    }

    fn cases() -> Vec<Case<Self>> {
        cases::rows(&Self::new([1]).rows())
    }
}
