//! Layers and graphs add no mathematics: what comes out is, to the bit, what their operations give one by one, or a closed
//! form that is exact.

mod common;

use pollster::block_on;
use quarter::{
    Context, Error,
    dtype::{Format, Overflow},
    nn::{
        BatchNorm2d, Conv2d, Embedding, Graph, Layer, LayerNorm, Linear, MultiHeadAttention, Precision,
        RmsNorm, Sequential, Statistics, Value,
    },
    ops::{Activation, Binary, BinaryOp, Causal, Gemm, GemmArgs, LayerNormArgs, Unary},
    scale::{
        Granularity::{PerChannel, PerTensor},
        Scale, Scales,
    },
    tensor::{DType, DeviceTensor, Element, HostTensor, Layout},
};

/// Numbers without a pattern, in steps of 1/4 from −2 to 2.
fn numbers(n: usize, seed: usize) -> Vec<f32> {
    (0..n).map(|i| ((i * 7919 + seed * 104_729) / 3 % 17) as f32 * 0.25 - 2.0).collect()
}

fn tensor(shape: &[u32], seed: usize) -> HostTensor {
    HostTensor::from_f32(&numbers(shape.iter().product::<u32>() as usize, seed), shape).unwrap()
}

fn call(ctx: &Context, g: &Graph, y: Value, x: &[&HostTensor]) -> HostTensor {
    let model = block_on(g.compile(ctx, &[y])).unwrap();
    // Twice: what shares memory must not remember.
    block_on(model.call(x)).unwrap();
    block_on(model.call(x)).unwrap().remove(0)
}

#[test]
fn a_block_is_its_operations() {
    for ctx in common::contexts() {
        let (rows, width, hidden) = (5, 24, 40);
        let up = |t: &HostTensor| ctx.upload_blocking(t).unwrap();
        let x = tensor(&[rows, width], 1);
        let [w1, w2] = [tensor(&[hidden, width], 2), tensor(&[width, hidden], 3)];
        let [b1, b2] = [tensor(&[hidden], 4), tensor(&[width], 5)];
        let [gamma, beta] = [tensor(&[width], 6), tensor(&[width], 7)];
        // A feed-forward block: its residual is needed again after two operations.
        let first =
            block_on(Linear::builder(&w1).bias(&b1).activation(Activation::Gelu).build(&ctx)).unwrap();
        let second = block_on(Linear::builder(&w2).bias(&b2).build(&ctx)).unwrap();
        let norm = block_on(LayerNorm::new(&ctx, &gamma, Some(&beta), 1e-5)).unwrap();
        let mut g = Graph::new();
        let input = g.input(x.layout());
        let mut y = input;
        for _ in 0..3 {
            let h = first.record(&mut g, y).unwrap();
            let h = second.record_with(&mut g, h, Some(y)).unwrap();
            y = norm.record(&mut g, h).unwrap();
        }
        let got = call(&ctx, &g, y, &[&x]);

        let one = Gemm::new(rows, hidden, width).bias(DType::F32).activation(Activation::Gelu);
        let two = Gemm::new(rows, width, hidden).bias(DType::F32).residual(Element::F32);
        let three = quarter::ops::LayerNorm::new([rows, width]).gamma(DType::F32).beta(DType::F32);
        let empty = |shape: [u32; 2]| ctx.empty_blocking(&Layout::new(shape, Element::F32).unwrap()).unwrap();
        let mut y: DeviceTensor = up(&x);
        for _ in 0..3 {
            let (h, z, out) = (empty([rows, hidden]), empty([rows, width]), empty([rows, width]));
            let (w1, w2, b1, b2, gamma, beta) = (up(&w1), up(&w2), up(&b1), up(&b2), up(&gamma), up(&beta));
            let plan = |ctx: &Context, g: &Gemm| ctx.plan_blocking(g).unwrap();
            let a = plan(&ctx, &one).bind(&GemmArgs::new(&y, &w1, &h).bias(&b1)).unwrap();
            let b = plan(&ctx, &two).bind(&GemmArgs::new(&h, &w2, &z).bias(&b2).residual(&y)).unwrap();
            let args = LayerNormArgs::new(&z, &out).gamma(&gamma).beta(&beta);
            let c = ctx.plan_blocking(&three).unwrap().bind(&args).unwrap();
            ctx.run([&a, &b, &c]).unwrap();
            y = out;
        }
        assert!(got == ctx.download_blocking(&y).unwrap(), "{}", ctx.name());
    }
}

/// A norm whose factors are powers of two folds exactly.
#[test]
fn batch_norm_folds() {
    let statistics = Statistics {
        gamma: vec![2.0, -1.0, 0.5, 4.0],
        beta: vec![1.0, 0.0, -3.0, 0.25],
        mean: vec![0.5, -2.0, 1.0, 0.0],
        variance: vec![4.0, 1.0, 0.25, 16.0],
        epsilon: 0.0,
    };
    for ctx in common::contexts() {
        let images = tensor(&[2, 5, 6, 4], 1);
        for (w, groups) in
            [(tensor(&[4, 3, 3, 4], 2), 1), (tensor(&[3, 3, 4], 3), 4), (tensor(&[4, 1, 1, 4], 4), 1)]
        {
            let conv = || Conv2d::builder(&w).groups(groups).padding([1, 0, 1, 1]).bias(&bias());
            let folded =
                block_on(conv().fold_batch_norm(&statistics).activation(Activation::Relu).build(&ctx));
            let norm = block_on(BatchNorm2d::new(&ctx, &statistics)).unwrap().activation(Activation::Relu);
            let apart = Sequential::new().then(block_on(conv().build(&ctx)).unwrap()).then(norm);
            let run = |layer: &dyn Layer| {
                let mut g = Graph::new();
                let x = g.input(images.layout());
                let y = layer.record(&mut g, x).unwrap();
                call(&ctx, &g, y, &[&images]).to_f32()
            };
            assert_eq!(run(&folded.unwrap()), run(&apart), "{} {:?}", ctx.name(), w.shape());
        }
    }
    fn bias() -> HostTensor {
        HostTensor::from_f32(&[0.5, -0.25, 1.0, 2.0], [4]).unwrap()
    }
}

/// Keys that are all alike share attention out evenly: the mean of the values that a token sees.
#[test]
fn even_attention_is_a_mean() {
    for ctx in common::contexts() {
        let (tokens, width) = (8u32, 16u32);
        let eye: Vec<f32> = (0..width * width).map(|i| f32::from(i % (width + 1) == 0)).collect();
        let eye = HostTensor::from_f32(&eye, [width, width]).unwrap();
        let zero = HostTensor::from_f32(&vec![0.0; (width * width) as usize], [width, width]).unwrap();
        let linear = |w: &HostTensor| block_on(Linear::builder(w).build(&ctx)).unwrap();
        for (causal, heads) in [(Causal::No, 2), (Causal::No, 4), (Causal::Aligned, 4)] {
            let layers = [linear(&eye), linear(&zero), linear(&eye), linear(&eye)];
            let attention = MultiHeadAttention::new(layers, heads, Precision::F32).unwrap().causal(causal);
            let x = tensor(&[2, tokens, width], 3);
            let mut g = Graph::new();
            let input = g.input(x.layout());
            let y = attention.record(&mut g, input).unwrap();
            let got = call(&ctx, &g, y, &[&x]).to_f32();
            let x = x.to_f32();
            for (i, &got) in got.iter().enumerate() {
                let (batch, token, column) = (i / 128, i / 16 % 8, i % 16);
                let seen = if causal == Causal::Aligned { token + 1 } else { 8 };
                // Thirds and sevenths are not exact.
                if !seen.is_power_of_two() {
                    continue;
                }
                let sum: f32 = (0..seen).map(|t| x[batch * 128 + t * 16 + column]).sum();
                assert_eq!(got, sum / seen as f32, "{} {causal:?} {heads} {i}", ctx.name());
            }
        }
    }
}

/// What is quantised on the way is what `Quantize` and `HostTensor::quantize` give.
#[test]
fn precision_is_of_operands() {
    for ctx in common::contexts() {
        let (x, w) = (tensor(&[3, 20], 1), tensor(&[7, 20], 2));
        for format in [Format::E4M3FN, Format::E3M4FN, Format::E5M2] {
            let linear = block_on(Linear::builder(&w).precision(Precision::of(format)).build(&ctx)).unwrap();
            let mut g = Graph::new();
            let input = g.input(x.layout());
            let y = linear.record(&mut g, input).unwrap();
            let got = call(&ctx, &g, y, &[&x]).to_f32();
            // E5M2 is cast.
            let quantize = |t: &HostTensor, g| match format {
                Format::E5M2 => t.quantize_with(format, Scales::per_tensor(Scale::ONE), Overflow::Saturate),
                _ => t.quantize(format, g),
            };
            let (a, b) = (quantize(&x, PerTensor).unwrap(), quantize(&w, PerChannel { axis: 0 }).unwrap());
            assert!(ctx.download_blocking(linear.weights()).unwrap() == b, "{format}");
            let gemm = Gemm::new(3, 7, 20).a(a.layout().element()).b(b.layout().element());
            let (a, b) = (ctx.upload_blocking(&a).unwrap(), ctx.upload_blocking(&b).unwrap());
            let out = ctx.empty_blocking(&Layout::new([3, 7], Element::F32).unwrap()).unwrap();
            let bound = ctx.plan_blocking(&gemm).unwrap().bind(&GemmArgs::new(&a, &b, &out)).unwrap();
            ctx.run([&bound]).unwrap();
            assert_eq!(got, ctx.download_blocking(&out).unwrap().to_f32(), "{} {format}", ctx.name());
        }
    }
}

#[test]
fn tokens_become_rows() {
    for ctx in common::contexts() {
        let (table, positions) = (tensor(&[11, 12], 1), tensor(&[1, 3, 12], 2));
        let words = block_on(Embedding::new(&ctx, &table, Precision::F32)).unwrap();
        let norm = block_on(RmsNorm::new(&ctx, &tensor(&[12], 3), None, 1e-6)).unwrap();
        let mut g = Graph::new();
        let tokens = g.input(&Layout::new([1, 3], Element::U32).unwrap());
        let at = g.tensor(&ctx.upload_blocking(&positions).unwrap());
        let x = words.record_with(&mut g, tokens, Some(at)).unwrap();
        let y = norm.record(&mut g, x).unwrap();
        let index = HostTensor::from_u32(&[4, 0, 10], [1, 3]).unwrap();
        let model = block_on(g.compile(&ctx, &[x, y])).unwrap();
        let out = block_on(model.call(&[&index])).unwrap();
        let want: Vec<f32> = (0..36)
            .map(|i| table.to_f32()[[4, 0, 10][i / 12] * 12 + i % 12] + positions.to_f32()[i])
            .collect();
        assert_eq!(out[0].to_f32(), want);
        assert!(out[1].to_f32().iter().all(|v| v.is_finite()));
    }
}

/// A value that is asked for, or read again later, keeps its memory though others of its shape come and go.
#[test]
fn memory_is_shared_only_by_what_does_not_meet() {
    for ctx in common::contexts() {
        let x = HostTensor::from_f32(&[1.0, 2.0, 3.0], [3]).unwrap();
        let mut g = Graph::new();
        let input = g.input(x.layout());
        let twice = Unary::new([3]).alpha(2.0);
        let mut all = vec![input];
        for i in 0..12 {
            let next = g.apply(&twice, &[("x", all[i])]).unwrap();
            all.push(next);
        }
        let sum = Binary::new(BinaryOp::Add, [3], [3]);
        let late = g.apply(&sum, &[("a", all[1]), ("b", all[12])]).unwrap();
        let model = block_on(g.compile(&ctx, &[late, all[3], input])).unwrap();
        assert_eq!(model.bounds().len(), 13);
        for _ in 0..2 {
            let out = block_on(model.call(&[&x])).unwrap();
            let times = |f: f32| vec![f, 2.0 * f, 3.0 * f];
            assert_eq!(out[0].to_f32(), times(4098.0));
            assert_eq!(out[1].to_f32(), times(8.0));
            assert_eq!(out[2].to_f32(), times(1.0));
        }
    }
}

/// Many calls of one model at once: each is answered with its own numbers, or told that another is not over.
#[test]
fn calls_do_not_mix() {
    for ctx in common::contexts() {
        let mut g = Graph::new();
        let x = g.input(&Layout::new([64], Element::F32).unwrap());
        let y = g.apply(&Unary::new([64]).alpha(2.0), &[("x", x)]).unwrap();
        let model = block_on(g.compile(&ctx, &[y])).unwrap();
        let answered = std::sync::atomic::AtomicU32::new(0);
        std::thread::scope(|s| {
            for k in 0..4 {
                let (model, answered) = (model.clone(), &answered);
                let x = HostTensor::from_f32(&[k as f32; 64], [64]).unwrap();
                s.spawn(move || {
                    for _ in 0..50 {
                        match block_on(model.call(&[&x])) {
                            Ok(y) => assert_eq!(y[0].to_f32(), [2.0 * k as f32; 64]),
                            Err(e) => {
                                assert!(matches!(e, Error::Busy { .. }), "{e}");
                                continue;
                            }
                        }
                        answered.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                    }
                });
            }
        });
        assert!(answered.into_inner() > 0);
    }
}
