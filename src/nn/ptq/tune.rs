//! Fallback: operations return to f32 until a metric is as it should be.

use super::{Compiled, Network, Quantized, Ranges, Scheme, Sensitivity};
use crate::{context::Context, error::Error};

/// One step of [`Network::tune`].
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// The operation that was returned to f32; none in the first step.
    pub returned: Option<String>,
    /// The metric then.
    pub metric: f64,
}

/// What [`Network::tune`] came to.
#[derive(Debug)]
pub struct Tuned {
    /// The network after the last step.
    pub quantized: Quantized,
    /// Every step, in order.
    pub steps: Vec<Step>,
    /// Whether the metric reached its target.
    pub reached: bool,
}

impl Network {
    /// Quantises the network, then returns operations to f32 one after another in this order, what costs most first
    /// ([`sensitivity`](Self::sensitivity)), until `metric` of the network is `target` or more, or none is left.
    ///
    /// # Errors
    /// As [`quantize`](Self::quantize) and [`Quantized::compile`]; those of `metric`.
    pub async fn tune(
        &self,
        ctx: &Context,
        scheme: &Scheme,
        ranges: Option<&Ranges>,
        order: &[Sensitivity],
        target: f64,
        mut metric: impl AsyncFnMut(&Compiled) -> Result<f64, Error>,
    ) -> Result<Tuned, Error> {
        let (mut scheme, mut steps, mut order) = (scheme.clone(), vec![], order.iter());
        let mut returned = None;
        loop {
            let quantized = self.quantize(ctx, &scheme, ranges).await?;
            let metric = metric(&quantized.compile(ctx).await?).await?;
            steps.push(Step { returned: returned.take(), metric });
            let reached = metric >= target;
            let next = if reached { None } else { order.next() };
            let Some(next) = next else { return Ok(Tuned { quantized, steps, reached }) };
            scheme.exempt.insert(next.node.clone());
            returned = Some(next.node.clone());
        }
    }
}
