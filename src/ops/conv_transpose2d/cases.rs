//! What tests and benches run of transposed convolutions.

use super::{ConvTranspose2d, Images};
use crate::{
    dtype::{Format, Overflow},
    ops::{
        Activation, Case, Data, Purpose,
        kinds::{FLEXIBLE, kinds, outs},
    },
    scale::Granularity::{PerChannel, PerTensor},
    tensor::{DType, Element},
};

fn e4m3(g: crate::scale::Granularity) -> Element {
    Element::f8(Format::E4M3FN, g)
}

/// Weights of this problem in E4M3FN, a scale per output channel.
fn weights(op: &ConvTranspose2d) -> Element {
    e4m3(PerChannel { axis: if op.sees_one_channel() { 2 } else { 0 } })
}

/// Shapes that every kernel meets: phases of one tap and of several, of as many and of fewer, edges cut off and added.
fn shapes() -> Vec<(&'static str, ConvTranspose2d)> {
    let conv = ConvTranspose2d::new;
    vec![
        ("one pixel", conv([1, 1, 1, 1], 1, [1, 1])),
        ("1x1", conv([2, 5, 3, 7], 9, [1, 1])),
        ("1x1 of stride 2", conv([2, 4, 3, 6], 5, [1, 1]).stride([2, 2])),
        ("1x1 cut off", conv([1, 5, 6, 5], 6, [1, 1]).padding([1, 0, 2, 3])),
        ("1x1 in groups", conv([1, 3, 4, 8], 12, [1, 1]).groups(2)),
        ("2x2 of stride 2", conv([2, 4, 5, 9], 10, [2, 2]).stride([2, 2])),
        ("3x3", conv([1, 5, 4, 3], 5, [3, 3])),
        ("3x3 of stride 1, same", conv([2, 6, 7, 16], 20, [3, 3]).padding([1; 4])),
        (
            "3x3 of stride 2, doubled",
            conv([2, 5, 4, 5], 33, [3, 3]).stride([2, 2]).padding([1; 4]).output_padding([1, 1]),
        ),
        ("4x4 of stride 2, doubled", conv([1, 4, 5, 16], 12, [4, 4]).stride([2, 2]).padding([1; 4])),
        (
            "4x5 of strides 3 and 2, asymmetric",
            conv([2, 3, 4, 6], 7, [4, 5]).stride([3, 2]).padding([2, 0, 1, 3]),
        ),
        (
            "3x2 dilated, of stride 2",
            conv([1, 4, 5, 6], 7, [3, 2]).stride([2, 2]).dilation([3, 5]).output_padding([2, 0]),
        ),
        (
            "dilated by the stride",
            conv([1, 4, 3, 7], 5, [3, 2]).stride([2, 2]).dilation([2, 4]).padding([1, 0, 0, 1]),
        ),
        (
            "stride beyond the kernel",
            conv([2, 3, 4, 5], 6, [2, 1]).stride([4, 3]).output_padding([3, 1]).padding([1, 2, 0, 1]),
        ),
        ("cut to a corner", conv([1, 4, 4, 6], 5, [3, 3]).stride([2, 2]).padding([7, 5, 0, 1])),
        (
            "nothing but gaps",
            conv([1, 1, 2, 3], 4, [2, 1]).stride([6, 6]).output_padding([4, 0]).padding([2, 1, 2, 1]),
        ),
        ("5x1", conv([3, 6, 1, 21], 4, [5, 1]).stride([2, 1])),
        (
            "one row",
            conv([2, 1, 9, 6], 8, [1, 4]).stride([1, 2]).padding([0, 1, 0, 1]).output_padding([0, 1]),
        ),
        ("two rows of one", conv([1, 1, 5, 6], 4, [1, 3]).stride([2, 1]).output_padding([1, 0])),
        ("3x3 in groups", conv([2, 4, 3, 16], 24, [3, 3]).groups(4).stride([2, 1]).padding([1; 4])),
        ("3x3 in odd groups", conv([2, 4, 3, 9], 15, [3, 3]).groups(3).stride([2, 2]).padding([1, 0, 0, 1])),
        ("2x3 in wide odd groups", conv([1, 3, 4, 14], 6, [2, 3]).groups(2).stride([1, 2])),
        ("40 groups", conv([1, 2, 2, 160], 160, [3, 3]).groups(40).stride([2, 2])),
        ("depthwise 4x4", conv([2, 4, 5, 19], 19, [4, 4]).groups(19).stride([2, 2]).padding([1; 4])),
        (
            "depthwise 5x5 of stride 3",
            conv([1, 4, 3, 8], 8, [5, 5])
                .groups(8)
                .stride([3, 3])
                .padding([2, 1, 1, 2])
                .output_padding([0, 2]),
        ),
        ("depthwise dilated", conv([1, 5, 4, 5], 5, [3, 2]).groups(5).dilation([3, 2]).stride([1, 2])),
        ("depthwise, two kernels each", conv([1, 4, 5, 7], 14, [3, 3]).groups(7).stride([2, 2])),
        ("depthwise, three kernels each", conv([2, 3, 4, 3], 9, [2, 3]).groups(3).stride([3, 1])),
        ("one channel", conv([2, 5, 4, 1], 13, [3, 3]).stride([2, 1]).padding([0, 1, 2, 0])),
        (
            "a long kernel on one channel",
            conv([2, 30, 1, 1], 6, [40, 1]).stride([1, 1]).padding([20, 0, 19, 0]),
        ),
        ("one channel, wide", conv([1, 3, 4, 1], 34, [2, 2]).stride([2, 2])),
        ("depthwise, wide", conv([1, 5, 6, 34], 34, [3, 3]).groups(34).stride([2, 1]).padding([1; 4])),
    ]
}

pub(super) fn all() -> Vec<Case<ConvTranspose2d>> {
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
    // More taps than invocations look for NaN. The weights have none.
    let op = ConvTranspose2d::new([1, 4, 1, 3], 2, [2, 70]).x(e4m3(PerTensor));
    let op = op.w(Element::f8(Format::E2M1FN, PerTensor));
    add("2x70, specials".to_owned(), Purpose::Edge, Data::Specials, op);
    // Images that are large beside their kernels, in batches and alone: what small bindings cut.
    let conv = ConvTranspose2d::new;
    for (name, op) in [
        ("batch", conv([4, 5, 6, 12], 8, [3, 3]).stride([2, 2]).padding([1; 4])),
        ("tall", conv([1, 31, 5, 12], 8, [4, 3]).stride([2, 1]).padding([1, 0, 2, 1])),
        ("tall, of stride 3", conv([1, 21, 8, 9], 6, [4, 2]).stride([3, 1]).padding([3, 1, 0, 0])),
        ("tall, dilated", conv([2, 29, 7, 16], 4, [3, 1]).dilation([4, 1]).padding([4, 0, 4, 0])),
        ("tall, in gaps", conv([1, 19, 6, 12], 8, [2, 2]).stride([3, 3])),
        ("tall depthwise", conv([2, 19, 7, 16], 16, [3, 3]).groups(16).stride([2, 1]).padding([1; 4])),
        ("tall in groups", conv([1, 19, 6, 12], 6, [3, 2]).groups(3).stride([2, 2]).padding([0, 1, 2, 0])),
        ("tall 2x2", conv([1, 20, 9, 12], 8, [2, 2]).stride([2, 2])),
        ("long", conv([1, 1, 139, 12], 8, [1, 4]).stride([1, 2]).padding([0, 1, 0, 1])),
    ] {
        for x in [Element::F32, Element::F16] {
            let op = op.clone().x(x).residual(Element::F32);
            let op = op.clone().w(weights(&op)).bias(DType::F32);
            add(format!("{name} {x}"), Purpose::Smoke, Data::SmallIntegers, op);
        }
    }
    // One problem for each kernel, and one that no tap reaches everywhere.
    let problems = [
        ("3x3", conv([1, 4, 3, 7], 10, [3, 3]).stride([2, 2]).padding([1, 0, 1, 1])),
        ("gaps", conv([1, 3, 4, 7], 10, [2, 1]).stride([3, 1]).output_padding([1, 0])),
        ("groups", conv([1, 4, 3, 6], 9, [2, 3]).groups(3).stride([1, 2])),
        ("depthwise", conv([1, 4, 3, 10], 10, [3, 3]).groups(10).stride([2, 2]).padding([1, 0, 1, 1])),
    ];
    for (name, op) in &problems {
        for (i, kind) in kinds().into_iter().enumerate() {
            let other = if i % 2 == 0 { Element::F16 } else { e4m3(PerTensor) };
            for data in [Data::SmallIntegers, Data::Random, Data::Specials] {
                let op = op.clone().x(kind).w(other);
                add(format!("{name} {kind} x {other} {data:?}"), Purpose::Edge, data, op.clone());
                let op = op.x(other).w(kind);
                add(format!("{name} {other} x {kind} {data:?}"), Purpose::Edge, data, op);
            }
        }
        let op = op.clone().x(e4m3(PerTensor));
        let op = op.clone().w(weights(&op));
        // Scales by channel, row, image.
        let finer = [0, 1].map(|axis| Element::f8(Format::E5M2, PerChannel { axis }));
        for out in outs(3).into_iter().chain(finer) {
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
    // Taps that meet nothing but zeros beyond the edge, where a lost NaN is none.
    for (channels, groups) in [(5, 1), (6, 2), (6, 6)] {
        let op = conv([1, 3, 2, channels], 6, [2, 2]).groups(groups).stride([2, 2]).output_padding([1, 1]);
        for x in FLEXIBLE.map(|f| Element::f8(f, PerTensor)) {
            let label = format!("beyond the edge, {groups} groups of {x}");
            add(label, Purpose::Edge, Data::Specials, op.clone().x(x));
        }
    }
    // Images with their channels first, on either side.
    use Images::{Nchw, Nhwc};
    for (name, op) in &problems {
        let op = op.clone().bias(DType::F32).activation(Activation::Relu);
        for (i, kind) in [e4m3(PerTensor), Element::F16, Element::F32].into_iter().enumerate() {
            let op = op.clone().x(kind).residual([Element::F32, e4m3(PerTensor), Element::F16][i]);
            for (x, out) in [(Nchw, Nhwc), (Nhwc, Nchw), (Nchw, Nchw)] {
                let op = op.clone().x_images(x).out_images(out);
                let op = op.out([e4m3(PerTensor), Element::F16, Element::F32][i]);
                let label = format!("{name} {kind}, {x:?} to {out:?}");
                let purpose = if i == 0 { Purpose::Smoke } else { Purpose::Edge };
                add(label.clone(), purpose, Data::SmallIntegers, op.clone());
                add(format!("{label}, specials"), Purpose::Edge, Data::Specials, op);
            }
        }
    }
    // One row stood up, its scales by place.
    for (x, out) in [(Nhwc, Nhwc), (Nchw, Nchw)] {
        for axis in 0..4 {
            let op = conv([2, 1, 6, 7], 5, [1, 4]).stride([1, 2]).padding([0, 1, 0, 0]);
            let op = op.x_images(x).out_images(out).out(e4m3(PerChannel { axis }));
            add(format!("one row to {}, {out:?}", op.out), Purpose::Smoke, Data::SmallIntegers, op);
        }
    }
    let blocks = conv([1, 40, 30, 6], 5, [4, 4]).stride([2, 2]).padding([1; 4]).x(e4m3(PerTensor));
    add("several blocks".to_owned(), Purpose::Edge, Data::SmallIntegers, blocks);
    // What users do.
    let typical = [
        ("generator", conv([2, 7, 7, 48], 24, [4, 4]).stride([2, 2]).padding([1; 4])),
        ("decoder", conv([1, 9, 9, 40], 24, [2, 2]).stride([2, 2])),
        (
            "segmentation",
            conv([1, 9, 9, 21], 21, [3, 3]).stride([2, 2]).padding([1; 4]).output_padding([1, 1]),
        ),
        ("vocoder", conv([1, 1, 50, 32], 16, [1, 16]).stride([1, 8]).padding([0, 4, 0, 4])),
        ("bilinear", conv([1, 9, 9, 21], 21, [4, 4]).groups(21).stride([2, 2]).padding([1; 4])),
    ];
    for (name, op) in typical {
        let op = op.bias(DType::F32).activation(Activation::Relu);
        for x in [e4m3(PerTensor), Element::F32] {
            let op = op.clone().x(x);
            let op = op.clone().w(weights(&op));
            add(format!("{name} {x}"), Purpose::Typical, Data::Random, op);
        }
    }
    for (name, op) in [
        ("4x4 of stride 2, 28x28x128", conv([4, 28, 28, 128], 64, [4, 4]).stride([2, 2]).padding([1; 4])),
        ("2x2 of stride 2, 28x28x128", conv([4, 28, 28, 128], 64, [2, 2]).stride([2, 2])),
        (
            "depthwise 4x4 of stride 2, 28x28x96",
            conv([4, 28, 28, 96], 96, [4, 4]).groups(96).stride([2, 2]).padding([1; 4]),
        ),
    ] {
        add(format!("f32 {name}"), Purpose::Bench, Data::Random, op.clone());
        let op = op.x(e4m3(PerTensor));
        let op = op.clone().w(weights(&op));
        add(format!("e4m3 {name}"), Purpose::Bench, Data::Random, op);
    }
    all
}
