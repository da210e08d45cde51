//! `delayed_scale`: the scale of the next step from the maxima of those before it.

use super::{
    Case, Cost, Data, DescriptorError, Inputs, Kernel, Operation, Outputs, Purpose, Real, expect::expect_some,
};
use crate::{
    arguments,
    cpu::{HostArgs, Threads},
    dtype::{Format, PowerRounding},
    scale::{Granularity, ScaleRule},
    tensor::{Draw, Element, Layout, Operand, scales, values},
};
#[cfg(feature = "gpu")]
use crate::{
    dtype::F8E8M0FNU,
    gpu::{Capabilities, Dispatch, Params, Schedule, Tuning, Usage, bind},
    ops::binding::StageBuilder,
    shader::shader,
};

/// Which amax of the history the scale follows from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum AmaxOf {
    /// The largest of all.
    #[default]
    History,
    /// The newest.
    MostRecent,
}

/// Delayed scaling: history ← (amax of `x`, history without its oldest); scale of `x` ← rule(2^margin · max of the history), for
/// every group of its scales.
///
/// * `x`: `shape`, 8-bit, any granularity but MX blocks, which keep no amax. Only its record and scales are touched.
/// * `history`: \[`length`, groups of `x`\], f32, newest first; updated. Zeros to begin with.
///
/// Recorded before the kernel that writes `x`: it reads the amax that the step before left, and sets the scale that this step
/// quantises by. So codes and scales belong together from one step's writing to the next one's beginning, and no scale ever
/// travels to the host.
///
/// An amax that is infinite or NaN does not enter the history and changes no scale. A history of zeros changes none either: the
/// first step quantises by the scale that the tensor came with. 2^margin · amax stops at the largest f32.
///
/// Source: the delayed recipe of NVIDIA's Transformer Engine (`amax_history_len` 1024, `amax_compute_algo` max or most_recent, margin
/// 0 by default), its multiplier inverted; *Efficient Post-training Quantization with FP8 Formats* has no such recipe.
///
/// Bits are the same on every backend.
///
/// Errors: elements that are not 8-bit, or of MX blocks; a length of 0; a margin above 126; shapes that cannot be.
///
/// ```
/// use quarter::{Context, dtype::Format, scale::*, tensor::*, ops::*};
/// let ctx = Context::cpu();
/// let x = ctx.upload_blocking(&HostTensor::from_f32(&[1.0, -2.0, 0.5], [3])?)?;
/// let quantize = Quantize::new([3], DType::F32, Format::E5M2, Granularity::PerTensor).scaling(Scaling::Given);
/// let out = ctx.empty_blocking(&quantize.out()?)?;
/// let delay = DelayedScale::new([3], out.layout().element());
/// let history = ctx.upload_blocking(&delay.history()?)?;
/// let delay = ctx.plan_blocking(&delay)?.bind(&DelayedScaleArgs::new(&out, &history))?;
/// let quantize = ctx.plan_blocking(&quantize)?.bind(&QuantizeArgs::new(&x, &out))?;
/// ctx.run([&delay, &quantize])?; // by scale 1
/// ctx.run([&delay, &quantize])?; // by the amax of the first step
/// assert_eq!(ctx.download_blocking(&out)?.scales().unwrap().scale_of(0), 2.0 / 57344.0);
/// # Ok::<(), quarter::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct DelayedScale {
    /// Shape of the tensor.
    pub shape: Vec<u32>,
    /// Its elements.
    pub x: Element,
    /// Steps that are remembered.
    pub length: u32,
    /// Which of them count.
    pub amax: AmaxOf,
    /// Powers of two of room above the largest amax.
    pub margin: u32,
    /// How the scale follows.
    pub rule: ScaleRule,
}

arguments! {
    /// Tensors of one [`DelayedScale`].
    pub struct DelayedScaleArgs for DelayedScale {
        /// The tensor whose scales are set.
        x,
        /// Its maxima, newest first.
        history,
    } {}
}

impl DelayedScale {
    /// A history of 1024, its largest amax, no margin.
    pub fn new(shape: impl Into<Vec<u32>>, x: Element) -> Self {
        let (amax, rule) = (AmaxOf::History, ScaleRule::Amax);
        Self { shape: shape.into(), x, length: 1024, amax, margin: 0, rule }
    }

    /// Steps that are remembered.
    #[must_use]
    pub fn length(self, length: u32) -> Self {
        Self { length, ..self }
    }

    /// Which of them count.
    #[must_use]
    pub fn amax(self, amax: AmaxOf) -> Self {
        Self { amax, ..self }
    }

    /// Powers of two of room above the largest amax.
    #[must_use]
    pub fn margin(self, margin: u32) -> Self {
        Self { margin, ..self }
    }

    /// How the scale follows.
    #[must_use]
    pub fn rule(self, rule: ScaleRule) -> Self {
        Self { rule, ..self }
    }

    /// A history of zeros.
    ///
    /// # Errors
    /// As planning.
    pub fn history(&self) -> Result<crate::tensor::HostTensor, crate::Error> {
        let layout = self.operands()?.swap_remove(1).layout;
        let zeros = vec![0.0; layout.elements() as usize];
        Ok(crate::tensor::HostTensor::from_f32(&zeros, layout.shape())?)
    }
}

/// The largest exponent of 2 by which f32 can be raised from its smallest normal number without leaving its range.
const LARGEST_MARGIN: u32 = 126;

impl Operation for DelayedScale {
    const NAME: &'static str = "delayed_scale";
    const KERNELS: &'static [Kernel<Self>] = &[
        #[cfg(feature = "gpu")]
        Kernel::plain(schedule),
        Kernel::cpu(run),
    ];

    fn operands(&self) -> Result<Vec<Operand>, DescriptorError> {
        let fail = |what, expected: &str, got| Err(DescriptorError::new(Self::NAME, what, expected, got));
        if self.x.format().is_none() {
            return fail("x", "an 8-bit format", self.x.to_string());
        }
        if self.x.scaling().is_some_and(|g| !g.keeps_amax()) {
            return fail("x", "scales that keep amax, as those of mx blocks do not", self.x.to_string());
        }
        expect_some(Self::NAME, &[("length", self.length)])?;
        if self.margin > LARGEST_MARGIN {
            return fail("margin", "at most 126", self.margin.to_string());
        }
        let x = Operand::read("x", self.shape.clone(), self.x)
            .map_err(DescriptorError::layout(Self::NAME, "x"))?;
        // What a layout has fits u32.
        let shape = [self.length, x.layout.groups() as u32];
        let history = Operand::update("history", shape, Element::F32)
            .map_err(DescriptorError::layout(Self::NAME, "history"))?;
        Ok(vec![x.rescaled(), history.draw(Draw::Positive)])
    }

    fn variant(&self) -> String {
        self.x.dtype().to_string()
    }

    fn cost(&self) -> Cost {
        let groups = Layout::new(self.shape.clone(), self.x).map_or(0, |l| l.groups());
        let maxima = groups.saturating_mul(self.length.into());
        Cost { flops: maxima, bytes: maxima.saturating_mul(8).saturating_add(groups.saturating_mul(12)) }
    }

    fn reference(&self, given: &Inputs) -> Outputs {
        let s = given.tensor("x").scales().expect("an 8-bit tensor");
        let format = self.x.format().expect("validated");
        let (groups, length) = (s.groups(), self.length as usize);
        let mut history = given.codes("history");
        let mut next = vec![];
        for g in 0..groups {
            let amax = f64::from(s.amax_of(g));
            let mut scale = s.scale_of(g);
            if amax.is_finite() {
                for i in (1..length).rev() {
                    history[i * groups + g] = history[(i - 1) * groups + g];
                }
                history[g] = amax;
                let counted = if self.amax == AmaxOf::MostRecent { 1 } else { length };
                let seen = (0..counted).map(|i| history[i * groups + g].abs()).filter(|v| v.is_finite());
                let most = seen.fold(0.0, f64::max);
                if most >= super::TINY {
                    let raised = (most * 2f64.powi(self.margin as i32)).min(f32::MAX.into());
                    scale = self.rule.scale(raised as f32, format).get();
                }
            }
            next.push(Real::exact(scale.into()));
        }
        Outputs(vec![("x", next), ("history", history.into_iter().map(Real::exact).collect())])
    }

    fn cases() -> Vec<Case<Self>> {
        use Granularity::{PerBlock, PerChannel, PerTensor, PerToken};
        let e4m3 = |g| Element::f8(Format::E4M3FN, g);
        let mut all = vec![];
        let shape = [5u32, 3, 17];
        for g in [
            PerTensor,
            PerToken,
            PerChannel { axis: 0 },
            PerChannel { axis: 2 },
            PerBlock { rows: 2, cols: 5 },
        ] {
            for (i, length) in [1, 3, 64, 65, 200].into_iter().enumerate() {
                for data in [Data::SmallIntegers, Data::Random, Data::Specials] {
                    let op = DelayedScale::new(shape, e4m3(g)).length(length).margin([0, 1, 7, 0, 126][i]);
                    let label = format!("{g} of {length} {data:?}");
                    all.push(Case::new(label.clone(), Purpose::Smoke, data, op.clone()));
                    let op = op.amax(AmaxOf::MostRecent).rule(ScaleRule::Power(PowerRounding::Ceil));
                    all.push(Case::new(format!("{label}, the newest"), Purpose::Smoke, data, op));
                }
            }
        }
        for f in Format::ALL.into_iter().chain(super::kinds::FLEXIBLE) {
            for data in [Data::Random, Data::Specials] {
                let op = DelayedScale::new([7, 9], Element::f8(f, PerToken)).length(4).margin(2);
                all.push(Case::new(format!("{f} {data:?}"), Purpose::Edge, data, op));
            }
        }
        let op = DelayedScale::new([4096, 4096], e4m3(PerTensor));
        all.push(Case::new("per tensor, 1024 steps", Purpose::Bench, Data::Random, op));
        all
    }
}

#[cfg(feature = "gpu")]
fn schedule(o: &DelayedScale, _: &Tuning, caps: &Capabilities) -> Schedule {
    /// Maxima that move at once.
    const LANES: u32 = 64;
    let [x, history] = o.operands().expect("validated").try_into().expect("two operands");
    let format = o.x.format().expect("validated");
    let mut stage = StageBuilder::new(shader!("delayed_scale/update.wgsl"))
        .record("x", 1, o.x)
        .bind(bind(2, values("history"), Usage::ReadWrite))
        .constant("WORKGROUP", LANES);
    if o.amax == AmaxOf::MostRecent {
        stage = stage.define("MOST_RECENT");
    }
    let mut up_from = 0;
    if let ScaleRule::Power(rounding) = o.rule {
        stage = stage.define("POWERS");
        up_from = F8E8M0FNU::up_from(format, rounding);
    }
    let params = Params::new(&[
        ("x_groups", x.layout.groups() as u32),
        ("length", o.length),
        ("pitch", history.layout.row_words() as u32),
        ("margin", o.margin),
        ("max_bits", format.max().to_bits()),
        ("up_from", up_from),
    ]);
    let dispatch = Dispatch::linear(x.layout.groups(), params, caps);
    Schedule { stages: vec![stage.build([LANES, 1, 1], 4, vec![dispatch])], workspace: vec![] }
}

fn run(o: &DelayedScale, args: &mut HostArgs<'_>, _: Threads) {
    let [x, history] = o.operands().expect("validated").try_into().expect("two operands");
    let format = o.x.format().expect("validated");
    let (record, maxima) = (args.write(scales("x")), args.write(values("history")));
    let mut s = x.layout.scales(record);
    let (length, pitch) = (o.length as usize, history.layout.row_words());
    for g in 0..s.groups() {
        let amax = s.amax_of(g);
        if !amax.is_finite() {
            continue;
        }
        for i in (1..length).rev() {
            maxima[i * pitch + g] = maxima[(i - 1) * pitch + g];
        }
        maxima[g] = amax.to_bits();
        let counted = if o.amax == AmaxOf::MostRecent { 1 } else { length };
        let magnitudes = (0..counted).map(|i| maxima[i * pitch + g] & 0x7FFF_FFFF);
        let most = magnitudes.filter(|m| *m < f32::INFINITY.to_bits()).max().unwrap_or(0);
        if most >= f32::MIN_POSITIVE.to_bits() {
            let raised = (most + (o.margin << 23)).min(f32::MAX.to_bits());
            s.try_set(g, o.rule.scale(f32::from_bits(raised), format)).expect("an f32 scale");
        }
    }
    record.copy_from_slice(s.words());
}
