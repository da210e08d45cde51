//! `batch_norm`: channels of mean 0 and variance 1.

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
    /// out = act((z − mean) / √(variance + ε) · γ + β), channel by channel: with running statistics that are given
    /// (inference), or with those of the batch (training). Batch normalisation (S. Ioffe, C. Szegedy, arXiv
    /// 1502.03167), as PyTorch's `batch_norm` and ONNX's BatchNormalization, channels last.
    ///
    /// * `x`: \[…, channels\], f32, f16, bf16 or 8-bit at any granularity. z is x or, where the descriptor has a
    ///   `residual` (of that shape, f32, f16, bf16 or 8-bit scaled per tensor), x + residual in f32.
    /// * `gamma`, `beta`: \[channels\], f32, f16 or bf16, each if the descriptor has it; 1 and 0 without.
    /// * `running_mean`, `running_var`: \[channels\], f32. Read by inference. Training updates them in place: running =
    ///   (1 − momentum) · running + momentum · batch, the variance there the unbiased one, Σ(z − mean)² / (n − 1),
    ///   where what normalises is the biased one, Σ(z − mean)² / n.
    /// * `out`: as `x`, f32, f16, bf16, or 8-bit with given scales, encoded as
    ///   code = encode(v × inv_scale), amax and flags kept.
    /// * `saved_mean`, `saved_inv_std`, if the descriptor keeps them: \[channels\], f32, mean and 1 / √(variance + ε)
    ///   of the batch, for a backward pass.
    ///
    /// Sums run over chunks of 32 rows, then in a tree: the same bits every time. The variance is the mean square of
    /// what differs from the mean, in a second pass. Error: as of [`LayerNorm`](crate::ops::LayerNorm), d the depth of
    /// that tree.
    ///
    /// NaN: inference makes NaN of it where it stands, and Inf follows IEEE. Training makes NaN of the whole channel of
    /// either, running and saved statistics too. NaN in gamma, beta or running statistics makes its channel NaN, as a
    /// negative variance + ε does. A variance + ε below 2⁻¹²⁶ in magnitude counts as 0, and 0 · ∞ is NaN.
    ///
    /// Errors: training on one number per channel, or with a momentum that is not in \[0, 1\]; statistics of the batch
    /// that are to be kept by inference; an `epsilon` that is neither 0 nor a normal positive f32; an 8-bit gamma or
    /// beta; a residual scaled finer than per tensor; block scales of `out`; shapes that cannot be.
    ///
    /// ```
    /// use quarter::{Context, tensor::*, ops::*};
    /// let ctx = Context::cpu();
    /// let tensor = |v: &[f32], shape: &[u32]| ctx.upload_blocking(&HostTensor::from_f32(v, shape)?);
    /// let x = tensor(&[3.0, 8.0, 5.0, 4.0], &[2, 2])?;
    /// let (mean, var) = (tensor(&[0.0, 2.0], &[2])?, tensor(&[1.0, 1.0], &[2])?);
    /// let y = ctx.empty_blocking(x.layout())?;
    /// let norm = BatchNorm::new([2, 2]).epsilon(0.0).training(0.5);
    /// let args = BatchNormArgs::new(&x, &mean, &var, &y);
    /// ctx.run([&ctx.plan_blocking(&norm)?.bind(&args)?])?;
    /// assert_eq!(ctx.download_blocking(&y)?.to_f32(), [-1.0, 1.0, 1.0, -1.0]);
    /// assert_eq!(ctx.download_blocking(&mean)?.to_f32(), [2.0, 4.0]);
    /// assert_eq!(ctx.download_blocking(&var)?.to_f32(), [1.5, 4.5]); // unbiased: 2 and 8
    /// # Ok::<(), quarter::Error>(())
    /// ```
    pub struct BatchNorm {
        /// Training: how much of the running statistics the batch replaces. Inference without.
        pub training: Option<f32>,
        /// Whether training keeps mean and inverse deviation of the batch.
        pub saved: bool,
    }
}

arguments! {
    /// Tensors of one [`BatchNorm`].
    pub struct BatchNormArgs for BatchNorm {
        /// Numbers.
        x,
        /// \[channels\], updated by training.
        running_mean,
        /// \[channels\], updated by training.
        running_var,
        /// Normalised.
        out,
    } {
        /// \[channels\]; exactly when the descriptor has it.
        gamma,
        /// \[channels\]; exactly when the descriptor has it.
        beta,
        /// As `x`; exactly when the descriptor has it.
        residual,
        /// \[channels\]; exactly when the descriptor keeps it.
        saved_mean,
        /// \[channels\]; exactly when the descriptor keeps it.
        saved_inv_std,
    }
}

impl BatchNorm {
    /// Inference, f32 to f32, ε = 10⁻⁵, nothing before or after it.
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
            training: None,
            saved: false,
        }
    }

    /// Statistics of the batch, of which running ones take so much: 0.1 is PyTorch's default.
    #[must_use]
    pub fn training(self, momentum: f32) -> Self {
        Self { training: Some(momentum), ..self }
    }

    /// Keeps mean and inverse deviation of the batch.
    #[must_use]
    pub fn saved(self) -> Self {
        Self { saved: true, ..self }
    }

    fn columns(&self) -> ColumnNorm {
        let source = self.training.map_or(Source::Given, |momentum| Source::Tracked { momentum });
        ColumnNorm { norm: self.norm(), by_sample: false, groups: None, source, saved: self.saved }
    }
}

impl From<ColumnNorm> for BatchNorm {
    fn from(o: ColumnNorm) -> Self {
        let training = match o.source {
            Source::Tracked { momentum } => Some(momentum),
            _ => None,
        };
        let saved = o.saved;
        let Norm { shape, x, gamma, beta, epsilon, residual, activation, out, overflow, .. } = o.norm;
        Self { shape, x, gamma, beta, epsilon, residual, activation, out, overflow, training, saved }
    }
}

impl Operation for BatchNorm {
    const NAME: &'static str = "batch_norm";
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
        let inference = Self::new([1, 1]);
        let training = inference.clone().training(0.25).saved();
        cases::batches(&inference.columns(), &training.columns())
    }
}
