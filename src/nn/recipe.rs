//! Where the scales of activations come from.

use super::{Graph, Value};
use crate::{
    dtype::Format,
    error::Error,
    ops::{AmaxOf, DelayedScale, Quantize, Scaling},
    scale::{Granularity, Scale, Scales},
    tensor::Element,
};

/// Where the scales of activations come from: one scale per tensor, the host waiting for none of them.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub enum Recipe {
    /// From the live tensor: amax / max.
    #[default]
    Current,
    /// From the maxima of the runs before: [`DelayedScale`]. The first run quantises by scale 1.
    Delayed(Delay),
    /// Given, and never changed.
    Static(Scale),
}

/// How much of the past delayed scaling remembers, and what it makes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delay {
    /// Runs that are remembered.
    pub length: u32,
    /// Which of them count.
    pub amax: AmaxOf,
    /// Powers of two of room above the largest amax.
    pub margin: u32,
}

impl Default for Delay {
    /// As in NVIDIA's Transformer Engine: the largest of 1024, no margin.
    fn default() -> Self {
        Self { length: 1024, amax: AmaxOf::History, margin: 0 }
    }
}

impl Recipe {
    /// `x`, f32, f16 or bf16, as codes.
    pub(super) fn quantize(self, g: &mut Graph, x: Value, format: Format) -> Result<Value, Error> {
        let (shape, element) = (g.layout(x)?.shape().to_vec(), g.layout(x)?.element());
        let op = Quantize::new(shape.clone(), element.dtype(), format, Granularity::PerTensor);
        let scale = match self {
            Self::Current => {
                return g.apply(&if element.is_observed() { op.observed() } else { op }, &[("x", x)]);
            }
            Self::Delayed(_) => Scale::ONE,
            Self::Static(scale) => scale,
        };
        let op = op.scaling(Scaling::Given);
        let codes = g.scaled(&op.out()?, &Scales::per_tensor(scale))?;
        if let Self::Delayed(Delay { length, amax, margin }) = self {
            let to = Element::f8(format, Granularity::PerTensor);
            let delay = DelayedScale::new(shape, to).length(length).amax(amax).margin(margin);
            let history = g.state(&delay.history()?);
            // Before the codes are written: it reads the amax that the run before left.
            g.apply_all(&delay, &[("x", codes), ("history", history)])?;
        }
        g.apply(&op, &[("x", x), ("out", codes)])
    }
}
