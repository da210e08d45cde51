//! What a device can do, as plain data: kernels choose by it, and tests make their own.

/// What a device can do.
#[derive(Clone, Debug)]
pub struct Capabilities {
    /// Enabled features.
    pub features: wgpu::Features,
    /// Limits in force.
    pub limits: wgpu::Limits,
    /// Whether it is a CPU pretending: register tiles beat workgroup memory there.
    pub software: bool,
    /// Whether codes may be decoded by way of f16: measured ([`Facts`](super::Facts)), never assumed.
    pub f16_decode: bool,
}

impl Capabilities {
    /// WebGPU's default limits and no feature: what every device has.
    pub fn portable() -> Self {
        Self {
            features: wgpu::Features::empty(),
            limits: wgpu::Limits::default(),
            software: false,
            f16_decode: false,
        }
    }
}
