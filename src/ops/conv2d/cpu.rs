//! Convolution on the CPU: some lines of an image at a time, so that what is decoded stays in the cache; their patches
//! copied and multiplied, or where a kernel sees one channel of many (depthwise) straight from the image.

use super::{Conv2d, Images, pointwise, upright::computed};
use crate::{
    cpu::{self, HostArgs, Input, Loop, Matrix, Threads, vector},
    ops::{
        Operation,
        gemm::cpu::{self as gemm, Lines, Room, multiply},
    },
    tensor::{Operand, Slot},
};
use std::{borrow::Cow, ops::Range};

/// Output pixels that are computed together, about: their part of the image fits the cache.
const BLOCK: usize = 1024;
/// Output pixels whose patches are copied at once: with a panel of the product they fit the cache.
const PATCHES: usize = 128;

pub(super) fn run(o: &Conv2d, args: &mut HostArgs<'_>, threads: Threads) {
    if let Some(product) = pointwise::as_gemm(o) {
        args.rebind(|slot| match slot {
            Slot::Of("x", part) => Slot::Of("a", part),
            Slot::Of("w", part) => Slot::Of("b", part),
            other => other,
        });
        return gemm::run(&product, args, threads);
    }
    let operands = o.operands().expect("validated");
    let input = |role| Input::new(operand(&operands, role), args);
    let (x, w) = (input("x"), input("w"));
    let [p, q] = o.out_size().map(|d| d as usize);
    let (k, images) = (o.out_channels as usize, o.batch as usize);
    let inner = computed(o);
    let convolution = Convolution {
        o: &inner,
        out: inner.out_size().map(|d| d as usize),
        kernels: Kernels::new(&inner, &w),
        x: &x,
        given: o,
    };
    let epilogue = Epilogue {
        factors: factors(o, &x, &w),
        bias: o.bias.map(|_| {
            let mut bias = vec![0.0; k];
            input("bias").codes(0, 0, &mut bias);
            bias
        }),
        residual: o.residual.map(|_| Residual::new(o, input("residual"))),
    };
    let blocks = blocks(images, convolution.out, threads);
    let fill = |pixels: &Range<usize>, v: &mut [f32]| {
        convolution.sums(pixels, v);
        for (pixel, v) in pixels.clone().zip(v.chunks_exact_mut(k)) {
            epilogue.apply(pixel, v);
        }
        o.activation.apply_all(v);
    };
    let out = operand(&operands, "out");
    if o.out_images == Images::Nhwc {
        return cpu::write_blocks(out, args, threads, &blocks, fill);
    }
    let mut numbers = vec![0.0; images * p * q * k];
    cpu::fill_blocks(&mut numbers, k, threads, &blocks, fill);
    // Rows are those of an image's channels.
    cpu::write(out, args, threads, |row, v| {
        let (image, channel, y) = (row / p / k, row / p % k, row % p);
        let line = &numbers[(image * p + y) * q * k..];
        v.iter_mut().zip(line.iter().skip(channel).step_by(k)).for_each(|(v, number)| *v = *number);
    });
}

/// Pixels of the output that are computed together, some lines of an image each: enough blocks for all threads.
fn blocks(images: usize, [p, q]: [usize; 2], threads: Threads) -> Vec<Range<usize>> {
    let lines = (BLOCK / q).min(p.div_ceil(threads.get().div_ceil(images))).max(1);
    let of = |image: usize| {
        (0..p).step_by(lines).map(move |y| (image * p + y) * q..(image * p + (y + lines).min(p)) * q)
    };
    (0..images).flat_map(of).collect()
}

fn operand<'o>(operands: &'o [Operand], role: &str) -> &'o Operand {
    operands.iter().find(|o| o.role == role).expect("an operand of conv2d")
}

/// Weights in f32, decoded once: those of an output channel together, or where kernels see one channel those of a tap.
struct Kernels<'a> {
    numbers: Cow<'a, [f32]>,
    /// Numbers of a kernel.
    length: usize,
    group_out: usize,
}

impl<'a> Kernels<'a> {
    fn new(o: &Conv2d, w: &Input<'a>) -> Self {
        let (rows, cols) = (w.layout().rows() as usize, w.layout().cols() as usize);
        let numbers = match w.plain().filter(|m| m.stride == cols) {
            Some(m) => Cow::Borrowed(m.numbers),
            None => {
                let mut numbers = vec![0.0; rows * cols];
                w.code_rows(0, &mut numbers);
                Cow::Owned(numbers)
            }
        };
        let length = (o.taps() * o.group_in()) as usize;
        let mut kernels = Self { numbers, length, group_out: o.group_out() as usize };
        if o.sees_one_channel() && o.groups == 1 {
            // A product wants what one channel of the output needs together.
            let turned = (0..rows * cols).map(|i| kernels.numbers[i % length * cols + i / length]);
            kernels.numbers = Cow::Owned(turned.collect());
        }
        kernels
    }
}

impl Lines for Kernels<'_> {
    fn panel<'p>(
        &'p self,
        group: usize,
        lines: Range<usize>,
        k: Range<usize>,
        _: &'p mut Vec<f32>,
    ) -> Matrix<'p> {
        let first = (group * self.group_out + lines.start) * self.length + k.start;
        Matrix { numbers: &self.numbers[first..], stride: self.length }
    }
}

/// A part of one image in f32: some of its lines.
struct Window<'a> {
    numbers: Cow<'a, [f32]>,
    /// Numbers from pixel to pixel.
    stride: usize,
    lines: Range<usize>,
}

/// Where the first tap of an output pixel lies in its image; before the first line or column, it may be.
#[derive(Clone, Copy)]
struct Place {
    y: isize,
    x: isize,
}

/// What is convolved with what.
struct Convolution<'a> {
    /// As it is computed.
    o: &'a Conv2d,
    out: [usize; 2],
    kernels: Kernels<'a>,
    x: &'a Input<'a>,
    /// As it came: how `x` lies.
    given: &'a Conv2d,
}

impl Convolution<'_> {
    /// Σ x · w of pixels of one image, every channel of each.
    fn sums(&self, pixels: &Range<usize>, out: &mut [f32]) {
        let window = self.window(pixels);
        if self.o.sees_one_channel() && self.o.groups > 1 {
            return vector(Depthwise { c: self, window: &window, pixels: pixels.clone(), out });
        }
        let (o, k) = (self.o, self.o.out_channels as usize);
        let patches = Patches { convolution: self, window: &window, group_in: o.group_in() as usize };
        let (length, group_out) = (self.kernels.length, o.group_out() as usize);
        let mut room = Room::default();
        for (first, out) in pixels.clone().step_by(PATCHES).zip(out.chunks_mut(PATCHES * k)) {
            let rows = first..first + out.len() / k;
            for group in 0..o.groups as usize {
                let out = &mut out[group * group_out..];
                let lines = (rows.clone(), 0..group_out);
                multiply((&patches, &self.kernels), length, (group, group), lines, (out, k), &mut room);
            }
        }
    }

    fn place(&self, pixel: usize) -> Place {
        let (o, [p, q]) = (self.o, self.out);
        let at = |i: usize, at: usize| (at * o.stride[i] as usize) as isize - o.padding[i] as isize;
        Place { y: at(0, pixel / q % p), x: at(1, pixel % q) }
    }

    /// The lines of the input that these pixels of one image see.
    fn window(&self, pixels: &Range<usize>) -> Window<'_> {
        let (o, x, given) = (self.o, self.x, self.given);
        let [height, width, channels] = [o.height, o.width, o.channels].map(|d| d as usize);
        let image = pixels.start / (self.out[0] * self.out[1]);
        let reach = ((o.kernel[0] - 1) * o.dilation[0]) as isize;
        let line = |y: isize| usize::try_from(y).unwrap_or(0).min(height);
        let lines = line(self.place(pixels.start).y)..line(self.place(pixels.end - 1).y + reach + 1);
        if given.x_images == Images::Nhwc
            && let Some(m) = x.plain()
        {
            let first = (image * height + lines.start) * width * m.stride;
            return Window { numbers: Cow::Borrowed(&m.numbers[first..]), stride: m.stride, lines };
        }
        let mut numbers = vec![0.0; lines.len() * width * channels];
        if given.x_images == Images::Nhwc {
            x.code_rows((image * height + lines.start) * width, &mut numbers);
        } else {
            // Rows of a channel as they came: whole ones, or a part of the only one.
            let (rows, cols) = (given.height as usize, given.width as usize);
            let (start, end) = (lines.start * width, lines.end * width);
            let mut row = vec![0.0; cols.min(end - start)];
            for channel in 0..channels {
                for at in (start..end).step_by(row.len().max(1)) {
                    x.codes((image * channels + channel) * rows + at / cols, at % cols, &mut row);
                    let to = numbers[(at - start) * channels..].iter_mut().skip(channel).step_by(channels);
                    to.zip(&row).for_each(|(to, v)| *to = *v);
                }
            }
        }
        Window { numbers: Cow::Owned(numbers), stride: channels, lines }
    }

    /// Where the pixel that a place meets at a tap begins, if it lies within the image.
    fn meets(&self, window: &Window<'_>, place: Place, [r, s]: [usize; 2]) -> Option<usize> {
        let o = self.o;
        let y = place.y + (r * o.dilation[0] as usize) as isize;
        let x = place.x + (s * o.dilation[1] as usize) as isize;
        let within = y >= 0 && y < o.height as isize && x >= 0 && x < o.width as isize;
        within.then(|| ((y as usize - window.lines.start) * o.width as usize + x as usize) * window.stride)
    }
}

/// Σ x · w where every output channel sees one channel: all channels of a pixel together.
struct Depthwise<'a> {
    c: &'a Convolution<'a>,
    window: &'a Window<'a>,
    pixels: Range<usize>,
    out: &'a mut [f32],
}

impl Loop for Depthwise<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { c, window, pixels, out } = self;
        /// Channels whose sums are kept in registers.
        const LANES: usize = 32;
        let (o, k) = (c.o, c.o.out_channels as usize);
        let multiplier = o.group_out() as usize;
        let taps = || (0..o.kernel[0] as usize).flat_map(|r| (0..o.kernel[1] as usize).map(move |s| [r, s]));
        // Zeros beyond the edge matter only where they meet Inf or NaN.
        let finite = c.kernels.numbers.iter().all(|w| w.is_finite());
        let zeros = vec![0.0; o.channels as usize];
        let mut met: Vec<(&[f32], &[f32])> = vec![];
        for (pixel, out) in pixels.zip(out.chunks_exact_mut(k)) {
            let place = c.place(pixel);
            met.clear();
            for (tap, w) in taps().zip(c.kernels.numbers.chunks_exact(k)) {
                match c.meets(window, place, tap) {
                    Some(first) => met.push((&window.numbers[first..][..o.channels as usize], w)),
                    None if finite => {}
                    None => met.push((&zeros, w)),
                }
            }
            if multiplier > 1 {
                out.fill(0.0);
                for (x, w) in &met {
                    let kernels = out.chunks_exact_mut(multiplier).zip(w.chunks_exact(multiplier));
                    for ((out, w), x) in kernels.zip(*x) {
                        out.iter_mut().zip(w).for_each(|(out, w)| *out += x * w);
                    }
                }
                continue;
            }
            let (whole, rest) = out.as_chunks_mut::<LANES>();
            for (i, out) in whole.iter_mut().enumerate() {
                let mut sums = [0.0; LANES];
                for (x, w) in &met {
                    let pairs = x.as_chunks::<LANES>().0[i].iter().zip(&w.as_chunks::<LANES>().0[i]);
                    sums.iter_mut().zip(pairs).for_each(|(sum, (x, w))| *sum += x * w);
                }
                *out = sums;
            }
            for (i, out) in (k - rest.len()..).zip(rest) {
                *out = met.iter().map(|(x, w)| x[i] * w[i]).sum();
            }
        }
    }
}

/// Patches as lines: tap by tap the channels of a group.
struct Patches<'a> {
    convolution: &'a Convolution<'a>,
    window: &'a Window<'a>,
    group_in: usize,
}

impl Lines for Patches<'_> {
    fn panel<'p>(
        &'p self,
        group: usize,
        pixels: Range<usize>,
        k: Range<usize>,
        room: &'p mut Vec<f32>,
    ) -> Matrix<'p> {
        let (n, o) = (self.group_in, self.convolution.o);
        let across = o.kernel[1] as usize;
        // Taps that lie together in memory where all of them meet the image: those across, or in one column those down.
        let axis = if (o.width, across) == (1, 1) { 0 } else { 1 };
        let joined =
            if o.dilation[axis] == 1 && n == self.window.stride { o.kernel[axis] as usize } else { 1 };
        room.resize(pixels.len() * k.len(), 0.0);
        for (pixel, patch) in pixels.zip(room.chunks_exact_mut(k.len())) {
            let place = self.convolution.place(pixel);
            let (mut tap, mut channel) = (k.start / n, k.start % n);
            let mut rest = patch;
            while !rest.is_empty() {
                let meets = |tap| self.convolution.meets(self.window, place, [tap / across, tap % across]);
                let (first, last) = (meets(tap), tap + joined - tap % joined - 1);
                let taps = if first.is_some() && meets(last).is_some() { last + 1 - tap } else { 1 };
                let (here, after) = rest.split_at_mut((taps * n - channel).min(rest.len()));
                match first {
                    Some(first) => here
                        .copy_from_slice(&self.window.numbers[first + group * n + channel..][..here.len()]),
                    None => here.fill(0.0),
                }
                (tap, channel, rest) = (tap + taps, 0, after);
            }
        }
        Matrix { numbers: room, stride: k.len() }
    }
}

/// What is added to the output.
enum Residual<'a> {
    /// Rows of it are those of the output's pixels.
    Nhwc(Input<'a>),
    /// Turned: pixel by pixel.
    Nchw(Vec<f32>),
}

impl<'a> Residual<'a> {
    fn new(o: &Conv2d, input: Input<'a>) -> Self {
        if o.out_images == Images::Nhwc {
            return Self::Nhwc(input);
        }
        let mut numbers = vec![0.0; input.layout().elements() as usize];
        for (row, v) in numbers.chunks_exact_mut(input.layout().cols() as usize).enumerate() {
            input.numbers(row, 0, v);
        }
        Self::Nchw(o.out_images.last(&numbers, o.batch, o.out_size(), o.out_channels))
    }
}

/// What happens to a sum before the activation.
struct Epilogue<'a> {
    /// By output channel; s_x · s_w, where there are scales.
    factors: Option<Vec<f64>>,
    bias: Option<Vec<f32>>,
    residual: Option<Residual<'a>>,
}

impl Epilogue<'_> {
    /// Sums of one output pixel.
    fn apply(&self, pixel: usize, v: &mut [f32]) {
        cpu::finish(v, 1.0, self.factors.as_deref(), self.bias.as_deref());
        match &self.residual {
            Some(Residual::Nhwc(input)) => input.add(pixel, 0, v),
            Some(Residual::Nchw(all)) => {
                let add = &all[pixel * v.len()..];
                v.iter_mut().zip(add).for_each(|(v, add)| *v += add);
            }
            None => {}
        }
    }
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
