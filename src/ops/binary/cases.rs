//! What tests and benches run of binary.

use super::{Binary, BinaryOp};
use crate::{
    dtype::{Format, Overflow},
    ops::{
        Activation, Case, Data, Purpose,
        kinds::{FLEXIBLE, kinds, outs},
    },
    scale::Granularity::{PerBlock, PerChannel, PerTensor, PerToken},
    tensor::Element,
};
use BinaryOp::{Add, Div, Mul, Sub};

pub(super) fn all() -> Vec<Case<Binary>> {
    let e4m3 = |g| Element::f8(Format::E4M3FN, g);
    let every = [Data::SmallIntegers, Data::Random, Data::Specials];
    let both = [Data::SmallIntegers, Data::Random];
    let mut all = vec![];
    let mut add = |label: String, purpose, data, op| all.push(Case::new(label, purpose, data, op));

    // Every way to broadcast, along every number of axes.
    for (i, (a, b)) in [
        (&[1u32][..], &[1u32][..]),
        (&[19], &[19]),
        (&[19], &[1]),
        (&[5, 1], &[7]),
        (&[3, 5, 18], &[3, 5, 18]),
        (&[3, 5, 18], &[18]),
        (&[3, 5, 18], &[5, 1]),
        (&[3, 1, 18], &[5, 18]),
        (&[1, 5, 1], &[3, 1, 33]),
        (&[2, 3, 2, 3, 9], &[2, 1, 2, 1, 9]),
        (&[2, 1, 2, 1, 9], &[1, 3, 1, 3, 1]),
        (&[37, 66], &[37, 66]),
    ]
    .into_iter()
    .enumerate()
    {
        for data in both {
            let op = Binary::new([Add, Sub, Mul, Div][i % 4], a, b);
            add(format!("{:?} {a:?} {b:?} {data:?}", op.op), Purpose::Smoke, data, op);
            let op = Binary::new([Sub, Mul, Div, Add][i % 4], a, b).a(e4m3(PerToken)).b(e4m3(PerTensor));
            let op = op.out(e4m3(PerToken));
            add(format!("{:?} {a:?} {b:?} 8-bit {data:?}", op.op), Purpose::Smoke, data, op);
        }
    }
    for op in [Add, Sub, Mul, Div] {
        for data in every {
            let op = Binary::new(op, [14, 23], [14, 23]);
            add(format!("{:?} {data:?}", op.op), Purpose::Edge, data, op.clone());
            let op = op.a(e4m3(PerToken)).b(Element::f8(Format::E5M2, PerTensor));
            add(format!("{:?} 8-bit {data:?}", op.op), Purpose::Edge, data, op);
        }
        let op = Binary::new(op, [14, 23], [14, 1]).b(Element::F16);
        add(format!("{:?} f16 column, specials", op.op), Purpose::Edge, Data::Specials, op);
    }
    for g in [
        PerChannel { axis: 0 },
        PerChannel { axis: 1 },
        PerChannel { axis: 2 },
        PerBlock { rows: 2, cols: 5 },
    ] {
        for data in both {
            let op = Binary::new(Mul, [4, 3, 17], [4, 3, 17]).a(e4m3(g)).b(e4m3(g));
            add(format!("{g} {data:?}"), Purpose::Smoke, data, op);
        }
    }
    let flexible = FLEXIBLE.map(|f| Element::f8(f, PerTensor));
    for kind in kinds().into_iter().chain(flexible) {
        for data in every {
            let op = Binary::new(Mul, [7, 21], [7, 21]).a(kind).b(Element::BF16);
            add(format!("{kind} by bf16 {data:?}"), Purpose::Edge, data, op);
            let op = Binary::new(Add, [7, 21], [7, 21]).b(kind);
            add(format!("f32 and {kind} {data:?}"), Purpose::Edge, data, op);
        }
    }
    for out in outs(1) {
        for data in every {
            let op = Binary::new(Add, [9, 22], [9, 22]).a(e4m3(PerToken)).out(out);
            add(format!("out {out} {data:?}"), Purpose::Edge, data, op);
        }
    }
    for activation in Activation::ALL {
        for data in [Data::Random, Data::Specials] {
            let op = Binary::new(Add, [9, 22], [22]).activation(activation);
            let purpose = if data == Data::Random { Purpose::Smoke } else { Purpose::Edge };
            add(format!("{activation:?} {data:?}"), purpose, data, op.clone());
            add(format!("{activation:?} to e4m3fn {data:?}"), Purpose::Edge, data, op.out(e4m3(PerTensor)));
        }
    }
    for f in Format::ALL.into_iter().chain(FLEXIBLE) {
        for overflow in [Overflow::Saturate, Overflow::Strict] {
            let op = Binary::new(Sub, [9, 10], [9, 10]).out(Element::f8(f, PerTensor)).overflow(overflow);
            for data in [Data::SmallIntegers, Data::Specials] {
                add(format!("out {f} {overflow:?} {data:?}"), Purpose::Edge, data, op.clone());
            }
        }
    }
    let residual =
        Binary::new(Add, [4, 40, 96], [4, 40, 96]).a(Element::F16).b(Element::F16).out(Element::F16);
    add("residual".into(), Purpose::Typical, Data::Random, residual);
    let heads = Binary::new(Mul, [2, 5, 7, 7], [5, 1, 1]).a(e4m3(PerTensor));
    add("a factor per head".into(), Purpose::Typical, Data::Random, heads);

    let residual =
        Binary::new(Add, [2048, 4096], [2048, 4096]).a(Element::F16).b(Element::F16).out(Element::F16);
    add("Llama 7B, residual f16 2048x4096".into(), Purpose::Bench, Data::Random, residual);
    let coded = Binary::new(Add, [8, 256, 56, 56], [8, 256, 56, 56]).a(e4m3(PerTensor)).b(e4m3(PerTensor));
    let coded = coded.activation(Activation::Relu).out(e4m3(PerTensor));
    add("ResNet-50, shortcut e4m3fn 8x256x56x56, ReLU".into(), Purpose::Bench, Data::Random, coded);
    let excite = Binary::new(Mul, [16, 96, 56, 56], [16, 96, 1, 1]).b(Element::F16);
    add("squeeze and excite, 16x96x56x56".into(), Purpose::Bench, Data::Random, excite);
    add(
        "f32 4096x4096 by rows".into(),
        Purpose::Bench,
        Data::Random,
        Binary::new(Div, [4096, 4096], [4096, 1]),
    );
    all
}
