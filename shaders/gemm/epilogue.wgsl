// out = act(alpha * s_a * s_b * acc + bias + residual), one quad of a row at a time, and the NaN that arithmetic may
// have lost. Its sides give the scales of their lines.
#import lib/bits.wgsl
#import lib/activation.wgsl
#import gemm/params.wgsl
#import lib/output.wgsl x=out X=OUT at=6 record=7
#ifdef RESIDUAL
#import lib/operand.wgsl x=residual X=RESIDUAL at=5
#import lib/scale.wgsl x=residual X=RESIDUAL at=9
#endif

#ifdef BIAS_VALUES
#import lib/operand.wgsl x=bias X=BIAS at=8
#endif
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

// Where a batch of the output lies: its rows, and quads of its columns.
fn out_row_of(batch: u32, row: u32) -> u32 {
#ifdef PHASE
    let line = row / params.out_width;
    let image = line / params.out_height;
    let y = params.first_y + line % params.out_height * params.step_y;
    let x = params.first_x + row % params.out_width * params.step_x;
    return (image * params.whole_height + y) * params.whole_width + x;
#else
    return batch * params.batch_rows + row;
#endif
}

fn out_quad_of(batch: u32, quad: u32) -> u32 {
    return batch * params.batch_quads + quad;
}

// `sides` are the batches of A and B, `before` what is NaN already, `bias` bits of f32, zero where there is none.
fn conclude(batch: u32, sides: vec2<u32>, row: u32, quad: u32, sum: vec4<f32>, before: vec4<bool>, bias: vec4<u32>) {
    let acc = sum * FOLD;
    var v = acc;
    var lost = before;
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
    lost |= (f.significand == vec4(0.0)) & ((bitcast<vec4<u32>>(acc) & vec4(MAGNITUDE)) >= vec4(INFINITY));
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
#ifdef BIAS
    v += bitcast<vec4<f32>>(bias);
    lost |= is_nan(bias);
#endif
    let out_row = out_row_of(batch, row);
    let out_quad = out_quad_of(batch, quad);
#ifdef RESIDUAL
    let residual = residual_bits(out_row * params.residual_quads + out_quad - params.residual_origin);
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
    out_write(out_row, out_quad, select(bitcast<vec4<u32>>(activate(v)), vec4(QUIET_NAN), lost));
}
