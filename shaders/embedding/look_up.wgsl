// Rows of a table by index, one quad per invocation. A dispatch sees rows table_first to table_end of the table and
// writes what is looked up there; an index beyond the table, which gives zeros, is the first one's.
#import lib/grid.wgsl
#import lib/ieee.wgsl
#import lib/real.wgsl x=table X=TABLE at=2 scales=3
#import lib/output.wgsl x=out X=OUT at=6 record=7
#ifdef RESIDUAL
#import lib/real.wgsl x=residual X=RESIDUAL at=4 scales=5
#endif
#ifdef STATUS
@group(0) @binding(8) var<storage, read_write> status: array<atomic<u32>>;
#endif
@group(0) @binding(1) var<storage, read> indices: array<u32>;

struct Params {
    first: u32,
    end: u32,
    out_origin: u32,
    index_origin: u32,
    residual_origin: u32,
    table_origin: u32,
    table_first: u32,
    table_end: u32,
    vocabulary: u32,
    index_cols: u32,
    index_quads: u32,
    cols: u32,
    table_quads: u32,
    residual_quads: u32,
    out_quads: u32,
    table_row_stride: u32,
    table_row_groups: u32,
    table_col_stride: u32,
    table_col_groups: u32,
    residual_row_stride: u32,
    residual_row_groups: u32,
    residual_col_stride: u32,
    residual_col_groups: u32,
    out_groups: u32,
    out_row_stride: u32,
    out_row_groups: u32,
    out_col_stride: u32,
    out_col_groups: u32,
}
@group(0) @binding(0) var<uniform> params: Params;

override WORKGROUP: u32;

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = params.first + linear_group(group, groups) * WORKGROUP + lane;
    if i < params.end {
        let row = i / params.out_quads;
        let quad = i % params.out_quads;
        let place = row / params.index_cols * params.index_quads - params.index_origin;
        let index = indices[4u * place + row % params.index_cols];
        let known = index < params.vocabulary;
        let here = index >= params.table_first && index < params.table_end;
        if select(params.table_first == 0u, here, known) {
            var bits = vec4(0u);
            if known && quad < params.table_quads {
                bits = table_real(index, quad);
            }
#ifdef RESIDUAL
            if quad < params.residual_quads {
                bits = ieee_add(bits, residual_real(row, quad));
            }
#endif
            out_write(row, quad, bits);
            if !known && quad == 0u {
                bad_index();
            }
        }
    }
    out_finish(lane);
}

// Told where there is a place for it.
fn bad_index() {
#ifdef OUT_RECORD
    out_raise(INDEX);
#endif
#ifdef STATUS
    atomicAdd(&status[0], 1u);
#endif
}
