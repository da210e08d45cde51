//! Formats on distributions.

use crate::{Result, draw::many, int8, measure, plot};
use quarter::{
    dtype::{Format, Specials},
    scale::{Granularity, Histogram, search_formats},
    tensor::HostTensor,
};
use std::path::Path;

const N: usize = 1_000_000;
pub const FORMATS: [&str; 4] = ["E5M2", "E4M3FN", "E3M4FN", "INT8"];

/// Name and numbers. The first is that of the paper's figure: a normal distribution of variance 0.5, 1 % of whose numbers are
/// uniform in [−6, 6].
fn distributions() -> Vec<(&'static str, Vec<f32>)> {
    vec![
        (
            "normal, 1 % outliers",
            many(N, 0, |d| {
                let outlier = d.unit() < 0.01;
                if outlier { d.uniform(-6.0, 6.0) } else { 0.5f64.sqrt() * d.normal() }
            }),
        ),
        ("normal", many(N, 1, |d| d.normal())),
        ("uniform", many(N, 2, |d| d.uniform(-1.0, 1.0))),
        ("Laplace", many(N, 3, |d| d.laplace())),
        ("Student t (3)", many(N, 4, |d| d.student3())),
        ("signed lognormal, σ 2", many(N, 5, |d| d.lognormal(2.0))),
    ]
}

/// The numbers after 8 bits, by format, scaled per tensor by amax.
fn through(x: &HostTensor) -> Result<[Vec<f32>; 4]> {
    let by = |f| x.quantize(f, Granularity::PerTensor).map(|q| q.to_f32());
    let int8 = int8::simulated(&x.to_f32(), usize::MAX);
    Ok([by(Format::E5M2)?, by(Format::E4M3FN)?, by(Format::E3M4FN)?, int8])
}

/// The format of least error among all splits, biases and signs.
fn searched(x: &[f32]) -> Result<String> {
    let mut numbers = Histogram::default();
    numbers.observe(x);
    let best = search_formats(&numbers, Specials::Fn)?.into_iter().next().ok_or("no format")?;
    Ok(format!("{}: {:.2e}, {:.1}", best.format, best.mse, best.sqnr))
}

pub fn run(picture: Option<&Path>) -> Result<()> {
    println!(
        "{N} numbers, scaled per tensor by amax: mean squared error, and SQNR in dB; the best of all 8-bit formats at scale 1\n"
    );
    println!("| distribution | amax | {} | search |", FORMATS.join(" | "));
    println!("|---|---|{}---|", "---|".repeat(FORMATS.len()));
    let mut rows = vec![];
    for (name, x) in distributions() {
        let amax = x.iter().fold(0f32, |most, v| most.max(v.abs()));
        let tensor = HostTensor::from_f32(&x, [N as u32])?;
        let all = through(&tensor)?;
        let cells =
            all.each_ref().map(|y| format!("{:.2e}, {:.1}", measure::mse(&x, y), measure::sqnr(&x, y)));
        println!("| {name} | {amax:.4} | {} | {} |", cells.join(" | "), searched(&x)?);
        rows.push((name, all.each_ref().map(|y| measure::sqnr(&x, y))));
    }
    match picture {
        Some(path) => plot::bars(path, &rows),
        None => Ok(()),
    }
}
