//! The trained network and the test images, as the files have them.

use crate::models::{Result, Weights, tensor};
use quarter::{nn::Statistics, ops::Activation, tensor::HostTensor};
use safetensors::{Dtype, SafeTensors};

/// A convolution, the BatchNorm that follows it, and what it is connected to.
pub struct Block {
    pub place: Place,
    pub weight: HostTensor,
    pub norm: Statistics,
}

/// Where a convolution stands; ReLU comes last.
#[derive(Clone, Copy)]
pub struct Place {
    pub name: &'static str,
    pub stride: u32,
    /// What it reads, if not what the one before makes.
    pub reads: Option<&'static str>,
    /// What is added before ReLU.
    pub adds: Option<&'static str>,
    pub relu: bool,
}

impl Place {
    /// The function at the end.
    pub fn activation(&self) -> Activation {
        if self.relu { Activation::Relu } else { Activation::None }
    }
}

const fn place(name: &'static str, stride: u32) -> Place {
    Place { name, stride, reads: None, adds: None, relu: true }
}

/// Which network.
#[derive(Clone, Copy, Debug, PartialEq, clap::ValueEnum)]
pub enum Kind {
    /// Eight convolutions, three of them depthwise
    Depthwise,
    /// Six 3×3 and 1×1 convolutions in two residual blocks
    Plain,
}

impl Block {
    /// Whether a kernel sees one channel: then its weights have no axis for that.
    fn sees_one(&self) -> bool {
        self.weight.shape().len() == 3
    }

    /// All channels of a depthwise convolution, one of any other.
    pub fn groups(&self) -> u32 {
        if self.sees_one() && self.place.name.starts_with("depthwise") { self.weight.shape()[2] } else { 1 }
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

/// As train.py has them.
const DEPTHWISE: [Place; 8] = [
    place("stem", 2),
    place("conv", 1),
    place("depthwise1", 1),
    place("pointwise1", 1),
    place("depthwise2", 2),
    place("pointwise2", 1),
    place("depthwise3", 1),
    place("pointwise3", 1),
];
const PLAIN: [Place; 6] = [
    place("stem", 2),
    place("conv1", 1),
    Place { adds: Some("stem"), ..place("conv2", 1) },
    Place { relu: false, ..place("projection", 2) },
    Place { reads: Some("conv2"), ..place("conv3", 2) },
    Place { adds: Some("projection"), ..place("conv4", 1) },
];

/// Of all pixels of the training images.
const MEAN: f32 = 0.2860;
const DEVIATION: f32 = 0.3530;

/// The side of an image.
const SIDE: u32 = 28;

/// \[images, 28, 28, 1\], as the network takes them.
pub fn normalised(pixels: &[u8], images: u32) -> Result<HostTensor> {
    let pixels: Vec<f32> = pixels.iter().map(|&p| (f32::from(p) / 255.0 - MEAN) / DEVIATION).collect();
    Ok(HostTensor::from_f32(&pixels, [images, SIDE, SIDE, 1])?)
}

impl Model {
    pub fn load(kind: Kind) -> Result<Self> {
        let (places, weights): (&[Place], &[u8]) = match kind {
            Kind::Depthwise => (&DEPTHWISE, include_bytes!("fashion.safetensors")),
            Kind::Plain => (&PLAIN, include_bytes!("plain.safetensors")),
        };
        let weights = Weights::new(weights)?;
        let block = |&place: &Place| {
            let part = |part: &str| Result::Ok(weights.get(&format!("{}.{part}", place.name))?.to_f32());
            let norm = Statistics {
                gamma: part("gamma")?,
                beta: part("beta")?,
                mean: part("mean")?,
                variance: part("variance")?,
                epsilon: 1e-5,
            };
            Result::Ok(Block { place, weight: weights.get(&format!("{}.weight", place.name))?, norm })
        };
        let blocks = places.iter().map(block).collect::<Result<_>>()?;
        let linear = (weights.get("linear.weight")?, weights.get("linear.bias")?);

        let file = SafeTensors::deserialize(include_bytes!("test_images.safetensors"))?;
        let (pixels, shape) = tensor(&file, "images", Dtype::U8)?;
        let labels = tensor(&file, "labels", Dtype::U8)?.0.iter().map(|&l| l.into()).collect();
        let images = normalised(pixels, shape[0])?;
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
