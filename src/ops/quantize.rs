//! `quantize`: real numbers to 8-bit codes.

use super::{
    Case, Cost, Data, DescriptorError, Inputs, Kernel, Operation, Outputs, Purpose, Real, expect::unscaled,
};
use crate::{
    arguments,
    cpu::{self, HostArgs, Threads},
    dtype::{self, Format, Overflow, Philox, PowerRounding},
    scale::{Granularity, ScaleRule, Scales},
    tensor::{DType, Element, HostTensor, Layout, Operand, scales, values},
};
#[cfg(feature = "gpu")]
use crate::{
    dtype::F8E8M0FNU,
    gpu::{Capabilities, Params, Schedule, Stage, Tuning, Usage, bind},
    ops::{binding, binding::StageBuilder, reduce},
    shader::shader,
    tensor::Slot,
};

/// Where the scales of a quantised output come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Scaling {
    /// From the tensor itself: scale = amax / max, or a power of two by [`Quantize::rule`], found and used on the device with
    /// no round trip to the host. What recipes call current or dynamic scaling.
    #[default]
    Current,
    /// Given with the output tensor: static and delayed scaling. amax is recorded for whoever delays.
    Given,
}

/// How numbers become codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Rounding {
    /// To the nearest code, ties to the even one.
    #[default]
    NearestEven,
    /// To one of the two neighbours, each as likely as the number is near it: unbiased
    /// ([`Format::encode_stochastic`]). The random words come from the operand `seed`.
    Stochastic,
}

/// out = encode(x · inv_scale), with amax and flags in the record of `out`.
///
/// * `x`: `shape`, f32, f16 or bf16; with [`observed`](Self::observed) amax comes from its record, where the kernel that wrote it
///   left it, and `x` is read once. Bits are the same.
/// * `seed`, exactly when `rounding` is [`Rounding::Stochastic`]: \[4\], u32, the words of
///   [`Philox`](crate::dtype::Philox). It changes from step to step, so it is data.
/// * `out`: `shape`, `format` at `granularity`, any of them.
///
/// One f32 multiplication per element, subnormal f32 as zero of its sign, then nearest even; no division per element.
/// Stochastic rounding takes the word of the element's index in row-major order, padding not counted.
/// Bits are the same on every backend. A NaN stays NaN and raises `HAS_NAN`; overflow and Inf follow `overflow`. With
/// [`Scaling::Current`], scale follows from amax by `rule`, and inv_scale is 1 / scale, each rounded once; an amax that is not
/// finite gives scale 1 and raises `NON_FINITE_AMAX`.
///
/// Source: the quantisation of *Efficient Post-training Quantization with FP8 Formats* (arXiv 2309.14592), its
/// multiplier inverted: real = code × scale. MX blocks: *OCP Microscaling Formats (MX) Specification* 1.0.
///
/// Errors: an 8-bit `from`; `observed` with other scales than current ones per tensor; current scaling of MX blocks by a rule
/// that does not give powers of two; stochastic rounding to a format that is not
/// [f32-safe](Format::is_f32_safe), whose smallest steps f32 arithmetic may flush; shapes that cannot be.
///
/// ```
/// use quarter::{Context, dtype::Format, scale::Granularity, tensor::*, ops::*};
/// let ctx = Context::cpu();
/// let x = ctx.upload_blocking(&HostTensor::from_f32(&[1.0, -2.0, 0.25], [3])?)?;
/// let op = Quantize::new([3], DType::F32, Format::E5M2, Granularity::PerTensor);
/// let out = ctx.empty_blocking(&op.out()?)?;
/// let bound = ctx.plan_blocking(&op)?.bind(&QuantizeArgs::new(&x, &out))?;
/// ctx.run([&bound])?;
/// assert_eq!(ctx.download_blocking(&out)?.to_f32(), [1.0, -2.0, 0.25]);
/// # Ok::<(), quarter::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Quantize {
    /// Shape of both tensors.
    pub shape: Vec<u32>,
    /// Kind of `x`.
    pub from: DType,
    /// Format of the codes.
    pub format: Format,
    /// Which codes share a scale.
    pub granularity: Granularity,
    /// Where the scales come from.
    pub scaling: Scaling,
    /// How they follow from amax, where they are not given.
    pub rule: ScaleRule,
    /// What becomes of numbers beyond the largest code.
    pub overflow: Overflow,
    /// How numbers become codes.
    pub rounding: Rounding,
    /// Whether amax is taken from the record of `x` ([`Element::observed`]).
    pub observed: bool,
}

arguments! {
    /// Tensors of one [`Quantize`].
    pub struct QuantizeArgs for Quantize {
        /// Real numbers.
        x,
        /// Their codes.
        out,
    } {
        /// Where random words start; exactly when rounding is stochastic.
        seed,
    }
}

impl Quantize {
    /// Current scaling, saturating, to nearest even.
    pub fn new(shape: impl Into<Vec<u32>>, from: DType, format: Format, granularity: Granularity) -> Self {
        Self {
            shape: shape.into(),
            from,
            format,
            granularity,
            scaling: Scaling::Current,
            rule: ScaleRule::Amax,
            overflow: Overflow::Saturate,
            rounding: Rounding::NearestEven,
            observed: false,
        }
    }

    /// Where the scales come from.
    #[must_use]
    pub fn scaling(self, scaling: Scaling) -> Self {
        Self { scaling, ..self }
    }

    /// How scales follow from amax.
    #[must_use]
    pub fn rule(self, rule: ScaleRule) -> Self {
        Self { rule, ..self }
    }

    /// What becomes of numbers beyond the largest code.
    #[must_use]
    pub fn overflow(self, overflow: Overflow) -> Self {
        Self { overflow, ..self }
    }

    /// How numbers become codes.
    #[must_use]
    pub fn rounding(self, rounding: Rounding) -> Self {
        Self { rounding, ..self }
    }

    /// amax is in the record of `x`: for current scaling per tensor.
    #[must_use]
    pub fn observed(self) -> Self {
        Self { observed: true, ..self }
    }

    /// Layout of the output.
    ///
    /// # Errors
    /// [`DescriptorError`] when the descriptor contradicts itself.
    pub fn out(&self) -> Result<Layout, DescriptorError> {
        Ok(self.operands()?.swap_remove(1).layout)
    }
}

impl Operation for Quantize {
    const NAME: &'static str = "quantize";
    const KERNELS: &'static [Kernel<Self>] = &[
        #[cfg(feature = "gpu")]
        Kernel::plain(schedule),
        Kernel::cpu(run),
    ];

    fn operands(&self) -> Result<Vec<Operand>, DescriptorError> {
        let to = Element::f8(self.format, self.granularity);
        if self.scaling == Scaling::Current && !self.rule.suits(self.granularity) {
            return Err(DescriptorError::new(
                Self::NAME,
                "rule",
                format!("one that gives powers of two, for scales {}", self.granularity),
                format!("{:?}", self.rule),
            ));
        }
        let mut from = unscaled(Self::NAME, "from", self.from)?;
        if self.observed {
            if self.scaling != Scaling::Current || self.granularity != Granularity::PerTensor {
                let expected = "only with current scaling per tensor";
                let got = format!("{:?} scales {}", self.scaling, self.granularity);
                return Err(DescriptorError::new(Self::NAME, "observed", expected, got));
            }
            from = from.observed();
        }
        let x =
            Operand::read("x", self.shape.clone(), from).map_err(DescriptorError::layout(Self::NAME, "x"))?;
        let out = Operand::write("out", self.shape.clone(), to)
            .map_err(DescriptorError::layout(Self::NAME, "out"))?;
        let out = out.overflow(self.overflow);
        let out = if self.scaling == Scaling::Current { out.finds_scales(self.rule) } else { out };
        if self.rounding == Rounding::NearestEven {
            return Ok(vec![x, out]);
        }
        if !self.format.is_f32_safe() {
            return Err(DescriptorError::new(
                Self::NAME,
                "format",
                "one with magnitudes in [2^-63, 2^64), for stochastic rounding",
                self.format.to_string(),
            ));
        }
        let seed =
            Operand::read("seed", [4], Element::U32).map_err(DescriptorError::layout(Self::NAME, "seed"))?;
        Ok(vec![x, out.stochastic("seed"), seed])
    }

    fn variant(&self) -> String {
        let rounding = if self.rounding == Rounding::Stochastic { ".sr" } else { "" };
        format!("{}_{}{rounding}", self.from, self.format)
    }

    fn cost(&self) -> Cost {
        let n = self.shape.iter().fold(1u64, |n, &d| n.saturating_mul(d.into()));
        // Current scaling must know amax before it writes: it reads twice.
        let reads = if self.scaling == Scaling::Current && !self.observed { 2 } else { 1 };
        Cost { flops: n, bytes: n.saturating_mul(reads * u64::from(self.from.bytes()) + 1) }
    }

    fn reference(&self, x: &Inputs) -> Outputs {
        // Subnormals count as zero; their sign is the codec's to keep.
        let flush = |v: f64| if v.abs() < super::TINY { 0.0f64.copysign(v) } else { v };
        Outputs(vec![("out", x.codes("x").into_iter().map(|v| Real::exact(flush(v))).collect())])
    }

    fn cases() -> Vec<Case<Self>> {
        use Granularity::{Mx, PerBlock, PerChannel, PerTensor, PerToken};
        let q = |shape: &[u32], g| Quantize::new(shape, DType::F32, Format::E4M3FN, g);
        let mut all = vec![];
        for (i, f) in Format::ALL.into_iter().chain(super::kinds::FLEXIBLE).enumerate() {
            for data in [Data::Random, Data::SmallIntegers, Data::Specials] {
                for overflow in [Overflow::Saturate, Overflow::Strict] {
                    let from = [DType::F32, DType::F16, DType::Bf16][i % 3];
                    let op = Quantize { format: f, from, ..q(&[6, 37], PerTensor) }.overflow(overflow);
                    let given = op.clone().scaling(Scaling::Given);
                    all.push(Case::new(
                        format!("{f} {overflow:?} given {data:?}"),
                        Purpose::Edge,
                        data,
                        given,
                    ));
                    all.push(Case::new(
                        format!("{f} {overflow:?} current {data:?}"),
                        Purpose::Edge,
                        data,
                        op,
                    ));
                }
            }
        }
        for scaling in [Scaling::Given, Scaling::Current] {
            for data in [Data::Random, Data::SmallIntegers] {
                for from in [DType::F32, DType::F16, DType::Bf16] {
                    for (g, shape) in [
                        (PerTensor, &[1u32][..]),
                        (PerTensor, &[3, 1027]),
                        (PerToken, &[7, 19]),
                        (PerChannel { axis: 0 }, &[9, 2, 33]),
                        (PerChannel { axis: 1 }, &[2, 5, 16]),
                        (PerChannel { axis: 2 }, &[4, 3, 17]),
                        (PerBlock { rows: 3, cols: 5 }, &[4, 2, 17]),
                        (PerBlock { rows: 1, cols: 128 }, &[5, 300]),
                        (PerBlock { rows: 128, cols: 128 }, &[150, 200]),
                    ] {
                        let op = Quantize { from, ..q(shape, g) }.scaling(scaling);
                        all.push(Case::new(format!("{scaling:?} {g} {shape:?}"), Purpose::Smoke, data, op));
                    }
                }
            }
        }
        for f in Format::ALL.into_iter().chain(super::kinds::FLEXIBLE) {
            for scaling in [Scaling::Given, Scaling::Current] {
                let op = Quantize { format: f, ..q(&[13, 21], PerToken) }.scaling(scaling);
                all.push(Case::new(
                    format!("{f} {scaling:?} per token, specials"),
                    Purpose::Edge,
                    Data::Specials,
                    op,
                ));
            }
        }
        for (i, f) in Format::ALL.into_iter().chain(super::kinds::FLEXIBLE).enumerate() {
            let from = [DType::F32, DType::F16, DType::Bf16][i % 3];
            for data in [Data::Random, Data::SmallIntegers, Data::Specials] {
                let op = Quantize { format: f, from, ..q(&[5, 37], PerTensor) }.observed();
                all.push(Case::new(format!("{f} observed {from} {data:?}"), Purpose::Smoke, data, op));
            }
        }
        let powers = [PowerRounding::Floor, PowerRounding::Ceil, PowerRounding::Even].map(ScaleRule::Power);
        for f in Format::ALL.into_iter().chain(super::kinds::FLEXIBLE) {
            for rule in powers {
                for (data, g) in [
                    (Data::Random, Granularity::MX),
                    (Data::Specials, Mx { cols: 1 }),
                    (Data::Specials, PerTensor),
                    (Data::Random, PerToken),
                ] {
                    let op = Quantize { format: f, ..q(&[13, 99], g) }.rule(rule);
                    all.push(Case::new(format!("{f} {g} {rule:?} {data:?}"), Purpose::Edge, data, op));
                }
            }
        }
        for (i, rule) in powers.into_iter().enumerate() {
            for data in [Data::Random, Data::SmallIntegers] {
                let from = [DType::F32, DType::F16, DType::Bf16][i];
                let op = Quantize { from, ..q(&[3, 5, 70], Mx { cols: 7 }) }.rule(rule);
                let given = op.clone().scaling(Scaling::Given);
                all.push(Case::new(format!("mx {rule:?} {data:?}"), Purpose::Smoke, data, op));
                all.push(Case::new(format!("mx given {from} {data:?}"), Purpose::Smoke, data, given));
            }
        }
        for (i, f) in Format::ALL.into_iter().chain(super::kinds::FLEXIBLE).enumerate() {
            let from = [DType::F32, DType::F16, DType::Bf16][i % 3];
            for data in [Data::Random, Data::SmallIntegers, Data::Specials] {
                for overflow in [Overflow::Saturate, Overflow::Strict] {
                    let op = Quantize { format: f, from, ..q(&[11, 37], PerToken) }.overflow(overflow);
                    let op = op.scaling(if i % 2 == 0 { Scaling::Given } else { Scaling::Current });
                    let op = op.rounding(Rounding::Stochastic);
                    all.push(Case::new(
                        format!("{f} {overflow:?} stochastic {data:?}"),
                        Purpose::Edge,
                        data,
                        op,
                    ));
                }
            }
        }
        for data in [Data::Random, Data::SmallIntegers] {
            for scaling in [Scaling::Given, Scaling::Current] {
                let op = q(&[5, 131], PerTensor).scaling(scaling).rounding(Rounding::Stochastic);
                all.push(Case::new(format!("{scaling:?} stochastic {data:?}"), Purpose::Smoke, data, op));
            }
        }
        for (name, from) in [("f32", DType::F32), ("f16", DType::F16)] {
            let op = Quantize { from, ..q(&[4096, 4096], PerTensor) };
            all.push(Case::new(
                format!("{name} current 4096x4096"),
                Purpose::Bench,
                Data::Random,
                op.clone(),
            ));
            let op = op.scaling(Scaling::Given);
            all.push(Case::new(format!("{name} given 4096x4096"), Purpose::Bench, Data::Random, op.clone()));
            let seen = Quantize { from, ..q(&[4096, 4096], PerTensor) }.observed();
            all.push(Case::new(format!("{name} observed 4096x4096"), Purpose::Bench, Data::Random, seen));
            let mx = Quantize { from, ..q(&[4096, 4096], Granularity::MX) }
                .rule(ScaleRule::Power(PowerRounding::Floor));
            all.push(Case::new(format!("{name} mx 4096x4096"), Purpose::Bench, Data::Random, mx));
            let op = op.rounding(Rounding::Stochastic);
            all.push(Case::new(format!("{name} stochastic 4096x4096"), Purpose::Bench, Data::Random, op));
        }
        all
    }
}

#[cfg(feature = "gpu")]
fn schedule(o: &Quantize, _: &Tuning, caps: &Capabilities) -> Schedule {
    let (x, out) = layouts(o);
    let mut stages = vec![binding::reset(&out, caps)];
    let mut workspace = vec![];
    if o.scaling == Scaling::Current {
        if !o.observed {
            stages.extend(reduce::amax(&x, &out, Slot::Workspace(0), caps));
        }
        stages.push(derive(o, &x, &out, caps));
        if !o.granularity.keeps_amax() {
            workspace.push(4 * out.groups().next_multiple_of(4));
        }
    }
    let params =
        Params::new(&[("cols", out.cols()), ("x_quads", x.row_quads()), ("out_quads", out.row_quads())])
            .and(&binding::out_groups(&out));
    let mut stage = StageBuilder::new(shader!("quantize/encode.wgsl")).operand("x", 1, x.element()).output(
        "out",
        2,
        3,
        out.element(),
        o.overflow,
    );
    if o.rounding == Rounding::Stochastic {
        stage = stage.define("OUT_STOCHASTIC").bind(bind(4, values("seed"), Usage::Read));
    }
    let shared = binding::output_shared(out.element());
    stages.push(stage.stream(&[("out_origin", 2, &out), ("x_origin", 1, &x)], &params, shared, caps));
    Schedule { stages, workspace }
}

fn layouts(o: &Quantize) -> (Layout, Layout) {
    let mut all = o.operands().expect("validated").into_iter().map(|o| o.layout);
    let mut next = || all.next().expect("an operand of quantize");
    (next(), next())
}

/// Every group's scale from its amax.
#[cfg(feature = "gpu")]
fn derive(o: &Quantize, x: &Layout, out: &Layout, caps: &Capabilities) -> Stage {
    let max = o.format.max().to_bits();
    let mut stage = StageBuilder::new(shader!("quantize/scale.wgsl")).record("out", 1, out.element());
    let mut up_from = 0;
    if let ScaleRule::Power(rounding) = o.rule {
        stage = stage.define("POWERS");
        up_from = F8E8M0FNU::up_from(o.format, rounding);
    }
    let params = Params::new(&[("out_groups", out.groups() as u32), ("max_bits", max), ("up_from", up_from)]);
    if o.observed {
        stage = stage.define(&format!("X_{}", binding::kind(o.from))).scale("x", 2, x.element());
    }
    let mut items = out.groups();
    if !o.granularity.keeps_amax() {
        stage = stage.bind(bind(2, Slot::Workspace(0), Usage::Read));
        items = items.div_ceil(4);
    }
    stage.linear(64, items, params, 0, caps)
}

fn run(o: &Quantize, args: &mut HostArgs<'_>, threads: Threads) {
    let (x, out) = layouts(o);
    let [x, out] = cpu::long_rows([x, out]);
    let (words, codes, record) =
        (args.read(values("x")), args.write(values("out")), args.write(scales("out")));
    let (mut s, map) = (out.scales(record), out.group_map());
    s.reset();
    let numbers = cpu::Stored { layout: &x, words };
    let mut maxima = Scales::unit(o.granularity.in_f32(), s.groups());
    if o.observed {
        // As it is after rounding, which keeps the order.
        let amax = f32::from_bits(x.scales(args.read(scales("x"))).record().amax_bits);
        let stored = HostTensor::from_f32_as(o.from, &[amax], [1]).expect("one number").to_f32();
        maxima.see(0, cpu::magnitude(stored[0]));
    } else {
        cpu::amax((x.rows() as usize, x.cols() as usize), map, &mut maxima, threads, &numbers);
    }
    s.join(&maxima);
    if o.scaling == Scaling::Current {
        s.derive_from(&maxima, o.rule, o.format).expect("validated");
    }
    match o.rounding {
        Rounding::NearestEven => {
            cpu::store_rows(&out, codes, Some(&mut s), o.overflow, threads, &numbers);
        }
        Rounding::Stochastic => {
            let seed = args.read(values("seed"));
            let random = Philox::from_words([seed[0], seed[1], seed[2], seed[3]]);
            let encode = |row: usize, v: &[f32], inv_scale: Option<f32>, words: &mut [u32]| {
                let mut v = v.to_vec();
                if let Some(inv_scale) = inv_scale {
                    cpu::scale_all(&mut v, inv_scale);
                }
                let (codes, padding) = bytemuck::cast_slice_mut::<u32, u8>(words).split_at_mut(v.len());
                let first = row as u64 * u64::from(out.cols());
                dtype::encode_slice_stochastic(o.format, o.overflow, random, first, &v, codes)
                    .expect("equal lengths");
                padding.fill(0);
            };
            cpu::store_by(&out, codes, Some(&mut s), threads, &numbers, encode);
        }
    }
    record.copy_from_slice(s.words());
}
