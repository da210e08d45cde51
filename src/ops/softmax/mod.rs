//! `softmax`: rows as shares of one.

mod cases;
mod cpu;
#[cfg(feature = "gpu")]
mod gpu;
#[cfg(test)]
mod tests;

use super::{
    Arithmetic, Case, Cost, DescriptorError, Inputs, Kernel, Operation, Outputs, Real,
    expect::{expect_number, unscaled},
    gemm::batch::{self, Batches},
    operation::elements,
};
use crate::{
    arguments,
    dtype::Overflow,
    tensor::{DType, Draw, Element, Operand},
};

/// Which columns the rows of a [`Softmax`] see by their own place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Causal {
    /// All.
    #[default]
    No,
    /// Row i of n sees columns j ≤ i + cols − n: the last row sees all, as flash-attention has it.
    Aligned,
    /// Row i sees columns j ≤ i + offset, the operand `offset`: how many came before, which changes at every step.
    Offset,
}

/// out = softmax(scale · x + mask) along the last axis.
///
/// * `x`: `shape`, f32, f16, bf16 or 8-bit at any granularity.
/// * `mask`: `mask_shape`, f32, f16 or bf16, if the descriptor has it; added, broadcast to `shape` as NumPy does.
/// * `offset`: \[1\], u32, exactly with [`Causal::Offset`]. Rows are counted along the last axis but one.
/// * `lengths`: \[shape\[0\]\], u32, if the descriptor has them: how many columns the rows below each index of the
///   outermost axis see; more than there are means all.
/// * `out`: `shape`, f32, f16, bf16, or 8-bit with given scales.
///
/// The largest logit is subtracted; logits, sums and quotients are f32. What `causal` or `lengths` hide does not exist:
/// it is 0 and its NaN does not matter. A row that sees nothing, or nothing but −Inf, is 0. A NaN or +Inf among what is
/// seen makes all that is seen NaN, as Inf − Inf is; −Inf of the mask is a number like others, so −Inf + NaN is NaN.
/// A finite mask such as −3.4·10³⁸ hides nothing from a row that has nothing else. A logit beyond the range of f32 is Inf.
///
/// Source: the softmax of PyTorch and ONNX (operator 13), but for rows of −Inf, which are NaN there.
///
/// Error: that of f32 with e^x within 3 + 2·|x| ulp and quotients within 2.5, as WGSL allows, sums by a tree; then the
/// rounding of `out`. Where logits are equal or so far apart that e^x vanishes, and the largest ones' number is a
/// power of two, exact.
///
/// Errors: a scale that is zero, subnormal or not finite; a mask that is 8-bit or does not broadcast; `causal` or `lengths`
/// of a single row; shapes that cannot be.
///
/// ```
/// use quarter::{Context, ops::*, tensor::*};
/// let ctx = Context::cpu();
/// let x = ctx.upload_blocking(&HostTensor::from_f32(&[5.0, 5.0, 5.0, 5.0], [2, 2])?)?;
/// let y = ctx.empty_blocking(x.layout())?;
/// let op = Softmax::new([2, 2]).causal(Causal::Aligned);
/// ctx.run([&ctx.plan_blocking(&op)?.bind(&SoftmaxArgs::new(&x, &y))?])?;
/// assert_eq!(ctx.download_blocking(&y)?.to_f32(), [1.0, 0.0, 0.5, 0.5]);
/// # Ok::<(), quarter::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Softmax {
    /// Shape of `x` and `out`.
    pub shape: Vec<u32>,
    /// Elements of `x`.
    pub x: Element,
    /// Factor of `x`.
    pub scale: f32,
    /// Kind and shape of the mask, if there is one.
    pub mask: Option<(DType, Vec<u32>)>,
    /// What rows see by their own place.
    pub causal: Causal,
    /// Whether there are lengths.
    pub lengths: bool,
    /// Elements of `out`.
    pub out: Element,
    /// What becomes of numbers beyond the largest code of an 8-bit output.
    pub overflow: Overflow,
}

arguments! {
    /// Tensors of one [`Softmax`].
    pub struct SoftmaxArgs for Softmax {
        /// Logits, but for scale and mask.
        x,
        /// Shares.
        out,
    } {
        /// What is added; exactly when the descriptor has it.
        mask,
        /// Columns before the first row's own; exactly with [`Causal::Offset`].
        offset,
        /// Columns that are seen; exactly when the descriptor has them.
        lengths,
    }
}

impl Softmax {
    /// Softmax of f32 to f32, nothing hidden.
    pub fn new(shape: impl Into<Vec<u32>>) -> Self {
        Self {
            shape: shape.into(),
            x: Element::F32,
            scale: 1.0,
            mask: None,
            causal: Causal::No,
            lengths: false,
            out: Element::F32,
            overflow: Overflow::Saturate,
        }
    }

    /// Elements of `x`.
    #[must_use]
    pub fn x(self, x: Element) -> Self {
        Self { x, ..self }
    }

    /// Factor of `x`.
    #[must_use]
    pub fn scale(self, scale: f32) -> Self {
        Self { scale, ..self }
    }

    /// A mask of this kind and shape.
    #[must_use]
    pub fn mask(self, dtype: DType, shape: impl Into<Vec<u32>>) -> Self {
        Self { mask: Some((dtype, shape.into())), ..self }
    }

    /// What rows see by their own place.
    #[must_use]
    pub fn causal(self, causal: Causal) -> Self {
        Self { causal, ..self }
    }

    /// With lengths.
    #[must_use]
    pub fn lengths(self) -> Self {
        Self { lengths: true, ..self }
    }

    /// Elements of `out`.
    #[must_use]
    pub fn out(self, out: Element) -> Self {
        Self { out, ..self }
    }

    /// What becomes of numbers beyond the largest code of an 8-bit output.
    #[must_use]
    pub fn overflow(self, overflow: Overflow) -> Self {
        Self { overflow, ..self }
    }

    fn fail(what: &'static str, expected: impl Into<String>, got: impl Into<String>) -> DescriptorError {
        DescriptorError::new(Self::NAME, what, expected, got)
    }

    /// Extent of the axis that rows are counted along.
    fn queries(&self) -> u32 {
        self.shape.iter().rev().nth(1).copied().unwrap_or(1)
    }

    /// Rows below one index of the outermost axis.
    fn length_rows(&self) -> u32 {
        self.shape[1..].iter().rev().skip(1).product()
    }

    /// Columns that a row sees.
    fn shown(&self, row: u32, offset: Option<u32>, lengths: Option<&[u32]>) -> u32 {
        let (cols, query) = (self.shape[self.shape.len() - 1], row % self.queries());
        let causal = match (self.causal, offset) {
            (Causal::Aligned, _) => cols.saturating_sub(self.queries() - 1 - query),
            (Causal::Offset, Some(offset)) => offset.saturating_add(query).saturating_add(1),
            _ => cols,
        };
        let length = lengths.map_or(cols, |l| l[(row / self.length_rows()) as usize]);
        cols.min(causal).min(length)
    }
}

/// Rows of the mask beside rows of x: side b of the axes.
fn beside(o: &Softmax) -> Batches {
    let outer = |shape: &[u32]| shape[..shape.len() - 1].to_vec();
    Batches::new(&outer(&o.shape), &o.mask.as_ref().map(|m| outer(&m.1)).unwrap_or_default())
}

impl Operation for Softmax {
    const NAME: &'static str = "softmax";
    const KERNELS: &'static [Kernel<Self>] = &[
        #[cfg(feature = "gpu")]
        Kernel::gpu("row", gpu::tunings, gpu::schedule).arithmetic(Arithmetic { chain: 128 }),
        Kernel::cpu(cpu::run).arithmetic(Arithmetic { chain: 1 }),
    ];

    fn operands(&self) -> Result<Vec<Operand>, DescriptorError> {
        expect_number(Self::NAME, "x", self.x)?;
        expect_number(Self::NAME, "out", self.out)?;
        if !self.scale.is_normal() {
            let expected = "a finite number, neither zero nor subnormal";
            return Err(Self::fail("scale", expected, self.scale.to_string()));
        }
        let read = |role: &'static str, shape: Vec<u32>, e, draw| {
            let o = Operand::read(role, shape, e).map_err(DescriptorError::layout(Self::NAME, role))?;
            Ok(o.draw(draw))
        };
        let mut all = vec![read("x", self.shape.clone(), self.x, Draw::Levels)?];
        let cols = self.shape[self.shape.len() - 1];
        if let Some((dtype, shape)) = &self.mask {
            let e = unscaled(Self::NAME, "mask", *dtype)?;
            if batch::broadcast(&self.shape, shape).as_ref() != Some(&self.shape) {
                let expected = format!("a shape that broadcasts to {:?}", self.shape);
                return Err(Self::fail("mask", expected, format!("{shape:?}")));
            }
            all.push(read("mask", shape.clone(), e, Draw::Hiding)?);
        }
        if self.shape.len() < 2 && (self.causal != Causal::No || self.lengths) {
            let what = if self.lengths { "lengths" } else { "causal" };
            let expected = "an axis of rows beside that of columns";
            return Err(Self::fail(what, expected, format!("{:?}", self.shape)));
        }
        if self.causal == Causal::Offset {
            all.push(read("offset", vec![1], Element::U32, Draw::Below(cols))?);
        }
        if self.lengths {
            all.push(read(
                "lengths",
                vec![self.shape[0]],
                Element::U32,
                Draw::Below(cols.saturating_add(2)),
            )?);
        }
        let out = Operand::write("out", self.shape.clone(), self.out);
        all.push(out.map_err(DescriptorError::layout(Self::NAME, "out"))?.overflow(self.overflow));
        Ok(all)
    }

    elements!(x, out;);

    fn variant(&self) -> String {
        format!("{}_{}", self.x.dtype(), self.out.dtype())
    }

    fn cost(&self) -> Cost {
        let product = |x: &[u32]| x.iter().fold(1u64, |n, &d| n.saturating_mul(d.into()));
        let n = product(&self.shape);
        let mask = self.mask.as_ref().map_or(0, |(t, s)| product(s).saturating_mul(t.bytes().into()));
        let bytes = u64::from(self.x.dtype().bytes() + self.out.dtype().bytes());
        // Scale, maximum, difference, exponential, sum, quotient.
        Cost { flops: n.saturating_mul(6), bytes: n.saturating_mul(bytes).saturating_add(mask) }
    }

    fn reference(&self, x: &Inputs) -> Outputs {
        let cols = self.shape[self.shape.len() - 1] as usize;
        let logits = x.real("x");
        let mask = self.mask.as_ref().map(|(_, s)| (x.real("mask"), s[s.len() - 1] as usize));
        let words = |role| x.tensor(role).to_u32().expect("u32");
        let offset = (self.causal == Causal::Offset).then(|| words("offset")[0]);
        let lengths = self.lengths.then(|| words("lengths"));
        let (beside, scale) = (beside(self), Real::exact(self.scale.into()));
        let mut out = Vec::with_capacity(logits.len());
        for (row, x_row) in logits.chunks_exact(cols).enumerate() {
            let shown = self.shown(row as u32, offset, lengths.as_deref()) as usize;
            let logit = |col: usize| {
                let mut v = x_row[col];
                if self.scale != 1.0 {
                    v = (v * scale).in_f32();
                }
                if let Some((mask, mask_cols)) = &mask {
                    v = (v + mask[beside.sides(row).1 * mask_cols + col.min(mask_cols - 1)]).in_f32();
                }
                v
            };
            let seen: Vec<Real> = (0..shown).map(logit).collect();
            out.extend(shares(&seen, x.arithmetic.chain));
            out.extend(vec![Real::exact(0.0); cols - shown]);
        }
        Outputs(vec![("out", out)])
    }

    fn cases() -> Vec<Case<Self>> {
        cases::all()
    }
}

/// The softmax of what a row sees.
fn shares(seen: &[Real], chain: u32) -> Vec<Real> {
    if seen.iter().any(|v| v.value.is_nan() || v.value == f64::INFINITY) {
        return vec![Real::exact(f64::NAN); seen.len()];
    }
    let largest = seen.iter().map(|v| v.value).fold(f64::NEG_INFINITY, f64::max);
    if largest == f64::NEG_INFINITY {
        return vec![Real::exact(0.0); seen.len()];
    }
    // Whatever is subtracted cancels, so its own error does not matter.
    let weight = |v: &Real| {
        if v.value == f64::NEG_INFINITY { Real::exact(0.0) } else { (*v - Real::exact(largest)).exp() }
    };
    let weights: Vec<Real> = seen.iter().map(weight).collect();
    let sum = Real::sum(weights.iter().copied(), chain);
    let share = |w: &Real| {
        let share = *w / sum;
        // A share lies in [0, 1], however wide the bound is; a bound of 0 · Inf is none.
        let error = if share.error.is_nan() { 1.0 } else { share.error.min(1.0) };
        Real { error, ..share }
    };
    weights.iter().map(share).collect()
}
