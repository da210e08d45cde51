// act(gate) * up, one quad per invocation: two operands, or PACKED both side by side in rows of one.
#import lib/activation.wgsl
#import lib/grid.wgsl
#import lib/ieee.wgsl
#import lib/output.wgsl x=out X=OUT at=5 record=6
#ifdef PACKED
#import lib/real.wgsl x=x X=X at=1 scales=2
#else
#import lib/real.wgsl x=gate X=GATE at=1 scales=2
#import lib/real.wgsl x=up X=UP at=3 scales=4
#endif

struct Params {
    first: u32,
    end: u32,
    out_origin: u32,
#ifdef PACKED
    x_origin: u32,
#else
    gate_origin: u32,
    up_origin: u32,
#endif
    cols: u32,
    used_quads: u32,
    out_quads: u32,
#ifdef PACKED
    gate_col: u32,
    up_col: u32,
    x_quads: u32,
    x_row_stride: u32,
    x_row_groups: u32,
    x_col_stride: u32,
    x_col_groups: u32,
#else
    gate_quads: u32,
    gate_row_stride: u32,
    gate_row_groups: u32,
    gate_col_stride: u32,
    gate_col_groups: u32,
    up_quads: u32,
    up_row_stride: u32,
    up_row_groups: u32,
    up_col_stride: u32,
    up_col_groups: u32,
#endif
    out_groups: u32,
    out_row_stride: u32,
    out_row_groups: u32,
    out_col_stride: u32,
    out_col_groups: u32,
}
@group(0) @binding(0) var<uniform> params: Params;

override WORKGROUP: u32;

#ifdef PACKED
// Four columns from any one on; those beyond the row are padding's.
fn x_from(row: u32, col: u32) -> vec4<u32> {
    let quad = col / 4u;
    let late = col % 4u;
    let low = x_real(row, quad);
    if late == 0u {
        return low;
    }
    let high = x_real(row, min(quad + 1u, params.x_quads - 1u));
    let by_one = select(vec4(low.w, high.xyz), vec4(low.yzw, high.x), late == 1u);
    return select(by_one, vec4(low.zw, high.xy), late == 2u);
}
#endif

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
        var bits = vec4(0u);
        // Beyond them the row is padding.
        if quad < params.used_quads {
#ifdef PACKED
            let gate = x_from(row, params.gate_col + 4u * quad);
            let up = x_from(row, params.up_col + 4u * quad);
#else
            let gate = gate_real(row, quad);
            let up = up_real(row, quad);
#endif
            bits = ieee_mul(activated(gate), up);
        }
        out_write(row, quad, bits);
    }
    out_finish(lane);
}
