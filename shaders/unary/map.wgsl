// act(alpha * x + beta), one quad per invocation.
#import lib/activation.wgsl
#import lib/grid.wgsl
#import lib/ieee.wgsl
#import lib/real.wgsl x=x X=X at=1 scales=2
#import lib/output.wgsl x=out X=OUT at=3 record=4

struct Params {
    first: u32,
    end: u32,
    out_origin: u32,
    x_origin: u32,
    cols: u32,
    x_quads: u32,
    out_quads: u32,
    x_row_stride: u32,
    x_row_groups: u32,
    x_col_stride: u32,
    x_col_groups: u32,
    out_groups: u32,
    out_row_stride: u32,
    out_row_groups: u32,
    out_col_stride: u32,
    out_col_groups: u32,
    alpha: u32,
    beta: u32,
}
@group(0) @binding(0) var<uniform> params: Params;

override WORKGROUP: u32;
const ONE = 0x3f800000u;

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
        if quad < params.x_quads {
            bits = x_real(row, quad);
            // What changes nothing is left out: it might flush a subnormal, or lose the sign of a zero.
            if params.alpha != ONE {
                bits = ieee_mul(bits, vec4(params.alpha));
            }
            if (params.beta & MAGNITUDE) != 0u {
                bits = ieee_add(bits, vec4(params.beta));
            }
            bits = activated(bits);
        }
        out_write(row, quad, bits);
    }
    out_finish(lane);
}
