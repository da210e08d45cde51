//! EfficientNet-lite0 on one context: a convolution, sixteen inverted bottlenecks, a convolution, the mean of every channel, a
//! linear layer.

use crate::models::{Result, Weights};
use quarter::{
    Context, Error,
    nn::{self, BatchNorm2d, Conv2d, Graph, Layer, Linear, Precision, Sequential, Value},
    ops::{Activation, Binary, BinaryOp, Pool2d},
    tensor::{HostTensor, Layout},
};

/// Height and width of an image.
pub const SIZE: u32 = 224;
/// Strides of the bottlenecks, and how many there are; all else the weights say.
const STRIDES: [u32; 16] = [1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1, 1, 1, 1];
/// Of every BatchNorm.
const EPSILON: f32 = 1e-3;

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
    layers: Vec<(String, Sequential)>,
    /// Bytes of all weights on the device, scales included.
    pub bytes: u64,
}

/// A convolution and the BatchNorm that follows it, unless that is folded.
struct Convolution {
    conv: Conv2d,
    norm: Option<BatchNorm2d>,
}

impl Convolution {
    /// act(norm(conv(x))) + skip
    fn record_with(&self, g: &mut Graph, x: Value, skip: Option<Value>) -> std::result::Result<Value, Error> {
        let Some(norm) = &self.norm else { return self.conv.record_with(g, x, skip) };
        let y = self.conv.record(g, x)?;
        let y = norm.record(g, y)?;
        let Some(skip) = skip else { return Ok(y) };
        let [a, b] = [g.layout(y)?.clone(), g.layout(skip)?.clone()];
        let add = Binary::new(BinaryOp::Add, a.shape(), b.shape()).a(a.element()).b(b.element());
        g.apply(&add, &[("a", y), ("b", skip)])
    }
}

impl Layer for Convolution {
    fn record(&self, g: &mut Graph, x: Value) -> std::result::Result<Value, Error> {
        self.record_with(g, x, None)
    }
}

/// More channels, a kernel for each, fewer channels; plus what came in, where that has the same shape.
struct Bottleneck {
    expand: Option<Convolution>,
    depthwise: Convolution,
    project: Convolution,
    skip: bool,
}

impl Layer for Bottleneck {
    fn record(&self, g: &mut Graph, x: Value) -> std::result::Result<Value, Error> {
        let y = self.expand.iter().try_fold(x, |x, expand| expand.record(g, x))?;
        let y = self.depthwise.record(g, y)?;
        self.project.record_with(g, y, self.skip.then_some(x))
    }
}

/// The mean of every channel, \[batch, channels\].
struct GlobalMean;

impl Layer for GlobalMean {
    fn record(&self, g: &mut Graph, x: Value) -> std::result::Result<Value, Error> {
        let layout = g.layout(x)?.clone();
        let &[batch, height, width, channels] = layout.shape() else { unreachable!("what conv2d makes") };
        let mean = Pool2d::global_average([batch, height, width, channels], layout.element());
        let y = g.apply(&mean, &[("x", x)])?;
        g.reshape(y, [batch, channels])
    }
}

/// Takes layers from the weights, one after another.
struct Builder<'a> {
    ctx: &'a Context,
    weights: &'a Weights<'a>,
    precision: Precision,
    norm: Norm,
    /// Height and width of what comes next.
    size: u32,
    bytes: u64,
}

impl Builder<'_> {
    fn count(&mut self, l: &Layout) {
        self.bytes += l.values_bytes() + l.scales_bytes();
    }

    /// Padded as TensorFlow's SAME: the size becomes ⌈size / stride⌉, and of an odd number of zeros the odd one is below and to
    /// the right. Weights and BatchNorm are of these names.
    async fn convolution(
        &mut self,
        [conv, norm]: [&str; 2],
        stride: u32,
        activation: Activation,
    ) -> Result<Convolution> {
        let kernel = self.weights.kernel(&format!("{conv}.weight"))?;
        let depthwise = kernel.shape().len() == 3;
        let (taps, groups) =
            if depthwise { (kernel.shape()[0], kernel.shape()[2]) } else { (kernel.shape()[1], 1) };
        let out = self.size.div_ceil(stride);
        let zeros = ((out - 1) * stride + taps).saturating_sub(self.size);
        self.size = out;
        let (before, after) = (zeros / 2, zeros.div_ceil(2));
        let builder = Conv2d::builder(&kernel).stride([stride; 2]).padding([before, before, after, after]);
        let builder = builder.groups(groups).precision(self.precision);
        let statistics = self.weights.statistics(norm, EPSILON)?;
        let (builder, norm) = match self.norm {
            Norm::Folded => (builder.fold_batch_norm(&statistics).activation(activation), None),
            Norm::Kept => {
                (builder, Some(BatchNorm2d::new(self.ctx, &statistics).await?.activation(activation)))
            }
        };
        let conv = builder.build(self.ctx).await?;
        self.count(conv.weights().layout());
        Ok(Convolution { conv, norm })
    }

    async fn bottleneck(&mut self, i: usize, stride: u32) -> Result<Bottleneck> {
        let at = |part: &str| format!("_blocks.{i}.{part}");
        let channels = |w: HostTensor, axis: usize| w.shape()[axis];
        let out = channels(self.weights.get(&at("_project_conv.weight"))?, 0);
        let (first, axis) = if i > 0 { ("_expand_conv.weight", 1) } else { ("_depthwise_conv.weight", 0) };
        let skip = stride == 1 && channels(self.weights.get(&at(first))?, axis) == out;
        // The first has as many channels as come.
        let expand = if i > 0 {
            Some(self.convolution([&at("_expand_conv"), &at("_bn0")], 1, Activation::Relu6).await?)
        } else {
            None
        };
        let depthwise =
            self.convolution([&at("_depthwise_conv"), &at("_bn1")], stride, Activation::Relu6).await?;
        let project = self.convolution([&at("_project_conv"), &at("_bn2")], 1, Activation::None).await?;
        Ok(Bottleneck { expand, depthwise, project, skip })
    }
}

impl Network {
    /// Weights per output channel, activations per tensor, in this precision.
    pub async fn new(ctx: &Context, weights: &Weights<'_>, precision: Precision, norm: Norm) -> Result<Self> {
        let mut b = Builder { ctx, weights, precision, norm, size: SIZE, bytes: 0 };
        let mut layers = vec![];
        let mut then = |name: &str, layer: Sequential| layers.push((name.to_owned(), layer));
        let stem = b.convolution(["_conv_stem", "_bn0"], 2, Activation::Relu6).await?;
        then("stem", Sequential::new().then(stem));
        for (i, stride) in STRIDES.into_iter().enumerate() {
            then(&format!("block{i}"), Sequential::new().then(b.bottleneck(i, stride).await?));
        }
        let head = b.convolution(["_conv_head", "_bn1"], 1, Activation::Relu6).await?;
        then("head", Sequential::new().then(head));
        then("mean", Sequential::new().then(GlobalMean));
        let linear = Linear::builder(&weights.get("_fc.weight")?).bias(&weights.get("_fc.bias")?);
        let linear = linear.precision(precision).build(ctx).await?;
        b.count(linear.weights().layout());
        then("linear", Sequential::new().then(linear));
        Ok(Self { ctx: ctx.clone(), layers, bytes: b.bytes })
    }

    /// Names of the layers.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.layers.iter().map(|l| l.0.as_str())
    }

    /// What every layer makes of these images; the last are the logits.
    pub async fn layers(&self, images: &HostTensor) -> Result<Vec<HostTensor>> {
        let mut g = Graph::new();
        let (_, all) = self.record(&mut g, images.layout())?;
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
