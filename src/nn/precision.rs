//! What becomes 8-bit in a network.

use super::{Graph, Value};
use crate::{
    dtype::{Format, Overflow},
    error::Error,
    ops::{DescriptorError, Quantize, Scaling, expect_number, unscaled},
    scale::{Granularity, Scales},
    tensor::{DType, Element, HostTensor},
};

/// Formats of the operands of products. The standard scheme of *Efficient Post-training Quantization with FP8 Formats* (arXiv
/// 2309.14592): weights scaled per output channel by their maximum, activations per tensor by the maximum of the live tensor;
/// E5M2 is cast, scale 1.
///
/// Where activations are quantised by the maximum of the live tensor, layers make [`observed`](Element::observed) ones: f32, f16 or
/// bf16 with that maximum beside them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Precision {
    /// Of weights; `None`: f32.
    pub weights: Option<Format>,
    /// Of what products multiply with weights; `None`: as it comes.
    pub activations: Option<Format>,
}

impl Precision {
    /// f32 throughout.
    pub const F32: Self = Self { weights: None, activations: None };

    /// One format for weights and activations.
    pub const fn of(format: Format) -> Self {
        Self { weights: Some(format), activations: Some(format) }
    }

    /// Weights with their output channels along `axis`: `what` of the layer `op`.
    pub(super) fn weights(
        self,
        op: &'static str,
        what: &'static str,
        w: &HostTensor,
        axis: u8,
    ) -> Result<HostTensor, Error> {
        expect_number(op, what, w.layout().element())?;
        Ok(match self.weights {
            None => w.clone(),
            Some(Format::E5M2) => {
                w.quantize_with(Format::E5M2, Scales::unit(Granularity::PerTensor, 1), Overflow::Saturate)?
            }
            Some(f) => w.quantize(f, Granularity::PerChannel { axis })?,
        })
    }

    /// What a product takes of `x`.
    pub(super) fn activations(self, g: &mut Graph, x: Value) -> Result<Value, Error> {
        let (layout, dtype) = (g.layout(x)?.clone(), g.layout(x)?.element().dtype());
        let Some(format) = self.activations.filter(|_| dtype.format().is_none()) else { return Ok(x) };
        let op = Quantize::new(layout.shape(), dtype, format, Granularity::PerTensor);
        // Fresh tensors have scale 1.
        let op = match format {
            Format::E5M2 => op.scaling(Scaling::Given),
            _ if layout.element().is_observed() => op.observed(),
            _ => op,
        };
        g.apply(&op, &[("x", x)])
    }

    /// What a layer makes of kind `out`: observed where the next is likely to quantise it by its amax.
    pub(super) fn made(self, op: &'static str, out: DType) -> Result<Element, DescriptorError> {
        let out = unscaled(op, "out", out)?;
        Ok(if self.activations.is_some_and(|f| f != Format::E5M2) { out.observed() } else { out })
    }
}
