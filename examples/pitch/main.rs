//! Tells the pitch of tones with CREPE tiny in 8-bit floats, on the CPU and on the GPU. README.md beside this file says what
//! the columns mean. `./fetch-models` fetches what it needs.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program for the terminal")]

#[path = "../common/contexts.rs"]
mod contexts;
#[path = "../common/models.rs"]
mod models;
mod network;
#[path = "../common/score.rs"]
mod score;
mod tones;

use clap::Parser;
use models::{Result, Weights};
use network::Network;
use quarter::{
    Context, On,
    dtype::Format,
    nn::Precision,
    tensor::{Element, HostTensor, Layout},
};
use score::Share;
use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    time::Instant,
};
use tones::{FRAME, Tone, pitch};

/// Tells the pitch of synthetic tones in f32 and in three 8-bit formats, on the CPU and, if there is one, on the GPU.
///
/// Exit status: 0; 1 if f32 answers otherwise on the GPU than on the CPU, or a step fails; 2 for a wrong argument.
#[derive(Parser)]
#[command(name = "pitch")]
struct Arguments {
    /// A software adapter (a CPU pretending to be a GPU) will do as the GPU
    #[arg(long)]
    software: bool,
    /// How many tones
    #[arg(long, value_name = "N", default_value = "2000", value_parser = clap::value_parser!(u32).range(1..))]
    tones: u32,
    /// Other tones
    #[arg(long, value_name = "N", default_value = "0")]
    seed: u64,
    /// Writes the tones, f32's answers, and what every layer makes of 16 tones, into FILE (safetensors), for tools/pitch.py, and
    /// ends
    #[arg(long, value_name = "FILE")]
    layers: Option<PathBuf>,
}

fn main() -> ExitCode {
    let a = Arguments::parse();
    let done = pollster::block_on(async {
        let file = models::read("crepe/tiny.safetensors")?;
        let weights = Weights::new(&file)?;
        let tones: Vec<Tone> = (0..a.tones as usize).map(|i| Tone::new(a.seed, i)).collect();
        match &a.layers {
            Some(file) => layers(file, &weights, &tones, a.software).await,
            None => compare(&weights, &tones, a.software).await,
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

/// f32, then the formats of the paper.
const FORMATS: [Option<Format>; 4] = [None, Some(Format::E4M3FN), Some(Format::E3M4FN), Some(Format::E5M2)];

/// Tones that run together.
const BATCH: usize = 100;

/// How far an answer may be off, in cents: half a semitone.
const NEAR: f64 = 50.0;

fn name(format: Option<Format>) -> &'static str {
    format.map_or("f32", Format::name)
}

fn on(ctx: &Context) -> &'static str {
    if ctx.on() == On::Cpu { "cpu" } else { "gpu" }
}

async fn network(ctx: &Context, weights: &Weights<'_>, format: Option<Format>) -> Result<Network> {
    Network::new(ctx, weights, format.map_or(Precision::F32, Precision::of)).await
}

/// Frames as the network takes them; the last fills up the batch.
fn batch(tones: &[Tone], length: usize) -> Result<HostTensor> {
    let last = tones.last().ok_or("no tones")?;
    let all = tones.iter().chain(std::iter::repeat(last)).take(length);
    let samples: Vec<f32> = all.flat_map(|t| t.samples.iter().copied()).collect();
    Ok(HostTensor::from_f32(&samples, [length as u32, FRAME as u32, 1, 1])?)
}

/// What the network answers to each tone, batch by batch, and milliseconds per tone.
async fn answer(net: &Network, tones: &[Tone]) -> Result<(Vec<Vec<f32>>, f64)> {
    let planned = net.compile(&Layout::new([BATCH as u32, FRAME as u32, 1, 1], Element::F32)?).await?;
    let (mut all, mut seconds) = (vec![], 0.0);
    for tones in tones.chunks(BATCH) {
        let frames = batch(tones, BATCH)?;
        let start = Instant::now();
        let answers = planned.call(&[&frames]).await?.remove(0).to_f32();
        seconds += start.elapsed().as_secs_f64();
        let each = answers.chunks_exact(answers.len() / BATCH);
        all.extend(each.take(tones.len()).map(<[f32]>::to_vec));
    }
    Ok((all, 1e3 * seconds / tones.len() as f64))
}

/// How many of these are near, and the median.
fn near(off: impl Iterator<Item = f64>) -> (Share, f64) {
    let mut off: Vec<f64> = off.map(f64::abs).collect();
    off.sort_by(f64::total_cmp);
    (Share { hits: off.iter().filter(|o| **o <= NEAR).count(), n: off.len() }, off[off.len() / 2])
}

/// Prints the table.
async fn compare(weights: &Weights<'_>, tones: &[Tone], software: bool) -> Result<()> {
    let contexts = contexts::contexts(software).await?;
    println!(
        "\n{:<8} on  {:<32} {:>6}  {:<34} {:>6} {:>9} {:>8}",
        "format", "within 50 cents", "median", "of f32 on the CPU", "median", "weights", "ms/tone"
    );
    let mut first: Option<Vec<f64>> = None;
    for ctx in contexts {
        for format in FORMATS {
            let net = network(&ctx, weights, format).await?;
            let (answers, ms) = answer(&net, tones).await?;
            let pitches: Vec<f64> = answers.iter().map(|a| pitch(a)).collect();
            let first = first.get_or_insert_with(|| pitches.clone());
            let (right, off) = near(pitches.iter().zip(tones).map(|(p, t)| p - t.cents));
            let (same, moved) = near(pitches.iter().zip(first.iter()).map(|(p, f)| p - f));
            let (format_name, on) = (name(format), on(&ctx));
            println!(
                "{format_name:<8} {on} {right:<32} {off:>6.2}  {same:<34} {moved:>6.2} {:>9} {ms:>8.3}",
                net.bytes
            );
            // Rounding moves an answer by a few units in the last place: a pitch only where the two largest are that near.
            if format.is_none() && same.hits + 1 < same.n {
                return Err(format!("f32 on the {on}: {same} as on the CPU").into());
            }
        }
    }
    Ok(())
}

/// Writes `frames`, `cents`, `BACKEND.answers` of f32, and `BACKEND.FORMAT.LAYER` of the first 16 frames.
async fn layers(file: &Path, weights: &Weights<'_>, tones: &[Tone], software: bool) -> Result<()> {
    let cents: Vec<f32> = tones.iter().map(|t| t.cents as f32).collect();
    let few = batch(&tones[..tones.len().min(16)], 16)?;
    let mut all = vec![
        ("frames".to_owned(), batch(tones, tones.len())?),
        ("cents".to_owned(), HostTensor::from_f32(&cents, [cents.len() as u32])?),
    ];
    for ctx in contexts::contexts(software).await? {
        for format in FORMATS {
            let net = network(&ctx, weights, format).await?;
            if format.is_none() {
                let answers = answer(&net, tones).await?.0.concat();
                let shape = [tones.len(), answers.len() / tones.len()].map(|d| d as u32);
                all.push((format!("{}.answers", on(&ctx)), HostTensor::from_f32(&answers, shape)?));
            }
            for (layer, y) in net.names().zip(net.layers(&few).await?) {
                all.push((format!("{}.{}.{layer}", on(&ctx), name(format)), y));
            }
        }
    }
    models::write(file, &all)
}
