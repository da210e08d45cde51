//! One stage: an invocation per quad of the output.

use super::{Interpolation, Upsample2d};
use crate::{
    gpu::{Capabilities, Dispatch, Params, Schedule, Tuning},
    ops::{
        Operation,
        binding::{self, LINEAR, StageBuilder, in_groups},
        pieces,
    },
    shader::shader,
};
use std::ops::Range;

pub(super) fn schedule(o: &Upsample2d, _: &Tuning, caps: &Capabilities) -> Schedule {
    let [x, out] = o.operands().expect("validated").try_into().expect("two operands");
    let (x, out) = (x.layout, out.layout);
    let ([down, across], [out_h, out_w]) = (o.axes(), o.size);
    // From the first line of the first row to the line behind that of the last.
    let needed = |rows: &Range<u32>| {
        let line = |row: u32| {
            let (image, low) = (row / out_w / out_h, down.at(row / out_w % out_h).low);
            let line = |y: u32| u64::from(image) * u64::from(down.extent) + u64::from(y);
            line(low)..line((low + 2).min(down.extent))
        };
        let width = u64::from(across.extent);
        line(rows.start).start * width..line(rows.end - 1).end * width
    };
    let pieces = pieces::by_rows(out.rows(), &[(1, &x, &needed), (3, &out, &pieces::same)], caps);
    let dispatch = |p: pieces::RowPiece| {
        let end = p.rows.len() as u64 * u64::from(out.row_quads());
        let params = Params::new(&[
            ("end", end as u32),
            ("row", p.rows.start),
            ("x_origin", p.origins[0]),
            ("out_origin", p.origins[1]),
            ("cols", out.cols()),
            ("x_quads", x.row_quads()),
            ("out_quads", out.row_quads()),
            ("out_h", out_h),
            ("out_w", out_w),
            ("h", down.extent),
            ("w", across.extent),
            ("step_h", down.step),
            ("step_w", across.step),
            ("more_h", down.more),
            ("more_w", across.more),
            ("less_h", down.less),
            ("less_w", across.less),
            ("unit_h", down.unit),
            ("unit_w", across.unit),
            ("inverse_h", down.inverse().to_bits()),
            ("inverse_w", across.inverse().to_bits()),
        ]);
        let params = params.and(&in_groups!("x", x)).and(&binding::out_groups(&out));
        Dispatch::linear(end.div_ceil(LINEAR.into()), params, caps).windows(p.windows)
    };
    let dispatches = pieces.into_iter().map(dispatch).collect();
    let mut stage = StageBuilder::new(shader!("upsample2d/stretch.wgsl"))
        .input("x", 1, 2, x.element())
        .output("out", 3, 4, out.element(), o.overflow);
    if o.interpolation != Interpolation::Nearest {
        stage = stage.define("BILINEAR");
    }
    let shared = binding::output_shared(out.element());
    let stage = stage.constant("WORKGROUP", LINEAR).build([LINEAR, 1, 1], shared, dispatches);
    let reset = out.element().scaling().map(|_| binding::reset(&out, caps));
    Schedule { stages: reset.into_iter().chain([stage]).collect(), workspace: vec![] }
}
