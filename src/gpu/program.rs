//! A schedule compiled, and bound to buffers.

use super::{Schedule, Source, Stage, Usage, memory};
use crate::{
    error::Error,
    shader::{Composed, LIBRARY, compose},
    tensor::Slot,
};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

/// A pipeline and the layout of its one bind group.
#[derive(Clone, Debug)]
struct Compiled {
    pipeline: wgpu::ComputePipeline,
    layout: wgpu::BindGroupLayout,
}

/// Pipelines of one device by all that makes them differ: a second plan of a known kernel compiles nothing.
#[derive(Debug)]
pub(crate) struct Pipelines {
    known: Mutex<HashMap<String, Compiled>>,
    /// The driver's own, for later runs.
    cache: Option<wgpu::PipelineCache>,
}

impl Pipelines {
    /// None yet; with the driver's cache of an earlier run, where the device has such caches.
    pub(crate) fn new(device: &wgpu::Device, data: Option<&[u8]>) -> Self {
        let supported = device.features().contains(wgpu::Features::PIPELINE_CACHE);
        let cache = supported.then(|| crate::trusted::pipeline_cache(device, data));
        Self { known: Mutex::default(), cache }
    }

    /// The driver's cache as bytes.
    pub(crate) fn data(&self) -> Option<Vec<u8>> {
        self.cache.as_ref()?.get_data().map(|d| crate::trusted::sealed(&d))
    }

    /// How many pipelines were compiled.
    pub(crate) fn compiled(&self) -> usize {
        self.known.lock().map_or(0, |k| k.len())
    }

    async fn get(
        &self,
        device: &wgpu::Device,
        id: &str,
        stage: &Stage,
        edit: Edit<'_>,
    ) -> Result<Compiled, Error> {
        let composed = compose(stage.shader, LIBRARY, &stage.specialization.defines)
            .map_err(|e| Error::Compile { kernel: id.to_owned(), message: e.to_string() })?;
        let text = edit.map_or_else(|| composed.text().to_owned(), |edit| edit(composed.text()));
        let bindings: Vec<_> = stage.bindings.iter().map(|b| (b.at, b.usage)).collect();
        let key = format!("{bindings:?}{:?}{text}", stage.specialization.constants);
        if let Ok(known) = self.known.lock()
            && let Some(c) = known.get(&key)
        {
            return Ok(c.clone());
        }
        let made = compile(device, id, stage, &composed, &text, self.cache.as_ref()).await?;
        if let Ok(mut known) = self.known.lock() {
            known.insert(key, made.clone());
        }
        Ok(made)
    }
}

/// Changes the composed text of every stage: how the mutation mode breaks kernels.
pub(crate) type Edit<'a> = Option<&'a (dyn Fn(&str) -> String + Send + Sync)>;

async fn compile(
    device: &wgpu::Device,
    id: &str,
    stage: &Stage,
    composed: &Composed,
    text: &str,
    cache: Option<&wgpu::PipelineCache>,
) -> Result<Compiled, Error> {
    let label = format!("{id} {}", stage.shader.path);
    let scopes = memory::scopes(device);
    let module = device.create_shader_module(wgpu::ShaderModuleDescriptor {
        label: Some(&label),
        source: wgpu::ShaderSource::Wgsl(text.into()),
    });
    let visible = |at, ty| wgpu::BindGroupLayoutEntry {
        binding: at,
        visibility: wgpu::ShaderStages::COMPUTE,
        ty: wgpu::BindingType::Buffer { ty, has_dynamic_offset: false, min_binding_size: None },
        count: None,
    };
    let mut entries = vec![visible(0, wgpu::BufferBindingType::Uniform)];
    entries.extend(stage.bindings.iter().map(|b| {
        let ty = match b.usage {
            Usage::Uniform => wgpu::BufferBindingType::Uniform,
            Usage::Read => wgpu::BufferBindingType::Storage { read_only: true },
            Usage::Write | Usage::ReadWrite => wgpu::BufferBindingType::Storage { read_only: false },
        };
        visible(b.at, ty)
    }));
    let layout = device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
        label: Some(&label),
        entries: &entries,
    });
    let pipeline_layout = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
        label: Some(&label),
        bind_group_layouts: &[Some(&layout)],
        immediate_size: 0,
    });
    let constants: Vec<(&str, f64)> =
        stage.specialization.constants.iter().map(|(n, v)| (n.as_str(), *v)).collect();
    let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
        label: Some(&label),
        layout: Some(&pipeline_layout),
        module: &module,
        entry_point: Some("main"),
        compilation_options: wgpu::PipelineCompilationOptions { constants: &constants, ..Default::default() },
        cache,
    });
    match scopes.pop().await {
        None => Ok(Compiled { pipeline, layout }),
        Some(e) => Err(Error::Compile { kernel: id.to_owned(), message: composed.explain(&e.to_string()) }),
    }
}

/// Pipelines, layouts and one immutable uniform buffer with the parameters of every dispatch.
#[derive(Debug)]
pub(crate) struct Program {
    stages: Vec<Compiled>,
    schedule: Schedule,
    params: wgpu::Buffer,
    /// Bytes from the parameters of one dispatch to those of the next.
    step: u64,
}

impl Program {
    pub(crate) async fn compile(
        device: &wgpu::Device,
        pipelines: &Pipelines,
        id: &str,
        schedule: Schedule,
        edit: Edit<'_>,
    ) -> Result<Arc<Self>, Error> {
        let mut stages = vec![];
        for s in &schedule.stages {
            stages.push(pipelines.get(device, id, s, edit).await?);
        }
        let align = u64::from(device.limits().min_uniform_buffer_offset_alignment);
        let all: Vec<Vec<u8>> =
            schedule.stages.iter().flat_map(|s| &s.dispatches).map(|d| d.params.bytes()).collect();
        let longest = all.iter().map(|p| p.len() as u64).max();
        let step = longest.unwrap_or(16).next_multiple_of(align.max(16));
        let mut bytes = vec![0u8; (step * all.len().max(1) as u64) as usize];
        for (p, to) in all.iter().zip(bytes.chunks_mut(step as usize)) {
            to[..p.len()].copy_from_slice(p);
        }
        let label = format!("{id} params");
        let params = memory::allocate_with(device, &label, wgpu::BufferUsages::UNIFORM, &bytes).await?;
        Ok(Arc::new(Self { stages, schedule, params, step }))
    }

    /// Bytes of every workspace buffer.
    pub(crate) fn workspace(&self) -> &[u64] {
        &self.schedule.workspace
    }

    /// Bind groups over these buffers; `of` finds the part of a buffer that an operand's part is. Scratch buffers are
    /// of its own, or those of `shared`.
    pub(crate) fn record<'b>(
        &self,
        device: &wgpu::Device,
        id: &str,
        of: impl Fn(Slot) -> Option<Source<'b>>,
        shared: Option<&Workspace>,
    ) -> Result<Recording, Error> {
        let own = match shared {
            Some(_) => None,
            None => Some(Workspace::new(device, id, &self.schedule.workspace)?),
        };
        let workspace = shared.or(own.as_ref()).expect("one of both");
        workspace.expect(id, &self.schedule.workspace)?;
        let scopes = memory::scopes(device);
        let dispatches = self
            .stages
            .iter()
            .zip(&self.schedule.stages)
            .flat_map(|(c, s)| s.dispatches.iter().map(move |d| (c, s, d)));
        let mut steps = vec![];
        for (i, (c, s, d)) in dispatches.enumerate() {
            let bytes = d.params.bytes().len().max(16) as u64;
            let mut entries = vec![entry(0, (&self.params, i as u64 * self.step, bytes))];
            for b in &s.bindings {
                let (buffer, offset, size) = match b.slot {
                    Slot::Workspace(w) => {
                        let w = usize::from(w);
                        (&workspace.buffers[w], 0, self.schedule.workspace[w].next_multiple_of(16))
                    }
                    slot => of(slot).ok_or_else(|| Error::WrongContext { what: slot.to_string() })?,
                };
                let window = d.windows.iter().find(|w| w.at == b.at);
                let (first, size) = window.map_or((0, size), |w| (w.first, w.bytes));
                entries.push(entry(b.at, (buffer, offset + first, size)));
            }
            let group = device.create_bind_group(&wgpu::BindGroupDescriptor {
                label: Some(id),
                layout: &c.layout,
                entries: &entries,
            });
            steps.push(Step { pipeline: c.pipeline.clone(), group, grid: d.grid });
        }
        scopes.end().map(|()| Recording { steps })
    }
}

fn entry(binding: u32, (buffer, offset, bytes): Source<'_>) -> wgpu::BindGroupEntry<'_> {
    let size = wgpu::BufferSize::new(bytes);
    wgpu::BindGroupEntry {
        binding,
        resource: wgpu::BindingResource::Buffer(wgpu::BufferBinding { buffer, offset, size }),
    }
}

/// Scratch buffers. Dispatches that share them wait for each other.
#[derive(Clone, Debug)]
pub(crate) struct Workspace {
    buffers: Vec<wgpu::Buffer>,
}

impl Workspace {
    pub(crate) fn new(device: &wgpu::Device, id: &str, sizes: &[u64]) -> Result<Self, Error> {
        let what = format!("{id} workspace");
        for size in sizes {
            memory::expect_room(device, &what, size.checked_next_multiple_of(16).unwrap_or(u64::MAX))?;
        }
        let scopes = memory::scopes(device);
        let scratch = |(i, &size): (usize, &u64)| {
            device.create_buffer(&wgpu::BufferDescriptor {
                label: Some(&format!("{id} workspace {i}")),
                size: size.next_multiple_of(16),
                usage: wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC,
                mapped_at_creation: false,
            })
        };
        let buffers = sizes.iter().enumerate().map(scratch).collect();
        match scopes.now() {
            None => Ok(Self { buffers }),
            Some(wgpu::Error::OutOfMemory { source }) => {
                Err(Error::OutOfMemory { what, bytes: sizes.iter().sum(), why: source.to_string() })
            }
            Some(e) => Err(Error::Wgpu(e.to_string())),
        }
    }

    fn expect(&self, id: &str, sizes: &[u64]) -> Result<(), Error> {
        let has: Vec<u64> = self.buffers.iter().map(wgpu::Buffer::size).collect();
        if has.len() >= sizes.len() && has.iter().zip(sizes).all(|(has, size)| has >= size) {
            return Ok(());
        }
        let what = format!("{id} workspace");
        Err(Error::Buffer { what, expected: format!("{sizes:?} bytes or more"), got: format!("{has:?}") })
    }
}

/// One dispatch, ready.
#[derive(Debug)]
struct Step {
    pipeline: wgpu::ComputePipeline,
    group: wgpu::BindGroup,
    grid: [u32; 3],
}

/// Dispatches, ready; the bind groups keep their buffers alive.
#[derive(Debug)]
pub(crate) struct Recording {
    steps: Vec<Step>,
}

impl Recording {
    pub(crate) fn encode(&self, pass: &mut wgpu::ComputePass<'_>) {
        for s in &self.steps {
            pass.set_pipeline(&s.pipeline);
            pass.set_bind_group(0, &s.group, &[]);
            pass.dispatch_workgroups(s.grid[0], s.grid[1], s.grid[2]);
        }
    }
}
