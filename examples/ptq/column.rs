//! Columns of the table: what is done beside the standard scheme.

use crate::{models::Result, study::Batch};
use quarter::{
    Context, Error,
    nn::ptq::{Compiled, Network, Quantized, Ranges, Scheme, Smooth},
    scale::Calibration,
    tensor::HostTensor,
};

/// Samples that ranges are found of: the paper's 100 to 300.
const RANGES: usize = 300;
/// Samples by which operations are judged.
const JUDGED: usize = 64;
/// Operations fall back to f32 until the output has this ratio of signal to noise, in dB.
const TARGET: f64 = 20.0;

/// What is done beside the standard scheme.
#[derive(Clone, Copy)]
pub enum Column {
    Standard,
    /// BatchNorm re-estimated on all samples before ranges are found.
    Reestimated,
    /// The first convolution and the last linear layer in f32.
    Exempt,
    /// Both.
    Both,
    Smoothed,
    /// The worst operations in f32.
    Fallback,
}

/// A quantised network, and what is to be said of it.
pub struct Made {
    pub quantized: Quantized,
    pub note: String,
}

impl Column {
    /// Those that mean something for a network.
    pub fn of(network: &Network) -> Vec<Self> {
        let has = |what: &str| network.graph().names().any(|name| name.contains(what));
        if has("conv2d") {
            vec![Self::Standard, Self::Reestimated, Self::Exempt, Self::Both, Self::Fallback]
        } else {
            vec![Self::Standard, Self::Smoothed, Self::Fallback]
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Standard => "standard",
            Self::Reestimated => "BatchNorm re-estimated",
            Self::Exempt => "ends exempt",
            Self::Both => "both",
            Self::Smoothed => "SmoothQuant",
            Self::Fallback => "fallback",
        }
    }

    pub async fn quantize(
        self,
        ctx: &Context,
        network: &Network,
        scheme: &Scheme,
        samples: &[Batch],
    ) -> Result<Made> {
        let mut scheme = scheme.clone();
        if matches!(self, Self::Exempt | Self::Both) {
            scheme = scheme.exempt_ends();
        }
        let other = match self {
            Self::Reestimated | Self::Both => {
                Some(network.reestimate(ctx, &scheme, samples, |_| ()).await?.network)
            }
            Self::Smoothed => {
                Some(network.smooth(ctx, &Smooth::default(), some(samples, RANGES), |_| ()).await?.network)
            }
            _ => None,
        };
        let network = other.as_ref().unwrap_or(network);
        let ranges =
            network.calibrate(ctx, &scheme, Calibration::MinMax, some(samples, RANGES), |_| ()).await?;
        if let Self::Fallback = self {
            return fallback(ctx, network, &scheme, &ranges, samples).await;
        }
        Ok(Made { quantized: network.quantize(ctx, &scheme, Some(&ranges)).await?, note: String::new() })
    }
}

/// Operations in f32, worst first, until the output is good enough on samples that are not tested.
async fn fallback(
    ctx: &Context,
    network: &Network,
    scheme: &Scheme,
    ranges: &Ranges,
    samples: &[Batch],
) -> Result<Made> {
    let judged: Vec<&[HostTensor]> = some(samples, JUDGED).iter().map(AsRef::as_ref).collect();
    let order = network.sensitivity(ctx, scheme, Some(ranges), &judged, |_| ()).await?;
    let model = network.compile(ctx).await?;
    let mut truth = vec![];
    for x in &judged {
        truth.push(model.call(&x.iter().collect::<Vec<_>>()).await?.remove(0).to_f32());
    }
    let metric = async |compiled: &Compiled| -> std::result::Result<f64, Error> {
        let (mut signal, mut noise) = (0.0, 0.0);
        for (x, truth) in judged.iter().zip(&truth) {
            let y = compiled.call(&x.iter().collect::<Vec<_>>()).await?.remove(0).to_f32();
            signal += truth.iter().map(|t| f64::from(*t).powi(2)).sum::<f64>();
            noise += y.iter().zip(truth).map(|(y, t)| f64::from(y - t).powi(2)).sum::<f64>();
        }
        Ok(10.0 * (signal / noise).log10())
    };
    let tuned = network.tune(ctx, scheme, Some(ranges), &order, TARGET, metric).await?;
    let note = format!("; {} of {} in f32", tuned.steps.len() - 1, order.len());
    Ok(Made { quantized: tuned.quantized, note })
}

/// The first batches with so many samples together.
fn some(batches: &[Batch], samples: usize) -> &[Batch] {
    let mut sum = 0;
    let enough = batches.iter().position(|b| {
        sum += b.rows;
        sum >= samples
    });
    &batches[..enough.map_or(batches.len(), |last| last + 1)]
}
