//! Every kernel of every operation on every case, against the f64 reference. No code per operation.

mod common;

use quarter::{
    Context, Error, On,
    ops::{Entry, Purpose},
    verify::Run,
};
use std::{collections::BTreeMap, fmt::Write, sync::Mutex};

#[derive(Default)]
struct Tally {
    cases: usize,
    strict: usize,
    elements: usize,
    refused: BTreeMap<String, usize>,
    failed: Vec<String>,
    worst: f64,
    rms: f64,
}

/// All variants of all kernels, on two contexts at once: drivers compile the pipelines of one device one by one. Whichever is
/// free takes the next kernel.
fn conform(contexts: [Context; 2]) {
    let kernels = |e: &Entry| contexts[0].kernels(&*(e.cases)()[0].op).len();
    let all = common::operations().into_iter().flat_map(|e| (0..kernels(e)).map(move |kernel| (e, kernel)));
    let left = Mutex::new(all.collect::<Vec<_>>().into_iter());
    let take = || left.lock().expect("no panic").next();
    let work = |ctx| std::iter::from_fn(take).map(|(e, kernel)| conform_kernel(ctx, e, kernel)).collect();
    let table = std::thread::scope(|s| {
        let workers = contexts.each_ref().map(|ctx| s.spawn(move || work(ctx)));
        let tallies: [Vec<_>; 2] = workers.map(|w| w.join().expect("no panic"));
        tallies.into_iter().flatten().collect()
    });
    report(&contexts[0], &table);
}

/// A kernel of an operation, by its number, on all cases: its name, and what came of them.
fn conform_kernel(ctx: &Context, entry: &Entry, kernel: usize) -> (String, Tally) {
    let purposes = common::purposes();
    let (mut name, mut tally) = (String::new(), Tally::default());
    for case in (entry.cases)().iter().filter(|c| purposes.contains(&c.purpose)) {
        let mut run = Run::new(case).unwrap();
        let (kernel, choices) = common::choices(ctx, &*case.op).swap_remove(kernel);
        name = format!("{} {kernel}", entry.name);
        // Variants beside the default run on what users do, not on every mix of formats.
        let variants = if case.purpose == Purpose::Typical { choices.len() } else { 1 };
        for choice in choices.into_iter().take(variants) {
            match pollster::block_on(run.compare(ctx, &choice, None)) {
                Ok(c) => {
                    tally.cases += 1;
                    tally.strict += usize::from(c.strict);
                    tally.elements += c.elements;
                    tally.worst = tally.worst.max(c.worst_ratio);
                    tally.rms = tally.rms.max(c.rms_ratio);
                    if !c.pass() {
                        let worst = c.worst.map(|w| w.to_string()).unwrap_or_default();
                        tally.failed.push(format!("{} [{}]: {} wrong: {worst}", c.id, c.label, c.wrong));
                    }
                }
                Err(Error::Unsupported { refusals, .. }) => {
                    *tally.refused.entry(refusals[0].1.to_string()).or_default() += 1;
                }
                Err(e) => tally.failed.push(format!("{name} [{}]: {e}", case.label)),
            }
        }
    }
    (name, tally)
}

fn report(ctx: &Context, table: &BTreeMap<String, Tally>) {
    let mut text = format!("{}\n", ctx.name());
    let _ = writeln!(
        text,
        "| operation, kernel | cases | of them strict | numbers | largest error/bound | largest rms | refused | failed |"
    );
    let _ = writeln!(text, "|---|---|---|---|---|---|---|---|");
    for (name, t) in table {
        let refused: usize = t.refused.values().sum();
        let _ = writeln!(
            text,
            "| {name} | {} | {} | {} | {:.3} | {:.3} | {refused} | {} |",
            t.cases,
            t.strict,
            t.elements,
            t.worst,
            t.rms,
            t.failed.len()
        );
    }
    common::show(&text);
    save(ctx, table);
    let failed: Vec<&String> = table.values().flat_map(|t| &t.failed).collect();
    for f in failed.iter().take(40) {
        println!("FAILED {f}");
    }
    assert!(failed.is_empty(), "{} cases failed", failed.len());
    for entry in common::operations() {
        for k in (entry.cases)()[0].op.kernels().iter().filter(|k| k.on_cpu == (ctx.on() == On::Cpu)) {
            let name = format!("{} {}", entry.name, k.name);
            let t = table.get(&name).unwrap_or_else(|| panic!("{name} was not tried"));
            // What suits software adapters only runs on one in CI; elsewhere the table shows that it is refused.
            assert!(t.cases > 0 || (!common::software(ctx) && t.refused.len() == 1), "{name} ran no case");
        }
    }
}

/// Leaves what ran on a GPU in the file that `QUARTER_REPORT` names, if it does: `scripts/drivers` sets drivers side by
/// side.
fn save(ctx: &Context, table: &BTreeMap<String, Tally>) {
    let Some(path) = std::env::var_os("QUARTER_REPORT").filter(|_| ctx.on() == On::Gpu) else { return };
    let mut text = format!("{}\n", ctx.name());
    for (name, t) in table {
        let refused: usize = t.refused.values().sum();
        let _ = writeln!(text, "{name},{},{refused},{}", t.cases, t.failed.len());
    }
    std::fs::write(&path, text).unwrap_or_else(|e| panic!("QUARTER_REPORT: {}: {e}", path.display()));
}

#[test]
fn cpu() {
    conform([0, 1].map(|_| Context::builder().poison(true).cpu()));
}

#[cfg(feature = "gpu")]
#[test]
fn gpu() {
    conform([0, 1].map(|_| common::gpu()));
}
