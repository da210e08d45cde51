//! `upsample2d`: images of another size.

mod cases;
mod cpu;
#[cfg(feature = "gpu")]
mod gpu;
#[cfg(test)]
mod tests;

use super::{Case, Cost, DescriptorError, Inputs, Kernel, Operation, Outputs, Real, expect::expect_number};
use crate::{
    arguments,
    dtype::Overflow,
    tensor::{Element, Layout, Operand},
};

/// How a pixel is made of those around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Interpolation {
    /// The one at ⌊y · h / h′⌋, ⌊x · w / w′⌋.
    Nearest,
    /// Of two lines and two columns, by how near they are: index y of the output is (y + ½) · h / h′ − ½ in the image, nothing
    /// beyond its edges.
    Bilinear,
    /// The same with corners on corners: index y is y · (h − 1) / (h′ − 1), and 0 of a single one.
    AlignedBilinear,
}

/// out\[n, y, x, c\] = x at that place of its image, by [`Interpolation`]; h′ and w′ are any, larger or smaller.
///
/// * `x`: \[n, h, w, c\] (NHWC; [`Permute`](super::Permute) for NCHW), f32, f16, bf16 or 8-bit at any granularity.
/// * `out`: \[n, h′, w′, c\], f32, f16, bf16 or 8-bit with given scales, amax and
///   flags in its record.
///
/// Places are fractions of integers, and so are weights: none is off by what a size is divided by. First along lines, then
/// between them. A pixel without weight is not there: its NaN or Inf does not matter; others stay NaN, and Inf − Inf is.
/// `Nearest` moves numbers as they are: of codes, code · scale.
///
/// Semantics: `interpolate` of PyTorch with `size`, modes nearest and bilinear with and without `align_corners`; it computes
/// places in the tensor's own precision, so its nearest pixel in f32 may be one less where y · h / h′ is an integer. `Resize`
/// of ONNX: asymmetric and floor, `half_pixel`, `align_corners`.
///
/// Error: a weight within 2 ulp, exact where the unit of the places is a power of two, as by factors of two; f32 products and
/// sums, fused or not; the rounding of `out`. `Nearest` that of code · scale.
///
/// Errors: sizes whose places 32 bits do not count (h · h′ above 2³¹ without common factors); integers; an output with scales
/// per block; shapes that cannot be.
///
/// ```
/// use quarter::{Context, ops::*, tensor::*};
/// let ctx = Context::cpu();
/// let x = ctx.upload_blocking(&HostTensor::from_f32(&[1.0, 3.0], [1, 1, 2, 1])?)?;
/// let op = Upsample2d::bilinear([1, 1, 2, 1], Element::F32, [1, 4]);
/// let out = ctx.empty_blocking(&op.out_layout()?)?;
/// let bound = ctx.plan_blocking(&op)?.bind(&Upsample2dArgs::new(&x, &out))?;
/// ctx.run([&bound])?;
/// assert_eq!(ctx.download_blocking(&out)?.to_f32(), [1.0, 1.5, 2.5, 3.0]);
/// # Ok::<(), quarter::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Upsample2d {
    /// Shape of `x`: \[n, h, w, c\].
    pub shape: [u32; 4],
    /// Height and width of the output.
    pub size: [u32; 2],
    /// Elements of `x`.
    pub from: Element,
    /// Elements of `out`.
    pub out: Element,
    /// What becomes of numbers beyond the largest code of the output.
    pub overflow: Overflow,
    /// How a pixel is made.
    pub interpolation: Interpolation,
}

arguments! {
    /// Tensors of one [`Upsample2d`].
    pub struct Upsample2dArgs for Upsample2d {
        /// Images.
        x,
        /// The same in another size.
        out,
    } {}
}

/// One direction: index i of the output is (step · i + more − less) / unit in the image, 0 if that is below.
#[derive(Clone, Copy, Debug)]
struct Axis {
    extent: u32,
    step: u32,
    more: u32,
    less: u32,
    unit: u32,
}

/// Where an index of the output is: at `low`, and `part` of `unit` further.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Place {
    low: u32,
    part: u32,
}

fn divisor(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { divisor(b, a % b) }
}

impl Axis {
    /// None where places have more than 32 bits.
    fn new(extent: u32, size: u32, interpolation: Interpolation) -> Option<Self> {
        let (from, to) = (u64::from(extent), u64::from(size));
        let (step, more, less, unit) = match interpolation {
            Interpolation::Nearest => (from, 0, 0, to),
            Interpolation::Bilinear => (2 * from, from.saturating_sub(to), to.saturating_sub(from), 2 * to),
            Interpolation::AlignedBilinear if size > 1 => (from - 1, 0, 0, to - 1),
            Interpolation::AlignedBilinear => (0, 0, 0, 1),
        };
        let common = [more, less, unit].into_iter().fold(step, divisor);
        let [step, more, less, unit] = [step, more, less, unit].map(|v| v / common);
        let most = step.checked_mul(to - 1)?.checked_add(more)?.max(less).max(unit);
        let narrow = |v: u64| u32::try_from(v).ok();
        narrow(most)?;
        Some(Self {
            extent,
            step: narrow(step)?,
            more: narrow(more)?,
            less: narrow(less)?,
            unit: narrow(unit)?,
        })
    }

    fn at(&self, i: u32) -> Place {
        let place = (self.step * i + self.more).max(self.less) - self.less;
        let low = place / self.unit;
        // Behind the last there is nothing.
        Place { low, part: if low + 1 < self.extent { place % self.unit } else { 0 } }
    }

    /// 1 / unit.
    fn inverse(&self) -> f32 {
        1.0 / self.unit as f32
    }
}

impl Upsample2d {
    fn new(shape: [u32; 4], from: Element, size: [u32; 2], interpolation: Interpolation) -> Self {
        Self { shape, size, from, out: Element::F32, overflow: Overflow::Saturate, interpolation }
    }

    /// The nearest pixel, to f32.
    pub fn nearest(nhwc: [u32; 4], from: Element, size: [u32; 2]) -> Self {
        Self::new(nhwc, from, size, Interpolation::Nearest)
    }

    /// Of four pixels by how near they are, half-pixel centres, to f32.
    pub fn bilinear(nhwc: [u32; 4], from: Element, size: [u32; 2]) -> Self {
        Self::new(nhwc, from, size, Interpolation::Bilinear)
    }

    /// Corners on corners. The nearest pixel is the same as before.
    #[must_use]
    pub fn align_corners(self) -> Self {
        let bilinear = self.interpolation != Interpolation::Nearest;
        Self {
            interpolation: if bilinear { Interpolation::AlignedBilinear } else { self.interpolation },
            ..self
        }
    }

    /// Elements of the output.
    #[must_use]
    pub fn out(self, out: Element) -> Self {
        Self { out, ..self }
    }

    /// What becomes of numbers beyond the largest code of the output.
    #[must_use]
    pub fn overflow(self, overflow: Overflow) -> Self {
        Self { overflow, ..self }
    }

    /// Layout of the output.
    ///
    /// # Errors
    /// [`DescriptorError`] when the descriptor contradicts itself.
    pub fn out_layout(&self) -> Result<Layout, DescriptorError> {
        Ok(self.operands()?.swap_remove(1).layout)
    }

    /// Lines and columns.
    fn axes(&self) -> [Axis; 2] {
        let axis = |i| Axis::new(self.shape[1 + i], self.size[i], self.interpolation).expect("validated");
        [axis(0), axis(1)]
    }

    /// The place; the nearest pixel has no other beside it.
    fn at(&self, axis: &Axis, i: u32) -> Place {
        let place = axis.at(i);
        Place { part: if self.interpolation == Interpolation::Nearest { 0 } else { place.part }, ..place }
    }
}

impl Operation for Upsample2d {
    const NAME: &'static str = "upsample2d";
    const KERNELS: &'static [Kernel<Self>] = &[
        #[cfg(feature = "gpu")]
        Kernel::gpu("plain", |_, _| Ok(vec![crate::gpu::Tuning::new("", &[])]), gpu::schedule),
        Kernel::cpu(cpu::run),
    ];

    fn operands(&self) -> Result<Vec<Operand>, DescriptorError> {
        expect_number(Self::NAME, "from", self.from)?;
        expect_number(Self::NAME, "out", self.out)?;
        let layout = |role| DescriptorError::layout(Self::NAME, role);
        let x = Operand::read("x", self.shape, self.from).map_err(layout("x"))?;
        let [n, h, w, c] = self.shape;
        let out =
            Operand::write("out", [n, self.size[0], self.size[1], c], self.out).map_err(layout("out"))?;
        for (extent, size) in [(h, self.size[0]), (w, self.size[1])] {
            if Axis::new(extent, size, self.interpolation).is_none() {
                let expected = format!("places that 32 bits count, from {extent}");
                return Err(DescriptorError::new(Self::NAME, "size", expected, size.to_string()));
            }
        }
        Ok(vec![x, out.overflow(self.overflow)])
    }

    fn variant(&self) -> String {
        let how = match self.interpolation {
            Interpolation::Nearest => "nearest",
            Interpolation::Bilinear => "bilinear",
            Interpolation::AlignedBilinear => "aligned",
        };
        format!("{how}.{}_{}", self.from.dtype(), self.out.dtype())
    }

    fn cost(&self) -> Cost {
        let product = |x: &[u32]| x.iter().fold(1u64, |n, &d| n.saturating_mul(d.into()));
        let x = product(&self.shape);
        let out = product(&[self.shape[0], self.size[0], self.size[1], self.shape[3]]);
        // Three blends of two products and a sum, or none.
        let flops = if self.interpolation == Interpolation::Nearest { 1 } else { 9 };
        let bytes = x.saturating_mul(self.from.dtype().bytes().into());
        let written = out.saturating_mul(self.out.dtype().bytes().into());
        Cost { flops: out.saturating_mul(flops), bytes: bytes.saturating_add(written) }
    }

    fn reference(&self, x: &Inputs) -> Outputs {
        let (all, [n, h, w, c]) = (x.real("x"), self.shape.map(|d| d as usize));
        let [down, across] = self.axes();
        let blend = |axis: &Axis, part: u32, a: Real, b: Real| {
            let part_of = f64::from(part) / f64::from(axis.unit);
            // Both of them, the inverse and the product are rounded otherwise.
            let exact = axis.unit.is_power_of_two() && part < 1 << 24;
            let weight = if exact { Real::exact(part_of) } else { Real::rounded(part_of, 0.0, 2.0) };
            a * (Real::exact(1.0) - weight) + b * weight
        };
        let mut out = vec![];
        for image in 0..n {
            for y in 0..self.size[0] {
                let y = self.at(&down, y);
                for x in 0..self.size[1] {
                    let x = self.at(&across, x);
                    for channel in 0..c {
                        let line = |line: usize| {
                            let at = |col: usize| all[((image * h + line) * w + col) * c + channel];
                            let a = at(x.low as usize);
                            if x.part == 0 { a } else { blend(&across, x.part, a, at(x.low as usize + 1)) }
                        };
                        let (top, low) = (line(y.low as usize), y.low as usize);
                        let v = if y.part == 0 { top } else { blend(&down, y.part, top, line(low + 1)) };
                        out.push(v.in_f32());
                    }
                }
            }
        }
        Outputs(vec![("out", out)])
    }

    fn cases() -> Vec<Case<Self>> {
        cases::all()
    }
}
