//! Every kernel of every operation on this machine's GPU, held against the f64 reference.
//!
//!     cargo run --release --example self_check [-- --software | --cpu]
//!
//! Prints what the device does with numbers, then per kernel: cases run, refused with the reason, failed with the worst
//! number. Exits with 1 if anything failed.

use quarter::{Context, Error, verify::Report};
use std::{process::ExitCode, time::Instant};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let context = match arguments[..] {
        [] => Context::request_blocking(),
        ["--software"] => Context::builder().software(true).request_blocking(),
        ["--cpu"] => Ok(Context::cpu()),
        _ => {
            eprintln!("usage: self_check [--software | --cpu]");
            return ExitCode::from(2);
        }
    };
    match context.and_then(check) {
        Ok(report) if report.pass() => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(e) => {
            eprintln!("{e}");
            ExitCode::FAILURE
        }
    }
}

fn check(ctx: Context) -> Result<Report, Error> {
    let start = Instant::now();
    let report = pollster::block_on(ctx.self_check())?;
    println!("{report}");
    let cases: usize = report.kernels.iter().map(|k| k.cases).sum();
    let failed: usize = report.kernels.iter().map(|k| k.failed.len()).sum();
    println!("{cases} cases, {failed} failed, {:.1} s", start.elapsed().as_secs_f64());
    Ok(report)
}
