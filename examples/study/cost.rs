//! The time of scaling, beside the product that it serves.

use crate::{Result, contexts::contexts, draw::many};
use quarter::{
    Bound, Context, On,
    dtype::Format,
    ops::{
        Coding, DelayedScale, DelayedScaleArgs, Encode, EncodeArgs, Gemm, GemmArgs, Quantize, QuantizeArgs,
        Scaling,
    },
    scale::Granularity::{PerChannel, PerTensor},
    tensor::{DType, DeviceTensor, Element, HostTensor, Layout},
};
use std::time::Instant;

/// Rows of activations, outputs and inputs of a layer.
const LAYERS: [[u32; 3]; 3] = [[16, 1024, 1024], [256, 1024, 1024], [1024, 1024, 1024]];
const ROUNDS: usize = 15;

/// What is timed, by name.
struct Timed {
    name: &'static str,
    steps: Vec<Bound>,
    milliseconds: Vec<f64>,
}

fn timed(name: &'static str, steps: Vec<Bound>) -> Timed {
    Timed { name, steps, milliseconds: vec![] }
}

pub fn run(software: bool) -> Result<()> {
    let contexts = pollster::block_on(contexts(software))?;
    println!(
        "\nMedians of {ROUNDS} rounds in turn, E4M3FN weights, f32 activations; share of the time of the product\n"
    );
    let mut header = None;
    for ctx in contexts {
        for [m, n, k] in LAYERS {
            let mut all = layer(&ctx, m, n, k)?;
            for _ in 0..ROUNDS {
                for t in &mut all {
                    t.milliseconds.push(milliseconds(&ctx, &t.steps)?);
                }
            }
            if header.is_none() {
                let names: Vec<_> = all.iter().skip(1).map(|t| t.name).collect();
                println!("| on | m×n×k | product, ms | {} |", names.join(" | "));
                println!("|---|---|---|{}", "---|".repeat(names.len()));
                header = Some(());
            }
            let times: Vec<f64> = all.iter_mut().map(|t| median(&mut t.milliseconds)).collect();
            let shares = times[1..].iter().map(|t| format!("{:.1} %", 100.0 * t / times[0]));
            let on = if ctx.on() == On::Cpu { "CPU" } else { "GPU" };
            println!("| {on} | {m}×{n}×{k} | {:.2} | {} |", times[0], shares.collect::<Vec<_>>().join(" | "));
        }
    }
    Ok(())
}

/// The product, then every way to make its left side 8-bit, and the parts of them that are not the writing of codes.
fn layer(ctx: &Context, m: u32, n: u32, k: u32) -> Result<Vec<Timed>> {
    let numbers = HostTensor::from_f32(&many((m * k) as usize, 0, |d| d.normal()), [m, k])?;
    let weights = HostTensor::from_f32(&many((n * k) as usize, 1, |d| d.normal()), [n, k])?;
    let x = ctx.upload_blocking(&numbers)?;
    let seen = ctx.upload_blocking(&numbers.observed())?;
    let codes = numbers.quantize(Format::E4M3FN, PerTensor)?;
    let w = ctx.upload_blocking(&weights.quantize(Format::E4M3FN, PerChannel { axis: 0 })?)?;
    let a = ctx.upload_blocking(&codes)?;
    let out = ctx.empty_blocking(&Layout::new([m, n], Element::F32)?)?;
    let gemm = Gemm::new(m, n, k).a(a.layout().element()).b(w.layout().element());
    let gemm = ctx.plan_blocking(&gemm)?.bind(&GemmArgs::new(&a, &w, &out))?;
    let op = Quantize::new([m, k], DType::F32, Format::E4M3FN, PerTensor);
    let quantize = |op: &Quantize, x: &DeviceTensor, to: &DeviceTensor| -> Result<Bound> {
        Ok(ctx.plan_blocking(op)?.bind(&QuantizeArgs::new(x, to))?)
    };
    let to = ctx.empty_blocking(&op.out()?)?;
    let given = quantize(&op.clone().scaling(Scaling::Given), &x, &to)?;
    let delay = DelayedScale::new([m, k], to.layout().element());
    let history = ctx.upload_blocking(&delay.history()?)?;
    let delayed = ctx.plan_blocking(&delay)?.bind(&DelayedScaleArgs::new(&to, &history))?;
    let encode = Encode::new([m, k], DType::F32);
    let coded = ctx.upload_blocking(&numbers.encode_s2fp8()?)?;
    let by =
        |op: &Encode| -> Result<Bound> { Ok(ctx.plan_blocking(op)?.bind(&EncodeArgs::new(&x, &coded))?) };
    Ok(vec![
        timed("product", vec![gemm]),
        timed("static", vec![given.clone()]),
        timed("current", vec![quantize(&op, &x, &to)?]),
        timed("current, observed", vec![quantize(&op.clone().observed(), &seen, &to)?]),
        timed("delayed", vec![delayed, given]),
        timed("S2FP8, given codebook", vec![by(&encode)?]),
        timed("S2FP8, statistics too", vec![by(&encode.clone().coding(Coding::S2fp8))?]),
    ])
}

/// Of one run, of as many as take a hundredth of a second.
fn milliseconds(ctx: &Context, steps: &[Bound]) -> Result<f64> {
    let mut runs = 1;
    loop {
        let start = Instant::now();
        for _ in 0..runs {
            ctx.run(steps)?;
        }
        ctx.finish_blocking()?;
        let elapsed = 1e3 * start.elapsed().as_secs_f64();
        if elapsed > 10.0 {
            return Ok(elapsed / f64::from(runs));
        }
        runs *= 2;
    }
}

fn median(x: &mut [f64]) -> f64 {
    x.sort_by(f64::total_cmp);
    x[x.len() / 2]
}
