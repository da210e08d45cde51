//! Convolution on the GPU: an implicit product by the main loops of GEMM, or straight from storage.

use super::{
    Conv2d, Images,
    phase::{Along, Phase, whole},
    pointwise,
    upright::computed,
};
use crate::{
    gpu::{Capabilities, DISPATCHES, Params, Schedule, Stage, Tuning, Usage, WINDOW, Window, bind},
    ops::{
        Refusal,
        binding::{self, LINEAR, StageBuilder, output_shared},
        gemm::{
            self, Scaled,
            batch::Axis,
            gpu::{register_variants, tiled_variants},
            pieces::WORK,
            product::{self, Piece, Product, Side},
        },
        permute,
        pieces::{limit, window},
        unscaled,
    },
    shader::shader,
    tensor::{Element, Layout, Part, Slot, values},
};
use std::ops::Range;

/// NaN flags of the groups of every pixel.
const PIXELS: Slot = Slot::Workspace(1);

/// A convolution, transposed or not, as it came and as its stages compute it. Of descriptors only what both kinds have is
/// looked at: stride, padding and dilation are those of the phases.
pub(in crate::ops) struct Problem {
    /// As it came, and its rows and columns of output.
    pub given: (Conv2d, [u32; 2]),
    /// As it is computed, channels last.
    pub inner: (Conv2d, [u32; 2]),
    pub phases: Vec<Phase>,
    /// All pixels by the rule of a transposed convolution, where no tap reaches some of them.
    pub unreached: Option<Phase>,
}

impl Problem {
    fn new(o: &Conv2d) -> Self {
        let inner = computed(o);
        Self {
            given: (o.clone(), o.out_size()),
            phases: vec![whole(&inner)],
            inner: (inner.clone(), inner.out_size()),
            unreached: None,
        }
    }
}

/// Pixels of a phase.
fn pixels(o: &Conv2d, phase: &Phase) -> u32 {
    o.batch * phase[0].pixels.count * phase[1].pixels.count
}

/// What products ask of a problem with such output images.
pub(in crate::ops) fn accepts_product(o: &Conv2d, size: [u32; 2]) -> Result<(), Refusal> {
    if o.sees_one_channel() {
        return Err(Refusal::Unfit("kernels that see one channel are no product".to_owned()));
    }
    if o.groups > 1 && (!o.group_in().is_multiple_of(4) || !o.group_out().is_multiple_of(4)) {
        let why = format!(
            "groups of {} channels in and {} out: a product wants multiples of 4",
            o.group_in(),
            o.group_out()
        );
        return Err(Refusal::Unfit(why));
    }
    let l = Layouts::new(o, size);
    let pixels = u64::from(l.x.rows().max(l.out.rows()));
    let needed = pixels * u64::from(group_words(o)) + 2 * u64::from(o.out_channels) + 4;
    if needed > u32::MAX.into() {
        return Err(Refusal::Limit {
            what: "words of the workspace".to_owned(),
            needed,
            limit: u32::MAX.into(),
        });
    }
    Ok(())
}

pub(super) fn register_tunings(o: &Conv2d, caps: &Capabilities) -> Result<Vec<Tuning>, Refusal> {
    accepts_product(o, o.out_size()).and(register_variants(caps))
}

pub(super) fn tiled_tunings(o: &Conv2d, _: &Capabilities) -> Result<Vec<Tuning>, Refusal> {
    accepts_product(o, o.out_size()).map(|()| tiled_variants())
}

pub(in crate::ops) fn depthwise_tunings(o: &Conv2d, _: &Capabilities) -> Result<Vec<Tuning>, Refusal> {
    if o.sees_one_channel() {
        return Ok(direct_variants());
    }
    Err(Refusal::Unfit(format!("kernels see {} channels, not one", o.group_in())))
}

pub(in crate::ops) fn grouped_tunings(o: &Conv2d, _: &Capabilities) -> Result<Vec<Tuning>, Refusal> {
    if o.groups > 1 && !o.sees_one_channel() {
        return Ok(direct_variants());
    }
    Err(Refusal::Unfit("no groups of several channels".to_owned()))
}

/// Layouts of a problem, images with their channels last.
struct Layouts {
    x: Layout,
    w: Layout,
    bias: Option<Layout>,
    residual: Option<Layout>,
    /// What the convolution itself writes: `out`, or f32 where that is turned afterwards.
    out: Layout,
}

impl Layouts {
    fn new(o: &Conv2d, size: [u32; 2]) -> Self {
        let layout = |shape, e| Layout::new(shape, e).expect("validated");
        let last = |size, channels, e| layout(Images::Nhwc.shape(o.batch, size, channels), e);
        let turned = o.out_images == Images::Nchw;
        let unscaled = |dtype| unscaled("conv2d", "bias", dtype).expect("validated");
        Self {
            x: last([o.height, o.width], o.channels, o.x),
            w: layout(o.w_shape(), o.w),
            bias: o.bias.map(|dtype| layout(vec![o.out_channels], unscaled(dtype))),
            residual: o.residual.map(|e| last(size, o.out_channels, e)),
            out: last(size, o.out_channels, if turned { Element::F32 } else { o.out }),
        }
    }
}

/// Words that hold a bit for each group.
fn group_words(o: &Conv2d) -> u32 {
    o.groups.div_ceil(32)
}

/// Whether such a phase computes all pixels of such images by all taps.
fn is_whole(o: &Conv2d, size: [u32; 2], phase: &Phase) -> bool {
    (0..2).all(|i| (phase[i].pixels.count, phase[i].taps.count) == (size[i], o.kernel[i]))
        && phase.iter().all(|along| along.dilation > 0)
}

/// What `gemm/params.wgsl` has of images. Shaders count in u32, where what is negative wraps around and back.
fn patches(o: &Conv2d, size: [u32; 2], phase: &Phase) -> Params {
    let [y, x] = phase;
    let pad = |along: &Along| (-along.start) as u32;
    let params = Params::new(&[
        ("height", o.height),
        ("width", o.width),
        ("out_height", y.pixels.count),
        ("out_width", x.pixels.count),
        ("kernel_width", x.taps.count),
        ("stride_y", y.stride),
        ("stride_x", x.stride),
        ("pad_top", pad(y)),
        ("pad_left", pad(x)),
        ("dilation_y", y.dilation as u32),
        ("dilation_x", x.dilation as u32),
        ("groups", o.groups),
        ("group_words", group_words(o)),
        ("group_in", o.group_in()),
        ("group_out", o.group_out()),
    ]);
    if is_whole(o, size, phase) {
        return params;
    }
    params.and(&[
        ("whole_height", size[0]),
        ("whole_width", size[1]),
        ("first_y", y.pixels.first),
        ("first_x", x.pixels.first),
        ("step_y", y.pixels.step),
        ("step_x", x.pixels.step),
        ("line_taps", o.taps()),
        ("tap_first", y.taps.first * o.kernel[1] + x.taps.first),
        // Where there is one tap, any number.
        ("tap_down", y.taps.step.wrapping_mul(o.kernel[1])),
        ("tap_across", x.taps.step),
    ])
}

/// A phase as a product: a batch per group, each its own columns of the output.
fn product<'l>(o: &Conv2d, size: [u32; 2], phase: &Phase, l: &'l Layouts) -> Product<'l> {
    let scaled = |layout: &Layout| match layout.element().scaling() {
        None => Scaled::No,
        Some(_) => Scaled::Lines,
    };
    let side = |layout: &'l Layout, k_rows| Side { layout, scaled: scaled(layout), k_rows };
    let pixels = pixels(o, phase);
    let axis = |extent| Axis { extent, a: 1, b: 1 };
    Product {
        a: side(&l.x, false),
        b: side(&l.w, o.sees_one_channel()),
        bias: l.bias.as_ref(),
        residual: l.residual.as_ref(),
        out: &l.out,
        alpha: 1.0,
        activation: o.activation,
        overflow: o.overflow,
        m: pixels,
        n: o.group_out(),
        k: o.group_in(),
        taps: phase[0].taps.count * phase[1].taps.count,
        batches: [axis(1), axis(1), axis(1), axis(o.groups)],
        batch_rows: 0,
        batch_quads: if o.groups > 1 { o.group_out() / 4 } else { 0 },
        a_flags: pixels * group_words(o),
        b_flags: o.out_channels,
        patches: Some(patches(o, size, phase)),
        phase: !is_whole(o, size, phase),
    }
}

/// Cuts the pixels of a phase by what bindings may show and how long a dispatch may take.
struct Cutter<'l> {
    o: &'l Conv2d,
    /// Rows and columns of a whole output image.
    size: [u32; 2],
    phase: &'l Phase,
    l: &'l Layouts,
    limit: u64,
}

impl Cutter<'_> {
    /// Rows and columns of a phase's image.
    fn counts(&self) -> [u32; 2] {
        [self.phase[0].pixels.count, self.phase[1].pixels.count]
    }

    /// Pixels of the input that these lines of output images need; lines of one image, or whole images.
    fn needs(&self, lines: &Range<u32>) -> Range<u64> {
        let (o, [p, _]) = (self.o, self.counts());
        let (first, last) = (lines.start / p, (lines.end - 1) / p);
        let (mut top, mut bottom) = (0, i64::from(o.height));
        if first == last {
            let seen = self.phase[0].seen(lines.start % p, (lines.end - 1) % p);
            top = (*seen.start()).clamp(0, bottom - 1);
            bottom = (*seen.end() + 1).clamp(top + 1, bottom);
        }
        let row =
            |image: u32, y: i64| (u64::from(image) * u64::from(o.height) + y as u64) * u64::from(o.width);
        row(first, top)..row(last, bottom)
    }

    /// Pixels of the output from the first of these lines to the last.
    fn writes(&self, lines: &Range<u32>) -> Range<u64> {
        let ([y, x], [p, q]) = (self.phase.map(|along| along.pixels), self.counts());
        let pixel = |line: u32, column: u32| {
            let row = u64::from(line / p) * u64::from(self.size[0]) + u64::from(y.first + line % p * y.step);
            row * u64::from(self.size[1]) + u64::from(x.first + column * x.step)
        };
        pixel(lines.start, 0)..pixel(lines.end - 1, q - 1) + 1
    }

    fn windows(&self, lines: &Range<u32>) -> Vec<(Window, u32)> {
        let out = self.writes(lines);
        let mut all = vec![(1, &self.l.x, self.needs(lines)), (6, &self.l.out, out.clone())];
        all.extend(self.l.residual.as_ref().map(|r| (5, r, out)));
        let large = all.into_iter().filter(|(_, l, _)| l.values_bytes() > self.limit);
        large
            .map(|(at, l, rows)| {
                let quads = u64::from(l.row_quads());
                window(at, l, rows.start * quads..rows.end * quads)
            })
            .collect()
    }

    /// Whether so many whole images, or lines of one, are a piece.
    fn fits(&self, images: u32, lines: u32) -> bool {
        let (o, [p, q], [y, _]) = (self.o, self.counts(), self.phase);
        let product = |x: &[u32]| x.iter().fold(1u64, |n, &d| n.saturating_mul(d.into()));
        // Lines of the input that lines of the output need.
        let seen = (u64::from(lines) - 1) * u64::from(y.stride)
            + u64::from(y.taps.count - 1) * y.dilation.unsigned_abs()
            + 1;
        let seen = if lines == p { o.height.into() } else { seen.min(o.height.into()) };
        let inputs = u64::from(images).saturating_mul(seen).saturating_mul(o.width.into());
        let [rows, columns] = self.size;
        let outputs =
            product(&[images, if lines == p { rows } else { (lines - 1) * y.pixels.step + 1 }, columns]);
        let taps = self.phase[0].taps.count * self.phase[1].taps.count;
        let shows = |l: &Layout, rows: u64| {
            let bytes = rows.saturating_mul(l.row_bytes()).saturating_add(2 * WINDOW);
            l.values_bytes() <= self.limit || bytes <= self.limit
        };
        product(&[2, images, lines, q, o.out_channels, taps, o.group_in()]) <= WORK
            && shows(&self.l.x, inputs)
            && shows(&self.l.out, outputs)
            && self.l.residual.as_ref().is_none_or(|r| shows(r, outputs))
    }

    /// Parts of the output, whole images or lines of one. What cannot be made small enough the schedule's check refuses.
    fn parts(&self, tile: (u32, u32)) -> Vec<product::Part> {
        let (batch, [p, q]) = (self.o.batch, self.counts());
        let halved = |whole: u32, fits: &dyn Fn(u32) -> bool| {
            let mut step = whole;
            while step > 1 && !fits(step) {
                step = step.div_ceil(2);
            }
            step
        };
        let images = halved(batch, &|images| self.fits(images, p));
        let lines = if images == 1 { halved(p, &|lines| self.fits(1, lines)) } else { p };
        let ranges = |all: Range<u32>, step: u32| {
            all.clone().step_by(step as usize).map(move |first| first..(first + step).min(all.end))
        };
        let pieces = ranges(0..batch, images).flat_map(|i| {
            let of_one = if images == 1 { lines } else { i.len() as u32 * p };
            ranges(i.start * p..i.end * p, of_one)
        });
        let part = |lines: Range<u32>| {
            let windows = self.windows(&lines);
            let batches = 0..self.o.groups;
            let piece = Piece { batches, rows: lines.start * q..lines.end * q, cols: 0..self.o.group_out() };
            product::Part::output(piece, tile, windows)
        };
        pieces.take(DISPATCHES + 1).map(part).collect()
    }

    /// Pixels of the input, as many at a time as a binding shows.
    fn looks(&self) -> Vec<product::Part> {
        let (x, words) = (&self.l.x, group_words(self.o));
        let fit = (self.limit.saturating_sub(512) / x.row_bytes()).clamp(1, x.rows().into()) as u32;
        let step = if x.values_bytes() <= self.limit { x.rows() } else { fit };
        let part = |first: u32| {
            let end = (first + step).min(x.rows());
            let quads = u64::from(x.row_quads());
            let windows =
                (step < x.rows()).then(|| window(1, x, u64::from(first) * quads..u64::from(end) * quads));
            let piece = Piece { batches: 0..1, rows: 0..1, cols: 0..1 };
            let a_items = first * words..end * words;
            product::Part {
                piece,
                tile: (1, 1),
                a_items,
                b_items: 0..0,
                windows: windows.into_iter().collect(),
            }
        };
        (0..x.rows()).step_by(step as usize).take(DISPATCHES + 1).map(part).collect()
    }
}

/// Roles of the problem for those of the product.
fn renamed(schedule: Schedule) -> Schedule {
    schedule.rebind(|slot| match slot {
        Slot::Of("a", part) => Slot::Of("x", part),
        Slot::Of("b", part) => Slot::Of("w", part),
        other => other,
    })
}

/// NaN of the groups of every pixel of the input.
fn look(p: &Product<'_>, looks: &[product::Part], caps: &Capabilities) -> Stage {
    let dispatch =
        |part: &product::Part| p.dispatch_of(part, (part.a_items.len() as u64).div_ceil(LINEAR.into()), caps);
    p.side_a(StageBuilder::new(shader!("conv2d/pixels.wgsl")))
        .bind(bind(3, PIXELS, Usage::Write))
        .constant("WORKGROUP", LINEAR)
        .build([LINEAR, 1, 1], 0, looks.iter().map(dispatch).collect())
}

/// The schedule of a product for each phase; `main` makes the stage of the parts that tiles of this size cut it into.
fn implicit(
    o: &Problem,
    caps: &Capabilities,
    main: impl Fn(&Product<'_>, &dyn Fn((u32, u32)) -> Vec<product::Part>) -> Stage,
) -> Schedule {
    let (inner, size) = (&o.inner.0, o.inner.1);
    let l = Layouts::new(inner, size);
    let (mut stages, mut prologue, mut dispatches) = (vec![], 0, 0);
    for phase in &o.phases {
        // Who has too many need not list all.
        if dispatches > DISPATCHES {
            break;
        }
        let p = product(inner, size, phase, &l);
        let cutter = Cutter { o: inner, size, phase, l: &l, limit: limit(caps) };
        if stages.is_empty() {
            stages.push(look(&p, &cutter.looks(), caps));
        }
        // NaN of every patch.
        let all = product::Part {
            piece: Piece { batches: 0..1, rows: 0..1, cols: 0..1 },
            tile: (1, 1),
            a_items: 0..p.a_flags,
            b_items: 0..p.b_flags,
            windows: vec![],
        };
        let stage = p.patched(StageBuilder::new(shader!("gemm/prologue.wgsl")));
        let stage = stage.scale("a", 2, l.x.element()).bind(bind(1, PIXELS, Usage::Read));
        stages.push(p.prologue(stage, &[all], caps));
        stages.push(main(&p, &|tile| cutter.parts(tile)));
        dispatches += stages.last().map_or(0, |main| main.dispatches.len());
        prologue = p.workspace().max(prologue);
    }
    let words = u64::from(l.x.rows()) * u64::from(group_words(inner));
    let workspace = if stages.is_empty() { vec![] } else { vec![prologue, (4 * words).next_multiple_of(16)] };
    at_the_border(o, stages, workspace, caps)
}

/// The whole schedule: images whose channels come first are turned before the stages and after them, pixels that no tap
/// reaches are written, and roles are those of the problem.
fn at_the_border(o: &Problem, stages: Vec<Stage>, workspace: Vec<u64>, caps: &Capabilities) -> Schedule {
    let (given, size) = (&o.given.0, o.given.1);
    let l = Layouts::new(given, size);
    let layout = |images: Images, size, channels, e| {
        Layout::new(images.shape(given.batch, size, channels), e).expect("validated")
    };
    let out = &layout(given.out_images, size, given.out_channels, given.out);
    let mut workspace = workspace;
    let mut room = |layout: &Layout| {
        workspace.push(layout.values_bytes());
        Slot::Workspace((workspace.len() - 1) as u8)
    };
    let mut all: Vec<Stage> =
        out.element().scaling().map(|_| binding::reset(out, caps)).into_iter().collect();
    let mut turned = |role: &'static str, from: &Layout, images: Images, last: &Layout| {
        if images == Images::Nhwc {
            return values(role);
        }
        let to = room(last);
        all.push(permute::stage(values(role), from, to, last, &[0, 2, 3, 1], caps));
        to
    };
    let from = layout(given.x_images, [given.height, given.width], given.channels, given.x);
    let x = turned("x", &from, given.x_images, &l.x);
    let residual = l.residual.as_ref().map(|l| {
        let from = layout(given.out_images, size, given.out_channels, l.element());
        turned("residual", &from, given.out_images, l)
    });
    let mut sums = values("out");
    let mut after = None;
    if given.out_images == Images::Nchw {
        sums = room(&l.out);
        after = Some(turn(o, out, sums, &l.out, caps));
    }
    let unreached = o.unreached.as_ref().map(|phase| unreached(o, phase, caps));
    let main = Schedule { stages: stages.into_iter().chain(unreached).collect(), workspace: vec![] };
    let main = main.rebind(|slot| match slot {
        Slot::Of("a", Part::Values) => x,
        Slot::Of("residual", Part::Values) => residual.expect("an operand"),
        Slot::Of("out", Part::Values) => sums,
        other => other,
    });
    all.extend(main.stages);
    all.extend(after);
    renamed(Schedule { stages: all, workspace })
}

/// `out`, channels first, from f32 at `sums`, channels last.
fn turn(o: &Problem, out: &Layout, sums: Slot, last: &Layout, caps: &Capabilities) -> Stage {
    let (given, size) = (&o.given.0, o.given.1);
    let params = Params::new(&[("cols", out.cols()), ("out_quads", out.row_quads())])
        .and(&binding::out_groups(out))
        .and(&[("height", size[0]), ("channels", given.out_channels), ("pixel_quads", last.row_quads())]);
    let stage = StageBuilder::new(shader!("conv2d/turn.wgsl")).bind(bind(1, sums, Usage::Read));
    let stage = stage.output("out", 2, 3, out.element(), given.overflow);
    stage.stream(&[("out_origin", 2, out)], &params, output_shared(out.element()), caps)
}

/// Invocations of kernels straight from storage.
const DIRECT: u32 = 64;

fn direct_variants() -> Vec<Tuning> {
    vec![Tuning::new(format!("t{DIRECT}"), &[("THREADS", DIRECT)])]
}

/// All output channels as one product's, the bias bound in the place of a prologue.
fn alone<'l>(o: &Conv2d, size: [u32; 2], phase: &Phase, l: &'l Layouts) -> Product<'l> {
    Product { n: o.out_channels, batch_quads: 0, ..product(o, size, phase, l) }
}

fn with_bias(stage: StageBuilder, l: &Layouts) -> StageBuilder {
    let Some(bias) = &l.bias else { return stage };
    stage.define("BIAS_VALUES").operand("bias", 8, bias.element())
}

/// What no tap reaches: bias, residual and activation alone.
fn unreached(o: &Problem, phase: &Phase, caps: &Capabilities) -> Stage {
    let (inner, size) = (&o.inner.0, o.inner.1);
    let l = Layouts::new(inner, size);
    let p = alone(inner, size, phase, &l);
    let stage = p.epilogue(p.patched(StageBuilder::new(shader!("conv2d/unreached.wgsl"))));
    let stage = with_bias(stage, &l).constant("THREADS", DIRECT);
    let cutter = Cutter { o: inner, size, phase, l: &l, limit: limit(caps) };
    let dispatch = |mut part: product::Part| {
        part.windows.retain(|(window, _)| window.at != 1);
        p.dispatch_of(&part, direct_groups(&part, 1, &l, DIRECT), caps)
    };
    let dispatches = cutter.parts((4, 1)).into_iter().map(dispatch).collect();
    stage.build([DIRECT, 1, 1], output_shared(l.out.element()), dispatches)
}

/// Workgroups of a part, `rows` output pixels and a quad of channels per invocation.
fn direct_groups(part: &product::Part, rows: u32, l: &Layouts, threads: u32) -> u64 {
    let items = u64::from((part.piece.rows.len() as u32).div_ceil(rows)) * u64::from(l.out.row_quads());
    items.div_ceil(threads.into())
}

/// A kernel straight from storage, `rows` output pixels per invocation.
fn direct(o: &Problem, stage: StageBuilder, rows: u32, t: &Tuning, caps: &Capabilities) -> Schedule {
    let (inner, size) = (&o.inner.0, o.inner.1);
    let l = &Layouts::new(inner, size);
    let threads = t.get("THREADS");
    let main = o.phases.first().map(|phase| {
        let p = alone(inner, size, phase, l);
        let stage = p.decoded(p.epilogue(p.side_b(p.side_a(stage))), caps);
        with_bias(stage, l).constant("THREADS", threads)
    });
    let of = |phase| {
        let p = alone(inner, size, phase, l);
        let parts = Cutter { o: inner, size, phase, l, limit: limit(caps) }.parts((4, rows));
        let dispatch = move |part| p.dispatch_of(&part, direct_groups(&part, rows, l, threads), caps);
        parts.into_iter().map(dispatch)
    };
    let dispatches = o.phases.iter().flat_map(of).take(DISPATCHES + 1).collect();
    let main = main.map(|main| main.build([threads, 1, 1], output_shared(l.out.element()), dispatches));
    at_the_border(o, main.into_iter().collect(), vec![], caps)
}

/// The kernels of both kinds of convolution.
impl Problem {
    pub fn register(&self, t: &Tuning, caps: &Capabilities) -> Schedule {
        implicit(self, caps, |p, parts| p.register(t.get("THREADS"), parts, caps))
    }

    pub fn tiled(&self, t: &Tuning, caps: &Capabilities) -> Schedule {
        implicit(self, caps, |p, parts| p.tiled((t.get("BM"), t.get("BN")), parts, caps))
    }

    pub fn depthwise(&self, t: &Tuning, caps: &Capabilities) -> Schedule {
        let stage = StageBuilder::new(shader!("conv2d/depthwise.wgsl"));
        let stage = if self.inner.0.group_out() > 1 { stage.define("MULTIPLIER") } else { stage };
        direct(self, stage, 4, t, caps)
    }

    pub fn grouped(&self, t: &Tuning, caps: &Capabilities) -> Schedule {
        direct(self, StageBuilder::new(shader!("conv2d/grouped.wgsl")), 1, t, caps)
    }
}

pub(super) fn register(o: &Conv2d, t: &Tuning, caps: &Capabilities) -> Schedule {
    match pointwise::as_gemm(o) {
        Some(gemm) => renamed(gemm::gpu::register(&gemm, t, caps)),
        None => Problem::new(o).register(t, caps),
    }
}

pub(super) fn tiled(o: &Conv2d, t: &Tuning, caps: &Capabilities) -> Schedule {
    match pointwise::as_gemm(o) {
        Some(gemm) => renamed(gemm::gpu::tiled(&gemm, t, caps)),
        None => Problem::new(o).tiled(t, caps),
    }
}

pub(super) fn depthwise(o: &Conv2d, t: &Tuning, caps: &Capabilities) -> Schedule {
    Problem::new(o).depthwise(t, caps)
}

pub(super) fn grouped(o: &Conv2d, t: &Tuning, caps: &Capabilities) -> Schedule {
    Problem::new(o).grouped(t, caps)
}
