//! What tests and benches run of softmax.

use super::{Causal, Softmax};
use crate::{
    dtype::{Format, Overflow},
    ops::{
        Case, Data, Purpose,
        kinds::{FLEXIBLE, kinds, outs},
    },
    scale::Granularity::{PerBlock, PerChannel, PerTensor, PerToken},
    tensor::{DType, Element},
};

/// Levels that differ by one, times the smallest scale that is drawn, are so far apart that e^x vanishes.
const APART: f32 = 1024.0;

fn e4m3(g: crate::scale::Granularity) -> Element {
    Element::f8(Format::E4M3FN, g)
}

pub(super) fn all() -> Vec<Case<Softmax>> {
    use Causal::{Aligned, No, Offset};
    let mut all = vec![];
    let mut add = |label: String, purpose, data, op: Softmax| {
        let op = if data == Data::SmallIntegers { op.scale(APART) } else { op };
        all.push(Case::new(label, purpose, data, op));
    };
    let both = [Data::SmallIntegers, Data::Random];

    // Around the edges of a quad, of a few lanes, of what workgroup memory holds.
    for (shape, purpose) in [
        (&[1u32][..], Purpose::Smoke),
        (&[7, 3], Purpose::Smoke),
        (&[2, 3, 17], Purpose::Smoke),
        (&[67, 64], Purpose::Edge),
        (&[33, 65], Purpose::Smoke),
        (&[11, 448], Purpose::Edge),
        (&[9, 451], Purpose::Smoke),
        (&[2, 1025], Purpose::Edge),
        (&[2, 3584], Purpose::Edge),
        (&[3, 3587], Purpose::Smoke),
        (&[1, 66_003], Purpose::Edge),
    ] {
        for data in both {
            add(format!("{shape:?} {data:?}"), purpose, data, Softmax::new(shape));
        }
    }
    // What hides: rows' own place, lengths, masks, and all at once.
    for (shape, causal) in
        [([2, 5, 9], Aligned), ([3, 9, 5], Aligned), ([2, 5, 9], Offset), ([4, 1, 70], Offset)]
    {
        for data in both {
            let op = Softmax::new(shape).causal(causal);
            add(format!("{shape:?} {causal:?} {data:?}"), Purpose::Smoke, data, op.clone());
            let label = format!("{shape:?} {causal:?}, lengths {data:?}");
            add(label, Purpose::Smoke, data, op.lengths());
        }
    }
    for (shape, mask) in [
        (&[3u32, 2, 5, 37][..], &[3u32, 1, 1, 37][..]),
        (&[3, 2, 5, 37], &[37]),
        (&[3, 2, 5, 37], &[1, 2, 5, 1]),
        (&[3, 2, 5, 37], &[3, 2, 5, 37]),
        (&[2, 3, 2, 3, 9], &[2, 1, 2, 1, 9]),
        (&[19], &[1]),
    ] {
        for data in both {
            let op = Softmax::new(shape).mask(DType::F32, mask);
            add(format!("{shape:?} mask {mask:?} {data:?}"), Purpose::Smoke, data, op.clone());
            if shape.len() == 4 && mask.len() == 4 {
                let op = op.causal(Offset).lengths();
                add(format!("{shape:?} mask {mask:?}, all {data:?}"), Purpose::Edge, data, op);
            }
        }
    }
    for dtype in [DType::F16, DType::Bf16] {
        for data in [Data::SmallIntegers, Data::Random, Data::Specials] {
            let op = Softmax::new([3, 5, 18]).mask(dtype, [3, 1, 18]);
            add(format!("mask {dtype} {data:?}"), Purpose::Edge, data, op);
        }
    }
    // Every kind in, every kind out, every granularity.
    for x in kinds().into_iter().chain(FLEXIBLE.map(|f| Element::f8(f, PerTensor))) {
        for data in [Data::SmallIntegers, Data::Random, Data::Specials] {
            add(format!("{x} {data:?}"), Purpose::Edge, data, Softmax::new([14, 23]).x(x));
        }
    }
    for x in [PerToken, PerChannel { axis: 0 }].map(e4m3) {
        for data in both {
            add(format!("{x} {data:?}"), Purpose::Smoke, data, Softmax::new([3, 5, 23]).x(x));
        }
    }
    for x in [PerChannel { axis: 2 }, PerBlock { rows: 2, cols: 5 }].map(e4m3) {
        for data in [Data::Random, Data::Specials] {
            add(format!("{x} {data:?}"), Purpose::Edge, data, Softmax::new([3, 5, 23]).x(x).scale(-0.37));
        }
    }
    for out in outs(1) {
        for data in [Data::SmallIntegers, Data::Random] {
            let op = Softmax::new([9, 22]).x(e4m3(PerToken)).out(out);
            add(format!("out {out} {data:?}"), Purpose::Smoke, data, op);
        }
        let op = Softmax::new([14, 22]).out(out).causal(Aligned);
        add(format!("out {out}, specials"), Purpose::Edge, Data::Specials, op);
    }
    for f in Format::ALL.into_iter().chain(FLEXIBLE) {
        for overflow in [Overflow::Saturate, Overflow::Strict] {
            let op = Softmax::new([14, 22]).out(Element::f8(f, PerTensor)).overflow(overflow);
            let data = if overflow == Overflow::Strict { Data::Specials } else { Data::SmallIntegers };
            add(format!("out {f} {overflow:?}"), Purpose::Edge, data, op);
        }
    }
    // Everything at once among specials, in every variant of memory.
    for cols in [37, 200, 1027, 3600] {
        let op = Softmax::new([2, 7, cols]).mask(DType::F32, [7, cols]).scale(0.125);
        add(format!("specials, mask of {cols}"), Purpose::Edge, Data::Specials, op.clone());
        let op = op.causal(Offset).lengths();
        add(format!("specials, all of {cols}"), Purpose::Edge, Data::Specials, op);
    }
    // What users do: scores of attention, of decoding, a vocabulary.
    let half = Softmax::new([2, 4, 33, 60]).x(Element::F16).scale(0.125).out(Element::F16);
    add("attention".into(), Purpose::Typical, Data::Random, half.clone().causal(Aligned));
    add(
        "decoding".into(),
        Purpose::Typical,
        Data::Random,
        Softmax::new([4, 8, 1, 300]).scale(0.125).causal(Offset),
    );
    let bert =
        |shape: [u32; 4]| Softmax::new(shape).scale(0.125).mask(DType::F32, [shape[0], 1, 1, shape[3]]);
    add("encoder".into(), Purpose::Typical, Data::Random, bert([2, 12, 40, 40]));

    add("BERT base, batch 8, 12x384x384".into(), Purpose::Bench, Data::Random, bert([8, 12, 384, 384]));
    let gpt = Softmax::new([32, 1024, 1024]).x(Element::F16).out(Element::F16).scale(0.088).causal(Aligned);
    add("Llama 7B, 32x1024x1024 causal f16".into(), Purpose::Bench, Data::Random, gpt.clone());
    let label = "Llama 7B, 32x1024x1024 causal f16 to e4m3fn";
    add(label.into(), Purpose::Bench, Data::Random, gpt.out(e4m3(PerTensor)));
    let step = Softmax::new([256, 1, 4096]).scale(0.088).causal(Causal::Offset).lengths();
    add("decoding, 256 heads, 4096 keys".into(), Purpose::Bench, Data::Random, step);
    let vocabulary = Softmax::new([64, 32_000]).causal(No);
    add("vocabulary, 64x32000".into(), Purpose::Bench, Data::Random, vocabulary);
    let vit = Softmax::new([16, 12, 197, 197]).scale(0.125);
    add("ViT base, batch 16, 12x197x197".into(), Purpose::Bench, Data::Random, vit);
    all
}
