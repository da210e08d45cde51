//! What tests and benches run of concat.

use super::Concat;
use crate::{
    dtype::{Format, Overflow},
    ops::{
        Case, Data, Purpose,
        kinds::{FLEXIBLE, kinds, outs},
    },
    scale::Granularity::{PerBlock, PerChannel, PerTensor, PerToken},
    tensor::Element,
};

pub(super) fn all() -> Vec<Case<Concat>> {
    let mut all = vec![];
    let mut add = |purpose, data, op: Concat| {
        let inputs: Vec<String> = op.inputs.iter().map(|(s, e)| format!("{s:?} {e}")).collect();
        let label = format!("axis {}: {} to {}, {data:?}", op.axis, inputs.join(", "), op.out);
        all.push(Case::new(label, purpose, data, op));
    };
    let f8 = |g| Element::f8(Format::E4M3FN, g);
    let e5m2 = Element::f8(Format::E5M2, PerTensor);
    let of = |axis, shape: &[u32], extents: &[u32], elements: &[Element]| {
        let input = |(i, &extent): (usize, &u32)| {
            let mut shape = shape.to_vec();
            shape[axis] = extent;
            (shape, elements[i % elements.len()])
        };
        Concat::new(axis, extents.iter().enumerate().map(input))
    };
    let places: [(usize, &[u32], &[u32]); 12] = [
        (0, &[0], &[1, 1]),
        (0, &[0], &[5, 1, 1, 1, 1, 7, 2, 19]),
        (1, &[3, 0], &[16, 32]),
        (1, &[3, 0], &[8, 4, 7]),
        (1, &[7, 0], &[19, 6]),
        (1, &[5, 0], &[3, 4, 21, 1]),
        (0, &[0, 21], &[2, 5, 1]),
        (1, &[2, 0, 18], &[3, 1, 4]),
        (2, &[2, 3, 0], &[1, 2, 1, 1]),
        (0, &[0, 3, 5], &[2, 1]),
        (1, &[3, 0, 2, 9], &[2, 3]),
        (2, &[2, 3, 0, 5], &[1, 5, 2]),
    ];
    for (axis, shape, extents) in places {
        for out in [Element::F32, f8(PerTensor)] {
            add(Purpose::Smoke, Data::SmallIntegers, of(axis, shape, extents, &[f8(PerTensor)]).out(out));
        }
        let mixed = [f8(PerToken), Element::F32];
        for data in [Data::Random, Data::Specials] {
            add(Purpose::Edge, data, of(axis, shape, extents, &mixed).out(f8(PerToken)));
        }
    }
    // Every output, with scales of every granularity, in shared quads and in whole rows.
    for out in outs(1) {
        for data in [Data::SmallIntegers, Data::Random] {
            let purpose = if data == Data::Random { Purpose::Edge } else { Purpose::Smoke };
            add(purpose, data, of(1, &[4, 0], &[5, 18, 3], &[e5m2, f8(PerToken)]).out(out));
            add(purpose, data, of(0, &[0, 22], &[3, 4], &[e5m2, f8(PerToken)]).out(out));
        }
    }
    // Every input, behind an odd start and in rows of its own.
    for element in kinds().into_iter().chain(FLEXIBLE.map(|f| Element::f8(f, PerTensor))) {
        for data in [Data::SmallIntegers, Data::Specials] {
            add(Purpose::Edge, data, of(1, &[7, 0], &[6, 17], &[element]));
            add(Purpose::Edge, data, of(1, &[7, 0], &[6, 17], &[element]).out(f8(PerTensor)));
        }
    }
    for f in Format::ALL.into_iter().chain(FLEXIBLE) {
        let op = of(1, &[6, 0], &[5, 14], &[Element::F32]).out(Element::f8(f, PerTensor));
        add(Purpose::Edge, Data::Specials, op.clone());
        add(Purpose::Edge, Data::Random, op.overflow(Overflow::Strict));
    }
    for g in [PerBlock { rows: 2, cols: 5 }, PerChannel { axis: 0 }, PerChannel { axis: 1 }] {
        add(Purpose::Edge, Data::SmallIntegers, of(1, &[5, 0], &[11, 13], &[f8(g)]));
        add(Purpose::Edge, Data::SmallIntegers, of(0, &[0, 13], &[3, 4], &[f8(g)]));
    }
    // More than a few workgroups.
    add(Purpose::Edge, Data::SmallIntegers, of(1, &[150, 0], &[37, 62], &[Element::F32]));
    add(Purpose::Edge, Data::SmallIntegers, of(0, &[0, 31], &[170, 190], &[Element::F32]));
    // What users do: skip connections, and heads side by side.
    for element in [f8(PerTensor), Element::F16] {
        add(Purpose::Typical, Data::Random, of(3, &[2, 9, 13, 0], &[48, 24], &[element]).out(f8(PerTensor)));
        add(Purpose::Typical, Data::Random, of(1, &[40, 0], &[64, 64, 64, 64], &[element]).out(element));
        add(Purpose::Bench, Data::Random, of(1, &[4096, 0], &[2048, 2048], &[element]).out(f8(PerTensor)));
        add(Purpose::Bench, Data::Random, of(1, &[4096, 0], &[2047, 2049], &[element]).out(element));
    }
    all
}
