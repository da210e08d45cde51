//! `Conv2d`: y = act(conv(x, W) + b), with BatchNorm folded in if asked.

use super::{Graph, Layer, Precision, Value, norm::Statistics};
use crate::{
    context::Context,
    error::Error,
    ops::{self, Activation, DescriptorError, expect_number},
    tensor::{DType, DeviceTensor, HostTensor},
};

/// Output channels and extents of the kernel of weights of this shape.
fn kernel(w: &[u32]) -> Result<(u32, [u32; 2]), DescriptorError> {
    match *w {
        [k, r, s, _] => Ok((k, [r, s])),
        [r, s, k] => Ok((k, [r, s])),
        ref other => {
            let expected = "[out_channels, height, width, channels], or [height, width, out_channels]";
            Err(DescriptorError::new("conv2d", "w", expected, format!("{other:?}")))
        }
    }
}

/// y = act(conv(x, W) + b + residual) of images \[batch, height, width, channels\].
#[derive(Clone, Debug)]
pub struct Conv2d {
    w: DeviceTensor,
    bias: Option<DeviceTensor>,
    geometry: Geometry,
    activation: Activation,
    out: DType,
    precision: Precision,
}

#[derive(Clone, Copy, Debug)]
struct Geometry {
    stride: [u32; 2],
    padding: [u32; 4],
    dilation: [u32; 2],
    groups: u32,
}

/// What a [`Conv2d`] is made of.
#[derive(Clone, Debug)]
pub struct Conv2dBuilder {
    w: HostTensor,
    bias: Option<HostTensor>,
    fold: Option<Statistics>,
    geometry: Geometry,
    activation: Activation,
    out: DType,
    precision: Precision,
}

impl Conv2dBuilder {
    /// Bias, f32 \[out_channels\].
    #[must_use]
    pub fn bias(self, bias: &HostTensor) -> Self {
        Self { bias: Some(bias.clone()), ..self }
    }

    /// Steps down and right from patch to patch.
    #[must_use]
    pub fn stride(mut self, stride: [u32; 2]) -> Self {
        self.geometry.stride = stride;
        self
    }

    /// Zeros above, to the left, below and to the right.
    #[must_use]
    pub fn padding(mut self, padding: [u32; 4]) -> Self {
        self.geometry.padding = padding;
        self
    }

    /// Steps from tap to tap.
    #[must_use]
    pub fn dilation(mut self, dilation: [u32; 2]) -> Self {
        self.geometry.dilation = dilation;
        self
    }

    /// Parts that channels fall into.
    #[must_use]
    pub fn groups(mut self, groups: u32) -> Self {
        self.geometry.groups = groups;
        self
    }

    /// The BatchNorm that follows becomes part of weights and bias, before either is quantised: W' = W · γ/√(σ² + ε) per output
    /// channel, b' = β + (b − μ) · γ/√(σ² + ε), in f64, rounded once.
    #[must_use]
    pub fn fold_batch_norm(self, norm: &Statistics) -> Self {
        Self { fold: Some(norm.clone()), ..self }
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

    /// Axis of the output channels: last where a kernel sees one channel.
    fn axis(&self) -> usize {
        if self.w.shape().len() == 3 { 2 } else { 0 }
    }

    /// Weights and bias with the norm in them.
    fn folded(&self) -> Result<(HostTensor, Option<HostTensor>), Error> {
        let Some(norm) = &self.fold else { return Ok((self.w.clone(), self.bias.clone())) };
        let shape = self.w.shape();
        let channels = shape[self.axis()] as usize;
        norm.expect("conv2d", channels)?;
        let inner: usize = shape[self.axis() + 1..].iter().map(|d| *d as usize).product();
        let (scale, shift) = norm.affine();
        let w = self.w.to_f32().into_iter().enumerate();
        let w: Vec<f32> = w.map(|(i, w)| (f64::from(w) * scale[i / inner % channels]) as f32).collect();
        let bias = self.bias.as_ref().map_or(vec![0.0; channels], HostTensor::to_f32);
        if bias.len() != channels {
            let (expected, got) = (format!("[{channels}]"), format!("{} numbers", bias.len()));
            return Err(DescriptorError::new("conv2d", "bias", expected, got).into());
        }
        let bias = bias.iter().zip(scale.iter().zip(&shift));
        let bias: Vec<f32> = bias.map(|(b, (scale, shift))| (f64::from(*b) * scale + shift) as f32).collect();
        Ok((HostTensor::from_f32(&w, shape)?, Some(HostTensor::from_f32(&bias, [channels as u32])?)))
    }

    /// Copies the weights to the device, quantised if the precision says so.
    ///
    /// # Errors
    /// [`Error::Descriptor`] for weights of other axes or of integers, a norm or a bias of other channels, a norm that divides by
    /// no number above 0; [`Error::Tensor`] for weights that cannot be
    /// quantised; as [`Context::upload`].
    pub async fn build(self, ctx: &Context) -> Result<Conv2d, Error> {
        kernel(self.w.shape())?;
        expect_number("conv2d", "w", self.w.layout().element())?;
        let (w, bias) = self.folded()?;
        let w = ctx.upload(&self.precision.weights("conv2d", "w", &w, self.axis() as u8)?).await?;
        let bias = match bias {
            Some(b) => Some(ctx.upload(&b).await?),
            None => None,
        };
        let Self { geometry, activation, out, precision, .. } = self;
        Ok(Conv2d { w, bias, geometry, activation, out, precision })
    }
}

impl Conv2d {
    /// Weights \[out_channels, height, width, channels / groups\], or where channels / groups is 1 \[height, width,
    /// out_channels\].
    pub fn builder(w: &HostTensor) -> Conv2dBuilder {
        let geometry = Geometry { stride: [1, 1], padding: [0; 4], dilation: [1, 1], groups: 1 };
        Conv2dBuilder {
            w: w.clone(),
            bias: None,
            fold: None,
            geometry,
            activation: Activation::None,
            out: DType::F32,
            precision: Precision::F32,
        }
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
        let shape: Vec<u32> = g.layout(x)?.shape().to_vec();
        let Ok(images) = <[u32; 4]>::try_from(shape.as_slice()) else {
            let expected = "[batch, height, width, channels]";
            return Err(DescriptorError::new("conv2d", "x", expected, format!("{shape:?}")).into());
        };
        let (channels, kernel) = kernel(self.w.layout().shape())?;
        let Geometry { stride, padding, dilation, groups } = self.geometry;
        let conv = ops::Conv2d::new(images, channels, kernel).stride(stride).padding(padding);
        let conv = conv.dilation(dilation).groups(groups).activation(self.activation);
        let conv = conv.x(g.layout(x)?.element().plain()).w(self.w.layout().element());
        let mut conv = conv.out(self.precision.made("conv2d", self.out)?);
        let mut args = vec![("x", x), ("w", g.tensor(&self.w))];
        if let Some(bias) = &self.bias {
            conv = conv.bias(bias.layout().element().dtype());
            args.push(("bias", g.tensor(bias)));
        }
        if let Some(residual) = residual {
            conv = conv.residual(g.layout(residual)?.element().plain());
            args.push(("residual", residual));
        }
        g.apply(&conv, &args)
    }
}

impl Layer for Conv2d {
    fn record(&self, g: &mut Graph, x: Value) -> Result<Value, Error> {
        self.record_with(g, x, None)
    }
}
