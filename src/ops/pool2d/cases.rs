//! What tests and benches run of pooling.

use super::{Pool2d, Pooling};
use crate::{
    dtype::{Format, Overflow},
    ops::{
        Activation, Case, Data, Purpose,
        kinds::{FLEXIBLE, kinds, outs},
    },
    scale::Granularity::{PerBlock, PerChannel, PerTensor, PerToken},
    tensor::Element,
};

pub(super) fn all() -> Vec<Case<Pool2d>> {
    let mut all = vec![];
    let mut add = |purpose, data, op: Pool2d| {
        let Pool2d { shape, kernel, stride, padding, dilation, .. } = &op;
        let ceil = if op.ceil { " ceil" } else { "" };
        let label = format!(
            "{:?} {shape:?} k{kernel:?} s{stride:?} p{padding:?} d{dilation:?}{ceil} {} to {} {:?}, {data:?}",
            op.pooling, op.from, op.out, op.activation
        );
        all.push(Case::new(label, purpose, data, op));
    };
    let f8 = |g| Element::f8(Format::E4M3FN, g);
    let per_tensor = f8(PerTensor);
    let max = |shape, kernel| Pool2d::max(shape, per_tensor, kernel);
    // Means of powers of two of numbers are exact: 1, 2, 4, 8, 16, all of them counted.
    let exact = |shape, kernel| Pool2d::average(shape, per_tensor, kernel);
    for op in [
        max([1, 1, 1, 1], [1, 1]),
        max([2, 5, 7, 3], [2, 3]),
        max([1, 6, 9, 17], [3, 3]).stride([2, 2]).padding([1; 4]),
        max([2, 7, 6, 5], [3, 2]).stride([1, 2]).padding([2, 0, 1, 1]),
        max([1, 9, 8, 6], [3, 3]).stride([2, 1]).dilation([2, 3]).padding([1, 2, 3, 0]),
        max([1, 8, 7, 9], [3, 2]).stride([3, 4]).ceil(),
        max([1, 5, 5, 4], [2, 2]).padding([1, 1, 1, 1]).stride([3, 3]).ceil(),
        max([2, 9, 11, 7], [9, 11]),
        max([1, 12, 13, 35], [8, 9]).stride([3, 2]).padding([4, 1, 2, 7]),
        exact([1, 4, 6, 5], [2, 2]),
        exact([2, 6, 5, 33], [4, 2]).stride([1, 3]),
        exact([1, 5, 6, 7], [2, 4]).padding([1, 2, 1, 3]).count_padding(),
        exact([1, 9, 9, 6], [2, 2]).dilation([3, 5]).stride([2, 1]),
        exact([3, 8, 8, 37], [8, 8]),
        exact([1, 16, 8, 3], [16, 8]),
    ] {
        for out in [Element::F32, per_tensor] {
            add(Purpose::Smoke, Data::SmallIntegers, op.clone().out(out));
        }
        add(Purpose::Edge, Data::Random, op.clone());
        add(Purpose::Edge, Data::Specials, Pool2d { from: Element::F32, ..op });
    }
    for op in [
        Pool2d::average([2, 6, 9, 7], per_tensor, [3, 3]).stride([2, 2]).padding([1; 4]),
        Pool2d::average([1, 7, 6, 5], per_tensor, [3, 2]).stride([2, 2]).padding([2, 1, 1, 0]).ceil(),
        Pool2d::average([1, 9, 8, 6], per_tensor, [3, 3]).dilation([2, 3]).padding([1, 2, 3, 0]),
        Pool2d::average([1, 41, 53, 6], per_tensor, [40, 53]),
    ] {
        for op in [op.clone(), op.clone().count_padding()] {
            add(Purpose::Edge, Data::Random, op.clone());
            add(Purpose::Edge, Data::Specials, op.clone().out(per_tensor));
            add(Purpose::Edge, Data::Specials, Pool2d { from: Element::F32, ..op });
        }
    }
    // Every input and every output, small windows and shared ones.
    let tokens = f8(PerToken);
    for pooling in [Pooling::Max, Pooling::Average] {
        for from in kinds().into_iter().chain(FLEXIBLE.map(|f| Element::f8(f, PerTensor))) {
            let op = Pool2d { pooling, ..Pool2d::max([2, 5, 6, 7], from, [2, 2]) }.stride([1, 2]);
            add(Purpose::Edge, Data::SmallIntegers, op.clone());
            add(Purpose::Edge, Data::Specials, op);
        }
        for out in outs(3) {
            for kernel in [[2, 2], [8, 8]] {
                let op =
                    Pool2d { pooling, ..Pool2d::max([1, 9, 10, 13], tokens, kernel) }.stride([1, 2]).out(out);
                let purpose = if kernel[0] == 2 { Purpose::Smoke } else { Purpose::Edge };
                add(purpose, Data::SmallIntegers, op);
            }
        }
        for g in [
            PerBlock { rows: 2, cols: 5 },
            PerChannel { axis: 0 },
            PerChannel { axis: 1 },
            PerChannel { axis: 3 },
        ] {
            let op = Pool2d { pooling, ..Pool2d::max([2, 4, 6, 11], f8(g), [2, 2]) };
            add(Purpose::Edge, Data::SmallIntegers, op);
        }
    }
    for act in Activation::ALL {
        add(Purpose::Edge, Data::Random, max([1, 4, 6, 9], [2, 2]).activation(act));
        add(Purpose::Edge, Data::Random, exact([1, 4, 6, 9], [2, 2]).activation(act).out(per_tensor));
    }
    add(Purpose::Edge, Data::Specials, max([2, 6, 6, 9], [2, 3]).activation(Activation::Relu));
    add(Purpose::Smoke, Data::SmallIntegers, exact([1, 4, 6, 9], [2, 2]).activation(Activation::Relu6));
    for f in Format::ALL.into_iter().chain(FLEXIBLE) {
        let op = Pool2d::max([2, 6, 6, 5], Element::F32, [3, 2]).out(Element::f8(f, PerTensor));
        add(Purpose::Edge, Data::Specials, op.clone());
        add(Purpose::Edge, Data::Random, op.overflow(Overflow::Strict));
    }
    // More than a few workgroups; high images, of which windows need a part.
    add(
        Purpose::Edge,
        Data::SmallIntegers,
        Pool2d::max([1, 30, 41, 24], Element::F32, [3, 2]).stride([1, 1]),
    );
    for from in [per_tensor, Element::F16] {
        let op = Pool2d::max([2, 40, 7, 20], from, [3, 3]).stride([1, 1]).padding([1; 4]);
        add(Purpose::Typical, Data::Random, op.clone());
        add(Purpose::Typical, Data::Random, Pool2d { pooling: Pooling::Average, ..op });
        add(Purpose::Typical, Data::Random, Pool2d::average([1, 60, 8, 9], from, [8, 8]).stride([1, 2]));
        let op = Pool2d::max([2, 28, 28, 24], from, [3, 3]).stride([2, 2]).padding([1; 4]);
        add(Purpose::Typical, Data::Random, op.out(per_tensor));
        add(Purpose::Typical, Data::Random, Pool2d::global_average([2, 14, 14, 80], from));
        let op = Pool2d::max([32, 112, 112, 64], from, [3, 3]).stride([2, 2]).padding([1; 4]);
        add(Purpose::Bench, Data::Random, op.out(per_tensor));
        add(Purpose::Bench, Data::Random, Pool2d::global_average([32, 56, 56, 256], from));
    }
    all
}
