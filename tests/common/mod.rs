//! What the tests share.

#![allow(dead_code)] // every test binary uses a part

#[cfg(feature = "gpu")]
pub mod stages;

use quarter::{
    Choice, Context,
    ops::{Entry, OPERATIONS, Purpose, problem::Problem},
};

/// The GPU that tests run on. A missing adapter fails.
#[cfg(feature = "gpu")]
pub fn gpu() -> Context {
    let ctx = Context::builder().software(true).poison(true).request_blocking();
    ctx.expect("tests need a Vulkan driver; ./test installs a software one")
}

/// The same with WebGPU's default limits and no features.
#[cfg(feature = "gpu")]
pub fn portable_gpu() -> Context {
    let ctx = Context::builder()
        .software(true)
        .poison(true)
        .limits(quarter::wgpu::Limits::default())
        .request_blocking();
    ctx.expect("tests need a Vulkan driver; ./test installs a software one")
}

/// The CPU backend and, if it is built, the GPU that tests run on; fresh tensors hold NaN on both.
pub fn contexts() -> Vec<Context> {
    vec![
        Context::builder().poison(true).cpu(),
        #[cfg(feature = "gpu")]
        gpu(),
    ]
}

/// Prints a report where the test harness does not hide it: the tables are what a run is for.
pub fn show(text: &str) {
    use std::io::Write;
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// Whether the context computes on a software adapter.
pub fn software(ctx: &Context) -> bool {
    #[cfg(feature = "gpu")]
    return ctx.capabilities().is_some_and(|c| c.software);
    #[cfg(not(feature = "gpu"))]
    return ctx.name().is_empty();
}

/// Cases that the conformance test runs: all but those of the benches. On a slow driver, `QUARTER_CASES=smoke` or
/// `QUARTER_CASES=smoke,edge` leaves out the others.
pub fn purposes() -> Vec<Purpose> {
    let Ok(given) = std::env::var("QUARTER_CASES") else {
        return vec![Purpose::Smoke, Purpose::Edge, Purpose::Typical];
    };
    let purpose = |name: &str| match name {
        "smoke" => Purpose::Smoke,
        "edge" => Purpose::Edge,
        "typical" => Purpose::Typical,
        _ => panic!("QUARTER_CASES: expected some of `smoke,edge,typical`, got `{given}`"),
    };
    given.split(',').map(purpose).collect()
}

/// Operations that the tests run: all, or those that `QUARTER_OPERATIONS=gemm,reduce` names.
pub fn operations() -> Vec<&'static Entry> {
    let Ok(given) = std::env::var("QUARTER_OPERATIONS") else { return OPERATIONS.iter().collect() };
    let find = |name: &str| OPERATIONS.iter().find(|e| e.name == name);
    given
        .split(',')
        .map(|name| find(name).unwrap_or_else(|| panic!("QUARTER_OPERATIONS: no `{name}`")))
        .collect()
}

/// Every kernel of this context with every variant it offers for the problem.
pub fn choices(ctx: &Context, problem: &dyn Problem) -> Vec<(&'static str, Vec<Choice>)> {
    let mut out = vec![];
    for k in ctx.kernels(problem) {
        #[cfg(feature = "gpu")]
        if let Some(caps) = ctx.capabilities()
            && let Ok(tunings) = problem.tunings(k.name, caps)
        {
            let exactly = |t| Choice::Exactly(k.name.to_owned(), t);
            out.push((k.name, tunings.into_iter().map(exactly).collect()));
            continue;
        }
        out.push((k.name, vec![Choice::Kernel(k.name.to_owned())]));
    }
    out
}

/// Rows of hexadecimal numbers, without the header.
pub fn golden(kind: &str, format: quarter::dtype::Format) -> Vec<Vec<u32>> {
    let path = std::path::PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join(format!("tests/golden/{kind}_{format}.csv"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let hex = |cell| u32::from_str_radix(cell, 16).unwrap();
    text.lines().skip(1).map(|line| line.split(',').map(hex).collect()).collect()
}
