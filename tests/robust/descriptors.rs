//! Any descriptor: refused by reason, or every kernel schedules it or says why not. Small ones are computed, and right.

use super::codec::format;
use arbitrary::{Result, Unstructured};
use quarter::{
    Choice, Context, Error,
    dtype::Overflow,
    gpu::Capabilities,
    ops::{
        Activation, BagMode, Bags, BatchNorm, Binary, BinaryOp, Case, Causal, Concat, Conv1d, Conv2d,
        ConvTranspose2d, Data, Dequantize, Embedding, EmbeddingBag, Gated, Gemm, GroupNorm, Halves, Images,
        InstanceNorm, LayerNorm, Orientation, Permute, Pool2d, Positions, Purpose, Quantize, Reduce, RmsNorm,
        Rope, Rounding, Scaling, Sequences, Slice, Softmax, Unary, Upsample2d, problem::Problem,
    },
    scale::Granularity,
    tensor::{DType, Element},
    verify::Run,
    wgpu,
};
use std::sync::Arc;

pub fn check(bytes: &[u8]) {
    if let Ok(problem) = descriptor(&mut Unstructured::new(bytes)) {
        schedules(&*problem);
        computes(problem, &Context::builder().poison(true).cpu());
    }
}

/// One of any fields.
pub fn descriptor(u: &mut Unstructured<'_>) -> Result<Arc<dyn Problem>> {
    match u.int_in_range(0..=3)? {
        0 => conversion(u),
        1 => product(u),
        2 => norm(u),
        _ => between(u),
    }
}

fn conversion(u: &mut Unstructured<'_>) -> Result<Arc<dyn Problem>> {
    Ok(match u.int_in_range(0..=2)? {
        0 => {
            let op = Quantize::new(shape(u)?, dtype(u)?, format(u)?, granularity(u)?);
            let op = op.scaling(*u.choose(&[Scaling::Given, Scaling::Current])?).overflow(overflow(u)?);
            Arc::new(op.rounding(*u.choose(&[Rounding::NearestEven, Rounding::Stochastic])?))
        }
        1 => Arc::new(Dequantize::new(shape(u)?, element(u)?, dtype(u)?)),
        _ => Arc::new(Reduce::amax(shape(u)?, element(u)?, granularity(u)?)),
    })
}

fn product(u: &mut Unstructured<'_>) -> Result<Arc<dyn Problem>> {
    if u.arbitrary()? {
        let op = Gemm::new(extent(u)?, extent(u)?, extent(u)?).orientation(*u.choose(&Orientation::ALL)?);
        let op = op.a(element(u)?).b(element(u)?).out(element(u)?).overflow(overflow(u)?);
        let op = op.activation(*u.choose(&Activation::ALL)?);
        let op = if u.ratio(1, 3)? { op.batch_a(shape(u)?).batch_b(shape(u)?) } else { op };
        let op = if u.ratio(1, 4)? { op.alpha(number(u)?) } else { op };
        let op = if u.arbitrary()? { op.bias(dtype(u)?) } else { op };
        return Ok(Arc::new(if u.arbitrary()? { op.residual(element(u)?) } else { op }));
    }
    if u.ratio(1, 3)? {
        return sequences(u);
    }
    if u.ratio(1, 3)? {
        return transposed(u);
    }
    let op = Conv2d::new(images(u)?, extent(u)?, [few(u)?, few(u)?]);
    let op = if u.arbitrary()? { op.stride([few(u)?, few(u)?]) } else { op };
    let op = if u.ratio(1, 3)? { op.dilation([few(u)?, few(u)?]) } else { op };
    let op = if u.arbitrary()? { op.padding(sides(u)?) } else { op };
    let groups = *u.choose(&[1, 1, 2, 3, op.channels])?;
    let op = op.groups(groups).x(element(u)?).w(element(u)?).out(element(u)?).overflow(overflow(u)?);
    let op = op.activation(*u.choose(&Activation::ALL)?);
    let orders = [Images::Nhwc, Images::Nchw];
    let op = op.x_images(*u.choose(&orders)?).out_images(*u.choose(&orders)?);
    let op = if u.arbitrary()? { op.bias(dtype(u)?) } else { op };
    Ok(Arc::new(if u.arbitrary()? { op.residual(element(u)?) } else { op }))
}

fn sequences(u: &mut Unstructured<'_>) -> Result<Arc<dyn Problem>> {
    let op = Conv1d::new([extent(u)?, extent(u)?, extent(u)?], extent(u)?, few(u)?);
    let op = if u.arbitrary()? { op.stride(few(u)?) } else { op };
    let op = if u.ratio(1, 3)? { op.dilation(few(u)?) } else { op };
    let [left, right, ..] = sides(u)?;
    let groups = *u.choose(&[1, 1, 2, 3, op.channels])?;
    let op = op.padding([left, right]).groups(groups).x(element(u)?).w(element(u)?).out(element(u)?);
    let op = op.overflow(overflow(u)?).activation(*u.choose(&Activation::ALL)?);
    let orders = [Sequences::Nlc, Sequences::Ncl];
    let op = op.x_sequences(*u.choose(&orders)?).out_sequences(*u.choose(&orders)?);
    let op = if u.arbitrary()? { op.bias(dtype(u)?) } else { op };
    Ok(Arc::new(if u.arbitrary()? { op.residual(element(u)?) } else { op }))
}

fn transposed(u: &mut Unstructured<'_>) -> Result<Arc<dyn Problem>> {
    let op = ConvTranspose2d::new(images(u)?, extent(u)?, [few(u)?, few(u)?]);
    let op = if u.arbitrary()? { op.stride([few(u)?, few(u)?]) } else { op };
    let op = if u.ratio(1, 3)? { op.dilation([few(u)?, few(u)?]) } else { op };
    let op = if u.arbitrary()? { op.padding(sides(u)?) } else { op };
    let op = if u.ratio(1, 3)? {
        op.output_padding([few(u)?.wrapping_sub(1), few(u)?.wrapping_sub(1)])
    } else {
        op
    };
    let groups = *u.choose(&[1, 1, 2, 3, op.channels])?;
    let op = op.groups(groups).x(element(u)?).w(element(u)?).out(element(u)?).overflow(overflow(u)?);
    let op = op.activation(*u.choose(&Activation::ALL)?);
    let orders = [Images::Nhwc, Images::Nchw];
    let op = op.x_images(*u.choose(&orders)?).out_images(*u.choose(&orders)?);
    let op = if u.arbitrary()? { op.bias(dtype(u)?) } else { op };
    Ok(Arc::new(if u.arbitrary()? { op.residual(element(u)?) } else { op }))
}

fn norm(u: &mut Unstructured<'_>) -> Result<Arc<dyn Problem>> {
    Ok(match u.int_in_range(0..=4)? {
        0 => {
            let op = LayerNorm::new(shape(u)?).x(element(u)?).out(element(u)?).overflow(overflow(u)?);
            let op = op.activation(*u.choose(&Activation::ALL)?);
            let op = if u.arbitrary()? { op.gamma(dtype(u)?).beta(dtype(u)?) } else { op };
            let op = if u.arbitrary()? { op.residual(element(u)?).sum(element(u)?) } else { op };
            Arc::new(if u.ratio(1, 4)? { op.zero_centred() } else { op })
        }
        1 => {
            let op = RmsNorm::new(shape(u)?).x(element(u)?).out(element(u)?).beta(dtype(u)?);
            Arc::new(if u.ratio(1, 4)? { op.epsilon(number(u)?) } else { op })
        }
        2 => {
            let op = GroupNorm::new(shape(u)?, extent(u)?).x(element(u)?).out(element(u)?).gamma(dtype(u)?);
            Arc::new(if u.arbitrary()? { op.residual(element(u)?) } else { op })
        }
        3 => {
            let op = InstanceNorm::new(shape(u)?).x(element(u)?).out(element(u)?).overflow(overflow(u)?);
            Arc::new(if u.arbitrary()? { op.gamma(dtype(u)?) } else { op })
        }
        _ => {
            let op = BatchNorm::new(shape(u)?).x(element(u)?).out(element(u)?).beta(dtype(u)?);
            let op = if u.arbitrary()? { op.residual(element(u)?) } else { op };
            let op =
                if u.arbitrary()? { op.training(*u.choose(&[0.1, 0.0, 1.0, 2.0, f32::NAN])?) } else { op };
            Arc::new(if u.arbitrary()? { op.saved() } else { op })
        }
    })
}

/// What stands between products.
fn between(u: &mut Unstructured<'_>) -> Result<Arc<dyn Problem>> {
    Ok(match u.int_in_range(0..=10)? {
        10 => {
            let (nhwc, from, size) = (images(u)?, element(u)?, [extent(u)?, extent(u)?]);
            let near = u.arbitrary()?;
            let op = if near { Upsample2d::nearest } else { Upsample2d::bilinear }(nhwc, from, size);
            let op = if u.arbitrary()? { op.align_corners() } else { op };
            Arc::new(op.out(element(u)?).overflow(overflow(u)?))
        }
        9 => {
            let shape = shape(u)?;
            let op = Rope::new(shape, u.int_in_range(0..=3)?).x(element(u)?).out(element(u)?);
            let kinds = [Positions::FromZero, Positions::Offset, Positions::Shared, Positions::PerSequence];
            let op = op.positions(*u.choose(&kinds)?).overflow(overflow(u)?);
            let op = if u.ratio(2, 3)? { op.rotary(few(u)?.wrapping_mul(2)) } else { op };
            let op = if u.ratio(1, 4)? { op.scale(number(u)?) } else { op };
            let op = if u.arbitrary()? { op.tables(extent(u)?, dtype(u)?) } else { op };
            Arc::new(if u.arbitrary()? { op.interleaved() } else { op })
        }
        0 => {
            let op = Softmax::new(shape(u)?).x(element(u)?).out(element(u)?).overflow(overflow(u)?);
            let op = op.causal(*u.choose(&[Causal::No, Causal::Aligned, Causal::Offset])?);
            let op = if u.ratio(1, 4)? { op.scale(number(u)?) } else { op };
            let op = if u.arbitrary()? { op.lengths() } else { op };
            let mask = if u.arbitrary()? { beside(&op.shape, u)? } else { shape(u)? };
            Arc::new(if u.ratio(1, 3)? { op.mask(dtype(u)?, mask) } else { op })
        }
        1 => {
            let op = Embedding::new(shape(u)?, extent(u)?, extent(u)?).table(element(u)?).out(element(u)?);
            let op = if u.arbitrary()? { op.residual(element(u)?) } else { op };
            Arc::new(if u.arbitrary()? { op.status() } else { op }.overflow(overflow(u)?))
        }
        2 => {
            let kinds = [BinaryOp::Add, BinaryOp::Sub, BinaryOp::Mul, BinaryOp::Div];
            let a = shape(u)?;
            let b = if u.ratio(1, 5)? { shape(u)? } else { beside(&a, u)? };
            let op = Binary::new(*u.choose(&kinds)?, a, b).a(element(u)?).b(element(u)?).out(element(u)?);
            Arc::new(op.activation(*u.choose(&Activation::ALL)?).overflow(overflow(u)?))
        }
        3 => {
            let op = Unary::new(shape(u)?).x(element(u)?).out(element(u)?).overflow(overflow(u)?);
            let op = if u.ratio(1, 3)? { op.alpha(number(u)?).beta(number(u)?) } else { op };
            Arc::new(op.activation(*u.choose(&Activation::ALL)?))
        }
        4 => {
            let op = Gated::new(shape(u)?, *u.choose(&Activation::ALL)?).gate(element(u)?).up(element(u)?);
            let halves = [Halves::Apart, Halves::GateFirst, Halves::GateSecond];
            Arc::new(op.halves(*u.choose(&halves)?).out(element(u)?).overflow(overflow(u)?))
        }
        5 => {
            let (nhwc, from, kernel) = (images(u)?, element(u)?, [few(u)?, few(u)?]);
            let op = match u.int_in_range(0..=3)? {
                0 => Pool2d::global_max(nhwc, from),
                1 => Pool2d::global_average(nhwc, from),
                2 => Pool2d::max(nhwc, from, kernel),
                _ => Pool2d::average(nhwc, from, kernel),
            };
            let op = if u.arbitrary()? { op.stride([few(u)?, few(u)?]) } else { op };
            let op = if u.ratio(1, 3)? { op.dilation([few(u)?, few(u)?]) } else { op };
            let op = if u.ratio(1, 3)? { op.padding(sides(u)?) } else { op };
            let op = if u.ratio(1, 4)? { op.ceil() } else { op };
            let op = if u.ratio(1, 4)? { op.count_padding() } else { op };
            Arc::new(op.out(element(u)?).activation(*u.choose(&Activation::ALL)?).overflow(overflow(u)?))
        }
        6 => {
            let shape = shape(u)?;
            let mut axes: Vec<usize> = (0..shape.len()).collect();
            for i in 1..axes.len() {
                axes.swap(i, u.int_in_range(0..=i)?);
            }
            if u.ratio(1, 8)? {
                axes.push(u.int_in_range(0..=7)?);
            }
            Arc::new(Permute::new(shape, element(u)?, axes))
        }
        7 => {
            let mut op = Slice::new(shape(u)?, element(u)?);
            for _ in 0..u.int_in_range(0..=3)? {
                op = op.axis(u.int_in_range(0..=4)?, extent(u)?..extent(u)?, extent(u)?);
            }
            Arc::new(op)
        }
        8 => {
            let bags = if u.arbitrary()? {
                Bags::Even { bags: extent(u)?, size: extent(u)? }
            } else {
                Bags::Ragged { bags: extent(u)?, indices: extent(u)? }
            };
            let op = EmbeddingBag::new(bags, extent(u)?, extent(u)?).table(element(u)?).out(element(u)?);
            let op = op.mode(*u.choose(&[BagMode::Sum, BagMode::Mean, BagMode::Max])?).overflow(overflow(u)?);
            let op = if u.ratio(1, 3)? { op.weights(dtype(u)?) } else { op };
            let op = if u.ratio(1, 3)? { op.padding_index(extent(u)?) } else { op };
            Arc::new(if u.arbitrary()? { op.status() } else { op })
        }
        _ => {
            let (first, axis) = (shape(u)?, u.int_in_range(0..=3)?);
            let mut inputs = vec![];
            for _ in 0..u.int_in_range(1..=4)? {
                let mut shape = if u.ratio(1, 8)? { shape(u)? } else { first.clone() };
                if let Some(length) = shape.get_mut(axis) {
                    *length = extent(u)?;
                }
                inputs.push((shape, element(u)?));
            }
            Arc::new(Concat::new(axis, inputs).out(element(u)?).overflow(overflow(u)?))
        }
    })
}

/// A shape that broadcasts with this one.
fn beside(shape: &[u32], u: &mut Unstructured<'_>) -> Result<Vec<u32>> {
    let shape = &shape[u.int_in_range(0..=shape.len())?..];
    shape.iter().map(|d| Ok(if u.ratio(1, 3)? { 1 } else { *d })).collect()
}

fn images(u: &mut Unstructured<'_>) -> Result<[u32; 4]> {
    Ok([extent(u)?, extent(u)?, extent(u)?, extent(u)?])
}

/// Of a kernel, and of its steps.
fn few(u: &mut Unstructured<'_>) -> Result<u32> {
    if u.ratio(1, 16)? { extent(u) } else { u.int_in_range(1..=4) }
}

/// Padding.
fn sides(u: &mut Unstructured<'_>) -> Result<[u32; 4]> {
    let mut side = || if u.ratio(1, 16)? { extent(u) } else { u.int_in_range(0..=2) };
    Ok([side()?, side()?, side()?, side()?])
}

fn number(u: &mut Unstructured<'_>) -> Result<f32> {
    if u.arbitrary()? {
        u.choose(&[0.0, 1.0, -0.5, 1e-6, f32::NAN]).copied()
    } else {
        u.arbitrary().map(f32::from_bits)
    }
}

fn extent(u: &mut Unstructured<'_>) -> Result<u32> {
    const CORNERS: [u32; 14] =
        [0, 1, 63, 64, 65, 127, 4096, 65_535, 65_537, 1 << 20, 1 << 30, 1 << 31, u32::MAX - 1, u32::MAX];
    match u.int_in_range(0..=9)? {
        0 => u.choose(&CORNERS).copied(),
        1 => u.arbitrary(),
        _ => u.int_in_range(1..=20),
    }
}

fn shape(u: &mut Unstructured<'_>) -> Result<Vec<u32>> {
    (0..u.int_in_range(0..=4)?).map(|_| extent(u)).collect()
}

fn granularity(u: &mut Unstructured<'_>) -> Result<Granularity> {
    Ok(match u.int_in_range(0..=4)? {
        0 => Granularity::PerChannel { axis: u.int_in_range(0..=4)? },
        1 => Granularity::PerToken,
        2 => Granularity::PerBlock { rows: extent(u)?, cols: extent(u)? },
        _ => Granularity::PerTensor,
    })
}

fn dtype(u: &mut Unstructured<'_>) -> Result<DType> {
    let wide = [DType::F32, DType::F16, DType::Bf16, DType::F32, DType::F16, DType::F32, DType::U32];
    Ok(if u.ratio(1, 20)? { DType::F8(format(u)?) } else { *u.choose(&wide)? })
}

fn element(u: &mut Unstructured<'_>) -> Result<Element> {
    const WIDE: [Element; 3] = [Element::F32, Element::F16, Element::BF16];
    if u.arbitrary()? { u.choose(&WIDE).copied() } else { Ok(Element::f8(format(u)?, granularity(u)?)) }
}

fn overflow(u: &mut Unstructured<'_>) -> Result<Overflow> {
    u.choose(&[Overflow::Saturate, Overflow::Strict]).copied()
}

/// Devices that there are, and one that is tiny.
fn devices() -> [Capabilities; 3] {
    let portable = Capabilities::portable();
    let software = Capabilities { software: true, f16_decode: true, ..portable.clone() };
    let limits = wgpu::Limits {
        max_storage_buffer_binding_size: 1 << 16,
        max_compute_workgroups_per_dimension: 7,
        ..wgpu::Limits::downlevel_defaults()
    };
    [software, Capabilities { limits, ..portable.clone() }, portable]
}

/// Nothing panics; what is accepted has a schedule that passes, or a refusal from every kernel.
fn schedules(problem: &dyn Problem) {
    let _ = (problem.variant(), problem.cost());
    let Ok(operands) = problem.operands() else { return };
    for caps in devices() {
        for kernel in problem.kernels().into_iter().filter(|k| !k.on_cpu) {
            let Ok(tunings) = problem.tunings(kernel.name, &caps) else { continue };
            assert!(!tunings.is_empty(), "{problem:?}: {} offers nothing and refuses nothing", kernel.name);
            for t in tunings {
                let _ = problem.schedule(kernel.name, &t, &caps).check(&operands, &caps);
            }
        }
    }
}

/// What is refused says why; what is small is computed on this context, and right.
pub fn computes(problem: Arc<dyn Problem>, ctx: &Context) {
    let Ok(operands) = problem.operands() else {
        let e =
            pollster::block_on(ctx.plan_any(&*problem, &Choice::Best)).expect_err("a plan of what cannot be");
        assert!(matches!(e, Error::Descriptor(_)), "{problem:?}: {e}");
        return;
    };
    let small = operands.iter().all(|o| o.layout.elements() <= 4000) && problem.cost().flops <= 400_000;
    if !small {
        return;
    }
    let case =
        Case { label: format!("{problem:?}"), op: problem, purpose: Purpose::Smoke, data: Data::Random };
    let mut run = Run::new(&case).expect("a descriptor that can be");
    match pollster::block_on(run.compare(ctx, &Choice::Best, None)) {
        Ok(c) => assert!(c.pass(), "{} [{}]: {}", c.id, c.label, c.worst.expect("the first")),
        Err(Error::Unsupported { refusals, .. }) => {
            let kernels = ctx.kernels(&*case.op).len();
            assert!(refusals.len() >= kernels, "{}: {refusals:?} of {kernels} kernels", case.label);
        }
        Err(e) => panic!("{}: {e}", case.label),
    }
}
