//! Classifies clothes with convolutional networks in 8-bit floats, on the CPU and on the GPU. README.md beside this file
//! says what the columns mean.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program for the terminal")]

#[path = "../common/contexts.rs"]
mod contexts;
mod model;
#[path = "../common/models.rs"]
mod models;
mod network;
#[path = "../common/score.rs"]
mod score;

use clap::Parser;
use model::{Kind, Model};
use models::Result;
use network::{Network, Norm};
use quarter::{Context, On, dtype::Format, nn::Precision};
use score::Share;
use std::{
    io::BufRead,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Instant,
};

/// Classifies 500 images of clothes in f32 and in three 8-bit formats, on the CPU and, if there is one, on the GPU.
///
/// Exit status: 0; 1 if f32 answers otherwise on the GPU than on the CPU, or a step fails; 2 for a wrong argument.
#[derive(Parser)]
#[command(name = "fashion")]
struct Arguments {
    /// Which network
    #[arg(long, value_enum, default_value = "depthwise")]
    network: Kind,
    /// A software adapter (a CPU pretending to be a GPU) will do as the GPU
    #[arg(long)]
    software: bool,
    /// Writes what every layer makes of 16 images into FILE (safetensors), for tools/fashion.py, and ends
    #[arg(long, value_name = "FILE")]
    layers: Option<PathBuf>,
    /// On the CPU, in batches of N: for every line of the input prints milliseconds per image, f32 and the formats
    #[arg(long, value_name = "N", conflicts_with = "layers", value_parser = clap::value_parser!(u32).range(1..=500))]
    paced: Option<u32>,
}

fn main() -> ExitCode {
    let a = Arguments::parse();
    let done = pollster::block_on(async {
        let model = Model::load(a.network)?;
        match (&a.layers, a.paced) {
            (Some(file), _) => layers(file, &model, a.software).await,
            (None, Some(batch)) => paced(&model, batch).await,
            (None, None) => compare(&model, a.software).await,
        }
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("FAILED: {e}");
            ExitCode::FAILURE
        }
    }
}

/// f32 with BatchNorm as it was trained and folded; then the formats of the paper.
const ROWS: [(Option<Format>, Norm); 5] = [
    (None, Norm::Kept),
    (None, Norm::Folded),
    (Some(Format::E4M3FN), Norm::Folded),
    (Some(Format::E3M4FN), Norm::Folded),
    (Some(Format::E5M2), Norm::Folded),
];

fn name(format: Option<Format>) -> &'static str {
    format.map_or("f32", Format::name)
}

fn on(ctx: &Context) -> &'static str {
    if ctx.on() == On::Cpu { "cpu" } else { "gpu" }
}

async fn network(ctx: &Context, model: &Model, (format, norm): (Option<Format>, Norm)) -> Result<Network> {
    let precision = format.map_or(Precision::F32, Precision::of);
    Network::new(ctx, &model.blocks, &model.linear, precision, norm).await
}

/// Prints the table.
async fn compare(model: &Model, software: bool) -> Result<()> {
    let contexts = contexts::contexts(software).await?;
    println!(
        "\n{:<8} {:<9} on  {:<28}  {:<28} {:>8}  {:>8}",
        "format", "BatchNorm", "correct", "as f32 on the CPU", "weights", "ms/image"
    );
    let mut first: Option<Vec<usize>> = None;
    for ctx in contexts {
        for row in ROWS {
            let net = network(&ctx, model, row).await?;
            let planned = net.compile(model.images.layout()).await?;
            let (mut ms, mut answers) = (f64::INFINITY, vec![]);
            for _ in 0..3 {
                let start = Instant::now();
                let logits = planned.call(&[&model.images]).await?.remove(0).to_f32();
                ms = ms.min(1e3 * start.elapsed().as_secs_f64() / model.labels.len() as f64);
                let classes = logits.len() / model.labels.len();
                answers = logits.chunks_exact(classes).map(largest).collect();
            }
            let first = first.get_or_insert_with(|| answers.clone());
            let (right, same) = (Share::equal(&answers, &model.labels), Share::equal(&answers, first));
            let (format, norm) = (name(row.0), format!("{:?}", row.1).to_lowercase());
            println!(
                "{format:<8} {norm:<9} {on}  {right:<28}  {same:<28} {:>8}  {ms:>8.3}",
                net.bytes,
                on = on(&ctx)
            );
            // Rounding moves a logit by a few units in the last place: an answer only where two are that near.
            if row.0.is_none() && same.hits + 1 < same.n {
                return Err(format!("f32 on the {}, BatchNorm {norm}: {same} as on the CPU", on(&ctx)).into());
            }
        }
    }
    Ok(())
}

/// The place of the largest number.
fn largest(logits: &[f32]) -> usize {
    let best = logits.iter().enumerate().max_by(|x, y| x.1.total_cmp(y.1));
    best.map_or(0, |(i, _)| i)
}

/// Writes `BACKEND.FORMAT.BATCHNORM.LAYER` for every layer of every row.
async fn layers(file: &Path, model: &Model, software: bool) -> Result<()> {
    let images = model.batch(16)?;
    let mut all = vec![];
    for ctx in contexts::contexts(software).await? {
        for row in ROWS {
            let net = network(&ctx, model, row).await?;
            for (layer, y) in net.names().zip(net.layers(&images).await?) {
                let norm = format!("{:?}", row.1).to_lowercase();
                all.push((format!("{}.{}.{norm}.{layer}", on(&ctx), name(row.0)), y));
            }
        }
    }
    models::write(file, &all)
}

/// For every line that comes in, all images once in every precision: whoever sends the lines sets the pace, and can run
/// something else in between.
async fn paced(model: &Model, batch: u32) -> Result<()> {
    let ctx = Context::cpu();
    let images = model.batch(batch)?;
    let mut planned = vec![];
    for row in ROWS.into_iter().filter(|r| r.1 == Norm::Folded) {
        planned.push(network(&ctx, model, row).await?.compile(images.layout()).await?);
    }
    let rounds = 500 / batch;
    for line in std::io::stdin().lock().lines() {
        line?;
        let mut times = vec![];
        for model in &planned {
            let start = Instant::now();
            for _ in 0..rounds {
                model.call(&[&images]).await?;
            }
            times.push(format!("{:.5}", 1e3 * start.elapsed().as_secs_f64() / f64::from(rounds * batch)));
        }
        println!("{}", times.join(" "));
    }
    Ok(())
}
