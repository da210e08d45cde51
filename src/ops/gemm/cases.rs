//! What tests and benches run of GEMM.

use super::Gemm;
use crate::{
    dtype::{Format, Overflow},
    ops::{
        Activation, Case, Data, Orientation, Purpose,
        kinds::{FLEXIBLE, factors, outs},
    },
    scale::Granularity::{self, Mx, PerBlock, PerChannel, PerTensor, PerToken},
    tensor::{DType, Element},
};

fn e4m3(g: crate::scale::Granularity) -> Element {
    Element::f8(Format::E4M3FN, g)
}

/// Every way A and B may lie, of every kind, at every odd shape; scales that leave the sum and scales that cannot.
fn orientations() -> Vec<Case<Gemm>> {
    let mut all = vec![];
    let per_tensor = |f| Element::f8(f, PerTensor);
    let blocks = |rows, cols| e4m3(PerBlock { rows, cols });
    let pairs = [
        (e4m3(PerToken), e4m3(PerChannel { axis: 0 })),
        (e4m3(PerTensor), per_tensor(Format::E5M2)),
        (Element::F32, Element::F16),
        (Element::BF16, per_tensor(Format::E4M3FNUZ)),
        (e4m3(PerChannel { axis: 1 }), e4m3(PerChannel { axis: 1 })),
        // Odd blocks, so that none ends where a quad or a tile does.
        (blocks(1, 6), blocks(3, 5)),
        (e4m3(Mx { cols: 6 }), e4m3(Mx { cols: 5 })),
    ];
    for o in Orientation::ALL {
        for (i, (a, b)) in pairs.into_iter().enumerate() {
            let name = format!("{} {a} x {b}", o.name());
            for (m, n, k) in ODD {
                let op = Gemm::new(m, n, k).orientation(o).a(a).b(b);
                let small = m * n <= 300 && k < 100;
                let purpose = if i == 0 && small { Purpose::Smoke } else { Purpose::Edge };
                all.push(Case::new(format!("{m}x{n}x{k} {name}, strict"), purpose, Data::SmallIntegers, op));
            }
            let op = Gemm::new(11, 21, 27).orientation(o).a(a).b(b);
            for data in [Data::Random, Data::Specials] {
                all.push(Case::new(format!("11x21x27 {name}, {data:?}"), Purpose::Edge, data, op.clone()));
            }
        }
        // What checkpoints have: blocks that hold whole quads.
        let op = Gemm::new(9, 150, 260).orientation(o).a(blocks(1, 128)).b(blocks(128, 128)).bias(DType::F32);
        all.push(Case::new(format!("{} 128x128 blocks", o.name()), Purpose::Edge, Data::Random, op));
    }
    let op = Gemm::new(5, 40, 96).a(blocks(1, 32)).b(blocks(1, 32));
    all.push(Case::new("1x32 blocks", Purpose::Smoke, Data::SmallIntegers, op));
    let op = Gemm::new(5, 12, 70).a(e4m3(Granularity::MX)).b(e4m3(Granularity::MX));
    all.push(Case::new("mx blocks", Purpose::Smoke, Data::SmallIntegers, op));
    let mx = e4m3(Granularity::MX);
    for data in [Data::SmallIntegers, Data::Random, Data::Specials] {
        let op = Gemm::new(5, 40, 100).a(mx).b(mx).out(mx);
        all.push(Case::new(format!("mx {data:?}"), Purpose::Edge, data, op));
    }
    all
}

/// Batches of their own, shared ones, and both along every number of axes.
fn batches() -> Vec<Case<Gemm>> {
    let mut all = vec![];
    let of: [(&[u32], &[u32]); 7] = [
        (&[3], &[3]),
        (&[3], &[]),
        (&[], &[2, 2]),
        (&[2, 3], &[3]),
        (&[3, 1], &[2]),
        (&[2, 1, 3], &[2, 2, 1]),
        (&[2, 1, 2, 1], &[2, 1, 3]),
    ];
    for (a, b) in of {
        for o in Orientation::ALL {
            let op = Gemm::new(5, 9, 6).orientation(o).batch_a(a).batch_b(b);
            let op = op.a(e4m3(PerToken)).b(e4m3(PerToken)).bias(DType::F16).residual(Element::F32);
            let purpose = if o == Orientation::Nt { Purpose::Smoke } else { Purpose::Edge };
            for (out, data) in [(Element::F32, Data::Random), (e4m3(PerToken), Data::SmallIntegers)] {
                let label = format!("{} batches {a:?} x {b:?} {data:?}", o.name());
                all.push(Case::new(label, purpose, data, op.clone().out(out)));
            }
            let op = Gemm::new(5, 9, 6).orientation(o).batch_a(a).batch_b(b);
            let label = format!("{} batches {a:?} x {b:?} specials", o.name());
            all.push(Case::new(label, Purpose::Edge, Data::Specials, op));
        }
    }
    // More tiles than one, more batches than one; a scale per matrix, which is a channel.
    let op = Gemm::new(70, 68, 20).batch([3]).orientation(Orientation::Nn).a(e4m3(PerChannel { axis: 0 }));
    all.push(Case::new("70x68x20, 3 batches", Purpose::Edge, Data::SmallIntegers, op));
    all
}

/// Every kind of residual with every factor there is.
fn residuals() -> Vec<Case<Gemm>> {
    let mut all = vec![];
    let kinds = [Element::F32, Element::F16, Element::BF16, Element::f8(Format::E5M2, PerTensor)];
    for (i, residual) in kinds.into_iter().enumerate() {
        for alpha in [1.0, -2.0, 0.0] {
            let a = [e4m3(PerToken), Element::F32][i % 2];
            let b = [e4m3(PerChannel { axis: 0 }), Element::F16][i / 2];
            let op = Gemm::new(7, 19, 13).a(a).b(b).alpha(alpha).residual(residual).bias(DType::Bf16);
            for data in [Data::SmallIntegers, Data::Random, Data::Specials] {
                let label = format!("residual {residual}, alpha {alpha} {data:?}");
                let purpose = if i == 0 && data != Data::Specials { Purpose::Smoke } else { Purpose::Edge };
                all.push(Case::new(label, purpose, data, op.clone()));
            }
            let op = op.out(e4m3(PerToken)).activation(Activation::Relu6);
            let label = format!("residual {residual}, alpha {alpha} to e4m3fn");
            all.push(Case::new(label, Purpose::Edge, Data::SmallIntegers, op));
        }
    }
    all
}

/// 1, primes, around every tile edge, K of one and of more than any bound could judge.
const ODD: [(u32, u32, u32); 13] = [
    (1, 1, 1),
    (1, 7, 5),
    (2, 3, 65_537),
    (7, 1, 13),
    (8, 32, 16),
    (9, 33, 17),
    (13, 17, 19),
    (31, 127, 15),
    (33, 129, 1),
    (63, 65, 47),
    (64, 64, 64),
    (65, 63, 49),
    (127, 31, 3),
];

pub(super) fn all() -> Vec<Case<Gemm>> {
    let mut all = vec![];
    let mut add = |label: String, purpose, data, op| all.push(Case::new(label, purpose, data, op));
    let weights = PerChannel { axis: 0 };

    // Every mix of operands at every odd shape to the bit, and at one more within the bound.
    for a in factors() {
        for b in factors() {
            let mix = format!("{}x{}", a.dtype(), b.dtype());
            for (m, n, k) in ODD {
                let op = Gemm::new(m, n, k).a(a).b(b);
                add(format!("{m}x{n}x{k} {mix}, strict"), Purpose::Edge, Data::SmallIntegers, op);
            }
            let op = Gemm::new(5, 11, 23).a(a).b(b);
            add(format!("5x11x23 {mix}, random"), Purpose::Edge, Data::Random, op);
        }
    }
    let (x, w) = (e4m3(PerToken), e4m3(weights));
    all.extend(orientations());
    all.extend(batches());
    all.extend(residuals());
    let mut add = |label: String, purpose, data, op| all.push(Case::new(label, purpose, data, op));
    for (m, n, k) in ODD {
        for (a, b) in [(x, w), (Element::F32, w), (Element::F16, Element::f8(Format::E5M2, PerTensor))] {
            for data in [Data::SmallIntegers, Data::Random] {
                let label = format!("{m}x{n}x{k} {}x{} {data:?}", a.dtype(), b.dtype());
                let purpose = if m * n <= 300 && k < 100 { Purpose::Smoke } else { Purpose::Typical };
                add(label, purpose, data, Gemm::new(m, n, k).a(a).b(b));
            }
        }
    }
    // Every output with every bias, and every activation into a wide and a narrow one.
    for out in outs(1) {
        for bias in [None, Some(DType::F32), Some(DType::F16), Some(DType::Bf16)] {
            let op = Gemm { bias, ..Gemm::new(9, 18, 21).a(x).b(w).out(out) };
            let purpose = if bias == Some(DType::F32) { Purpose::Smoke } else { Purpose::Edge };
            add(format!("out {out}, bias {bias:?}"), purpose, Data::SmallIntegers, op);
        }
    }
    for act in Activation::ALL {
        let op = Gemm::new(9, 18, 21).a(x).b(w).bias(DType::F32).activation(act);
        add(format!("{act:?}"), Purpose::Smoke, Data::Random, op.clone());
        add(format!("{act:?} to e4m3fn"), Purpose::Edge, Data::Random, op.out(e4m3(PerTensor)));
    }
    // Integers that need a bit more than bf16, or f16, has: ties, half of them up.
    for (out, k) in [(Element::BF16, 3000), (Element::F16, 65_537)] {
        let op = Gemm::new(4, 5, k).a(x).b(w).out(out);
        add(format!("ties of {out}"), Purpose::Edge, Data::SmallIntegers, op);
    }
    for f in Format::ALL {
        for overflow in [Overflow::Saturate, Overflow::Strict] {
            let op = Gemm::new(6, 10, 12).out(Element::f8(f, PerTensor)).overflow(overflow);
            for data in [Data::SmallIntegers, Data::Random, Data::Specials] {
                add(format!("out {f} {overflow:?} {data:?}"), Purpose::Edge, data, op.clone());
            }
        }
    }
    // Formats of other fields, on either side and as output.
    for f in FLEXIBLE.map(|f| Element::f8(f, PerTensor)) {
        for data in [Data::SmallIntegers, Data::Random, Data::Specials] {
            for (a, b) in [(f, w), (Element::F16, f), (f, f)] {
                let op = Gemm::new(9, 10, 21).a(a).b(b);
                add(format!("{}x{} {data:?}", a.dtype(), b.dtype()), Purpose::Edge, data, op);
            }
            let op = Gemm::new(6, 10, 12).out(f);
            add(format!("out {f} {data:?}"), Purpose::Edge, data, op);
        }
    }
    // NaN, Inf, zeros of both signs, subnormal codes: every kind of operand, every activation.
    for a in factors() {
        let op = Gemm::new(17, 19, 24).a(a).b(w);
        add(format!("specials {}", a.dtype()), Purpose::Edge, Data::Specials, op);
        let op = Gemm::new(17, 19, 24).a(w).b(a).bias(DType::F32);
        add(format!("specials in b {}", a.dtype()), Purpose::Edge, Data::Specials, op);
    }
    for act in Activation::ALL {
        let op = Gemm::new(12, 20, 8).a(x).b(w).bias(DType::F32).activation(act);
        add(format!("specials {act:?}"), Purpose::Edge, Data::Specials, op.clone());
        let op = op.out(e4m3(PerTensor));
        add(format!("specials {act:?} to e4m3fn"), Purpose::Edge, Data::Specials, op);
    }
    for act in Activation::ALL {
        let op = Gemm::new(9, 7, 12).activation(act).out(e4m3(PerTensor));
        add(format!("specials of f32, {act:?} to e4m3fn"), Purpose::Edge, Data::Specials, op);
    }
    // What users do.
    for (m, n, k) in [(1, 512, 512), (32, 256, 384), (100, 130, 257)] {
        for (a, b) in [(x, w), (Element::F32, w), (Element::BF16, Element::f8(Format::E3M4FN, weights))] {
            let op = Gemm::new(m, n, k).a(a).b(b).bias(DType::F32).activation(Activation::Silu);
            add(format!("{m}x{n}x{k} {}x{}", a.dtype(), b.dtype()), Purpose::Typical, Data::Random, op);
        }
    }
    let cube = |n| Gemm::new(n, n, n);
    for (name, a, b) in [
        ("f32xf32", Element::F32, Element::F32),
        ("e4m3xe4m3", e4m3(PerTensor), w),
        ("f32xe4m3", Element::F32, w),
    ] {
        for n in [512, 1024] {
            add(format!("{name} {n}^3"), Purpose::Bench, Data::Random, cube(n).a(a).b(b));
        }
    }
    all
}
