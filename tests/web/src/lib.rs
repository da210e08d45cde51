//! Every kernel on every smoke case in a browser, against the f64 reference.

use quarter::{
    Choice, Context, Error,
    ops::{OPERATIONS, Purpose},
    verify::Run,
};
use std::{collections::BTreeMap, fmt::Write};
use wasm_bindgen::prelude::wasm_bindgen;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_namespace = console)]
    fn error(message: &str);
}

/// The report: adapter, then `operation kernel,cases,refused,failed` by lines, then a line per failure.
///
/// # Errors
/// What opening a device says.
#[wasm_bindgen]
pub async fn self_check() -> Result<String, String> {
    // A panic is only a trap to JavaScript.
    std::panic::set_hook(Box::new(|info| error(&info.to_string())));
    let ctx = Context::builder().software(true).poison(true).request().await.map_err(|e| e.to_string())?;
    report(&ctx).await.map_err(|e| e.to_string())
}

#[derive(Default)]
struct Tally {
    cases: usize,
    refused: usize,
    failed: Vec<String>,
}

async fn report(ctx: &Context) -> Result<String, Error> {
    let mut table: BTreeMap<String, Tally> = BTreeMap::new();
    for entry in OPERATIONS {
        for case in (entry.cases)().iter().filter(|c| c.purpose == Purpose::Smoke) {
            let mut run = Run::new(case)?;
            for kernel in ctx.kernels(&*case.op) {
                let tally = table.entry(format!("{} {}", entry.name, kernel.name)).or_default();
                match run.compare(ctx, &Choice::Kernel(kernel.name.to_owned()), None).await {
                    Ok(c) => {
                        tally.cases += 1;
                        if !c.pass() {
                            let worst = c.worst.map(|w| w.to_string()).unwrap_or_default();
                            tally.failed.push(format!("{} [{}]: {} wrong: {worst}", c.id, c.label, c.wrong));
                        }
                    }
                    Err(Error::Unsupported { .. }) => tally.refused += 1,
                    Err(e) => {
                        tally.failed.push(format!("{} {} [{}]: {e}", entry.name, kernel.name, case.label))
                    }
                }
            }
        }
    }
    let mut text = format!("{}\n", ctx.name());
    for (name, t) in &table {
        let _ = writeln!(text, "{name},{},{},{}", t.cases, t.refused, t.failed.len());
    }
    for failure in table.values().flat_map(|t| &t.failed) {
        let _ = writeln!(text, "FAILED {failure}");
    }
    Ok(text)
}
