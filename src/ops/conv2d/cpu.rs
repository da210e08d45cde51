//! Convolution on the CPU: some lines of an image at a time, so that what is decoded stays in the cache; their patches
//! copied and multiplied, or where a kernel sees one channel (depthwise, or a thin product) straight from the image.

use super::{Conv2d, Images, pointwise, upright::computed};
use crate::{
    cpu::{self, HostArgs, Input, Loop, Matrix, Room, Threads, vector},
    ops::{
        Operation,
        gemm::cpu::{self as gemm, Lines, multiply},
    },
    tensor::{Operand, Slot},
};
use std::{borrow::Cow, ops::Range};

/// Output pixels that are computed together, about: their part of the image fits the cache.
const BLOCK: usize = 1024;
/// Output pixels whose patches are copied at once: with a panel of the product they fit the cache.
const PATCHES: usize = 128;
/// Channels whose sums are kept in registers where there are no patches, and pixels.
const LANES: usize = 16;
const TOGETHER: usize = 4;

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
    let inner = computed(o);
    let convolution = Convolution {
        o: &inner,
        out: inner.out_size().map(|d| d as usize),
        kernels: Kernels::new(&inner, &w),
        x: &x,
        given: o,
    };
    let out = (o.out_size(), convolution.out);
    finish(o, out, (&x, &w), (&operands, args), threads, |pixels, v, room| convolution.sums(pixels, v, room));
}

/// Writes what becomes of the sums of all output pixels, block by block; of `o` only what a transposed convolution has too is
/// looked at. Rows and columns of the output are those that it has and those that are computed.
pub(in crate::ops) fn finish(
    o: &Conv2d,
    (given, computed): ([u32; 2], [usize; 2]),
    (x, w): (&Input<'_>, &Input<'_>),
    (operands, args): (&[Operand], &mut HostArgs<'_>),
    threads: Threads,
    sums: impl Fn(&Range<usize>, &mut [f32], &mut Room) + Sync + Send,
) {
    let input = |role| Input::new(operand(operands, role), args);
    let [p, q] = given.map(|d| d as usize);
    let (k, images) = (o.out_channels as usize, o.batch as usize);
    let epilogue = Epilogue {
        factors: factors(o, x, w),
        bias: o.bias.map(|_| {
            let mut bias = vec![0.0; k];
            input("bias").codes(0, 0, &mut bias);
            bias
        }),
        residual: o.residual.map(|_| Residual::new(o, given, input("residual"))),
    };
    let blocks = blocks(images, computed, threads);
    let fill = |pixels: &Range<usize>, v: &mut [f32], room: &mut Room| {
        sums(pixels, v, room);
        epilogue.apply(pixels.start, v, k);
        o.activation.apply_all(v);
    };
    let out = operand(operands, "out");
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

/// Whether sums are taken straight from the image: kernels see one channel, and a product would be too thin.
fn directly(o: &Conv2d) -> bool {
    /// So many terms of a sum fill a product.
    const THICK: u32 = 32;
    o.sees_one_channel() && (o.groups > 1 || o.taps() < THICK)
}

/// Pixels of the output that are computed together, some lines of an image each: enough blocks for all threads.
fn blocks(images: usize, [p, q]: [usize; 2], threads: Threads) -> Vec<Range<usize>> {
    let lines = (BLOCK / q).min(p.div_ceil(threads.get().div_ceil(images))).max(1);
    let of = |image: usize| {
        (0..p).step_by(lines).map(move |y| (image * p + y) * q..(image * p + (y + lines).min(p)) * q)
    };
    (0..images).flat_map(of).collect()
}

pub(in crate::ops) fn operand<'o>(operands: &'o [Operand], role: &str) -> &'o Operand {
    operands.iter().find(|o| o.role == role).expect("an operand of conv2d")
}

/// Weights in f32, decoded once: those of an output channel together, or where kernels see one channel those of a tap.
pub(in crate::ops) struct Kernels<'a> {
    numbers: Cow<'a, [f32]>,
    /// Numbers of a kernel.
    length: usize,
    group_out: usize,
    /// Whether none is Inf or NaN; asked where sums are taken straight from the image, as the next.
    finite: bool,
    /// Kernels of `LANES` channels tap by tap, then those of the next; of channels that do not fill them, none.
    lanes: Vec<[f32; LANES]>,
}

impl<'a> Kernels<'a> {
    fn new(o: &Conv2d, w: &Input<'a>) -> Self {
        Self::of(o, Self::decoded(w))
    }

    /// All weights, tensors' padding left out.
    pub fn decoded(w: &Input<'a>) -> Cow<'a, [f32]> {
        let (rows, cols) = (w.layout().rows() as usize, w.layout().cols() as usize);
        match w.plain().filter(|m| m.stride == cols) {
            Some(m) => Cow::Borrowed(m.numbers),
            None => {
                let mut numbers = vec![0.0; rows * cols];
                w.code_rows(0, &mut numbers);
                Cow::Owned(numbers)
            }
        }
    }

    /// Those of this convolution.
    pub fn of(o: &Conv2d, numbers: Cow<'a, [f32]>) -> Self {
        let length = (o.taps() * o.group_in()) as usize;
        let group_out = o.group_out() as usize;
        let mut kernels = Self { numbers, length, group_out, finite: true, lanes: vec![] };
        if directly(o) {
            kernels.finite = kernels.numbers.iter().all(|w| w.is_finite());
            let k = o.out_channels as usize;
            let taps = || kernels.numbers.chunks_exact(k);
            let lanes = (0..k / LANES).flat_map(|i| taps().map(move |w| w.as_chunks().0[i])).collect();
            kernels.lanes = lanes;
        } else if o.sees_one_channel() {
            // A product wants what one channel of the output needs together.
            let k = o.out_channels as usize;
            let turned = (0..length * k).map(|i| kernels.numbers[i % length * k + i / length]);
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

/// A part of one image in f32: some of its lines, pixels without padding.
struct Window<'a> {
    numbers: &'a [f32],
    lines: Range<usize>,
}

/// Where the first tap of an output pixel lies in its image; before the first line or column, it may be.
#[derive(Clone, Copy)]
struct Place {
    y: isize,
    x: isize,
}

/// What is convolved with what.
pub(in crate::ops) struct Convolution<'a> {
    /// As it is computed.
    pub o: &'a Conv2d,
    pub out: [usize; 2],
    pub kernels: Kernels<'a>,
    pub x: &'a Input<'a>,
    /// As it came: how `x` lies.
    pub given: &'a Conv2d,
}

impl Convolution<'_> {
    /// Σ x · w of pixels of one image, every channel of each.
    pub fn sums(&self, pixels: &Range<usize>, out: &mut [f32], room: &mut Room) {
        let Room { image, panels } = room;
        let window = self.window(pixels, image);
        if directly(self.o) {
            return vector(Direct { c: self, window: &window, pixels: pixels.clone(), out });
        }
        let (o, k) = (self.o, self.o.out_channels as usize);
        let patches = Patches { convolution: self, window: &window, group_in: o.group_in() as usize };
        let (length, group_out) = (self.kernels.length, o.group_out() as usize);
        for (first, out) in pixels.clone().step_by(PATCHES).zip(out.chunks_mut(PATCHES * k)) {
            let rows = first..first + out.len() / k;
            for group in 0..o.groups as usize {
                let out = &mut out[group * group_out..];
                let lines = (rows.clone(), 0..group_out);
                multiply((&patches, &self.kernels), length, (group, group), lines, (out, k), panels);
            }
        }
    }

    fn place(&self, pixel: usize) -> Place {
        let (o, [p, q]) = (self.o, self.out);
        let at = |i: usize, at: usize| (at * o.stride[i] as usize) as isize - o.padding[i] as isize;
        Place { y: at(0, pixel / q % p), x: at(1, pixel % q) }
    }

    /// Steps down and right from the first tap of a kernel to the last.
    fn reach(&self) -> [usize; 2] {
        [0, 1].map(|i| ((self.o.kernel[i] - 1) * self.o.dilation[i]) as usize)
    }

    /// The lines of the input that these pixels of one image see.
    fn window<'w>(&'w self, pixels: &Range<usize>, room: &'w mut Vec<f32>) -> Window<'w> {
        let (o, x, given) = (self.o, self.x, self.given);
        let [height, width, channels] = [o.height, o.width, o.channels].map(|d| d as usize);
        let image = pixels.start / (self.out[0] * self.out[1]);
        let line = |y: isize| usize::try_from(y).unwrap_or(0).min(height);
        let end = self.place(pixels.end - 1).y + self.reach()[0] as isize + 1;
        let lines = line(self.place(pixels.start).y)..line(end);
        if given.x_images == Images::Nhwc
            && let Some(m) = x.plain().filter(|m| m.stride == channels)
        {
            let first = (image * height + lines.start) * width * channels;
            return Window { numbers: &m.numbers[first..], lines };
        }
        room.resize(lines.len() * width * channels, 0.0);
        if given.x_images == Images::Nhwc {
            x.code_rows((image * height + lines.start) * width, room);
        } else {
            // Rows of a channel as they came: whole ones, or a part of the only one.
            let (rows, cols) = (given.height as usize, given.width as usize);
            let (start, end) = (lines.start * width, lines.end * width);
            let mut row = vec![0.0; cols.min(end - start)];
            for channel in 0..channels {
                for at in (start..end).step_by(row.len().max(1)) {
                    x.codes((image * channels + channel) * rows + at / cols, at % cols, &mut row);
                    let to = room[(at - start) * channels..].iter_mut().skip(channel).step_by(channels);
                    to.zip(&row).for_each(|(to, v)| *to = *v);
                }
            }
        }
        Window { numbers: room, lines }
    }

    /// The pixel of the image that a place sees at a tap; it may lie beyond the edge.
    fn seen(&self, place: Place, [r, s]: [usize; 2]) -> Place {
        let [down, across] = self.o.dilation.map(|d| d as usize);
        Place { y: place.y + (r * down) as isize, x: place.x + (s * across) as isize }
    }

    /// Where a pixel within the image begins.
    fn index(&self, window: &Window<'_>, Place { y, x }: Place) -> usize {
        ((y as usize - window.lines.start) * self.o.width as usize + x as usize) * self.o.channels as usize
    }

    fn within(&self, Place { y, x }: Place) -> bool {
        y >= 0 && y < self.o.height as isize && x >= 0 && x < self.o.width as isize
    }
}

/// Σ x · w where every output channel sees one channel: all channels of a pixel together. Pixels are whole lines.
struct Direct<'a> {
    c: &'a Convolution<'a>,
    window: &'a Window<'a>,
    pixels: Range<usize>,
    out: &'a mut [f32],
}

impl Loop for Direct<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { c, window, pixels, out } = self;
        let (o, q, k) = (c.o, c.out[1], c.o.out_channels as usize);
        let multiplier = o.group_out() as usize;
        // Whether all lanes see one channel or one each, and zeros beyond the edge need not be multiplied.
        let lanes = (multiplier == 1 || multiplier.is_multiple_of(LANES)) && c.kernels.finite;
        let zeros = vec![0.0; o.channels as usize];
        let whole = c.whole();
        let mut met = vec![];
        for (line, out) in (pixels.start / q..).zip(out.chunks_exact_mut(q * k)) {
            let first = c.place(line * q);
            let inner = if lanes { c.inner(first) } else { 0..0 };
            let place =
                |column: usize| Place { x: first.x + (column * o.stride[1] as usize) as isize, ..first };
            for column in (0..inner.start).chain(inner.end..q) {
                let out = &mut out[column * k..][..k];
                if lanes {
                    c.meet(window, place(column), &mut met);
                    c.side_by_side(&met, window.numbers, out);
                } else {
                    c.one(window, place(column), &zeros, out);
                }
            }
            if !inner.is_empty() {
                let seen = &window.numbers[c.index(window, place(inner.start))..];
                c.side_by_side(&whole, seen, &mut out[inner.start * k..inner.end * k]);
            }
        }
    }
}

/// What kernels that see one channel meet.
impl Convolution<'_> {
    fn taps(&self) -> impl Iterator<Item = [usize; 2]> {
        let [down, across] = self.o.kernel.map(|d| d as usize);
        (0..down).flat_map(move |r| (0..across).map(move |s| [r, s]))
    }

    /// Columns of the output line that begins at this place whose kernels lie within the image.
    fn inner(&self, first: Place) -> Range<usize> {
        let (o, q, y) = (self.o, self.out[1], first.y);
        let [down, across] = self.reach();
        let [width, stride, padding] = [o.width, o.stride[1], o.padding[1]].map(|d| d as usize);
        if y < 0 || y + down as isize >= o.height as isize || width + padding <= across {
            return 0..0;
        }
        let first = padding.div_ceil(stride).min(q);
        first..((width + padding - across - 1) / stride + 1).clamp(first, q)
    }

    /// All taps of a kernel.
    fn whole(&self) -> Vec<Met> {
        let [down, across] = self.o.dilation.map(|d| d as usize);
        let at =
            |[r, s]: [usize; 2]| (r * down * self.o.width as usize + s * across) * self.o.channels as usize;
        self.taps().map(at).enumerate().map(|(tap, at)| Met { tap, at }).collect()
    }

    /// Those taps of a pixel that lie within the image.
    fn meet(&self, window: &Window<'_>, place: Place, met: &mut Vec<Met>) {
        let taps = self.taps().map(|tap| self.seen(place, tap)).enumerate();
        let within = taps.filter(|(_, seen)| self.within(*seen));
        met.clear();
        met.extend(within.map(|(tap, seen)| Met { tap, at: self.index(window, seen) }));
    }

    /// Σ x · w of one pixel whose kernel may reach beyond the edge, where `zeros` are: they matter where they meet Inf or NaN.
    #[inline(always)]
    fn one(&self, window: &Window<'_>, place: Place, zeros: &[f32], out: &mut [f32]) {
        let multiplier = self.o.group_out() as usize;
        out.fill(0.0);
        for (tap, w) in self.taps().zip(self.kernels.numbers.chunks_exact(out.len())) {
            let seen = self.seen(place, tap);
            let inside = self.within(seen);
            let x = if inside { &window.numbers[self.index(window, seen)..][..zeros.len()] } else { zeros };
            for ((out, w), x) in out.chunks_exact_mut(multiplier).zip(w.chunks_exact(multiplier)).zip(x) {
                out.iter_mut().zip(w).for_each(|(out, w)| *out += x * w);
            }
        }
    }

    /// Σ x · w of pixels side by side over the same taps, of finite weights.
    #[inline(always)]
    fn side_by_side(&self, met: &[Met], seen: &[f32], out: &mut [f32]) {
        let (o, k) = (self.o, self.o.out_channels as usize);
        let multiplier = o.group_out() as usize;
        let step = (o.stride[1] * o.channels) as usize;
        for (i, kernels) in self.kernels.lanes.chunks_exact(o.taps() as usize).enumerate() {
            let first = i * LANES;
            let seen = seen.get(first / multiplier..).unwrap_or_default();
            let mut chunks = out.chunks_exact_mut(TOGETHER * k);
            let mut done = 0;
            for out in &mut chunks {
                let sums = lane_sums::<TOGETHER>(met, kernels, seen, (done * step, step), multiplier);
                for (out, sums) in out.chunks_exact_mut(k).zip(sums) {
                    out[first..][..LANES].copy_from_slice(&sums);
                }
                done += TOGETHER;
            }
            for out in chunks.into_remainder().chunks_exact_mut(k) {
                let [sums] = lane_sums(met, kernels, seen, (done * step, step), multiplier);
                out[first..][..LANES].copy_from_slice(&sums);
                done += 1;
            }
        }
        for (pixel, out) in out.chunks_exact_mut(k).enumerate() {
            for channel in k / LANES * LANES..k {
                let kernels = &self.kernels.numbers[channel..];
                let pairs = met.iter().map(|m| (seen[pixel * step + m.at + channel], kernels[m.tap * k]));
                // Not `sum`, which begins at −0.
                out[channel] = pairs.fold(0.0, |sum, (x, w)| sum + x * w);
            }
        }
    }
}

/// A tap, and where what it sees lies.
struct Met {
    tap: usize,
    at: usize,
}

/// Σ x · w of pixels side by side, `LANES` channels of each; their sums do not wait for each other. What the taps of the first
/// pixel see lies `start` numbers on, that of the next `step` more.
#[inline(always)]
fn lane_sums<const N: usize>(
    met: &[Met],
    kernels: &[[f32; LANES]],
    seen: &[f32],
    (start, step): (usize, usize),
    multiplier: usize,
) -> [[f32; LANES]; N] {
    let mut all = [[0.0; LANES]; N];
    for m in met {
        let w = &kernels[m.tap];
        for (i, sums) in all.iter_mut().enumerate() {
            let seen = &seen[start + i * step + m.at..];
            if multiplier == 1 {
                let pairs = seen[..LANES].iter().zip(w);
                sums.iter_mut().zip(pairs).for_each(|(sum, (x, w))| *sum += x * w);
            } else {
                sums.iter_mut().zip(w).for_each(|(sum, w)| *sum += seen[0] * w);
            }
        }
    }
    all
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
        let (c, n) = (self.convolution, self.group_in);
        let across = c.o.kernel[1] as usize;
        // Taps that lie side by side in the image and in the patch are copied as one: those across, or in one column those down.
        let axis = if (c.o.width, across) == (1, 1) { 0 } else { 1 };
        let extent = if axis == 0 { c.o.height } else { c.o.width } as isize;
        let joined = n == c.o.channels as usize && c.o.dilation[axis] == 1;
        let together = if joined { c.o.kernel[axis] as usize } else { 1 };
        room.resize(pixels.len() * k.len(), 0.0);
        for (pixel, patch) in pixels.zip(room.chunks_exact_mut(k.len())) {
            let place = c.place(pixel);
            let (mut run, mut skip) = (k.start / (together * n), k.start % (together * n));
            let mut rest = patch;
            while !rest.is_empty() {
                let (here, after) = rest.split_at_mut((together * n - skip).min(rest.len()));
                let tap = run * together;
                let seen = c.seen(place, [tap / across, tap % across]);
                let along = if axis == 0 { seen.y } else { seen.x };
                // Of the run's taps, those within the image; of these numbers, their part of what is wanted here.
                let left = along.min(0).unsigned_abs().min(together);
                let right = usize::try_from(extent - along).unwrap_or(0).min(together).max(left);
                let part = |tap: usize| (tap * n).clamp(skip, skip + here.len()) - skip;
                let (first, last) = (part(left), part(right));
                let met = if axis == 0 {
                    Place { y: seen.y + left as isize, ..seen }
                } else {
                    Place { x: seen.x + left as isize, ..seen }
                };
                if first < last && c.within(met) {
                    let from = c.index(self.window, met) + group * n + skip + first - left * n;
                    here[..first].fill(0.0);
                    copy(&self.window.numbers[from..], &mut here[first..last]);
                    here[last..].fill(0.0);
                } else {
                    here.fill(0.0);
                }
                (run, skip, rest) = (run + 1, 0, after);
            }
        }
        Matrix { numbers: room, stride: k.len() }
    }
}

/// Fills `to`; a few numbers without a call.
fn copy(from: &[f32], to: &mut [f32]) {
    if to.len() < 8 {
        to.iter_mut().zip(from).for_each(|(to, from)| *to = *from);
    } else {
        to.copy_from_slice(&from[..to.len()]);
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
    fn new(o: &Conv2d, size: [u32; 2], input: Input<'a>) -> Self {
        if o.out_images == Images::Nhwc {
            return Self::Nhwc(input);
        }
        let mut numbers = vec![0.0; input.layout().elements() as usize];
        input.number_rows(0, &mut numbers);
        Self::Nchw(o.out_images.last(&numbers, o.batch, size, o.out_channels))
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
    /// Sums of output pixels from one on, `k` each.
    fn apply(&self, first: usize, v: &mut [f32], k: usize) {
        let (cols, bias) = (self.factors.as_deref(), self.bias.as_deref());
        cpu::Finish { factor: 1.0, rows: None, cols, bias }.apply(v, k);
        match &self.residual {
            Some(Residual::Nhwc(input)) => {
                (first..).zip(v.chunks_exact_mut(k)).for_each(|(pixel, v)| input.add(pixel, 0, v));
            }
            Some(Residual::Nchw(all)) => {
                v.iter_mut().zip(&all[first * k..]).for_each(|(v, add)| *v += add);
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
