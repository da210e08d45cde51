//! Softmax on the GPU: a few invocations to a row, or many.

use super::{Causal, Softmax, beside};
use crate::{
    gpu::{Capabilities, Dispatch, Params, Schedule, Tuning, Usage, bind},
    ops::{
        Operation, Refusal,
        binding::{self, StageBuilder, in_groups, steps},
        pieces::{self, Beside, RowPiece},
    },
    shader::shader,
    tensor::values,
};
use std::ops::Range;

const WORKGROUP: u32 = 256;

/// Invocations of a row, and quads of a row that workgroup memory holds: what all rows of a workgroup take together
/// stays within 16 KiB.
const VARIANTS: [(u32, u32); 3] = [(8, 16), (32, 112), (256, 896)];

/// Columns whose sum keeps to the chain that the kernel declares: two steps of 64 additions by 1024 lanes of a
/// workgroup.
const COLUMNS: u32 = 64 * 64 * 4 * WORKGROUP;

pub(super) fn tunings(o: &Softmax, _: &Capabilities) -> Result<Vec<Tuning>, Refusal> {
    if beside(o).axes::<4>().is_none() {
        let why = format!(
            "a mask of {:?} broadcasts to {:?} along more than 4 axes after joining",
            o.mask, o.shape
        );
        return Err(Refusal::Unfit(why));
    }
    let cols = o.shape[o.shape.len() - 1];
    if cols > COLUMNS {
        return Err(Refusal::Limit {
            what: "columns".to_owned(),
            needed: cols.into(),
            limit: COLUMNS.into(),
        });
    }
    let keeps = VARIANTS.into_iter().filter(|v| cols.div_ceil(4) <= v.1);
    let mut all: Vec<Tuning> = keeps
        .map(|(lanes, kept)| Tuning::new(format!("l{lanes}"), &[("LANES", lanes), ("KEPT", kept)]))
        .collect();
    // For any length: made again where needed.
    all.push(Tuning::new(format!("l{WORKGROUP}again"), &[("LANES", WORKGROUP), ("KEPT", 0)]));
    Ok(all)
}

pub(super) fn schedule(o: &Softmax, t: &Tuning, caps: &Capabilities) -> Schedule {
    let operands = o.operands().expect("validated");
    let layout = |role: &str| operands.iter().find(|o| o.role == role).map(|o| &o.layout);
    let (x, out, mask) =
        (layout("x").expect("an operand"), layout("out").expect("an operand"), layout("mask"));
    let (lanes, kept) = (t.get("LANES"), t.get("KEPT"));
    let rows = WORKGROUP / lanes;

    let mut stage = StageBuilder::new(shader!("softmax/row.wgsl")).input("x", 1, 2, x.element()).output(
        "out",
        6,
        7,
        out.element(),
        o.overflow,
    );
    if let Some(mask) = mask {
        stage = stage.define("MASK").operand("mask", 3, mask.element());
    }
    if o.lengths {
        stage = stage.define("LENGTHS").bind(bind(4, values("lengths"), Usage::Read));
    }
    if o.causal != Causal::No {
        stage = stage.define("CAUSAL");
    }
    if o.causal == Causal::Offset {
        stage = stage.define("OFFSET").bind(bind(5, values("offset"), Usage::Read));
    }
    if kept > 0 {
        stage = stage.define("KEEP").constant("KEPT", kept);
    }

    let sides = beside(o);
    let of_mask = |rows: &Range<u32>| sides.span(rows)[1].clone();
    let same: Beside<'_> = &pieces::same;
    let mut cut = vec![(1, x, same), (6, out, same)];
    cut.extend(mask.map(|m| (3, m, &of_mask as Beside<'_>)));
    let axes = sides.axes().expect("accepted");
    let mask_cols = mask.map_or(1, |m| m.cols());
    let dispatch = |p: RowPiece| {
        let params = Params::new(&[
            ("row_first", p.rows.start),
            ("row_end", p.rows.end),
            ("x_origin", p.origins[0]),
            ("out_origin", p.origins[1]),
            ("mask_origin", p.origins.get(2).copied().unwrap_or(0)),
            ("queries", o.queries()),
            ("cols", x.cols()),
            ("x_quads", x.row_quads()),
            ("out_quads", out.row_quads()),
            ("mask_quads", mask.map_or(0, |m| m.row_quads())),
            ("length_rows", if o.lengths { o.length_rows() } else { 1 }),
            ("scale", o.scale.to_bits()),
        ])
        .and(&in_groups!("x", x))
        .and(&binding::out_groups(out))
        .and(&binding::axes(&axes))
        .and(&steps!("mask", axes, b, mask_cols));
        Dispatch::linear(p.rows.len().div_ceil(rows as usize) as u64, params, caps).windows(p.windows)
    };
    let dispatches = pieces::by_rows(x.rows(), &cut, caps).into_iter().map(dispatch).collect();
    let shared = 4 * WORKGROUP + 16 * rows * kept + binding::output_shared(out.element());
    let stage = stage.constant("WORKGROUP", WORKGROUP).constant("LANES", lanes);
    let reset = out.element().scaling().map(|_| binding::reset(out, caps));
    let stage = stage.build([WORKGROUP, 1, 1], shared, dispatches);
    Schedule { stages: reset.into_iter().chain([stage]).collect(), workspace: vec![] }
}
