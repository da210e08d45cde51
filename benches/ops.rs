//! Every kernel of every operation on the cases made for it, on the CPU backend and on the GPU if there is one, a
//! software adapter too. No code per operation. Reported per second: floating-point operations as elements, and the
//! bytes that must move.
//!
//! `cargo bench --bench ops [-- FILTER] [--quick]`.

#![allow(clippy::print_stdout)]

mod common;

use common::Tensors;
use criterion::{BenchmarkId, Criterion, Throughput};
use quarter::{
    Bound, Choice, Context, Error,
    ops::{Case, OPERATIONS, Purpose, problem::Problem},
};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

/// Slower ones are listed, not measured.
const LIMIT: Duration = Duration::from_secs(2);
/// Dispatches in one submission, at most.
const BATCH: usize = 64;

fn contexts() -> Vec<Context> {
    #[cfg(feature = "gpu")]
    let gpu =
        Context::builder().software(true).request_blocking().inspect_err(|e| println!("no GPU: {e}")).ok();
    #[cfg(not(feature = "gpu"))]
    let gpu = None;
    [Context::cpu()].into_iter().chain(gpu).collect()
}

/// Every variant of every kernel of this context.
fn choices(ctx: &Context, problem: &dyn Problem) -> Vec<Choice> {
    let mut all = vec![];
    for k in ctx.kernels(problem) {
        #[cfg(feature = "gpu")]
        if let Some(caps) = ctx.capabilities() {
            let tunings = problem.tunings(k.name, caps).unwrap_or_default();
            all.extend(tunings.into_iter().map(|t| Choice::Exactly(k.name.to_owned(), t)));
            continue;
        }
        all.push(Choice::Kernel(k.name.to_owned()));
    }
    all
}

/// Runs it this many times and waits for the end: on a GPU, many dispatches of one pass.
fn time(ctx: &Context, bound: &Bound, times: u64) -> Duration {
    let start = Instant::now();
    for first in (0..times).step_by(BATCH) {
        ctx.run((first..times).take(BATCH).map(|_| bound)).expect("to run");
    }
    pollster::block_on(ctx.finish()).expect("the device is there");
    start.elapsed()
}

/// Whether criterion may take this benchmark; it decides itself in the end. Saves the first run of the others.
fn wanted(id: &str) -> bool {
    let first = std::env::args().nth(1).unwrap_or_default();
    let plain = first.chars().all(|c| c.is_alphanumeric() || "._ ^/".contains(c));
    !plain || id.contains(&first)
}

fn bench(c: &mut Criterion, ctx: &Context, case: &Case<Arc<dyn Problem>>, skipped: &mut Vec<String>) {
    let problem = &*case.op;
    let mut tensors = None;
    let cost = problem.cost();
    let mut group = c.benchmark_group(problem.name());
    group.throughput(Throughput::ElementsAndBytes { elements: cost.flops, bytes: cost.bytes });
    for choice in choices(ctx, problem) {
        let plan = match pollster::block_on(ctx.plan_any(problem, &choice)) {
            Ok(plan) => plan,
            Err(e @ Error::Unsupported { .. }) => {
                skipped.push(format!("{}: {e}", case.label));
                continue;
            }
            Err(e) => panic!("{}: {e}", case.label),
        };
        let tensors = tensors.get_or_insert_with(|| Tensors::new(ctx, problem, case.data).expect("operands"));
        let bound = plan.bind(&tensors.slots()).expect("a bound");
        let id = BenchmarkId::new(bound.id(), &case.label);
        if !wanted(&format!("{}/{}/{}", problem.name(), bound.id(), case.label)) {
            continue;
        }
        // The first run compiles.
        let one = time(ctx, &bound, 1).min(time(ctx, &bound, 1));
        if one > LIMIT {
            skipped.push(format!("{} {}: {one:.1?} a run", bound.id(), case.label));
            continue;
        }
        group.bench_function(id, |b| b.iter_custom(|times| time(ctx, &bound, times)));
    }
    group.finish();
}

fn main() {
    let mut c = Criterion::default().configure_from_args();
    let mut skipped = vec![];
    for ctx in contexts() {
        println!("\n{}, {}", ctx.name(), common::processor());
        for case in OPERATIONS.iter().flat_map(|e| (e.cases)()).filter(|c| c.purpose == Purpose::Bench) {
            bench(&mut c, &ctx, &case, &mut skipped);
        }
    }
    for s in skipped {
        println!("skipped: {s}");
    }
    c.final_summary();
}
