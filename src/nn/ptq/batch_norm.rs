//! Statistics of BatchNorm, anew.

use super::{Approach, Batches, Network, Scheme, inputs, rewrite::Rewrite};
use crate::{context::Context, error::Error, ops::BatchNorm, scale::Progress, tensor::HostTensor};
use std::sync::Arc;

impl Network {
    /// The network with running means and variances of every `batch_norm` found anew: over all batches of inputs, in training
    /// mode, its other operations quantised as the scheme says. Quantisation shifts what a norm sees; its old statistics are of
    /// what it no longer sees.
    ///
    /// mean = Σ mean of a batch / batches, variance likewise (the unbiased one), summed in f64 and rounded once: a cumulative average, as
    /// PyTorch's `momentum=None`, not a moving one that forgets the first batches. Each batch is normalised by its own statistics.
    /// Static schemes have no ranges yet, as those of this network come after: activations are quantised by their live maxima.
    ///
    /// # Errors
    /// [`Error::Argument`] without batches, and for statistics that are not finite; as [`quantize`](Self::quantize) and
    /// [`Compiled::call`](super::Compiled::call).
    pub async fn reestimate<I>(
        &self,
        ctx: &Context,
        scheme: &Scheme,
        batches: I,
        mut progress: impl FnMut(Progress),
    ) -> Result<Self, Error>
    where
        I: IntoIterator<Item: AsRef<[HostTensor]>>,
    {
        let approach = match scheme.approach {
            Approach::Static => Approach::Dynamic,
            other => other,
        };
        let trained = self.trained(ctx, &Scheme { approach, ..scheme.clone() }).await?;
        let compiled = trained.compile(ctx).await?;
        let mut sums: Vec<Vec<f64>> = vec![vec![]; trained.outputs().len()];
        let mut batches = Batches::new(batches);
        while let Some((batch, now)) = batches.next() {
            for (sum, of) in sums.iter_mut().zip(compiled.call(&inputs(&batch)).await?) {
                let of = of.to_f32();
                sum.resize(of.len(), 0.0);
                sum.iter_mut().zip(of).for_each(|(sum, v)| *sum += f64::from(v));
            }
            progress(now);
        }
        let n = batches.expect_some("reestimate")? as f64;
        let mut statistics =
            sums.into_iter().map(|s| s.into_iter().map(|v| (v / n) as f32).collect::<Vec<_>>());
        let mut rewrite = Rewrite::new(&self.graph);
        for node in self.graph.nodes() {
            let mut others = vec![];
            let norm = node.problem.as_any().downcast_ref::<BatchNorm>();
            if norm.is_some_and(|o| o.training.is_none()) {
                for role in ["running_mean", "running_var"] {
                    let found = statistics.next().unwrap_or_default();
                    if let Some(v) = found.iter().find(|v| !v.is_finite()) {
                        let expected = "finite statistics of every batch".to_owned();
                        let got = format!("{v} for {}", node.name);
                        return Err(Error::Argument { op: "reestimate", role, expected, got });
                    }
                    let found = HostTensor::from_f32(&found, [found.len() as u32])?;
                    others.push((role, rewrite.new.constant(&found)));
                }
            }
            rewrite.node(node, Arc::clone(&node.problem), &others)?;
        }
        self.rewritten(rewrite)
    }
}
