// A quad of channels of one pixel of the output per invocation: the nearest pixel of x or, BILINEAR, two of a line and of
// the next, by weights that are whole fractions of a unit.
#import lib/grid.wgsl
#import lib/ieee.wgsl
#import lib/real.wgsl x=x X=X at=1 scales=2
#import lib/output.wgsl x=out X=OUT at=3 record=4

struct Params {
    end: u32,
    row: u32,
    x_origin: u32,
    out_origin: u32,
    cols: u32,
    x_quads: u32,
    out_quads: u32,
    out_h: u32,
    out_w: u32,
    h: u32,
    w: u32,
    // An index of the output is (step * index + more - less) / unit in the image, 0 if that is below.
    step_h: u32,
    step_w: u32,
    more_h: u32,
    more_w: u32,
    less_h: u32,
    less_w: u32,
    unit_h: u32,
    unit_w: u32,
    inverse_h: f32,
    inverse_w: f32,
    x_row_stride: u32,
    x_row_groups: u32,
    x_col_stride: u32,
    x_col_groups: u32,
    out_groups: u32,
    out_row_stride: u32,
    out_row_groups: u32,
    out_col_stride: u32,
    out_col_groups: u32,
}
@group(0) @binding(0) var<uniform> params: Params;

override WORKGROUP: u32;

#ifdef BILINEAR
fn blend(a: vec4<u32>, b: vec4<u32>, weight: f32) -> vec4<u32> {
    let of_a = bitcast<u32>(1.0 - weight);
    return ieee_add(ieee_mul(a, vec4(of_a)), ieee_mul(b, vec4(bitcast<u32>(weight))));
}

// What has no weight is not there.
fn across(row: u32, quad: u32, weight: f32) -> vec4<u32> {
    let a = x_real(row, quad);
    if weight == 0.0 {
        return a;
    }
    return blend(a, x_real(row + 1u, quad), weight);
}
#endif

fn pixel(row: u32, quad: u32) -> vec4<u32> {
    let index = vec2(row / params.out_w % params.out_h, row % params.out_w);
    let image = row / params.out_w / params.out_h;
    let less = vec2(params.less_h, params.less_w);
    let unit = vec2(params.unit_h, params.unit_w);
    let ahead = vec2(params.step_h, params.step_w) * index + vec2(params.more_h, params.more_w);
    let place = max(ahead, less) - less;
    let low = place / unit;
    let first = (image * params.h + low.x) * params.w + low.y;
#ifdef BILINEAR
    // Behind the last there is nothing.
    let last = low >= vec2(params.h, params.w) - vec2(1u);
    let part = vec2<f32>(place % unit) * vec2(params.inverse_h, params.inverse_w);
    let weight = select(part, vec2(0.0), last);
    let top = across(first, quad, weight.y);
    if weight.x == 0.0 {
        return top;
    }
    return blend(top, across(first + params.w, quad, weight.y), weight.x);
#else
    return x_real(first, quad);
#endif
}

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = linear_group(group, groups) * WORKGROUP + lane;
    if i < params.end {
        let quad = i % params.out_quads;
        let row = params.row + i / params.out_quads;
        var bits = vec4(0u);
        if quad < params.x_quads {
            bits = pixel(row, quad);
        }
        out_write(row, quad, bits);
    }
    out_finish(lane);
}
