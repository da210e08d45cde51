//! The network on one context: convolutions with ReLU, the mean of every channel, a linear layer.

use crate::{model::Block, models::Result};
use quarter::{
    Context, Error,
    nn::{self, BatchNorm2d, Conv2d, Graph, Layer, Linear, Precision, Sequential, Value},
    ops::{Activation, Pool2d},
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
    layers: Vec<(&'static str, Sequential)>,
    /// Bytes of all weights on the device, scales included.
    pub bytes: u64,
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
        let (mut layers, mut bytes) = (vec![], 0);
        let mut count = |l: &Layout| bytes += l.values_bytes() + l.scales_bytes();
        for block in blocks {
            let conv = Conv2d::builder(&block.weight).stride([block.stride; 2]).padding([block.pad(); 4]);
            let conv = conv.groups(block.groups()).precision(precision);
            let conv = match norm {
                Norm::Kept => conv,
                Norm::Folded => conv.fold_batch_norm(&block.norm).activation(Activation::Relu),
            };
            let conv = conv.build(ctx).await?;
            count(conv.weights().layout());
            let layer = Sequential::new().then(conv);
            layers.push((
                block.name,
                match norm {
                    Norm::Kept => {
                        layer.then(BatchNorm2d::new(ctx, &block.norm).await?.activation(Activation::Relu))
                    }
                    Norm::Folded => layer,
                },
            ));
        }
        layers.push(("mean", Sequential::new().then(GlobalMean)));
        let linear = Linear::builder(weight).bias(bias).precision(precision).build(ctx).await?;
        count(linear.weights().layout());
        layers.push(("linear", Sequential::new().then(linear)));
        Ok(Self { ctx: ctx.clone(), layers, bytes })
    }

    /// Names of the layers.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.layers.iter().map(|l| l.0)
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
    fn record(&self, g: &mut Graph, images: &Layout) -> Result<(Value, Vec<Value>)> {
        let (mut x, mut all) = (g.input(images), vec![]);
        for (_, layer) in &self.layers {
            x = layer.record(g, x)?;
            all.push(x);
        }
        Ok((x, all))
    }
}
