//! Element-wise pairs on the GPU.

use super::{Binary, BinaryOp};
use crate::{
    gpu::{Capabilities, Params, Schedule, Tuning},
    ops::{
        Operation, Refusal,
        binding::{self, StageBuilder, in_groups, steps},
        pieces::Beside,
    },
    shader::shader,
    tensor::Layout,
};
use std::ops::Range;

pub(super) fn tunings(o: &Binary, _: &Capabilities) -> Result<Vec<Tuning>, Refusal> {
    if o.rows().axes::<4>().is_none() {
        let why = format!(
            "{:?} and {:?} broadcast along more than 4 axes of rows after joining",
            o.a_shape, o.b_shape
        );
        return Err(Refusal::Unfit(why));
    }
    Ok(vec![Tuning::new("", &[])])
}

pub(super) fn schedule(o: &Binary, _: &Tuning, caps: &Capabilities) -> Schedule {
    let [a, b, out] = o.operands().expect("validated").try_into().expect("three operands");
    let (a, b, out) = (a.layout, b.layout, out.layout);
    let rows = o.rows();
    let axes = rows.axes().expect("accepted");
    let params = Params::new(&[
        ("cols", out.cols()),
        ("used_quads", out.cols().div_ceil(4)),
        ("a_quads", a.row_quads()),
        ("b_quads", b.row_quads()),
        ("out_quads", out.row_quads()),
    ])
    .and(&in_groups!("a", a))
    .and(&in_groups!("b", b))
    .and(&binding::out_groups(&out))
    .and(&binding::axes(&axes))
    .and(&steps!("a", axes, a, a.cols()))
    .and(&steps!("b", axes, b, b.cols()));
    let mut stage = StageBuilder::new(shader!("binary/combine.wgsl"))
        .define(match o.op {
            BinaryOp::Add => "ADD",
            BinaryOp::Sub => "SUB",
            BinaryOp::Mul => "MUL",
            BinaryOp::Div => "DIV",
        })
        .input("a", 1, 2, a.element())
        .input("b", 3, 4, b.element())
        .output("out", 5, 6, out.element(), o.overflow);
    for d in o.activation.defines() {
        stage = stage.define(d);
    }
    let of_a = |piece: &Range<u32>| rows.span(piece)[0].clone();
    let of_b = |piece: &Range<u32>| rows.span(piece)[1].clone();
    let same = |l: &Layout| (l.rows(), l.cols()) == (out.rows(), out.cols());
    let a_beside = (!same(&a)).then_some(&of_a as Beside<'_>);
    let b_beside = (!same(&b)).then_some(&of_b as Beside<'_>);
    let operands =
        [("out_origin", 5, &out, None), ("a_origin", 1, &a, a_beside), ("b_origin", 3, &b, b_beside)];
    let shared = binding::output_shared(out.element());
    let stage = stage.stream_beside(&operands, &params, shared, caps);
    let reset = out.element().scaling().map(|_| binding::reset(&out, caps));
    Schedule { stages: reset.into_iter().chain([stage]).collect(), workspace: vec![] }
}
