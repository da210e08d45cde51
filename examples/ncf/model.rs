//! The trained network, and what it is tested and calibrated on, as train.py writes them.
#![allow(dead_code)] // every example uses a part

use crate::models::{Result, Weights, integers, made};
use safetensors::SafeTensors;

/// Users and items, as many of each.
pub struct Pairs {
    pub users: Vec<u32>,
    pub items: Vec<u32>,
}

/// The files.
pub struct Model {
    weights: Vec<u8>,
    /// Every user as often as there are candidates; the first of each user's items is the one to be found.
    pub test: Pairs,
    /// Items of each user in the test.
    pub candidates: usize,
    /// Pairs as training has them, one positive in five.
    pub calibration: Pairs,
    /// Users whose item train.py found in its own f32, and how many users there are.
    pub hits: (usize, usize),
}

impl Model {
    pub fn load() -> Result<Self> {
        let read = |name: &str| {
            let command = "./fetch-models movielens && python3 examples/ncf/train.py";
            made(&format!("ncf/{name}.safetensors"), command)
        };
        let pairs = |name: &str| {
            let bytes = read(name)?;
            let file = SafeTensors::deserialize(&bytes)?;
            Result::Ok((integers(&file, "users")?.0, integers(&file, "items")?))
        };
        let (users, (items, shape)) = pairs("test")?;
        let &[_, candidates] = &shape[..] else { return Err("test: items of every user".into()) };
        let candidates = candidates as usize;
        let users = users.into_iter().flat_map(|u| std::iter::repeat_n(u, candidates)).collect();
        let test = Pairs { users, items };
        let (users, (items, _)) = pairs("calibration")?;
        let calibration = Pairs { users, items };

        let weights = read("ncf")?;
        let (_, header) = SafeTensors::read_metadata(&weights)?;
        let hits = header.metadata().as_ref().and_then(|m| m.get("hits_at_10")?.split_once('/'));
        let (hits, users) = hits.ok_or("ncf: no `hits_at_10`")?;
        let hits = (hits.parse()?, users.parse()?);
        Ok(Self { weights, test, candidates, calibration, hits })
    }

    pub fn weights(&self) -> Result<Weights<'_>> {
        Weights::new(&self.weights)
    }
}
