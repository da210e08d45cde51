//! `pool2d`: the largest number, or the mean, of every window of an image.

mod cases;
#[cfg(feature = "gpu")]
mod gpu;
#[cfg(test)]
mod tests;

use super::{
    Activation, Case, Cost, DescriptorError, Inputs, Kernel, Operation, Outputs, Real, expect::expect_number,
    operation::elements, real::larger,
};
use crate::{
    arguments,
    cpu::{self, HostArgs, Threads},
    dtype::Overflow,
    tensor::{Element, Layout, Operand},
};
use std::ops::Range;

/// What becomes of a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Pooling {
    /// The largest number; padding is −∞.
    Max,
    /// The mean of the numbers in the image; padding is not counted.
    Average,
    /// The mean over the image and its padding, which is 0; what a window has beyond both is not counted.
    AverageWithPadding,
}

/// out\[n, y, x, c\] = act(max or mean of x\[n, y · s − p + i · d, x · s − p + j · d, c\] over the window's i and j).
///
/// * `x`: \[n, h, w, c\] (NHWC; [`Permute`](super::Permute) for NCHW), f32, f16, bf16 or 8-bit at any granularity.
/// * `out`: \[n, h′, w′, c\], f32, f16, bf16 or 8-bit with given scales, amax and
///   flags in its record. h′ = ⌊(h + padding − (kernel − 1) · dilation − 1) / stride⌋ + 1; by `ceil` ⌈ ⌉, less the window
///   that would begin beyond image and padding above.
///
/// Error: max has that of its inputs, code · scale; a mean that of a sum of f32 in any order and a division. Of two zeros
/// +0 is the larger. A NaN in a window makes its result NaN, also by max.
///
/// Semantics: `max_pool2d` and `avg_pool2d` of PyTorch, ONNX `MaxPool` and `AveragePool` (opset 19) without indices; the
/// stride is the kernel unless given, padding is counted only if asked for, and may lie differently on every side.
///
/// Errors: a kernel, stride or dilation of 0; padding as long as the window or longer, so that every window has a number; a
/// window longer than image and padding; more than 2²⁴ numbers of a window; integers; shapes that cannot be.
///
/// ```
/// use quarter::{Context, ops::*, tensor::*};
/// let ctx = Context::cpu();
/// let x = ctx.upload_blocking(&HostTensor::from_f32(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], [1, 2, 3, 1])?)?;
/// let op = Pool2d::max([1, 2, 3, 1], Element::F32, [2, 2]).stride([1, 1]);
/// let out = ctx.empty_blocking(&op.out_layout()?)?;
/// let bound = ctx.plan_blocking(&op)?.bind(&Pool2dArgs::new(&x, &out))?;
/// ctx.run([&bound])?;
/// assert_eq!(ctx.download_blocking(&out)?.to_f32(), [5.0, 6.0]);
/// # Ok::<(), quarter::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Pool2d {
    /// Shape of `x`: \[n, h, w, c\].
    pub shape: [u32; 4],
    /// Elements of `x`.
    pub from: Element,
    /// Elements of `out`.
    pub out: Element,
    /// What becomes of numbers beyond the largest code of the output.
    pub overflow: Overflow,
    /// What becomes of a window.
    pub pooling: Pooling,
    /// Height and width of a window.
    pub kernel: [u32; 2],
    /// Rows and columns from one window to the next.
    pub stride: [u32; 2],
    /// Above, left, below, right.
    pub padding: [u32; 4],
    /// Rows and columns from one number of a window to the next.
    pub dilation: [u32; 2],
    /// Whether windows that image and padding hold in part are taken too.
    pub ceil: bool,
    /// What is done to the result.
    pub activation: Activation,
}

arguments! {
    /// Tensors of one [`Pool2d`].
    pub struct Pool2dArgs for Pool2d {
        /// Images.
        x,
        /// A number per window and channel.
        out,
    } {}
}

/// One direction of a problem.
#[derive(Clone, Copy, Debug)]
struct Axis {
    extent: u32,
    kernel: u32,
    stride: u32,
    before: u32,
    after: u32,
    dilation: u32,
}

impl Axis {
    /// From the first number of a window to its last, and one.
    fn span(&self) -> u64 {
        u64::from(self.kernel - 1) * u64::from(self.dilation) + 1
    }

    fn padded(&self) -> u64 {
        u64::from(self.extent) + u64::from(self.before) + u64::from(self.after)
    }

    /// How many windows there are.
    fn windows(&self, ceil: bool) -> u32 {
        let (room, stride) = (self.padded() - self.span(), u64::from(self.stride));
        let last = if ceil { room.div_ceil(stride) } else { room / stride };
        let beyond = last * stride >= u64::from(self.extent) + u64::from(self.before);
        (last + u64::from(!beyond)) as u32
    }

    /// The numbers of a window that are in the image, and how many are in the padded image.
    fn taps(&self, window: u32) -> (Range<u32>, u32) {
        let first = window * self.stride;
        let start = self.before.saturating_sub(first).div_ceil(self.dilation);
        let end = (self.before + self.extent - first).div_ceil(self.dilation).min(self.kernel);
        let padded = (self.padded() as u32 - first).div_ceil(self.dilation).min(self.kernel);
        (start..end, padded)
    }

    /// The part of the image that lies between the ends of a window.
    #[cfg(feature = "gpu")]
    fn lines(&self, window: u32) -> Range<u64> {
        let (first, before) = (u64::from(window) * u64::from(self.stride), u64::from(self.before));
        first.saturating_sub(before)..(first + self.span() - before).min(self.extent.into())
    }

    /// Where in the image a number of a window is.
    fn place(&self, window: u32, tap: u32) -> u32 {
        window * self.stride + tap * self.dilation - self.before
    }
}

impl Pool2d {
    fn new(shape: [u32; 4], from: Element, pooling: Pooling, kernel: [u32; 2]) -> Self {
        Self {
            shape,
            from,
            out: Element::F32,
            overflow: Overflow::Saturate,
            pooling,
            kernel,
            stride: kernel,
            padding: [0; 4],
            dilation: [1; 2],
            ceil: false,
            activation: Activation::None,
        }
    }

    /// The largest number of windows of this kernel, one beside the other, to f32.
    pub fn max(nhwc: [u32; 4], from: Element, kernel: [u32; 2]) -> Self {
        Self::new(nhwc, from, Pooling::Max, kernel)
    }

    /// The mean of windows of this kernel, one beside the other, to f32; padding is not counted.
    pub fn average(nhwc: [u32; 4], from: Element, kernel: [u32; 2]) -> Self {
        Self::new(nhwc, from, Pooling::Average, kernel)
    }

    /// The largest number of every image and channel.
    pub fn global_max(nhwc: [u32; 4], from: Element) -> Self {
        Self::max(nhwc, from, [nhwc[1], nhwc[2]])
    }

    /// The mean of every image and channel.
    pub fn global_average(nhwc: [u32; 4], from: Element) -> Self {
        Self::average(nhwc, from, [nhwc[1], nhwc[2]])
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

    /// Rows and columns from one window to the next.
    #[must_use]
    pub fn stride(self, stride: [u32; 2]) -> Self {
        Self { stride, ..self }
    }

    /// Padding above, left, below and right.
    #[must_use]
    pub fn padding(self, padding: [u32; 4]) -> Self {
        Self { padding, ..self }
    }

    /// Rows and columns from one number of a window to the next.
    #[must_use]
    pub fn dilation(self, dilation: [u32; 2]) -> Self {
        Self { dilation, ..self }
    }

    /// Takes windows that image and padding hold in part.
    #[must_use]
    pub fn ceil(self) -> Self {
        Self { ceil: true, ..self }
    }

    /// Counts padding in means.
    #[must_use]
    pub fn count_padding(self) -> Self {
        let pooling = if self.pooling == Pooling::Max { Pooling::Max } else { Pooling::AverageWithPadding };
        Self { pooling, ..self }
    }

    /// What is done to the result.
    #[must_use]
    pub fn activation(self, activation: Activation) -> Self {
        Self { activation, ..self }
    }

    /// Layout of the output.
    ///
    /// # Errors
    /// [`DescriptorError`] when the descriptor contradicts itself.
    pub fn out_layout(&self) -> Result<Layout, DescriptorError> {
        Ok(self.operands()?.swap_remove(1).layout)
    }

    /// Rows and columns.
    fn axes(&self) -> [Axis; 2] {
        [0, 1].map(|i| Axis {
            extent: self.shape[1 + i],
            kernel: self.kernel[i],
            stride: self.stride[i],
            before: self.padding[i],
            after: self.padding[2 + i],
            // Of one number there is no next.
            dilation: if self.kernel[i] == 1 { 1 } else { self.dilation[i] },
        })
    }

    /// Height and width of the output.
    fn windows(&self) -> [u32; 2] {
        self.axes().map(|a| a.windows(self.ceil))
    }

    /// The rows of `x` that a row of `out` is made of, and what a mean divides by.
    fn rows(&self, row: usize) -> (impl Iterator<Item = usize> + use<>, u32) {
        let ([down, across], [out_h, out_w]) = (self.axes(), self.windows());
        let (x, y) = (row as u32 % out_w, row as u32 / out_w % out_h);
        let image = row / (out_h as usize * out_w as usize);
        let ((ys, padded_y), (xs, padded_x)) = (down.taps(y), across.taps(x));
        let counted = ys.len() as u32 * xs.len() as u32;
        let count = if self.pooling == Pooling::AverageWithPadding { padded_y * padded_x } else { counted };
        let taps = ys.flat_map(move |i| {
            let line = image * down.extent as usize + down.place(y, i) as usize;
            let xs = xs.clone();
            xs.map(move |j| line * across.extent as usize + across.place(x, j) as usize)
        });
        (taps, count)
    }
}

impl Operation for Pool2d {
    const NAME: &'static str = "pool2d";
    const KERNELS: &'static [Kernel<Self>] = &[
        #[cfg(feature = "gpu")]
        Kernel::gpu("tree", gpu::tree, |o, _, caps| gpu::schedule(o, true, caps))
            .arithmetic(super::Arithmetic { chain: 256 }),
        #[cfg(feature = "gpu")]
        Kernel::plain(|o, _, caps| gpu::schedule(o, false, caps)),
        Kernel::cpu(run),
    ];

    fn operands(&self) -> Result<Vec<Operand>, DescriptorError> {
        let fail =
            |what, expected: String, got: String| Err(DescriptorError::new(Self::NAME, what, expected, got));
        expect_number(Self::NAME, "from", self.from)?;
        expect_number(Self::NAME, "out", self.out)?;
        let x =
            Operand::read("x", self.shape, self.from).map_err(DescriptorError::layout(Self::NAME, "x"))?;
        for (what, both) in [("kernel", self.kernel), ("stride", self.stride), ("dilation", self.dilation)] {
            if both.contains(&0) {
                return fail(what, "1 or more".into(), format!("{both:?}"));
            }
        }
        if u64::from(self.kernel[0]) * u64::from(self.kernel[1]) > 1 << 24 {
            return fail("kernel", "at most 2^24 numbers".into(), format!("{:?}", self.kernel));
        }
        for a in self.axes() {
            if a.dilation > a.extent {
                return fail(
                    "dilation",
                    format!("at most the {} of the image", a.extent),
                    a.dilation.to_string(),
                );
            }
            if u64::from(a.before.max(a.after)) >= a.span() {
                let expected = format!("less than the {} of a window", a.span());
                return fail("padding", expected, a.before.max(a.after).to_string());
            }
            if a.padded() >= 1 << 31 {
                return fail("padding", "less than 2^31 with the image".into(), a.padded().to_string());
            }
            if a.span() > a.padded() {
                let expected = format!("a window of at most {}, image and padding", a.padded());
                return fail("kernel", expected, a.span().to_string());
            }
        }
        let [h, w] = self.windows();
        let out = Operand::write("out", [self.shape[0], h, w, self.shape[3]], self.out)
            .map_err(DescriptorError::layout(Self::NAME, "out"))?;
        Ok(vec![x, out.overflow(self.overflow)])
    }

    elements!(out;);

    fn variant(&self) -> String {
        let pooling = if self.pooling == Pooling::Max { "max" } else { "average" };
        format!("{pooling}.{}_{}", self.from.dtype(), self.out.dtype())
    }

    fn cost(&self) -> Cost {
        let (Ok(out), [n, h, w, c]) = (self.out_layout(), self.shape.map(u64::from)) else {
            return Cost::default();
        };
        let taps = u64::from(self.kernel[0]) * u64::from(self.kernel[1]);
        let x = (n * h * w * c).saturating_mul(self.from.dtype().bytes().into());
        let bytes = x.saturating_add(out.elements() * u64::from(self.out.dtype().bytes()));
        Cost { flops: out.elements().saturating_mul(taps), bytes }
    }

    fn reference(&self, x: &Inputs) -> Outputs {
        let (all, channels) = (x.real("x"), self.shape[3] as usize);
        let [h, w] = self.windows().map(|d| d as usize);
        let mut out = vec![];
        for row in 0..self.shape[0] as usize * h * w {
            for c in 0..channels {
                let (rows, count) = self.rows(row);
                let taps = rows.map(|r| all[r * channels + c]);
                let v = match self.pooling {
                    Pooling::Max => taps.reduce(larger).expect("a number in every window"),
                    _ => Real::sum(taps, x.arithmetic.chain) / Real::exact(count.into()),
                };
                // An activation may take a subnormal for zero.
                let same = self.activation == Activation::None;
                out.push(if same { v } else { self.activation.real(v * Real::exact(1.0)) });
            }
        }
        Outputs(vec![("out", out)])
    }

    fn cases() -> Vec<Case<Self>> {
        cases::all()
    }
}

fn run(o: &Pool2d, args: &mut HostArgs<'_>, threads: Threads) {
    let [x, out] = o.operands().expect("validated").try_into().expect("two operands");
    let x = cpu::Input::new(&x, args);
    cpu::write(&out, args, threads, |row, v| {
        let (mut rows, count) = o.rows(row);
        x.numbers(rows.next().expect("a number in every window"), 0, v);
        let mut tap = vec![0.0; v.len()];
        if o.pooling == Pooling::Max {
            let mut best: Vec<i32> = v.iter().map(|v| cpu::rising(*v)).collect();
            for row in rows {
                x.numbers(row, 0, &mut tap);
                for (b, t) in best.iter_mut().zip(&tap) {
                    *b = (*b).max(cpu::rising(*t));
                }
            }
            for (v, b) in v.iter_mut().zip(best) {
                *v = cpu::risen(b);
            }
        } else {
            for row in rows {
                x.numbers(row, 0, &mut tap);
                v.iter_mut().zip(&tap).for_each(|(v, t)| *v += t);
            }
            v.iter_mut().for_each(|v| *v /= count as f32);
        }
        if o.activation != Activation::None {
            o.activation.apply_all(v);
        }
    });
}
