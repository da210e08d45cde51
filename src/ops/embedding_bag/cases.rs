//! What tests and benches run of bags of embeddings.

use super::{BagMode, Bags, EmbeddingBag};
use crate::{
    dtype::{Format, Overflow},
    ops::{
        Case, Data, Purpose,
        kinds::{FLEXIBLE, kinds, outs},
    },
    scale::Granularity::{PerBlock, PerChannel, PerTensor, PerToken},
    tensor::{DType, Element},
};

const MODES: [BagMode; 3] = [BagMode::Sum, BagMode::Mean, BagMode::Max];

fn even(bags: u32, size: u32) -> Bags {
    Bags::Even { bags, size }
}

fn ragged(bags: u32, indices: u32) -> Bags {
    Bags::Ragged { bags, indices }
}

pub(super) fn all() -> Vec<Case<EmbeddingBag>> {
    let e4m3 = |g| Element::f8(Format::E4M3FN, g);
    let every = [Data::SmallIntegers, Data::Random, Data::Specials];
    let both = [Data::SmallIntegers, Data::Random];
    let mut all = vec![];
    let mut add = |purpose, data, op: EmbeddingBag| {
        let with = [
            op.weights.map(|w| format!(" weights {w}")),
            op.padding_index.map(|i| format!(" padding {i}")),
            op.status.then(|| " status".to_owned()),
            (op.overflow == Overflow::Strict).then(|| " strict".to_owned()),
        ];
        let with: String = with.into_iter().flatten().collect();
        let (rows, dim, mode) = (op.vocabulary, op.dim, op.mode);
        let label =
            format!("{mode:?} {:?} of {rows}x{dim} {} to {}{with}, {data:?}", op.bags, op.table, op.out);
        all.push(Case::new(label, purpose, data, op));
    };

    // Means are exact of powers of two of places; shapes are multiples of nothing else.
    for (bags, vocabulary, dim) in [
        (even(1, 1), 1, 1),
        (even(5, 4), 7, 3),
        (even(3, 2), 6, 17),
        (even(7, 8), 11, 66),
        (ragged(9, 23), 7, 5),
        (ragged(4, 50), 40, 129),
        (ragged(1, 3), 5, 16),
        // Long bags: what a workgroup shares out.
        (even(3, 64), 31, 37),
        (even(2, 256), 9, 5),
        (ragged(3, 700), 50, 34),
    ] {
        for mode in MODES {
            let op = EmbeddingBag::new(bags, vocabulary, dim).mode(mode);
            let exact = mode != BagMode::Mean || matches!(bags, Bags::Even { .. });
            for data in both {
                // Of ragged bags or with some left out, a mean is not exact.
                if data == Data::Random || exact {
                    add(Purpose::Smoke, data, op.clone());
                }
                let op = op.clone().padding_index(vocabulary / 2).status();
                if data == Data::Random || mode != BagMode::Mean {
                    add(Purpose::Smoke, data, op);
                }
            }
            add(Purpose::Edge, Data::Specials, op.clone().status());
        }
        for data in both {
            let op = EmbeddingBag::new(bags, vocabulary, dim).weights(DType::F32);
            add(Purpose::Smoke, data, op.clone());
            add(Purpose::Smoke, data, op.table(e4m3(PerToken)).padding_index(0).status());
        }
    }
    for table in
        [PerToken, PerChannel { axis: 0 }, PerChannel { axis: 1 }, PerBlock { rows: 2, cols: 6 }].map(e4m3)
    {
        for bags in [even(4, 8), ragged(6, 31), even(2, 128)] {
            let op = EmbeddingBag::new(bags, 9, 22).table(table);
            for data in both {
                add(Purpose::Smoke, data, op.clone());
            }
            add(Purpose::Edge, Data::SmallIntegers, op.clone().mode(BagMode::Max));
            add(Purpose::Edge, Data::Specials, op.clone().weights(DType::F16).status());
            add(Purpose::Edge, Data::SmallIntegers, op.weights(DType::Bf16).out(e4m3(PerToken)).status());
        }
    }
    for table in kinds().into_iter().chain(FLEXIBLE.map(|f| Element::f8(f, PerTensor))) {
        for data in every {
            let op = EmbeddingBag::new(even(6, 4), 13, 21).table(table);
            for mode in MODES {
                add(Purpose::Edge, data, op.clone().mode(mode));
            }
            add(Purpose::Edge, data, EmbeddingBag::new(ragged(5, 400), 13, 21).table(table));
        }
    }
    for weights in [DType::F32, DType::F16, DType::Bf16] {
        for data in every {
            let op = EmbeddingBag::new(ragged(8, 37), 13, 21).table(e4m3(PerTensor)).weights(weights);
            add(Purpose::Edge, data, op.clone());
            add(Purpose::Edge, data, EmbeddingBag { bags: even(5, 7), ..op.clone() });
            add(Purpose::Edge, data, EmbeddingBag { bags: even(2, 90), ..op }.table(Element::F16));
        }
    }
    for out in outs(1) {
        for data in every {
            let purpose = if data == Data::Specials { Purpose::Edge } else { Purpose::Smoke };
            for bags in [even(12, 4), ragged(10, 41), even(3, 64)] {
                let op = EmbeddingBag::new(bags, 12, 27).out(out).status();
                add(purpose, data, op.clone());
                let op = op.mode(if bags.average() == 4 { BagMode::Mean } else { BagMode::Max });
                add(purpose, data, op);
            }
        }
    }
    for f in Format::ALL.into_iter().chain(FLEXIBLE) {
        for overflow in [Overflow::Saturate, Overflow::Strict] {
            let data = if overflow == Overflow::Strict { Data::Specials } else { Data::SmallIntegers };
            let op = EmbeddingBag::new(ragged(9, 29), 13, 18).out(Element::f8(f, PerTensor));
            add(Purpose::Edge, data, op.overflow(overflow));
        }
    }
    // Tables, bags and indices that small bindings cut.
    for mode in MODES {
        for bags in [even(40, 2), even(30, 64), ragged(60, 200)] {
            let op = EmbeddingBag::new(bags, 300, 40).mode(mode);
            if mode != BagMode::Mean || matches!(bags, Bags::Even { .. }) {
                add(Purpose::Smoke, Data::SmallIntegers, op.clone().table(Element::F16));
            }
            let op = op.table(e4m3(PerTensor)).out(e4m3(PerTensor)).status();
            let data = if mode == BagMode::Mean { Data::Random } else { Data::SmallIntegers };
            add(Purpose::Smoke, data, op);
        }
    }
    let small = EmbeddingBag::new(ragged(64, 640), 500, 96).table(e4m3(PerToken)).out(Element::F16);
    add(Purpose::Typical, Data::Random, small.clone().mode(BagMode::Mean));
    add(Purpose::Typical, Data::Random, small.weights(DType::F16));

    // A table of a recommender: few of many rows.
    let dlrm = EmbeddingBag::new(even(4096, 32), 200_000, 64);
    add(Purpose::Bench, Data::Random, dlrm.clone());
    add(Purpose::Bench, Data::Random, dlrm.clone().table(e4m3(PerToken)).out(Element::F16));
    add(
        Purpose::Bench,
        Data::Random,
        EmbeddingBag { bags: ragged(4096, 131_072), ..dlrm }.table(e4m3(PerToken)),
    );
    let text = EmbeddingBag::new(ragged(64, 32_768), 30_522, 300).mode(BagMode::Mean).table(e4m3(PerToken));
    add(Purpose::Bench, Data::Random, text);
    all
}
