//! Formats in a product.

use crate::{Result, draw::many, int8, measure};
use quarter::{
    Context,
    dtype::Format,
    ops::{Gemm, GemmArgs},
    scale::Granularity::{PerChannel, PerTensor, PerToken},
    tensor::{Element, HostTensor, Layout},
};

const M: u32 = 256;
const K: u32 = 1024;
const N: u32 = 256;

/// A · Bᵀ on the CPU backend, f32 sums.
fn product(ctx: &Context, a: &HostTensor, b: &HostTensor) -> Result<Vec<f32>> {
    let gemm = Gemm::new(M, N, K).a(a.layout().element()).b(b.layout().element());
    let (a, b) = (ctx.upload_blocking(a)?, ctx.upload_blocking(b)?);
    let c = ctx.empty_blocking(&Layout::new([M, N], Element::F32)?)?;
    ctx.run([&ctx.plan_blocking(&gemm)?.bind(&GemmArgs::new(&a, &b, &c))?])?;
    Ok(ctx.download_blocking(&c)?.to_f32())
}

/// In f64.
fn truth(a: &[f32], b: &[f32]) -> Vec<f32> {
    let lines = |x: &'_ [f32]| x.chunks(K as usize).map(<[f32]>::to_vec).collect::<Vec<_>>();
    let (a, b) = (lines(a), lines(b));
    let dot = |a: &[f32], b: &[f32]| {
        a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>() as f32
    };
    a.iter().flat_map(|a| b.iter().map(|b| dot(a, b)).collect::<Vec<_>>()).collect()
}

pub fn run() -> Result<()> {
    let clean = many((M * K) as usize, 0, |d| d.normal());
    let mut draw = crate::draw::Draw::new(2);
    let outliers: Vec<f32> = clean.iter().map(|v| if draw.unit() < 0.001 { 50.0 * v } else { *v }).collect();
    let weights = many((N * K) as usize, 1, |d| d.normal() / f64::from(K).sqrt());
    let ctx = Context::cpu();
    println!("C = A·Bᵀ, {M}x{K}x{N}, A normal, B normal of variance 1/{K}: SQNR of C in dB against f64\n");
    println!("| A and B | clean | 0.1 % of A × 50 |");
    println!("|---|---|---|");
    let columns = [&clean, &outliers].map(|a| (a, truth(a, &weights)));
    let b = HostTensor::from_f32(&weights, [N, K])?;
    let row = |name: &str, make: &dyn Fn(&HostTensor) -> Result<(HostTensor, HostTensor)>| -> Result<()> {
        let mut cells = vec![];
        for (a, truth) in &columns {
            let (a, b) = make(&HostTensor::from_f32(a, [M, K])?)?;
            cells.push(format!("{:.1}", measure::sqnr(truth, &product(&ctx, &a, &b)?)));
        }
        println!("| {name} | {} |", cells.join(" | "));
        Ok(())
    };
    let channels = PerChannel { axis: 0 };
    for f in [Format::E5M2, Format::E4M3FN, Format::E3M4FN] {
        row(&format!("{f} per tensor"), &|a| Ok((a.quantize(f, PerTensor)?, b.quantize(f, PerTensor)?)))?;
    }
    for f in [Format::E5M2, Format::E4M3FN, Format::E3M4FN] {
        row(&format!("{f} per row and column"), &|a| {
            Ok((a.quantize(f, PerToken)?, b.quantize(f, channels)?))
        })?;
    }
    for f in [Format::E5M2, Format::E4M3FN, Format::E3M4FN] {
        row(&format!("{f} weights only, per channel"), &|a| Ok((a.clone(), b.quantize(f, channels)?)))?;
    }
    let (a_format, b_format) = (Format::E4M3FN, Format::E3M4FN);
    let mixed = format!("mixed: A {a_format} per tensor, B {b_format} per channel");
    row(&mixed, &|a| Ok((a.quantize(a_format, PerTensor)?, b.quantize(b_format, channels)?)))?;
    let int8 =
        |x: &HostTensor, group: usize| HostTensor::from_f32(&int8::simulated(&x.to_f32(), group), x.shape());
    row("INT8 per tensor", &|a| Ok((int8(a, usize::MAX)?, int8(&b, usize::MAX)?)))?;
    row("INT8 per row and column", &|a| Ok((int8(a, K as usize)?, int8(&b, K as usize)?)))?;
    row("INT8 weights only, per channel", &|a| Ok((a.clone(), int8(&b, K as usize)?)))?;
    row("f32", &|a| Ok((a.clone(), b.clone())))
}
