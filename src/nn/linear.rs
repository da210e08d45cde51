//! `Linear`: y = act(x · Wᵀ + b + residual).

use super::{Graph, Layer, Precision, Value};
use crate::{
    context::Context,
    error::Error,
    ops::{Activation, DescriptorError, Gemm},
    tensor::{DType, DeviceTensor, HostTensor},
};

/// y = act(x · Wᵀ + b + residual), rows of x along its last axis.
///
/// ```
/// use quarter::{Context, dtype::Format, nn::*, tensor::*};
/// # pollster::block_on(async {
/// let ctx = Context::cpu();
/// let w = HostTensor::from_f32(&[1.0, 2.0, 3.5, 0.5, 1.0, -1.75], [2, 3])?; // [out, in]
/// let linear = Linear::builder(&w).precision(Precision::of(Format::E4M3FN)).build(&ctx).await?;
/// let mut g = Graph::new();
/// let x = g.input(&Layout::new([1, 3], Element::F32)?);
/// let y = linear.record(&mut g, x)?;
/// let model = g.compile(&ctx, &[y]).await?;
/// let x = HostTensor::from_f32(&[1.75, 1.75, 1.75], [1, 3])?;
/// // Exact: these numbers are codes × 2^-7 and 2^-8.
/// assert_eq!(model.call(&[&x]).await?.remove(0).to_f32(), [11.375, -0.4375]);
/// # Ok::<(), quarter::Error>(()) }).unwrap();
/// ```
#[derive(Clone, Debug)]
pub struct Linear {
    w: DeviceTensor,
    bias: Option<DeviceTensor>,
    activation: Activation,
    out: DType,
    precision: Precision,
}

/// What a [`Linear`] is made of.
#[derive(Clone, Debug)]
pub struct LinearBuilder {
    w: HostTensor,
    bias: Option<HostTensor>,
    activation: Activation,
    out: DType,
    precision: Precision,
}

impl LinearBuilder {
    /// Bias, \[out\].
    #[must_use]
    pub fn bias(self, bias: &HostTensor) -> Self {
        Self { bias: Some(bias.clone()), ..self }
    }

    /// The function at the end.
    #[must_use]
    pub fn activation(self, activation: Activation) -> Self {
        Self { activation, ..self }
    }

    /// Kind of the output: f32 (the default), f16 or bf16.
    #[must_use]
    pub fn out(self, out: DType) -> Self {
        Self { out, ..self }
    }

    /// What becomes 8-bit.
    #[must_use]
    pub fn precision(self, precision: Precision) -> Self {
        Self { precision, ..self }
    }

    /// Copies the weights to the device, quantised if the precision says so.
    ///
    /// # Errors
    /// [`Error::Descriptor`] for weights that are no matrix or are integers;
    /// [`Error::Tensor`] for weights that cannot be quantised; as [`Context::upload`].
    pub async fn build(self, ctx: &Context) -> Result<Linear, Error> {
        if self.w.shape().len() != 2 {
            let got = format!("{:?}", self.w.shape());
            return Err(DescriptorError::new("linear", "w", "[out, in]", got).into());
        }
        let w = ctx.upload(&self.precision.weights("linear", "w", &self.w, 0)?).await?;
        let bias = match &self.bias {
            Some(b) => Some(ctx.upload(b).await?),
            None => None,
        };
        Ok(Linear { w, bias, activation: self.activation, out: self.out, precision: self.precision })
    }
}

impl Linear {
    /// Weights \[out, in\], f32, f16, bf16 or 8-bit.
    pub fn builder(w: &HostTensor) -> LinearBuilder {
        let (activation, out, precision) = (Activation::None, DType::F32, Precision::F32);
        LinearBuilder { w: w.clone(), bias: None, activation, out, precision }
    }

    /// Kind of its output.
    pub(super) fn out_dtype(&self) -> DType {
        self.out
    }

    /// Its weights as they lie on the device.
    pub fn weights(&self) -> &DeviceTensor {
        &self.w
    }

    /// [`record`](Layer::record) with a residual of the output's shape, added before the activation.
    ///
    /// # Errors
    /// As there.
    pub fn record_with(&self, g: &mut Graph, x: Value, residual: Option<Value>) -> Result<Value, Error> {
        let x = self.precision.activations(g, x)?;
        let (shape, rows) = (g.layout(x)?.shape().to_vec(), g.layout(x)?.rows());
        let (outer, k) = (&shape[..shape.len() - 1], shape[shape.len() - 1]);
        let n = self.w.layout().shape()[0];
        let x = g.reshape(x, [rows, k])?;
        let gemm = Gemm::new(rows, n, k).a(g.layout(x)?.element().plain()).b(self.w.layout().element());
        let mut gemm = gemm.activation(self.activation).out(self.precision.made("linear", self.out)?);
        let mut args = vec![("a", x), ("b", g.tensor(&self.w))];
        if let Some(bias) = &self.bias {
            gemm = gemm.bias(bias.layout().element().dtype());
            args.push(("bias", g.tensor(bias)));
        }
        if let Some(residual) = residual {
            g.expect_shape("linear", "residual", residual, &[outer, &[n]].concat())?;
            let residual = g.reshape(residual, [rows, n])?;
            gemm = gemm.residual(g.layout(residual)?.element().plain());
            args.push(("residual", residual));
        }
        let y = g.apply(&gemm, &args)?;
        g.reshape(y, [outer, &[n]].concat())
    }
}

impl Layer for Linear {
    fn record(&self, g: &mut Graph, x: Value) -> Result<Value, Error> {
        self.record_with(g, x, None)
    }
}
