// What both kernels share: where a window is, how its numbers are joined, what becomes of the result.
#import lib/grid.wgsl
#import lib/activation.wgsl
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
    kernel_h: u32,
    kernel_w: u32,
    stride_h: u32,
    stride_w: u32,
    top: u32,
    left: u32,
    padded_h: u32,
    padded_w: u32,
    dilation_h: u32,
    dilation_w: u32,
    count_padding: u32,
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

// The numbers of a window that are in the image: the row of x of the first, their extents and steps in rows of x, and what
// a mean divides by.
struct Window { first: u32, extents: vec2<u32>, steps: vec2<u32>, count: u32 }

fn ceil_divide(a: vec2<u32>, b: vec2<u32>) -> vec2<u32> {
    return (a + b - vec2(1u)) / b;
}

// Of a row of out. Places are those of the padded image: no difference is below zero.
fn window(row: u32) -> Window {
    let place = vec2(row / params.out_w % params.out_h, row % params.out_w);
    let image = row / params.out_w / params.out_h;
    let kernel = vec2(params.kernel_h, params.kernel_w);
    let dilation = vec2(params.dilation_h, params.dilation_w);
    let before = vec2(params.top, params.left);
    let corner = place * vec2(params.stride_h, params.stride_w);
    let start = ceil_divide(max(before, corner) - corner, dilation);
    let end = min(ceil_divide(before + vec2(params.h, params.w) - corner, dilation), kernel);
    let padded = min(ceil_divide(vec2(params.padded_h, params.padded_w) - corner, dilation), kernel);
    let extents = end - start;
    let counted = select(extents, padded, vec2(params.count_padding != 0u));
    let at = corner + start * dilation - before;
    let first = (image * params.h + at.x) * params.w + at.y;
    return Window(first, extents, dilation * vec2(params.w, 1u), counted.x * counted.y);
}

// What numbers are joined as: by MAX integers that rise with the number, NaN above all; else bits of f32, where NaN stays.
#ifdef MAX
fn term(bits: vec4<u32>) -> vec4<u32> {
    let b = select(bits, vec4(QUIET_NAN), is_nan(bits));
    return select(b | vec4(SIGN), ~b, b >= vec4(SIGN));
}

fn join(a: vec4<u32>, b: vec4<u32>) -> vec4<u32> {
    return max(a, b);
}

fn joined(a: vec4<u32>, count: u32) -> vec4<u32> {
    return select(~a, a & vec4(MAGNITUDE), a >= vec4(SIGN));
}
#else
fn term(bits: vec4<u32>) -> vec4<u32> {
    return bits;
}

fn join(a: vec4<u32>, b: vec4<u32>) -> vec4<u32> {
    let sum = bitcast<vec4<u32>>(bitcast<vec4<f32>>(a) + bitcast<vec4<f32>>(b));
    return select(sum, vec4(QUIET_NAN), is_nan(a) | is_nan(b));
}

fn joined(a: vec4<u32>, count: u32) -> vec4<u32> {
    let mean = bitcast<vec4<u32>>(bitcast<vec4<f32>>(a) / f32(count));
    return select(mean, vec4(QUIET_NAN), is_nan(a));
}
#endif

// The result of a window, activated.
fn result(a: vec4<u32>, count: u32) -> vec4<u32> {
    let v = joined(a, count);
    let bits = bitcast<vec4<u32>>(activate(bitcast<vec4<f32>>(v)));
    return select(bits, vec4(QUIET_NAN), is_nan(v) | is_nan(bits));
}
