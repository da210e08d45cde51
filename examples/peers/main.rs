//! Random problems with our answers, our reference and its bound, for another library to judge: `tools/peers.py` computes
//! every one of them in f64 with PyTorch.
//!
//! ```sh
//! cargo run --release --example peers -- [--software] target/peers && python3 tools/peers.py target/peers
//! ```

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program for the terminal")]

#[path = "../common/contexts.rs"]
mod contexts;
mod problems;

use problems::{Dice, Problem};
use quarter::{
    Context,
    ops::{Arithmetic, Data, Inputs, Operation, Slots},
    tensor::{Access, DeviceTensor, HostTensor},
    verify::draw,
};
use std::{
    error::Error,
    fs::File,
    io::{BufWriter, Write},
    path::Path,
};

/// Cases and numbers, as `tools/peers.py` reads them: one line of JSON per case, and all numbers as f64, little-endian.
struct Files {
    cases: BufWriter<File>,
    data: BufWriter<File>,
    numbers: u64,
}

impl Files {
    fn new(at: &Path) -> Result<Self, Box<dyn Error>> {
        std::fs::create_dir_all(at)?;
        let file = |name| File::create(at.join(name)).map(BufWriter::new);
        Ok(Self { cases: file("cases.jsonl")?, data: file("data.f64")?, numbers: 0 })
    }

    /// Where the numbers are: `[first, shape]`.
    fn put(
        &mut self,
        shape: &[u32],
        numbers: impl IntoIterator<Item = f64>,
    ) -> Result<String, Box<dyn Error>> {
        let first = self.numbers;
        for v in numbers {
            self.data.write_all(&v.to_le_bytes())?;
            self.numbers += 1;
        }
        Ok(format!("[{first}, {shape:?}]"))
    }
}

/// Computes a problem on a context and writes it with its reference.
async fn solve<O: Operation>(ctx: &Context, files: &mut Files, p: Problem<O>) -> Result<(), Box<dyn Error>> {
    let operands = p.op.operands()?;
    let mut tensors: Vec<(&'static str, HostTensor)> = vec![];
    for (o, seed) in operands.iter().zip(p.seed..) {
        tensors.push((o.role, draw(o, Data::Random, seed)));
    }
    let mut device: Vec<(&'static str, DeviceTensor)> = vec![];
    for (o, (role, t)) in operands.iter().zip(&tensors) {
        let t = if o.access == Access::Write { ctx.empty(&o.layout).await? } else { ctx.upload(t).await? };
        device.push((role, t));
    }
    let plan = ctx.plan(&p.op).await?;
    let bound = plan.bind(&Slots(device.iter().map(|(role, t)| (*role, t)).collect()))?;
    ctx.run([&bound])?;
    let out = &device.iter().find(|t| t.0 == "out").ok_or("no output")?.1;
    let got = ctx.download(out).await?;
    let given = Inputs { tensors, arithmetic: Arithmetic::F32 };
    let truth = p.op.reference(&given);
    let truth = &truth.0.iter().find(|t| t.0 == "out").ok_or("no reference")?.1;
    let mut inputs = vec![];
    for o in operands.iter().filter(|o| o.access != Access::Write) {
        let shape = o.layout.shape().to_vec();
        let numbers = given.codes(o.role).into_iter().zip(given.scales(o.role)).map(|(c, s)| c * s);
        inputs.push(format!("\"{}\": {}", o.role, files.put(&shape, numbers)?));
    }
    let shape = got.shape().to_vec();
    let answer = files.put(&shape, got.to_f32().into_iter().map(f64::from))?;
    let reference = files.put(&shape, truth.iter().map(|t| t.value))?;
    let error = files.put(&shape, truth.iter().map(|t| t.error))?;
    writeln!(
        files.cases,
        "{{\"op\": \"{}\", \"kernel\": \"{}\", \"attributes\": {{{}}}, \"inputs\": {{{}}}, \"got\": {answer}, \
         \"reference\": {reference}, \"bound\": {error}}}",
        O::NAME,
        plan.id(),
        p.attributes,
        inputs.join(", ")
    )?;
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut args: Vec<String> = std::env::args().skip(1).collect();
    let software = args.iter().position(|a| a == "--software").map(|i| args.remove(i)).is_some();
    let [at] = args.as_slice() else { return Err("usage: peers [--software] DIRECTORY".into()) };
    let contexts = pollster::block_on(contexts::contexts(software))?;
    let mut files = Files::new(Path::new(at))?;
    let mut dice = Dice::new(20);
    let ctx = |i: usize| &contexts[i % contexts.len()];
    pollster::block_on(async {
        for i in 0..300 {
            solve(ctx(i), &mut files, problems::conv2d(&mut dice)).await?;
        }
        for i in 0..100 {
            let ctx = ctx(i);
            solve(ctx, &mut files, problems::layer_norm(&mut dice)).await?;
            solve(ctx, &mut files, problems::rms_norm(&mut dice)).await?;
            solve(ctx, &mut files, problems::batch_norm(&mut dice)).await?;
            solve(ctx, &mut files, problems::group_norm(&mut dice)).await?;
            solve(ctx, &mut files, problems::instance_norm(&mut dice)).await?;
            solve(ctx, &mut files, problems::softmax(&mut dice)).await?;
            solve(ctx, &mut files, problems::rope(&mut dice)).await?;
            solve(ctx, &mut files, problems::embedding(&mut dice)).await?;
            solve(ctx, &mut files, problems::pool2d(&mut dice)).await?;
            solve(ctx, &mut files, problems::upsample2d(&mut dice)).await?;
        }
        for i in 0..100 {
            solve(ctx(i), &mut files, problems::conv1d(&mut dice)).await?;
            solve(ctx(i), &mut files, problems::embedding_bag(&mut dice)).await?;
        }
        for i in 0..200 {
            solve(ctx(i), &mut files, problems::conv_transpose2d(&mut dice)).await?;
        }
        Ok(())
    })
}
