//! How operands meet shaders: the defines, constants and bindings that `lib/operand.wgsl`, `lib/scale.wgsl` and
//! `lib/output.wgsl` expect of a tensor. For whoever writes a kernel: `docs/adding-an-op.md` shows it.

use crate::{
    dtype::{Format, Overflow, Specials},
    gpu::{Binding, Capabilities, Dispatch, Footprint, Params, Specialization, Stage, Usage, bind},
    ops::{
        gemm::batch::Axis,
        pieces::{self, Beside, Piece, RowPiece},
    },
    scale::Granularity,
    shader::{Shader, shader},
    tensor::{DType, Element, Layout, scales, values},
};

/// A stage under construction: a shader, what its imports expect of every operand, then how it is dispatched.
#[derive(Clone, Debug)]
pub struct StageBuilder {
    shader: Shader,
    specialization: Specialization,
    bindings: Vec<Binding>,
}

/// Kinds of element, as defines name them.
pub(crate) fn kind(dtype: DType) -> &'static str {
    match dtype {
        DType::F32 => "F32",
        DType::F16 => "F16",
        DType::Bf16 => "BF16",
        DType::U32 => "U32",
        DType::F8(_) => "F8",
        DType::Code8 => "CODE8",
    }
}

impl StageBuilder {
    /// A stage of this shader, nothing bound yet.
    pub fn new(shader: Shader) -> Self {
        Self { shader, specialization: Specialization::default(), bindings: vec![] }
    }

    /// Sets a name for `#ifdef`.
    #[must_use]
    pub fn define(mut self, name: &str) -> Self {
        self.specialization.define(name);
        self
    }

    /// Sets an `override` constant.
    #[must_use]
    pub fn constant(mut self, name: &str, value: u32) -> Self {
        self.specialization.constant(name, value);
        self
    }

    /// Binds a buffer that no import declares.
    #[must_use]
    pub fn bind(mut self, b: Binding) -> Self {
        self.bindings.push(b);
        self
    }

    /// Values of an operand that is read: `#import lib/operand.wgsl x=role X=ROLE at=N`.
    #[must_use]
    pub fn operand(mut self, role: &'static str, at: u32, element: Element) -> Self {
        let x = role.to_uppercase();
        let s = &mut self.specialization;
        s.define(format!("{x}_{}", kind(element.dtype())));
        if let Some(f) = element.format() {
            s.constant(format!("{x}_SIGN_BIT"), f.magnitude_bits());
            s.constant(format!("{x}_MAN_BITS"), f.man_bits());
            s.constant(format!("{x}_BIAS"), f.bias());
            s.constant(format!("{x}_STEP"), 2f64.powi(1 - f.bias()));
            s.constant(format!("{x}_INF_CODE"), f.infinity_code().map_or(256, u32::from));
            s.constant(format!("{x}_NAN_CODE"), first_nan(f));
            if f.specials() == Specials::Fnuz {
                s.define(format!("{x}_FNUZ"));
            }
            if f.infinity_code().is_some() {
                s.define(format!("{x}_INF"));
            }
            if !f.has_nan() {
                s.define(format!("{x}_NO_NAN"));
            }
        }
        self.bind(bind(at, values(role), Usage::Read))
    }

    /// Sums of this operand decode it by way of f16 where that is exact: where the format has Inf just where f16 has
    /// it, and the two biases are no further apart than sums can bear. The power of two that they leave out, as an
    /// exponent.
    pub(crate) fn by_f16(mut self, role: &'static str, element: Element) -> (Self, i32) {
        match element.format() {
            Some(f)
                if f.infinity_code().is_some() == (f.exp_bits() == 5)
                    && (f.is_signed(), f.bits()) == (true, 8)
                    && (2..=5).contains(&f.exp_bits())
                    && (0..=30).contains(&f.bias()) =>
            {
                self.specialization.define(format!("{}_BY_F16", role.to_uppercase()));
                (self, 15 - f.bias())
            }
            _ => (self, 0),
        }
    }

    /// Sets an `override` constant of type f32.
    #[must_use]
    pub fn constant_f32(mut self, name: &str, value: f32) -> Self {
        self.specialization.constant(name, value);
        self
    }

    /// Scales of an operand that is read, if it has any: `#import lib/scale.wgsl x=role X=ROLE at=N`.
    #[must_use]
    pub fn scale(mut self, role: &'static str, at: u32, element: Element) -> Self {
        let Some(granularity) = element.scaling() else { return self };
        let x = role.to_uppercase();
        self.specialization.define(format!("{x}_SCALED"));
        if element.dtype() == DType::Code8 {
            self.specialization.define(format!("{x}_TABLE"));
            self.specialization.define(format!("{x}_NO_NAN"));
            return self.bind(bind(at, scales(role), Usage::Read));
        }
        if granularity == Granularity::PerTensor {
            self.specialization.define(format!("{x}_PER_TENSOR"));
            return self.bind(bind(at, scales(role), Usage::Uniform));
        }
        if let Granularity::Mx { .. } = granularity {
            self.specialization.define(format!("{x}_MX"));
        }
        self.bind(bind(at, scales(role), Usage::Read))
    }

    /// An operand that is written: `#import lib/output.wgsl x=role X=ROLE at=N record=M`.
    #[must_use]
    pub fn output(
        mut self,
        role: &'static str,
        at: u32,
        record: u32,
        e: Element,
        overflow: Overflow,
    ) -> Self {
        let x = role.to_uppercase();
        self.specialization.define(format!("{x}_{}", kind(e.dtype())));
        self = self.bind(bind(at, values(role), Usage::Write));
        let Some(f) = e.format() else {
            if !e.is_observed() {
                return self;
            }
            return self.record(role, record, e);
        };
        let over = match overflow {
            Overflow::Saturate => f.max_code(),
            Overflow::Strict if f.has_nan() => f.infinity_code().unwrap_or(f.nan_code()),
            Overflow::Strict => f.max_code(),
        };
        let s = &mut self.specialization;
        if !f.is_signed() {
            s.define(format!("{x}_UNSIGNED"));
            let under = if overflow == Overflow::Strict { f.nan_code() } else { 0 };
            s.constant(format!("{x}_UNDER_CODE"), under);
        }
        if !f.has_nan() {
            s.define(format!("{x}_NO_NAN"));
        }
        s.constant(format!("{x}_SIGN_BIT"), f.magnitude_bits());
        s.constant(format!("{x}_MAN_BITS"), f.man_bits());
        s.constant(format!("{x}_BIAS"), f.bias());
        s.constant(format!("{x}_MAX_CODE"), f.max_code());
        s.constant(format!("{x}_OVER_CODE"), over);
        s.constant(format!("{x}_NAN_CODE"), f.nan_code());
        s.constant(format!("{x}_FNUZ"), if f.specials() == Specials::Fnuz { 1 } else { 0 });
        self.record(role, record, e)
    }

    /// The record of an operand that is written: `#import lib/record.wgsl x=role X=ROLE at=N`.
    #[must_use]
    pub fn record(mut self, role: &'static str, at: u32, e: Element) -> Self {
        let x = role.to_uppercase();
        self.specialization.define(format!("{x}_RECORD"));
        match e.scaling() {
            Some(Granularity::PerTensor) => self.specialization.define(format!("{x}_PER_TENSOR")),
            Some(Granularity::Mx { .. }) => self.specialization.define(format!("{x}_MX")),
            _ => self.specialization.define(format!("{x}_GROUPS")),
        }
        self.bind(bind(at, scales(role), Usage::ReadWrite))
    }

    /// Values and scales of an operand that is read: `#import lib/real.wgsl x=role X=ROLE at=N scales=M`.
    #[must_use]
    pub fn input(self, role: &'static str, at: u32, scales: u32, element: Element) -> Self {
        self.operand(role, at, element).scale(role, scales, element)
    }

    /// The finished stage: workgroups in a row, `threads` invocations each, told to the shader as `WORKGROUP`.
    pub fn linear(self, threads: u32, items: u64, params: Params, shared: u32, caps: &Capabilities) -> Stage {
        let dispatch = Dispatch::linear(items.div_ceil(threads.into()), params, caps);
        self.constant("WORKGROUP", threads).build([threads, 1, 1], shared, vec![dispatch])
    }

    /// The finished stage: a pass over the quads of the first of `operands` (values by binding), in as many pieces as
    /// they take. The shader's `Params` begin with `first` and `end`, quads, and the first bound quad of every
    /// operand by these names.
    pub fn stream(
        self,
        operands: &[(&'static str, u32, &Layout)],
        params: &Params,
        shared: u32,
        caps: &Capabilities,
    ) -> Stage {
        let all: Vec<_> = operands.iter().map(|&(name, at, l)| (name, at, l, None)).collect();
        self.stream_beside(&all, params, shared, caps)
    }

    /// The same, where some operands have another shape than the first: those with the rows of theirs that lie beside
    /// rows of it. If these fit one binding each they are bound whole; else all is cut by rows.
    pub(crate) fn stream_beside(
        self,
        operands: &[(&'static str, u32, &Layout, Option<Beside<'_>>)],
        params: &Params,
        shared: u32,
        caps: &Capabilities,
    ) -> Stage {
        let alike: Vec<_> = operands.iter().filter(|o| o.3.is_none()).map(|o| (o.1, o.2)).collect();
        let whole = |l: &Layout| l.values_bytes() <= pieces::limit(caps);
        let pieces = if operands.iter().all(|o| o.3.is_none() || whole(o.2)) {
            let mut pieces = pieces::stream(&alike, caps);
            for p in &mut pieces {
                let mut of_alike = std::mem::take(&mut p.origins).into_iter();
                let origin = |o: &(_, _, _, Option<_>)| if o.3.is_none() { of_alike.next() } else { None };
                p.origins = operands.iter().map(origin).map(Option::unwrap_or_default).collect();
            }
            pieces
        } else {
            let lead = operands[0].2;
            let all: Vec<_> = operands.iter().map(|o| (o.1, o.2, o.3.unwrap_or(&pieces::same))).collect();
            let quads = |row: u32| u64::from(row) * u64::from(lead.row_quads());
            let piece = |p: RowPiece| Piece {
                quads: quads(p.rows.start)..quads(p.rows.end),
                origins: p.origins,
                windows: p.windows,
            };
            pieces::by_rows(lead.rows(), &all, caps).into_iter().map(piece).collect()
        };
        let dispatch = |piece: Piece| {
            let mut own = vec![("first", piece.quads.start as u32), ("end", piece.quads.end as u32)];
            own.extend(operands.iter().zip(&piece.origins).map(|(o, &origin)| (o.0, origin)));
            let groups = (piece.quads.end - piece.quads.start).div_ceil(LINEAR.into());
            Dispatch::linear(groups, Params::new(&own).and(params.fields()), caps).windows(piece.windows)
        };
        let dispatches = pieces.into_iter().map(dispatch).collect();
        self.constant("WORKGROUP", LINEAR).build([LINEAR, 1, 1], shared, dispatches)
    }

    /// The finished stage: workgroups of this size that take so many bytes of workgroup memory.
    pub fn build(self, workgroup: [u32; 3], shared_bytes: u32, dispatches: Vec<Dispatch>) -> Stage {
        Stage {
            shader: self.shader,
            specialization: self.specialization,
            footprint: Footprint { workgroup, shared_bytes },
            bindings: self.bindings,
            dispatches,
        }
    }
}

/// Magnitude of the first NaN code; 256 where NaN is no magnitude.
fn first_nan(f: Format) -> u32 {
    match f.specials() {
        Specials::Fnuz => 256,
        _ => (0..=f.magnitude_mask()).find(|&c| f.is_nan(c)).map_or(256, u32::from),
    }
}

/// Invocations of kernels that go through a tensor once.
pub const LINEAR: u32 = 256;

/// Bytes of workgroup memory that `lib/output.wgsl` takes.
pub fn output_shared(e: Element) -> u32 {
    if e.scaling().is_some() { 8 } else { 0 }
}

/// How the scales of an operand that is read lie, for the parameters of a shader: `in_groups!("x", &layout)`.
macro_rules! in_groups {
    ($role:literal, $layout:expr) => {{
        let map = $layout.group_map();
        [
            (concat!($role, "_row_stride"), map.row_stride),
            (concat!($role, "_row_groups"), map.row_groups),
            (concat!($role, "_col_stride"), map.col_stride),
            (concat!($role, "_col_groups"), map.col_groups),
        ]
    }};
}
pub(crate) use in_groups;

/// Extents of the inner axes along which operands broadcast, for `lib/rows.wgsl`.
pub(crate) fn axes(axes: &[Axis; 4]) -> [(&'static str, u32); 3] {
    [("axis_1", axes[1].extent), ("axis_2", axes[2].extent), ("axis_3", axes[3].extent)]
}

/// How an operand broadcasts, for `lib/rows.wgsl`: `steps!("x", &axes, a, cols)`, side `a` or `b` of the axes.
macro_rules! steps {
    ($role:literal, $axes:expr, $side:ident, $cols:expr) => {
        [
            (concat!($role, "_step_0"), $axes[0].$side),
            (concat!($role, "_step_1"), $axes[1].$side),
            (concat!($role, "_step_2"), $axes[2].$side),
            (concat!($role, "_step_3"), $axes[3].$side),
            (concat!($role, "_col_step"), u32::from($cols != 1)),
        ]
    };
}
pub(crate) use steps;

/// How a tensor's scales lie, for the parameters of a shader; names are those of role `out`.
pub fn out_groups(layout: &Layout) -> [(&'static str, u32); 5] {
    let map = layout.group_map();
    [
        ("out_groups", layout.groups() as u32),
        ("out_row_stride", map.row_stride),
        ("out_row_groups", map.row_groups),
        ("out_col_stride", map.col_stride),
        ("out_col_groups", map.col_groups),
    ]
}

/// Forgets amax and flags of `out` before codes are written.
pub fn reset(layout: &Layout, caps: &Capabilities) -> Stage {
    reset_of("out", layout, caps)
}

/// The same of an operand with another role.
pub fn reset_of(role: &'static str, layout: &Layout, caps: &Capabilities) -> Stage {
    let params = Params::new(&[("out_groups", layout.groups() as u32)]);
    let mut stage = StageBuilder::new(shader!("record/reset.wgsl")).record("out", 1, layout.element());
    stage.bindings[0].slot = scales(role);
    stage.linear(LINEAR, layout.groups(), params, 0, caps)
}
