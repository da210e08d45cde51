// act((x + residual - mean) * inverse * gamma + beta) by moments that are known, one quad per invocation.
#import lib/grid.wgsl
#import norm/load.wgsl
#import norm/affine.wgsl
#import norm/moments.wgsl
#import lib/output.wgsl x=out X=OUT at=7 record=8

struct Params {
    first: u32,
    end: u32,
    out_origin: u32,
    x_origin: u32,
#ifdef RESIDUAL
    residual_origin: u32,
#endif
    cols: u32,
    quads: u32,
    rows: u32,
    groups: u32,
    group_cols: u32,
    x_quads: u32,
    x_row_stride: u32,
    x_row_groups: u32,
    x_col_stride: u32,
    x_col_groups: u32,
    residual_quads: u32,
    out_quads: u32,
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
        var bits = vec4(0u);
        if quad < params.quads {
            let z = load(row, quad);
            let m = moments(row / params.rows, quad);
            bits = affine(quad, bitcast<vec4<f32>>(z) - m.mean, m.inverse, is_nan(z) | m.lost);
        }
        out_write(row, quad, bits);
    }
    out_finish(lane);
}
