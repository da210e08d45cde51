//! What tests and benches run of convolutions.

use super::{Conv2d, Images};
use crate::{
    dtype::{Format, Overflow},
    ops::{
        Activation, Case, Data, Purpose,
        kinds::{FLEXIBLE, factors, outs},
    },
    scale::Granularity::{PerChannel, PerTensor},
    tensor::{DType, Element},
};

fn e4m3(g: crate::scale::Granularity) -> Element {
    Element::f8(Format::E4M3FN, g)
}

/// Weights of this problem in E4M3FN, a scale per output channel.
fn weights(op: &Conv2d) -> Element {
    e4m3(PerChannel { axis: if op.sees_one_channel() { 2 } else { 0 } })
}

/// Shapes that every kernel meets: what a kernel covers, how it steps, what groups there are.
fn shapes() -> Vec<(&'static str, Conv2d)> {
    let conv = Conv2d::new;
    vec![
        ("one pixel", conv([1, 1, 1, 1], 1, [1, 1])),
        ("1x1", conv([2, 5, 3, 7], 9, [1, 1])),
        ("1x1 of stride 2", conv([2, 5, 7, 6], 5, [1, 1]).stride([2, 2])),
        ("1x1 padded", conv([1, 3, 4, 5], 6, [1, 1]).padding([1, 0, 0, 2])),
        ("1x1 in groups", conv([1, 3, 4, 8], 12, [1, 1]).groups(2)),
        ("3x3", conv([1, 6, 7, 3], 5, [3, 3])),
        ("3x3 same", conv([2, 9, 8, 16], 20, [3, 3]).padding([1; 4])),
        ("3x3 of stride 2, asymmetric", conv([2, 10, 9, 5], 33, [3, 3]).stride([2, 2]).padding([0, 1, 1, 0])),
        ("3x3 dilated", conv([1, 11, 12, 6], 7, [3, 3]).dilation([2, 3]).padding([2, 3, 1, 0])),
        ("2x5", conv([1, 7, 9, 18], 10, [2, 5]).padding([1, 2, 0, 2]).stride([1, 3])),
        ("5x1", conv([3, 8, 1, 21], 4, [5, 1])),
        ("kernel as large as the image", conv([2, 4, 5, 9], 6, [4, 5])),
        ("3x3 in groups", conv([2, 6, 5, 16], 24, [3, 3]).groups(4).padding([1; 4])),
        ("3x3 in odd groups", conv([2, 6, 5, 9], 15, [3, 3]).groups(3).padding([1, 0, 0, 1])),
        ("3x3 in wide odd groups", conv([1, 5, 4, 14], 6, [3, 3]).groups(2).stride([1, 2])),
        ("40 groups", conv([1, 3, 3, 160], 160, [2, 2]).groups(40)),
        ("depthwise 3x3", conv([2, 7, 9, 19], 19, [3, 3]).groups(19).padding([1; 4])),
        (
            "depthwise 5x5 of stride 2",
            conv([1, 11, 10, 8], 8, [5, 5]).groups(8).stride([2, 2]).padding([2, 1, 1, 2]),
        ),
        ("depthwise dilated", conv([1, 12, 9, 5], 5, [3, 2]).groups(5).dilation([3, 2])),
        ("depthwise, two kernels each", conv([1, 5, 6, 7], 14, [3, 3]).groups(7).padding([1; 4])),
        ("depthwise, three kernels each", conv([2, 4, 5, 3], 9, [2, 3]).groups(3)),
        ("one channel", conv([2, 9, 7, 1], 13, [3, 3]).padding([0, 1, 2, 0])),
        (
            "a long kernel on one channel",
            conv([2, 90, 1, 1], 6, [64, 1]).stride([4, 1]).padding([31, 0, 32, 0]),
        ),
    ]
}

pub(super) fn all() -> Vec<Case<Conv2d>> {
    let mut all = vec![];
    let mut add = |label: String, purpose, data, op| all.push(Case::new(label, purpose, data, op));
    for (name, op) in shapes() {
        let op = op.x(e4m3(PerTensor));
        let op = op.clone().w(weights(&op)).bias(DType::F32);
        for data in [Data::SmallIntegers, Data::Random] {
            add(format!("{name} {data:?}"), Purpose::Smoke, data, op.clone());
        }
        add(format!("{name} specials"), Purpose::Edge, Data::Specials, op.clone());
        let op = op.x(Element::F32).w(Element::F32);
        add(format!("{name} of f32, specials"), Purpose::Edge, Data::Specials, op.clone());
        add(format!("{name} of f32"), Purpose::Edge, Data::SmallIntegers, op);
    }
    // More taps than invocations look for NaN: of those that one of them sees two meet the image. The weights have none.
    let op = Conv2d::new([1, 8, 1, 3], 2, [2, 64]).padding([0, 0, 0, 63]);
    let op = op.x(e4m3(PerTensor)).w(Element::f8(Format::E2M1FN, PerTensor));
    add("2x64, specials".to_owned(), Purpose::Edge, Data::Specials, op);
    // Images that are large beside their kernels, in batches and alone: what small bindings cut.
    for (name, op) in [
        ("batch", Conv2d::new([4, 7, 9, 12], 8, [3, 3]).padding([1, 1, 1, 1])),
        ("tall", Conv2d::new([1, 31, 9, 12], 8, [3, 3]).padding([1, 0, 2, 1])),
        ("tall, of stride 2", Conv2d::new([1, 41, 8, 9], 6, [4, 2]).stride([2, 1]).padding([3, 1, 0, 0])),
        ("tall, dilated", Conv2d::new([2, 29, 7, 16], 4, [3, 1]).dilation([4, 1]).padding([4, 0, 4, 0])),
        ("tall depthwise", Conv2d::new([2, 33, 9, 16], 16, [3, 3]).groups(16).padding([1, 1, 1, 1])),
        ("tall in groups", Conv2d::new([1, 33, 9, 12], 6, [3, 2]).groups(3).padding([0, 1, 2, 0])),
        ("tall 1x1", Conv2d::new([1, 40, 9, 12], 8, [1, 1])),
    ] {
        for x in [Element::F32, Element::F16] {
            let op = op.clone().x(x).residual(Element::F32);
            let op = op.clone().w(weights(&op)).bias(DType::F32);
            add(format!("{name} {x}"), Purpose::Smoke, Data::SmallIntegers, op);
        }
    }
    // One problem for each kernel.
    let problems = [
        ("3x3", Conv2d::new([1, 6, 5, 7], 10, [3, 3]).padding([1, 0, 1, 1])),
        ("1x1", Conv2d::new([1, 3, 5, 7], 10, [1, 1])),
        ("groups", Conv2d::new([1, 4, 5, 6], 9, [2, 3]).groups(3)),
        ("depthwise", Conv2d::new([1, 6, 5, 10], 10, [3, 3]).groups(10).padding([1, 0, 1, 1])),
    ];
    for (name, op) in &problems {
        for (i, kind) in factors().into_iter().enumerate() {
            let other = if i % 2 == 0 { Element::F16 } else { e4m3(PerTensor) };
            let data = [Data::SmallIntegers, Data::Random, Data::Specials];
            for data in data {
                let op = op.clone().x(kind).w(other);
                add(format!("{name} {kind} x {other} {data:?}"), Purpose::Edge, data, op.clone());
                let op = op.x(other).w(kind);
                add(format!("{name} {other} x {kind} {data:?}"), Purpose::Edge, data, op);
            }
        }
        let op = op.clone().x(e4m3(PerTensor));
        let op = op.clone().w(weights(&op));
        for out in outs(3).into_iter().chain([Element::f8(Format::E5M2, PerChannel { axis: 1 })]) {
            let op = op.clone().bias(DType::F16).residual(Element::f8(Format::E5M2, PerTensor)).out(out);
            add(format!("{name} to {out}"), Purpose::Smoke, Data::SmallIntegers, op.clone());
            add(format!("{name} to {out}, specials"), Purpose::Edge, Data::Specials, op);
        }
        for (i, residual) in [Element::F32, Element::F16, Element::BF16].into_iter().enumerate() {
            let bias = [DType::Bf16, DType::F16, DType::F32][i];
            let op = op.clone().residual(residual).bias(bias).activation(Activation::ALL[i]);
            add(format!("{name} residual {residual}"), Purpose::Edge, Data::SmallIntegers, op);
        }
        for act in [Activation::Relu6, Activation::Silu] {
            let op = op.clone().activation(act).out(e4m3(PerTensor)).overflow(Overflow::Strict);
            add(format!("{name} {act:?}"), Purpose::Edge, Data::Random, op);
        }
    }
    for f in FLEXIBLE.map(|f| Element::f8(f, PerTensor)) {
        let (_, op) = &problems[0];
        for data in [Data::SmallIntegers, Data::Specials] {
            add(format!("{f} {data:?}"), Purpose::Edge, data, op.clone().x(f).w(f).out(f));
        }
    }
    // Images with their channels first, on either side.
    for (name, op) in &problems {
        let op = op.clone().bias(DType::F32).activation(Activation::Relu);
        for (i, kind) in [e4m3(PerTensor), Element::F16, Element::F32].into_iter().enumerate() {
            let op = op.clone().x(kind).residual([Element::F32, e4m3(PerTensor), Element::F16][i]);
            for (x, out) in
                [(Images::Nchw, Images::Nhwc), (Images::Nhwc, Images::Nchw), (Images::Nchw, Images::Nchw)]
            {
                let op = op
                    .clone()
                    .x_images(x)
                    .out_images(out)
                    .out([e4m3(PerTensor), Element::F16, Element::F32][i]);
                let label = format!("{name} {kind}, {x:?} to {out:?}");
                let purpose = if i == 0 { Purpose::Smoke } else { Purpose::Edge };
                add(label.clone(), purpose, Data::SmallIntegers, op.clone());
                add(format!("{label}, specials"), Purpose::Edge, Data::Specials, op);
            }
        }
    }
    // What users do.
    let typical = [
        ("stem", Conv2d::new([2, 33, 33, 3], 24, [3, 3]).stride([2, 2]).padding([0, 0, 1, 1])),
        ("body", Conv2d::new([2, 14, 14, 40], 70, [3, 3]).padding([1; 4])),
        ("expansion", Conv2d::new([2, 14, 14, 24], 100, [1, 1])),
        ("depthwise", Conv2d::new([2, 28, 28, 48], 48, [3, 3]).groups(48).padding([1; 4])),
    ];
    for (name, op) in typical {
        let op = op.bias(DType::F32).activation(Activation::Relu6);
        for x in [e4m3(PerTensor), Element::F32] {
            let op = op.clone().x(x);
            let op = op.clone().w(weights(&op));
            add(format!("{name} {x}"), Purpose::Typical, Data::Random, op);
        }
    }
    for (name, op) in [
        ("3x3 28x28x128", Conv2d::new([4, 28, 28, 128], 128, [3, 3]).padding([1; 4])),
        ("1x1 28x28x128", Conv2d::new([4, 28, 28, 128], 128, [1, 1])),
        ("depthwise 3x3 56x56x96", Conv2d::new([4, 56, 56, 96], 96, [3, 3]).groups(96).padding([1; 4])),
    ] {
        add(format!("f32 {name}"), Purpose::Bench, Data::Random, op.clone());
        let op = op.x(e4m3(PerTensor));
        let op = op.clone().w(weights(&op));
        add(format!("e4m3 {name}"), Purpose::Bench, Data::Random, op);
    }
    all
}
