//! A rewritten network computes, to the bit, what the same network built of quantised layers or operations does; what is left in
//! f32, or smoothed, computes what it did before.

mod common;

use pollster::block_on;
use quarter::{
    Context, Error,
    dtype::{Format, Overflow},
    nn::{
        BatchNorm2d, Conv2d, Embedding, Graph, Layer, LayerNorm, Linear, MultiHeadAttention, Precision,
        Recipe, Sequential, Statistics, Value,
        ptq::{Approach, Left, Network, Numbers, Scheme, Smooth},
    },
    ops::{
        self, Activation, Arithmetic, BagMode, Bags, BatchNorm, Binary, BinaryOp, EmbeddingBag, Gemm, Inputs,
        Operation, Orientation, Pool2d, Quantize, Real, Unary,
    },
    scale::{
        Calibration,
        Granularity::{PerChannel, PerTensor},
        Scale, Scales,
    },
    tensor::{DType, Element, HostTensor, Layout},
};

/// Numbers without a pattern, dense around zero, 2.9 at most in magnitude.
fn numbers(n: usize, seed: usize) -> Vec<f32> {
    let unit = |i: usize| ((i * 7919 + seed * 104_729) % 9973) as f32 / 9973.0 * 2.0 - 1.0;
    (0..n).map(|i| unit(i) * (0.3 + 2.6 * unit(i / 3 + 17).abs())).collect()
}

fn tensor(shape: &[u32], seed: usize) -> HostTensor {
    HostTensor::from_f32(&numbers(shape.iter().product::<u32>() as usize, seed), shape).unwrap()
}

/// The same with columns of very different size.
fn with_outliers(shape: &[u32], seed: usize) -> HostTensor {
    let cols = shape[shape.len() - 1] as usize;
    let x = numbers(shape.iter().product::<u32>() as usize, seed).into_iter().enumerate();
    let x: Vec<f32> = x.map(|(i, v)| if i % cols % 5 == 2 { 60.0 * v } else { v }).collect();
    HostTensor::from_f32(&x, shape).unwrap()
}

fn statistics(channels: usize) -> Statistics {
    Statistics {
        gamma: numbers(channels, 31).iter().map(|v| 1.0 + 0.2 * v).collect(),
        beta: numbers(channels, 32),
        mean: numbers(channels, 33),
        variance: numbers(channels, 34).iter().map(|v| 0.5 + v.abs()).collect(),
        epsilon: 1e-3,
    }
}

/// Mean of every channel.
struct GlobalMean;

impl Layer for GlobalMean {
    fn record(&self, g: &mut Graph, x: Value) -> Result<Value, Error> {
        let layout = g.layout(x)?.clone();
        let shape = <[u32; 4]>::try_from(layout.shape()).unwrap();
        let y = g.apply(&Pool2d::global_average(shape, Element::F32), &[("x", x)])?;
        g.reshape(y, [shape[0], shape[3]])
    }
}

/// A convolution, a depthwise and a pointwise one with BatchNorm behind each, the mean, a linear layer.
fn cnn(ctx: &Context, precision: Precision) -> Sequential {
    let norm = |c| block_on(BatchNorm2d::new(ctx, &statistics(c))).unwrap().activation(Activation::Relu);
    let conv = |w: &HostTensor, groups, padding: u32| {
        let conv = Conv2d::builder(w).groups(groups).padding([padding; 4]).precision(precision);
        block_on(conv.build(ctx)).unwrap()
    };
    let linear = Linear::builder(&tensor(&[5, 8], 5)).bias(&tensor(&[5], 6)).precision(precision);
    Sequential::new()
        .then(conv(&tensor(&[6, 3, 3, 2], 2), 1, 1))
        .then(norm(6))
        .then(conv(&tensor(&[3, 3, 6], 3), 6, 1))
        .then(norm(6))
        .then(conv(&tensor(&[8, 1, 1, 6], 4), 1, 0))
        .then(norm(8))
        .then(GlobalMean)
        .then(block_on(linear.build(ctx)).unwrap())
}

fn mlp(ctx: &Context, precisions: [Precision; 3]) -> Sequential {
    let layer = |w: &HostTensor, activation, precision| {
        let linear = Linear::builder(w).bias(&tensor(&w.shape()[..1], 9)).activation(activation);
        block_on(linear.precision(precision).build(ctx)).unwrap()
    };
    let [a, b, c] = precisions;
    Sequential::new()
        .then(layer(&tensor(&[24, 20], 1), Activation::Gelu, a))
        .then(layer(&tensor(&[24, 24], 2), Activation::Relu, b))
        .then(layer(&tensor(&[7, 24], 3), Activation::None, c))
}

fn attention(ctx: &Context, precision: Precision) -> MultiHeadAttention {
    let linear = |seed| Linear::builder(&tensor(&[16, 16], seed)).precision(precision);
    let parts = [1, 2, 3, 4].map(|seed| block_on(linear(seed).build(ctx)).unwrap());
    MultiHeadAttention::new(parts, 2, precision).unwrap()
}

/// The network that a layer makes of such an input.
fn network(layer: &dyn Layer, x: &Layout) -> Network {
    let mut g = Graph::new();
    let x = g.input(x);
    let y = layer.record(&mut g, x).unwrap();
    Network::new(g, &[y]).unwrap()
}

/// Outputs of a network, nothing quantised.
fn plain(ctx: &Context, network: &Network, x: &[&HostTensor]) -> Vec<f32> {
    let model = block_on(network.compile(ctx)).unwrap();
    block_on(model.call(x)).unwrap().remove(0).to_f32()
}

fn quantized(ctx: &Context, network: &Network, scheme: &Scheme, x: &[&HostTensor]) -> Vec<f32> {
    let quantized = block_on(network.quantize(ctx, scheme, None)).unwrap();
    let compiled = block_on(quantized.compile(ctx)).unwrap();
    // Twice: what shares memory must not remember.
    block_on(compiled.call(x)).unwrap();
    block_on(compiled.call(x)).unwrap().remove(0).to_f32()
}

/// The schemes that layers know too.
fn of_layers() -> [(Format, Scheme); 3] {
    [(Format::E4M3FN, Approach::Dynamic), (Format::E3M4FN, Approach::Dynamic), (Format::E5M2, Approach::Cast)]
        .map(|(format, approach)| (format, Scheme::new(format, approach)))
}

#[test]
fn rewritten_layers_are_quantised_layers() {
    type Make = fn(&Context, Precision) -> Box<dyn Layer>;
    let makers: [(&str, Make, &[u32]); 3] = [
        ("cnn", |ctx, p| Box::new(cnn(ctx, p)), &[2, 7, 6, 2]),
        ("mlp", |ctx, p| Box::new(mlp(ctx, [p; 3])), &[3, 20]),
        ("attention", |ctx, p| Box::new(attention(ctx, p)), &[2, 5, 16]),
    ];
    for ctx in common::contexts() {
        for (format, scheme) in of_layers() {
            for (name, make, shape) in makers {
                // Attention has products of two activations, and no other operation of the extended scheme.
                let scheme = if name == "attention" { scheme.clone().extended() } else { scheme.clone() };
                let x = tensor(shape, 8);
                let f32 = network(&*make(&ctx, Precision::F32), x.layout());
                let want = network(&*make(&ctx, Precision::of(format)), x.layout());
                let got = quantized(&ctx, &f32, &scheme, &[&x]);
                let what = format!("{name} {format} on {}", ctx.name());
                assert_eq!(got, plain(&ctx, &want, &[&x]), "{what}");
                assert_ne!(got, plain(&ctx, &f32, &[&x]), "{what}: nothing was quantised");
            }
        }
    }
}

/// Rows of a table, with and without the extended scheme's operations around.
#[test]
fn tables_are_quantised_by_row() {
    for ctx in common::contexts() {
        let (table, index) = (tensor(&[11, 12], 1), HostTensor::from_u32(&[4, 0, 10, 4], [1, 4]).unwrap());
        for (format, scheme) in of_layers() {
            let layer = |p| block_on(Embedding::new(&ctx, &table, p)).unwrap();
            let f32 = network(&layer(Precision::F32), index.layout());
            let want = network(&layer(Precision::of(format)), index.layout());
            assert_eq!(quantized(&ctx, &f32, &scheme, &[&index]), plain(&ctx, &want, &[&index]), "{format}");
        }
        // Bags take part in the extended scheme only.
        let bag = EmbeddingBag::new(Bags::Even { bags: 2, size: 2 }, 11, 12).mode(BagMode::Mean);
        let indices = HostTensor::from_u32(&[4, 0, 10, 4], [2, 2]).unwrap();
        let described = |bag: &EmbeddingBag, table: &HostTensor| {
            let mut g = Graph::new();
            let (x, t) = (g.input(indices.layout()), g.constant(table));
            let y = g.apply(bag, &[("index", x), ("table", t)]).unwrap();
            Network::new(g, &[y]).unwrap()
        };
        let f32 = described(&bag, &table);
        let codes = table.quantize(Format::E4M3FN, PerChannel { axis: 0 }).unwrap();
        let want = described(&bag.clone().table(codes.layout().element()), &codes);
        let scheme = Scheme::new(Format::E4M3FN, Approach::Dynamic);
        let truth = plain(&ctx, &f32, &[&indices]);
        assert_eq!(quantized(&ctx, &f32, &scheme, &[&indices]), truth);
        let got = quantized(&ctx, &f32, &scheme.extended(), &[&indices]);
        assert_eq!(got, plain(&ctx, &want, &[&indices]));
        assert_ne!(got, truth);
    }
}

/// Every kind of product: which axis of its weights has the output channels.
#[test]
fn weights_are_scaled_by_output_channel() {
    let ctx = Context::cpu();
    let e = |axis| Element::f8(Format::E4M3FN, PerChannel { axis });
    // Weights whose output channels differ in size by powers of three.
    let weights = |shape: &[u32], axis: usize| {
        let (w, inner) = (tensor(shape, 2), shape[axis + 1..].iter().product::<u32>() as usize);
        let w = w.to_f32().into_iter().enumerate();
        let power = |i: usize| 3f32.powi((i / inner % shape[axis] as usize) as i32);
        HostTensor::from_f32(&w.map(|(i, v)| v * power(i)).collect::<Vec<_>>(), shape).unwrap()
    };
    /// The same with codes for weights; weights, role and axis of output channels; the activation's shape and role.
    fn check<O: Operation>(
        ctx: &Context,
        op: &O,
        coded: &O,
        (w, role, axis): (HostTensor, &'static str, u8),
        (x, x_role): (&[u32], &'static str),
    ) {
        let x = tensor(x, 1);
        let described = |op: &O, w: &HostTensor| {
            let mut g = Graph::new();
            let (x, w) = (g.input(x.layout()), g.constant(w));
            let y = g.apply(op, &[(x_role, x), (role, w)]).unwrap();
            Network::new(g, &[y]).unwrap()
        };
        let f32 = described(op, &w);
        let scheme = Scheme::new(Format::E4M3FN, Approach::Dynamic).activations(None);
        let codes = w.quantize(Format::E4M3FN, PerChannel { axis }).unwrap();
        let got = quantized(ctx, &f32, &scheme, &[&x]);
        assert_eq!(got, plain(ctx, &described(coded, &codes), &[&x]), "{} {axis}", O::NAME);
        let report = block_on(f32.quantize(ctx, &scheme, None)).unwrap();
        let q = &report.report().quantized;
        assert_eq!((q.len(), q[0].granularity, q[0].given), (1, PerChannel { axis }, true));
    }
    for (o, axis) in [(Orientation::Nt, 0), (Orientation::Nn, 1)] {
        let gemm = Gemm::new(3, 6, 20).orientation(o);
        let shape = if axis == 0 { [6, 20] } else { [20, 6] };
        let w = (weights(&shape, axis.into()), "b", axis);
        check(&ctx, &gemm, &gemm.clone().b(e(axis)), w, (&[3, 20], "a"));
    }
    for (o, axis) in [(Orientation::Nt, 0), (Orientation::Tn, 1)] {
        let gemm = Gemm::new(6, 3, 20).orientation(o);
        let (shape, x) = if axis == 0 { ([6, 20], [3, 20]) } else { ([20, 6], [20, 3]) };
        let w = (weights(&shape, axis.into()), "a", axis);
        check(&ctx, &gemm, &gemm.clone().a(e(axis)), w, (&x, "b"));
    }
    for (shape, axis, groups) in [(&[6, 3, 3, 2][..], 0u8, 3), (&[3, 3, 6], 2, 6)] {
        let (x, w) = (&[2, 5, 4, 6][..], || (weights(shape, axis.into()), "w", axis));
        let conv = ops::Conv2d::new([2, 5, 4, 6], 6, [3, 3]).groups(groups);
        check(&ctx, &conv, &conv.clone().w(e(axis)), w(), (x, "x"));
        let conv = ops::ConvTranspose2d::new([2, 5, 4, 6], 6, [3, 3]).groups(groups).stride([2, 1]);
        check(&ctx, &conv, &conv.clone().w(e(axis)), w(), (x, "x"));
    }
    for (shape, axis, groups) in [([6, 3, 2].as_slice(), 0u8, 3), (&[3, 6], 1, 6)] {
        let conv = ops::Conv1d::new([2, 9, 6], 6, 3).groups(groups);
        let w = (weights(shape, axis.into()), "w", axis);
        check(&ctx, &conv, &conv.clone().w(e(axis)), w, (&[2, 9, 6], "x"));
    }
}

/// Ranges are the largest magnitudes of the f32 network over all batches.
#[test]
fn static_ranges_are_those_of_layers_by_hand() {
    let batches: Vec<[HostTensor; 1]> = (0..3).map(|i| [tensor(&[3, 20], 40 + i)]).collect();
    for ctx in common::contexts() {
        let f32 = network(&mlp(&ctx, [Precision::F32; 3]), batches[0][0].layout());
        // What the layers before make, by graphs of their own.
        let mut inputs = vec![];
        for depth in 0..3 {
            let mut amax = 0f32;
            for [x] in &batches {
                let mut g = Graph::new();
                let mut y = g.input(x.layout());
                for (i, activation) in
                    [Activation::Gelu, Activation::Relu].into_iter().enumerate().take(depth)
                {
                    let w = tensor(if i == 0 { &[24, 20] } else { &[24, 24] }, i + 1);
                    let linear = Linear::builder(&w).bias(&tensor(&[24], 9)).activation(activation);
                    y = block_on(linear.build(&ctx)).unwrap().record(&mut g, y).unwrap();
                }
                let y = plain(&ctx, &Network::new(g, &[y]).unwrap(), &[x]);
                amax = y.iter().fold(amax, |most, v| most.max(v.abs()));
            }
            inputs.push(amax);
        }
        for format in [Format::E4M3FN, Format::E3M4FN, Format::E5M2] {
            let scheme = Scheme::new(format, Approach::Static);
            let mut told = vec![];
            let found = f32.calibrate(&ctx, &scheme, Calibration::MinMax, &batches, |p| told.push(p));
            let ranges = block_on(found).unwrap();
            assert_eq!(
                told.iter().map(|p| (p.batches, p.of)).collect::<Vec<_>>(),
                [1, 2, 3].map(|n| (n, Some(3)))
            );
            let got = block_on(f32.quantize(&ctx, &scheme, Some(&ranges))).unwrap();
            let scales = [0, 1, 2].map(|i| Scale::from_amax(inputs[i], format));
            let q = got.report().quantized.iter().filter_map(|q| q.scale);
            assert_eq!(q.collect::<Vec<_>>(), scales.map(Scale::get), "{format}");
            // E5M2 with ranges has weights with scales, where the layer's precision casts them.
            if format == Format::E5M2 {
                continue;
            }
            let layers = scales.map(|s| Precision::of(format).recipe(Recipe::Static(s)));
            let want = network(&mlp(&ctx, layers), batches[0][0].layout());
            let compiled = block_on(got.compile(&ctx)).unwrap();
            for x in [tensor(&[3, 20], 99), batches[2][0].clone()] {
                let got = block_on(compiled.call(&[&x])).unwrap().remove(0).to_f32();
                assert_eq!(got, plain(&ctx, &want, &[&x]), "{format} on {}", ctx.name());
            }
        }
        // Activations in one format, weights in another.
        let mixed = Scheme::mixed();
        let ranges = f32.calibrate(&ctx, &mixed, Calibration::Mse, &batches, |_| ());
        let ranges = block_on(ranges).unwrap();
        let mixed = block_on(f32.quantize(&ctx, &mixed, Some(&ranges))).unwrap();
        for q in &mixed.report().quantized {
            let format = if q.given { Format::E3M4FN } else { Format::E4M3FN };
            assert_eq!((q.numbers, q.scale.is_some()), (Numbers::Float(format), !q.given));
        }
    }
}

/// The extended scheme, held against the same operations of tensors quantised one by one.
#[test]
fn extended_operands_have_scales_of_their_own() {
    for ctx in common::contexts() {
        let (a, b, c) = (tensor(&[4, 12], 1), with_outliers(&[4, 12], 2), tensor(&[12], 3));
        let format = Format::E4M3FN;
        let f8 = Element::f8(format, PerTensor);
        let statistics = statistics(12);
        let build = |coded: bool| {
            let mut g = Graph::new();
            let (a, b) = (g.input(a.layout()), g.input(b.layout()));
            let quantize = |g: &mut Graph, x: Value| {
                let op = Quantize::new(g.layout(x).unwrap().shape(), DType::F32, format, PerTensor);
                if coded { g.apply(&op, &[("x", x)]).unwrap() } else { x }
            };
            let e = if coded { f8 } else { Element::F32 };
            let (qa, qb) = (quantize(&mut g, a), quantize(&mut g, b));
            let mut y = g
                .apply(&Binary::new(BinaryOp::Add, [4, 12], [4, 12]).a(e).b(e), &[("a", qa), ("b", qb)])
                .unwrap();
            let c = if coded { c.quantize(format, PerTensor).unwrap() } else { c.clone() };
            let c = g.constant(&c);
            for op in [BinaryOp::Mul, BinaryOp::Sub] {
                let q = quantize(&mut g, y);
                y = g.apply(&Binary::new(op, [4, 12], [12]).a(e).b(e), &[("a", q), ("b", c)]).unwrap();
            }
            let q = quantize(&mut g, y);
            y = g.apply(&ops::LayerNorm::new([4, 12]).x(e), &[("x", q)]).unwrap();
            let q = quantize(&mut g, y);
            let [mean, var] = [&statistics.mean, &statistics.variance].map(|v| HostTensor::from_f32(v, [12]));
            let (mean, var) = (g.constant(&mean.unwrap()), g.constant(&var.unwrap()));
            let args = [("x", q), ("running_mean", mean), ("running_var", var)];
            y = g.apply(&BatchNorm::new([4, 12]).x(e), &args).unwrap();
            Network::new(g, &[y]).unwrap()
        };
        let scheme = Scheme::new(format, Approach::Dynamic);
        let got = quantized(&ctx, &build(false), &scheme.clone().extended(), &[&a, &b]);
        assert_eq!(got, plain(&ctx, &build(true), &[&a, &b]), "{}", ctx.name());
        // None of them is in the standard scheme.
        let f32 = plain(&ctx, &build(false), &[&a, &b]);
        assert_eq!(quantized(&ctx, &build(false), &scheme, &[&a, &b]), f32);
        assert_ne!(got, f32);
    }
}

/// What several operations read is quantised once; what is made for it leaves its maximum beside it.
#[test]
fn one_value_is_quantised_once() {
    let ctx = Context::cpu();
    let x = tensor(&[2, 5, 16], 8);
    let f32 = network(&attention(&ctx, Precision::F32), x.layout());
    let scheme = Scheme::new(Format::E4M3FN, Approach::Dynamic).extended();
    let got = block_on(f32.quantize(&ctx, &scheme, None)).unwrap();
    let count = |what: &str| got.graph().names().filter(|n| n.starts_with(what)).count();
    // x for three projections; queries, keys, values and shares; what goes into the last projection.
    assert_eq!((count("quantize"), count("gemm")), (6, 6));
    let bounds = block_on(got.compile(&ctx)).unwrap();
    let bounds = bounds.model().unwrap().bounds().len();
    assert_eq!(bounds, f32.graph().names().count() + 6);
    // Four matrices of 16 by 16; then a byte an element, and 16 scales with their inverses and maxima behind a record each.
    assert_eq!((f32.graph().given_bytes(), got.graph().given_bytes()), (4 * 1024, 4 * (256 + 16 + 3 * 64)));
}

#[test]
fn exempt_operations_stay_f32() {
    for ctx in common::contexts() {
        let x = tensor(&[2, 7, 6, 2], 8);
        let f32 = network(&cnn(&ctx, Precision::F32), x.layout());
        let names: Vec<String> = f32.graph().names().map(Into::into).collect();
        assert_eq!(names[0], "conv2d 0");
        assert_eq!(names[7], "gemm 7");
        let scheme = Scheme::new(Format::E4M3FN, Approach::Dynamic);
        let got = block_on(f32.quantize(&ctx, &scheme.clone().exempt_ends().extended(), None)).unwrap();
        let why = |name: &str| got.report().left.iter().find(|l| l.0 == name).map(|l| l.1);
        assert_eq!((why("conv2d 0"), why("gemm 7")), (Some(Left::First), Some(Left::Last)));
        assert_eq!(
            got.report().nodes(),
            ["batch_norm 1", "conv2d 2", "batch_norm 3", "conv2d 4", "batch_norm 5"]
        );
        // By name, one after the other, then all of them.
        for exempt in &names {
            let got = block_on(f32.quantize(&ctx, &scheme.clone().exempt([exempt]), None)).unwrap();
            assert!(got.report().left.contains(&(exempt.clone(), Left::Exempt)));
            assert!(!got.report().nodes().contains(&exempt.as_str()));
        }
        let all = quantized(&ctx, &f32, &scheme.exempt(names), &[&x]);
        assert_eq!(all, plain(&ctx, &f32, &[&x]), "{}", ctx.name());
        // A network without convolutions has no ends.
        let f32 = network(&mlp(&ctx, [Precision::F32; 3]), &Layout::new([3, 20], Element::F32).unwrap());
        let scheme = Scheme::new(Format::E4M3FN, Approach::Dynamic).exempt_ends();
        assert_eq!(block_on(f32.quantize(&ctx, &scheme, None)).unwrap().report().nodes().len(), 3);
    }
}

/// Factors are powers of two, so products and sums are the same numbers.
#[test]
fn smoothing_changes_no_bit_of_f32() {
    let batches: Vec<[HostTensor; 1]> = (0..2).map(|i| [with_outliers(&[2, 5, 16], 50 + i)]).collect();
    for ctx in common::contexts() {
        // A norm whose output two linear layers read; then an activation that also goes into a sum; a product of k by n.
        let gamma = with_outliers(&[16], 7);
        let norm = block_on(LayerNorm::new(&ctx, &gamma, Some(&tensor(&[16], 8)), 1e-5)).unwrap();
        let linear = |seed, n| block_on(Linear::builder(&tensor(&[n, 16], seed)).build(&ctx)).unwrap();
        let mut g = Graph::new();
        let x = g.input(batches[0][0].layout());
        let h = norm.record(&mut g, x).unwrap();
        let (p, q) = (linear(1, 16).record(&mut g, h).unwrap(), linear(2, 16).record(&mut g, h).unwrap());
        let sum =
            g.apply(&Binary::new(BinaryOp::Mul, [2, 5, 16], [2, 5, 16]), &[("a", p), ("b", q)]).unwrap();
        let r = linear(3, 16).record(&mut g, sum).unwrap();
        let sum =
            g.apply(&Binary::new(BinaryOp::Add, [2, 5, 16], [2, 5, 16]), &[("a", r), ("b", sum)]).unwrap();
        let sum = g.reshape(sum, [10, 16]).unwrap();
        let w = g.constant(&tensor(&[16, 9], 4));
        let gemm = Gemm::new(10, 9, 16).orientation(Orientation::Nn);
        let y = g.apply(&gemm, &[("a", sum), ("b", w)]).unwrap();
        let f32 = Network::new(g, &[y]).unwrap();
        let smoothed = block_on(f32.smooth(&ctx, &Smooth::default(), &batches, |_| ())).unwrap();
        let told: Vec<(&str, bool, usize)> =
            smoothed.smoothings.iter().map(|s| (s.by.as_str(), s.folded, s.nodes.len())).collect();
        let want =
            [("layer_norm 0", true, 2), ("binary of gemm 4", false, 1), ("binary of gemm 6", false, 1)];
        assert_eq!(told, want);
        for s in &smoothed.smoothings {
            assert!(s.factors.iter().all(|f| f.log2().fract() == 0.0) && s.factors.iter().any(|f| *f != 1.0));
        }
        // Of the shared activation by hand: its largest magnitudes over both batches, those of both layers' columns.
        let alone = network(&norm, batches[0][0].layout());
        let rows: Vec<f32> = batches.iter().flat_map(|[x]| plain(&ctx, &alone, &[x])).collect();
        let weights = [tensor(&[16, 16], 1).to_f32(), tensor(&[16, 16], 2).to_f32()].concat();
        let most = |all: &[f32], j| all.iter().skip(j).step_by(16).fold(0f64, |m, v| m.max(v.abs().into()));
        let by_hand =
            (0..16).map(|j| (most(&rows, j) / most(&weights, j)).sqrt().log2().round().exp2() as f32);
        assert_eq!(smoothed.smoothings[0].factors, by_hand.collect::<Vec<_>>());
        let x = with_outliers(&[2, 5, 16], 60);
        assert_eq!(plain(&ctx, &smoothed.network, &[&x]), plain(&ctx, &f32, &[&x]), "{}", ctx.name());
        // Of an α of 1 all of the outliers move.
        let whole = Smooth::default().alpha(1.0);
        let all = block_on(f32.smooth(&ctx, &whole, &batches, |_| ())).unwrap();
        assert_eq!(plain(&ctx, &all.network, &[&x]), plain(&ctx, &f32, &[&x]), "{}", ctx.name());
        assert_ne!(all.smoothings[0].factors, smoothed.smoothings[0].factors);
        // Of two readers of a norm one is exempt: the norm cannot take in what only the other wants.
        let smooth = Smooth::default().exempt(["gemm 1", "gemm 6"]);
        let some = block_on(f32.smooth(&ctx, &smooth, &batches, |_| ())).unwrap();
        assert!(some.inserted().eq(["binary of gemm 2", "binary of gemm 4"]) && some.smoothings.len() == 2);
        assert_eq!(plain(&ctx, &some.network, &[&x]), plain(&ctx, &f32, &[&x]), "{}", ctx.name());
    }
}

/// Projections that read views of one value share its factors; where heads are merged, the view is what is divided.
#[test]
fn smoothing_finds_what_projections_read() {
    let batches = [[with_outliers(&[2, 5, 16], 50)]];
    for ctx in common::contexts() {
        let f32 = network(&attention(&ctx, Precision::F32), batches[0][0].layout());
        let smoothed = block_on(f32.smooth(&ctx, &Smooth::default(), &batches, |_| ())).unwrap();
        let readers: Vec<usize> = smoothed.smoothings.iter().map(|s| s.nodes.len()).collect();
        assert_eq!(readers, [3, 1]);
        let x = &batches[0][0];
        assert_eq!(plain(&ctx, &smoothed.network, &[x]), plain(&ctx, &f32, &[x]), "{}", ctx.name());
        // Nobody quantises what was inserted, if it is told not to.
        let scheme = Scheme::new(Format::E4M3FN, Approach::Dynamic).extended().exempt(smoothed.inserted());
        let got = block_on(smoothed.network.quantize(&ctx, &scheme, None)).unwrap();
        let left = got.report().left.iter().filter(|l| l.1 == Left::Exempt);
        assert!(left.map(|l| l.0.as_str()).eq(smoothed.inserted()) && smoothed.inserted().count() == 2);
        assert_eq!(got.report().nodes().len(), 6);
    }
}

/// What int8 gains by smoothing, as its factors are meant to.
#[test]
fn smoothing_helps_where_there_are_outliers() {
    let ctx = Context::cpu();
    let batches = [[with_outliers(&[30, 20], 50)]];
    let f32 = network(
        &block_on(Linear::builder(&tensor(&[16, 20], 1)).build(&ctx)).unwrap(),
        batches[0][0].layout(),
    );
    let smoothed = block_on(f32.smooth(&ctx, &Smooth::default(), &batches, |_| ())).unwrap().network;
    let scheme = Scheme::new(Numbers::Int8, Approach::Dynamic);
    let decibels =
        |n: &Network| block_on(n.sensitivity(&ctx, &scheme, None, &batches, |_| ())).unwrap()[0].sqnr;
    assert!(decibels(&smoothed) > decibels(&f32));
}

/// Means and variances of batches, averaged: held against f64 within the bound of the operation's reference.
#[test]
fn statistics_are_those_of_what_a_norm_sees() {
    let batches: Vec<[HostTensor; 1]> = (0..4).map(|i| [tensor(&[3, 5, 4, 6], 70 + i)]).collect();
    let scheme = Scheme::new(Format::E4M3FN, Approach::Static);
    for ctx in common::contexts() {
        let conv = |p| {
            let conv = Conv2d::builder(&tensor(&[3, 3, 6], 3)).groups(6).padding([1; 4]).precision(p);
            block_on(conv.build(&ctx)).unwrap()
        };
        let norm = block_on(BatchNorm2d::new(&ctx, &statistics(6))).unwrap();
        let f32 = network(&Sequential::new().then(conv(Precision::F32)).then(norm), batches[0][0].layout());
        let got = block_on(f32.reestimate(&ctx, &scheme, &batches, |_| ())).unwrap();
        // What the norm sees: a convolution quantised by live maxima.
        let before = network(&conv(Precision::of(Format::E4M3FN)), batches[0][0].layout());
        let zeros = || HostTensor::from_f32(&[0.0; 6], [6]).unwrap();
        let mut sums = [vec![Real::exact(0.0); 6], vec![Real::exact(0.0); 6]];
        for [x] in &batches {
            let y = HostTensor::from_f32(&plain(&ctx, &before, &[x]), x.shape()).unwrap();
            let tensors = vec![("x", y), ("running_mean", zeros()), ("running_var", zeros())];
            let inputs = Inputs { tensors, arithmetic: Arithmetic::F32 };
            let out = BatchNorm::new(x.shape()).training(1.0).reference(&inputs).0;
            for (sum, role) in sums.iter_mut().zip(["running_mean", "running_var"]) {
                let found = &out.iter().find(|o| o.0 == role).unwrap().1;
                // Summed in f64 without a bound of its own, which is 2⁻⁵³ of it.
                sum.iter_mut().zip(found).for_each(|(s, v)| {
                    s.value += v.value / 4.0;
                    s.error += v.error / 4.0;
                });
            }
        }
        assert_eq!(got.norms.len(), 1);
        for (sum, found) in sums.iter().zip([&got.norms[0].mean, &got.norms[0].variance]) {
            for (want, got) in sum.iter().zip(found) {
                // Rounded to f32 once, after sums in f64: half an ulp, twice to be above f64's.
                let bound = want.error + 2.0 * ops::U * want.value.abs();
                assert!((want.value - f64::from(*got)).abs() <= bound, "{want:?} {got} on {}", ctx.name());
            }
        }
        // The network normalises by them.
        let after = Statistics {
            mean: got.norms[0].mean.clone(),
            variance: got.norms[0].variance.clone(),
            ..statistics(6)
        };
        let norm = block_on(BatchNorm2d::new(&ctx, &after)).unwrap();
        let want = network(&Sequential::new().then(conv(Precision::F32)).then(norm), batches[0][0].layout());
        let x = &batches[1][0];
        assert_eq!(plain(&ctx, &got.network, &[x]), plain(&ctx, &want, &[x]), "{}", ctx.name());
        assert_ne!(plain(&ctx, &got.network, &[x]), plain(&ctx, &f32, &[x]));
    }
}

/// Scales that are powers of two, so that what is rounded by hand is exact.
#[test]
fn int8_is_rounded_by_the_host() {
    let grid = |t: &HostTensor, scale: f32| {
        let x: Vec<f32> =
            t.to_f32().iter().map(|v| (v / scale).round_ties_even().clamp(-127.0, 127.0) * scale).collect();
        HostTensor::from_f32(&x, t.shape()).unwrap()
    };
    // The largest magnitude of every row, and of all, is 127/32.
    let with_largest = |shape: [u32; 2], seed| {
        let mut x = numbers((shape[0] * shape[1]) as usize, seed);
        x.iter_mut().step_by(shape[1] as usize).for_each(|v| *v = -127.0 / 32.0);
        HostTensor::from_f32(&x, shape).unwrap()
    };
    for ctx in common::contexts() {
        let (x, w) = (with_largest([4, 20], 1), with_largest([6, 20], 2));
        let f32 = network(&block_on(Linear::builder(&w).build(&ctx)).unwrap(), x.layout());
        let rounded = block_on(Linear::builder(&grid(&w, 1.0 / 32.0)).build(&ctx)).unwrap();
        let want = network(&rounded, x.layout());
        let dynamic = Scheme::new(Numbers::Int8, Approach::Dynamic);
        let got = quantized(&ctx, &f32, &dynamic, &[&x]);
        assert_eq!(got, plain(&ctx, &want, &[&grid(&x, 1.0 / 32.0)]), "{}", ctx.name());
        assert_ne!(got, plain(&ctx, &f32, &[&x]));
        // A range of half as much: what is above saturates.
        let scheme = Scheme::new(Numbers::Int8, Approach::Static);
        let half: Vec<f32> = x.to_f32().iter().map(|v| v / 2.0).collect();
        let half = [[HostTensor::from_f32(&half, x.shape()).unwrap()]];
        let ranges = block_on(f32.calibrate(&ctx, &scheme, Calibration::MinMax, &half, |_| ())).unwrap();
        let got = block_on(f32.quantize(&ctx, &scheme, Some(&ranges))).unwrap();
        let compiled = block_on(got.compile(&ctx)).unwrap();
        assert!(compiled.model().is_none());
        let got = block_on(compiled.call(&[&x])).unwrap().remove(0).to_f32();
        assert_eq!(got, plain(&ctx, &want, &[&grid(&x, 1.0 / 64.0)]), "{}", ctx.name());
    }
}

#[test]
fn fallback_returns_the_worst_first() {
    let batches: Vec<[HostTensor; 1]> = (0..2).map(|i| [tensor(&[3, 20], 80 + i)]).collect();
    for ctx in common::contexts() {
        let f32 = network(&mlp(&ctx, [Precision::F32; 3]), batches[0][0].layout());
        let scheme = Scheme::new(Format::E4M3FN, Approach::Dynamic);
        let decibels = |call: &mut dyn FnMut(&HostTensor) -> Vec<f32>| {
            let (mut signal, mut noise) = (0.0, 0.0);
            for [x] in &batches {
                for (y, other) in plain(&ctx, &f32, &[x]).into_iter().zip(call(x)) {
                    signal += f64::from(y) * f64::from(y);
                    noise += (f64::from(y) - f64::from(other)).powi(2);
                }
            }
            if noise == 0.0 { f64::INFINITY } else { 10.0 * f64::log10(signal / noise) }
        };
        let order = block_on(f32.sensitivity(&ctx, &scheme, None, &batches, |_| ())).unwrap();
        let names = ["gemm 0", "gemm 1", "gemm 2"];
        assert!(order.len() == 3 && order.is_sorted_by(|a, b| a.sqnr <= b.sqnr), "{order:?}");
        for one in &order {
            let others = names.into_iter().filter(|n| *n != one.node);
            let alone = scheme.clone().exempt(others);
            let sqnr = decibels(&mut |x| quantized(&ctx, &f32, &alone, &[x]));
            assert_eq!(sqnr, one.sqnr, "{}", one.node);
        }
        let metric = async |model: &quarter::nn::ptq::Compiled| {
            Ok(decibels(&mut |x| block_on(model.call(&[x])).unwrap().remove(0).to_f32()))
        };
        let all = block_on(f32.quantize(&ctx, &scheme, None)).unwrap();
        let sqnr = block_on(f32.sqnr(&ctx, &all, &batches)).unwrap();
        assert_eq!(sqnr, decibels(&mut |x| quantized(&ctx, &f32, &scheme, &[x])));
        // All at once first; what is asked for then is just more than that.
        let tune = |target| block_on(f32.tune(&ctx, &scheme, None, &order, target, metric)).unwrap();
        let first = tune(0.0);
        assert!(first.reached && first.steps.len() == 1 && first.steps[0].returned.is_none());
        let more = tune(first.steps[0].metric.next_up());
        assert!(more.reached && more.steps.len() > 1);
        for (step, one) in more.steps[1..].iter().zip(&order) {
            assert_eq!(step.returned.as_ref(), Some(&one.node));
            assert!(more.quantized.report().left.contains(&(one.node.clone(), Left::Exempt)));
        }
        // What cannot be reached returns all of them.
        let never = tune(f64::NAN);
        assert!(!never.reached);
        assert_eq!(never.steps.len(), 4);
        assert_eq!(never.steps[3].metric, f64::INFINITY);
    }
}

#[test]
fn what_is_missing_is_told() {
    let ctx = Context::cpu();
    let x = tensor(&[3, 20], 1);
    let f32 = network(&mlp(&ctx, [Precision::F32; 3]), x.layout());
    let scheme = Scheme::new(Format::E4M3FN, Approach::Static);
    let none = block_on(f32.quantize(&ctx, &scheme, None)).err().unwrap();
    assert!(none.to_string().contains("none for gemm 0"), "{none}");
    // Those of another network are no help.
    let other = network(&mlp(&ctx, [Precision::F32; 3]), x.layout());
    let batches = [[x]];
    let ranges = block_on(other.calibrate(&ctx, &scheme, Calibration::MinMax, &batches, |_| ())).unwrap();
    assert!(block_on(f32.quantize(&ctx, &scheme, Some(&ranges))).is_err());
    let mixed = Scheme::new(Format::E3M4FN, Approach::Static);
    assert!(block_on(other.quantize(&ctx, &mixed, Some(&ranges))).is_err());
    assert!(block_on(other.quantize(&ctx, &scheme, Some(&ranges))).is_ok());
}

/// Operations of the scheme whose operands are 8-bit already, and others, are reported.
#[test]
fn what_is_left_says_why() {
    let ctx = Context::cpu();
    let w = tensor(&[6, 20], 1).quantize(Format::E5M2, PerTensor).unwrap();
    let mut g = Graph::new();
    let x = g.input(&Layout::new([4, 20], Element::F32).unwrap());
    g.scope("block");
    let w = g.constant(&w);
    let y = g.apply(&Gemm::new(4, 6, 20).b(g.layout(w).unwrap().element()), &[("a", x), ("b", w)]).unwrap();
    let y = g.apply(&Unary::new([4, 6]).activation(Activation::Tanh), &[("x", y)]).unwrap();
    g.scope("");
    let y = g.apply(&Unary::new([4, 6]).alpha(2.0), &[("x", y)]).unwrap();
    let network = Network::new(g, &[y]).unwrap();
    let scheme = Scheme::new(Format::E4M3FN, Approach::Dynamic);
    let got = block_on(network.quantize(&ctx, &scheme, None)).unwrap();
    let left: Vec<(&str, Left)> = got.report().left.iter().map(|l| (l.0.as_str(), l.1)).collect();
    let want =
        [("block.gemm 0", Left::Coded("b")), ("block.unary 1", Left::Scheme), ("unary 2", Left::Scheme)];
    assert_eq!(left, want);
}

/// A constant is a tensor that no context has yet, and that nobody writes.
#[test]
fn constants_are_uploaded_with_the_graph() {
    let (x, w) = (tensor(&[3, 20], 1), tensor(&[6, 20], 2));
    let codes = w.quantize_with(Format::E4M3FN, Scales::per_tensor(Scale::ONE), Overflow::Saturate).unwrap();
    let mut g = Graph::new();
    let (input, w) = (g.input(x.layout()), g.constant(&codes));
    let gemm = Gemm::new(3, 6, 20).b(codes.layout().element());
    let y = g.apply(&gemm, &[("a", input), ("b", w)]).unwrap();
    let mut outputs = vec![];
    for ctx in common::contexts() {
        let mut g = Graph::new();
        let (input, w) = (g.input(x.layout()), g.tensor(&ctx.upload_blocking(&codes).unwrap()));
        let given = g.apply(&gemm, &[("a", input), ("b", w)]).unwrap();
        outputs.push((Network::new(g, &[given]).unwrap(), ctx));
    }
    for (given, ctx) in &outputs {
        let model = block_on(g.compile(ctx, &[y])).unwrap();
        assert_eq!(block_on(model.call(&[&x])).unwrap()[0].to_f32(), plain(ctx, given, &[&x]));
    }
    let out = g.constant(&tensor(&[3, 6], 3));
    let error = g.apply(&gemm, &[("a", input), ("b", w), ("out", out)]).unwrap_err();
    assert!(matches!(&error, Error::Argument { role: "out", .. }), "{error}");
}

/// What is updated between two readers is quantised for each of them anew.
#[test]
fn what_changes_is_quantised_again() {
    let (x, w) = (tensor(&[3, 20], 1), tensor(&[6, 20], 2));
    let format = Format::E4M3FN;
    for ctx in common::contexts() {
        let build = |coded: bool| {
            let mut g = Graph::new();
            let (input, state) = (g.input(x.layout()), g.state(&tensor(&[3, 20], 3)));
            let w = if coded { w.quantize(format, PerChannel { axis: 0 }).unwrap() } else { w.clone() };
            let b = g.constant(&w);
            let read = |g: &mut Graph| {
                let quantize = Quantize::new([3, 20], DType::F32, format, PerTensor);
                let a = if coded { g.apply(&quantize, &[("x", state)]).unwrap() } else { state };
                let gemm = Gemm::new(3, 6, 20).a(g.layout(a).unwrap().element());
                g.apply(&gemm.b(g.layout(b).unwrap().element()), &[("a", a), ("b", b)]).unwrap()
            };
            let before = read(&mut g);
            g.apply(&Unary::new([3, 20]).alpha(3.0), &[("x", input), ("out", state)]).unwrap();
            let after = read(&mut g);
            (g, [after, before])
        };
        let ((f32, outputs), (want, asked)) = (build(false), build(true));
        let scheme = Scheme::new(format, Approach::Dynamic);
        let got = block_on(Network::new(f32, &outputs).unwrap().quantize(&ctx, &scheme, None)).unwrap();
        let got = block_on(got.compile(&ctx)).unwrap();
        let want = block_on(want.compile(&ctx, &asked)).unwrap();
        for run in 0..3 {
            let (got, want) = (block_on(got.call(&[&x])).unwrap(), block_on(want.call(&[&x])).unwrap());
            assert_eq!(got, want, "run {run} on {}", ctx.name());
            assert_eq!(run > 0, got[0] == got[1], "the state of the run before is read first");
        }
    }
}
