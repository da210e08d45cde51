//! Symmetric int8 on the host: the baseline that 8-bit floats are held against.

use super::Numbers;
use crate::{
    cpu,
    error::Error,
    nn::Value,
    scale::{Granularity, Scale, Scales},
    tensor::HostTensor,
};

/// The largest integer; −128 is not used.
const LARGEST: f32 = 127.0;

/// A value of a graph that the host rounds after the operation that makes it.
#[derive(Clone, Debug)]
pub(super) struct Cut {
    /// Place of that operation.
    pub node: usize,
    pub value: Value,
    /// `None`: from the maximum of the live tensor. `Some`: given.
    pub scale: Option<Scale>,
}

impl Cut {
    /// The value as integers times their scale.
    pub fn rounded(&self, x: &HostTensor) -> Result<HostTensor, Error> {
        let mut numbers = x.to_f32();
        let scale = self.scale.unwrap_or_else(|| scale(f32::from_bits(cpu::largest(&numbers))));
        numbers.iter_mut().for_each(|v| *v = round(*v, scale));
        Ok(HostTensor::from_f32(&numbers, x.shape())?)
    }
}

/// The scale at which this amax becomes the largest integer; 1 where [`Scale::from_amax`] gives 1.
pub(super) fn scale(amax: f32) -> Scale {
    if !(amax >= f32::MIN_POSITIVE && amax.is_finite()) {
        return Scale::ONE;
    }
    Scale::held(amax / LARGEST)
}

/// The nearest integer times the scale, ties to even, held to ±127; NaN stays.
fn round(v: f32, scale: Scale) -> f32 {
    (v * scale.inverse().get()).round_ties_even().clamp(-LARGEST, LARGEST) * scale.get()
}

/// Weights as integers times their scales, in f32.
pub(super) fn weights(w: &HostTensor, granularity: Granularity, scaled: bool) -> Result<HostTensor, Error> {
    let mut numbers = w.to_f32();
    let (map, cols) = (granularity.map(w.shape()), w.layout().cols() as usize);
    let mut maxima = Scales::unit(granularity, granularity.groups(w.shape()).unwrap_or(1) as usize);
    w.scan(&mut maxima);
    for (i, v) in numbers.iter_mut().enumerate() {
        let amax = maxima.amax_of(map.group(i / cols, i % cols));
        *v = round(*v, if scaled { scale(amax) } else { Scale::ONE });
    }
    Ok(HostTensor::from_f32(&numbers, w.shape())?)
}

/// Whether a scheme needs the host between operations.
pub(super) fn is_int8(numbers: Option<Numbers>) -> bool {
    numbers == Some(Numbers::Int8)
}
