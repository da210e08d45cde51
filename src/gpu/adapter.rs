//! Finding a device.

use super::Capabilities;
use crate::error::Error;

/// A device of our own, and what it can do.
pub(crate) struct Adapter {
    pub device: wgpu::Device,
    pub queue: wgpu::Queue,
    pub info: wgpu::AdapterInfo,
    pub capabilities: Capabilities,
}

/// Features that the crate uses where the adapter has them: timestamps for [`Profiler`](crate::Profiler), a cache of
/// pipelines.
const WANTED: wgpu::Features = wgpu::Features::TIMESTAMP_QUERY.union(wgpu::Features::PIPELINE_CACHE);

/// What to ask for when making a device that quarter will share: WebGPU's defaults, and beyond them what the adapter
/// has of features and limits that kernels profit from. Join it with your own needs.
///
/// ```no_run
/// # pollster::block_on(async {
/// # use quarter::wgpu;
/// # let instance = wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle_from_env());
/// let adapter = instance.request_adapter(&wgpu::RequestAdapterOptions::default()).await.unwrap();
/// let (device, queue) = adapter.request_device(&quarter::recommended(&adapter)).await.unwrap();
/// let ctx = quarter::Context::from_wgpu(&adapter, &device, &queue);
/// # });
/// ```
pub fn recommended(adapter: &wgpu::Adapter) -> wgpu::DeviceDescriptor<'static> {
    let has = adapter.limits();
    let limits = wgpu::Limits {
        max_buffer_size: has.max_buffer_size,
        max_storage_buffer_binding_size: has.max_storage_buffer_binding_size,
        max_storage_buffers_per_shader_stage: has.max_storage_buffers_per_shader_stage,
        max_compute_workgroup_storage_size: has.max_compute_workgroup_storage_size,
        max_compute_invocations_per_workgroup: has.max_compute_invocations_per_workgroup,
        max_compute_workgroup_size_x: has.max_compute_workgroup_size_x,
        // An adapter may have less than the default of something.
        ..wgpu::Limits::default().or_worse_values_from(&has)
    };
    wgpu::DeviceDescriptor {
        label: Some("quarter"),
        required_features: adapter.features() & WANTED,
        required_limits: limits,
        ..Default::default()
    }
}

/// The best adapter: real GPUs before virtual ones, a CPU pretending only if `software`; native APIs before GL.
pub(crate) async fn find(software: bool, limits: Option<wgpu::Limits>) -> Result<Adapter, Error> {
    let instance = wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle_from_env());
    let adapters = candidates(&instance).await;
    let mut seen = vec![];
    let mut usable = vec![];
    for a in adapters {
        let info = a.get_info();
        seen.push(describe(&info));
        let computes = a.get_downlevel_capabilities().flags.contains(wgpu::DownlevelFlags::COMPUTE_SHADERS);
        if computes && (software || info.device_type != wgpu::DeviceType::Cpu) {
            usable.push((rank(&info), info, a));
        }
    }
    usable.sort_by_key(|u| u.0);
    let Some((_, info, adapter)) = usable.into_iter().next() else {
        let why = match seen.len() {
            0 => "there is none, or no driver for it".to_owned(),
            _ if software => format!("none of these computes: {}", seen.join(", ")),
            _ => format!(
                "only software, which must be asked for, or nothing that computes: {}",
                seen.join(", ")
            ),
        };
        return Err(Error::NoAdapter(why));
    };
    let descriptor = match limits {
        Some(required_limits) => {
            wgpu::DeviceDescriptor { label: Some("quarter"), required_limits, ..Default::default() }
        }
        None => recommended(&adapter),
    };
    let (features, limits) = (descriptor.required_features, descriptor.required_limits.clone());
    let (device, queue) =
        adapter.request_device(&descriptor).await.map_err(|e| Error::NoDevice(e.to_string()))?;
    let software = info.device_type == wgpu::DeviceType::Cpu;
    Ok(Adapter {
        device,
        queue,
        info,
        capabilities: Capabilities { features, limits, software, f16_decode: false },
    })
}

#[cfg(not(target_arch = "wasm32"))]
async fn candidates(instance: &wgpu::Instance) -> Vec<wgpu::Adapter> {
    instance.enumerate_adapters(wgpu::Backends::all()).await
}

#[cfg(target_arch = "wasm32")]
async fn candidates(instance: &wgpu::Instance) -> Vec<wgpu::Adapter> {
    let options = wgpu::RequestAdapterOptions {
        power_preference: wgpu::PowerPreference::HighPerformance,
        ..Default::default()
    };
    instance.request_adapter(&options).await.into_iter().collect()
}

fn rank(info: &wgpu::AdapterInfo) -> (u8, bool) {
    let kind = match info.device_type {
        wgpu::DeviceType::DiscreteGpu => 0,
        wgpu::DeviceType::IntegratedGpu => 1,
        wgpu::DeviceType::VirtualGpu => 2,
        wgpu::DeviceType::Other => 3,
        wgpu::DeviceType::Cpu => 4,
    };
    (kind, info.backend == wgpu::Backend::Gl)
}

pub(crate) fn describe(info: &wgpu::AdapterInfo) -> String {
    let driver = [info.driver.as_str(), info.driver_info.as_str()].join(" ");
    format!("{} ({:?}, {})", info.name, info.backend, driver.trim())
}
