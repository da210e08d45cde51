//! CREPE tiny on one context: six one-dimensional convolutions, each with ReLU, then BatchNorm, then a maximum; a linear layer.

use crate::models::{Result, Weights};
use quarter::{
    Context, Error,
    nn::{self, BatchNorm2d, Conv2d, Graph, Layer, Linear, Precision, Sequential, Value},
    ops::{Activation, Pool2d},
    tensor::{HostTensor, Layout},
};

/// Names of the convolutions, and their strides.
const CONVOLUTIONS: [(&str, u32); 6] =
    [("conv1", 4), ("conv2", 1), ("conv3", 1), ("conv4", 1), ("conv5", 1), ("conv6", 1)];
/// Of every BatchNorm.
const EPSILON: f32 = 0.001;

/// The layers, their weights on a device.
pub struct Network {
    ctx: Context,
    layers: Vec<(&'static str, Sequential)>,
    /// Bytes of all weights on the device, scales included.
    pub bytes: u64,
}

/// The larger of every two.
struct Halve;

impl Layer for Halve {
    fn record(&self, g: &mut Graph, x: Value) -> std::result::Result<Value, Error> {
        let layout = g.layout(x)?.clone();
        let &[batch, length, width, channels] = layout.shape() else { unreachable!("what conv2d makes") };
        let op = Pool2d::max([batch, length, width, channels], layout.element(), [2, 1]);
        g.apply(&op, &[("x", x)])
    }
}

/// A row per frame.
struct Flatten;

impl Layer for Flatten {
    fn record(&self, g: &mut Graph, x: Value) -> std::result::Result<Value, Error> {
        let shape = g.layout(x)?.shape();
        let (batch, rest) = (shape[0], shape[1..].iter().product());
        g.reshape(x, [batch, rest])
    }
}

impl Network {
    /// Weights per output channel, activations per tensor, in this precision.
    pub async fn new(ctx: &Context, weights: &Weights<'_>, precision: Precision) -> Result<Self> {
        let (mut layers, mut bytes) = (vec![], 0);
        let mut count = |l: &Layout| bytes += l.values_bytes() + l.scales_bytes();
        for (name, stride) in CONVOLUTIONS {
            let kernel = weights.kernel(&format!("{name}.weight"))?;
            // [length, 1, out] or [out, length, 1, in].
            let length = kernel.shape()[usize::from(kernel.shape().len() == 4)];
            // Zeros before and after, so that the length becomes length / stride.
            let zeros = length - stride;
            let conv = Conv2d::builder(&kernel).bias(&weights.get(&format!("{name}.bias"))?);
            let conv = conv.stride([stride, 1]).padding([zeros / 2, 0, zeros.div_ceil(2), 0]);
            let conv = conv.activation(Activation::Relu).precision(precision).build(ctx).await?;
            count(conv.weights().layout());
            let norm = BatchNorm2d::new(ctx, &weights.statistics(&format!("{name}_BN"), EPSILON)?).await?;
            layers.push((name, Sequential::new().then(conv).then(norm).then(Halve)));
        }
        let [weight, bias] = ["weight", "bias"].map(|part| weights.get(&format!("classifier.{part}")));
        let linear = Linear::builder(&weight?).bias(&bias?).activation(Activation::Sigmoid);
        let linear = linear.precision(precision).build(ctx).await?;
        count(linear.weights().layout());
        layers.push(("classifier", Sequential::new().then(Flatten).then(linear)));
        Ok(Self { ctx: ctx.clone(), layers, bytes })
    }

    /// Names of the layers.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.layers.iter().map(|l| l.0)
    }

    /// What every layer makes of these frames, \[frames, samples, 1, 1\]; the last are the answers.
    pub async fn layers(&self, frames: &HostTensor) -> Result<Vec<HostTensor>> {
        let mut g = Graph::new();
        let (_, all) = self.record(&mut g, frames.layout())?;
        Ok(g.compile(&self.ctx, &all).await?.call(&[frames]).await?)
    }

    /// Answers of batches of such frames: planned, to be called.
    pub async fn compile(&self, frames: &Layout) -> Result<nn::Model> {
        let mut g = Graph::new();
        let (answers, _) = self.record(&mut g, frames)?;
        Ok(g.compile(&self.ctx, &[answers]).await?)
    }

    /// The answers, and the output of every layer.
    fn record(&self, g: &mut Graph, frames: &Layout) -> Result<(Value, Vec<Value>)> {
        let (mut x, mut all) = (g.input(frames), vec![]);
        for (_, layer) in &self.layers {
            x = layer.record(g, x)?;
            all.push(x);
        }
        Ok((x, all))
    }
}
