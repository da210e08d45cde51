//! The ceiling of f32 arithmetic on a GPU: nothing but multiply-adds in registers.

use quarter::{Context, Error, wgpu};
use wgpu::util::DeviceExt;

/// Multiply-adds in one round: 8 chains × 4 lanes × 4 times.
const PER_ROUND: u32 = 128;
const ROUNDS: u32 = 1024;
const GROUPS: u32 = 2048;
const THREADS: u32 = 64;

/// A dispatch that does nothing but multiply-add.
pub struct Fma {
    ctx: Context,
    pipeline: wgpu::ComputePipeline,
    group: wgpu::BindGroup,
}

impl Fma {
    /// Floating-point operations of one dispatch.
    pub const FLOPS: f64 = 2.0 * (PER_ROUND * ROUNDS) as f64 * (GROUPS * THREADS) as f64;

    /// `None` on the CPU backend.
    pub fn new(ctx: &Context) -> Option<Self> {
        let (device, _) = ctx.wgpu()?;
        let module = device.create_shader_module(wgpu::include_wgsl!("../fma.wgsl"));
        let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: Some("fma"),
            layout: None,
            module: &module,
            entry_point: None,
            compilation_options: Default::default(),
            cache: None,
        });
        let params = device.create_buffer_init(&wgpu::util::BufferInitDescriptor {
            label: Some("fma params"),
            contents: &ROUNDS.to_le_bytes(),
            usage: wgpu::BufferUsages::UNIFORM,
        });
        let out = device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("fma out"),
            size: 16 * u64::from(GROUPS * THREADS),
            usage: wgpu::BufferUsages::STORAGE,
            mapped_at_creation: false,
        });
        let group = device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some("fma"),
            layout: &pipeline.get_bind_group_layout(0),
            entries: &[
                wgpu::BindGroupEntry { binding: 0, resource: params.as_entire_binding() },
                wgpu::BindGroupEntry { binding: 1, resource: out.as_entire_binding() },
            ],
        });
        Some(Self { ctx: ctx.clone(), pipeline, group })
    }

    /// Runs it this many times in one submission and waits.
    pub fn run(&self, times: u64) -> Result<(), Error> {
        let Some((device, queue)) = self.ctx.wgpu() else { return Ok(()) };
        let mut encoder = device.create_command_encoder(&Default::default());
        {
            let mut pass = encoder.begin_compute_pass(&Default::default());
            pass.set_pipeline(&self.pipeline);
            pass.set_bind_group(0, &self.group, &[]);
            for _ in 0..times {
                pass.dispatch_workgroups(GROUPS, 1, 1);
            }
        }
        queue.submit([encoder.finish()]);
        self.ctx.finish_blocking()
    }
}
