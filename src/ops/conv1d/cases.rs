//! What tests and benches run of convolutions of sequences.

use super::{Conv1d, Sequences};
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
fn weights(op: &Conv1d) -> Element {
    e4m3(PerChannel { axis: if op.sees_one_channel() { 1 } else { 0 } })
}

/// Shapes that every kernel meets: what a kernel covers, how it steps, what groups there are.
fn shapes() -> Vec<(&'static str, Conv1d)> {
    let conv = Conv1d::new;
    vec![
        ("one number", conv([1, 1, 1], 1, 1)),
        ("one tap", conv([2, 11, 7], 9, 1)),
        ("one tap of stride 2", conv([2, 13, 6], 5, 1).stride(2)),
        ("three taps", conv([1, 15, 5], 6, 3)),
        ("three taps, same", conv([2, 19, 16], 20, 3).padding([1, 1])),
        ("causal, dilated", conv([2, 23, 9], 7, 4).dilation(3).padding([9, 0])),
        ("five taps of stride 3, asymmetric", conv([3, 17, 18], 10, 5).stride(3).padding([1, 4])),
        ("kernel as long as the sequence", conv([2, 6, 9], 5, 6)),
        ("padding wider than the kernel", conv([1, 4, 6], 5, 2).padding([5, 7]).stride(2)),
        ("groups", conv([2, 12, 16], 24, 3).groups(4).padding([1, 1])),
        ("odd groups", conv([2, 9, 9], 15, 3).groups(3).padding([0, 2])),
        ("40 groups", conv([1, 5, 160], 160, 2).groups(40)),
        ("depthwise", conv([2, 21, 19], 19, 3).groups(19).padding([1, 1])),
        ("depthwise, causal", conv([2, 14, 34], 34, 4).groups(34).padding([3, 0])),
        ("depthwise, dilated, of stride 2", conv([1, 18, 5], 5, 3).groups(5).dilation(4).stride(2)),
        ("depthwise, three kernels each", conv([2, 8, 3], 9, 4).groups(3).padding([2, 1])),
        ("one channel", conv([2, 70, 1], 6, 10).stride(5).padding([3, 0])),
    ]
}

pub(super) fn all() -> Vec<Case<Conv1d>> {
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
    // More taps than invocations look for NaN, which one of them sees in several groups. The weights have none.
    let op = Conv1d::new([1, 72, 160], 160, 70).groups(40).x(e4m3(PerTensor));
    let op = op.w(Element::f8(Format::E2M1FN, PerTensor));
    add("70 taps, specials".to_owned(), Purpose::Edge, Data::Specials, op);
    // Sequences that are long beside their kernels, in batches and alone: what small bindings and threads cut.
    for (name, op) in [
        ("batch", Conv1d::new([4, 63, 12], 8, 3).padding([1, 1])),
        ("long", Conv1d::new([1, 279, 12], 8, 3).padding([2, 1])),
        ("long, of stride 2", Conv1d::new([1, 301, 9], 6, 4).stride(2).padding([3, 0])),
        ("long, dilated", Conv1d::new([2, 203, 16], 4, 3).dilation(28).padding([28, 28])),
        ("long depthwise", Conv1d::new([2, 290, 16], 16, 3).groups(16).padding([2, 0])),
        ("long in groups", Conv1d::new([1, 297, 12], 6, 5).groups(3).padding([0, 2])),
        ("long, one tap", Conv1d::new([1, 360, 12], 8, 1)),
    ] {
        for x in [Element::F32, Element::F16] {
            let op = op.clone().x(x).residual(Element::F32);
            let op = op.clone().w(weights(&op)).bias(DType::F32);
            add(format!("{name} {x}"), Purpose::Smoke, Data::SmallIntegers, op);
        }
    }
    // One problem for each kernel.
    let problems = [
        ("three taps", Conv1d::new([2, 14, 7], 10, 3).padding([1, 0])),
        ("one tap", Conv1d::new([1, 15, 7], 10, 1)),
        ("groups", Conv1d::new([1, 20, 6], 9, 4).groups(3)),
        ("depthwise", Conv1d::new([2, 13, 10], 10, 3).groups(10).padding([2, 0])),
    ];
    for (name, op) in &problems {
        for (i, kind) in factors().into_iter().enumerate() {
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
        // Scales by channel, place, sequence.
        let finer = [0, 1].map(|axis| Element::f8(Format::E5M2, PerChannel { axis }));
        for out in outs(2).into_iter().chain(finer) {
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
    // Sequences with their channels first, on either side.
    use Sequences::{Ncl, Nlc};
    for (name, op) in &problems {
        let op = op.clone().bias(DType::F32).activation(Activation::Relu);
        for (i, kind) in [e4m3(PerTensor), Element::F16, Element::F32].into_iter().enumerate() {
            let op = op.clone().x(kind).residual([Element::F32, e4m3(PerTensor), Element::F16][i]);
            for (x, out) in [(Ncl, Nlc), (Nlc, Ncl), (Ncl, Ncl)] {
                let op = op.clone().x_sequences(x).out_sequences(out);
                let op = op.out([e4m3(PerTensor), Element::F16, Element::F32][i]);
                let label = format!("{name} {kind}, {x:?} to {out:?}");
                let purpose = if i == 0 { Purpose::Smoke } else { Purpose::Edge };
                add(label.clone(), purpose, Data::SmallIntegers, op.clone());
                add(format!("{label}, specials"), Purpose::Edge, Data::Specials, op);
            }
        }
        for axis in 0..3 {
            let op = op.clone().out_sequences(Ncl).out(e4m3(PerChannel { axis }));
            add(format!("{name} to {}, Ncl", op.out), Purpose::Smoke, Data::SmallIntegers, op);
        }
    }
    let long = Conv1d::new([1, 2500, 6], 5, 3).padding([1, 1]).x_sequences(Ncl).out_sequences(Ncl);
    add(
        "several blocks, channels first".to_owned(),
        Purpose::Edge,
        Data::SmallIntegers,
        long.x(e4m3(PerTensor)),
    );
    // What users do.
    let typical = [
        ("audio", Conv1d::new([1, 2000, 1], 32, 10).stride(5)),
        ("body", Conv1d::new([2, 150, 40], 70, 3).padding([1, 1])),
        ("one tap", Conv1d::new([2, 150, 24], 100, 1)),
        ("causal depthwise", Conv1d::new([2, 200, 96], 96, 4).groups(96).padding([3, 0])),
    ];
    for (name, op) in typical {
        let op = op.bias(DType::F32).activation(Activation::Silu);
        for x in [e4m3(PerTensor), Element::F32] {
            let op = op.clone().x(x);
            let op = op.clone().w(weights(&op));
            add(format!("{name} {x}"), Purpose::Typical, Data::Random, op);
        }
    }
    for (name, op) in [
        ("whisper stem, 3 taps 3000x80 to 384", Conv1d::new([1, 3000, 80], 384, 3).padding([1, 1])),
        ("wav2vec stem, 10 taps 160000x1 to 512", Conv1d::new([1, 160_000, 1], 512, 10).stride(5)),
        (
            "causal depthwise, 4 taps 4096x1536",
            Conv1d::new([1, 4096, 1536], 1536, 4).groups(1536).padding([3, 0]),
        ),
    ] {
        add(format!("f32 {name}"), Purpose::Bench, Data::Random, op.clone());
        let op = op.x(e4m3(PerTensor));
        let op = op.clone().w(weights(&op));
        add(format!("e4m3 {name}"), Purpose::Bench, Data::Random, op);
    }
    all
}
