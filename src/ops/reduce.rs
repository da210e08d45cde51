//! `reduce`: the largest magnitude of a tensor, of its rows or of its channels.

use super::{
    Case, Cost, Data, DescriptorError, Inputs, Kernel, Operation, Outputs, Purpose, Real,
    expect::expect_number,
};
use crate::{
    arguments,
    cpu::{self, HostArgs, Threads},
    dtype::Format,
    scale::{Granularity, Scales},
    tensor::{Draw, Element, Operand, values},
};
#[cfg(feature = "gpu")]
use crate::{
    gpu::{Capabilities, Params, Schedule, Stage, Tuning, Usage, bind},
    ops::binding::{self, StageBuilder, in_groups},
    shader::shader,
    tensor::{Layout, Slot},
};

/// out\[g\] = max |x| over the elements of group g: amax.
///
/// * `x`: `shape`, f32, f16, bf16 or 8-bit.
/// * `out`: \[groups of `shape` at `granularity`\], f32.
///
/// An integer maximum of |code · scale|, so it is the same on every backend, Inf and NaN win, and subnormal f32 count
/// as zero.
///
/// Errors: a `granularity` that does not fit the shape; shapes that cannot be.
#[derive(Clone, Debug, PartialEq)]
pub struct Reduce {
    /// Shape of `x`.
    pub shape: Vec<u32>,
    /// Elements of `x`.
    pub from: Element,
    /// Which elements share a maximum.
    pub granularity: Granularity,
}

arguments! {
    /// Tensors of one [`Reduce`].
    pub struct ReduceArgs for Reduce {
        /// Numbers.
        x,
        /// One maximum per group.
        out,
    } {}
}

impl Reduce {
    /// amax of each group.
    pub fn amax(shape: impl Into<Vec<u32>>, from: Element, granularity: Granularity) -> Self {
        Self { shape: shape.into(), from, granularity }
    }
}

impl Operation for Reduce {
    const NAME: &'static str = "reduce";
    const KERNELS: &'static [Kernel<Self>] = &[
        #[cfg(feature = "gpu")]
        Kernel::plain(schedule),
        Kernel::cpu(run),
    ];

    fn operands(&self) -> Result<Vec<Operand>, DescriptorError> {
        expect_number(Self::NAME, "from", self.from)?;
        let x = Operand::read("x", self.shape.clone(), self.from)
            .map_err(DescriptorError::layout(Self::NAME, "x"))?;
        let groups = self.granularity.groups(&self.shape).and_then(|g| u32::try_from(g).ok());
        let got = || {
            DescriptorError::new(
                Self::NAME,
                "granularity",
                "an axis of the shape, or blocks of one or more",
                self.granularity.to_string(),
            )
        };
        let out = Operand::write("out", [groups.ok_or_else(got)?], Element::F32);
        Ok(vec![x.draw(Draw::Rising), out.map_err(DescriptorError::layout(Self::NAME, "out"))?])
    }

    fn variant(&self) -> String {
        self.from.dtype().to_string()
    }

    fn cost(&self) -> Cost {
        let n = self.shape.iter().fold(1u64, |n, &d| n.saturating_mul(d.into()));
        Cost { flops: n, bytes: n.saturating_mul(self.from.dtype().bytes().into()) }
    }

    fn reference(&self, x: &Inputs) -> Outputs {
        let (map, cols) = (self.granularity.map(&self.shape), self.shape[self.shape.len() - 1] as usize);
        let groups = self.granularity.groups(&self.shape).unwrap_or(0) as usize;
        let mut out = vec![Real::exact(0.0); groups];
        for (i, v) in x.real("x").into_iter().enumerate() {
            let g = map.group(i / cols, i % cols);
            let v = v.abs();
            out[g] = if v.value < super::TINY { out[g] } else { v.max(out[g]) };
        }
        Outputs(vec![("out", out)])
    }

    fn cases() -> Vec<Case<Self>> {
        use Granularity::{Mx, PerBlock, PerChannel, PerTensor, PerToken};
        let mut all = vec![];
        let kinds = [Element::F32, Element::F16, Element::BF16];
        let coded = Format::ALL.into_iter().chain(super::kinds::FLEXIBLE).map(|f| Element::f8(f, PerToken));
        for from in kinds.into_iter().chain(coded) {
            for data in [Data::Random, Data::SmallIntegers, Data::Specials] {
                let op = Reduce::amax([6, 41], from, PerToken);
                all.push(Case::new(format!("{from} {data:?}"), Purpose::Edge, data, op));
            }
        }
        for from in [Element::F32, Element::F16, Element::f8(Format::E3M4FN, PerTensor)] {
            for (g, shape) in [
                (PerTensor, &[1u32][..]),
                (PerTensor, &[67, 301]),
                (PerToken, &[7, 19]),
                (PerChannel { axis: 0 }, &[9, 2, 33]),
                (PerChannel { axis: 1 }, &[2, 5, 16]),
                (PerChannel { axis: 2 }, &[4, 3, 17]),
                (PerBlock { rows: 3, cols: 5 }, &[4, 2, 17]),
                (PerBlock { rows: 1, cols: 128 }, &[5, 300]),
                (Mx { cols: 7 }, &[3, 40]),
            ] {
                for data in [Data::Random, Data::SmallIntegers] {
                    let op = Reduce::amax(shape, from, g);
                    all.push(Case::new(format!("{from} {g} {shape:?}"), Purpose::Smoke, data, op));
                }
            }
        }
        let op = |g| Reduce::amax([4096, 4096], Element::F32, g);
        all.push(Case::new("per tensor 4096x4096", Purpose::Bench, Data::Random, op(PerTensor)));
        all.push(Case::new("per token 4096x4096", Purpose::Bench, Data::Random, op(PerToken)));
        all
    }
}

#[cfg(feature = "gpu")]
fn schedule(o: &Reduce, _: &Tuning, caps: &Capabilities) -> Schedule {
    let [x, out] = o.operands().expect("validated").try_into().expect("two operands");
    let (x, out) = (x.layout, out.layout);
    let stages = row(&x, o.granularity, (values("out"), out.row_words() as u32), caps);
    Schedule { stages: stages.into(), workspace: vec![] }
}

/// amax of every group of `x` into a row of so many words.
#[cfg(feature = "gpu")]
fn row(x: &Layout, granularity: Granularity, (to, words): (Slot, u32), caps: &Capabilities) -> [Stage; 2] {
    let stage = amax_of(x).bind(bind(3, to, Usage::ReadWrite));
    [zero(to, words, caps), amax_stage(stage, x, granularity, caps)]
}

/// So many words of zeros.
#[cfg(feature = "gpu")]
pub(crate) fn zero(to: Slot, words: u32, caps: &Capabilities) -> Stage {
    StageBuilder::new(shader!("reduce/zero.wgsl")).bind(bind(1, to, Usage::Write)).linear(
        binding::LINEAR,
        words.into(),
        Params::new(&[("words", words)]),
        0,
        caps,
    )
}

#[cfg(feature = "gpu")]
fn amax_of(x: &Layout) -> StageBuilder {
    StageBuilder::new(shader!("reduce/amax.wgsl")).input("x", 1, 2, x.element())
}

#[cfg(feature = "gpu")]
fn amax_stage(stage: StageBuilder, x: &Layout, granularity: Granularity, caps: &Capabilities) -> Stage {
    let per_tensor = granularity == Granularity::PerTensor;
    let stage = if per_tensor { stage.define("OUT_PER_TENSOR") } else { stage };
    let groups = granularity.groups(x.shape()).expect("validated") as u32;
    let to = granularity.map(x.shape());
    let params =
        Params::new(&[("cols", x.cols()), ("x_quads", x.row_quads())]).and(&in_groups!("x", x)).and(&[
            ("out_groups", groups),
            ("out_row_stride", to.row_stride),
            ("out_row_groups", to.row_groups),
            ("out_col_stride", to.col_stride),
            ("out_col_groups", to.col_groups),
        ]);
    // One maximum per workgroup, where there is one for the tensor.
    let shared = if per_tensor { 4 } else { 0 };
    stage.stream(&[("x_origin", 1, x)], &params, shared, caps)
}

/// amax of `x` at the granularity of `out`, the first half of current scaling: into the record of `out` or, where it keeps
/// no maxima of groups, into this workspace, a word each.
#[cfg(feature = "gpu")]
pub(crate) fn amax(x: &Layout, out: &Layout, room: Slot, caps: &Capabilities) -> Vec<Stage> {
    let granularity = out.element().scaling().expect("an 8-bit output");
    if !granularity.keeps_amax() {
        return row(x, granularity, (room, out.groups() as u32), caps).into();
    }
    let stage = amax_of(x).define("TO_RECORD").record("out", 3, out.element());
    vec![amax_stage(stage, x, granularity, caps)]
}

fn run(o: &Reduce, args: &mut HostArgs<'_>, threads: Threads) {
    let [x, out] = o.operands().expect("validated").try_into().expect("two operands");
    let result = args.write(values("out"));
    let mut s = Scales::unit(o.granularity.in_f32(), out.layout.cols() as usize);
    let shape = (x.layout.rows() as usize, x.layout.cols() as usize);
    let x = cpu::Input::new(&x, args);
    let numbers = cpu::Made { cols: shape.1, fill: |row: usize, v: &mut [f32]| x.numbers(row, 0, v) };
    cpu::amax(shape, o.granularity.map(&o.shape), &mut s, threads, &numbers);
    result.fill(0);
    for (g, r) in result.iter_mut().enumerate().take(s.groups()) {
        *r = s.amax_of(g).to_bits();
    }
}
