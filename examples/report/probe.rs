//! The ceilings of this device, measured: multiply-adds per second, and bytes per second of a copy.

use crate::{
    Result,
    best::best,
    common::{Fma, Tensors, time},
};
use quarter::{
    Context,
    cpu::Threads,
    ops::{Data, Gemm},
    tensor::{DeviceTensor, Element, Layout},
    wgpu,
};
use std::{hint::black_box, time::Instant};

/// Bytes of a copy, so many that no cache holds them; a software GPU takes fewer.
const BYTES: u64 = 256 << 20;
const SOFTWARE_BYTES: u64 = 64 << 20;
/// Workgroups of the copy kernel: more than any device runs at once.
const GROUPS: u32 = 16384;

/// The best that was seen of something.
pub struct Ceiling {
    pub per_second: f64,
    /// By doing what.
    pub by: String,
}

pub struct Ceilings {
    pub flops: Ceiling,
    pub bytes: Ceiling,
}

impl Ceilings {
    pub fn measure(ctx: &Context) -> Result<Self> {
        Ok(match Fma::new(ctx) {
            Some(fma) => Self { flops: multiply_adds(&fma)?, bytes: gpu_copy(ctx)? },
            None => Self { flops: product(ctx)?, bytes: memcpy()? },
        })
    }
}

fn multiply_adds(fma: &Fma) -> Result<Ceiling> {
    let seconds = best(|times| {
        let start = Instant::now();
        fma.run(times)?;
        Ok(start.elapsed())
    })?;
    Ok(Ceiling { per_second: Fma::FLOPS / seconds, by: "multiply-adds in registers".to_owned() })
}

/// A kernel's copy or the driver's: the faster one.
fn gpu_copy(ctx: &Context) -> Result<Ceiling> {
    let (Some((device, queue)), Some(caps)) = (ctx.wgpu(), ctx.capabilities()) else {
        return Err("no GPU to copy on".into());
    };
    let limit = caps.limits.max_storage_buffer_binding_size.min(caps.limits.max_buffer_size);
    let bytes = if caps.software { SOFTWARE_BYTES } else { BYTES }.min(limit & !0xff);
    let layout = Layout::new([(bytes / 4) as u32], Element::F32)?;
    let [from, to] = [ctx.empty_blocking(&layout)?, ctx.empty_blocking(&layout)?];
    let buffer = |t: &DeviceTensor| t.values_buffer().map(|(b, _)| b.clone()).ok_or("a tensor on the CPU");
    let (from, to) = (buffer(&from)?, buffer(&to)?);

    let module = device.create_shader_module(wgpu::include_wgsl!("copy.wgsl"));
    let kernel = |entry, buffers: &[(u32, &wgpu::Buffer)]| {
        let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: Some(entry),
            layout: None,
            module: &module,
            entry_point: Some(entry),
            compilation_options: Default::default(),
            cache: None,
        });
        let entries: Vec<_> = buffers
            .iter()
            .map(|(binding, b)| wgpu::BindGroupEntry { binding: *binding, resource: b.as_entire_binding() })
            .collect();
        let group = device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some(entry),
            layout: &pipeline.get_bind_group_layout(0),
            entries: &entries,
        });
        (pipeline, group)
    };
    let dispatch = |encoder: &mut wgpu::CommandEncoder, (pipeline, group): &(_, _), times| {
        let mut pass = encoder.begin_compute_pass(&Default::default());
        pass.set_pipeline(pipeline);
        pass.set_bind_group(0, group, &[]);
        for _ in 0..times {
            pass.dispatch_workgroups(GROUPS, 1, 1);
        }
    };
    let run = |record: &dyn Fn(&mut wgpu::CommandEncoder)| {
        let start = Instant::now();
        let mut encoder = device.create_command_encoder(&Default::default());
        record(&mut encoder);
        queue.submit([encoder.finish()]);
        ctx.finish_blocking()?;
        Ok(start.elapsed())
    };

    let fill = kernel("fill", &[(1, &from)]);
    let copy = kernel("copy", &[(0, &from), (1, &to)]);
    run(&|encoder| dispatch(encoder, &fill, 1))?;
    // The first run compiles.
    run(&|encoder| dispatch(encoder, &copy, 1))?;
    let by_kernel = best(|times| run(&|encoder| dispatch(encoder, &copy, times)))?;
    let by_driver = best(|times| {
        run(&|encoder| {
            for _ in 0..times {
                encoder.copy_buffer_to_buffer(&from, 0, &to, 0, Some(bytes));
            }
        })
    })?;
    let (seconds, by) = match by_kernel <= by_driver {
        true => (by_kernel, "a kernel that copies"),
        false => (by_driver, "copy_buffer_to_buffer"),
    };
    // Read once, written once.
    Ok(Ceiling { per_second: 2.0 * bytes as f64 / seconds, by: format!("{by}, {} MiB", bytes >> 20) })
}

/// On the CPU no kernel computes faster than the f32 product.
fn product(ctx: &Context) -> Result<Ceiling> {
    const N: u32 = 1024;
    let op = Gemm::new(N, N, N).a(Element::F32).b(Element::F32);
    let tensors = Tensors::new(ctx, &op, Data::Random)?;
    let plan = ctx.plan_blocking(&op)?;
    let bound = plan.bind(&tensors.slots())?;
    time(ctx, &bound, 1)?;
    let seconds = best(|times| Ok(time(ctx, &bound, times)?))?;
    Ok(Ceiling { per_second: 2.0 * f64::from(N).powi(3) / seconds, by: format!("{}, {N}^3", plan.id()) })
}

fn memcpy() -> Result<Ceiling> {
    let threads = Threads::all().get();
    let mut words = vec![1u32; (BYTES / 4) as usize];
    let mut copies = vec![2u32; words.len()];
    let share = words.len().div_ceil(threads);
    let seconds = best(|times| {
        let start = Instant::now();
        for _ in 0..times {
            rayon::scope(|s| {
                for (from, to) in words.chunks(share).zip(copies.chunks_mut(share)) {
                    s.spawn(|_| to.copy_from_slice(from));
                }
            });
            // Someone might read the one and write the other.
            black_box((&mut words, &mut copies));
        }
        Ok(start.elapsed())
    })?;
    let by = format!("memcpy, {threads} threads, {} MiB", BYTES >> 20);
    Ok(Ceiling { per_second: 2.0 * BYTES as f64 / seconds, by })
}
