//! Statistics of BatchNorm, anew.

use super::{Approach, Batches, Network, Scheme, inputs, rewrite::Rewrite};
use crate::{context::Context, error::Error, ops::BatchNorm, scale::Progress, tensor::HostTensor};
use std::sync::Arc;

/// What [`Network::reestimate`] made.
#[derive(Debug)]
pub struct Reestimated {
    /// The network with the new statistics.
    pub network: Network,
    /// Those statistics, operation by operation.
    pub norms: Vec<NormStatistics>,
}

/// Statistics of one `batch_norm`.
#[derive(Clone, Debug, PartialEq)]
pub struct NormStatistics {
    /// Name of the operation.
    pub node: String,
    /// Running mean of every channel.
    pub mean: Vec<f32>,
    /// Running variance of every channel.
    pub variance: Vec<f32>,
}

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
    ) -> Result<Reestimated, Error>
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
        let mut found = sums.into_iter().map(|s| s.into_iter().map(|v| (v / n) as f32).collect::<Vec<_>>());
        let (mut rewrite, mut norms) = (Rewrite::new(&self.graph), vec![]);
        for node in self.graph.nodes() {
            let mut others = vec![];
            let norm = node.problem.as_any().downcast_ref::<BatchNorm>();
            if norm.is_some_and(|o| o.training.is_none())
                && let (Some(mean), Some(variance)) = (found.next(), found.next())
            {
                for (role, all) in [("running_mean", &mean), ("running_var", &variance)] {
                    if let Some(v) = all.iter().find(|v| !v.is_finite()) {
                        let expected = "finite statistics of every batch".to_owned();
                        let got = format!("{v} for {}", node.name);
                        return Err(Error::Argument { op: "reestimate", role, expected, got });
                    }
                    let all = HostTensor::from_f32(all, [all.len() as u32])?;
                    others.push((role, rewrite.new.constant(&all)));
                }
                norms.push(NormStatistics { node: node.name.to_string(), mean, variance });
            }
            rewrite.node(node, Arc::clone(&node.problem), &others)?;
        }
        Ok(Reestimated { network: self.rewritten(rewrite)?, norms })
    }
}
