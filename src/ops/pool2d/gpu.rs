//! One stage: an invocation per quad of the output, or a workgroup per eight of them.

use super::{Pool2d, Pooling};
use crate::{
    gpu::{Capabilities, Dispatch, Params, Schedule, Tuning},
    ops::{
        Operation, Refusal,
        binding::{self, LINEAR, StageBuilder, in_groups},
        pieces,
    },
    shader::shader,
};
use std::ops::Range;

/// Windows that a workgroup shares out among its lanes: fewer numbers leave lanes idle, more make chains longer than the
/// kernel says.
const SHARED: Range<u64> = 64..(1 << 18) + 1;
/// Quads that a workgroup of `tree` makes, and lanes to each.
const QUADS: u32 = 8;

pub(super) fn tree(o: &Pool2d, _: &Capabilities) -> Result<Vec<Tuning>, Refusal> {
    let taps = u64::from(o.kernel[0]) * u64::from(o.kernel[1]);
    if SHARED.contains(&taps) {
        return Ok(vec![Tuning::new("", &[])]);
    }
    Err(Refusal::Unfit(format!("windows of {} to {} numbers", SHARED.start, SHARED.end - 1)))
}

pub(super) fn schedule(o: &Pool2d, tree: bool, caps: &Capabilities) -> Schedule {
    let [x, out] = o.operands().expect("validated").try_into().expect("two operands");
    let (x, out) = (x.layout, out.layout);
    let ([down, across], [out_h, out_w]) = (o.axes(), o.windows());
    // The rows of x from the first window's first to the last window's last.
    let needed = |rows: &Range<u32>| {
        let line = |row: u32| {
            let image = u64::from(row / out_w / out_h) * u64::from(down.extent);
            let lines = down.lines(row / out_w % out_h);
            image + lines.start..image + lines.end
        };
        let width = u64::from(across.extent);
        line(rows.start).start * width..line(rows.end - 1).end * width
    };
    let pieces = pieces::by_rows(out.rows(), &[(1, &x, &needed), (3, &out, &pieces::same)], caps);
    let groups = if tree { out.row_quads().div_ceil(QUADS) } else { out.row_quads() };
    let dispatch = |p: pieces::RowPiece| {
        let end = p.rows.len() as u64 * u64::from(groups);
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
            ("kernel_h", down.kernel),
            ("kernel_w", across.kernel),
            ("stride_h", down.stride),
            ("stride_w", across.stride),
            ("top", down.before),
            ("left", across.before),
            ("padded_h", down.padded() as u32),
            ("padded_w", across.padded() as u32),
            ("dilation_h", down.dilation),
            ("dilation_w", across.dilation),
            ("count_padding", u32::from(o.pooling == Pooling::AverageWithPadding)),
        ]);
        let params = params.and(&in_groups!("x", x)).and(&binding::out_groups(&out));
        let groups = if tree { end } else { end.div_ceil(LINEAR.into()) };
        Dispatch::linear(groups, params, caps).windows(p.windows)
    };
    let shader = if tree { shader!("pool2d/tree.wgsl") } else { shader!("pool2d/plain.wgsl") };
    let mut stage = StageBuilder::new(shader).input("x", 1, 2, x.element()).output(
        "out",
        3,
        4,
        out.element(),
        o.overflow,
    );
    if o.pooling == Pooling::Max {
        stage = stage.define("MAX");
    }
    for name in o.activation.defines() {
        stage = stage.define(name);
    }
    let dispatches = pieces.into_iter().map(dispatch).collect();
    let shared = binding::output_shared(out.element());
    let mut stages = vec![];
    if out.element().scaling().is_some() {
        stages.push(binding::reset(&out, caps));
    }
    stages.push(if tree {
        stage.build([256, 1, 1], shared + 256 * 16, dispatches)
    } else {
        stage.constant("WORKGROUP", LINEAR).build([LINEAR, 1, 1], shared, dispatches)
    });
    Schedule { stages, workspace: vec![] }
}
