//! What tests and benches run of the normalisations.

use super::rows::RowNorm;
use crate::{
    dtype::{Format, Overflow},
    ops::{
        Activation, Case,
        Data::{Random, SmallIntegers, Specials},
        Purpose::{Bench, Edge, Smoke, Typical},
        kinds::{FLEXIBLE, kinds, outs},
    },
    scale::Granularity::{self, PerBlock, PerChannel, PerTensor, PerToken},
    tensor::{DType, Element},
};

fn e4m3(g: Granularity) -> Element {
    Element::f8(Format::E4M3FN, g)
}

/// Whether so many numbers can have an exact mean and variance: 1 / n is rounded, but n of it must be 1 again.
fn exact(n: u64) -> bool {
    n != 3 && (f64::from((1.0 / n as f64) as f32) * n as f64 - 1.0).abs() <= 2f64.powi(-25)
}

/// Of an operation on rows, from its plainest descriptor. Strict data have an exact mean and variance (`Draw::Balanced`),
/// and ε is 0 there; rows of 3, and lengths n where 1 / n · n is not 1, have none.
pub(super) fn rows<O: From<RowNorm>>(plain: &RowNorm) -> Vec<Case<O>> {
    let mut all = vec![];
    let mut add = |label: String, purpose, data, o: &RowNorm| {
        let mut o = o.clone();
        if data == SmallIntegers {
            // A row of one number deviates by nothing.
            let one = o.norm.shape.last() == Some(&1) && o.centred;
            o.norm.epsilon = if one { 1.0 } else { 0.0 };
        }
        all.push(Case::new(label, purpose, data, O::from(o)));
    };
    let of = |shape: &[u32]| {
        let mut o = plain.clone();
        o.norm.shape = shape.to_vec();
        o.norm.gamma = Some(DType::F32);
        o.norm.beta = o.centred.then_some(DType::F32);
        o
    };

    // Around every number of lanes and of quads that are held, and beyond what is.
    for shape in [
        &[1u32][..],
        &[5, 1],
        &[7, 3],
        &[9, 2],
        &[2, 3, 21],
        &[37, 65],
        &[17, 257],
        &[5, 259],
        &[3, 384],
        &[3, 768],
        &[3, 1000],
        &[2, 1027],
        &[2, 4096],
        &[2, 4097],
        &[3, 8192],
        &[2, 8195],
        &[1, 40_001],
    ] {
        let cols = *shape.last().expect("a shape");
        let purpose = if cols <= 1000 { Smoke } else { Edge };
        for data in [Random, SmallIntegers, Specials] {
            let purpose = if data == Specials { Edge } else { purpose };
            if data != SmallIntegers || exact(cols.into()) {
                add(format!("{shape:?} {data:?}"), purpose, data, &of(shape));
            }
        }
    }
    for epsilon in [0.0, 0.5, f32::MIN_POSITIVE] {
        let mut o = of(&[5, 40]);
        o.norm.epsilon = epsilon;
        add(format!("epsilon {epsilon:e}"), Edge, Random, &o);
    }
    let mut zero = of(&[3, 1]);
    zero.norm.epsilon = 0.0;
    add("epsilon 0, one column".to_owned(), Edge, SmallIntegers, &zero);

    // Every kind of operand.
    for x in kinds().into_iter().chain(FLEXIBLE.map(|f| Element::f8(f, PerTensor))) {
        let mut o = of(&[11, 43]);
        o.norm.x = x;
        let strict = x.format().is_none_or(|f| Format::ALL.contains(&f));
        for data in [Random, Specials].into_iter().chain(strict.then_some(SmallIntegers)) {
            add(format!("x {x} {data:?}"), Edge, data, &o);
        }
    }
    for g in [PerToken, PerChannel { axis: 0 }, PerChannel { axis: 2 }, PerBlock { rows: 2, cols: 5 }] {
        let mut o = of(&[2, 5, 33]);
        o.norm.x = e4m3(g);
        for data in [Random, SmallIntegers, Specials] {
            let purpose = if data == Specials { Edge } else { Smoke };
            add(format!("x {} {data:?}", o.norm.x), purpose, data, &o);
        }
    }
    for (gamma, beta) in [
        (None, None),
        (None, Some(DType::F32)),
        (Some(DType::F16), Some(DType::Bf16)),
        (Some(DType::Bf16), None),
        (None, Some(DType::F16)),
    ] {
        let mut o = of(&[4, 65]);
        (o.norm.gamma, o.norm.beta) = (gamma, beta);
        let kind = |k: Option<DType>| k.map_or("none".to_owned(), |k| k.to_string());
        for data in [Random, SmallIntegers, Specials] {
            add(format!("gamma {}, beta {} {data:?}", kind(gamma), kind(beta)), Edge, data, &o);
        }
    }
    let mut o = of(&[4, 65]);
    o.norm.zero_centred = true;
    for data in [Random, SmallIntegers, Specials] {
        add(format!("zero-centred {data:?}"), Edge, data, &o);
    }

    // Every kind of output.
    for out in outs(1) {
        let mut o = of(&[7, 19]);
        o.norm.out = out;
        for data in [Random, SmallIntegers, Specials] {
            let purpose = if data == Specials { Edge } else { Smoke };
            add(format!("out {out} {data:?}"), purpose, data, &o);
        }
    }
    for (i, f) in Format::ALL.into_iter().chain(FLEXIBLE).enumerate() {
        let mut o = of(&[11, 43]);
        o.norm.x = Element::F16;
        o.norm.out = Element::f8(f, PerTensor);
        o.norm.overflow = if i % 2 == 0 { Overflow::Saturate } else { Overflow::Strict };
        for data in [Random, SmallIntegers, Specials] {
            add(format!("f16 to {f} {:?} {data:?}", o.norm.overflow), Edge, data, &o);
        }
    }
    for act in Activation::ALL {
        let mut o = of(&[11, 19]);
        o.norm.activation = act;
        for data in [Random, Specials] {
            add(format!("{act:?} {data:?}"), Edge, data, &o);
        }
    }
    let mut o = of(&[11, 19]);
    (o.norm.activation, o.norm.out) = (Activation::Silu, e4m3(PerToken));
    add("silu to e4m3fn".to_owned(), Edge, Random, &o);

    // Residuals, and sums that are kept.
    let e5m2 = Element::f8(Format::E5M2, PerTensor);
    let kinds = [Element::F32, Element::F16, Element::BF16, e5m2];
    for (i, residual) in kinds.into_iter().enumerate() {
        for (sum, out) in
            [(None, Element::F32), (Some(kinds[(i + 1) % 4]), [Element::F16, e4m3(PerToken)][i % 2])]
        {
            let mut o = of(&[9, 65]);
            o.norm.x = kinds[(i + 2) % 4];
            (o.norm.residual, o.sum, o.norm.out) = (Some(residual), sum, out);
            let kept = sum.map_or("none".to_owned(), |s| s.to_string());
            for data in [Random, SmallIntegers, Specials] {
                let purpose = if i == 3 && data != Specials { Smoke } else { Edge };
                add(format!("residual {residual}, sum {kept} {data:?}"), purpose, data, &o);
            }
        }
    }
    // 4 096 columns of f32 are 4 096 of codes, padded to more quads; a row that is read again.
    for cols in [4093, 8201] {
        let mut o = of(&[2, cols]);
        (o.norm.residual, o.sum, o.norm.out) = (Some(Element::F16), Some(e5m2), e4m3(PerTensor));
        add(format!("residual and sum of {cols}"), Edge, Random, &o);
    }

    // What users do: f16 activations into 8-bit products.
    for cols in [768, 4096] {
        let mut o = of(&[4, cols]);
        (o.norm.x, o.norm.out) = (Element::F16, e4m3(PerTensor));
        (o.norm.residual, o.sum) = (Some(Element::BF16), Some(Element::BF16));
        add(format!("[4, {cols}] f16 + bf16 to e4m3fn"), Typical, Random, &o);
        add(format!("[4, {cols}] f32"), Typical, Random, &of(&[4, cols]));
    }
    for (x, out) in [(Element::F16, Element::F16), (Element::F32, e4m3(PerTensor))] {
        let mut o = of(&[4096, 4096]);
        (o.norm.x, o.norm.out) = (x, out);
        add(format!("{} to {} 4096x4096", x.dtype(), out.dtype()), Bench, Random, &o);
    }
    all
}
