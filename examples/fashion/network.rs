//! The network on one context: convolutions with ReLU, the mean of every channel, a linear layer.

use super::model::{Block, Place};
use crate::models::Result;
use quarter::{
    Context, Error,
    nn::{self, BatchNorm2d, Conv2d, Graph, Layer, Linear, Precision, Value},
    ops::{Activation, Binary, BinaryOp, Pool2d},
    tensor::{HostTensor, Layout},
};

/// What becomes of BatchNorm.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Norm {
    /// An operation of its own.
    Kept,
    /// Part of weights and bias.
    Folded,
}

/// The layers, their weights on a device.
pub struct Network {
    ctx: Context,
    convolutions: Vec<Convolution>,
    linear: Linear,
    /// Bytes of all weights on the device, scales included.
    pub bytes: u64,
}

/// A convolution with what follows it.
struct Convolution {
    place: Place,
    conv: Conv2d,
    /// If it is kept.
    norm: Option<BatchNorm2d>,
}

impl Convolution {
    fn record(&self, g: &mut Graph, x: Value, residual: Option<Value>) -> Result<Value> {
        let Some(norm) = &self.norm else { return Ok(self.conv.record_with(g, x, residual)?) };
        let y = self.conv.record(g, x)?;
        let y = norm.record(g, y)?;
        let Some(residual) = residual else { return Ok(y) };
        let shape = g.layout(y)?.shape().to_vec();
        let sum = Binary::new(BinaryOp::Add, shape.clone(), shape).activation(self.place.activation());
        Ok(g.apply(&sum, &[("a", y), ("b", residual)])?)
    }
}

/// The mean of every channel, \[batch, channels\].
struct GlobalMean;

impl Layer for GlobalMean {
    fn record(&self, g: &mut Graph, x: Value) -> std::result::Result<Value, Error> {
        let layout = g.layout(x)?.clone();
        let &[batch, height, width, channels] = layout.shape() else { unreachable!("images") };
        let mean = Pool2d::global_average([batch, height, width, channels], layout.element());
        let y = g.apply(&mean, &[("x", x)])?;
        g.reshape(y, [batch, channels])
    }
}

impl Network {
    /// Weights per output channel, activations per tensor, in this precision.
    pub async fn new(
        ctx: &Context,
        blocks: &[Block],
        (weight, bias): &(HostTensor, HostTensor),
        precision: Precision,
        norm: Norm,
    ) -> Result<Self> {
        let (mut convolutions, mut bytes) = (vec![], 0);
        let mut count = |l: &Layout| bytes += l.values_bytes() + l.scales_bytes();
        for block in blocks {
            let place = block.place;
            let conv = Conv2d::builder(&block.weight).stride([place.stride; 2]).padding([block.pad(); 4]);
            let conv = conv.groups(block.groups()).precision(precision);
            let (conv, norm) = match norm {
                Norm::Kept => {
                    let last = if place.adds.is_none() { place.activation() } else { Activation::None };
                    (conv, Some(BatchNorm2d::new(ctx, &block.norm).await?.activation(last)))
                }
                Norm::Folded => (conv.fold_batch_norm(&block.norm).activation(place.activation()), None),
            };
            let conv = conv.build(ctx).await?;
            count(conv.weights().layout());
            convolutions.push(Convolution { place, conv, norm });
        }
        let linear = Linear::builder(weight).bias(bias).precision(precision).build(ctx).await?;
        count(linear.weights().layout());
        Ok(Self { ctx: ctx.clone(), convolutions, linear, bytes })
    }

    /// Names of the layers.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.convolutions.iter().map(|c| c.place.name).chain(["mean", "linear"])
    }

    /// What every layer makes of these images; the last are the logits.
    pub async fn layers(&self, images: &HostTensor) -> Result<Vec<HostTensor>> {
        let mut g = Graph::new();
        let (x, all) = self.record(&mut g, images.layout())?;
        debug_assert_eq!(all.last(), Some(&x));
        Ok(g.compile(&self.ctx, &all).await?.call(&[images]).await?)
    }

    /// Logits of batches of such images: planned, to be called.
    pub async fn compile(&self, images: &Layout) -> Result<nn::Model> {
        let mut g = Graph::new();
        let (logits, _) = self.record(&mut g, images)?;
        Ok(g.compile(&self.ctx, &[logits]).await?)
    }

    /// The logits, and the output of every layer.
    pub fn record(&self, g: &mut Graph, images: &Layout) -> Result<(Value, Vec<Value>)> {
        let (mut x, mut all) = (g.input(images), vec![]);
        for c in &self.convolutions {
            let made = |name: &str| {
                let at = self.names().position(|n| n == name);
                at.and_then(|at| all.get(at).copied()).ok_or(format!("{}: no {name} before", c.place.name))
            };
            let from = c.place.reads.map_or(Ok(x), made)?;
            let residual = c.place.adds.map(made).transpose()?;
            x = c.record(g, from, residual)?;
            all.push(x);
        }
        for layer in [&GlobalMean as &dyn Layer, &self.linear] {
            x = layer.record(g, x)?;
            all.push(x);
        }
        Ok((x, all))
    }
}
