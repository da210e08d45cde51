//! The trained network and the test images, as the files have them.

use quarter::tensor::HostTensor;
use safetensors::{Dtype, SafeTensors};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// The layers, and what they are tested on.
pub struct Model {
    /// Weights, \[out, in\], and biases, \[out\].
    pub layers: Vec<(HostTensor, HostTensor)>,
    /// \[images, pixels\], 0 to 1.
    pub images: HostTensor,
    pub labels: Vec<usize>,
}

impl Model {
    pub fn load() -> Result<Self> {
        let file = SafeTensors::deserialize(include_bytes!("digits.safetensors"))?;
        let real = |name: &str| {
            let (bytes, shape) = read(&file, name, Dtype::F32)?;
            let numbers: Vec<f32> = bytes.as_chunks().0.iter().map(|&b| f32::from_le_bytes(b)).collect();
            Result::Ok(HostTensor::from_f32(&numbers, shape)?)
        };
        // Two tensors each.
        let layers = (1..=file.len() / 2)
            .map(|i| Ok((real(&format!("fc{i}.weight"))?, real(&format!("fc{i}.bias"))?)))
            .collect::<Result<_>>()?;

        let file = SafeTensors::deserialize(include_bytes!("test_images.safetensors"))?;
        let (pixels, shape) = read(&file, "images", Dtype::U8)?;
        let pixels: Vec<f32> = pixels.iter().map(|&p| f32::from(p) / 16.0).collect();
        let labels = read(&file, "labels", Dtype::U8)?.0.iter().map(|&l| l.into()).collect();
        Ok(Self { layers, images: HostTensor::from_f32(&pixels, shape)?, labels })
    }
}

/// Bytes and shape of a tensor, if it is of this kind.
fn read<'a>(file: &SafeTensors<'a>, name: &str, dtype: Dtype) -> Result<(&'a [u8], Vec<u32>)> {
    let t = file.tensor(name)?;
    if t.dtype() != dtype {
        return Err(format!("`{name}`: expected {dtype:?}, got {:?}", t.dtype()).into());
    }
    Ok((t.data(), t.shape().iter().map(|&d| Ok(u32::try_from(d)?)).collect::<Result<_>>()?))
}
