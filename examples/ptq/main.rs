//! Networks for a study of post-training quantisation: what each answers in f32, and how sure that figure is. README.md beside
//! this file says what is tested on what.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program for the terminal")]

#[allow(dead_code, reason = "losses and verdicts are for quantised networks, which are yet to come")]
mod bootstrap;
mod digits;
mod fashion;
mod minilm;
#[path = "../common/models.rs"]
mod models;
mod ncf;
#[path = "../common/score.rs"]
mod score;
mod study;

use bootstrap::interval;
use clap::{Parser, ValueEnum};
use digits::Digits;
use fashion::{Fashion, Kind};
use minilm::MiniLm;
use models::Result;
use ncf::{Measure, Ncf};
use quarter::Context;
use std::{process::ExitCode, time::Instant};
use study::{Study, run};

/// Tests networks in f32 on the CPU and says what they answer, with a 95 % bootstrap interval.
///
/// Exit status: 0; 1 if a step fails, a file that is missing included; 2 for a wrong argument.
#[derive(Parser)]
#[command(name = "ptq")]
struct Arguments {
    /// Which; all unless told otherwise
    #[arg(value_enum)]
    studies: Vec<Name>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Name {
    Digits,
    FashionPlain,
    FashionDepthwise,
    MinilmPolarity,
    MinilmWordsim,
    NcfHr,
    NcfNdcg,
}

impl Name {
    async fn study(self, ctx: &Context) -> Result<Box<dyn Study>> {
        Ok(match self {
            Self::Digits => Box::new(Digits::new(ctx).await?),
            Self::FashionPlain => Box::new(Fashion::new(ctx, Kind::Plain).await?),
            Self::FashionDepthwise => Box::new(Fashion::new(ctx, Kind::Depthwise).await?),
            Self::MinilmPolarity => Box::new(MiniLm::polarity(ctx).await?),
            Self::MinilmWordsim => Box::new(MiniLm::similarity(ctx).await?),
            Self::NcfHr => Box::new(Ncf::new(ctx, Measure::HitRate).await?),
            Self::NcfNdcg => Box::new(Ncf::new(ctx, Measure::Gain).await?),
        })
    }
}

fn main() -> ExitCode {
    match pollster::block_on(table(&Arguments::parse().studies)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("FAILED: {e}");
            ExitCode::FAILURE
        }
    }
}

/// Prints the table.
async fn table(studies: &[Name]) -> Result<()> {
    let ctx = Context::cpu();
    let all = if studies.is_empty() { Name::value_variants() } else { studies };
    println!(
        "{:<18} {:<15} {:>7} {:>17} {:>7} {:>12} {:>8}",
        "network", "measure", "f32", "95 %", "n", "calibration", "seconds"
    );
    for name in all {
        let study = name.study(&ctx).await?;
        let calibration: usize = study.calibration()?.iter().map(|b| b.rows).sum();
        let start = Instant::now();
        let rows = run(&ctx, &*study, &study.test()?).await?;
        let seconds = start.elapsed().as_secs_f64();
        let scores = study.scores(&rows);
        let n = scores.len();
        let figure = study.figure(&scores, &(0..n).collect::<Vec<_>>());
        let of = interval(n, |samples| study.figure(&scores, samples));
        let of = format!("({:.4}-{:.4})", of.low, of.high);
        let (name, measure) = (study.name(), study.measure());
        println!("{name:<18} {measure:<15} {figure:>7.4} {of:>17} {n:>7} {calibration:>12} {seconds:>8.1}");
    }
    Ok(())
}
