//! S2FP8 beside E5M2.

use crate::{Result, contexts::contexts, draw::many, measure};
use quarter::{
    Context, On,
    dtype::{Format, Overflow, S2fp8},
    ops::{Coding, Encode, EncodeArgs},
    scale::{Granularity, Scale, Scales},
    tensor::{DType, HostTensor},
};

const N: usize = 1_000_000;

fn tensors() -> Vec<(&'static str, Vec<f32>)> {
    let small = |d: &mut crate::draw::Draw| 1e-7 * d.normal();
    vec![
        ("N(0, 1e-7)", many(N, 0, small)),
        ("N(0, 1e-7), 50 % zeros", many(N, 1, |d| if d.unit() < 0.5 { 0.0 } else { small(d) })),
        ("signed lognormal, σ 6", many(N, 2, |d| d.lognormal(6.0))),
        ("uniform [0.9, 1.1]", many(N, 3, |d| d.uniform(0.9, 1.1))),
        ("constant 0.1", vec![0.1; N]),
    ]
}

/// The tensor through `encode` where `ctx` computes.
fn encoded(ctx: &Context, x: &HostTensor) -> Result<HostTensor> {
    let op = Encode::new(x.shape(), DType::F32).coding(Coding::S2fp8);
    let (x, out) = (ctx.upload_blocking(x)?, ctx.empty_blocking(&op.out()?)?);
    ctx.run([&ctx.plan_blocking(&op)?.bind(&EncodeArgs::new(&x, &out))?])?;
    Ok(ctx.download_blocking(&out)?)
}

pub fn run(software: bool) -> Result<()> {
    let contexts = pollster::block_on(contexts(software))?;
    println!("\n{N} numbers: mean relative error, and share of the numbers that are not 0 and became it\n");
    println!("| tensor | E5M2 | E5M2, scale by amax | S2FP8 | α | β | bits that differ |");
    println!("|---|---|---|---|---|---|---|");
    for (name, x) in tensors() {
        let tensor = HostTensor::from_f32(&x, [N as u32])?;
        let direct =
            tensor.quantize_with(Format::E5M2, Scales::per_tensor(Scale::ONE), Overflow::Saturate)?;
        let scaled = tensor.quantize(Format::E5M2, Granularity::PerTensor)?;
        let all = contexts.iter().map(|ctx| encoded(ctx, &tensor)).collect::<Result<Vec<_>>>()?;
        let cell = |y: &HostTensor| {
            let y = y.to_f32();
            format!("{:.2} %, {:.2} %", 100.0 * measure::relative(&x, &y), 100.0 * measure::flushed(&x, &y))
        };
        let s = S2fp8::new(&x);
        let words = |t: &HostTensor| [t.words(), t.scales().map_or(&[], Scales::words)].concat();
        // The tensor on the host is what the first context, the CPU, must give as well.
        let host = words(&tensor.encode_s2fp8()?);
        let differ = contexts.iter().zip(&all).map(|(ctx, t)| {
            let bits: u32 = host.iter().zip(words(t)).map(|(a, b)| (a ^ b).count_ones()).sum();
            format!("{} {bits}", if ctx.on() == On::Cpu { "CPU" } else { "GPU" })
        });
        let differ = differ.collect::<Vec<_>>().join(", ");
        println!(
            "| {name} | {} | {} | {} | {:.4} | {:.3} | {differ} |",
            cell(&direct),
            cell(&scaled),
            cell(&all[0]),
            s.alpha(),
            s.beta()
        );
    }
    Ok(())
}
