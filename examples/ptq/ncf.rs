//! The recommender of examples/ncf.

use crate::{
    models::Result,
    study::{Batch, Study},
};
use model::{Model, Pairs};
use network::Network;
use quarter::{
    Context,
    nn::{Graph, Precision, Value},
    tensor::{HostTensor, Layout},
};
use ranking::{TOP, above, gain};

#[path = "../ncf/model.rs"]
mod model;
#[allow(dead_code, reason = "a part is used")]
#[path = "../ncf/network.rs"]
mod network;
#[allow(dead_code, reason = "a part is used")]
#[path = "../ncf/ranking.rs"]
mod ranking;

/// Users that are asked together.
const USERS: usize = 10;

/// What is made of the place of a user's film.
#[derive(Clone, Copy)]
pub enum Measure {
    /// Whether it is among the first ten.
    HitRate,
    /// More the further up it is.
    Gain,
}

pub struct Ncf {
    model: Model,
    network: Network,
    measure: Measure,
}

/// Pairs in parts of `size`, the last one again where a part is not full.
fn parts(pairs: &Pairs, size: usize) -> Result<Vec<Batch>> {
    let tensor = |some: &[u32]| {
        let last = some.last().copied().unwrap_or(0);
        let mut all = some.to_vec();
        all.resize(size, last);
        HostTensor::from_u32(&all, [size as u32])
    };
    let parts = pairs.users.chunks(size).zip(pairs.items.chunks(size));
    parts.map(|(u, i)| Ok(Batch { inputs: vec![tensor(u)?, tensor(i)?], rows: u.len() })).collect()
}

impl Ncf {
    pub async fn new(ctx: &Context, measure: Measure) -> Result<Self> {
        let model = Model::load()?;
        let network = Network::new(ctx, &model.weights()?, Precision::F32).await?;
        Ok(Self { model, network, measure })
    }
}

impl Study for Ncf {
    fn name(&self) -> &'static str {
        match self.measure {
            Measure::HitRate => "ncf-hr",
            Measure::Gain => "ncf-ndcg",
        }
    }

    fn measure(&self) -> &'static str {
        match self.measure {
            Measure::HitRate => "HR@10",
            Measure::Gain => "NDCG@10",
        }
    }

    fn describe(&self, inputs: &[Layout]) -> Result<(Graph, Vec<Value>)> {
        let mut g = Graph::new();
        let logits = self.network.record(&mut g, inputs[0].shape()[0])?;
        Ok((g, vec![logits]))
    }

    fn calibration(&self) -> Result<Vec<Batch>> {
        parts(&self.model.calibration, USERS * self.model.candidates)
    }

    fn test(&self) -> Result<Vec<Batch>> {
        parts(&self.model.test, USERS * self.model.candidates)
    }

    /// Of every user.
    fn scores(&self, rows: &[f32]) -> Vec<f64> {
        let places = rows.chunks_exact(self.model.candidates).map(above);
        match self.measure {
            Measure::HitRate => places.map(|p| f64::from(u8::from(p < TOP))).collect(),
            Measure::Gain => places.map(gain).collect(),
        }
    }
}
