//! The trained network and the test images, as the files have them.

use crate::models::{Result, Weights, tensor};
use quarter::{nn::Statistics, tensor::HostTensor};
use safetensors::{Dtype, SafeTensors};

/// A convolution and the BatchNorm that follows it.
pub struct Block {
    pub name: &'static str,
    pub stride: u32,
    pub weight: HostTensor,
    pub norm: Statistics,
}

impl Block {
    /// Whether a kernel sees one channel: then its weights have no axis for that.
    fn sees_one(&self) -> bool {
        self.weight.shape().len() == 3
    }

    /// All channels of a depthwise convolution, one of any other.
    pub fn groups(&self) -> u32 {
        if self.sees_one() && self.name.starts_with("depthwise") { self.weight.shape()[2] } else { 1 }
    }

    /// Zeros on every side, so that a kernel of stride 1 keeps the size.
    pub fn pad(&self) -> u32 {
        self.weight.shape()[usize::from(!self.sees_one())] / 2
    }
}

/// The network, and what it is tested on.
pub struct Model {
    pub blocks: Vec<Block>,
    /// \[classes, channels\] and \[classes\].
    pub linear: (HostTensor, HostTensor),
    /// \[images, 28, 28, 1\], normalised as in training.
    pub images: HostTensor,
    pub labels: Vec<usize>,
}

/// Names and strides, as train.py has them.
const BLOCKS: [(&str, u32); 8] = [
    ("stem", 2),
    ("conv", 1),
    ("depthwise1", 1),
    ("pointwise1", 1),
    ("depthwise2", 2),
    ("pointwise2", 1),
    ("depthwise3", 1),
    ("pointwise3", 1),
];

/// Of all pixels of the training images.
const MEAN: f32 = 0.2860;
const DEVIATION: f32 = 0.3530;

impl Model {
    pub fn load() -> Result<Self> {
        let weights = Weights::new(include_bytes!("fashion.safetensors"))?;
        let block = |(name, stride): (&'static str, u32)| {
            let part = |part: &str| Result::Ok(weights.get(&format!("{name}.{part}"))?.to_f32());
            let norm = Statistics {
                gamma: part("gamma")?,
                beta: part("beta")?,
                mean: part("mean")?,
                variance: part("variance")?,
                epsilon: 1e-5,
            };
            Result::Ok(Block { name, stride, weight: weights.get(&format!("{name}.weight"))?, norm })
        };
        let blocks = BLOCKS.into_iter().map(block).collect::<Result<_>>()?;
        let linear = (weights.get("linear.weight")?, weights.get("linear.bias")?);

        let file = SafeTensors::deserialize(include_bytes!("test_images.safetensors"))?;
        let (pixels, shape) = tensor(&file, "images", Dtype::U8)?;
        let pixels: Vec<f32> = pixels.iter().map(|&p| (f32::from(p) / 255.0 - MEAN) / DEVIATION).collect();
        let labels = tensor(&file, "labels", Dtype::U8)?.0.iter().map(|&l| l.into()).collect();
        let images = HostTensor::from_f32(&pixels, [&shape[..], &[1]].concat())?;
        Ok(Self { blocks, linear, images, labels })
    }

    /// The first `n` images.
    pub fn batch(&self, n: u32) -> Result<HostTensor> {
        let &[_, height, width, channels] = self.images.shape() else { return Err("images".into()) };
        let numbers = self.images.to_f32();
        let length = (n * height * width * channels) as usize;
        Ok(HostTensor::from_f32(&numbers[..length], [n, height, width, channels])?)
    }
}
