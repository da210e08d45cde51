//! `conv_transpose2d`: transposed convolutions of images with an epilogue, computed phase by phase as convolutions.

mod cases;
mod cpu;
#[cfg(feature = "gpu")]
mod gpu;
mod phases;
#[cfg(test)]
mod tests;

use super::{
    Activation, Case, Conv2d, Cost, DescriptorError, Images, Inputs, Kernel, Operation, Outputs,
    conv2d::extents::expect_groups, expect::expect_some, operation::elements,
};
use crate::{
    arguments,
    dtype::Overflow,
    tensor::{DType, Element, Layout, Operand},
};

/// out\[b, y·stride + r·dilation − pad, x·stride + s·dilation − pad, k\] gets x\[b, y, x, c\] · w\[k, r, s, c\] of every tap
/// (r, s) of the kernel and every channel c of the group of k; then out = act(s_x · s_w · Σ + bias\[k\] + residual), and for an
/// 8-bit `out` encode(· × inv_scale) with amax and flags. What [`Conv2d`] with this stride, padding and dilation reads
/// from, this writes to: its gradient by the image.
///
/// * `x`: \[batch, height, width, channels\], or \[batch, channels, height, width\] as [`Images`] says. f32, f16, bf16, or
///   8-bit scaled per tensor.
/// * `w`: \[out_channels, kernel height, kernel width, channels / groups\]; where channels / groups is 1 (depthwise, or
///   one channel in all) \[kernel height, kernel width, out_channels\], so that the axis in memory order is never 1. f32,
///   f16, bf16, or 8-bit scaled per tensor or per output channel. PyTorch and ONNX have them as \[channels, out_channels /
///   groups, kernel height, kernel width\]: theirs at (g · channels / groups + c, q, r, s) is ours at
///   (g · out_channels / groups + q, r, s, c), for each group g. No tap changes its place.
/// * `bias`: \[out_channels\], f32, f16 or bf16, if the descriptor has it.
/// * `residual`: as `out`, f32, f16, bf16, or 8-bit scaled per tensor, if the descriptor has it.
/// * `out`: \[batch, out height, out width, out_channels\], or channels first; f32, f16, bf16, or 8-bit with given
///   scales. Out height = (height − 1) · stride + dilation · (kernel − 1) + 1 +
///   output padding − top − bottom: padding cuts lines off, `output_padding` adds some below and to the right.
///
/// Output pixels that are a stride apart meet the same taps and see the image as a convolution of stride 1 with these taps
/// alone does: they are a phase, and nothing is multiplied by the zeros between the pixels of `x`. Beyond its edge there
/// are zeros, which multiply: an infinite weight that meets one gives NaN. What no tap reaches (a stride larger than the
/// kernel, or one that shares a factor with the dilation) is bias, residual and activation alone.
///
/// Computed channels last: images with channels first are turned on the way in and out, packed as they are.
///
/// NaN: out\[b, y, x, k\] is NaN if a number of `x` or of the weights of k that a tap brings there is, bias k or the residual.
///
/// Source: `torch.nn.functional.conv_transpose2d`; the ConvTranspose of ONNX on four axes, `auto_pad` NOTSET.
///
/// Error: that of [`Gemm`](super::Gemm) where k is the taps of a phase · channels / groups.
///
/// Errors: an extent, a stride, a dilation or a number of groups of 0; groups that do not divide the channels; output padding
/// as large as stride and dilation; padding that leaves nothing; images of 2³¹ lines or more before it is cut off; a format
/// whose products f32 cannot hold; scales finer than said above.
///
/// ```
/// use quarter::{Context, tensor::*, ops::*};
/// let ctx = Context::cpu();
/// let x = ctx.upload_blocking(&HostTensor::from_f32(&[1.0, 2.0], [1, 1, 2, 1])?)?;
/// let w = ctx.upload_blocking(&HostTensor::from_f32(&[1.0, 10.0, 100.0], [1, 3, 1])?)?;
/// let conv = ConvTranspose2d::new([1, 1, 2, 1], 1, [1, 3]).stride([1, 2]);
/// let y = ctx.empty_blocking(&conv.out_layout()?)?;
/// ctx.run([&ctx.plan_blocking(&conv)?.bind(&ConvTranspose2dArgs::new(&x, &w, &y))?])?;
/// assert_eq!(ctx.download_blocking(&y)?.to_f32(), [1.0, 10.0, 102.0, 20.0, 200.0]);
/// # Ok::<(), quarter::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct ConvTranspose2d {
    /// Images.
    pub batch: u32,
    /// Rows of an image.
    pub height: u32,
    /// Columns of an image.
    pub width: u32,
    /// Channels of `x`.
    pub channels: u32,
    /// Channels of `out`.
    pub out_channels: u32,
    /// Rows and columns of the kernel.
    pub kernel: [u32; 2],
    /// Steps down and right in the output from what one pixel reaches to what the next one does.
    pub stride: [u32; 2],
    /// Lines of the output cut off above, to the left, below and to the right: ONNX's order.
    pub padding: [u32; 4],
    /// Lines added to the output below and to the right.
    pub output_padding: [u32; 2],
    /// Steps down and right from one tap of the kernel to the next.
    pub dilation: [u32; 2],
    /// Parts that channels, in and out, fall into.
    pub groups: u32,
    /// Elements of `x`.
    pub x: Element,
    /// Where the channels of `x` are.
    pub x_images: Images,
    /// Elements of `w`.
    pub w: Element,
    /// Kind of the bias, if there is one.
    pub bias: Option<DType>,
    /// Elements of the residual, if there is one.
    pub residual: Option<Element>,
    /// The function at the end.
    pub activation: Activation,
    /// Elements of `out`.
    pub out: Element,
    /// Where the channels of `out` and of the residual are.
    pub out_images: Images,
    /// What becomes of numbers beyond the largest code of an 8-bit output.
    pub overflow: Overflow,
}

arguments! {
    /// Tensors of one [`ConvTranspose2d`].
    pub struct ConvTranspose2dArgs for ConvTranspose2d {
        /// Images.
        x,
        /// Kernels.
        w,
        /// What they make of them.
        out,
    } {
        /// \[out_channels\]; exactly when the descriptor has it.
        bias,
        /// As `out`; exactly when the descriptor has it.
        residual,
    }
}

impl ConvTranspose2d {
    /// Of f32 images \[batch, height, width, channels\], nothing around or after it.
    pub fn new([batch, height, width, channels]: [u32; 4], out_channels: u32, kernel: [u32; 2]) -> Self {
        let f32 = Element::F32;
        Self {
            batch,
            height,
            width,
            channels,
            out_channels,
            kernel,
            stride: [1, 1],
            padding: [0; 4],
            output_padding: [0; 2],
            dilation: [1, 1],
            groups: 1,
            x: f32,
            x_images: Images::Nhwc,
            w: f32,
            bias: None,
            residual: None,
            activation: Activation::None,
            out: f32,
            out_images: Images::Nhwc,
            overflow: Overflow::Saturate,
        }
    }

    /// Steps down and right in the output from what one pixel reaches to what the next one does.
    #[must_use]
    pub fn stride(self, stride: [u32; 2]) -> Self {
        Self { stride, ..self }
    }

    /// Lines cut off above, to the left, below and to the right.
    #[must_use]
    pub fn padding(self, padding: [u32; 4]) -> Self {
        Self { padding, ..self }
    }

    /// Lines added below and to the right.
    #[must_use]
    pub fn output_padding(self, output_padding: [u32; 2]) -> Self {
        Self { output_padding, ..self }
    }

    /// Steps from one tap of the kernel to the next.
    #[must_use]
    pub fn dilation(self, dilation: [u32; 2]) -> Self {
        Self { dilation, ..self }
    }

    /// Parts that channels fall into.
    #[must_use]
    pub fn groups(self, groups: u32) -> Self {
        Self { groups, ..self }
    }

    /// Elements of `x`.
    #[must_use]
    pub fn x(self, x: Element) -> Self {
        Self { x, ..self }
    }

    /// Where the channels of `x` are.
    #[must_use]
    pub fn x_images(self, x_images: Images) -> Self {
        Self { x_images, ..self }
    }

    /// Elements of `w`.
    #[must_use]
    pub fn w(self, w: Element) -> Self {
        Self { w, ..self }
    }

    /// A bias of this kind.
    #[must_use]
    pub fn bias(self, bias: DType) -> Self {
        Self { bias: Some(bias), ..self }
    }

    /// A residual of these elements.
    #[must_use]
    pub fn residual(self, residual: Element) -> Self {
        Self { residual: Some(residual), ..self }
    }

    /// The function at the end.
    #[must_use]
    pub fn activation(self, activation: Activation) -> Self {
        Self { activation, ..self }
    }

    /// Elements of `out`.
    #[must_use]
    pub fn out(self, out: Element) -> Self {
        Self { out, ..self }
    }

    /// Where the channels of `out` and of the residual are.
    #[must_use]
    pub fn out_images(self, out_images: Images) -> Self {
        Self { out_images, ..self }
    }

    /// What becomes of numbers beyond the largest code of an 8-bit output.
    #[must_use]
    pub fn overflow(self, overflow: Overflow) -> Self {
        Self { overflow, ..self }
    }

    /// Whether a kernel sees one channel only: what has the weights' output channels innermost.
    pub fn sees_one_channel(&self) -> bool {
        self.channels == self.groups
    }

    /// Layout of the weights.
    ///
    /// # Errors
    /// [`DescriptorError`] when the descriptor contradicts itself.
    pub fn w_layout(&self) -> Result<Layout, DescriptorError> {
        Ok(self.operands()?.swap_remove(1).layout)
    }

    /// Layout of the output.
    ///
    /// # Errors
    /// [`DescriptorError`] when the descriptor contradicts itself.
    pub fn out_layout(&self) -> Result<Layout, DescriptorError> {
        Ok(self.operands()?.pop().expect("an output").layout)
    }

    /// The convolution that has these tensors but for the size of the output.
    fn images(&self) -> Conv2d {
        Conv2d {
            stride: self.stride,
            padding: self.padding,
            dilation: self.dilation,
            groups: self.groups,
            x: self.x,
            x_images: self.x_images,
            w: self.w,
            bias: self.bias,
            residual: self.residual,
            activation: self.activation,
            out: self.out,
            out_images: self.out_images,
            overflow: self.overflow,
            ..Conv2d::new(
                [self.batch, self.height, self.width, self.channels],
                self.out_channels,
                self.kernel,
            )
        }
    }

    /// Lines cut off at both ends of this axis.
    fn cut(&self, axis: usize) -> [u32; 2] {
        [self.padding[axis], self.padding[axis + 2]]
    }

    /// Lines of an output image before any is cut off.
    fn lines(&self, axis: usize) -> u64 {
        let steps = |count: u32, step: u32| u64::from(count - 1).saturating_mul(step.into());
        steps([self.height, self.width][axis], self.stride[axis])
            .saturating_add(steps(self.kernel[axis], self.dilation[axis]))
            .saturating_add(u64::from(self.output_padding[axis]) + 1)
    }

    /// Rows and columns of an output image; the extents are valid.
    fn out_size(&self) -> [u32; 2] {
        [0, 1].map(|axis| self.lines(axis) as u32 - self.cut(axis).iter().sum::<u32>())
    }

    /// Something must be left of the output, and be countable.
    fn expect_extents(&self) -> Result<(), DescriptorError> {
        let all = [
            ("batch", self.batch),
            ("height", self.height),
            ("width", self.width),
            ("channels", self.channels),
            ("out_channels", self.out_channels),
            ("kernel", self.kernel[0].min(self.kernel[1])),
            ("stride", self.stride[0].min(self.stride[1])),
            ("dilation", self.dilation[0].min(self.dilation[1])),
            ("groups", self.groups),
        ];
        expect_some(Self::NAME, &all)?;
        expect_groups(Self::NAME, self.groups, [self.channels, self.out_channels])?;
        let error = |what, expected, got: String| Err(DescriptorError::new(Self::NAME, what, expected, got));
        for axis in 0..2 {
            let (added, below) = (self.output_padding[axis], self.stride[axis].max(self.dilation[axis]));
            if added >= below {
                let expected = format!("less than the larger of stride and dilation, {below}");
                return error("output_padding", expected, added.to_string());
            }
            let lines = self.lines(axis);
            if lines >= 1 << 31 {
                return error(
                    "out",
                    "images below 2^31 before padding is cut off".to_owned(),
                    lines.to_string(),
                );
            }
            let cut = self.cut(axis).iter().map(|&n| u64::from(n)).sum::<u64>();
            if cut >= lines {
                return error("padding", format!("less than there is to cut off, {lines}"), cut.to_string());
            }
        }
        Ok(())
    }
}

/// A kernel of `conv2d`.
#[cfg(feature = "gpu")]
macro_rules! kernel {
    ($name:ident, $tunings:ident) => {
        Kernel::gpu(stringify!($name), gpu::$tunings, |o, t, caps| gpu::problem(o).$name(t, caps))
    };
}

impl Operation for ConvTranspose2d {
    const NAME: &'static str = "conv_transpose2d";
    const KERNELS: &'static [Kernel<Self>] = &[
        #[cfg(feature = "gpu")]
        kernel!(register, register_tunings),
        #[cfg(feature = "gpu")]
        kernel!(tiled, tiled_tunings),
        #[cfg(feature = "gpu")]
        kernel!(depthwise, depthwise_tunings),
        #[cfg(feature = "gpu")]
        kernel!(grouped, grouped_tunings),
        Kernel::cpu(cpu::run),
    ];

    fn operands(&self) -> Result<Vec<Operand>, DescriptorError> {
        self.expect_extents()?;
        self.images().tensors(Self::NAME, self.out_size())
    }

    elements!(x, w, out; residual);

    fn variant(&self) -> String {
        self.images().variant()
    }

    fn cost(&self) -> Cost {
        let Ok(operands) = self.operands() else { return Cost::default() };
        let bytes = |o: &Operand| o.layout.elements() * u64::from(o.layout.element().dtype().bytes());
        // Every number of x meets the weights of its channel once.
        let [x, w] = [0, 1].map(|i| operands[i].layout.elements());
        let products = x.saturating_mul(w) / u64::from(self.channels);
        let bytes = operands.iter().map(bytes).fold(0, u64::saturating_add);
        Cost { flops: products.saturating_mul(2), bytes }
    }

    /// Scattered: where pixels go, not where they come from.
    fn reference(&self, given: &Inputs) -> Outputs {
        let size = self.out_size();
        // What meets a row or a column of the output: taps, each with a place of x or a zero beyond its edge.
        let [rows, columns] = [(0, self.height), (1, self.width)].map(|(axis, extent)| {
            let mut met = vec![vec![]; size[axis] as usize];
            let [stride, dilation] = [self.stride, self.dilation].map(|steps| i64::from(steps[axis]));
            for tap in 0..self.kernel[axis] {
                let shift = i64::from(tap) * dilation - i64::from(self.padding[axis]);
                for from in (-shift).div_euclid(stride).. {
                    let Ok(to) = usize::try_from(from * stride + shift) else { continue };
                    let Some(met) = met.get_mut(to) else { break };
                    met.push((tap, u32::try_from(from).ok().filter(|from| *from < extent)));
                }
            }
            met
        });
        self.images().reference_by(given, size, |[y, x]| {
            let mut met = vec![];
            for &(r, row) in &rows[y as usize] {
                for &(s, column) in &columns[x as usize] {
                    met.push((r * self.kernel[1] + s, row.zip(column).map(<[u32; 2]>::from)));
                }
            }
            met
        })
    }

    fn cases() -> Vec<Case<Self>> {
        cases::all()
    }
}
