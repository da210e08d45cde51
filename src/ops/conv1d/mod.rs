//! `conv1d`: convolutions of sequences with an epilogue, computed as those of images of one row.

mod cases;
mod image;
mod sequences;
#[cfg(test)]
mod tests;

pub use sequences::Sequences;

use super::{
    Activation, Arithmetic, Body, Case, Cost, DescriptorError, Inputs, Kernel, Operation, Outputs,
    conv2d::extents::{expect_covered, expect_groups, expect_weights},
    expect::{expect_factor, expect_number, expect_per_tensor, expect_some, unscaled},
    operation::elements,
    problem::Problem,
};
use crate::{
    arguments,
    dtype::Overflow,
    tensor::{DType, Element, Layout, Operand},
};
use image::as_conv2d;

/// out\[b, l, k\] = act(s_x · s_w · Σ x\[b, l·stride + t·dilation − left, c\] · w\[k, t, c\] + bias\[k\] + residual), the sum
/// over the taps t of the kernel and the channels c of the group of k; then, for an 8-bit `out`, encode(· × inv_scale) with
/// amax and flags. As PyTorch and ONNX have it: a cross-correlation.
///
/// * `x`: \[batch, length, channels\], or \[batch, channels, length\] as [`Sequences`] says. f32, f16, bf16, or 8-bit scaled
///   per tensor.
/// * `w`: \[out_channels, kernel, channels / groups\]; where channels / groups is 1 (depthwise, or one channel in all)
///   \[kernel, out_channels\], so that the axis in memory order is never 1. f32, f16, bf16, or 8-bit scaled per tensor or per
///   output channel.
/// * `bias`: \[out_channels\], f32, f16 or bf16, if the descriptor has it.
/// * `residual`: as `out`, f32, f16, bf16, or 8-bit scaled per tensor, if the descriptor has it.
/// * `out`: \[batch, out length, out_channels\], or channels first; f32, f16, bf16, or 8-bit with given scales. Out length = ⌊(length + left + right − dilation · (kernel − 1) − 1) / stride⌋ + 1.
///
/// Padding is zeros, which multiply: an infinite weight that meets one gives NaN. A causal convolution has
/// dilation · (kernel − 1) of them on the left and none on the right.
///
/// A [`Conv2d`](super::Conv2d) of images of one row, by the same kernels: what is said there of channels first and of kernels
/// of one tap holds here.
///
/// NaN: out\[b, l, k\] is NaN if a number of its patch and group, of the weights of k, bias k or the residual is.
///
/// Source: `torch.nn.functional.conv1d`; the Conv of ONNX on three axes.
///
/// Error: that of [`Gemm`](super::Gemm) where k is kernel · channels / groups.
///
/// Errors: an extent, a stride, a dilation or a number of groups of 0; groups that do not divide the channels; a kernel larger
/// than the padded sequence; padded sequences of 2³¹ or more; a format whose products f32 cannot hold; scales finer than said
/// above.
///
/// ```
/// use quarter::{Context, tensor::*, ops::*};
/// let ctx = Context::cpu();
/// let x = ctx.upload_blocking(&HostTensor::from_f32(&[1.0, 2.0, 3.0, 4.0], [1, 4, 1])?)?;
/// let w = ctx.upload_blocking(&HostTensor::from_f32(&[1.0, 10.0], [2, 1])?)?;
/// let conv = Conv1d::new([1, 4, 1], 1, 2).padding([1, 0]); // causal
/// let y = ctx.empty_blocking(&conv.out_layout()?)?;
/// ctx.run([&ctx.plan_blocking(&conv)?.bind(&Conv1dArgs::new(&x, &w, &y))?])?;
/// assert_eq!(ctx.download_blocking(&y)?.to_f32(), [10.0, 21.0, 32.0, 43.0]);
/// # Ok::<(), quarter::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Conv1d {
    /// Sequences.
    pub batch: u32,
    /// Places of a sequence.
    pub length: u32,
    /// Channels of `x`.
    pub channels: u32,
    /// Channels of `out`.
    pub out_channels: u32,
    /// Taps of the kernel.
    pub kernel: u32,
    /// Steps from one patch to the next.
    pub stride: u32,
    /// Zeros before and after a sequence.
    pub padding: [u32; 2],
    /// Steps from one tap of the kernel to the next.
    pub dilation: u32,
    /// Parts that channels, in and out, fall into.
    pub groups: u32,
    /// Elements of `x`.
    pub x: Element,
    /// Where the channels of `x` are.
    pub x_sequences: Sequences,
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
    pub out_sequences: Sequences,
    /// What becomes of numbers beyond the largest code of an 8-bit output.
    pub overflow: Overflow,
}

arguments! {
    /// Tensors of one [`Conv1d`].
    pub struct Conv1dArgs for Conv1d {
        /// Sequences.
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

impl Conv1d {
    /// Of f32 sequences \[batch, length, channels\], nothing around or after it.
    pub fn new([batch, length, channels]: [u32; 3], out_channels: u32, kernel: u32) -> Self {
        let f32 = Element::F32;
        Self {
            batch,
            length,
            channels,
            out_channels,
            kernel,
            stride: 1,
            padding: [0; 2],
            dilation: 1,
            groups: 1,
            x: f32,
            x_sequences: Sequences::Nlc,
            w: f32,
            bias: None,
            residual: None,
            activation: Activation::None,
            out: f32,
            out_sequences: Sequences::Nlc,
            overflow: Overflow::Saturate,
        }
    }

    /// Steps from one patch to the next.
    #[must_use]
    pub fn stride(self, stride: u32) -> Self {
        Self { stride, ..self }
    }

    /// Zeros before and after.
    #[must_use]
    pub fn padding(self, padding: [u32; 2]) -> Self {
        Self { padding, ..self }
    }

    /// Steps from one tap of the kernel to the next.
    #[must_use]
    pub fn dilation(self, dilation: u32) -> Self {
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
    pub fn x_sequences(self, x_sequences: Sequences) -> Self {
        Self { x_sequences, ..self }
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
    pub fn out_sequences(self, out_sequences: Sequences) -> Self {
        Self { out_sequences, ..self }
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
        Ok(Operation::operands(self)?.swap_remove(1).layout)
    }

    /// Layout of the output.
    ///
    /// # Errors
    /// [`DescriptorError`] when the descriptor contradicts itself.
    pub fn out_layout(&self) -> Result<Layout, DescriptorError> {
        Ok(Operation::operands(self)?.pop().expect("an output").layout)
    }

    /// Places of an output sequence; the extents are valid.
    fn out_length(&self) -> u32 {
        let [left, right] = self.padding;
        (self.length + left + right - self.dilation * (self.kernel - 1) - 1) / self.stride + 1
    }
}

/// A kernel of `conv2d`.
#[cfg(feature = "gpu")]
macro_rules! kernel {
    ($name:literal) => {
        Kernel::gpu(
            $name,
            |o, caps| as_conv2d(o).tunings($name, caps),
            |o, t, caps| as_conv2d(o).schedule($name, t, caps),
        )
    };
}

impl Operation for Conv1d {
    const NAME: &'static str = "conv1d";
    const KERNELS: &'static [Kernel<Self>] = &[
        #[cfg(feature = "gpu")]
        kernel!("register"),
        #[cfg(feature = "gpu")]
        kernel!("tiled"),
        #[cfg(feature = "gpu")]
        kernel!("depthwise"),
        #[cfg(feature = "gpu")]
        kernel!("grouped"),
        Kernel {
            name: "cpu",
            arithmetic: Arithmetic::F32,
            body: Body::Cpu {
                accepts: |o| as_conv2d(o).accepts("cpu"),
                run: |o, args, threads| as_conv2d(o).run("cpu", args, threads),
            },
        },
    ];

    fn operands(&self) -> Result<Vec<Operand>, DescriptorError> {
        let extents = [
            ("batch", self.batch),
            ("length", self.length),
            ("channels", self.channels),
            ("out_channels", self.out_channels),
            ("kernel", self.kernel),
            ("stride", self.stride),
            ("dilation", self.dilation),
            ("groups", self.groups),
        ];
        expect_some(Self::NAME, &extents)?;
        expect_groups(Self::NAME, self.groups, [self.channels, self.out_channels])?;
        let side = (self.length, self.padding);
        expect_covered(Self::NAME, "sequence", side, (self.kernel, self.dilation))?;
        expect_factor(Self::NAME, "x", self.x)?;
        expect_per_tensor(Self::NAME, "x", self.x)?;
        expect_factor(Self::NAME, "w", self.w)?;
        expect_number(Self::NAME, "out", self.out)?;
        let one = self.sees_one_channel();
        expect_weights(Self::NAME, self.w, if one { 1 } else { 0 })?;
        let k = self.out_channels;
        let w = if one { vec![self.kernel, k] } else { vec![k, self.kernel, self.channels / self.groups] };
        let x = self.x_sequences.shape(self.batch, self.length, self.channels);
        let out = self.out_sequences.shape(self.batch, self.out_length(), k);
        let read = |role, shape: Vec<u32>, e| {
            Operand::read(role, shape, e).map_err(DescriptorError::layout(Self::NAME, role))
        };
        let mut all = vec![read("x", x, self.x)?, read("w", w, self.w)?];
        if let Some(bias) = self.bias {
            all.push(read("bias", vec![k], unscaled(Self::NAME, "bias", bias)?)?);
        }
        if let Some(residual) = self.residual {
            expect_number(Self::NAME, "residual", residual)?;
            expect_per_tensor(Self::NAME, "residual", residual)?;
            all.push(read("residual", out.clone(), residual)?);
        }
        let out = Operand::write("out", out, self.out).map_err(DescriptorError::layout(Self::NAME, "out"))?;
        all.push(out.overflow(self.overflow));
        // What is computed has its channels last: it must be countable that way too.
        let images = Operation::operands(&as_conv2d(self));
        images.map_err(|e| DescriptorError { op: Self::NAME, ..e })?;
        Ok(all)
    }

    elements!(x, w, out; residual);

    fn variant(&self) -> String {
        let kinds = [self.x, self.w, self.out].map(|e| e.dtype().to_string());
        let groups = if self.groups > 1 { format!(".g{}", self.groups) } else { String::new() };
        format!("{}.{}{groups}", kinds.join("_"), self.kernel)
    }

    fn cost(&self) -> Cost {
        Operation::cost(&as_conv2d(self))
    }

    fn reference(&self, given: &Inputs) -> Outputs {
        Operation::reference(&as_conv2d(self), given)
    }

    fn cases() -> Vec<Case<Self>> {
        cases::all()
    }
}
