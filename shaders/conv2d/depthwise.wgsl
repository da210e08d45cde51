// Convolution of every channel with kernels of its own, straight from storage: a quad of output channels at four output
// pixels per invocation, so that a weight is read once for the four. The weights are rows of output channels, one per tap.
#import conv2d/direct.wgsl
#import lib/grid.wgsl

override THREADS: u32;

// The channels of a pixel that a quad of output channels sees, and which of them are NaN.
struct Seen {
    numbers: vec4<f32>,
    nan: vec4<bool>,
}

fn channels(pixel: u32, quad: u32) -> Seen {
#ifdef MULTIPLIER
    // Channels have several kernels each.
    let c = min(vec4(4u * quad) + FOUR, vec4(params.n - 1u)) / vec4(params.group_out);
    let q = c / vec4(4u);
    let i = c % vec4(4u);
    let numbers = vec4(
        a_numbers(pixel, q.x)[i.x],
        a_numbers(pixel, q.y)[i.y],
        a_numbers(pixel, q.z)[i.z],
        a_numbers(pixel, q.w)[i.w],
    );
    let nan = vec4(
        a_nan_at(pixel, q.x)[i.x],
        a_nan_at(pixel, q.y)[i.y],
        a_nan_at(pixel, q.z)[i.z],
        a_nan_at(pixel, q.w)[i.w],
    );
    return Seen(numbers, nan);
#else
    return Seen(a_numbers(pixel, quad), a_nan_at(pixel, quad));
#endif
}

@compute @workgroup_size(THREADS)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let item = linear_group(group, groups) * THREADS + lane;
    let quad = item % params.col_quads;
    let first = params.row_first + item / params.col_quads * 4u;
    if first < params.row_end {
        // Padding is computed as the last quad, and written as zero.
        let near = min(quad, (params.n - 1u) / 4u);
        let out_pixels = min(vec4(first) + FOUR, vec4(params.row_end - 1u));
        var sum0 = vec4<f32>();
        var sum1 = vec4<f32>();
        var sum2 = vec4<f32>();
        var sum3 = vec4<f32>();
        var nan0 = vec4(lost_before());
        var nan1 = nan0;
        var nan2 = nan0;
        var nan3 = nan0;
        for (var tap = 0u; tap < params.taps; tap++) {
            let w = b_numbers(tap_row(tap), near);
            let w_nan = b_nan_at(tap_row(tap), near);
            let pixels = pixel_of(out_pixels, tap);
            let x0 = channels(pixels.x, near);
            let x1 = channels(pixels.y, near);
            let x2 = channels(pixels.z, near);
            let x3 = channels(pixels.w, near);
            sum0 += x0.numbers * w;
            sum1 += x1.numbers * w;
            sum2 += x2.numbers * w;
            sum3 += x3.numbers * w;
            nan0 |= x0.nan | w_nan;
            nan1 |= x1.nan | w_nan;
            nan2 |= x2.nan | w_nan;
            nan3 |= x3.nan | w_nan;
        }
        // One copy of the epilogue, not four: drivers take as long to compile as it is.
        var sums = array(sum0, sum1, sum2, sum3);
        var nans = array(nan0, nan1, nan2, nan3);
        for (var i = 0u; i < min(4u, params.row_end - first); i++) {
            finish_pixel(first + i, quad, sums[i], nans[i]);
        }
    }
    out_finish(lane);
}
