//! What the benches and the example `report` share.

#![allow(dead_code, unused_imports)] // everyone uses a part

#[cfg(feature = "gpu")]
mod fma;
mod rates;
mod runner;

#[cfg(feature = "gpu")]
pub use fma::Fma;
pub use rates::Rates;
pub use runner::{AnyCase, Operands, Runner, Skip, Variant, bench_cases, time, variants};

use quarter::{
    Context, Error,
    ops::{Data, Slots, problem::Problem},
    tensor::{Access, DeviceTensor},
    verify::draw,
};

/// The operands of a problem, drawn as the tests draw them.
pub struct Tensors(Vec<(&'static str, DeviceTensor)>);

impl Tensors {
    pub fn new(ctx: &Context, problem: &dyn Problem, data: Data) -> Result<Self, Error> {
        let mut tensors = vec![];
        for (o, seed) in problem.operands()?.iter().zip(1..) {
            let drawn = draw(o, data, seed);
            let tensor = match drawn.scales() {
                Some(s) if o.access == Access::Write => pollster::block_on(ctx.empty_scaled(&o.layout, s)),
                None if o.access == Access::Write => ctx.empty_blocking(&o.layout),
                _ => ctx.upload_blocking(&drawn),
            };
            tensors.push((o.role, tensor?));
        }
        Ok(Self(tensors))
    }

    pub fn slots(&self) -> Slots<'_> {
        Slots(self.0.iter().map(|(role, t)| (*role, t)).collect())
    }
}

/// Model name of the processor.
pub fn processor() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = info
        .lines()
        .find_map(|l| l.strip_prefix("model name"))
        .map(|l| l.trim_start_matches([' ', '\t', ':']));
    name.unwrap_or(std::env::consts::ARCH).to_owned()
}
