//! What each operation costs when it alone is quantised.

use super::{Compiled, Network, Quantized, Ranges, Scheme, inputs, place::places};
use crate::{
    context::Context,
    error::Error,
    nn::{Graph, Value},
    scale::Progress,
    tensor::HostTensor,
};
use std::{collections::BTreeSet, fmt};

/// What quantising one operation does to the network's last output.
#[derive(Clone, Debug, PartialEq)]
pub struct Sensitivity {
    /// Name of the operation.
    pub node: String,
    /// Signal to quantisation noise in decibels, 10 · log₁₀(Σ y² / Σ (y − y′)²) over all batches, y in f32; ∞ where nothing
    /// changes, −∞ where y′ is not finite.
    pub sqnr: f64,
}

impl fmt::Display for Sensitivity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {:.1} dB", self.node, self.sqnr)
    }
}

/// Σ y² and Σ (y − y′)² of outputs.
#[derive(Clone, Copy, Debug, Default)]
struct Noise {
    signal: f64,
    noise: f64,
}

impl Noise {
    fn add(&mut self, y: &[f32], other: &[f32]) {
        for (y, other) in y.iter().zip(other) {
            let (y, other) = (f64::from(*y), f64::from(*other));
            self.signal += y * y;
            self.noise += (y - other) * (y - other);
        }
    }

    fn decibels(self) -> f64 {
        match self.noise {
            0.0 => f64::INFINITY,
            n if n.is_finite() => 10.0 * (self.signal / n).log10(),
            _ => f64::NEG_INFINITY,
        }
    }
}

impl Network {
    /// Signal to quantisation noise of the last output in decibels, as [`Sensitivity::sqnr`] has it, of a network that was made of
    /// this one.
    ///
    /// # Errors
    /// [`Error::Argument`] without batches, where they give outputs that are not finite, and for a network of another output; as
    /// [`Compiled::call`].
    pub async fn sqnr<B: AsRef<[HostTensor]>>(
        &self,
        ctx: &Context,
        quantized: &Quantized,
        batches: &[B],
    ) -> Result<f64, Error> {
        let last = |graph: &Graph, outputs: &[Value]| {
            outputs.last().map_or(Ok(vec![]), |v| graph.layout(*v).map(|l| l.shape().to_vec()))
        };
        let shapes = [last(&self.graph, &self.outputs)?, last(quantized.graph(), quantized.outputs())?];
        if shapes[0] != shapes[1] {
            let [expected, got] = shapes.map(|s| format!("an output of {s:?}"));
            return Err(Error::Argument { op: "sqnr", role: "quantized", expected, got });
        }
        let truth = self.truth(ctx, "sqnr", batches).await?;
        noise(&quantized.compile(ctx).await?, batches, &truth).await
    }

    /// For every operation that the scheme quantises, the error of the last output when no other is quantised; the worst first.
    /// `progress` counts operations as batches.
    ///
    /// # Errors
    /// [`Error::Argument`] without batches and where they give outputs that are not finite; as [`quantize`](Self::quantize) and
    /// [`Compiled::call`].
    pub async fn sensitivity<B: AsRef<[HostTensor]>>(
        &self,
        ctx: &Context,
        scheme: &Scheme,
        ranges: Option<&Ranges>,
        batches: &[B],
        mut progress: impl FnMut(Progress),
    ) -> Result<Vec<Sensitivity>, Error> {
        let truth = self.truth(ctx, "sensitivity", batches).await?;
        let names: Vec<String> = self.graph.names().map(Into::into).collect();
        let quantized = places(&self.graph, scheme);
        let quantized: Vec<&String> =
            names.iter().zip(quantized).filter_map(|(name, p)| p.is_ok().then_some(name)).collect();
        let elements = truth.iter().map(|y| y.len() as u64).sum::<u64>();
        let mut now = Progress { batches: 0, of: Some(quantized.len() as u64), elements: 0 };
        let mut all = vec![];
        for node in quantized {
            let exempt: BTreeSet<String> = names.iter().filter(|n| *n != node).cloned().collect();
            let one = self.quantize(ctx, &Scheme { exempt, ..scheme.clone() }, ranges).await?;
            let sqnr = noise(&one.compile(ctx).await?, batches, &truth).await?;
            all.push(Sensitivity { node: node.clone(), sqnr });
            now.batches += 1;
            now.elements += elements;
            progress(now);
        }
        all.sort_by(|a, b| a.sqnr.total_cmp(&b.sqnr));
        Ok(all)
    }

    /// The last output for every batch, nothing quantised.
    async fn truth<B: AsRef<[HostTensor]>>(
        &self,
        ctx: &Context,
        op: &'static str,
        batches: &[B],
    ) -> Result<Vec<Vec<f32>>, Error> {
        if batches.is_empty() {
            let (expected, got) = ("1 or more".to_owned(), "0".to_owned());
            return Err(Error::Argument { op, role: "batches", expected, got });
        }
        let model = self.compile(ctx).await?;
        let mut truth = vec![];
        for batch in batches {
            truth.extend(model.call(&inputs(batch)).await?.pop().map(|y| y.to_f32()));
        }
        if truth.iter().flatten().any(|y| !y.is_finite()) {
            let (expected, got) = ("outputs in f32 that are finite".to_owned(), "NaN or Inf".to_owned());
            return Err(Error::Argument { op, role: "batches", expected, got });
        }
        Ok(truth)
    }
}

/// Decibels of the last output beside what it is in f32.
async fn noise<B: AsRef<[HostTensor]>>(
    compiled: &Compiled,
    batches: &[B],
    truth: &[Vec<f32>],
) -> Result<f64, Error> {
    let mut noise = Noise::default();
    for (batch, y) in batches.iter().zip(truth) {
        if let Some(other) = compiled.call(&inputs(batch)).await?.pop() {
            noise.add(y, &other.to_f32());
        }
    }
    Ok(noise.decibels())
}
