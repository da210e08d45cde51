//! How fast every kernel is on this device, beside what the device can do at all.
//!
//!     cargo run --release --example report [-- --software | --cpu] [--filter TEXT] [--limit SECONDS] [--out DIR]
//!
//! Measures two ceilings first: multiply-adds per second, and bytes per second of a copy. Then every kernel and variant
//! of every operation runs the cases made for benches. Prints time, GFLOP/s, GB/s and the share of the roofline, which
//! is the time that the nearer ceiling allows by the time taken. A case is not run if a smaller one on the same kernel
//! says that it would take longer than the limit; it is listed with the prediction. Writes report.csv and roofline.svg.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program for the terminal")]

mod best;
#[path = "../../benches/common/mod.rs"]
mod common;
mod csv;
mod device;
mod measure;
mod probe;
mod roofline;
mod table;

use clap::{CommandFactory, Parser, error::ErrorKind};
use device::Device;
use probe::Ceilings;
use quarter::Context;
use std::{fs, path::PathBuf, process::ExitCode, time::Duration};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// How fast every kernel is on this device, beside what the device can do at all.
#[derive(Parser)]
#[command(name = "report")]
struct Arguments {
    /// A software adapter (a CPU pretending to be a GPU) will do
    #[arg(long)]
    software: bool,
    /// The CPU backend instead of a GPU
    #[arg(long, conflicts_with = "software")]
    cpu: bool,
    /// Only what has TEXT in operation/kernel/case
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    filter: String,
    /// What is predicted to run longer is listed, not measured
    #[arg(long, value_name = "SECONDS", default_value = "2", value_parser = seconds, allow_negative_numbers = true)]
    limit: Duration,
    /// Where report.csv and roofline.svg go
    #[arg(long, value_name = "DIR", default_value = "target/report")]
    out: PathBuf,
}

fn seconds(text: &str) -> std::result::Result<Duration, String> {
    let positive = |d: &Duration| !d.is_zero();
    let parsed = text.parse().ok().and_then(|s| Duration::try_from_secs_f64(s).ok());
    parsed.filter(positive).ok_or_else(|| "expected a positive number of seconds".to_owned())
}

fn main() -> ExitCode {
    match report(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("FAILED: {e}");
            ExitCode::FAILURE
        }
    }
}

fn report(a: &Arguments) -> Result<()> {
    let ctx = match a.cpu {
        true => Context::cpu(),
        false => Context::builder().software(a.software).request_blocking()?,
    };
    let jobs = measure::jobs(&ctx, &a.filter);
    if jobs.is_empty() {
        let why = format!("nothing on {} has `{}` in operation/kernel/case", ctx.name(), a.filter);
        Arguments::command().error(ErrorKind::ValueValidation, why).exit();
    }
    fs::create_dir_all(&a.out).map_err(|e| format!("{}: {e}", a.out.display()))?;

    println!("{}, {}", ctx.name(), common::processor());
    let ceilings = Ceilings::measure(&ctx)?;
    let measured = measure::measure(&ctx, &jobs, a.limit)?;
    table::print(&ceilings, &measured);

    let device = Device::of(&ctx);
    let (csv, svg) = (a.out.join("report.csv"), a.out.join("roofline.svg"));
    csv::write(&csv, &device, &ceilings, &measured).map_err(|e| format!("{}: {e}", csv.display()))?;
    roofline::write(&svg, &device, &ceilings, &measured)?;
    println!("\n{}\n{}", csv.display(), svg.display());
    Ok(())
}
