// act(a op b), one quad per invocation; both operands broadcast.
#import lib/activation.wgsl
#import lib/grid.wgsl
#import lib/ieee.wgsl
#import lib/real.wgsl x=a X=A at=1 scales=2
#import lib/real.wgsl x=b X=B at=3 scales=4
#import lib/rows.wgsl x=a
#import lib/rows.wgsl x=b
#import lib/output.wgsl x=out X=OUT at=5 record=6

struct Params {
    first: u32,
    end: u32,
    out_origin: u32,
    a_origin: u32,
    b_origin: u32,
    cols: u32,
    used_quads: u32,
    a_quads: u32,
    b_quads: u32,
    out_quads: u32,
    a_row_stride: u32,
    a_row_groups: u32,
    a_col_stride: u32,
    a_col_groups: u32,
    b_row_stride: u32,
    b_row_groups: u32,
    b_col_stride: u32,
    b_col_groups: u32,
    out_groups: u32,
    out_row_stride: u32,
    out_row_groups: u32,
    out_col_stride: u32,
    out_col_groups: u32,
    axis_1: u32,
    axis_2: u32,
    axis_3: u32,
    a_step_0: u32,
    a_step_1: u32,
    a_step_2: u32,
    a_step_3: u32,
    a_col_step: u32,
    b_step_0: u32,
    b_step_1: u32,
    b_step_2: u32,
    b_step_3: u32,
    b_col_step: u32,
}
@group(0) @binding(0) var<uniform> params: Params;

override WORKGROUP: u32;

fn combine(a: vec4<u32>, b: vec4<u32>) -> vec4<u32> {
#ifdef ADD
    return ieee_add(a, b);
#endif
#ifdef SUB
    return ieee_sub(a, b);
#endif
#ifdef MUL
    return ieee_mul(a, b);
#endif
#ifdef DIV
    return ieee_div(a, b);
#endif
}

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
            let a = a_spread(a_real(a_row(row), a_quad(quad)));
            let b = b_spread(b_real(b_row(row), b_quad(quad)));
            bits = activated(combine(a, b));
        }
        out_write(row, quad, bits);
    }
    out_finish(lane);
}
