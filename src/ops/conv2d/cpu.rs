//! Convolution on the CPU: patches copied in blocks that fit the cache, then the product; one channel at a time
//! (depthwise) straight from the image.

use super::{Conv2d, Images};
use crate::{
    cpu::{self, HostArgs, Input, Threads},
    ops::{
        Operation,
        gemm::cpu::{Lines, multiply},
    },
    tensor::Operand,
};

/// Output pixels whose patches are copied at once, at most: with a panel of the product they fit the cache.
const BLOCK: usize = 256;

/// Images as dense rows of channels, decoded once: every pixel is met by many taps.
struct Pixels {
    numbers: Vec<f32>,
    channels: usize,
}

impl Pixels {
    /// All numbers of an operand, scaled or as codes.
    fn new(input: &Input<'_>, images: Images, scaled: bool, threads: Threads) -> Self {
        let (rows, cols) = (input.layout().rows() as usize, input.layout().cols() as usize);
        let mut numbers = vec![0.0; rows * cols];
        let piece = threads.piece(rows, 1);
        threads.for_each(numbers.chunks_mut(piece * cols).enumerate(), |(i, v)| {
            for (row, v) in (i * piece..).zip(v.chunks_exact_mut(cols)) {
                if scaled { input.numbers(row, 0, v) } else { input.codes(row, 0, v) }
            }
        });
        let shape = input.layout().shape();
        match images {
            Images::Nhwc => Self { numbers, channels: cols },
            Images::Nchw => {
                let [batch, channels, h, w] = [shape[0], shape[1], shape[2], shape[3]];
                Self { numbers: images.last(&numbers, batch, [h, w], channels), channels: channels as usize }
            }
        }
    }

    fn pixel(&self, i: usize) -> &[f32] {
        &self.numbers[i * self.channels..][..self.channels]
    }
}

/// What taps meet.
struct Geometry<'o> {
    o: &'o Conv2d,
    out: [usize; 2],
}

impl Geometry<'_> {
    /// The pixel of the input that an output pixel meets at a tap, if it lies within the image.
    fn pixel(&self, out_pixel: usize, tap: usize) -> Option<usize> {
        let (o, [p, q]) = (self.o, self.out);
        let (line, x) = (out_pixel / q, out_pixel % q);
        let (image, y) = (line / p, line % p);
        let (r, s) = (tap / o.kernel[1] as usize, tap % o.kernel[1] as usize);
        let at = |i: usize, out: usize, tap: usize, extent: u32| {
            let place = out * o.stride[i] as usize + tap * o.dilation[i] as usize;
            place.checked_sub(o.padding[i] as usize).filter(|&at| at < extent as usize)
        };
        let (y, x) = (at(0, y, r, o.height)?, at(1, x, s, o.width)?);
        Some((image * o.height as usize + y) * o.width as usize + x)
    }
}

/// Patches as lines: tap by tap the channels of a group.
struct Patches<'a> {
    pixels: &'a Pixels,
    geometry: &'a Geometry<'a>,
    group_in: usize,
}

impl Lines for Patches<'_> {
    fn decode(&self, group: usize, line: usize, first: usize, depth: usize, out: &mut [f32]) {
        let n = self.group_in;
        for (line, out) in (line..).zip(out.chunks_exact_mut(depth)) {
            let mut k = first;
            let mut rest = out;
            while !rest.is_empty() {
                let (tap, c) = (k / n, k % n);
                let (here, after) = rest.split_at_mut((n - c).min(rest.len()));
                match self.geometry.pixel(line, tap) {
                    Some(pixel) => {
                        here.copy_from_slice(&self.pixels.pixel(pixel)[group * n + c..][..here.len()])
                    }
                    None => here.fill(0.0),
                }
                k += here.len();
                rest = after;
            }
        }
    }
}

/// Weights as lines: a kernel each.
struct Kernels<'a> {
    input: &'a Input<'a>,
    taps: usize,
    group_in: usize,
    group_out: usize,
    /// Whether output channels are innermost.
    one_channel: bool,
}

impl Lines for Kernels<'_> {
    fn decode(&self, group: usize, line: usize, first: usize, depth: usize, out: &mut [f32]) {
        let n = self.group_in;
        let line = group * self.group_out + line;
        if self.one_channel {
            let mut row = vec![0.0; out.len() / depth];
            for k in 0..depth {
                self.input.codes(first + k, line, &mut row);
                for (out, v) in out.chunks_exact_mut(depth).zip(&row) {
                    out[k] = *v;
                }
            }
            return;
        }
        for (line, out) in (line..).zip(out.chunks_exact_mut(depth)) {
            let mut k = first;
            let mut rest = out;
            while !rest.is_empty() {
                let (here, after) = rest.split_at_mut((n - k % n).min(rest.len()));
                self.input.codes(line * self.taps + k / n, k % n, here);
                k += here.len();
                rest = after;
            }
        }
    }
}

/// What happens to a sum.
struct Epilogue<'o> {
    o: &'o Conv2d,
    /// By output channel; s_x · s_w, where there are scales.
    factors: Option<Vec<f64>>,
    bias: Option<Vec<f32>>,
    residual: Option<Pixels>,
}

impl Epilogue<'_> {
    /// Sums of one output pixel, channels from `first` on.
    fn apply(&self, pixel: usize, first: usize, v: &mut [f32]) {
        if let Some(f) = &self.factors {
            // One rounding, and no product of scales that leaves the range of f32 on the way.
            v.iter_mut().zip(&f[first..]).for_each(|(v, f)| *v = (f64::from(*v) * f) as f32);
        }
        if let Some(bias) = &self.bias {
            v.iter_mut().zip(&bias[first..]).for_each(|(v, bias)| *v += bias);
        }
        if let Some(residual) = &self.residual {
            v.iter_mut().zip(&residual.pixel(pixel)[first..]).for_each(|(v, add)| *v += add);
        }
        if self.o.activation != crate::ops::Activation::None {
            v.iter_mut().for_each(|v| *v = self.o.activation.apply(*v));
        }
    }
}

fn operand<'o>(operands: &'o [Operand], role: &str) -> &'o Operand {
    operands.iter().find(|o| o.role == role).expect("an operand of conv2d")
}

pub(super) fn run(o: &Conv2d, args: &mut HostArgs<'_>, threads: Threads) {
    let operands = o.operands().expect("validated");
    let input = |role| Input::new(operand(&operands, role), args);
    let (x, w) = (input("x"), input("w"));
    let k = o.out_channels as usize;
    let pixels = Pixels::new(&x, o.x_images, false, threads);
    let geometry = Geometry { o, out: o.out_size().map(|d| d as usize) };
    let epilogue = Epilogue {
        o,
        factors: factors(o, &x, &w),
        bias: o.bias.map(|_| {
            let mut bias = vec![0.0; k];
            input("bias").codes(0, 0, &mut bias);
            bias
        }),
        residual: o.residual.map(|_| Pixels::new(&input("residual"), o.out_images, true, threads)),
    };
    let count = o.batch as usize * geometry.out[0] * geometry.out[1];
    let direct = o.sees_one_channel() && o.groups > 1;
    // Blocks of output pixels, every channel of each; enough of them for all threads.
    let block = count.div_ceil(threads.get()).min(BLOCK);
    let blocks: Vec<Vec<f32>> = threads.for_each((0..count).step_by(block), |first| {
        let rows = block.min(count - first);
        let mut out = if direct {
            depthwise(o, &geometry, &pixels, &w, first, rows)
        } else {
            grouped(o, &geometry, &pixels, &w, first, rows)
        };
        for (pixel, v) in (first..).zip(out.chunks_exact_mut(k)) {
            epilogue.apply(pixel, 0, v);
        }
        out
    });
    let pixel = |i: usize| &blocks[i / block][i % block * k..][..k];
    let [p, q] = geometry.out;
    cpu::write(operand(&operands, "out"), args, threads, |row, v| match o.out_images {
        Images::Nhwc => v.copy_from_slice(pixel(row)),
        Images::Nchw => {
            // Rows are those of an image's channels.
            let (image, channel, y) = (row / p / k, row / p % k, row % p);
            v.iter_mut().enumerate().for_each(|(x, v)| *v = pixel((image * p + y) * q + x)[channel]);
        }
    });
}

/// s_x · s_w of every output channel, if either is scaled.
fn factors(o: &Conv2d, x: &Input<'_>, w: &Input<'_>) -> Option<Vec<f64>> {
    if x.scales().is_none() && w.scales().is_none() {
        return None;
    }
    let of_x = x.scales().map_or(1.0, |s| f64::from(s.scale_of(0)));
    let of_w = |channel: usize| {
        w.scales().map_or(1.0, |s| f64::from(s.scale_of(if s.groups() > 1 { channel } else { 0 })))
    };
    Some((0..o.out_channels as usize).map(|channel| of_x * of_w(channel)).collect())
}

/// Sums of some output pixels, group after group by the product.
fn grouped(
    o: &Conv2d,
    geometry: &Geometry<'_>,
    pixels: &Pixels,
    w: &Input<'_>,
    first: usize,
    rows: usize,
) -> Vec<f32> {
    let (k, taps) = (o.out_channels as usize, o.taps() as usize);
    let (group_in, group_out) = (o.group_in() as usize, o.group_out() as usize);
    let patches = Patches { pixels, geometry, group_in };
    let kernels = Kernels { input: w, taps, group_in, group_out, one_channel: o.sees_one_channel() };
    let sums = |group: usize| {
        multiply((&patches, &kernels), taps * group_in, (group, group), (first, 0), (rows, group_out))
    };
    if o.groups == 1 {
        return sums(0);
    }
    let mut out = vec![0.0; rows * k];
    for group in 0..o.groups as usize {
        for (out, sums) in out.chunks_exact_mut(k).zip(sums(group).chunks_exact(group_out)) {
            out[group * group_out..][..group_out].copy_from_slice(sums);
        }
    }
    out
}

/// Sums of some output pixels, where every output channel sees one channel: all channels of a pixel at once.
fn depthwise(
    o: &Conv2d,
    geometry: &Geometry<'_>,
    pixels: &Pixels,
    w: &Input<'_>,
    first: usize,
    rows: usize,
) -> Vec<f32> {
    let (k, taps, multiplier) = (o.out_channels as usize, o.taps() as usize, o.group_out() as usize);
    let mut kernels = vec![0.0; taps * k];
    for (tap, row) in kernels.chunks_exact_mut(k).enumerate() {
        w.codes(tap, 0, row);
    }
    // Zeros beyond the edge matter only where they meet Inf or NaN.
    let finite = kernels.iter().all(|w| w.is_finite());
    let mut out = vec![0.0; rows * k];
    for (pixel, out) in (first..).zip(out.chunks_exact_mut(k)) {
        for (tap, w) in kernels.chunks_exact(k).enumerate() {
            match geometry.pixel(pixel, tap).map(|p| pixels.pixel(p)) {
                Some(x) if multiplier == 1 => {
                    out.iter_mut().zip(x).zip(w).for_each(|((out, x), w)| *out += x * w);
                }
                Some(x) => {
                    let kernels = out.chunks_exact_mut(multiplier).zip(w.chunks_exact(multiplier));
                    for ((out, w), x) in kernels.zip(x) {
                        out.iter_mut().zip(w).for_each(|(out, w)| *out += x * w);
                    }
                }
                None if finite => {}
                None => out.iter_mut().zip(w).for_each(|(out, w)| *out += 0.0 * w),
            }
        }
    }
    out
}
