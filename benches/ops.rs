//! Every kernel of every operation on the cases made for it, on the CPU backend and on the GPU if there is one, a
//! software adapter too. No code per operation. Reported per second: floating-point operations as elements, and the
//! bytes that must move.
//!
//! Cases of an operation come in the order of their flops. A kernel's rate (flops or, if there are none, bytes per
//! second) is known from its smaller case; a case that would take longer than [`LIMIT`] at that rate is not run, but
//! listed with the prediction. Without a rate it is run a first time, and listed if that took longer.
//!
//! `cargo bench --bench ops [-- FILTER] [--quick]`.

#![allow(clippy::print_stdout)]

mod common;

use common::{AnyCase, Operands, Runner, bench_cases, time, variants};
use criterion::{BenchmarkId, Criterion, Throughput};
use quarter::{Context, ops::OPERATIONS};
use std::time::Duration;

/// Slower ones are listed, not measured.
const LIMIT: Duration = Duration::from_secs(2);

fn contexts() -> Vec<Context> {
    #[cfg(feature = "gpu")]
    let gpu =
        Context::builder().software(true).request_blocking().inspect_err(|e| println!("no GPU: {e}")).ok();
    #[cfg(not(feature = "gpu"))]
    let gpu = None;
    [Context::cpu()].into_iter().chain(gpu).collect()
}

/// Whether criterion may take this benchmark; it decides itself in the end. Saves the first run of the others.
fn wanted(id: &str) -> bool {
    let first = std::env::args().skip(1).find(|a| a != "--quick" && a != "--bench").unwrap_or_default();
    let plain = first.chars().all(|c| c.is_alphanumeric() || "._ ^/".contains(c));
    !plain || id.contains(&first)
}

fn bench(c: &mut Criterion, ctx: &Context, runner: &mut Runner, case: &AnyCase, skipped: &mut Vec<String>) {
    let problem = &*case.op;
    let cost = problem.cost();
    let mut group = c.benchmark_group(problem.name());
    group.throughput(Throughput::ElementsAndBytes { elements: cost.flops, bytes: cost.bytes });
    let mut operands = Operands::None;
    for v in variants(ctx, problem) {
        if !wanted(&format!("{}/{}/{}", problem.name(), v.id, case.label)) {
            continue;
        }
        match runner.start(case, &v, &mut operands).unwrap_or_else(|e| panic!("{}: {e}", case.label)) {
            Ok((bound, _)) => {
                let run = |times| time(ctx, &bound, times).expect("to run");
                group.bench_function(BenchmarkId::new(&v.id, &case.label), |b| b.iter_custom(run));
            }
            Err(why) => skipped.push(format!("{} {}: {why}", v.id, case.label)),
        }
    }
    group.finish();
}

fn main() {
    let mut c = Criterion::default().configure_from_args();
    let mut skipped = vec![];
    for ctx in contexts() {
        println!("\n{}, {}", ctx.name(), common::processor());
        let mut runner = Runner::new(&ctx, LIMIT);
        for case in OPERATIONS.iter().flat_map(bench_cases) {
            bench(&mut c, &ctx, &mut runner, &case, &mut skipped);
        }
    }
    for s in skipped {
        println!("skipped: {s}");
    }
    c.final_summary();
}
