//! Gated activations on the GPU.

use super::{Gated, Halves};
use crate::{
    gpu::{Capabilities, Params, Schedule, Tuning},
    ops::{
        Operation,
        binding::{self, StageBuilder, in_groups},
        pieces,
    },
    shader::shader,
};

pub(super) fn schedule(o: &Gated, _: &Tuning, caps: &Capabilities) -> Schedule {
    let operands = o.operands().expect("validated");
    let out = &operands.last().expect("an operand of gated").layout;
    let first = &operands[0].layout;
    let mut stage =
        StageBuilder::new(shader!("gated/gate.wgsl")).output("out", 5, 6, out.element(), o.overflow);
    for d in o.activation.defines() {
        stage = stage.define(d);
    }
    let shared = binding::output_shared(out.element());
    let params = Params::new(&[
        ("cols", out.cols()),
        ("used_quads", out.cols().div_ceil(4)),
        ("out_quads", out.row_quads()),
    ]);
    let stage = if o.halves == Halves::Apart {
        let up = &operands[1].layout;
        let params = params
            .and(&[("gate_quads", first.row_quads())])
            .and(&in_groups!("gate", first))
            .and(&[("up_quads", up.row_quads())])
            .and(&in_groups!("up", up))
            .and(&binding::out_groups(out));
        let operands = [("out_origin", 5, out), ("gate_origin", 1, first), ("up_origin", 3, up)];
        let stage = stage.input("gate", 1, 2, first.element()).input("up", 3, 4, up.element());
        stage.stream(&operands, &params, shared, caps)
    } else {
        let (gate, up) = o.columns();
        let params = params
            .and(&[("gate_col", gate), ("up_col", up), ("x_quads", first.row_quads())])
            .and(&in_groups!("x", first))
            .and(&binding::out_groups(out));
        let operands =
            [("out_origin", 5, out, None), ("x_origin", 1, first, Some(&pieces::same as pieces::Beside<'_>))];
        let stage = stage.define("PACKED").input("x", 1, 2, first.element());
        stage.stream_beside(&operands, &params, shared, caps)
    };
    let reset = out.element().scaling().map(|_| binding::reset(out, caps));
    Schedule { stages: reset.into_iter().chain([stage]).collect(), workspace: vec![] }
}
