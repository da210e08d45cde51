//! Post-training quantisation of trained networks, row by row of the paper's table: what each answers, beside f32 on the same samples.
//! README.md beside this file says what is tested on what.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program for the terminal")]

mod bootstrap;
mod column;
mod digits;
mod fashion;
mod minilm;
#[path = "../common/models.rs"]
mod models;
mod ncf;
#[path = "../common/score.rs"]
mod score;
mod study;

use bootstrap::{Loss, Verdict, interval, loss};
use clap::{Parser, ValueEnum};
use column::Column;
use digits::Digits;
use fashion::{Fashion, Kind};
use minilm::MiniLm;
use models::Result;
use ncf::{Measure, Ncf};
use quarter::{
    Context,
    nn::ptq::{Approach, Network, Numbers, Scheme},
};
use std::process::ExitCode;
use study::{Study, answers, layouts};

/// Quantises trained networks on the CPU by every scheme of the paper and compares what they answer with f32: figure, loss in percent
/// with its 95 % interval, verdict at 1 %.
///
/// Exit status: 0; 1 if a step fails, a file that is missing included; 2 for a wrong argument.
#[derive(Parser)]
#[command(name = "ptq")]
struct Arguments {
    /// Which; all unless told otherwise
    #[arg(value_enum)]
    studies: Vec<Name>,
    /// In f32 only
    #[arg(long)]
    f32: bool,
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

/// The paper's rows, and its baseline.
fn schemes() -> Vec<(&'static str, Scheme)> {
    let names = ["E5M2 direct", "E4M3 static", "E4M3 dynamic", "E3M4 static", "E3M4 dynamic", "mixed"];
    let int8 = ("INT8 static", Scheme::new(Numbers::Int8, Approach::Static));
    names.into_iter().zip(Scheme::rows()).chain([int8]).collect()
}

fn main() -> ExitCode {
    match pollster::block_on(all(&Arguments::parse())) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("FAILED: {e}");
            ExitCode::FAILURE
        }
    }
}

/// Verdicts of the standard scheme, and of the best column, by scheme.
#[derive(Default, Clone)]
struct Tally {
    standard: Vec<Verdict>,
    best: Vec<Verdict>,
}

async fn all(arguments: &Arguments) -> Result<()> {
    let ctx = Context::cpu();
    let chosen = if arguments.studies.is_empty() { Name::value_variants() } else { &arguments.studies };
    let mut tallies = vec![Tally::default(); schemes().len()];
    for name in chosen {
        one(&ctx, &*name.study(&ctx).await?, arguments.f32, &mut tallies).await?;
    }
    if arguments.f32 {
        return Ok(());
    }
    let count = |verdicts: &[Verdict]| {
        let of = |v| verdicts.iter().filter(|x| **x == v).count();
        format!("{} / {} / {}", of(Verdict::Pass), of(Verdict::Undecided), of(Verdict::Fail))
    };
    println!(
        "\n| pass / undecided / fail, of {} figures | standard | best column |\n|---|---|---|",
        chosen.len()
    );
    for ((name, _), tally) in schemes().iter().zip(&tallies) {
        println!("| {name} | {} | {} |", count(&tally.standard), count(&tally.best));
    }
    Ok(())
}

/// The table of one network.
async fn one(ctx: &Context, study: &dyn Study, only_f32: bool, tallies: &mut [Tally]) -> Result<()> {
    let test = study.test()?;
    let (graph, outputs) = study.describe(&layouts(&test[0]))?;
    let network = Network::new(graph, &outputs)?;
    let model = network.compile(ctx).await?;
    let reference = study.scores(&answers(&test, async |x| model.call(x).await).await?);
    let n = reference.len();
    let figure = study.figure(&reference, &(0..n).collect::<Vec<_>>());
    let of = interval(n, |samples| study.figure(&reference, samples));
    let calibration = study.calibration()?;
    println!(
        "\n### {}\n\n{} in f32: {figure:.4} ({:.4}-{:.4}), n = {n}; {} samples to calibrate on.\n",
        study.name(),
        study.measure(),
        of.low,
        of.high,
        calibration.iter().map(|b| b.rows).sum::<usize>()
    );
    if only_f32 {
        return Ok(());
    }
    let columns = Column::of(&network);
    let names: Vec<_> = columns.iter().map(|c| c.name()).collect();
    println!("| scheme | {} |\n|---|{}", names.join(" | "), "---|".repeat(names.len()));
    for ((name, scheme), tally) in schemes().iter().zip(tallies) {
        let (mut cells, mut verdicts) = (vec![], vec![]);
        for column in &columns {
            let made = column.quantize(ctx, &network, scheme, &calibration).await?;
            let compiled = made.quantized.compile(ctx).await?;
            let scores = study.scores(&answers(&test, async |x| compiled.call(x).await).await?);
            let figure = study.figure(&scores, &(0..n).collect::<Vec<_>>());
            let lost = loss(n, |s| study.figure(&reference, s), |s| study.figure(&scores, s));
            cells.push(format!("{figure:.4}, {}{}", shown(&lost), made.note));
            verdicts.push(lost.verdict());
        }
        println!("| {name} | {} |", cells.join(" | "));
        tally.standard.push(verdicts[0]);
        let order = [Verdict::Pass, Verdict::Undecided, Verdict::Fail];
        tally.best.extend(order.into_iter().find(|v| verdicts.contains(v)));
    }
    Ok(())
}

fn shown(loss: &Loss) -> String {
    let [value, low, high] = [loss.value, loss.interval.low, loss.interval.high].map(|v| 100.0 * v);
    let verdict = match loss.verdict() {
        Verdict::Pass => "pass",
        Verdict::Fail => "**fail**",
        Verdict::Undecided => "undecided",
    };
    format!("{value:.2} % ({low:.2} to {high:.2}) {verdict}")
}
