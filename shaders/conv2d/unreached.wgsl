// Pixels of a transposed convolution that no tap reaches: sums of nothing, a quad of output channels at one output pixel per
// invocation. All others are left alone.
#import gemm/epilogue.wgsl
#import lib/grid.wgsl

override THREADS: u32;

// Whether a tap of an axis reaches a place: some pixel of the image, or of the zeros around it, lies a whole number of
// strides from it.
fn reached(at: u32, taps: u32, stride: u32, dilation: u32) -> bool {
    for (var tap = 0u; tap < taps; tap++) {
        if tap * dilation % stride == at % stride {
            return true;
        }
    }
    return false;
}

@compute @workgroup_size(THREADS)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let item = linear_group(group, groups) * THREADS + lane;
    let quad = item % params.col_quads;
    let pixel = params.row_first + item / params.col_quads;
    let y = pixel / params.out_width % params.out_height + params.pad_top;
    let x = pixel % params.out_width + params.pad_left;
    let down = reached(y, params.taps / params.kernel_width, params.stride_y, params.dilation_y);
    let across = reached(x, params.kernel_width, params.stride_x, params.dilation_x);
    if pixel < params.row_end && !(down && across) {
        var bias = vec4(0u);
#ifdef BIAS
        bias = bias_bits(min(quad, params.bias_quads - 1u));
#endif
        conclude(0u, vec2(0u), pixel, quad, vec4<f32>(), vec4(false), bias);
    }
    out_finish(lane);
}
