//! The classifiers of examples/fashion, on all test images.

use crate::{
    models::{Result, read},
    study::{Batch, Study, classified, parts},
};
use model::{Model, normalised};
use network::{Network, Norm};
use quarter::{
    Context,
    nn::{Graph, Precision, Value},
    tensor::{HostTensor, Layout},
};

#[allow(dead_code, reason = "a part is used")]
#[path = "../fashion/model.rs"]
mod model;
#[allow(dead_code, reason = "a part is used")]
#[path = "../fashion/network.rs"]
mod network;

pub use model::Kind;

/// Training images to calibrate on, the first ones.
const CALIBRATION: usize = 3000;
/// Images that run together.
const BATCH: usize = 250;

pub struct Fashion {
    kind: Kind,
    network: Network,
    calibration: HostTensor,
    images: HostTensor,
    labels: Vec<usize>,
}

/// So many images, or all, and their labels: behind a header of 16 and of 8 bytes.
fn images(split: &str, n: Option<usize>) -> Result<(HostTensor, Vec<usize>)> {
    let images = read(&format!("fashion/{split}-images-idx3-ubyte"))?;
    let labels = read(&format!("fashion/{split}-labels-idx1-ubyte"))?;
    let labels = labels.get(8..).ok_or("labels: no header")?;
    let n = n.unwrap_or(labels.len());
    let pixels = images.get(16..16 + 28 * 28 * n).ok_or("images: fewer than labels")?;
    Ok((normalised(pixels, n as u32)?, labels[..n].iter().map(|&l| l.into()).collect()))
}

impl Fashion {
    pub async fn new(ctx: &Context, kind: Kind) -> Result<Self> {
        let model = Model::load(kind)?;
        let network = Network::new(ctx, &model.blocks, &model.linear, Precision::F32, Norm::Kept).await?;
        let (calibration, _) = images("train", Some(CALIBRATION))?;
        let (images, labels) = images("t10k", None)?;
        Ok(Self { kind, network, calibration, images, labels })
    }
}

impl Study for Fashion {
    fn name(&self) -> &'static str {
        match self.kind {
            Kind::Depthwise => "fashion-depthwise",
            Kind::Plain => "fashion-plain",
        }
    }

    fn measure(&self) -> &'static str {
        "accuracy"
    }

    fn describe(&self, inputs: &[Layout]) -> Result<(Graph, Vec<Value>)> {
        let mut g = Graph::new();
        let (logits, _) = self.network.record(&mut g, &inputs[0])?;
        Ok((g, vec![logits]))
    }

    fn calibration(&self) -> Result<Vec<Batch>> {
        parts(&self.calibration, BATCH)
    }

    fn test(&self) -> Result<Vec<Batch>> {
        parts(&self.images, BATCH)
    }

    fn scores(&self, rows: &[f32]) -> Vec<f64> {
        classified(rows, &self.labels)
    }
}
