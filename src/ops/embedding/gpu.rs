//! Embedding on the GPU: a table beyond one binding is seen row by row, each dispatch some.

use super::Embedding;
use crate::{
    gpu::{Capabilities, DISPATCHES, Dispatch, Params, Schedule, Tuning, Usage, bind},
    ops::{
        Operation,
        binding::{self, LINEAR, StageBuilder, in_groups},
        pieces::{self, Beside},
    },
    shader::shader,
    tensor::{Layout, values},
};
use std::ops::Range;

/// Rows of the table that each of as many dispatches sees.
fn windows(table: &Layout, caps: &Capabilities) -> Vec<Range<u32>> {
    let (rows, step) = (table.rows(), pieces::rows_shown(table, caps));
    let window = |first: u32| first..first.saturating_add(step).min(rows);
    (0..rows).step_by(step as usize).take(DISPATCHES + 1).map(window).collect()
}

pub(super) fn schedule(o: &Embedding, _: &Tuning, caps: &Capabilities) -> Schedule {
    let operands = o.operands().expect("validated");
    let layout = |role: &str| operands.iter().find(|o| o.role == role).map(|o| &o.layout);
    let [index, table, out] = ["index", "table", "out"].map(|role| layout(role).expect("an operand"));
    let (residual, status) = (layout("residual"), layout("status"));

    let mut stage = StageBuilder::new(shader!("embedding/look_up.wgsl"))
        .bind(bind(1, values("index"), Usage::Read))
        .input("table", 2, 3, table.element())
        .output("out", 6, 7, out.element(), o.overflow);
    if let Some(residual) = residual {
        stage = stage.define("RESIDUAL").input("residual", 4, 5, residual.element());
    }
    if status.is_some() {
        stage = stage.define("STATUS").bind(bind(8, values("status"), Usage::ReadWrite));
    }

    let of_index = |rows: &Range<u32>| {
        u64::from(rows.start / index.cols())..u64::from((rows.end - 1) / index.cols()) + 1
    };
    let same: Beside<'_> = &pieces::same;
    let mut cut = vec![(6, out, same), (1, index, &of_index)];
    cut.extend(residual.map(|r| (4, r, same)));
    let tables = windows(table, caps);
    let of_residual = residual.unwrap_or(out);
    let mut dispatches = vec![];
    for piece in pieces::by_rows(out.rows(), &cut, caps) {
        for seen in tables.iter().take(DISPATCHES + 1 - dispatches.len()) {
            let quads = |l: &Layout| u64::from(l.row_quads());
            let (window, table_origin) = pieces::window(
                2,
                table,
                u64::from(seen.start) * quads(table)..u64::from(seen.end) * quads(table),
            );
            let (first, end) = (piece.rows.start * out.row_quads(), piece.rows.end * out.row_quads());
            let params = Params::new(&[
                ("first", first),
                ("end", end),
                ("out_origin", piece.origins[0]),
                ("index_origin", piece.origins[1]),
                ("residual_origin", piece.origins.get(2).copied().unwrap_or(0)),
                ("table_origin", table_origin),
                ("table_first", seen.start),
                ("table_end", seen.end),
                ("vocabulary", o.vocabulary),
                ("index_cols", index.cols()),
                ("index_quads", index.row_quads()),
                ("cols", out.cols()),
                ("table_quads", table.row_quads()),
                ("residual_quads", of_residual.row_quads()),
                ("out_quads", out.row_quads()),
            ])
            .and(&in_groups!("table", table))
            .and(&in_groups!("residual", of_residual))
            .and(&binding::out_groups(out));
            let mut windows = piece.windows.clone();
            windows.extend((tables.len() > 1).then_some(window));
            let groups = u64::from(end - first).div_ceil(LINEAR.into());
            dispatches.push(Dispatch::linear(groups, params, caps).windows(windows));
        }
    }
    let reset = out.element().scaling().map(|_| binding::reset(out, caps));
    let zero =
        status.map(|_| {
            // A row of one word, padded to four.
            StageBuilder::new(shader!("reduce/zero.wgsl"))
                .bind(bind(1, values("status"), Usage::Write))
                .linear(LINEAR, 4, Params::new(&[("words", 4)]), 0, caps)
        });
    let shared = binding::output_shared(out.element());
    let stage = stage.constant("WORKGROUP", LINEAR).build([LINEAR, 1, 1], shared, dispatches);
    Schedule { stages: reset.into_iter().chain(zero).chain([stage]).collect(), workspace: vec![] }
}
