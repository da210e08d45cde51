//! What tests and benches run of embedding.

use super::Embedding;
use crate::{
    dtype::{Format, Overflow},
    ops::{
        Case, Data, Purpose,
        kinds::{FLEXIBLE, kinds, outs},
    },
    scale::Granularity::{PerBlock, PerChannel, PerTensor, PerToken},
    tensor::Element,
};

pub(super) fn all() -> Vec<Case<Embedding>> {
    let e4m3 = |g| Element::f8(Format::E4M3FN, g);
    let every = [Data::SmallIntegers, Data::Random, Data::Specials];
    let both = [Data::SmallIntegers, Data::Random];
    let mut all = vec![];
    let mut add = |label: String, purpose, data, op| all.push(Case::new(label, purpose, data, op));

    // More indices than rows, so that every row occurs; shapes that are multiples of nothing.
    for (indices, vocabulary, dim) in
        [(&[1u32][..], 1, 1), (&[23], 7, 3), (&[3, 5], 6, 17), (&[2, 3, 5], 11, 66), (&[70], 40, 129)]
    {
        for data in both {
            let op = Embedding::new(indices, vocabulary, dim);
            add(format!("{indices:?} of {vocabulary}x{dim} {data:?}"), Purpose::Smoke, data, op.clone());
            let op = op.residual(Element::F32).status();
            add(format!("{indices:?} of {vocabulary}x{dim} with all {data:?}"), Purpose::Smoke, data, op);
        }
    }
    for table in
        [PerToken, PerChannel { axis: 0 }, PerChannel { axis: 1 }, PerBlock { rows: 2, cols: 6 }].map(e4m3)
    {
        for data in both {
            let op = Embedding::new([4, 7], 9, 22).table(table);
            add(format!("table {table} {data:?}"), Purpose::Smoke, data, op);
        }
        let op = Embedding::new([4, 7], 9, 22).residual(table).table(table);
        add(format!("table and residual {table}"), Purpose::Edge, Data::SmallIntegers, op);
    }
    for table in kinds().into_iter().chain(FLEXIBLE.map(|f| Element::f8(f, PerTensor))) {
        for data in every {
            let op = Embedding::new([31], 13, 21).table(table);
            add(format!("table {table} {data:?}"), Purpose::Edge, data, op.clone());
        }
    }
    for residual in kinds().into_iter().take(6) {
        for data in every {
            let op = Embedding::new([31], 13, 21).table(e4m3(PerToken)).residual(residual);
            add(format!("residual {residual} {data:?}"), Purpose::Edge, data, op);
        }
    }
    for out in outs(2) {
        for data in every {
            let purpose = if data == Data::Specials { Purpose::Edge } else { Purpose::Smoke };
            let op = Embedding::new([5, 6], 12, 27).out(out).status();
            add(format!("out {out} {data:?}"), purpose, data, op);
        }
    }
    for f in Format::ALL.into_iter().chain(FLEXIBLE) {
        for overflow in [Overflow::Saturate, Overflow::Strict] {
            let data = if overflow == Overflow::Strict { Data::Specials } else { Data::SmallIntegers };
            let op = Embedding::new([29], 13, 18).out(Element::f8(f, PerTensor)).overflow(overflow);
            add(format!("out {f} {overflow:?}"), Purpose::Edge, data, op);
        }
    }
    let small = Embedding::new([2, 64], 500, 96).table(e4m3(PerToken)).out(Element::F16);
    add("a small model".into(), Purpose::Typical, Data::Random, small.residual(Element::F16));

    let bert = Embedding::new([8, 384], 30_522, 768);
    add("BERT base, 8x384 of 30522x768".into(), Purpose::Bench, Data::Random, bert.clone());
    let coded = bert.table(e4m3(PerToken)).residual(Element::F16).out(Element::F16);
    add("the same from e4m3fn, residual, to f16".into(), Purpose::Bench, Data::Random, coded);
    let gpt2 = Embedding::new([1, 1024], 50_257, 768).table(e4m3(PerToken)).out(e4m3(PerToken));
    add("GPT-2, 1024 of 50257x768, e4m3fn to e4m3fn".into(), Purpose::Bench, Data::Random, gpt2);
    all
}
