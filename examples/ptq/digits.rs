//! The classifier of examples/digits.

use crate::{
    models::Result,
    study::{Batch, Study, classified, parts},
};
use quarter::{
    Context,
    nn::{Graph, Layer, Linear, Value},
    ops::Activation,
    tensor::Layout,
};

#[path = "../digits/model.rs"]
mod model;

pub struct Digits {
    model: model::Model,
    layers: Vec<Linear>,
}

impl Digits {
    pub async fn new(ctx: &Context) -> Result<Self> {
        let model = model::Model::load()?;
        let mut layers = vec![];
        for (i, (weight, bias)) in model.layers.iter().enumerate() {
            let last = i + 1 == model.layers.len();
            let activation = if last { Activation::None } else { Activation::Relu };
            layers.push(Linear::builder(weight).bias(bias).activation(activation).build(ctx).await?);
        }
        Ok(Self { model, layers })
    }
}

impl Study for Digits {
    fn name(&self) -> &'static str {
        "digits"
    }

    fn measure(&self) -> &'static str {
        "accuracy"
    }

    fn describe(&self, inputs: &[Layout]) -> Result<(Graph, Vec<Value>)> {
        let mut g = Graph::new();
        let x = g.input(&inputs[0]);
        let y = self.layers.iter().try_fold(x, |x, layer| layer.record(&mut g, x))?;
        Ok((g, vec![y]))
    }

    fn calibration(&self) -> Result<Vec<Batch>> {
        parts(&self.model.calibration, 100)
    }

    fn test(&self) -> Result<Vec<Batch>> {
        parts(&self.model.images, 100)
    }

    fn scores(&self, rows: &[f32]) -> Vec<f64> {
        classified(rows, &self.model.labels)
    }
}
