// Convolution of groups of channels of any size, straight from storage: a quad of output channels at one output pixel per
// invocation, each of its four sums over the channels of its own group. For groups that are no multiple of a quad.
#import conv2d/direct.wgsl
#import lib/grid.wgsl

override THREADS: u32;

struct Sum {
    number: f32,
    nan: bool,
}

// What output channel `k` gets of a pixel at this tap.
fn sum_of(pixel: u32, k: u32, tap: u32) -> Sum {
    let first = k / params.group_out * params.group_in;
    var sum = 0.0;
    var nan = false;
    let row = k * line_rows() + tap_row(tap);
    for (var quad = 0u; quad < params.k_quads; quad++) {
        let w = b_numbers(row, quad);
        nan |= any(b_nan_at(row, quad));
        // Channels of the group, which may begin and end within a quad.
        for (var i = 0u; i < min(4u, params.group_in - 4u * quad); i++) {
            let c = first + 4u * quad + i;
            sum += a_numbers(pixel, c / 4u)[c % 4u] * w[i];
            nan |= a_nan_at(pixel, c / 4u)[c % 4u];
        }
    }
    return Sum(sum, nan);
}

@compute @workgroup_size(THREADS)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let item = linear_group(group, groups) * THREADS + lane;
    let quad = item % params.col_quads;
    let out_pixel = params.row_first + item / params.col_quads;
    if out_pixel < params.row_end {
        let k = min(vec4(4u * quad) + FOUR, vec4(params.n - 1u));
        var sum = vec4<f32>();
        var nan = vec4(lost_before());
        for (var tap = 0u; tap < params.taps; tap++) {
            let pixel = pixel_of(vec4(out_pixel), tap).x;
            for (var i = 0u; i < 4u; i++) {
                let s = sum_of(pixel, k[i], tap);
                sum[i] += s.number;
                nan[i] |= s.nan;
            }
        }
        finish_pixel(out_pixel, quad, sum, nan);
    }
    out_finish(lane);
}
