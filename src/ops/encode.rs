//! `encode`: numbers to codes of a codebook.

use super::{
    Case, Cost, Data, DescriptorError, Inputs, Kernel, Operation, Outputs, Purpose, Real, expect::unscaled,
};
use crate::{
    arguments,
    cpu::{self, HostArgs, Input, Threads},
    dtype::S2fp8,
    scale::{ScaleRule, Scales, flags},
    tensor::{DType, Draw, Element, Layout, Operand, scales, values},
};
#[cfg(feature = "gpu")]
use crate::{
    gpu::{Capabilities, Dispatch, Params, Schedule, Stage, Tuning, Usage, bind},
    ops::{
        binding::{self, StageBuilder},
        reduce,
    },
    shader::shader,
    tensor::Slot,
};

/// Which codebook codes are of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Coding {
    /// The one that `out` comes with.
    #[default]
    Given,
    /// S2FP8's of the live tensor ([`S2fp8`]), which `out` then has: found and used on the device.
    S2fp8,
}

/// out = the code of the nearest number of a [`Codebook`](crate::dtype::Codebook).
///
/// * `x`: `shape`, f32, f16 or bf16.
/// * `out`: `shape`, codes of a codebook ([`Element::CODE8`]): given, or that of S2FP8, whose statistics are sums of integers.
///
/// No arithmetic of floats: codes, and the codebook if it is found, are the same bits on every backend. amax is that of x. Subnormal
/// x count as zero. NaN becomes a code that means it; where none does code 0, and the record says that it was lost. Infinite or NaN
/// amax: flagged where the codebook is found, whose statistics leave them out.
///
/// Source: S2FP8 as *Shifted and Squeezed 8-bit Floating Point Format for Low-Precision Training of Deep Neural Networks* (arXiv
/// 2001.05674) has it.
///
/// Errors: an `x` that is not f32, f16 or bf16; shapes that cannot be.
///
/// ```
/// use quarter::{Context, dtype::Codebook, scale::Scales, tensor::*, ops::*};
/// let ctx = Context::cpu();
/// let x = ctx.upload_blocking(&HostTensor::from_f32(&[1e-9, -4e-9, 0.0, 2e-9], [4])?)?;
/// let encode = Encode::new([4], DType::F32).coding(Coding::S2fp8);
/// let out = ctx.empty_blocking(&encode.out()?)?;
/// ctx.run([&ctx.plan_blocking(&encode)?.bind(&EncodeArgs::new(&x, &out))?])?;
/// let y = ctx.download_blocking(&out)?;
/// assert_eq!(y.codes()?[1], 0xF8); // the largest becomes ±2¹⁵ in E5M2
/// assert_eq!(y.to_f32()[2], 0.0);
/// # Ok::<(), quarter::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Encode {
    /// Shape of both tensors.
    pub shape: Vec<u32>,
    /// Kind of `x`.
    pub from: DType,
    /// Where the codebook comes from.
    pub coding: Coding,
}

arguments! {
    /// Tensors of one [`Encode`].
    pub struct EncodeArgs for Encode {
        /// Numbers.
        x,
        /// Codes and their codebook.
        out,
    } {}
}

impl Encode {
    /// Codes of the codebook that `out` comes with ([`Context::empty_scaled`](crate::Context::empty_scaled)).
    pub fn new(shape: impl Into<Vec<u32>>, from: DType) -> Self {
        Self { shape: shape.into(), from, coding: Coding::Given }
    }

    /// Where the codebook comes from.
    #[must_use]
    pub fn coding(self, coding: Coding) -> Self {
        Self { coding, ..self }
    }

    /// Layout of the output.
    ///
    /// # Errors
    /// [`DescriptorError`] when the descriptor contradicts itself.
    pub fn out(&self) -> Result<Layout, DescriptorError> {
        Ok(self.operands()?.swap_remove(1).layout)
    }
}

impl Operation for Encode {
    const NAME: &'static str = "encode";
    const KERNELS: &'static [Kernel<Self>] = &[
        #[cfg(feature = "gpu")]
        Kernel::plain(schedule),
        Kernel::cpu(run),
    ];

    fn operands(&self) -> Result<Vec<Operand>, DescriptorError> {
        let from = unscaled(Self::NAME, "from", self.from)?;
        let x =
            Operand::read("x", self.shape.clone(), from).map_err(DescriptorError::layout(Self::NAME, "x"))?;
        let out = Operand::write("out", self.shape.clone(), Element::CODE8)
            .map_err(DescriptorError::layout(Self::NAME, "out"))?;
        let found = self.coding == Coding::S2fp8;
        Ok(vec![x.draw(Draw::Rising), if found { out.finds_scales(ScaleRule::Amax) } else { out }])
    }

    fn variant(&self) -> String {
        let found = if self.coding == Coding::S2fp8 { ".s2fp8" } else { "" };
        format!("{}{found}", self.from)
    }

    fn cost(&self) -> Cost {
        let n = self.shape.iter().fold(1u64, |n, &d| n.saturating_mul(d.into()));
        // Statistics first: x is read twice.
        let reads = if self.coding == Coding::S2fp8 { 2 } else { 1 };
        Cost { flops: n, bytes: n.saturating_mul(reads * u64::from(self.from.bytes()) + 1) }
    }

    fn reference(&self, x: &Inputs) -> Outputs {
        Outputs(vec![("out", x.codes("x").into_iter().map(Real::exact).collect())])
    }

    fn cases() -> Vec<Case<Self>> {
        let mut all = vec![];
        for coding in [Coding::Given, Coding::S2fp8] {
            for data in [Data::Random, Data::SmallIntegers, Data::Specials] {
                for from in [DType::F32, DType::F16, DType::Bf16] {
                    for shape in [&[1u32][..], &[3], &[4, 2, 33], &[7, 259], &[3, 4099]] {
                        let op = Encode::new(shape, from).coding(coding);
                        let purpose = if shape.len() == 3 { Purpose::Edge } else { Purpose::Smoke };
                        all.push(Case::new(
                            format!("{from} {coding:?} {shape:?} {data:?}"),
                            purpose,
                            data,
                            op,
                        ));
                    }
                }
            }
        }
        for coding in [Coding::Given, Coding::S2fp8] {
            let op = Encode::new([4096, 4096], DType::F32).coding(coding);
            all.push(Case::new(format!("f32 {coding:?} 4096x4096"), Purpose::Bench, Data::Random, op));
        }
        all
    }
}

#[cfg(feature = "gpu")]
fn schedule(o: &Encode, _: &Tuning, caps: &Capabilities) -> Schedule {
    let [x, out] = o.operands().expect("validated").try_into().expect("two operands");
    let (x, out) = (x.layout, out.layout);
    let mut stages = vec![binding::reset(&out, caps)];
    let mut workspace = vec![];
    if o.coding == Coding::S2fp8 {
        stages.extend(find(&x, caps));
        workspace.push(4 * u64::from(SUMS));
    }
    let params = Params::new(&[("x_quads", x.row_quads()), ("out_quads", out.row_quads())]);
    // Thresholds and codes in order; amax.
    let shared = 4 * (256 + 64 + 1);
    stages.push(
        StageBuilder::new(shader!("encode/encode.wgsl"))
            .operand("x", 1, x.element())
            .bind(bind(2, values("out"), Usage::Write))
            .record("out", 3, out.element())
            .stream(&[("out_origin", 2, &out), ("x_origin", 1, &x)], &params, shared, caps),
    );
    Schedule { stages, workspace }
}

/// Words of the workspace: `shaders/encode/sums.wgsl`, to a multiple of four.
#[cfg(feature = "gpu")]
const SUMS: u32 = 8;

/// Statistics, and the codebook that they give.
#[cfg(feature = "gpu")]
fn find(x: &Layout, caps: &Capabilities) -> [Stage; 3] {
    let sums = Slot::Workspace(0);
    // Two tables, and the sums of a workgroup.
    let shared = 4 * (2 * 32 + 6);
    let statistics = StageBuilder::new(shader!("encode/statistics.wgsl"))
        .operand("x", 1, x.element())
        .bind(bind(2, sums, Usage::ReadWrite))
        .stream(&[("x_origin", 1, x)], &Params::new(&[]), shared, caps);
    let codebook = StageBuilder::new(shader!("encode/codebook.wgsl"))
        .bind(bind(1, scales("out"), Usage::ReadWrite))
        .bind(bind(2, sums, Usage::Read))
        .build(
            [128, 1, 1],
            16,
            vec![Dispatch::linear(1, Params::new(&[("least_range", S2fp8::LEAST_RANGE)]), caps)],
        );
    [reduce::zero(sums, SUMS, caps), statistics, codebook]
}

fn run(o: &Encode, args: &mut HostArgs<'_>, threads: Threads) {
    let [x, out] = o.operands().expect("validated").try_into().expect("two operands");
    let x = Input::new(&x, args);
    let (rows, cols) = (out.layout.rows() as usize, out.layout.cols() as usize);
    let (codes, record) = (args.write(values("out")), args.write(scales("out")));
    let mut s = out.layout.scales(record);
    let piece = threads.piece(rows, 1);
    if o.coding == Coding::S2fp8 {
        let parts = threads.for_each((0..rows).step_by(piece), |first| {
            let mut v = vec![0.0; cols];
            let mut of_part = S2fp8::default();
            for row in first..rows.min(first + piece) {
                x.numbers(row, 0, &mut v);
                of_part.see(&v);
            }
            of_part
        });
        let all = parts.iter().fold(S2fp8::default(), |mut all, part| {
            all.join(part);
            all
        });
        s = Scales::with_codebook(&all.codebook());
    }
    s.reset();
    let codebook = s.codebook().expect("codes of a codebook");
    let encode = codebook.encoder();
    let row_words = out.layout.row_words();
    let pieces = codes.chunks_mut(piece * row_words).enumerate();
    let seen = threads.for_each(pieces, |(i, words)| {
        let (mut v, mut amax) = (vec![0.0; cols], 0);
        for (row, words) in (i * piece..).zip(words.chunks_exact_mut(row_words)) {
            x.numbers(row, 0, &mut v);
            amax = amax.max(cpu::largest(&v));
            let (codes, padding) = bytemuck::cast_slice_mut::<u32, u8>(words).split_at_mut(cols);
            encode(&v, codes);
            padding.fill(0);
        }
        amax
    });
    seen.into_iter().for_each(|amax| s.see(0, amax));
    // NaN wins the maximum.
    let amax = f32::from_bits(s.record().amax_bits);
    if amax.is_nan() {
        s.raise(flags::HAS_NAN | if codebook.nan_code().is_none() { flags::LOST_NAN } else { 0 });
    }
    if o.coding == Coding::S2fp8 && !amax.is_finite() {
        s.raise(flags::NON_FINITE_AMAX);
    }
    record.copy_from_slice(s.words());
}
