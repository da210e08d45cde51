//! What tests and benches run of rotary embeddings.

use super::{Angles, Positions, Rope};
use crate::{
    dtype::{Format, Overflow},
    ops::{
        Case, Data, Purpose,
        kinds::{FLEXIBLE, kinds, outs},
    },
    scale::Granularity::{PerBlock, PerChannel, PerTensor, PerToken},
    tensor::{DType, Element},
};
use Positions::{Offset, PerSequence, Shared};

pub(super) fn all() -> Vec<Case<Rope>> {
    let e4m3 = |g| Element::f8(Format::E4M3FN, g);
    let every = [Data::SmallIntegers, Data::Random, Data::Specials];
    let both = [Data::SmallIntegers, Data::Random];
    let mut all = vec![];
    // Tables of small integers are exact.
    let mut add = |label: String, purpose, data, op: Rope| {
        let exact = data != Data::SmallIntegers || op.angles != Angles::Frequencies;
        let op = if exact { op } else { op.tables(19, DType::F32) };
        all.push(Case::new(label, purpose, data, op));
    };

    // Halves of whole quads and of others, columns that pass, one pair; tokens before heads and behind.
    for (shape, axis, rotary) in [
        (&[1u32, 2][..], 0, 2),
        (&[5, 8], 0, 8),
        (&[7, 3, 10], 0, 6),
        (&[2, 5, 3, 22], 1, 10),
        (&[2, 3, 7, 37], 2, 24),
        (&[2, 9, 7, 66], 1, 66),
        (&[3, 2, 6, 19], 2, 4),
    ] {
        for interleaved in [false, true] {
            for data in both {
                let op = Rope { interleaved, ..Rope::new(shape, axis).rotary(rotary) };
                let label = format!("{rotary} of {shape:?} by {axis}, interleaved {interleaved} {data:?}");
                add(label.clone(), Purpose::Smoke, data, op.clone().positions(Offset));
                add(format!("{label} from zero"), Purpose::Edge, data, op.clone());
                add(format!("{label} shared"), Purpose::Edge, data, op.clone().positions(Shared));
                if axis > 0 {
                    let purpose = if axis == 1 { Purpose::Smoke } else { Purpose::Edge };
                    add(format!("{label} per sequence"), purpose, data, op.positions(PerSequence));
                }
            }
        }
    }
    let small = |rotary| Rope::new([2, 4, 3, 21], 1).rotary(rotary).positions(PerSequence);
    for x in
        [PerToken, PerChannel { axis: 1 }, PerChannel { axis: 3 }, PerBlock { rows: 2, cols: 6 }].map(e4m3)
    {
        for data in both {
            add(format!("x {x} {data:?}"), Purpose::Smoke, data, small(16).x(x));
            add(format!("x {x}, odd half {data:?}"), Purpose::Edge, data, small(18).x(x));
            add(format!("x {x}, interleaved {data:?}"), Purpose::Edge, data, small(18).interleaved().x(x));
        }
    }
    for x in kinds().into_iter().chain(FLEXIBLE.map(|f| Element::f8(f, PerTensor))) {
        for data in every {
            add(format!("x {x} {data:?}"), Purpose::Edge, data, small(16).x(x));
        }
    }
    for out in outs(3) {
        for data in every {
            let purpose = if data == Data::Specials { Purpose::Edge } else { Purpose::Smoke };
            add(format!("out {out} {data:?}"), purpose, data, small(18).out(out));
            add(
                format!("out {out}, aligned {data:?}"),
                Purpose::Edge,
                data,
                small(16).x(e4m3(PerToken)).out(out),
            );
        }
    }
    for f in Format::ALL.into_iter().chain(FLEXIBLE) {
        for overflow in [Overflow::Saturate, Overflow::Strict] {
            let data = if overflow == Overflow::Strict { Data::Specials } else { Data::SmallIntegers };
            let op = small(20).interleaved().out(Element::f8(f, PerTensor)).overflow(overflow);
            add(format!("out {f} {overflow:?}"), Purpose::Edge, data, op);
        }
    }
    // Tables of every kind, scaled ones, and what is beyond them.
    for dtype in [DType::F32, DType::F16, DType::Bf16] {
        for rotary in [16, 18] {
            for data in every {
                let op = small(rotary).tables(9, dtype).scale(0.5);
                add(format!("{dtype} tables of {rotary} {data:?}"), Purpose::Edge, data, op.clone());
                add(format!("{dtype} tables, interleaved {data:?}"), Purpose::Edge, data, op.interleaved());
            }
        }
    }
    for data in every {
        add(format!("scaled {data:?}"), Purpose::Smoke, data, small(12).scale(-2.0));
        add(
            format!("offset {data:?}"),
            Purpose::Edge,
            data,
            Rope::new([3, 5, 2, 13], 1).rotary(8).positions(Offset),
        );
    }
    add("scaled oddly".into(), Purpose::Edge, Data::Random, small(12).scale(1.368_888_1));
    let llama = Rope::new([1, 40, 8, 128], 1).x(Element::F16).out(Element::F16);
    add("a few tokens of Llama".into(), Purpose::Typical, Data::Random, llama.positions(Offset));
    let neox = Rope::new([2, 8, 20, 96], 2).rotary(24).positions(PerSequence);
    add("a few tokens of GPT-NeoX".into(), Purpose::Typical, Data::Random, neox.out(e4m3(PerToken)));
    let gptj = Rope::new([2, 12, 4, 256], 1).rotary(64).interleaved();
    add("a few tokens of GPT-J".into(), Purpose::Typical, Data::Random, gptj.clone());

    let llama = Rope::new([1, 2048, 32, 128], 1).x(Element::F16).positions(Offset);
    let label = "Llama 7B, 2048 tokens, f16";
    add(label.into(), Purpose::Bench, Data::Random, llama.clone().out(Element::F16));
    add("the same to e4m3fn".into(), Purpose::Bench, Data::Random, llama.out(e4m3(PerTensor)));
    let decode = Rope::new([64, 1, 32, 128], 1).x(Element::F16).positions(PerSequence).out(Element::F16);
    add("the same, a token of 64 sequences".into(), Purpose::Bench, Data::Random, decode);
    let gptj = Rope { shape: vec![8, 512, 16, 256], ..gptj };
    add("GPT-J, 8x512, interleaved".into(), Purpose::Bench, Data::Random, gptj);
    all
}
