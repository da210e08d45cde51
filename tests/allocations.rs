//! `Bound::encode` allocates nothing of its own. wgpu does, as it keeps a list of commands; so the same dispatches are
//! recorded by bare wgpu calls, and both must allocate equally often and equally much.

#![cfg(feature = "gpu")]

mod common;

use allocation_counter::{AllocationInfo, measure};
use quarter::{
    Bound, Context,
    dtype::Format,
    ops::*,
    scale::Granularity::{PerTensor, PerToken},
    tensor::*,
    wgpu,
};

/// What one bound records, made without this crate: a pipeline, its bind group and its grid, per dispatch.
struct Bare(Vec<(wgpu::ComputePipeline, wgpu::BindGroup)>);

impl Bare {
    /// As many dispatches, each with a pipeline of its own.
    fn new(device: &wgpu::Device, dispatches: usize) -> Self {
        let storage = wgpu::BufferUsages::STORAGE;
        let step = |i: usize| {
            let text = format!(
                "@group(0) @binding(0) var<storage, read_write> x: array<u32>;\n\
                 @compute @workgroup_size(1) fn main() {{ x[0] = {i}u; }}"
            );
            let source = wgpu::ShaderSource::Wgsl(text.into());
            let module = device.create_shader_module(wgpu::ShaderModuleDescriptor { label: None, source });
            let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
                label: None,
                layout: None,
                module: &module,
                entry_point: None,
                compilation_options: wgpu::PipelineCompilationOptions::default(),
                cache: None,
            });
            let (label, size, mapped_at_creation) = (None, 16, false);
            let buffer = device.create_buffer(&wgpu::BufferDescriptor {
                label,
                size,
                usage: storage,
                mapped_at_creation,
            });
            let group = device.create_bind_group(&wgpu::BindGroupDescriptor {
                label,
                layout: &pipeline.get_bind_group_layout(0),
                entries: &[wgpu::BindGroupEntry { binding: 0, resource: buffer.as_entire_binding() }],
            });
            (pipeline, group)
        };
        Self((0..dispatches).map(step).collect())
    }

    fn encode(&self, pass: &mut wgpu::ComputePass<'_>) {
        for (pipeline, group) in &self.0 {
            pass.set_pipeline(pipeline);
            pass.set_bind_group(0, group, &[]);
            pass.dispatch_workgroups(1, 1, 1);
        }
    }
}

/// Allocations while `encode` records `times` over into one fresh pass, step by step.
fn record(
    ctx: &Context,
    times: usize,
    mut encode: impl FnMut(&mut wgpu::ComputePass<'_>),
) -> Vec<AllocationInfo> {
    let device = ctx.wgpu().unwrap().0;
    let mut encoder = device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
    let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
    (0..times).map(|_| measure(|| encode(&mut pass))).collect()
}

fn tensor(ctx: &Context, shape: [u32; 2], element: Element) -> DeviceTensor {
    ctx.empty_blocking(&Layout::new(shape, element).unwrap()).unwrap()
}

/// A product in FP8 to FP8, with bias and activation: record, NaN and product are three dispatches.
fn product(ctx: &Context) -> (Bound, usize, AllocationInfo) {
    let f8 = |g| Element::f8(Format::E4M3FN, g);
    let (a, b, out) = (
        tensor(ctx, [8, 32], f8(PerToken)),
        tensor(ctx, [16, 32], f8(PerTensor)),
        tensor(ctx, [8, 16], f8(PerTensor)),
    );
    let bias = ctx.empty_blocking(&Layout::new([16], Element::F32).unwrap()).unwrap();
    let op = Gemm::new(8, 16, 32).a(f8(PerToken)).b(f8(PerTensor)).out(f8(PerTensor)).bias(DType::F32);
    let plan = ctx.plan_blocking(&op.activation(Activation::Relu)).unwrap();
    let mut bound = None;
    let binding = measure(|| bound = plan.bind(&GemmArgs::new(&a, &b, &out).bias(&bias)).ok());
    (bound.unwrap(), 3, binding)
}

/// Current scaling: record, amax, scale and codes are four dispatches.
fn quantization(ctx: &Context) -> (Bound, usize, AllocationInfo) {
    let op = Quantize::new([8, 32], DType::F32, Format::E5M2, PerToken);
    let (x, out) = (tensor(ctx, [8, 32], Element::F32), ctx.empty_blocking(&op.out().unwrap()).unwrap());
    let plan = ctx.plan_blocking(&op).unwrap();
    let mut bound = None;
    let binding = measure(|| bound = plan.bind(&QuantizeArgs::new(&x, &out)).ok());
    (bound.unwrap(), 4, binding)
}

#[test]
fn encode_allocates_what_the_bare_calls_do() {
    const TIMES: usize = 200;
    let ctx = common::gpu();
    for (bound, dispatches, binding) in [product(&ctx), quantization(&ctx)] {
        // The counter counts: binding is where allocation is allowed.
        assert!(binding.count_total > 0);
        let bare = Bare::new(ctx.wgpu().unwrap().0, dispatches);
        let ours = record(&ctx, TIMES, |pass| bound.encode(pass).unwrap());
        let theirs = record(&ctx, TIMES, |pass| bare.encode(pass));
        let sum = |all: &[AllocationInfo]| {
            all.iter().fold((0, 0), |s, a| (s.0 + a.count_total, s.1 + a.bytes_total))
        };
        let quiet = ours.iter().filter(|a| a.count_total == 0).count();
        println!(
            "{}, {TIMES} times {dispatches} dispatches: {:?} allocations and bytes in encode, {:?} in bare calls; \
             {quiet} of {TIMES} encodes allocated nothing; bind: {}",
            bound.id(),
            sum(&ours),
            sum(&theirs),
            binding.count_total,
        );
        for (i, (ours, theirs)) in ours.iter().zip(&theirs).enumerate() {
            let both = [ours, theirs].map(|a| (a.count_total, a.bytes_total));
            assert_eq!(both[0], both[1], "{}: encode {i}", bound.id());
        }
    }
}
