// out = mask * x + (1 - mask) * y, one quad per invocation.
#import lib/bits.wgsl
#import lib/grid.wgsl
#import lib/operand.wgsl x=mask X=MASK at=1
#import lib/operand.wgsl x=x X=X at=2
#import lib/scale.wgsl x=x X=X at=3
#import lib/operand.wgsl x=y X=Y at=4
#import lib/scale.wgsl x=y X=Y at=5
#import lib/output.wgsl x=out X=OUT at=6 record=7

struct Params {
    first: u32,
    end: u32,
    out_origin: u32,
    mask_origin: u32,
    x_origin: u32,
    y_origin: u32,
    cols: u32,
    mask_quads: u32,
    out_quads: u32,
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
        // Rows of x, y and out are equally long; those of the mask, of wider numbers, have less padding.
        if quad < params.mask_quads {
            let m = mask_bits(row * params.mask_quads + quad - params.mask_origin);
            let x = x_bits(i - params.x_origin);
            let y = y_bits(i - params.y_origin);
            let mask = bitcast<vec4<f32>>(m);
            let of_x = mask * (bitcast<vec4<f32>>(x) * x_scales(row, quad));
            let of_y = (vec4(1.0) - mask) * (bitcast<vec4<f32>>(y) * y_scales(row, quad));
            let v = bitcast<vec4<u32>>(of_x + of_y);
            bits = select(v, vec4(QUIET_NAN), is_nan(m) | is_nan(x) | is_nan(y) | is_nan(v));
        }
        out_write(row, quad, bits);
    }
    out_finish(lane);
}
