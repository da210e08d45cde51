//! One stage per input: eight storage buffers are not enough for all at once.

use super::{Concat, ROLES};
use crate::{
    gpu::{Capabilities, Dispatch, Params, Schedule, Stage, Tuning},
    ops::{
        Operation,
        binding::{self, LINEAR, StageBuilder, in_groups},
        pieces,
    },
    shader::shader,
    tensor::{Layout, Slot},
};

pub(super) fn schedule(o: &Concat, _: &Tuning, caps: &Capabilities) -> Schedule {
    let mut operands = o.operands().expect("validated");
    let out = operands.pop().expect("an output").layout;
    let mut stages = vec![];
    if out.element().scaling().is_some() {
        stages.push(binding::reset(&out, caps));
    }
    let last = operands.len() - 1;
    for ((i, x), start) in operands.iter().enumerate().zip(o.starts()) {
        stages.push(stage(o, (ROLES[i], &x.layout), &out, (start, i == last), caps));
    }
    Schedule { stages, workspace: vec![] }
}

/// One input, from `start` along the axis on.
fn stage(
    o: &Concat,
    (role, x): (&'static str, &Layout),
    out: &Layout,
    (start, last): (u32, bool),
    caps: &Capabilities,
) -> Stage {
    // Columns that it writes, padding by the last; rows until the axis starts over, here and there.
    let (cols, blocks, first_row) = if o.within_rows() {
        let end = if last { 4 * out.row_quads() } else { start + x.cols() };
        (start..end, [1, 1], 0)
    } else {
        let blocks = [x, out].map(|l| o.block(l.shape()[o.axis]));
        (0..4 * out.row_quads(), blocks, o.block(start))
    };
    let quads = cols.start / 4..cols.end.div_ceil(4);
    let width = u64::from(quads.end - quads.start);
    let own = [("cols", out.cols()), ("x_quads", x.row_quads()), ("out_quads", out.row_quads())];
    let where_to = [
        ("block", blocks[0] as u32),
        ("out_block", blocks[1] as u32),
        ("out_row", first_row as u32),
        ("quad", quads.start),
        ("quads", width as u32),
        ("col_start", cols.start),
        ("col_end", cols.end),
    ];
    let there = |row: u32| u64::from(row) / blocks[0] * blocks[1] + first_row + u64::from(row) % blocks[0];
    let to = |rows: &std::ops::Range<u32>| there(rows.start)..there(rows.end - 1) + 1;
    let pieces = pieces::by_rows(x.rows(), &[(1, x, &pieces::same), (3, out, &to)], caps);
    let dispatch = |p: pieces::RowPiece| {
        let count = p.rows.len() as u64 * width;
        let params = Params::new(&[
            ("end", count as u32),
            ("x_row", p.rows.start),
            ("x_origin", p.origins[0]),
            ("out_origin", p.origins[1]),
        ]);
        let params = params.and(&own).and(&where_to).and(&in_groups!("x", x)).and(&binding::out_groups(out));
        Dispatch::linear(count.div_ceil(LINEAR.into()), params, caps).windows(p.windows)
    };
    let mut stage = StageBuilder::new(shader!("concat/part.wgsl")).input("x", 1, 2, x.element()).output(
        "out",
        3,
        4,
        out.element(),
        o.overflow,
    );
    // A quad that it shares with others.
    if cols.start % 4 != 0 || cols.end % 4 != 0 {
        stage = stage.define("SHARED");
    }
    let dispatches = pieces.into_iter().map(dispatch).collect();
    let shared = binding::output_shared(out.element());
    let mut stage = stage.constant("WORKGROUP", LINEAR).build([LINEAR, 1, 1], shared, dispatches);
    // Every input is `x` to the shader.
    for b in &mut stage.bindings {
        if let Slot::Of("x", part) = b.slot {
            b.slot = Slot::Of(role, part);
        }
    }
    stage
}
