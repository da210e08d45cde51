//! The self-check in a browser: every kernel on every smoke case, against the f64 reference.

use quarter::Context;
use std::fmt::Write;
use wasm_bindgen::prelude::wasm_bindgen;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_namespace = console)]
    fn error(message: &str);
}

/// The report: adapter, then `operation kernel,cases,refused,failed` by lines, then what the device does with numbers
/// and a line per failure.
///
/// # Errors
/// What opening a device says.
#[wasm_bindgen]
pub async fn self_check() -> Result<String, String> {
    // A panic is only a trap to JavaScript.
    std::panic::set_hook(Box::new(|info| error(&info.to_string())));
    let ctx = Context::builder().software(true).poison(true).request().await.map_err(|e| e.to_string())?;
    let report = ctx.self_check().await.map_err(|e| e.to_string())?;
    let mut text = format!("{}\n", report.device);
    for k in &report.kernels {
        let refused: usize = k.refused.values().sum();
        let _ = writeln!(text, "{} {},{},{refused},{}", k.op, k.kernel, k.cases, k.failed.len());
    }
    let _ = report.facts.map(|facts| write!(text, "{facts}"));
    let all = report.to_string();
    for failure in all.lines().filter(|l| l.starts_with("FAILED")) {
        let _ = writeln!(text, "{failure}");
    }
    Ok(text)
}
