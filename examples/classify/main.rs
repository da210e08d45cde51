//! Classifies photographs with EfficientNet-lite0 in 8-bit floats, on the CPU and on the GPU. README.md beside this file says
//! what the columns mean. `./fetch-models` fetches what it needs.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program for the terminal")]

#[path = "../common/contexts.rs"]
mod contexts;
#[path = "../common/models.rs"]
mod models;
mod network;
mod picture;
#[path = "../common/score.rs"]
mod score;

use clap::Parser;
use models::{Result, Weights};
use network::{Network, Norm, SIZE};
use picture::Cell;
use quarter::{Context, On, dtype::Format, nn::Precision, tensor::HostTensor};
use safetensors::{Dtype, SafeTensors};
use score::Share;
use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    time::Instant,
};

/// Classifies 20 photographs in f32 and in three 8-bit formats, on the CPU and, if there is one, on the GPU; and draws them with
/// what they were taken for.
///
/// Exit status: 0; 1 if f32 answers otherwise on the GPU than on the CPU, or a step fails; 2 for a wrong argument.
#[derive(Parser)]
#[command(name = "classify")]
struct Arguments {
    /// A software adapter (a CPU pretending to be a GPU) will do as the GPU
    #[arg(long)]
    software: bool,
    /// Where the picture goes
    #[arg(long, value_name = "FILE", default_value = "target/classify.png")]
    picture: PathBuf,
    /// Writes what every layer makes of 2 images into FILE (safetensors), for tools/classify.py, and ends
    #[arg(long, value_name = "FILE")]
    layers: Option<PathBuf>,
}

fn main() -> ExitCode {
    let a = Arguments::parse();
    let done = pollster::block_on(async {
        let file = models::read("efficientnet/efficientnet-lite0-57934424.safetensors")?;
        let (weights, photographs) = (Weights::new(&file)?, Photographs::load()?);
        match &a.layers {
            Some(file) => layers(file, &weights, &photographs, a.software).await,
            None => compare(&weights, &photographs, a.software, &a.picture).await,
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

/// Images that run together.
const BATCH: usize = 4;

/// Bytes of an image.
const BYTES: usize = 3 * (SIZE * SIZE) as usize;

/// What is classified.
struct Photographs {
    /// RGB.
    pixels: Vec<u8>,
    labels: Vec<usize>,
    /// Of all classes.
    names: Vec<String>,
}

impl Photographs {
    fn load() -> Result<Self> {
        let file = models::read("photographs/images.safetensors")?;
        let file = SafeTensors::deserialize(&file)?;
        let (pixels, _) = models::tensor(&file, "images", Dtype::U8)?;
        let (labels, _) = models::tensor(&file, "labels", Dtype::U32)?;
        let labels: Vec<usize> =
            labels.as_chunks().0.iter().map(|&b| u32::from_le_bytes(b) as usize).collect();
        let names = String::from_utf8(models::read("classes/imagenet1k_clean_names.txt")?)?;
        let names: Vec<String> = names.lines().map(str::to_owned).collect();
        if labels.is_empty()
            || pixels.len() != BYTES * labels.len()
            || labels.iter().any(|l| *l >= names.len())
        {
            let got = (labels.len(), pixels.len(), names.len());
            return Err(format!("labels, bytes of {SIZE} x {SIZE} pixels and names: got {got:?}").into());
        }
        Ok(Self { pixels: pixels.to_vec(), labels, names })
    }

    /// As the network takes them, `length` of them from `first` on; the last fills up the batch.
    fn batch(&self, first: usize, length: usize) -> Result<HostTensor> {
        let image = |i: usize| &self.pixels[BYTES * i.min(self.labels.len() - 1)..][..BYTES];
        let numbers: Vec<f32> =
            (first..first + length).flat_map(image).map(|&p| (f32::from(p) - 127.0) / 128.0).collect();
        Ok(HostTensor::from_f32(&numbers, [length as u32, SIZE, SIZE, 3])?)
    }
}

fn name(format: Option<Format>) -> &'static str {
    format.map_or("f32", Format::name)
}

fn on(ctx: &Context) -> &'static str {
    if ctx.on() == On::Cpu { "cpu" } else { "gpu" }
}

async fn network(
    ctx: &Context,
    weights: &Weights<'_>,
    format: Option<Format>,
    norm: Norm,
) -> Result<Network> {
    Network::new(ctx, weights, format.map_or(Precision::F32, Precision::of), norm).await
}

/// Logits of every image, batch by batch, and milliseconds per image.
async fn logits(net: &Network, photographs: &Photographs) -> Result<(Vec<Vec<f32>>, f64)> {
    let n = photographs.labels.len();
    let mut planned = None;
    let (mut all, mut seconds) = (vec![], 0.0);
    for first in (0..n).step_by(BATCH) {
        let images = photographs.batch(first, BATCH)?;
        let planned = match &mut planned {
            Some(planned) => planned,
            None => planned.insert(net.compile(images.layout()).await?),
        };
        let start = Instant::now();
        let logits = planned.call(&[&images]).await?.remove(0).to_f32();
        seconds += start.elapsed().as_secs_f64();
        let each = logits.chunks_exact(logits.len() / BATCH);
        all.extend(each.take(n - first).map(<[f32]>::to_vec));
    }
    Ok((all, 1e3 * seconds / n as f64))
}

/// The class of the largest logit.
fn largest(logits: &[f32]) -> usize {
    let best = logits.iter().enumerate().max_by(|x, y| x.1.total_cmp(y.1));
    best.map_or(0, |(i, _)| i)
}

/// What softmax makes of the largest logit.
fn chance(logits: &[f32]) -> f64 {
    let largest = f64::from(logits[largest(logits)]);
    1.0 / logits.iter().map(|l| (f64::from(*l) - largest).exp()).sum::<f64>()
}

/// Signal to noise in decibels.
fn decibels(got: &[Vec<f32>], want: &[Vec<f32>]) -> f64 {
    let (mut signal, mut noise) = (0.0, 0.0);
    for (g, w) in got.iter().flatten().zip(want.iter().flatten()) {
        signal += f64::from(*w).powi(2);
        noise += (f64::from(*g) - f64::from(*w)).powi(2);
    }
    10.0 * (signal / noise).log10()
}

/// Prints the table; draws what the CPU makes of the images, BatchNorm folded.
async fn compare(
    weights: &Weights<'_>,
    photographs: &Photographs,
    software: bool,
    picture: &Path,
) -> Result<()> {
    let contexts = contexts::contexts(software).await?;
    println!(
        "\n{:<8} {:<9} on  {:<22}  {:<24} {:>6} {:>9} {:>9}",
        "format", "BatchNorm", "correct", "as f32 on the CPU", "dB", "weights", "ms/image"
    );
    let mut first: Option<(Vec<Vec<f32>>, Vec<usize>)> = None;
    let mut cells: Vec<Cell<'_>> = photographs
        .pixels
        .chunks_exact(BYTES)
        .zip(&photographs.labels)
        .map(|(pixels, &label)| Cell { pixels, label: &photographs.names[label], answers: vec![] })
        .collect();
    for ctx in contexts {
        for (format, norm) in FORMATS.into_iter().flat_map(|f| [(f, Norm::Kept), (f, Norm::Folded)]) {
            let net = network(&ctx, weights, format, norm).await?;
            let (logits, ms) = logits(&net, photographs).await?;
            let answers: Vec<usize> = logits.iter().map(|l| largest(l)).collect();
            let (reference, same) = first.get_or_insert_with(|| (logits.clone(), answers.clone()));
            let db = decibels(&logits, reference);
            let (right, same) = (Share::equal(&answers, &photographs.labels), Share::equal(&answers, same));
            let (format_name, on) = (name(format), on(&ctx));
            let norm_name = format!("{norm:?}").to_lowercase();
            println!(
                "{format_name:<8} {norm_name:<9} {on} {right:<23}  {same:<24} {db:>6.1} {:>9} {ms:>9.2}",
                net.bytes
            );
            if ctx.on() == On::Cpu && norm == Norm::Folded {
                for ((cell, logits), &label) in cells.iter_mut().zip(&logits).zip(&photographs.labels) {
                    let answer = largest(logits);
                    let class = photographs.names.get(answer).map_or("?", String::as_str);
                    let text = format!("{format_name:<7}{class:<20.20} {:.2}", chance(logits));
                    cell.answers.push((text, answer == label));
                }
            }
            // Rounding moves a logit by a few units in the last place: an answer only where two are that near.
            if format.is_none() && same.hits + 1 < same.n {
                return Err(format!("f32 on the {on}, BatchNorm {norm_name}: {same} as on the CPU").into());
            }
        }
    }
    picture::write(picture, &cells, SIZE as usize)?;
    println!("\npicture: {}", picture.display());
    Ok(())
}

/// Writes `BACKEND.FORMAT.BATCHNORM.LAYER` for every layer of every row.
async fn layers(file: &Path, weights: &Weights<'_>, photographs: &Photographs, software: bool) -> Result<()> {
    let images = photographs.batch(0, 2)?;
    let mut all = vec![];
    for ctx in contexts::contexts(software).await? {
        for (format, norm) in FORMATS.into_iter().flat_map(|f| [(f, Norm::Kept), (f, Norm::Folded)]) {
            let net = network(&ctx, weights, format, norm).await?;
            for (layer, y) in net.names().zip(net.layers(&images).await?) {
                let norm = format!("{norm:?}").to_lowercase();
                all.push((format!("{}.{}.{norm}.{layer}", on(&ctx), name(format)), y));
            }
        }
    }
    models::write(file, &all)
}
