//! Convolution on the GPU: an implicit product by the main loops of GEMM, or straight from storage.

use super::{Conv2d, Images, pointwise, upright::computed};
use crate::{
    gpu::{Capabilities, DISPATCHES, Dispatch, Params, Schedule, Stage, Tuning, Usage, WINDOW, Window, bind},
    ops::{
        Operation, Refusal,
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
    },
    shader::shader,
    tensor::{Element, Layout, Part, Slot, values},
};
use std::ops::Range;

/// NaN flags of the groups of every pixel.
const PIXELS: Slot = Slot::Workspace(1);

/// What products ask of a problem.
fn accepts_product(o: &Conv2d) -> Result<(), Refusal> {
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
    let l = layouts(o);
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
    accepts_product(o).and(register_variants(caps))
}

pub(super) fn tiled_tunings(o: &Conv2d, _: &Capabilities) -> Result<Vec<Tuning>, Refusal> {
    accepts_product(o).map(|()| tiled_variants())
}

fn direct_variants() -> Vec<Tuning> {
    vec![Tuning::new("t64", &[("THREADS", 64)])]
}

pub(super) fn depthwise_tunings(o: &Conv2d, _: &Capabilities) -> Result<Vec<Tuning>, Refusal> {
    if o.sees_one_channel() {
        return Ok(direct_variants());
    }
    Err(Refusal::Unfit(format!("kernels see {} channels, not one", o.group_in())))
}

pub(super) fn grouped_tunings(o: &Conv2d, _: &Capabilities) -> Result<Vec<Tuning>, Refusal> {
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

fn layouts(o: &Conv2d) -> Layouts {
    let operands = o.operands().expect("validated");
    let find = |role| operands.iter().find(|o| o.role == role).map(|o| o.layout.clone());
    let last =
        |size, channels, e| Layout::new(Images::Nhwc.shape(o.batch, size, channels), e).expect("validated");
    let turned = o.out_images == Images::Nchw;
    Layouts {
        x: last([o.height, o.width], o.channels, o.x),
        w: find("w").expect("an operand"),
        bias: find("bias"),
        residual: o.residual.map(|e| last(o.out_size(), o.out_channels, e)),
        out: last(o.out_size(), o.out_channels, if turned { Element::F32 } else { o.out }),
    }
}

/// Words that hold a bit for each group.
fn group_words(o: &Conv2d) -> u32 {
    o.groups.div_ceil(32)
}

/// What `gemm/params.wgsl` has of images.
fn patches(o: &Conv2d) -> Params {
    let [p, q] = o.out_size();
    Params::new(&[
        ("height", o.height),
        ("width", o.width),
        ("out_height", p),
        ("out_width", q),
        ("kernel_width", o.kernel[1]),
        ("stride_y", o.stride[0]),
        ("stride_x", o.stride[1]),
        ("pad_top", o.padding[0]),
        ("pad_left", o.padding[1]),
        ("dilation_y", o.dilation[0]),
        ("dilation_x", o.dilation[1]),
        ("groups", o.groups),
        ("group_words", group_words(o)),
        ("group_in", o.group_in()),
        ("group_out", o.group_out()),
    ])
}

/// The problem as a product: a batch per group, each its own columns of the output.
fn product<'l>(o: &Conv2d, l: &'l Layouts) -> Product<'l> {
    let scaled = |layout: &Layout| match layout.element().scaling() {
        None => Scaled::No,
        Some(_) => Scaled::Lines,
    };
    let side = |layout: &'l Layout, k_rows| Side { layout, scaled: scaled(layout), k_rows };
    let pixels = l.out.rows();
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
        taps: o.taps(),
        batches: [axis(1), axis(1), axis(1), axis(o.groups)],
        batch_rows: 0,
        batch_quads: if o.groups > 1 { o.group_out() / 4 } else { 0 },
        a_flags: pixels * group_words(o),
        b_flags: o.out_channels,
        patches: Some(patches(o)),
    }
}

/// Cuts the rows of the output, pixel by pixel, by what bindings may show and how long a dispatch may take.
struct Cutter<'l> {
    o: &'l Conv2d,
    l: &'l Layouts,
    limit: u64,
}

impl Cutter<'_> {
    /// Pixels of the input that these lines of output images need; lines of one image, or whole images.
    fn needs(&self, lines: &Range<u32>) -> Range<u64> {
        let (o, [p, _]) = (self.o, self.o.out_size());
        let (first, last) = (lines.start / p, (lines.end - 1) / p);
        let (mut top, mut bottom) = (0, o.height);
        if first == last {
            let of = |y: u32, tap: u32| (y * o.stride[0] + tap * o.dilation[0]).saturating_sub(o.padding[0]);
            top = of(lines.start % p, 0).min(o.height - 1);
            bottom = (of((lines.end - 1) % p, o.kernel[0] - 1) + 1).clamp(top + 1, o.height);
        }
        let row =
            |image: u32, y: u32| (u64::from(image) * u64::from(o.height) + u64::from(y)) * u64::from(o.width);
        row(first, top)..row(last, bottom)
    }

    fn windows(&self, lines: &Range<u32>) -> Vec<(Window, u32)> {
        let q = u64::from(self.o.out_size()[1]);
        let out = u64::from(lines.start) * q..u64::from(lines.end) * q;
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
        let (o, [p, q]) = (self.o, self.o.out_size());
        let product = |x: &[u32]| x.iter().fold(1u64, |n, &d| n.saturating_mul(d.into()));
        // Lines of the input that lines of the output need.
        let seen = (u64::from(lines) - 1) * u64::from(o.stride[0])
            + u64::from(o.kernel[0] - 1) * u64::from(o.dilation[0])
            + 1;
        let seen = if lines == p { o.height.into() } else { seen.min(o.height.into()) };
        let inputs = u64::from(images).saturating_mul(seen).saturating_mul(o.width.into());
        let outputs = product(&[images, lines, q]);
        let shows = |l: &Layout, rows: u64| {
            let bytes = rows.saturating_mul(l.row_bytes()).saturating_add(2 * WINDOW);
            l.values_bytes() <= self.limit || bytes <= self.limit
        };
        product(&[2, images, lines, q, o.out_channels, o.taps(), o.group_in()]) <= WORK
            && shows(&self.l.x, inputs)
            && shows(&self.l.out, outputs)
            && self.l.residual.as_ref().is_none_or(|r| shows(r, outputs))
    }

    /// Parts of the output, whole images or lines of one. What cannot be made small enough the schedule's check refuses.
    fn parts(&self, tile: (u32, u32)) -> Vec<product::Part> {
        let (batch, [p, q]) = (self.o.batch, self.o.out_size());
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

/// The schedule of a product; `main` makes the stage of the parts that tiles of this size cut the output into.
fn implicit(
    o: &Conv2d,
    caps: &Capabilities,
    main: impl Fn(&Product<'_>, &dyn Fn((u32, u32)) -> Vec<product::Part>) -> Stage,
) -> Schedule {
    let inner = computed(o);
    let l = layouts(&inner);
    let p = product(&inner, &l);
    let cutter = Cutter { o: &inner, l: &l, limit: limit(caps) };
    let x = l.x.element();
    // NaN of every pixel, then of every patch.
    let looks = cutter.looks();
    let dispatch =
        |part: &product::Part| p.dispatch_of(part, (part.a_items.len() as u64).div_ceil(LINEAR.into()), caps);
    let pixels = p
        .side_a(StageBuilder::new(shader!("conv2d/pixels.wgsl")))
        .bind(bind(3, PIXELS, Usage::Write))
        .constant("WORKGROUP", LINEAR)
        .build([LINEAR, 1, 1], 0, looks.iter().map(dispatch).collect());
    let look = product::Part {
        piece: Piece { batches: 0..1, rows: 0..1, cols: 0..1 },
        tile: (1, 1),
        a_items: 0..p.a_flags,
        b_items: 0..p.b_flags,
        windows: vec![],
    };
    let prologue = StageBuilder::new(shader!("gemm/prologue.wgsl")).define("PATCHES").scale("a", 2, x);
    let prologue = prologue.bind(bind(1, PIXELS, Usage::Read));
    let prologue = p.prologue(prologue, &[look], caps);
    let main = main(&p, &|tile| cutter.parts(tile));
    let words = u64::from(l.x.rows()) * u64::from(group_words(o));
    let workspace = vec![p.workspace(), (4 * words).next_multiple_of(16)];
    at_the_border(o, [pixels, prologue, main], workspace, caps)
}

/// The whole schedule: images whose channels come first are turned before the stages and after them, and roles are those
/// of the problem.
fn at_the_border(
    o: &Conv2d,
    stages: impl IntoIterator<Item = Stage>,
    workspace: Vec<u64>,
    caps: &Capabilities,
) -> Schedule {
    let (operands, l) = (o.operands().expect("validated"), layouts(o));
    let find = |role: &str| operands.iter().find(|o| o.role == role).map(|o| &o.layout);
    let out = find("out").expect("an operand");
    let mut workspace = workspace;
    let mut room = |layout: &Layout| {
        workspace.push(layout.values_bytes());
        Slot::Workspace((workspace.len() - 1) as u8)
    };
    let mut all: Vec<Stage> =
        out.element().scaling().map(|_| binding::reset(out, caps)).into_iter().collect();
    let mut turned = |role: &'static str, images: Images, last: &Layout| {
        if images == Images::Nhwc {
            return values(role);
        }
        let to = room(last);
        all.push(permute::stage(
            values(role),
            find(role).expect("an operand"),
            to,
            last,
            &[0, 2, 3, 1],
            caps,
        ));
        to
    };
    let x = turned("x", o.x_images, &l.x);
    let residual = l.residual.as_ref().map(|l| turned("residual", o.out_images, l));
    let mut sums = values("out");
    let mut after = None;
    if o.out_images == Images::Nchw {
        sums = room(&l.out);
        after = Some(turn(o, out, sums, &l.out, caps));
    }
    let main = Schedule { stages: stages.into_iter().collect(), workspace: vec![] };
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
fn turn(o: &Conv2d, out: &Layout, sums: Slot, last: &Layout, caps: &Capabilities) -> Stage {
    let params = Params::new(&[("cols", out.cols()), ("out_quads", out.row_quads())])
        .and(&binding::out_groups(out))
        .and(&[("height", o.out_size()[0]), ("channels", o.out_channels), ("pixel_quads", last.row_quads())]);
    let stage = StageBuilder::new(shader!("conv2d/turn.wgsl")).bind(bind(1, sums, Usage::Read));
    let stage = stage.output("out", 2, 3, out.element(), o.overflow);
    stage.stream(&[("out_origin", 2, out)], &params, output_shared(out.element()), caps)
}

pub(super) fn register(o: &Conv2d, t: &Tuning, caps: &Capabilities) -> Schedule {
    match pointwise::as_gemm(o) {
        Some(gemm) => renamed(gemm::gpu::register(&gemm, t, caps)),
        None => implicit(o, caps, |p, parts| p.register(t.get("THREADS"), parts, caps)),
    }
}

pub(super) fn tiled(o: &Conv2d, t: &Tuning, caps: &Capabilities) -> Schedule {
    match pointwise::as_gemm(o) {
        Some(gemm) => renamed(gemm::gpu::tiled(&gemm, t, caps)),
        None => implicit(o, caps, |p, parts| p.tiled((t.get("BM"), t.get("BN")), parts, caps)),
    }
}

/// A kernel straight from storage, `rows` output pixels per invocation.
fn direct(o: &Conv2d, stage: StageBuilder, rows: u32, t: &Tuning, caps: &Capabilities) -> Schedule {
    let inner = computed(o);
    let l = layouts(&inner);
    // One batch: all output channels are lines of B.
    let p = Product { n: o.out_channels, batch_quads: 0, ..product(&inner, &l) };
    let threads = t.get("THREADS");
    let mut stage = p.decoded(p.epilogue(p.side_b(p.side_a(stage))), caps).constant("THREADS", threads);
    if let Some(bias) = &l.bias {
        stage = stage.define("BIAS_VALUES").operand("bias", 8, bias.element());
    }
    let quads = u64::from(l.out.row_quads());
    let dispatch = |part: &product::Part| -> Dispatch {
        let items = u64::from((part.piece.rows.len() as u32).div_ceil(rows)) * quads;
        p.dispatch_of(part, items.div_ceil(threads.into()), caps)
    };
    let parts = Cutter { o: &inner, l: &l, limit: limit(caps) }.parts((4, rows));
    let dispatches = parts.iter().map(dispatch).collect();
    let main = stage.build([threads, 1, 1], output_shared(l.out.element()), dispatches);
    at_the_border(o, [main], vec![], caps)
}

pub(super) fn depthwise(o: &Conv2d, t: &Tuning, caps: &Capabilities) -> Schedule {
    let stage = StageBuilder::new(shader!("conv2d/depthwise.wgsl"));
    let stage = if o.group_out() > 1 { stage.define("MULTIPLIER") } else { stage };
    direct(o, stage, 4, t, caps)
}

pub(super) fn grouped(o: &Conv2d, t: &Tuning, caps: &Capabilities) -> Schedule {
    direct(o, StageBuilder::new(shader!("conv2d/grouped.wgsl")), 1, t, caps)
}
