//! What it costs the CPU to record a frame, beside the same dispatches by bare wgpu calls; and to start: a context and
//! its first plan, cold and with the pipeline cache of an earlier run, then a second shape of the same kernel.
//!
//! `cargo bench --bench record`; with `MESA_SHADER_CACHE_DISABLE=true`, Mesa starts cold too.

#![allow(clippy::print_stdout)]

mod common;

use common::Tensors;
use quarter::{
    Bound, Context, ContextBuilder, Error,
    dtype::Format,
    ops::{Activation, Data, Gemm},
    scale::Granularity::{PerChannel, PerTensor},
    tensor::{DType, Element},
    wgpu,
};
use std::time::{Duration, Instant};

/// Dispatches of a frame.
const FRAME: usize = 1000;
const ROUNDS: usize = 50;

fn builder() -> ContextBuilder {
    Context::builder().software(true)
}

/// A layer of a network: codes in, codes out, bias and activation.
fn layer(rows: u32) -> Gemm {
    let codes = |g| Element::f8(Format::E4M3FN, g);
    let gemm = Gemm::new(rows, 48, 32).a(codes(PerTensor)).b(codes(PerChannel { axis: 0 }));
    gemm.bias(DType::F32).activation(Activation::Silu).out(codes(PerTensor))
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

/// One bare dispatch: what wgpu itself takes.
struct Bare {
    pipeline: wgpu::ComputePipeline,
    group: wgpu::BindGroup,
}

impl Bare {
    fn new(device: &wgpu::Device) -> Self {
        let text = "@group(0) @binding(0) var<storage, read_write> x: array<u32>;
            @compute @workgroup_size(1) fn main() { x[0] = 1u; }";
        let source = wgpu::ShaderSource::Wgsl(text.into());
        let module =
            device.create_shader_module(wgpu::ShaderModuleDescriptor { label: Some("bare"), source });
        let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: Some("bare"),
            layout: None,
            module: &module,
            entry_point: None,
            compilation_options: wgpu::PipelineCompilationOptions::default(),
            cache: None,
        });
        let buffer = device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("bare"),
            size: 16,
            usage: wgpu::BufferUsages::STORAGE,
            mapped_at_creation: false,
        });
        let group = device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some("bare"),
            layout: &pipeline.get_bind_group_layout(0),
            entries: &[wgpu::BindGroupEntry { binding: 0, resource: buffer.as_entire_binding() }],
        });
        Self { pipeline, group }
    }

    fn encode(&self, pass: &mut wgpu::ComputePass<'_>) {
        pass.set_pipeline(&self.pipeline);
        pass.set_bind_group(0, &self.group, &[]);
        pass.dispatch_workgroups(1, 1, 1);
    }
}

/// Time until the pass holds all, until the encoder is a command buffer, and until that is submitted, once.
fn frame(ctx: &Context, record: impl Fn(&mut wgpu::ComputePass<'_>)) -> Result<[Duration; 3], Error> {
    let (device, queue) = ctx.wgpu().expect("a GPU context");
    let mut encoder = device.create_command_encoder(&wgpu::CommandEncoderDescriptor { label: Some("frame") });
    let start = Instant::now();
    {
        let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
        record(&mut pass);
    }
    let recorded = start.elapsed();
    let commands = encoder.finish();
    let finished = start.elapsed();
    queue.submit([commands]);
    let submitted = start.elapsed();
    ctx.finish_blocking()?;
    Ok([recorded, finished, submitted])
}

fn recording(ctx: &Context) -> Result<(), Error> {
    let op = layer(16);
    let tensors = Tensors::new(ctx, &op, Data::Random)?;
    let bound: Bound = ctx.plan_blocking(&op)?.bind(&tensors.slots())?;
    let bare = Bare::new(ctx.wgpu().expect("a GPU context").0);
    // The layer is three dispatches: record, prologue, product.
    let ours = |pass: &mut wgpu::ComputePass<'_>| {
        for _ in 0..FRAME / 3 {
            bound.encode(pass).expect("a GPU bound");
        }
    };
    let theirs = |pass: &mut wgpu::ComputePass<'_>| {
        for _ in 0..FRAME / 3 * 3 {
            bare.encode(pass);
        }
    };
    let (mut a, mut b) = (vec![], vec![]);
    for _ in 0..ROUNDS {
        a.push(frame(ctx, ours)?);
        b.push(frame(ctx, theirs)?);
    }
    println!(
        "\nmicroseconds per dispatch, {} dispatches in one submission, median of {ROUNDS}",
        FRAME / 3 * 3
    );
    println!("{:<22} {:>9} {:>9} {:>6}", "", "quarter", "bare wgpu", "ratio");
    for (i, name) in ["recorded", "and finished", "and submitted"].into_iter().enumerate() {
        let per = |all: &[[Duration; 3]]| {
            median(all.iter().map(|t| t[i]).collect()).as_secs_f64() * 1e6 / (FRAME / 3 * 3) as f64
        };
        println!("{name:<22} {:>9.2} {:>9.2} {:>6.2}", per(&a), per(&b), per(&a) / per(&b));
    }
    Ok(())
}

fn starting() -> Result<(), Error> {
    let ms = |from: Instant| from.elapsed().as_secs_f64() * 1e3;
    // Plans, runs once, and says what each took: drivers may compile as late as that.
    let first = |ctx: &Context, name: &str, rows: u32| -> Result<(), Error> {
        let (op, before, start) = (layer(rows), ctx.pipelines_compiled(), Instant::now());
        let tensors = Tensors::new(ctx, &op, Data::Random)?;
        let drawn = ms(start);
        let plan = ctx.plan_blocking(&op)?;
        let planned = ms(start);
        ctx.run([&plan.bind(&tensors.slots())?])?;
        ctx.finish_blocking()?;
        let compiled = ctx.pipelines_compiled() - before;
        let (plan, run) = (planned - drawn, ms(start) - planned);
        println!("  {name:<13} plan {plan:>7.2} ms, first run {run:>7.2} ms, {compiled} pipelines compiled");
        Ok(())
    };
    let run = |name: &str, builder: ContextBuilder| -> Result<Context, Error> {
        let start = Instant::now();
        let ctx = builder.request_blocking()?;
        println!("{name}\n  context {:>12.2} ms, {} pipelines compiled", ms(start), ctx.pipelines_compiled());
        first(&ctx, "first plan", 16)?;
        first(&ctx, "second shape", 77)?;
        Ok(ctx)
    };
    println!();
    let cold = run("cold", builder())?;
    match cold.pipeline_cache_data() {
        Some(data) => {
            println!("pipeline cache: {} bytes", data.len());
            run("with pipeline cache", builder().pipeline_cache(data))?;
        }
        None => println!("this driver has no pipeline cache"),
    }
    Ok(())
}

fn main() -> Result<(), Error> {
    starting()?;
    let ctx = builder().request_blocking()?;
    println!("\n{}, {}", ctx.name(), common::processor());
    recording(&ctx)
}
