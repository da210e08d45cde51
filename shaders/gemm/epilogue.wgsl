// out = act(s_a * s_b * acc + bias), one quad of a row at a time, and the NaN that arithmetic may have lost.
#import lib/bits.wgsl
#import lib/activation.wgsl
#import lib/scale.wgsl x=a X=A at=2
#import lib/scale.wgsl x=b X=B at=4
#import lib/output.wgsl x=out X=OUT at=6 record=7
#ifdef BIAS
#import lib/operand.wgsl x=bias X=BIAS at=5
#endif

struct Params {
    m: u32,
    cols: u32,
    k_quads: u32,
    a_quads: u32,
    b_quads: u32,
    out_quads: u32,
    out_groups: u32,
    out_row_stride: u32,
    out_row_groups: u32,
    out_by_column: u32,
    bias_quads: u32,
    col_tiles: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(8) var<storage, read> nan: array<u32>;

#ifdef A_SCALED
#ifdef B_SCALED
// acc * s_a * s_b where neither product nor partial product may leave the range of f32 unless the result does:
// significands first, then both exponents together, in two steps of the same sign.
fn rescale(acc: vec4<f32>, s_a: f32, s_b: vec4<f32>) -> vec4<f32> {
    let a = bitcast<u32>(s_a);
    let b = bitcast<vec4<u32>>(s_b);
    let significand = bitcast<f32>((a & 0x007fffffu) | 0x3f800000u) * bitcast<vec4<f32>>((b & vec4(0x007fffffu)) | vec4(0x3f800000u));
    let exponent = vec4<i32>(vec4(a >> 23u)) + vec4<i32>(b >> vec4(23u)) - vec4(254);
    let half = exponent / vec4(2);
    let first = bitcast<vec4<f32>>(vec4<u32>(half + vec4(127)) << vec4(23u));
    let second = bitcast<vec4<f32>>(vec4<u32>(exponent - half + vec4(127)) << vec4(23u));
    // A zero scale has no significand; subnormal scales cannot be made and count as zero.
    let some = vec4(a >= SMALLEST_NORMAL) & (b >= vec4(SMALLEST_NORMAL));
    let finite = (bitcast<vec4<u32>>(acc) & vec4(MAGNITUDE)) < vec4(INFINITY);
    let nothing = bitcast<vec4<f32>>(select(vec4(QUIET_NAN), vec4(0u), finite));
    return select(nothing, acc * significand * first * second, some);
}
#endif
#endif

// Scales of four columns; of B they lie along its rows.
#ifdef B_SCALED
fn b_scales(col: u32, cols: u32) -> vec4<f32> {
    let last = cols - 1u;
    return vec4(b_scale(min(col, last)), b_scale(min(col + 1u, last)), b_scale(min(col + 2u, last)), b_scale(min(col + 3u, last)));
}
#endif

// What operands decoded by way of f16 leave out; a power of two.
override FOLD: f32 = 1.0;

fn finish(row: u32, quad: u32, sum: vec4<f32>) {
    let col = vec4(4u * quad) + vec4(0u, 1u, 2u, 3u);
    let acc = sum * FOLD;
    var v = acc;
#ifdef A_SCALED
#ifdef B_SCALED
    v = rescale(acc, a_scale(row), b_scales(col.x, params.cols));
#else
    v = acc * a_scale(row);
#endif
#else
#ifdef B_SCALED
    v = acc * b_scales(col.x, params.cols);
#endif
#endif
    let b_nan = min(col, vec4(params.cols - 1u)) + vec4(params.m);
    var lost = vec4(nan[row]) | vec4(nan[b_nan.x], nan[b_nan.y], nan[b_nan.z], nan[b_nan.w]);
#ifdef BIAS
    let bias = bias_bits(min(quad, params.bias_quads - 1u));
    v += bitcast<vec4<f32>>(bias);
    lost |= select(vec4(0u), vec4(1u), is_nan(bias));
#endif
    // Inf - Inf and the like, where the driver computes them.
    lost |= select(vec4(0u), vec4(1u), is_nan(bitcast<vec4<u32>>(acc)) | is_nan(bitcast<vec4<u32>>(v)));
    out_write(row, quad, select(bitcast<vec4<u32>>(activate(v)), vec4(QUIET_NAN), lost != vec4(0u)));
}
