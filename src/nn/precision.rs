//! What becomes 8-bit in a network.

use super::{Graph, Recipe, Value};
use crate::{
    dtype::Format,
    error::Error,
    ops::{DescriptorError, expect_number, unscaled},
    scale::{Granularity, Scale},
    tensor::{DType, Element, HostTensor},
};

/// Formats of the operands of products. The standard scheme of *Efficient Post-training Quantization with FP8 Formats* (arXiv
/// 2309.14592): weights scaled per output channel by their maximum, activations per tensor, by the maximum of the live tensor
/// unless the [`Recipe`] says otherwise; E5M2 is cast, scale 1.
///
/// ```
/// use quarter::{dtype::Format, nn::{Delay, Precision, Recipe}, scale::Scale};
/// let dynamic = Precision::of(Format::E4M3FN);
/// let delayed = dynamic.recipe(Recipe::Delayed(Delay { length: 16, ..Delay::default() }));
/// assert_eq!((dynamic.recipe, delayed.weights), (Recipe::Current, Some(Format::E4M3FN)));
/// assert_eq!(Precision::of(Format::E5M2).recipe, Recipe::Static(Scale::ONE));
/// ```
///
/// Where activations are quantised by the maximum of the live tensor, layers make [`observed`](Element::observed) ones: f32, f16 or
/// bf16 with that maximum beside them.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub struct Precision {
    /// Of weights; `None`: f32.
    pub weights: Option<Format>,
    /// Of what products multiply with weights; `None`: as it comes.
    pub activations: Option<Format>,
    /// Where the scales of activations come from.
    pub recipe: Recipe,
}

impl Precision {
    /// f32 throughout.
    pub const F32: Self = Self { weights: None, activations: None, recipe: Recipe::Current };

    /// One format for weights and activations, activations by the maximum of the live tensor, E5M2 by scale 1.
    pub const fn of(format: Format) -> Self {
        let cast = matches!(format, Format::E5M2);
        let recipe = if cast { Recipe::Static(Scale::ONE) } else { Recipe::Current };
        Self { weights: Some(format), activations: Some(format), recipe }
    }

    /// Where the scales of activations come from.
    #[must_use]
    pub const fn recipe(self, recipe: Recipe) -> Self {
        Self { recipe, ..self }
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
            Some(Format::E5M2) => w.cast(Format::E5M2)?,
            Some(f) => w.quantize(f, Granularity::PerChannel { axis })?,
        })
    }

    /// What a product takes of `x`.
    pub(super) fn activations(self, g: &mut Graph, x: Value) -> Result<Value, Error> {
        let coded = g.layout(x)?.element().format().is_some();
        match self.activations.filter(|_| !coded) {
            Some(format) => self.recipe.quantize(g, x, format),
            None => Ok(x),
        }
    }

    /// What a layer makes of kind `out`: observed where the next is likely to quantise it by its amax.
    pub(super) fn made(self, op: &'static str, out: DType) -> Result<Element, DescriptorError> {
        let out = unscaled(op, "out", out)?;
        Ok(if self.activations.is_some() && self.recipe == Recipe::Current { out.observed() } else { out })
    }
}
