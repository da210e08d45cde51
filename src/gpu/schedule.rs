//! One kernel on one problem, as plain data, and every check that wgpu does not make.

use super::Capabilities;
use crate::{
    ops::Refusal,
    shader::Shader,
    tensor::{Access, Operand, Slot},
};

/// Named numbers of one variant of a kernel; the label is part of the kernel id, `b64x64x16`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Tuning {
    /// How ids name it.
    pub label: String,
    /// Its numbers.
    pub values: Vec<(&'static str, u32)>,
}

impl Tuning {
    /// A variant with these numbers.
    pub fn new(label: impl Into<String>, values: &[(&'static str, u32)]) -> Self {
        Self { label: label.into(), values: values.to_vec() }
    }

    /// The number with this name.
    ///
    /// # Panics
    /// If the variant has none: an internal invariant between a kernel's two functions.
    pub fn get(&self, name: &str) -> u32 {
        let found = self.values.iter().find(|v| v.0 == name);
        found.unwrap_or_else(|| panic!("internal: tuning {} has no {name}", self.label)).1
    }
}

/// What turns a shader file into one pipeline: conditions and `override` constants.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Specialization {
    /// Names that `#ifdef` finds.
    pub defines: Vec<String>,
    /// `override` constants by name.
    pub constants: Vec<(String, f64)>,
}

impl Specialization {
    /// Sets a name for `#ifdef`.
    pub fn define(&mut self, name: impl Into<String>) {
        self.defines.push(name.into());
    }

    /// Sets an `override` constant.
    pub fn constant(&mut self, name: impl Into<String>, value: impl Into<f64>) {
        self.constants.push((name.into(), value.into()));
    }
}

/// What one workgroup takes: wgpu does not check it when sizes are `override` constants.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Footprint {
    /// Invocations.
    pub workgroup: [u32; 3],
    /// Bytes of workgroup memory.
    pub shared_bytes: u32,
}

/// How a stage uses a buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Usage {
    /// `var<storage, read>`
    Read,
    /// `var<storage, read_write>`, written whole.
    Write,
    /// `var<storage, read_write>`, updated.
    ReadWrite,
    /// `var<uniform>`: a per-tensor record, which need not spend one of eight storage bindings.
    Uniform,
}

/// One buffer at one `@binding` of group 0. Binding 0 is the parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Binding {
    /// The `@binding` number.
    pub at: u32,
    /// Which buffer.
    pub slot: Slot,
    /// How it is used.
    pub usage: Usage,
}

/// A binding.
pub const fn bind(at: u32, slot: Slot, usage: Usage) -> Binding {
    Binding { at, slot, usage }
}

/// The uniform `Params` of a dispatch: named words, in the order of the shader's struct.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Params {
    fields: Vec<(&'static str, u32)>,
}

impl Params {
    /// Fields in order.
    pub fn new(fields: &[(&'static str, u32)]) -> Self {
        Self { fields: fields.to_vec() }
    }

    /// Appends fields.
    #[must_use]
    pub fn and(mut self, fields: &[(&'static str, u32)]) -> Self {
        self.fields.extend_from_slice(fields);
        self
    }

    /// Names and words, in order.
    pub fn fields(&self) -> &[(&'static str, u32)] {
        &self.fields
    }

    /// The word with this name.
    ///
    /// # Panics
    /// If there is none: an internal invariant of a kernel's schedule.
    pub fn get(&self, name: &str) -> u32 {
        let found = self.fields.iter().find(|f| f.0 == name);
        found.unwrap_or_else(|| panic!("internal: no parameter {name}")).1
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut words: Vec<u32> = self.fields.iter().map(|f| f.1).collect();
        words.resize(words.len().next_multiple_of(4), 0);
        bytemuck::cast_slice(&words).to_vec()
    }
}

/// A part of the buffer at one binding: what a dispatch sees of an operand that is too large to be bound whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// The `@binding` number.
    pub at: u32,
    /// The first byte, a multiple of [`WINDOW`].
    pub first: u64,
    /// How many bytes.
    pub bytes: u64,
}

/// Windows start at multiples of so many bytes: what every device allows.
pub const WINDOW: u64 = 256;

/// Dispatches of one schedule at most: each has parameters of its own and, where it sees parts of buffers, a bind group.
/// A schedule that would take more need not list more than one too many.
pub const DISPATCHES: usize = 1 << 16;

/// One dispatch.
#[derive(Clone, Debug, PartialEq)]
pub struct Dispatch {
    /// Workgroups.
    pub grid: [u32; 3],
    /// Its parameters.
    pub params: Params,
    /// Bindings that are not bound whole.
    pub windows: Vec<Window>,
}

impl Dispatch {
    /// `groups` workgroups in a row, folded to the grid limit: `linear_group` of `lib/grid.wgsl` unfolds it, and the
    /// tail has nothing to do.
    pub fn linear(groups: u64, params: Params, caps: &Capabilities) -> Self {
        // A device without compute has a limit of 0: `check` refuses it.
        let x = groups.clamp(1, u64::from(caps.limits.max_compute_workgroups_per_dimension).max(1));
        let y = groups.div_ceil(x).max(1);
        Self { grid: [x as u32, u32::try_from(y).unwrap_or(u32::MAX), 1], params, windows: vec![] }
    }

    /// The same, seeing only these parts of some buffers.
    #[must_use]
    pub fn windows(self, windows: Vec<Window>) -> Self {
        Self { windows, ..self }
    }
}

/// One pipeline and its dispatches.
#[derive(Clone, Debug, PartialEq)]
pub struct Stage {
    /// The shader file.
    pub shader: Shader,
    /// What makes it a pipeline.
    pub specialization: Specialization,
    /// What one workgroup takes.
    pub footprint: Footprint,
    /// Its buffers.
    pub bindings: Vec<Binding>,
    /// Its dispatches: one, or the pieces of a problem that is too large for one. In any order.
    pub dispatches: Vec<Dispatch>,
}

/// One kernel on one problem: stages in order, workspaces by bytes (each its own buffer).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Schedule {
    /// In order; what one writes, the next sees.
    pub stages: Vec<Stage>,
    /// Scratch buffers, by size.
    pub workspace: Vec<u64>,
}

fn within(what: impl Into<String>, needed: u64, limit: u64) -> Result<(), Refusal> {
    if needed <= limit { Ok(()) } else { Err(Refusal::Limit { what: what.into(), needed, limit }) }
}

impl Schedule {
    /// The same with other buffers at its bindings.
    pub(crate) fn rebind(mut self, slot: impl Fn(Slot) -> Slot) -> Self {
        for b in self.stages.iter_mut().flat_map(|s| &mut s.bindings) {
            b.slot = slot(b.slot);
        }
        self
    }

    /// Every check that needs no device: binding budget, slots and access, workgroup and its memory, buffer and grid
    /// sizes.
    ///
    /// # Errors
    /// The first limit that is exceeded.
    ///
    /// # Panics
    /// If a window lies outside its buffer; if a stage names a buffer that the operation does not have, or writes one that it only reads: a fault of the
    /// kernel, found by the shader test.
    pub fn check(&self, operands: &[Operand], caps: &Capabilities) -> Result<(), Refusal> {
        let l = &caps.limits;
        assert!(!self.stages.is_empty(), "internal: a schedule without stages");
        let mut dispatches = 0;
        for s in &self.stages {
            let path = s.shader.path;
            dispatches += s.dispatches.len() as u64;
            within(format!("{path}: dispatches, at least"), dispatches, DISPATCHES as u64)?;
            let storage = s.bindings.iter().filter(|b| b.usage != Usage::Uniform).count();
            within(
                format!("{path}: storage buffers"),
                storage as u64,
                l.max_storage_buffers_per_shader_stage.into(),
            )?;
            let uniform = 1 + s.bindings.len() - storage;
            within(
                format!("{path}: uniform buffers"),
                uniform as u64,
                l.max_uniform_buffers_per_shader_stage.into(),
            )?;
            let highest = s.bindings.iter().map(|b| b.at + 1).max().unwrap_or(1);
            within(format!("{path}: bindings"), highest.into(), l.max_bindings_per_bind_group.into())?;
            for b in &s.bindings {
                let whole = self.bytes(path, b, operands);
                within(format!("{path}: bytes of {}", b.slot), whole, l.max_buffer_size)?;
                let limit = match b.usage {
                    Usage::Uniform => l.max_uniform_buffer_binding_size,
                    _ => l.max_storage_buffer_binding_size,
                };
                for d in &s.dispatches {
                    let seen = d.windows.iter().find(|w| w.at == b.at).map_or(whole, |w| {
                        let fits = w.first.is_multiple_of(WINDOW) && w.first + w.bytes <= whole;
                        assert!(fits, "internal: {path}: {w:?} of {whole} bytes");
                        w.bytes
                    });
                    within(format!("{path}: bytes bound of {}", b.slot), seen, limit)?;
                }
            }
            let [x, y, z] = s.footprint.workgroup;
            let size = u64::from(x) * u64::from(y) * u64::from(z);
            within(format!("{path}: workgroup"), size, l.max_compute_invocations_per_workgroup.into())?;
            let dims = [
                l.max_compute_workgroup_size_x,
                l.max_compute_workgroup_size_y,
                l.max_compute_workgroup_size_z,
            ];
            for (needed, limit) in s.footprint.workgroup.into_iter().zip(dims) {
                within(format!("{path}: workgroup extent"), needed.into(), limit.into())?;
            }
            let shared = s.footprint.shared_bytes;
            within(
                format!("{path}: workgroup memory"),
                shared.into(),
                l.max_compute_workgroup_storage_size.into(),
            )?;
            assert!(!s.dispatches.is_empty(), "internal: {path}: no dispatch");
            for g in s.dispatches.iter().flat_map(|d| d.grid) {
                assert!(g > 0, "internal: {path}: an empty grid");
                within(format!("{path}: grid"), g.into(), l.max_compute_workgroups_per_dimension.into())?;
            }
        }
        Ok(())
    }

    fn bytes(&self, path: &str, b: &Binding, operands: &[Operand]) -> u64 {
        match b.slot {
            Slot::Workspace(i) => *self
                .workspace
                .get(usize::from(i))
                .unwrap_or_else(|| panic!("internal: {path} binds {}, which the schedule lacks", b.slot)),
            Slot::Of(role, part) => {
                let o = operands.iter().find(|o| o.role == role);
                let o = o.unwrap_or_else(|| panic!("internal: {path} binds `{role}`, which is no operand"));
                let access = o.parts().find(|p| p.0 == part);
                let (_, access) = access.unwrap_or_else(|| panic!("internal: {path} binds no {}", b.slot));
                let writes = matches!(b.usage, Usage::Write | Usage::ReadWrite);
                assert!(!writes || access != Access::Read, "internal: {path} writes {}", b.slot);
                o.layout.part_bytes(part)
            }
        }
    }
}
