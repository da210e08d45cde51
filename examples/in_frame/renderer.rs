//! A headless renderer with a denoiser in its frame: its own device, its own shaders, one encoder, one submission.

use crate::network::Network;
use quarter::{Context, tensor::DeviceTensor, wgpu};
use std::{borrow::Cow, time::Instant};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// What a frame shows.
#[derive(Clone, Copy)]
pub struct View {
    pub samples: u32,
    pub seed: u32,
    /// Angle around the scene, and height.
    pub camera: (f32, f32),
}

/// What a frame gave.
pub struct Frame {
    /// The picture as it came, and denoised: RGBA, 8 bits.
    pub before: Vec<u8>,
    pub after: Vec<u8>,
    /// GPU time of every pass.
    pub times: Vec<(String, f64)>,
    /// CPU time to record it.
    pub recorded: f64,
    /// How many submissions the queue has seen meanwhile, by wgpu's own count.
    pub submissions: u64,
}

pub struct Renderer {
    device: wgpu::Device,
    queue: wgpu::Queue,
    pub name: String,
    pub size: [u32; 2],
    light: wgpu::Texture,
    uniform: wgpu::Buffer,
    scene: Pass,
    gather: Pass,
    resolve: Pass,
    pub network: Network,
    pictures: [wgpu::Texture; 2],
    pixels: wgpu::Buffer,
    queries: wgpu::QuerySet,
    ticks: [wgpu::Buffer; 2],
    pub context: Context,
}

/// A compute shader of the renderer's own.
struct Pass {
    name: &'static str,
    pipeline: wgpu::ComputePipeline,
    group: wgpu::BindGroup,
}

const PASSES: u32 = 6;

impl Renderer {
    pub fn new(software: bool, size: [u32; 2]) -> Result<Self> {
        let instance = wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle_from_env());
        let adapter = pollster::block_on(instance.request_adapter(&wgpu::RequestAdapterOptions {
            force_fallback_adapter: software,
            ..Default::default()
        }))?;
        // The renderer's device, asked for with what quarter can use.
        let (device, queue) = pollster::block_on(adapter.request_device(&quarter::recommended(&adapter)))?;
        if !device.features().contains(wgpu::Features::TIMESTAMP_QUERY) {
            return Err("this adapter has no timestamps".into());
        }
        let context = Context::from_wgpu(&adapter, &device, &queue);
        let network = Network::new(&context, size[0] * size[1])?;

        use wgpu::TextureFormat::{Rgba8Unorm, Rgba16Float};
        let [light, guide, albedo] =
            ["light", "guide", "albedo"].map(|l| texture(&device, l, size, Rgba16Float));
        let pictures = ["before", "after"].map(|l| texture(&device, l, size, Rgba8Unorm));
        let buffer = |label, size, usage| {
            let label = Some(label);
            device.create_buffer(&wgpu::BufferDescriptor { label, size, usage, mapped_at_creation: false })
        };
        use wgpu::BufferUsages as U;
        let uniform = buffer("frame", 32, U::UNIFORM | U::COPY_DST);
        let pixels = buffer("pixels", 2 * u64::from(size[0] * size[1] * 4), U::COPY_DST | U::MAP_READ);
        let ticks = [
            buffer("ticks", u64::from(16 * PASSES), U::QUERY_RESOLVE | U::COPY_SRC),
            buffer("ticks on the host", u64::from(16 * PASSES), U::COPY_DST | U::MAP_READ),
        ];
        let queries = device.create_query_set(&wgpu::QuerySetDescriptor {
            label: Some("ticks"),
            ty: wgpu::QueryType::Timestamp,
            count: 2 * PASSES,
        });

        let view = |t: &wgpu::Texture| t.create_view(&wgpu::TextureViewDescriptor::default());
        let [lit, guided, surface] = [&light, &guide, &albedo].map(view);
        let [raw, clean] = [&pictures[0], &pictures[1]].map(view);
        let seen = wgpu::BindingResource::TextureView;
        let ((input, input_pitch), (output, output_pitch)) = (rows(&network.input), rows(&network.output));
        let scene = Pass::new(
            &device,
            "render",
            include_str!("scene.wgsl"),
            &[],
            vec![uniform.as_entire_binding(), seen(&lit), seen(&guided), seen(&surface)],
        );
        let gather = Pass::new(
            &device,
            "texture to tensor",
            include_str!("gather.wgsl"),
            &[("PITCH", input_pitch)],
            vec![seen(&lit), seen(&guided), input],
        );
        let resolve = Pass::new(
            &device,
            "tensor to texture",
            include_str!("resolve.wgsl"),
            &[("PITCH", output_pitch)],
            vec![seen(&lit), seen(&surface), output, seen(&raw), seen(&clean)],
        );
        let name = adapter.get_info().name;
        Ok(Self {
            device,
            queue,
            name,
            size,
            light,
            uniform,
            scene,
            gather,
            resolve,
            network,
            pictures,
            pixels,
            queries,
            ticks,
            context,
        })
    }

    /// One frame: rendered, denoised, copied out. One encoder, one submission.
    pub fn frame(&self, view: View) -> Result<Frame> {
        let mut words = [0u32; 8];
        words[..4].copy_from_slice(&[self.size[0], self.size[1], view.samples, view.seed]);
        words[4..6].copy_from_slice(&[view.camera.0.to_bits(), view.camera.1.to_bits()]);
        self.queue.write_buffer(&self.uniform, 0, bytemuck::cast_slice(&words));
        let before = submission(&self.queue.submit([]));

        let start = Instant::now();
        let mut encoder = self.encoder();
        let mut names = vec![];
        for pass in [&self.scene, &self.gather] {
            self.record(&mut encoder, &mut names, pass);
        }
        for layer in &self.network.layers {
            let mut pass = self.timed(&mut encoder, &mut names, layer.id());
            layer.encode(&mut pass)?;
        }
        self.record(&mut encoder, &mut names, &self.resolve);
        for (i, picture) in (0..).zip(&self.pictures) {
            self.copy(&mut encoder, picture, &self.pixels, i * u64::from(self.size[0] * self.size[1] * 4));
        }
        encoder.resolve_query_set(&self.queries, 0..2 * PASSES, &self.ticks[0], 0);
        encoder.copy_buffer_to_buffer(&self.ticks[0], 0, &self.ticks[1], 0, u64::from(16 * PASSES));
        let commands = encoder.finish();
        let recorded = start.elapsed().as_secs_f64();
        let after = submission(&self.queue.submit([commands]));

        let [pixels, ticks] = self.read([&self.pixels, &self.ticks[1]])?;
        let (before_picture, after_picture) = pixels.split_at(pixels.len() / 2);
        let tick = |i: usize| u64::from_le_bytes(ticks[8 * i..8 * i + 8].try_into().expect("eight bytes"));
        let ms = |i: usize| {
            (tick(2 * i + 1) - tick(2 * i)) as f64 * f64::from(self.queue.get_timestamp_period()) / 1e6
        };
        Ok(Frame {
            before: before_picture.to_vec(),
            after: after_picture.to_vec(),
            times: names.into_iter().enumerate().map(|(i, n)| (n, ms(i))).collect(),
            recorded,
            submissions: after - before,
        })
    }

    fn encoder(&self) -> wgpu::CommandEncoder {
        self.device.create_command_encoder(&wgpu::CommandEncoderDescriptor { label: Some("frame") })
    }

    /// A pass between two timestamps.
    fn timed<'e>(
        &self,
        encoder: &'e mut wgpu::CommandEncoder,
        names: &mut Vec<String>,
        name: &str,
    ) -> wgpu::ComputePass<'e> {
        let at = 2 * names.len() as u32;
        names.push(name.to_owned());
        encoder.begin_compute_pass(&wgpu::ComputePassDescriptor {
            label: Some(name),
            timestamp_writes: Some(wgpu::ComputePassTimestampWrites {
                query_set: &self.queries,
                beginning_of_pass_write_index: Some(at),
                end_of_pass_write_index: Some(at + 1),
            }),
        })
    }

    fn record(&self, encoder: &mut wgpu::CommandEncoder, names: &mut Vec<String>, p: &Pass) {
        let mut pass = self.timed(encoder, names, p.name);
        pass.set_pipeline(&p.pipeline);
        pass.set_bind_group(0, &p.group, &[]);
        pass.dispatch_workgroups(self.size[0].div_ceil(8), self.size[1].div_ceil(8), 1);
    }

    fn copy(&self, encoder: &mut wgpu::CommandEncoder, from: &wgpu::Texture, to: &wgpu::Buffer, offset: u64) {
        let bytes = from.format().block_copy_size(None).expect("a color");
        let layout = wgpu::TexelCopyBufferLayout {
            offset,
            bytes_per_row: Some(self.size[0] * bytes),
            rows_per_image: None,
        };
        let to = wgpu::TexelCopyBufferInfo { buffer: to, layout };
        encoder.copy_texture_to_buffer(from.as_image_copy(), to, from.size());
    }

    fn read<const N: usize>(&self, buffers: [&wgpu::Buffer; N]) -> Result<[Vec<u8>; N]> {
        for b in buffers {
            b.map_async(wgpu::MapMode::Read, .., |_| {});
        }
        self.device.poll(wgpu::PollType::wait_indefinitely())?;
        Ok(buffers.map(|b| {
            let bytes = b.get_mapped_range(..).expect("mapped").to_vec();
            b.unmap();
            bytes
        }))
    }

    /// Irradiance of the last frame, and what the network was given: what it is trained on.
    pub fn training_data(&self) -> Result<(Vec<f32>, Vec<f32>)> {
        let usage = wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::MAP_READ;
        let size = u64::from(self.size[0] * self.size[1] * 8);
        let label = Some("light");
        let buffer = self.device.create_buffer(&wgpu::BufferDescriptor {
            label,
            size,
            usage,
            mapped_at_creation: false,
        });
        let mut encoder = self.encoder();
        self.copy(&mut encoder, &self.light, &buffer, 0);
        self.queue.submit([encoder.finish()]);
        let [bytes] = self.read([&buffer])?;
        let light = bytes.as_chunks().0.iter().map(|&b| half::f16::from_le_bytes(b).to_f32()).collect();
        Ok((light, self.context.download_blocking(&self.network.input)?.to_f32()))
    }
}

/// Peak signal to noise ratio of the colors, in dB: 10 · log10(255² / mean square error).
pub fn psnr(picture: &[u8], reference: &[u8]) -> f64 {
    let colors = |p: &[u8]| -> Vec<f64> {
        p.as_chunks::<4>().0.iter().flat_map(|p| [p[0], p[1], p[2]]).map(f64::from).collect()
    };
    let (a, b) = (colors(picture), colors(reference));
    let squares: f64 = a.iter().zip(&b).map(|(a, b)| (a - b) * (a - b)).sum();
    10.0 * (255.0 * 255.0 * a.len() as f64 / squares).log10()
}

/// A tensor as a shader binds it, and the words from one of its rows to the next: nothing is copied between renderer
/// and network.
fn rows(t: &DeviceTensor) -> (wgpu::BindingResource<'_>, f64) {
    let (buffer, offset) = t.values_buffer().expect("a tensor on the GPU");
    let binding = wgpu::BufferBinding { buffer, offset, size: None };
    (wgpu::BindingResource::Buffer(binding), (t.layout().row_bytes() / 4) as f64)
}

/// wgpu counts submissions of a queue in their index.
fn submission(index: &wgpu::SubmissionIndex) -> u64 {
    let digits: String = format!("{index:?}").chars().filter(char::is_ascii_digit).collect();
    digits.parse().expect("the index of a submission")
}

fn texture(device: &wgpu::Device, label: &str, size: [u32; 2], format: wgpu::TextureFormat) -> wgpu::Texture {
    use wgpu::TextureUsages as U;
    device.create_texture(&wgpu::TextureDescriptor {
        label: Some(label),
        size: wgpu::Extent3d { width: size[0], height: size[1], depth_or_array_layers: 1 },
        mip_level_count: 1,
        sample_count: 1,
        dimension: wgpu::TextureDimension::D2,
        format,
        usage: U::STORAGE_BINDING | U::TEXTURE_BINDING | U::COPY_SRC,
        view_formats: &[],
    })
}

impl Pass {
    fn new(
        device: &wgpu::Device,
        name: &'static str,
        text: &'static str,
        constants: &[(&str, f64)],
        resources: Vec<wgpu::BindingResource<'_>>,
    ) -> Self {
        let module = device.create_shader_module(wgpu::ShaderModuleDescriptor {
            label: Some(name),
            source: wgpu::ShaderSource::Wgsl(Cow::Borrowed(text)),
        });
        let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: Some(name),
            layout: None,
            module: &module,
            entry_point: Some("main"),
            compilation_options: wgpu::PipelineCompilationOptions { constants, ..Default::default() },
            cache: None,
        });
        let entries: Vec<_> = (0..)
            .zip(resources)
            .map(|(binding, resource)| wgpu::BindGroupEntry { binding, resource })
            .collect();
        let group = device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some(name),
            layout: &pipeline.get_bind_group_layout(0),
            entries: &entries,
        });
        Self { name, pipeline, group }
    }
}
