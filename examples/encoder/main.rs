//! Encodes sentences with MiniLM-L6 in 8-bit floats, on the CPU and on the GPU. README.md beside this file says what the
//! columns mean. `./fetch-models` fetches what it needs.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program for the terminal")]

#[path = "../common/contexts.rs"]
mod contexts;
mod encoder;
#[path = "../common/models.rs"]
mod models;
mod probe;
#[path = "../common/score.rs"]
mod score;
mod texts;
mod tokenizer;

use clap::Parser;
use encoder::{Encoder, cosine};
use models::{Result, read};
use probe::Probe;
use quarter::{Context, On, dtype::Format, nn::Precision};
use score::{Rho, Share};
use std::{io::BufRead, process::ExitCode, time::Instant};
use texts::{drawn, pairs, snippets};

/// Encodes human-scored snippets in f32 and in three 8-bit formats: cosine to f32, polarity by a logistic probe, similarity of
/// words.
///
/// Exit status: 0; 1 if a step fails; 2 for a wrong argument.
#[derive(Parser)]
#[command(name = "encoder")]
struct Arguments {
    /// A software adapter (a CPU pretending to be a GPU) will do as the GPU
    #[arg(long)]
    software: bool,
    /// How many snippets; half of them train the probe
    #[arg(long, value_name = "N", default_value = "1200", value_parser = clap::value_parser!(u32).range(4..))]
    texts: u32,
    /// Prints the tokens of every snippet, a line each, for tools/minilm.py, and ends
    #[arg(long, group = "mode")]
    tokens: bool,
    /// Prints the vectors of the first N snippets, f32 on the CPU, a line each, and ends
    #[arg(long, group = "mode", value_name = "N")]
    vectors: Option<u32>,
    /// On the CPU, in batches of N: for every line of the input prints milliseconds per text, f32 and the formats
    #[arg(long, group = "mode", value_name = "N", value_parser = clap::value_parser!(u32).range(1..=256))]
    paced: Option<u32>,
}

fn main() -> ExitCode {
    match pollster::block_on(run(&Arguments::parse())) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("FAILED: {e}");
            ExitCode::FAILURE
        }
    }
}

/// f32, then the formats of the paper.
const FORMATS: [Option<Format>; 4] = [None, Some(Format::E4M3FN), Some(Format::E3M4FN), Some(Format::E5M2)];

/// Texts that run together.
const BATCH: usize = 16;

fn precision(format: Option<Format>) -> Precision {
    format.map_or(Precision::F32, Precision::of)
}

async fn run(a: &Arguments) -> Result<()> {
    let (file, vocabulary) =
        (read("minilm/model.safetensors")?, String::from_utf8(read("minilm/vocab.txt")?)?);
    let files = (file.as_slice(), vocabulary.as_str());
    let all = snippets()?;
    let first = |n: u32| all.iter().take(n as usize).map(|s| s.text.as_str()).collect::<Vec<_>>();
    if a.tokens {
        let tokenizer = tokenizer::Tokenizer::new(&vocabulary)?;
        for s in &all {
            let ids: Vec<String> = tokenizer.encode(&s.text, 128).iter().map(u32::to_string).collect();
            println!("{}", ids.join(" "));
        }
        return Ok(());
    }
    if let Some(n) = a.vectors {
        let mut encoder = Encoder::new(&Context::cpu(), files, Precision::F32, BATCH).await?;
        for v in encoder.encode(&first(n)).await? {
            println!("{}", v.iter().map(f32::to_string).collect::<Vec<_>>().join(" "));
        }
        return Ok(());
    }
    if let Some(batch) = a.paced {
        return paced(files, &first(a.texts), batch as usize).await;
    }
    let chosen = drawn(&all, a.texts as usize);
    let lines: Vec<&str> = chosen.iter().map(|s| s.text.as_str()).collect();
    let positive: Vec<bool> = chosen.iter().map(|s| s.score > 0.0).collect();
    let half = chosen.len() / 2;
    let pairs = pairs()?;
    let words: Vec<&str> = pairs.iter().flat_map(|(a, b, _)| [a.as_str(), b.as_str()]).collect();
    let human: Vec<f64> = pairs.iter().map(|p| p.2).collect();
    println!("{} snippets, half of them to train the probe; {} pairs of words", chosen.len(), pairs.len());
    let contexts = contexts::contexts(a.software).await?;
    println!(
        "\n{:<8} on  {:>13} {:>8}   {:<28}  {:<28}  {:<20} {:>9} {:>8}",
        "format",
        "cosine to f32",
        "least",
        "polarity",
        "as f32 on the CPU",
        "similarity, rho",
        "of f32",
        "ms/text"
    );
    let mut first: Option<(Vec<Vec<f32>>, Vec<bool>)> = None;
    for ctx in contexts {
        for format in FORMATS {
            let mut encoder = Encoder::new(&ctx, files, precision(format), BATCH).await?;
            encoder.encode(&lines).await?; // Plans every length.
            let start = Instant::now();
            let vectors = encoder.encode(&lines).await?;
            let ms = 1e3 * start.elapsed().as_secs_f64() / lines.len() as f64;
            let probe = Probe::train(&vectors[..half], &positive[..half]);
            let answers: Vec<bool> = vectors[half..].iter().map(|v| probe.positive(v)).collect();
            let (reference, same) = first.get_or_insert_with(|| (vectors.clone(), answers.clone()));
            let cosines: Vec<f64> = vectors.iter().zip(reference.iter()).map(|(a, b)| cosine(a, b)).collect();
            let mean = cosines.iter().sum::<f64>() / cosines.len() as f64;
            let least = cosines.iter().copied().fold(1.0, f64::min);
            let right = Share::equal(&answers, &positive[half..]);
            let same = Share::equal(&answers, same);
            let vectors = encoder.encode(&words).await?;
            let alike: Vec<f64> = vectors.chunks_exact(2).map(|p| cosine(&p[0], &p[1])).collect();
            let rho = Rho::spearman(&alike, &human);
            let name = format.map_or("f32", Format::name);
            let on = if ctx.on() == On::Cpu { "cpu" } else { "gpu" };
            let share = encoder.bytes.0 as f64 / encoder.bytes.1 as f64;
            println!(
                "{name:<8} {on} {mean:>14.5} {least:>8.5}   {right:<28}  {same:<28}  {rho:<20} {share:>9.3} {ms:>8.2}"
            );
        }
    }
    Ok(())
}

/// For every line that comes in, all texts once in every precision: whoever sends the lines sets the pace, and can run something
/// else in between.
async fn paced(files: (&[u8], &str), texts: &[&str], batch: usize) -> Result<()> {
    let mut encoders = vec![];
    for format in FORMATS {
        encoders.push(Encoder::new(&Context::cpu(), files, precision(format), batch).await?);
    }
    for line in std::io::stdin().lock().lines() {
        line?;
        let mut times = vec![];
        for encoder in &mut encoders {
            let start = Instant::now();
            encoder.encode(texts).await?;
            times.push(format!("{:.4}", 1e3 * start.elapsed().as_secs_f64() / texts.len() as f64));
        }
        println!("{}", times.join(" "));
    }
    Ok(())
}
