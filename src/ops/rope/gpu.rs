//! Two stages: what every pair turns by, then the rotation, an invocation per quad.

use super::{Angles, Positions, Rope};
use crate::{
    gpu::{Capabilities, Params, Schedule, Tuning, Usage, bind},
    ops::{
        Operation,
        binding::{self, LINEAR, StageBuilder, in_groups},
        pieces,
    },
    shader::shader,
    tensor::{Slot, values},
};

pub(super) fn schedule(o: &Rope, _: &Tuning, caps: &Capabilities) -> Schedule {
    let operands = o.operands().expect("validated");
    let layout = |role: &str| operands.iter().find(|o| o.role == role).map(|o| &o.layout);
    let (x, out) = (layout("x").expect("an operand"), layout("out").expect("an operand"));
    let half = o.rotary / 2;

    let mut stage = StageBuilder::new(shader!("rope/rotate.wgsl")).input("x", 1, 2, x.element()).output(
        "out",
        6,
        7,
        out.element(),
        o.overflow,
    );
    if o.interleaved {
        stage = stage.define("INTERLEAVED");
    } else if half.is_multiple_of(4) {
        stage = stage.define("ALIGNED");
    }
    let (mut turns, mut workspace, mut table) = (None, vec![], [1, 0]);
    if let (Angles::Tables { rows, .. }, Some(cos), Some(sin)) = (o.angles, layout("cos"), layout("sin")) {
        stage = stage.define("TABLES").operand("cos", 3, cos.element()).operand("sin", 4, sin.element());
        table = [rows, cos.row_quads()];
    } else {
        let turned = StageBuilder::new(shader!("rope/turns.wgsl"))
            .bind(bind(1, values("frequencies"), Usage::Read))
            .bind(bind(2, Slot::Workspace(0), Usage::Write));
        turns = Some(turned.linear(LINEAR, half.into(), Params::new(&[("pairs", half)]), 0, caps));
        stage = stage.bind(bind(3, Slot::Workspace(0), Usage::Read));
        workspace.push(16 * u64::from(half));
    }
    stage = match o.positions {
        Positions::FromZero => stage,
        Positions::Offset => stage.define("OFFSET").bind(bind(5, values("offset"), Usage::Read)),
        _ => stage.define("POSITIONS").bind(bind(5, values("positions"), Usage::Read)),
    };
    let params = Params::new(&[
        ("cols", out.cols()),
        ("x_quads", x.row_quads()),
        ("out_quads", out.row_quads()),
        ("rotary", o.rotary),
        ("half", half),
        ("token_rows", o.token_rows()),
        ("tokens", o.tokens()),
        ("sequence_rows", o.sequence_rows()),
        ("position_words", layout("positions").map_or(0, |p| 4 * p.row_quads())),
        ("table_rows", table[0]),
        ("table_quads", table[1]),
        ("scale", o.scale.to_bits()),
    ])
    .and(&in_groups!("x", x))
    .and(&binding::out_groups(out));
    // A pair may lie anywhere in its row.
    let operands =
        [("out_origin", 6, out, None), ("x_origin", 1, x, Some(&pieces::same as pieces::Beside<'_>))];
    let stage = stage.stream_beside(&operands, &params, binding::output_shared(out.element()), caps);
    let reset = out.element().scaling().map(|_| binding::reset(out, caps));
    Schedule { stages: reset.into_iter().chain(turns).chain([stage]).collect(), workspace }
}
