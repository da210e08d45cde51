//! Recommends films with NeuMF in 8-bit floats, on the CPU and on the GPU. README.md beside this file says what the columns
//! mean, and how to make the weights.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program for the terminal")]

#[path = "../common/contexts.rs"]
mod contexts;
mod model;
#[path = "../common/models.rs"]
mod models;
mod network;
mod ranking;
#[path = "../common/score.rs"]
mod score;

use clap::Parser;
use model::Model;
use models::Result;
use network::Network;
use quarter::{
    Context, On,
    dtype::Format,
    nn::{Graph, Precision},
    tensor::HostTensor,
};
use ranking::{TOP, above, gain, top};
use score::{Mean, Share};
use std::{process::ExitCode, time::Instant};

/// Ranks 100 films for each of 943 users in f32 and in three 8-bit formats, on the CPU and, if there is one, on the GPU.
///
/// Exit status: 0; 1 if f32 finds more or fewer of the films than train.py did, or a step fails; 2 for a wrong argument.
#[derive(Parser)]
#[command(name = "ncf")]
struct Arguments {
    /// A software adapter (a CPU pretending to be a GPU) will do as the GPU
    #[arg(long)]
    software: bool,
}

fn main() -> ExitCode {
    match pollster::block_on(compare(Arguments::parse().software)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("FAILED: {e}");
            ExitCode::FAILURE
        }
    }
}

/// f32, then the formats of the paper.
const FORMATS: [Option<Format>; 4] = [None, Some(Format::E4M3FN), Some(Format::E3M4FN), Some(Format::E5M2)];

/// All scores, and nanoseconds per pair, the fastest of three runs.
async fn scores(ctx: &Context, net: &Network, model: &Model) -> Result<(Vec<f32>, f64)> {
    let pairs = model.test.users.len() as u32;
    let mut g = Graph::new();
    let logits = net.record(&mut g, pairs)?;
    let planned = g.compile(ctx, &[logits]).await?;
    let users = HostTensor::from_u32(&model.test.users, [pairs])?;
    let items = HostTensor::from_u32(&model.test.items, [pairs])?;
    let (mut ns, mut scores) = (f64::INFINITY, vec![]);
    for _ in 0..3 {
        let start = Instant::now();
        scores = planned.call(&[&users, &items]).await?.remove(0).to_f32();
        ns = ns.min(1e9 * start.elapsed().as_secs_f64() / f64::from(pairs));
    }
    Ok((scores, ns))
}

/// Prints the table.
async fn compare(software: bool) -> Result<()> {
    let model = Model::load()?;
    let contexts = contexts::contexts(software).await?;
    println!(
        "\n{:<8} on  {:<28}  {:<20}  {:<28} {:>6}  {:>8} {:>8}",
        "format", "HR@10", "NDCG@10", "as f32 on the CPU", "shared", "weights", "ns/pair"
    );
    // Whether each user's film was found, and the ten that are shown.
    let mut first: Option<(Vec<bool>, Vec<Vec<usize>>)> = None;
    for ctx in contexts {
        for format in FORMATS {
            let precision = format.map_or(Precision::F32, Precision::of);
            let net = Network::new(&ctx, &model.weights()?, precision).await?;
            let (scores, ns) = scores(&ctx, &net, &model).await?;
            let users = || scores.chunks_exact(model.candidates);
            let places: Vec<usize> = users().map(above).collect();
            let gains: Vec<f64> = places.iter().map(|&p| gain(p)).collect();
            let found: Vec<bool> = places.iter().map(|&p| p < TOP).collect();
            let lists: Vec<Vec<usize>> = users().map(top).collect();
            let hits = Share { hits: found.iter().filter(|f| **f).count(), n: found.len() };
            let reference = first.get_or_insert_with(|| (found.clone(), lists.clone()));
            let same = Share::equal(&found, &reference.0);
            let common = |(a, b): (&Vec<usize>, &Vec<usize>)| a.iter().filter(|i| b.contains(i)).count();
            let shared: usize = lists.iter().zip(&reference.1).map(common).sum();
            let shared = 100.0 * shared as f64 / (TOP * lists.len()) as f64;
            let name = format.map_or("f32", Format::name);
            let on = if ctx.on() == On::Cpu { "cpu" } else { "gpu" };
            let gain = Mean::of(&gains);
            println!(
                "{name:<8} {on} {hits:<28}  {gain:<20}  {same:<28} {shared:>5.1}%  {:>8} {ns:>8.1}",
                net.bytes
            );
            // Rounding moves a score by a few units in the last place: a rank only where two scores are that near.
            let (wanted, n) = model.hits;
            if format.is_none() && (hits.n != n || hits.hits.abs_diff(wanted) > 1) {
                return Err(format!("f32 on the {on}: {hits}, train.py has {wanted}/{n}").into());
            }
        }
    }
    Ok(())
}
