//! Recipes on the device: current and delayed scaling over many steps, the host waiting for none of them.

mod common;

use quarter::{
    dtype::{Format, Overflow},
    ops::*,
    scale::{Granularity, Scale, Scales},
    tensor::*,
};
use std::collections::VecDeque;

/// Numbers of a step, whose amax rises and falls; those of the twentieth hold a NaN.
fn step(t: usize) -> HostTensor {
    let level = 1.0 + (t * 7 % 11) as f32;
    let mut x: Vec<f32> = (0..4 * 33).map(|i| level * (((i * 31 + t) % 61) as f32 * 0.1 - 3.0)).collect();
    if t == 20 {
        x[5] = f32::NAN;
    }
    HostTensor::from_f32(&x, [4, 33]).unwrap()
}

fn amax(x: &HostTensor) -> f32 {
    x.to_f32()
        .iter()
        .fold(0.0, |most: f32, v| if v.is_nan() || most.is_nan() { f32::NAN } else { most.max(v.abs()) })
}

/// Every step is quantised by what the history of those before it says; what is not finite never enters it.
#[test]
fn delayed_scaling_follows_its_history() {
    for ctx in common::contexts() {
        for (amax_of, length, margin) in
            [(AmaxOf::History, 5, 0), (AmaxOf::MostRecent, 3, 2), (AmaxOf::History, 70, 1)]
        {
            let quantize = Quantize::new([4, 33], DType::F32, Format::E4M3FN, Granularity::PerTensor);
            let quantize = quantize.scaling(Scaling::Given);
            let x = ctx.upload_blocking(&step(0)).unwrap();
            let out = ctx.empty_blocking(&quantize.out().unwrap()).unwrap();
            let delay = DelayedScale::new([4, 33], out.layout().element());
            let delay = delay.length(length).amax(amax_of).margin(margin);
            let history = ctx.upload_blocking(&delay.history().unwrap()).unwrap();
            let delay =
                ctx.plan_blocking(&delay).unwrap().bind(&DelayedScaleArgs::new(&out, &history)).unwrap();
            let quantize = ctx.plan_blocking(&quantize).unwrap().bind(&QuantizeArgs::new(&x, &out)).unwrap();
            let mut remembered = VecDeque::from(vec![0.0; length as usize]);
            let (mut scale, mut last) = (Scale::ONE, 0.0);
            let before = ctx.waits();
            for t in 0..40 {
                ctx.write(&x, &step(t)).unwrap();
                ctx.run([&delay, &quantize]).unwrap();
                if f32::is_finite(last) {
                    remembered.push_front(last);
                    remembered.pop_back();
                    let counted = if amax_of == AmaxOf::MostRecent { 1 } else { length as usize };
                    let most = remembered.iter().take(counted).copied().fold(0.0, f32::max);
                    if most > 0.0 {
                        scale = Scale::from_amax(most * 2f32.powi(margin as i32), Format::E4M3FN);
                    }
                }
                last = amax(&step(t));
            }
            assert_eq!(ctx.waits(), before);
            let what = format!("{amax_of:?} of {length} on {}", ctx.name());
            let got = ctx.download_blocking(&out).unwrap();
            let want = step(39).quantize_with(Format::E4M3FN, Scales::per_tensor(scale), Overflow::Saturate);
            assert_eq!(got, want.unwrap(), "{what}");
            assert_eq!(ctx.download_blocking(&history).unwrap().to_f32(), Vec::from(remembered), "{what}");
        }
    }
}

/// A model keeps the history that a recipe asks for from run to run, and quantises as the operations do one by one.
#[test]
fn recipes_of_a_layer_are_their_operations() {
    use pollster::block_on;
    use quarter::nn::{Delay, Graph, Layer, Linear, Precision, Recipe};
    let numbers = |n: usize| (0..n).map(|i| ((i * 7919 % 101) as f32 - 50.0) * 0.02).collect::<Vec<_>>();
    let w = HostTensor::from_f32(&numbers(7 * 33), [7, 33]).unwrap();
    let delay = |length, amax, margin| Recipe::Delayed(Delay { length, amax, margin });
    let recipes = [
        Recipe::Static(Scale::new(0.037).unwrap()),
        delay(3, AmaxOf::History, 1),
        delay(2, AmaxOf::MostRecent, 0),
    ];
    for ctx in common::contexts() {
        for recipe in recipes {
            let precision = Precision::of(Format::E4M3FN).recipe(recipe);
            let linear = block_on(Linear::builder(&w).precision(precision).build(&ctx)).unwrap();
            let mut g = Graph::new();
            let x = g.input(step(0).layout());
            // Two layers of one shape and a current recipe beside them: nothing of theirs may share memory.
            let y = linear.record(&mut g, x).unwrap();
            let current = Quantize::new([4, 33], DType::F32, Format::E4M3FN, Granularity::PerTensor);
            let current = g.apply(&current, &[("x", x)]).unwrap();
            let again =
                Dequantize::new([4, 33], Element::f8(Format::E4M3FN, Granularity::PerTensor), DType::F32);
            let again = g.apply(&again, &[("x", current)]).unwrap();
            let z = linear.record(&mut g, again).unwrap();
            let model = block_on(g.compile(&ctx, &[y, z])).unwrap();

            let quantize = Quantize::new([4, 33], DType::F32, Format::E4M3FN, Granularity::PerTensor);
            let quantize = quantize.scaling(Scaling::Given);
            let layout = quantize.out().unwrap();
            let scales = match recipe {
                Recipe::Static(scale) => Scales::per_tensor(scale),
                _ => Scales::per_tensor(Scale::ONE),
            };
            let gemm = Gemm::new(4, 7, 33).a(layout.element()).b(linear.weights().layout().element());
            let input = ctx.upload_blocking(&step(0)).unwrap();
            let codes = ctx.empty_scaled_blocking(&layout, &scales).unwrap();
            let out = ctx.empty_blocking(&Layout::new([4, 7], Element::F32).unwrap()).unwrap();
            let mut bounds = vec![];
            if let Recipe::Delayed(Delay { length, amax, margin }) = recipe {
                let delay = DelayedScale::new([4, 33], layout.element());
                let delay = delay.length(length).amax(amax).margin(margin);
                let history = ctx.upload_blocking(&delay.history().unwrap()).unwrap();
                let args = DelayedScaleArgs::new(&codes, &history);
                bounds.push(ctx.plan_blocking(&delay).unwrap().bind(&args).unwrap());
            }
            let args = QuantizeArgs::new(&input, &codes);
            bounds.push(ctx.plan_blocking(&quantize).unwrap().bind(&args).unwrap());
            let args = GemmArgs::new(&codes, linear.weights(), &out);
            bounds.push(ctx.plan_blocking(&gemm).unwrap().bind(&args).unwrap());
            let mut apart = vec![];
            for t in 0..8 {
                let got = block_on(model.call(&[&step(t)])).unwrap();
                ctx.write(&input, &step(t)).unwrap();
                ctx.run(&bounds).unwrap();
                let want = ctx.download_blocking(&out).unwrap();
                assert_eq!(got[0], want, "{recipe:?} step {t} on {}", ctx.name());
                apart.push(got[1] != want);
            }
            assert!(apart.contains(&true), "{recipe:?}: the second layer is another");
            // Another model begins anew.
            let anew = block_on(g.compile(&ctx, &[y])).unwrap();
            let first = block_on(anew.call(&[&step(7)])).unwrap().remove(0);
            let last = ctx.download_blocking(&out).unwrap();
            assert_eq!(first == last, matches!(recipe, Recipe::Static(_)), "{recipe:?}");
        }
    }
}

/// Codes cast by a given scale keep it, though a current recipe for the same layout comes after them, run after run.
#[test]
fn given_scales_are_never_replaced() {
    use quarter::nn::Graph;
    for ctx in common::contexts() {
        let mut g = Graph::new();
        let x = g.input(step(0).layout());
        let mut all = vec![];
        // A made tensor with given scales, that of scale 1; then one whose scale is found.
        for scaling in [Scaling::Given, Scaling::Current] {
            let op = Quantize::new([4, 33], DType::F32, Format::E5M2, Granularity::PerTensor);
            let codes = g.apply(&op.scaling(scaling), &[("x", x)]).unwrap();
            let op = Dequantize::new([4, 33], Element::f8(Format::E5M2, Granularity::PerTensor), DType::F32);
            all.push(g.apply(&op, &[("x", codes)]).unwrap());
        }
        let model = pollster::block_on(g.compile(&ctx, &all)).unwrap();
        for t in 0..3 {
            let got = pollster::block_on(model.call(&[&step(t)])).unwrap();
            let cast =
                step(t).quantize_with(Format::E5M2, Scales::per_tensor(Scale::ONE), Overflow::Saturate);
            assert_eq!(got[0].to_f32(), cast.unwrap().to_f32(), "step {t} on {}", ctx.name());
        }
    }
}

/// Scales are found and used on the device: steps upon steps, and the host has not waited once.
#[cfg(feature = "gpu")]
#[test]
fn current_scaling_never_waits() {
    use quarter::nn::{Graph, Layer, Linear, Precision, Sequential};
    let ctx = common::gpu();
    let weights = |seed: usize| {
        let w: Vec<f32> = (0..32 * 32).map(|i| ((i * seed % 97) as f32 - 48.0) * 0.01).collect();
        HostTensor::from_f32(&w, [32, 32]).unwrap()
    };
    let layer = |seed| {
        let linear = Linear::builder(&weights(seed)).precision(Precision::of(Format::E4M3FN));
        pollster::block_on(linear.activation(Activation::Gelu).build(&ctx)).unwrap()
    };
    let network = Sequential::new().then(layer(7)).then(layer(11)).then(layer(13));
    let mut g = Graph::new();
    let x = g.input(&Layout::new([16, 32], Element::F32).unwrap());
    let y = network.record(&mut g, x).unwrap();
    let model = pollster::block_on(g.compile(&ctx, &[y])).unwrap();
    let x = |step: usize| {
        let x: Vec<f32> = (0..16 * 32).map(|i| ((i * 31 + step) % 61) as f32 * 0.1 - 3.0).collect();
        HostTensor::from_f32(&x, [16, 32]).unwrap()
    };
    let before = ctx.waits();
    for step in 0..100 {
        ctx.write(&model.inputs()[0], &x(step)).unwrap();
        model.run().unwrap();
    }
    assert_eq!(ctx.waits(), before);
    let last = ctx.download_blocking(&model.outputs()[0]).unwrap();
    assert_eq!(ctx.waits(), before + 1);
    // The same step on its own.
    assert_eq!(pollster::block_on(model.call(&[&x(99)])).unwrap(), [last]);
}
