//! Statistics over rows and columns on the GPU: sums of chunks of rows, a tree for each group, twice; then one pass that
//! applies them. No order depends on timing.

use super::{
    columns::{CHUNK, ColumnNorm, Source},
    ends, operand,
};
use crate::{
    gpu::{Capabilities, Dispatch, Params, Schedule, Stage, Usage, bind},
    ops::{
        binding::{self, LINEAR, StageBuilder, in_groups},
        pieces::{self, Beside},
    },
    shader::shader,
    tensor::{Layout, Operand, Slot, values},
};

/// Sums of chunks: \[samples, chunks, quads of columns\].
const PARTIALS: Slot = Slot::Workspace(1);
/// Mean and inverse deviation: \[samples, groups\].
const MOMENTS: Slot = Slot::Workspace(0);

impl ColumnNorm {
    fn chunks(&self) -> u32 {
        self.rows().div_ceil(CHUNK)
    }

    pub(super) fn schedule(&self, caps: &Capabilities) -> Schedule {
        let all = self.operands().expect("validated");
        let mut stages = ends::resets(&all, caps);
        let groups = u64::from(self.samples()) * u64::from(self.groups());
        // Workspaces are whole vectors.
        let mut workspace = vec![(8 * groups).next_multiple_of(16)];
        if self.source == Source::Given {
            stages.push(self.given(caps));
        } else {
            let quads = u64::from(self.cols().div_ceil(4));
            let chunks = u64::from(self.samples()) * u64::from(self.chunks());
            workspace.push(chunks.saturating_mul(16 * quads));
            for squares in [false, true] {
                stages.push(self.partial(&all, squares, caps));
                stages.push(self.finish(squares, groups, caps));
            }
        }
        stages.push(self.apply(&all, caps));
        Schedule { stages, workspace }
    }

    fn given(&self, caps: &Capabilities) -> Stage {
        let params = Params::new(&[("cols", self.cols()), ("epsilon", self.norm.epsilon.to_bits())]);
        StageBuilder::new(shader!("norm/given.wgsl"))
            .bind(bind(2, MOMENTS, Usage::Write))
            .bind(bind(3, values("running_mean"), Usage::Read))
            .bind(bind(4, values("running_var"), Usage::Read))
            .linear(LINEAR, self.cols().into(), params, 0, caps)
    }

    fn partial(&self, all: &[Operand], squares: bool, caps: &Capabilities) -> Stage {
        let x = &operand(all, "x").expect("an operand").layout;
        let residual = operand(all, "residual").map(|o| &o.layout);
        let stage = ends::load(StageBuilder::new(shader!("norm/partial.wgsl")), all);
        let mut stage = stage.bind(bind(9, PARTIALS, Usage::Write)).constant("WORKGROUP", LINEAR);
        if squares {
            stage = stage.define("SQUARES").bind(bind(10, MOMENTS, Usage::Read));
        }
        let (rows, chunks, quads) = (self.rows(), self.chunks(), self.cols().div_ceil(4));
        let dispatch = |piece: pieces::RowPiece| {
            let params = Params::new(&[
                ("first", piece.rows.start),
                ("end", piece.rows.end),
                ("cols", self.cols()),
                ("quads", quads),
                ("rows", rows),
                ("chunks", chunks),
                ("chunk", CHUNK),
                ("groups", self.groups()),
                ("group_cols", self.width()),
                ("x_quads", x.row_quads()),
                ("x_origin", piece.origins[0]),
            ])
            .and(&in_groups!("x", x))
            .and(&[
                ("residual_quads", residual.map_or(0, Layout::row_quads)),
                ("residual_origin", piece.origins.get(1).copied().unwrap_or(0)),
            ]);
            let items = piece.rows.len() as u64 * u64::from(quads);
            Dispatch::linear(items.div_ceil(LINEAR.into()), params, caps).windows(piece.windows)
        };
        // What is counted is chunks.
        let first = |chunk: u32| {
            let within = u64::from(chunk % chunks) * u64::from(CHUNK);
            u64::from(chunk / chunks) * u64::from(rows) + within.min(rows.into())
        };
        let of = |chunks: &std::ops::Range<u32>| first(chunks.start)..first(chunks.end);
        let mut windows: Vec<(u32, &Layout, Beside<'_>)> = vec![(1, x, &of)];
        windows.extend(residual.map(|l| (3, l, &of as Beside<'_>)));
        let pieces = pieces::by_rows(self.samples() * chunks, &windows, caps);
        stage.build([LINEAR, 1, 1], 0, pieces.into_iter().map(dispatch).collect())
    }

    fn finish(&self, squares: bool, groups: u64, caps: &Capabilities) -> Stage {
        let usage = if squares { Usage::ReadWrite } else { Usage::Write };
        let mut stage = StageBuilder::new(shader!("norm/finish.wgsl"))
            .bind(bind(1, PARTIALS, Usage::Read))
            .bind(bind(2, MOMENTS, usage));
        if squares {
            stage = stage.define("SQUARES");
            if self.source != Source::Found {
                stage = stage
                    .define("RUNNING")
                    .bind(bind(3, values("running_mean"), Usage::ReadWrite))
                    .bind(bind(4, values("running_var"), Usage::ReadWrite));
            }
            if self.saved {
                stage = stage.define("SAVED").bind(bind(5, values("saved_mean"), Usage::Write)).bind(bind(
                    6,
                    values("saved_inv_std"),
                    Usage::Write,
                ));
            }
        }
        let (keep, momentum, unbiased) = self.tracking();
        let params = Params::new(&[
            ("quads", self.cols().div_ceil(4)),
            ("chunks", self.chunks()),
            ("groups", self.groups()),
            ("group_cols", self.width()),
            ("count", groups as u32),
            ("inverse_count", self.inverse_count().to_bits()),
            ("unbiased", unbiased.to_bits()),
            ("epsilon", self.norm.epsilon.to_bits()),
            ("keep", keep.to_bits()),
            ("momentum", momentum.to_bits()),
            ("padded", self.cols().next_multiple_of(4)),
        ]);
        // As few lanes as add up sixteen numbers each, one after the other.
        let parts = u64::from(self.chunks()) * u64::from(self.width());
        let lanes = if parts <= 1024 { 64 } else { 256 };
        let dispatch = Dispatch::linear(groups, params, caps);
        stage.constant("WORKGROUP", lanes).build([lanes, 1, 1], 4 * lanes + 4, vec![dispatch])
    }

    fn apply(&self, all: &[Operand], caps: &Capabilities) -> Stage {
        let layout = |role| operand(all, role).map(|o| &o.layout);
        let (x, out) = (layout("x").expect("an operand"), layout("out").expect("an operand"));
        let residual = layout("residual");
        let stage = ends::load(StageBuilder::new(shader!("norm/apply.wgsl")), all);
        let stage = ends::affine(stage, &self.norm, all).bind(bind(10, MOMENTS, Usage::Read));
        let mut windows = vec![("out_origin", 7, out), ("x_origin", 1, x)];
        windows.extend(residual.map(|l| ("residual_origin", 3, l)));
        let params = Params::new(&[
            ("cols", self.cols()),
            ("quads", self.cols().div_ceil(4)),
            ("rows", self.rows()),
            ("groups", self.groups()),
            ("group_cols", self.width()),
            ("x_quads", x.row_quads()),
        ])
        .and(&in_groups!("x", x))
        .and(&[("residual_quads", residual.map_or(0, Layout::row_quads)), ("out_quads", out.row_quads())])
        .and(&binding::out_groups(out));
        stage.stream(&windows, &params, binding::output_shared(out.element()), caps)
    }
}
