//! Every kernel and variant of every operation on the cases made for benches.

use crate::{
    Result,
    best::best,
    common::{AnyCase, Operands, Runner, Variant, bench_cases, time, variants},
    probe::Ceilings,
};
use indicatif::{ProgressBar, ProgressStyle};
use quarter::{
    Context,
    ops::{Cost, OPERATIONS},
};
use std::time::Duration;

/// A case, and the variants to run it on.
type Job = (AnyCase, Vec<Variant>);

/// One measurement.
pub struct Row {
    pub op: &'static str,
    /// Kernel id.
    pub id: String,
    pub case: String,
    pub cost: Cost,
    pub seconds: f64,
}

impl Row {
    pub fn gflops(&self) -> f64 {
        self.cost.flops as f64 / self.seconds * 1e-9
    }

    pub fn gbs(&self) -> f64 {
        self.cost.bytes as f64 / self.seconds * 1e-9
    }

    /// Flops per byte.
    pub fn intensity(&self) -> f64 {
        self.cost.flops as f64 / self.cost.bytes as f64
    }

    /// How near it comes to what the ceilings allow. Above 1 where a cache serves what the copy had to fetch.
    pub fn share(&self, c: &Ceilings) -> f64 {
        let compute = self.cost.flops as f64 / c.flops.per_second;
        let memory = self.cost.bytes as f64 / c.bytes.per_second;
        compute.max(memory) / self.seconds
    }
}

#[derive(Default)]
pub struct Measured {
    pub rows: Vec<Row>,
    /// Kernel id and case, and why not.
    pub skipped: Vec<String>,
}

/// What there is to measure: all whose operation, kernel id and case contain the filter.
pub fn jobs(ctx: &Context, filter: &str) -> Vec<Job> {
    let mut jobs = vec![];
    for case in OPERATIONS.iter().flat_map(bench_cases) {
        let mut on = variants(ctx, &*case.op);
        on.retain(|v| format!("{}/{}/{}", case.op.name(), v.id, case.label).contains(filter));
        if !on.is_empty() {
            jobs.push((case, on));
        }
    }
    jobs
}

pub fn measure(ctx: &Context, jobs: &[Job], limit: Duration) -> Result<Measured> {
    let mut measured = Measured::default();
    let mut runner = Runner::new(ctx, limit);
    let style = ProgressStyle::with_template("{bar:30} {pos}/{len} {msg}")?;
    // Drawn on stderr, and only on a terminal.
    let bar = ProgressBar::new(jobs.iter().map(|j| j.1.len() as u64).sum()).with_style(style);
    for (case, variants) in jobs {
        let mut operands = Operands::None;
        for v in variants {
            bar.set_message(format!("{} {}", v.id, case.label));
            match runner.start(case, v, &mut operands)? {
                Ok((bound, _)) => measured.rows.push(Row {
                    op: case.op.name(),
                    id: v.id.clone(),
                    case: case.label.clone(),
                    cost: case.op.cost(),
                    seconds: best(|times| Ok(time(ctx, &bound, times)?))?,
                }),
                Err(why) => measured.skipped.push(format!("{} {}: {why}", v.id, case.label)),
            }
            bar.inc(1);
        }
    }
    bar.finish_and_clear();
    Ok(measured)
}
