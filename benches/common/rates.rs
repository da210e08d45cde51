//! How long a case will take, from a smaller one on the same kernel: nobody waits minutes for a run that is not measured.

use quarter::ops::Cost;
use std::{collections::HashMap, time::Duration};

/// Work per second of every kernel variant, by its id.
#[derive(Default)]
pub struct Rates(HashMap<String, f64>);

impl Rates {
    /// How long this kernel needs for such a case; `None` before it has run.
    pub fn predict(&self, id: &str, cost: Cost) -> Option<Duration> {
        let rate = self.0.get(id)?;
        Some(Duration::try_from_secs_f64(work(cost) / rate).unwrap_or(Duration::MAX))
    }

    /// The best rate counts: what a launch costs beside the work makes a small case slower than it will be.
    pub fn learn(&mut self, id: &str, cost: Cost, took: Duration) {
        let rate = self.0.entry(id.to_owned()).or_default();
        *rate = rate.max(work(cost) / took.as_secs_f64().max(1e-9));
    }
}

/// Floating-point operations or, if there are none, bytes; never nothing.
fn work(cost: Cost) -> f64 {
    (if cost.flops == 0 { cost.bytes } else { cost.flops }).max(1) as f64
}
