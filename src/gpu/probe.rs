//! What a device does with numbers, measured on it: all 256 codes of three formats by way of f16, and what drivers may
//! choose freely.

use super::{
    Capabilities, Dispatch, Footprint, Params, Pipelines, Program, Schedule, Specialization, Stage, Usage,
    bind, memory,
};
use crate::{
    dtype::Format,
    error::Error,
    shader::shader,
    tensor::{Part, Slot},
};
use std::fmt;

/// What a device does with numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Facts {
    /// Whether codes become f16, two at once, without loss: all 256 codes of E5M2, E4M3FN and E3M4FN came out right,
    /// NaN and Inf aside. Kernels decode that way only where this holds.
    pub f16_decode: bool,
    /// Whether arithmetic keeps f32 subnormals.
    pub subnormals: bool,
    /// Whether NaN compares as unequal to itself.
    pub nan_compares: bool,
    /// Whether clamp keeps a NaN.
    pub clamp_keeps_nan: bool,
    /// Whether tanh of a large number is 1.
    pub tanh_saturates: bool,
    /// Whether `fma` rounds once.
    pub fma_fused: bool,
    /// Whether `a * b + c` rounds once although nobody asked.
    pub contracted: bool,
}

impl fmt::Display for Facts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows = [
            ("codes become f16 exactly, so kernels decode that way", self.f16_decode),
            ("f32 subnormals are kept", self.subnormals),
            ("NaN != NaN", self.nan_compares),
            ("clamp keeps a NaN", self.clamp_keeps_nan),
            ("tanh of 80 is 1", self.tanh_saturates),
            ("fma rounds once", self.fma_fused),
            ("a * b + c rounds once", self.contracted),
        ];
        for (fact, holds) in rows {
            writeln!(f, "| {fact} | {} |", if holds { "yes" } else { "no" })?;
        }
        Ok(())
    }
}

const FORMATS: [(&str, Format); 3] =
    [("e5m2", Format::E5M2), ("e4m3", Format::E4M3FN), ("e3m4", Format::E3M4FN)];
/// Words that the shader writes: four codes a vector, 64 vectors a format, two vectors of other facts.
const WORDS: usize = 4 * (64 * FORMATS.len() + 2);
/// 1 + 2⁻¹²: its square has a bit that f32 has not.
const A: f32 = 1.0 + 1.0 / 4096.0;

fn schedule() -> Schedule {
    let mut specialization = Specialization::default();
    let mut bindings = vec![];
    for ((name, format), at) in FORMATS.into_iter().zip(1..) {
        let x = name.to_uppercase();
        for define in ["F8", "BY_F16"] {
            specialization.define(format!("{x}_{define}"));
        }
        specialization.constant(format!("{x}_SIGN_BIT"), format.magnitude_bits());
        specialization.constant(format!("{x}_MAN_BITS"), format.man_bits());
        specialization.constant(format!("{x}_BIAS"), format.bias());
        specialization.constant(format!("{x}_STEP"), 2f64.powi(1 - format.bias()));
        // NaN and Inf are looked after elsewhere.
        specialization.constant(format!("{x}_INF_CODE"), 256u32);
        specialization.constant(format!("{x}_NAN_CODE"), 256u32);
        bindings.push(bind(at, Slot::Of(name, Part::Values), Usage::Read));
    }
    bindings.push(bind(4, Slot::Of("out", Part::Values), Usage::Write));
    let params = Params::new(&[
        ("subnormal", 0x0040_0000),
        ("two", 2f32.to_bits()),
        ("nan", f32::NAN.to_bits()),
        ("large", 80f32.to_bits()),
        ("a", A.to_bits()),
        ("c", (-(A * A)).to_bits()),
    ]);
    let dispatch = Dispatch { grid: [1, 1, 1], params, windows: vec![] };
    let footprint = Footprint { workgroup: [64, 1, 1], shared_bytes: 0 };
    let shader = shader!("probe/device.wgsl");
    Schedule {
        stages: vec![Stage { shader, specialization, footprint, bindings, dispatches: vec![dispatch] }],
        workspace: vec![],
    }
}

/// Whether the device's limits let it be measured.
pub(crate) fn can_probe(caps: &Capabilities) -> bool {
    let l = &caps.limits;
    l.max_storage_buffer_binding_size >= 4 * WORDS as u64
        && l.max_storage_buffers_per_shader_stage as usize > FORMATS.len()
        && l.max_compute_invocations_per_workgroup >= 64
}

/// Measures them. `drive`: whether to poll the device.
pub(crate) async fn probe(
    device: &wgpu::Device,
    queue: &wgpu::Queue,
    pipelines: &Pipelines,
    drive: bool,
) -> Result<Facts, Error> {
    use wgpu::BufferUsages as U;
    let id = "probe";
    let program = Program::compile(device, pipelines, id, schedule(), None).await?;
    let codes: Vec<u8> = (0..=255).collect();
    let codes = memory::allocate_with(device, "probe codes", U::STORAGE, &codes).await?;
    let nothing = [0u8; 4 * WORDS];
    let out = memory::allocate_with(device, "probe out", U::STORAGE | U::COPY_SRC, &nothing).await?;
    let of = |slot| match slot {
        Slot::Of("out", _) => Some((&out, 0, 4 * WORDS as u64)),
        _ => Some((&codes, 0, 256)),
    };
    let recording = program.record(device, id, of, None)?;
    let label = Some("quarter probe");
    let mut encoder = device.create_command_encoder(&wgpu::CommandEncoderDescriptor { label });
    {
        let descriptor = wgpu::ComputePassDescriptor { label, timestamp_writes: None };
        recording.encode(&mut encoder.begin_compute_pass(&descriptor));
    }
    queue.submit([encoder.finish()]);
    let words = memory::download(device, queue, &[(&out, 0, 4 * WORDS as u64)], drive).await?;
    Ok(facts(&words[0]))
}

fn facts(words: &[u32]) -> Facts {
    let right = |(f, format): (usize, Format)| {
        // The f16 path leaves out a power of two.
        let fold = 2f32.powi(15 - format.bias());
        (0..=255u8).all(|code| {
            let want = format.decode(code);
            let got = f32::from_bits(words[256 * f + usize::from(code)]) * fold;
            !want.is_finite() || got.to_bits() == want.to_bits()
        })
    };
    let more = &words[256 * FORMATS.len()..];
    let float = |i: usize| f32::from_bits(more[i]);
    Facts {
        f16_decode: FORMATS.into_iter().map(|f| f.1).enumerate().all(right),
        subnormals: more[0] == 0x0080_0000,
        nan_compares: more[4] == 1,
        clamp_keeps_nan: float(1).is_nan(),
        tanh_saturates: float(2) == 1.0,
        fma_fused: float(5) != 0.0,
        contracted: float(3) != 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a right device writes, and one wrong code in it.
    #[test]
    fn one_wrong_code_is_seen() {
        let mut words = vec![0u32; WORDS];
        for (f, (_, format)) in FORMATS.into_iter().enumerate() {
            for code in 0..=255u8 {
                let v = format.decode(code) / 2f32.powi(15 - format.bias());
                words[256 * f + usize::from(code)] = v.to_bits();
            }
        }
        assert!(facts(&words).f16_decode);
        for i in [1, 256 + 3, 512 + 0x81] {
            let mut wrong = words.clone();
            // A subnormal code that was flushed.
            wrong[i] = 0;
            assert!(!facts(&wrong).f16_decode, "{i}");
        }
    }
}
