//! The trained network and the test images, as the files have them.
#![allow(dead_code)] // every example uses a part

use crate::models::{Result, Weights, tensor};
use quarter::tensor::HostTensor;
use safetensors::{Dtype, SafeTensors};

/// The layers, and what they are tested on.
pub struct Model {
    /// Weights, \[out, in\], and biases, \[out\].
    pub layers: Vec<(HostTensor, HostTensor)>,
    /// \[images, pixels\], 0 to 1.
    pub images: HostTensor,
    pub labels: Vec<usize>,
    /// Of the training split.
    pub calibration: HostTensor,
}

impl Model {
    pub fn load() -> Result<Self> {
        let weights = Weights::new(include_bytes!("digits.safetensors"))?;
        // Two tensors each.
        let layers = (1..=weights.count() / 2)
            .map(|i| Ok((weights.get(&format!("fc{i}.weight"))?, weights.get(&format!("fc{i}.bias"))?)))
            .collect::<Result<_>>()?;

        let file = SafeTensors::deserialize(include_bytes!("test_images.safetensors"))?;
        let images = |name: &str| {
            let (pixels, shape) = tensor(&file, name, Dtype::U8)?;
            let pixels: Vec<f32> = pixels.iter().map(|&p| f32::from(p) / 16.0).collect();
            Result::Ok(HostTensor::from_f32(&pixels, shape)?)
        };
        let labels = tensor(&file, "labels", Dtype::U8)?.0.iter().map(|&l| l.into()).collect();
        Ok(Self { layers, images: images("images")?, labels, calibration: images("calibration")? })
    }
}
