//! What tests and benches run of gated activations.

use super::{Gated, Halves};
use crate::{
    dtype::{Format, Overflow},
    ops::{
        Activation, Case, Data, Purpose,
        kinds::{FLEXIBLE, kinds, outs},
    },
    scale::Granularity::{PerBlock, PerChannel, PerTensor, PerToken},
    tensor::Element,
};
use Halves::{Apart, GateFirst, GateSecond};

pub(super) fn all() -> Vec<Case<Gated>> {
    let e4m3 = |g| Element::f8(Format::E4M3FN, g);
    let every = [Data::SmallIntegers, Data::Random, Data::Specials];
    let mut all = vec![];
    // With ReLU every number is exact.
    let mut add = |label: String, purpose, data, op: Gated| {
        let op = if data == Data::SmallIntegers { Gated { activation: Activation::Relu, ..op } } else { op };
        all.push(Case::new(label, purpose, data, op));
    };
    let swiglu = |shape: &[u32]| Gated::new(shape, Activation::Silu);

    for halves in [Apart, GateFirst, GateSecond] {
        // Second halves that begin at every place in a quad.
        for shape in [&[1u32][..], &[3, 6], &[7, 19], &[2, 5, 16], &[61, 33]] {
            for data in [Data::SmallIntegers, Data::Random] {
                add(
                    format!("{halves:?} {shape:?} {data:?}"),
                    Purpose::Smoke,
                    data,
                    swiglu(shape).halves(halves),
                );
            }
        }
        // What differs between the two packed forms is where a half begins.
        if halves == GateSecond {
            continue;
        }
        for out in outs(1) {
            for data in every {
                let op = swiglu(&[14, 22]).halves(halves).gate(e4m3(PerToken)).out(out);
                let purpose = if data == Data::SmallIntegers { Purpose::Smoke } else { Purpose::Edge };
                add(format!("{halves:?} to {out} {data:?}"), purpose, data, op);
            }
        }
        for g in [PerChannel { axis: 0 }, PerChannel { axis: 2 }, PerBlock { rows: 2, cols: 5 }] {
            for data in every {
                let op = swiglu(&[4, 3, 17]).halves(halves).gate(e4m3(g)).up(e4m3(PerChannel { axis: 1 }));
                let purpose = if data == Data::SmallIntegers { Purpose::Smoke } else { Purpose::Edge };
                add(format!("{halves:?} {g} {data:?}"), purpose, data, op);
            }
        }
    }
    for activation in Activation::ALL {
        for data in [Data::Random, Data::Specials] {
            let purpose = if data == Data::Random { Purpose::Smoke } else { Purpose::Edge };
            add(format!("{activation:?} {data:?}"), purpose, data, Gated::new([14, 22], activation));
        }
    }
    for kind in kinds().into_iter().chain(FLEXIBLE.map(|f| Element::f8(f, PerTensor))) {
        for data in every {
            add(format!("gate {kind} {data:?}"), Purpose::Edge, data, swiglu(&[14, 21]).gate(kind));
            add(format!("up {kind} {data:?}"), Purpose::Edge, data, swiglu(&[14, 21]).up(kind));
        }
    }
    for kind in [Element::F16, Element::BF16, Element::f8(Format::E5M2, PerTensor)] {
        for data in every {
            let op = swiglu(&[14, 21]).gate(kind).halves(GateSecond);
            add(format!("both {kind} {data:?}"), Purpose::Edge, data, op);
        }
    }
    for f in Format::ALL.into_iter().chain(FLEXIBLE) {
        for overflow in [Overflow::Saturate, Overflow::Strict] {
            let data = if overflow == Overflow::Strict { Data::Specials } else { Data::SmallIntegers };
            let op = swiglu(&[14, 10]).out(Element::f8(f, PerTensor)).overflow(overflow);
            add(format!("out {f} {overflow:?}"), Purpose::Edge, data, op);
        }
    }
    let block = swiglu(&[33, 172]).gate(Element::F16).halves(GateFirst).out(e4m3(PerToken));
    add("feed-forward".into(), Purpose::Typical, Data::Random, block);

    let llama = swiglu(&[2048, 11_008]).gate(Element::F16).up(Element::F16);
    let label = "Llama 7B, SwiGLU f16 to e4m3fn 2048x11008";
    add(label.into(), Purpose::Bench, Data::Random, llama.clone().out(e4m3(PerToken)));
    let label = "the same, packed, to f16";
    add(label.into(), Purpose::Bench, Data::Random, llama.halves(GateFirst).out(Element::F16));
    let t5 = Gated::new([8, 512, 2048], Activation::GeluTanh);
    add("T5 base, GeGLU 8x512x2048".into(), Purpose::Bench, Data::Random, t5);
    all
}
