//! What tests and benches run of the normalisations.

use super::{
    columns::{ColumnNorm, Source},
    rows::RowNorm,
};
use crate::{
    dtype::{Format, Overflow},
    ops::{
        Activation, Case,
        Data::{self, Random, SmallIntegers, Specials},
        Purpose::{self, Bench, Edge, Smoke, Typical},
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

/// Cases of one operation on columns as they are added.
struct Columns<'a, O> {
    plain: &'a ColumnNorm,
    all: Vec<Case<O>>,
}

impl<O: From<ColumnNorm>> Columns<'_, O> {
    /// Of this shape, with gamma and beta.
    fn of(&self, shape: &[u32], groups: u32) -> ColumnNorm {
        let mut o = self.plain.clone();
        o.norm.shape = shape.to_vec();
        o.groups = o.groups.map(|_| groups);
        (o.norm.gamma, o.norm.beta) = (Some(DType::F32), Some(DType::F32));
        o
    }

    fn add(&mut self, label: &str, purpose: Purpose, data: Data, o: &ColumnNorm) {
        let mut o = o.clone();
        if data == SmallIntegers {
            // One number deviates by nothing.
            o.norm.epsilon = if o.rows() * o.width() == 1 { 1.0 } else { 0.0 };
        }
        let label = format!("{label} {:?} {data:?}", o.norm.shape);
        self.all.push(Case::new(label, purpose, data, O::from(o)));
    }

    /// All data; those that are strict where statistics are exact.
    fn data(&mut self, label: &str, purpose: Purpose, o: &ColumnNorm) {
        self.add(label, purpose, Random, o);
        if o.source == Source::Given || exact(u64::from(o.rows()) * u64::from(o.width())) {
            self.add(label, purpose, SmallIntegers, o);
        }
        self.add(label, Edge, Specials, o);
    }

    /// Every kind of operand and output on one shape whose statistics are exact.
    fn kinds(&mut self, shape: &[u32], groups: u32) {
        for x in kinds() {
            let mut o = self.of(shape, groups);
            o.norm.x = x;
            self.data(&format!("x {x}"), Edge, &o);
        }
        let last = shape.len() as u8 - 1;
        for g in [PerToken, PerChannel { axis: 0 }, PerChannel { axis: last }, PerBlock { rows: 2, cols: 5 }]
        {
            let mut o = self.of(shape, groups);
            o.norm.x = e4m3(g);
            self.data(&format!("x {}", o.norm.x), Edge, &o);
        }
        for out in outs(last) {
            let mut o = self.of(shape, groups);
            o.norm.out = out;
            self.data(&format!("out {out}"), Smoke, &o);
        }
        for (i, f) in FLEXIBLE.into_iter().chain([Format::E5M2, Format::E4M3FNUZ]).enumerate() {
            let mut o = self.of(shape, groups);
            o.norm.overflow = if i % 2 == 0 { Overflow::Saturate } else { Overflow::Strict };
            o.norm.out = Element::f8(f, PerTensor);
            self.data(&format!("out {f} {:?}", o.norm.overflow), Edge, &o);
        }
        let e5m2 = Element::f8(Format::E5M2, PerTensor);
        for (i, residual) in [Element::F32, Element::F16, Element::BF16, e5m2].into_iter().enumerate() {
            let mut o = self.of(shape, groups);
            o.norm.residual = Some(residual);
            o.norm.x = [Element::F16, Element::F32, e4m3(PerToken), Element::F32][i];
            o.norm.gamma = [None, Some(DType::F16), Some(DType::Bf16), None][i];
            o.norm.beta = [None, None, Some(DType::F16), Some(DType::Bf16)][i];
            self.data(&format!("residual {residual}"), Smoke, &o);
        }
        for act in Activation::ALL {
            let mut o = self.of(shape, groups);
            o.norm.activation = act;
            self.add(&format!("{act:?}"), Edge, Random, &o);
            self.add(&format!("{act:?}"), Edge, Specials, &o);
        }
        for epsilon in [0.0, 0.5] {
            let mut o = self.of(shape, groups);
            o.norm.epsilon = epsilon;
            self.add(&format!("epsilon {epsilon}"), Edge, Random, &o);
        }
    }

    /// Images, as networks have them.
    fn images(&mut self, label: &str, shape: &[u32], groups: u32) {
        for (x, out) in [(Element::F16, Element::F16), (Element::F32, e4m3(PerTensor))] {
            let mut o = self.of(shape, groups);
            (o.norm.x, o.norm.out) = (x, out);
            self.add(&format!("{label}{} to {}", x.dtype(), out.dtype()), Bench, Random, &o);
        }
    }
}

/// Of an operation on groups of channels of a sample, on these shapes and numbers of groups, the first for every kind.
/// Strict data: see `Draw::Balanced`; groups of 3 numbers, and of n where 1 / n · n is not 1, have none.
pub(super) fn groups<O: From<ColumnNorm>>(plain: &ColumnNorm, shapes: &[([u32; 3], u32)]) -> Vec<Case<O>> {
    let mut c = Columns { plain, all: vec![] };
    for (shape, groups) in shapes {
        c.data("", Smoke, &c.of(shape, *groups));
    }
    // One row, one channel, one number; more than one chunk, and than one tree.
    for shape in [&[5, 16][..], &[2, 2, 2, 1], &[1, 1], &[1, 1025, 2], &[2, 200, 68], &[1, 33_000, 1]] {
        c.data("", Edge, &c.of(shape, 1));
    }
    c.data("a group per channel", Edge, &c.of(&[2, 37, 12], 12));
    let (shape, groups) = shapes[0];
    c.kinds(&shape, groups);
    let mut o = c.of(&[2, 64, 64], 8);
    o.norm.activation = Activation::Silu;
    (o.norm.x, o.norm.out) = (Element::F16, e4m3(PerTensor));
    c.add("f16 to e4m3fn", Typical, Random, &o);
    c.images("", &[8, 64, 64, 320], 32);
    c.all
}

/// Of batch normalisation. Strict data of training: the unbiased variance is exact where n − 1 is a power of two.
pub(super) fn batches<O: From<ColumnNorm>>(inference: &ColumnNorm, training: &ColumnNorm) -> Vec<Case<O>> {
    let mut c = Columns { plain: inference, all: vec![] };
    for shape in [&[1u32][..], &[3, 7], &[2, 3, 3, 68], &[37, 5]] {
        c.data("inference", Smoke, &c.of(shape, 1));
    }
    c.kinds(&[5, 23], 1);
    c.images("inference, ", &[8, 64, 64, 256], 1);
    let mut t = Columns { plain: training, all: c.all };
    for shape in [&[2u32, 6][..], &[5, 3], &[3, 11, 7], &[65, 9], &[13, 5, 68]] {
        t.data("training", Smoke, &t.of(shape, 1));
    }
    for shape in [&[1025, 2][..], &[129, 300], &[32_769, 1]] {
        t.data("training", Edge, &t.of(shape, 1));
    }
    let e5m2 = Element::f8(Format::E5M2, PerTensor);
    for (x, residual, out) in [
        (Element::F16, None, Element::F16),
        (Element::BF16, Some(Element::F16), e4m3(PerChannel { axis: 1 })),
        (e4m3(PerToken), Some(e5m2), Element::F32),
        (e4m3(PerChannel { axis: 1 }), None, e5m2),
    ] {
        let mut o = t.of(&[17, 30], 1);
        (o.norm.x, o.norm.residual, o.norm.out) = (x, residual, out);
        t.data(&format!("training {x} to {out}"), Edge, &o);
    }
    let mut o = t.of(&[33, 19], 1);
    o.saved = false;
    t.data("training, nothing saved", Edge, &o);
    let mut o = t.of(&[4, 16, 16, 24], 1);
    (o.norm.x, o.norm.activation) = (Element::F16, Activation::Relu);
    t.add("training f16, relu", Typical, Random, &o);
    t.images("training, ", &[8, 64, 64, 256], 1);
    t.all
}
