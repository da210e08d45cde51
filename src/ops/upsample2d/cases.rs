//! What tests and benches run of upsampling.

use super::Upsample2d;
use crate::{
    dtype::{Format, Overflow},
    ops::{
        Case, Data, Purpose,
        kinds::{FLEXIBLE, kinds, outs},
    },
    scale::Granularity::{PerBlock, PerChannel, PerTensor, PerToken},
    tensor::Element,
};

pub(super) fn all() -> Vec<Case<Upsample2d>> {
    let mut all = vec![];
    let mut add = |purpose, data, op: Upsample2d| {
        let label = format!(
            "{:?} {:?} to {:?}, {} to {} {:?}, {data:?}",
            op.interpolation, op.shape, op.size, op.from, op.out, op.overflow
        );
        all.push(Case::new(label, purpose, data, op));
    };
    let f8 = |g| Element::f8(Format::E4M3FN, g);
    let per_tensor = f8(PerTensor);
    let nearest = |shape, size| Upsample2d::nearest(shape, per_tensor, size);
    let bilinear = |shape, size| Upsample2d::bilinear(shape, per_tensor, size);
    let aligned = |shape, size| Upsample2d::bilinear(shape, per_tensor, size).align_corners();
    // Places whose unit is a power of two are exact.
    for op in [
        nearest([1, 1, 1, 1], [1, 1]),
        nearest([2, 3, 5, 3], [6, 10]),
        nearest([1, 7, 4, 9], [5, 11]),
        nearest([2, 6, 9, 18], [14, 3]),
        nearest([1, 2, 3, 2], [98, 7]),
        bilinear([1, 1, 1, 1], [3, 2]),
        bilinear([2, 3, 5, 3], [6, 10]),
        bilinear([1, 4, 3, 17], [16, 4]),
        bilinear([1, 5, 7, 6], [8, 16]),
        bilinear([2, 8, 6, 5], [4, 4]),
        bilinear([1, 6, 5, 33], [6, 5]),
        bilinear([3, 2, 9, 7], [4, 8]),
        aligned([1, 1, 1, 1], [2, 3]),
        aligned([2, 3, 5, 3], [5, 9]),
        aligned([1, 4, 6, 18], [9, 17]),
        aligned([1, 7, 8, 5], [3, 1]),
        aligned([2, 5, 4, 35], [5, 5]),
    ] {
        for out in [Element::F32, per_tensor] {
            add(Purpose::Smoke, Data::SmallIntegers, op.clone().out(out));
        }
        add(Purpose::Edge, Data::Random, op.clone());
        add(Purpose::Edge, Data::Specials, Upsample2d { from: Element::F32, ..op });
    }
    // Others are not.
    for op in [
        bilinear([2, 5, 6, 7], [7, 9]),
        bilinear([1, 9, 11, 5], [4, 7]),
        bilinear([1, 3, 13, 6], [40, 3]),
        bilinear([2, 1, 7, 3], [5, 12]),
        aligned([2, 5, 6, 7], [7, 11]),
        aligned([1, 9, 11, 5], [4, 6]),
        aligned([1, 2, 3, 13], [23, 8]),
    ] {
        add(Purpose::Smoke, Data::Random, op.clone());
        add(Purpose::Edge, Data::Random, op.clone().out(per_tensor));
        add(Purpose::Edge, Data::Specials, op.clone().out(f8(PerToken)));
        add(Purpose::Edge, Data::Specials, Upsample2d { from: Element::BF16, ..op });
    }
    // Every input and every output.
    let tokens = f8(PerToken);
    for make in [Upsample2d::nearest, Upsample2d::bilinear] {
        let op = |shape, size| make(shape, per_tensor, size);
        for from in kinds().into_iter().chain(FLEXIBLE.map(|f| Element::f8(f, PerTensor))) {
            let op = Upsample2d { from, ..op([2, 4, 3, 7], [8, 6]) };
            for data in [Data::SmallIntegers, Data::Random, Data::Specials] {
                add(Purpose::Edge, data, op.clone());
            }
        }
        for out in outs(3) {
            let op = Upsample2d { from: tokens, ..op([1, 4, 6, 13], [8, 3]) }.out(out);
            add(Purpose::Smoke, Data::SmallIntegers, op.clone());
            add(Purpose::Edge, Data::Random, op);
        }
        for g in [
            PerBlock { rows: 2, cols: 5 },
            PerChannel { axis: 0 },
            PerChannel { axis: 1 },
            PerChannel { axis: 3 },
        ] {
            let op = Upsample2d { from: f8(g), ..op([2, 4, 6, 11], [8, 12]) };
            add(Purpose::Smoke, Data::SmallIntegers, op.clone());
            add(Purpose::Edge, Data::Specials, op);
        }
    }
    for f in Format::ALL.into_iter().chain(FLEXIBLE) {
        let op = Upsample2d { from: Element::F32, ..bilinear([2, 4, 6, 5], [8, 3]) };
        let op = op.out(Element::f8(f, PerTensor));
        add(Purpose::Edge, Data::Specials, op.clone());
        add(Purpose::Edge, Data::Random, op.overflow(Overflow::Strict));
    }
    for from in [per_tensor, Element::F16] {
        let of = |op: Upsample2d| Upsample2d { from, ..op };
        add(Purpose::Typical, Data::Random, of(nearest([1, 16, 16, 64], [32, 32])));
        add(Purpose::Typical, Data::Random, of(bilinear([2, 17, 23, 40], [40, 31])).out(per_tensor));
        add(Purpose::Typical, Data::Random, of(aligned([1, 12, 20, 24], [48, 80])).out(Element::F16));
        add(Purpose::Bench, Data::Random, of(nearest([8, 64, 64, 256], [128, 128])).out(from));
        add(Purpose::Bench, Data::Random, of(bilinear([8, 64, 64, 128], [128, 128])).out(from));
        add(Purpose::Bench, Data::Random, of(bilinear([8, 224, 224, 3], [336, 336])));
    }
    all
}
