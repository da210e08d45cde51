//! Classifies handwritten digits in 8-bit floats, on the CPU and on the GPU, and holds every number computed on the
//! way against its error bound. README.md beside this file says what the columns mean.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program for the terminal")]

mod model;
#[path = "../common/models.rs"]
mod models;
mod network;

use model::Model;
use network::{Network, Outcome};
use quarter::{Context, Error, On, dtype::Format};
use std::process::ExitCode;

const USAGE: &str = "usage: cargo run --release --example digits [-- --software]

Classifies handwritten digits in f32 and in every 8-bit format, on the CPU and, if there is one, on the GPU.

  --software   a software adapter (a CPU pretending to be a GPU) will do as the GPU
  --help       this text

Exit status: 0; 1 if an error exceeds its bound, a code is not the promised one or a step fails; 2 for a wrong argument.";

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    let software = match arguments.iter().map(|a| a.to_str()).collect::<Vec<_>>()[..] {
        [] => false,
        [Some("--software")] => true,
        [Some("--help")] => {
            println!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        _ => {
            eprintln!("wrong arguments: {arguments:?}\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match compare(software) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("FAILED: {e}");
            ExitCode::FAILURE
        }
    }
}

/// Prints the table; what is wrong in it is an error.
fn compare(software: bool) -> Result<(), Box<dyn std::error::Error>> {
    let model = Model::load()?;
    let contexts = contexts(software)?;
    println!(
        "\nactivations  weights      on           correct    same as f32  wrong codes  error/bound        ms"
    );
    let mut failures = vec![];
    let mut f32_predictions = None; // Those of the first row.
    for (activations, weights) in precisions() {
        for ctx in &contexts {
            let Outcome { predictions, codes, wrong_codes, share, ms } =
                Network::new(ctx, &model, activations, weights)?.run()?;
            let right = equal(&predictions, &model.labels);
            let same = equal(&predictions, f32_predictions.get_or_insert_with(|| predictions.clone()));
            let [a, w] = [activations, weights].map(|f| f.map_or("f32", Format::name));
            let on = if ctx.on() == On::Cpu { "cpu" } else { "gpu" };
            let codes = format!("{wrong_codes}/{codes}");
            println!("{a:<12} {w:<12} {on} {right:>16} {same:>14} {codes:>12} {share:>12.4} {ms:>9.2}");
            if share > 1.0 || wrong_codes > 0 {
                failures.push(format!("{a} x {w}, {on}: error/bound {share}, wrong codes {codes}"));
            }
        }
    }
    if failures.is_empty() { Ok(()) } else { Err(failures.join("\nFAILED: ").into()) }
}

/// f32 first; then every format in activations and weights; then weights only.
fn precisions() -> impl Iterator<Item = (Option<Format>, Option<Format>)> {
    let both = Format::ALL.into_iter().map(|f| (Some(f), Some(f)));
    [(None, None)].into_iter().chain(both).chain([(None, Some(Format::E4M3FN))])
}

/// How many predictions are as they should be: `471/500  94.2%`.
fn equal(got: &[usize], want: &[usize]) -> String {
    let (n, of) = (got.iter().zip(want).filter(|(g, w)| g == w).count(), want.len());
    format!("{n}/{of} {:5.1}%", 100.0 * n as f64 / of as f64)
}

/// The CPU backend and, if there is one, the GPU. Fresh tensors hold NaN, so that a number nobody wrote is seen.
fn contexts(software: bool) -> Result<Vec<Context>, Error> {
    let builder = Context::builder().poison(true);
    #[cfg(feature = "gpu")]
    let gpu = builder.clone().software(software).request_blocking();
    #[cfg(not(feature = "gpu"))]
    let gpu = Err(Error::NoAdapter(format!("built without the feature `gpu` (software: {software})")));
    let mut all = vec![builder.cpu()];
    match gpu {
        Ok(gpu) => all.push(gpu),
        Err(e @ (Error::NoAdapter(_) | Error::NoDevice(_))) => {
            println!("CPU only (`-- --software` takes a software adapter): {e}")
        }
        Err(e) => return Err(e),
    }
    all.iter().for_each(|ctx| println!("{:?}: {}", ctx.on(), ctx.name()));
    Ok(all)
}
