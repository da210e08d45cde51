// out = act(alpha * s_a * s_b * acc + bias + residual), one quad of a row at a time, and the NaN that arithmetic may
// have lost.
#import lib/bits.wgsl
#import lib/activation.wgsl
#import gemm/side.wgsl x=a X=A at=1 scales=2 extent=m
#import gemm/side.wgsl x=b X=B at=3 scales=4 extent=cols
#import lib/output.wgsl x=out X=OUT at=6 record=7
#ifdef RESIDUAL
#import lib/operand.wgsl x=residual X=RESIDUAL at=5
#import lib/scale.wgsl x=residual X=RESIDUAL at=9
#endif

@group(0) @binding(8) var<storage, read> prologue: array<u32>;

// What operands decoded by way of f16 leave out; a power of two.
override FOLD: f32 = 1.0;

#ifdef RESCALE
// A product of factors as significands in [1, 2) and exponents of two.
struct Factor {
    significand: vec4<f32>,
    exponent: vec4<i32>,
}

// `v` times a number; a zero (subnormals cannot be made and count as one) stays in the significand.
fn times(f: Factor, v: vec4<f32>) -> Factor {
    let bits = bitcast<vec4<u32>>(v);
    let zero = (bits & vec4(MAGNITUDE)) < vec4(SMALLEST_NORMAL);
    let significand = select((bits & vec4(0x807fffffu)) | vec4(0x3f800000u), bits & vec4(SIGN), zero);
    let exponent = vec4<i32>((bits >> vec4(23u)) & vec4(0xffu)) - vec4(127);
    return Factor(f.significand * bitcast<vec4<f32>>(significand), f.exponent + select(exponent, vec4(0), zero));
}

fn power(exponent: vec4<i32>) -> vec4<f32> {
    return bitcast<vec4<f32>>(vec4<u32>(exponent + vec4(127)) << vec4(23u));
}

// acc times all factors, where no partial product may leave the range of f32 unless the result does: significands
// first, then the exponents together, in three steps of the same sign.
fn rescale(acc: vec4<f32>, f: Factor) -> vec4<f32> {
    let third = f.exponent / vec4(3);
    return acc * f.significand * power(third) * power(third) * power(f.exponent - 2 * third);
}
#endif

#ifdef B_SCALES_LINES
fn b_scales_of(batch: u32, col: u32) -> vec4<f32> {
    return vec4(b_line_scale(batch, col), b_line_scale(batch, col + 1u), b_line_scale(batch, col + 2u), b_line_scale(batch, col + 3u));
}
#endif

fn finish(batch: u32, sides: vec2<u32>, row: u32, quad: u32, sum: vec4<f32>) {
    let acc = sum * FOLD;
    var v = acc;
    var lost = vec4(false);
#ifdef RESCALE
    var f = Factor(vec4(1.0), vec4(0));
#ifdef A_SCALES_LINES
    f = times(f, vec4(a_line_scale(sides.x, row)));
#endif
#ifdef B_SCALES_LINES
    f = times(f, b_scales_of(sides.y, 4u * quad));
#endif
#ifdef ALPHA
    f = times(f, vec4(bitcast<f32>(params.alpha)));
#endif
    v = rescale(acc, f);
    // Inf * 0.
    lost = (f.significand == vec4(0.0)) & ((bitcast<vec4<u32>>(acc) & vec4(MAGNITUDE)) >= vec4(INFINITY));
#else
#ifdef A_SCALES_LINES
    v = acc * a_line_scale(sides.x, row);
#endif
#ifdef B_SCALES_LINES
    v = acc * b_scales_of(sides.y, 4u * quad);
#endif
#ifdef ALPHA
    v = acc * bitcast<f32>(params.alpha);
#endif
#endif
    let col = min(vec4(4u * quad) + vec4(0u, 1u, 2u, 3u), vec4(params.cols - 1u));
    let b_nan = vec4(params.b_flags + sides.y * params.cols) + col;
    let flags = vec4(prologue[sides.x * params.m + row])
        | vec4(prologue[b_nan.x], prologue[b_nan.y], prologue[b_nan.z], prologue[b_nan.w]);
    lost |= flags != vec4(0u);
#ifdef BIAS
    let at = vec4(params.bias) + col;
    let bias = vec4(prologue[at.x], prologue[at.y], prologue[at.z], prologue[at.w]);
    v += bitcast<vec4<f32>>(bias);
    lost |= is_nan(bias);
#endif
#ifdef RESIDUAL
    let residual = residual_bits((batch * params.m + row) * params.residual_quads + quad - params.residual_origin);
    lost |= is_nan(residual);
#ifdef RESIDUAL_SCALED
    lost |= vec4(residual_lost_nan());
    v += bitcast<vec4<f32>>(residual) * residual_scales(0u, 0u);
#else
    v += bitcast<vec4<f32>>(residual);
#endif
#endif
    // Inf - Inf and the like, where the driver computes them.
    lost |= is_nan(bitcast<vec4<u32>>(acc)) | is_nan(bitcast<vec4<u32>>(v));
    out_write(batch * params.m + row, quad, select(bitcast<vec4<u32>>(activate(v)), vec4(QUIET_NAN), lost));
}
