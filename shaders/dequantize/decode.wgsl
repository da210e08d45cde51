// real = code * scale, one quad per invocation.
#import lib/grid.wgsl
#import lib/operand.wgsl x=x X=X at=1
#import lib/scale.wgsl x=x X=X at=2
#import lib/output.wgsl x=out X=OUT at=3

struct Params {
    quads: u32,
    cols: u32,
    x_quads: u32,
    out_quads: u32,
    x_row_stride: u32,
    x_row_groups: u32,
    x_by_column: u32,
}
@group(0) @binding(0) var<uniform> params: Params;

override WORKGROUP: u32;

fn x_scale_at(row: u32, col: u32) -> f32 {
    let c = min(col, params.cols - 1u);
    return x_scale(select((row / params.x_row_stride) % params.x_row_groups, c, params.x_by_column != 0u));
}

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = linear_group(group, groups) * WORKGROUP + lane;
    if i < params.quads {
        let row = i / params.out_quads;
        let quad = i % params.out_quads;
        var bits = vec4(0u);
        if quad < params.x_quads {
            let col = 4u * quad;
            let scale = vec4(x_scale_at(row, col), x_scale_at(row, col + 1u), x_scale_at(row, col + 2u), x_scale_at(row, col + 3u));
            let code = x_bits(row * params.x_quads + quad);
            let product = bitcast<vec4<u32>>(bitcast<vec4<f32>>(code) * scale);
            bits = select(product, vec4(QUIET_NAN), is_nan(code) | vec4(x_lost_nan()));
        }
        out_write(row, quad, bits);
    }
    out_finish(lane);
}
