//! What 8 bits cost: distributions, products, S2FP8, and the time of scaling. Tables for docs/ptq.md and docs/s2fp8.md.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program for the terminal")]

#[path = "../common/contexts.rs"]
mod contexts;
mod cost;
mod distributions;
mod draw;
mod int8;
mod measure;
mod plot;
mod products;
mod s2fp8;

use clap::{Parser, Subcommand};
use std::{path::PathBuf, process::ExitCode};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// What 8 bits cost.
#[derive(Parser)]
#[command(name = "study")]
struct Arguments {
    #[command(subcommand)]
    study: Study,
}

#[derive(Subcommand)]
enum Study {
    /// Mean squared error and SQNR of formats on distributions, scaled per tensor by amax
    Distributions {
        /// Writes a picture (SVG)
        #[arg(long, value_name = "FILE")]
        plot: Option<PathBuf>,
    },
    /// Error of a product 256x1024x256 by format and granularity, clean and with outliers
    Products,
    /// E5M2, E5M2 scaled by amax, and S2FP8; bits on the CPU and on the GPU
    S2fp8 {
        /// A software adapter (a CPU pretending to be a GPU) will do as the GPU
        #[arg(long)]
        software: bool,
    },
    /// Time of dynamic and delayed scaling and of S2FP8's statistics as a share of the product that they serve
    Cost {
        /// A software adapter will do as the GPU
        #[arg(long)]
        software: bool,
    },
}

fn main() -> ExitCode {
    let done = match Arguments::parse().study {
        Study::Distributions { plot } => distributions::run(plot.as_deref()),
        Study::Products => products::run(),
        Study::S2fp8 { software } => s2fp8::run(software),
        Study::Cost { software } => cost::run(software),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("FAILED: {e}");
            ExitCode::FAILURE
        }
    }
}
