//! Weights in files: those below models/, which `./fetch-models` fetches, and those in the repository.
#![allow(dead_code)] // every example uses a part

use quarter::{nn::Statistics, tensor::HostTensor};
use safetensors::{
    SafeTensors,
    tensor::{Dtype, TensorView},
};
use std::path::Path;

pub type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// The bytes of a file, `NAME/FILE`, NAME as `./fetch-models` has it.
pub fn read(path: &str) -> Result<Vec<u8>> {
    let name = path.split('/').next().unwrap_or(path);
    open(path, &format!("`./fetch-models {name}` fetches it"))
}

/// The bytes of a file that a command makes of what `./fetch-models` fetches.
pub fn made(path: &str, command: &str) -> Result<Vec<u8>> {
    open(path, &format!("`{command}` makes it"))
}

fn open(path: &str, advice: &str) -> Result<Vec<u8>> {
    let at = Path::new(env!("CARGO_MANIFEST_DIR")).join("models").join(path);
    std::fs::read(&at).map_err(|e| format!("{}: {e}; {advice}", at.display()).into())
}

/// Bytes and shape of a tensor, if it is of this kind.
pub fn tensor<'a>(file: &SafeTensors<'a>, name: &str, dtype: Dtype) -> Result<(&'a [u8], Vec<u32>)> {
    let t = file.tensor(name)?;
    if t.dtype() != dtype {
        return Err(format!("`{name}`: expected {dtype:?}, got {:?}", t.dtype()).into());
    }
    Ok((t.data(), t.shape().iter().map(|&d| Ok(u32::try_from(d)?)).collect::<Result<_>>()?))
}

/// Numbers of a tensor of u32, and its shape.
pub fn integers(file: &SafeTensors<'_>, name: &str) -> Result<(Vec<u32>, Vec<u32>)> {
    let (bytes, shape) = tensor(file, name, Dtype::U32)?;
    Ok((bytes.as_chunks().0.iter().map(|&b| u32::from_le_bytes(b)).collect(), shape))
}

/// Weights by name; those of convolutions and norms as PyTorch has them.
pub struct Weights<'a>(SafeTensors<'a>);

impl<'a> Weights<'a> {
    pub fn new(file: &'a [u8]) -> Result<Self> {
        Ok(Self(SafeTensors::deserialize(file)?))
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    pub fn get(&self, name: &str) -> Result<HostTensor> {
        let (bytes, shape) = tensor(&self.0, name, Dtype::F32)?;
        let numbers: Vec<f32> = bytes.as_chunks().0.iter().map(|&b| f32::from_le_bytes(b)).collect();
        Ok(HostTensor::from_f32(&numbers, shape)?)
    }

    /// Weights of a convolution, \[out, in, height, width\] in the file: \[out, height, width, in\], or where a kernel sees one
    /// channel \[height, width, out\], as `conv2d` takes them.
    pub fn kernel(&self, name: &str) -> Result<HostTensor> {
        let w = self.get(name)?;
        let &[out, channels, height, width] = w.shape() else {
            return Err(format!("`{name}`: expected 4 axes, got {:?}", w.shape()).into());
        };
        let (numbers, taps) = (w.to_f32(), (height * width) as usize);
        // As a matrix: rows of the file become columns.
        let turn = |from: &[f32], columns: usize| -> Vec<f32> {
            (0..columns).flat_map(|c| from.iter().skip(c).step_by(columns).copied()).collect()
        };
        Ok(if channels == 1 {
            HostTensor::from_f32(&turn(&numbers, taps), [height, width, out])?
        } else {
            let each = numbers.chunks_exact(channels as usize * taps);
            let numbers: Vec<f32> = each.flat_map(|filter| turn(filter, taps)).collect();
            HostTensor::from_f32(&numbers, [out, height, width, channels])?
        })
    }

    /// What a BatchNorm learnt.
    pub fn statistics(&self, name: &str, epsilon: f32) -> Result<Statistics> {
        let part = |part: &str| Result::Ok(self.get(&format!("{name}.{part}"))?.to_f32());
        Ok(Statistics {
            gamma: part("weight")?,
            beta: part("bias")?,
            mean: part("running_mean")?,
            variance: part("running_var")?,
            epsilon,
        })
    }
}

/// Writes tensors as f32 into a file.
pub fn write(file: &Path, tensors: &[(String, HostTensor)]) -> Result<()> {
    let bytes = |t: &HostTensor| t.to_f32().iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>();
    let all: Vec<_> = tensors.iter().map(|(name, t)| (name, t.shape(), bytes(t))).collect();
    let views = all.iter().map(|(name, shape, bytes)| {
        let shape = shape.iter().map(|d| *d as usize).collect();
        Ok((name, TensorView::new(Dtype::F32, shape, bytes)?))
    });
    Ok(safetensors::serialize_to_file(views.collect::<Result<Vec<_>>>()?, None, file)?)
}
