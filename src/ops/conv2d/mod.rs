//! `conv2d`: convolutions of images with an epilogue.

mod cases;
pub(super) mod cpu;
pub(super) mod extents;
#[cfg(feature = "gpu")]
pub(super) mod gpu;
mod images;
pub(super) mod phase;
mod pointwise;
#[cfg(test)]
mod tests;
pub(super) mod upright;

pub use images::Images;

use super::{
    Activation, Case, Cost, DescriptorError, Inputs, Kernel, Operation, Outputs, Real,
    expect::{expect_factor, expect_number, expect_per_tensor, expect_some, unscaled},
    operation::elements,
    real::spoils,
};
use crate::{
    arguments,
    dtype::Overflow,
    tensor::{DType, Element, Operand},
};

/// out\[b, y, x, k\] = act(s_x · s_w · Σ x\[b, y·stride + r·dilation − pad, x·stride + s·dilation − pad, c\] · w\[k, r, s, c\] +
/// bias\[k\] + residual), the sum over the kernel (r, s) and the channels c of the group of k; then, for an 8-bit `out`,
/// encode(· × inv_scale) with amax and flags. As PyTorch and ONNX have it: a cross-correlation.
///
/// * `x`: \[batch, height, width, channels\], or \[batch, channels, height, width\] as [`Images`] says. f32, f16, bf16, or
///   8-bit scaled per tensor.
/// * `w`: \[out_channels, kernel height, kernel width, channels / groups\]; where channels / groups is 1 (depthwise, or
///   one channel in all) \[kernel height, kernel width, out_channels\], so that the axis in memory order is never 1. f32,
///   f16, bf16, or 8-bit scaled per tensor or per output channel.
/// * `bias`: \[out_channels\], f32, f16 or bf16, if the descriptor has it.
/// * `residual`: as `out`, f32, f16, bf16, or 8-bit scaled per tensor, if the descriptor has it.
/// * `out`: \[batch, out height, out width, out_channels\], or channels first; f32, f16, bf16, or 8-bit with given
///   scales. Out height = ⌊(height + top + bottom − dilation · (kernel − 1) − 1) / stride⌋ + 1.
///
/// Padding is zeros, which multiply: an infinite weight that meets one gives NaN.
///
/// Computed channels last: images with channels first are turned on the way in and out, packed as they are. A 1×1 kernel
/// of stride 1 without padding is a [`Gemm`](super::Gemm).
///
/// NaN: out\[b, y, x, k\] is NaN if a number of its patch and group, of the weights of k, bias k or the residual is.
///
/// Error: that of [`Gemm`](super::Gemm) where k is kernel height · kernel width · channels / groups.
///
/// Errors: an extent, a stride, a dilation or a number of groups of 0; groups that do not divide the channels; a kernel larger
/// than the padded image; padded images of 2³¹ or more; a format whose products f32 cannot hold; scales finer than said above.
///
/// ```
/// use quarter::{Context, tensor::*, ops::*};
/// let ctx = Context::cpu();
/// let x: Vec<f32> = (0..9).map(|i| i as f32).collect();
/// let x = ctx.upload_blocking(&HostTensor::from_f32(&x, [1, 3, 3, 1])?)?;
/// let w = ctx.upload_blocking(&HostTensor::from_f32(&[1.0; 9], [3, 3, 1])?)?;
/// let conv = Conv2d::new([1, 3, 3, 1], 1, [3, 3]).padding([1, 1, 1, 1]);
/// let y = ctx.empty_blocking(&conv.out_layout()?)?;
/// ctx.run([&ctx.plan_blocking(&conv)?.bind(&Conv2dArgs::new(&x, &w, &y))?])?;
/// let y = ctx.download_blocking(&y)?.to_f32();
/// assert_eq!(y, [8.0, 15.0, 12.0, 21.0, 36.0, 27.0, 20.0, 33.0, 24.0]);
/// # Ok::<(), quarter::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Conv2d {
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
    /// Steps down and right from one patch to the next.
    pub stride: [u32; 2],
    /// Zeros above, to the left, below and to the right of an image: ONNX's order.
    pub padding: [u32; 4],
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
    /// Tensors of one [`Conv2d`].
    pub struct Conv2dArgs for Conv2d {
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

impl Conv2d {
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

    /// Steps down and right from one patch to the next.
    #[must_use]
    pub fn stride(self, stride: [u32; 2]) -> Self {
        Self { stride, ..self }
    }

    /// Zeros above, to the left, below and to the right.
    #[must_use]
    pub fn padding(self, padding: [u32; 4]) -> Self {
        Self { padding, ..self }
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
    pub fn w_layout(&self) -> Result<crate::tensor::Layout, DescriptorError> {
        Ok(self.operands()?.swap_remove(1).layout)
    }

    /// Layout of the output.
    ///
    /// # Errors
    /// [`DescriptorError`] when the descriptor contradicts itself.
    pub fn out_layout(&self) -> Result<crate::tensor::Layout, DescriptorError> {
        Ok(self.operands()?.pop().expect("an output").layout)
    }

    /// Numbers of a kernel that one channel meets.
    fn taps(&self) -> u32 {
        self.kernel[0] * self.kernel[1]
    }

    fn group_in(&self) -> u32 {
        self.channels / self.groups
    }

    fn group_out(&self) -> u32 {
        self.out_channels / self.groups
    }

    /// Rows and columns of an output image; the descriptor is valid.
    fn out_size(&self) -> [u32; 2] {
        let [top, left, bottom, right] = self.padding;
        let out = |i: usize, extent: u32| {
            (extent - self.dilation[i] * (self.kernel[i] - 1) - 1) / self.stride[i] + 1
        };
        [out(0, self.height + top + bottom), out(1, self.width + left + right)]
    }

    /// Extents of the weights.
    fn w_shape(&self) -> Vec<u32> {
        let ([r, s], k) = (self.kernel, self.out_channels);
        if self.sees_one_channel() { vec![r, s, k] } else { vec![k, r, s, self.group_in()] }
    }

    /// What the kernel covers must lie within what there is.
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
        extents::expect_groups(Self::NAME, self.groups, [self.channels, self.out_channels])?;
        let [top, left, bottom, right] = self.padding;
        let sides = [(self.height, [top, bottom]), (self.width, [left, right])];
        for (i, side) in sides.into_iter().enumerate() {
            extents::expect_covered(Self::NAME, "image", side, (self.kernel[i], self.dilation[i]))?;
        }
        Ok(())
    }
}

impl Operation for Conv2d {
    const NAME: &'static str = "conv2d";
    const KERNELS: &'static [Kernel<Self>] = &[
        #[cfg(feature = "gpu")]
        Kernel::gpu("register", gpu::register_tunings, gpu::register),
        #[cfg(feature = "gpu")]
        Kernel::gpu("tiled", gpu::tiled_tunings, gpu::tiled),
        #[cfg(feature = "gpu")]
        Kernel::gpu("depthwise", gpu::depthwise_tunings, gpu::depthwise),
        #[cfg(feature = "gpu")]
        Kernel::gpu("grouped", gpu::grouped_tunings, gpu::grouped),
        Kernel::cpu(cpu::run),
    ];

    fn operands(&self) -> Result<Vec<Operand>, DescriptorError> {
        self.expect_extents()?;
        self.tensors(Self::NAME, self.out_size())
    }

    elements!(x, w, out; residual);

    fn variant(&self) -> String {
        let kinds = [self.x, self.w, self.out].map(|e| e.dtype().to_string());
        let [r, s] = self.kernel;
        let groups = if self.groups > 1 { format!(".g{}", self.groups) } else { String::new() };
        format!("{}.{r}x{s}{groups}", kinds.join("_"))
    }

    fn cost(&self) -> Cost {
        let product = |x: &[u64]| x.iter().fold(1u64, |n, &d| n.saturating_mul(d));
        let Ok(operands) = self.operands() else { return Cost::default() };
        let bytes =
            operands.iter().map(|o| o.layout.elements() * u64::from(o.layout.element().dtype().bytes()));
        let out = operands.last().expect("an output").layout.elements();
        let flops = product(&[2, out, self.taps().into(), self.group_in().into()]);
        Cost { flops, bytes: bytes.fold(0, u64::saturating_add) }
    }

    fn reference(&self, given: &Inputs) -> Outputs {
        // All taps, and where each lies, if within the image.
        self.reference_by(given, self.out_size(), |[y, x]| {
            let met = |tap: u32| {
                let (r, s) = (tap / self.kernel[1], tap % self.kernel[1]);
                let row = (y * self.stride[0] + r * self.dilation[0]).checked_sub(self.padding[0])?;
                let col = (x * self.stride[1] + s * self.dilation[1]).checked_sub(self.padding[1])?;
                (row < self.height && col < self.width).then_some([row, col])
            };
            (0..self.taps()).map(|tap| (tap, met(tap))).collect()
        })
    }

    fn cases() -> Vec<Case<Self>> {
        cases::all()
    }
}

/// What a transposed convolution has in common with one: everything but the pixels that meet.
impl Conv2d {
    /// Tensors of operation `op` whose output images are of this size; the extents are valid.
    pub(super) fn tensors(&self, op: &'static str, size: [u32; 2]) -> Result<Vec<Operand>, DescriptorError> {
        expect_factor(op, "x", self.x)?;
        expect_per_tensor(op, "x", self.x)?;
        expect_factor(op, "w", self.w)?;
        expect_number(op, "out", self.out)?;
        extents::expect_weights(op, self.w, if self.sees_one_channel() { 2 } else { 0 })?;
        let k = self.out_channels;
        let x = self.x_images.shape(self.batch, [self.height, self.width], self.channels);
        let out = self.out_images.shape(self.batch, size, k);
        let read = |role, shape: Vec<u32>, e| {
            Operand::read(role, shape, e).map_err(DescriptorError::layout(op, role))
        };
        let mut all = vec![read("x", x, self.x)?, read("w", self.w_shape(), self.w)?];
        if let Some(bias) = self.bias {
            all.push(read("bias", vec![k], unscaled(op, "bias", bias)?)?);
        }
        if let Some(residual) = self.residual {
            expect_number(op, "residual", residual)?;
            expect_per_tensor(op, "residual", residual)?;
            all.push(read("residual", out.clone(), residual)?);
        }
        let out = Operand::write("out", out, self.out).map_err(DescriptorError::layout(op, "out"))?;
        all.push(out.overflow(self.overflow));
        // What is computed has its channels last: it must be countable that way too.
        let computed = if self.out_images == Images::Nchw { Element::F32 } else { self.out };
        let nhwc = |size, channels| Images::Nhwc.shape(self.batch, size, channels);
        read("x", nhwc([self.height, self.width], self.channels), self.x)?;
        read("out", nhwc(size, k), computed)?;
        if let Some(residual) = self.residual {
            read("residual", nhwc(size, k), residual)?;
        }
        Ok(all)
    }

    /// The truth, where output pixels, rows of `p` and columns of `q`, meet these taps, each a pixel of the image or a zero
    /// beyond its edge.
    pub(super) fn reference_by(
        &self,
        given: &Inputs,
        [p, q]: [u32; 2],
        met: impl Fn([u32; 2]) -> Vec<(u32, Option<[u32; 2]>)>,
    ) -> Outputs {
        let (channels, k) = (self.channels as usize, self.out_channels as usize);
        let (group_in, group_out) = (self.group_in() as usize, self.group_out() as usize);
        let taps = self.taps() as usize;
        let codes =
            self.x_images.last(&given.codes("x"), self.batch, [self.height, self.width], self.channels);
        let (w, w_scales) = (given.codes("w"), given.scales("w"));
        let weight = |oc: usize, tap: usize, c: usize| {
            if self.sees_one_channel() { tap * k + oc } else { (oc * taps + tap) * group_in + c }
        };
        let bias = self.bias.map(|_| given.real("bias"));
        let residual = self.residual.map(|_| given.real("residual"));
        let x_scale = self.x.scaling().map(|_| Real::exact(given.scales("x")[0]));
        let mut out = vec![Real::default(); (self.batch * p * q) as usize * k];
        for b in 0..self.batch {
            for (y, x) in (0..p).flat_map(|y| (0..q).map(move |x| (y, x))) {
                let met = met([y, x]);
                let first =
                    |[row, col]: [u32; 2]| ((b * self.height + row) * self.width + col) as usize * channels;
                for oc in 0..k {
                    let group = oc / group_out * group_in;
                    let terms = met.iter().flat_map(|(tap, pixel)| {
                        let first = pixel.map(|pixel| first(pixel) + group);
                        (0..group_in).map(move |c| (*tap as usize, c, first.map(|first| first + c)))
                    });
                    let (patch, kernel): (Vec<f64>, Vec<f64>) =
                        terms.map(|(tap, c, i)| (i.map_or(0.0, |i| codes[i]), w[weight(oc, tap, c)])).unzip();
                    let mut v = Real::dot(&patch, &kernel, given.arithmetic.chain);
                    let w_scale = self.w.scaling().map(|_| Real::exact(w_scales[weight(oc, 0, 0)]));
                    if let Some(f) = [x_scale, w_scale].into_iter().flatten().reduce(|f, g| f * g) {
                        v = v * f;
                    }
                    if let Some(bias) = &bias {
                        v = v + bias[oc];
                    }
                    let at = self.out_images.index(b, [y, x], oc as u32, [p, q], self.out_channels);
                    if let Some(residual) = &residual {
                        v = v + residual[at];
                    }
                    let v = self.activation.real(v);
                    let spoilt = patch.iter().zip(&kernel).any(|(x, w)| spoils(*x, *w));
                    out[at] = if spoilt { v.or_nan() } else { v };
                }
            }
        }
        Outputs(vec![("out", out)])
    }
}
