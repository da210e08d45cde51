//! `rms_norm`: rows of mean square 1.

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
    /// out = act(z / √(mean(z²) + ε) · γ + β), over each row: the last axis. Root mean square normalisation (B. Zhang,
    /// R. Sennrich, arXiv 1910.07467), as PyTorch's `rms_norm` over the last axis.
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
    /// Squares are summed in f32. Error: a relative (d + 2)·u for the mean square, d additions deep, half of it and 2
    /// ulp for the root; 3 roundings at the end; then the activation's.
    ///
    /// NaN in a row makes all of it NaN, in gamma or beta its column. Inf follows IEEE: it makes the row's other
    /// numbers 0, and itself NaN, ∞ · 0. A variance + ε below 2⁻¹²⁶ counts as 0, so a row of zeros with ε = 0 is NaN, 0
    /// · ∞. Squares beyond the range of f32 are Inf.
    ///
    /// Errors: an `epsilon` that is neither 0 nor a normal positive f32; an 8-bit gamma or beta; a residual or sum
    /// scaled finer than per tensor; a sum without a residual, or `zero_centred` without gamma; block scales of `out`;
    /// shapes that cannot be. A descriptor that takes every tensor there is, `x` scaled finer than per tensor and both
    /// outputs 8-bit, needs nine storage buffers, one more than WebGPU promises: then the GPU refuses it.
    ///
    /// ```
    /// use quarter::{Context, tensor::*, ops::*};
    /// let ctx = Context::cpu();
    /// let tensor = |v: &[f32]| ctx.upload_blocking(&HostTensor::from_f32(v, [1, 2])?);
    /// let (x, residual) = (tensor(&[1.0, 3.0])?, tensor(&[1.0, -5.0])?);
    /// let (y, sum) = (ctx.empty_blocking(x.layout())?, ctx.empty_blocking(x.layout())?);
    /// let norm = RmsNorm::new([1, 2]).epsilon(0.0).residual(Element::F32).sum(Element::F32);
    /// let args = RmsNormArgs::new(&x, &y).residual(&residual).sum(&sum);
    /// ctx.run([&ctx.plan_blocking(&norm)?.bind(&args)?])?;
    /// assert_eq!(ctx.download_blocking(&sum)?.to_f32(), [2.0, -2.0]);
    /// assert_eq!(ctx.download_blocking(&y)?.to_f32(), [1.0, -1.0]);
    /// # Ok::<(), quarter::Error>(())
    /// ```
    pub struct RmsNorm {
        /// The factor is 1 + gamma.
        pub zero_centred: bool,
        /// Elements of the sum that is kept, if it is.
        pub sum: Option<Element>,
    }
}

arguments! {
    /// Tensors of one [`RmsNorm`].
    pub struct RmsNormArgs for RmsNorm {
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

impl RmsNorm {
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
        RowNorm { norm, centred: false, sum: self.sum }
    }
}

impl From<RowNorm> for RmsNorm {
    fn from(o: RowNorm) -> Self {
        let RowNorm { norm, sum, .. } = o;
        let Norm {
            shape, x, gamma, beta, epsilon, residual, activation, out, overflow, zero_centred, ..
        } = norm;
        Self { shape, x, gamma, beta, epsilon, residual, activation, out, overflow, zero_centred, sum }
    }
}

impl Operation for RmsNorm {
    const NAME: &'static str = "rms_norm";
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
