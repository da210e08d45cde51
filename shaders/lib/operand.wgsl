// Operand `$x`, read four consecutive elements (a quad) at a time. `$X_F32`, `$X_F16`, `$X_BF16`, `$X_F8` or `$X_CODE8`
// says what they are; `$at` is the binding of its values. Rows start at whole quads, and their padding is zero.
#import lib/bits.wgsl
#import lib/minifloat.wgsl
#import lib/fp8.wgsl

#ifdef $X_F32
@group(0) @binding($at) var<storage, read> $x_values: array<vec4<u32>>;

fn $x_bits(quad: u32) -> vec4<u32> {
    return $x_values[quad];
}
#endif

#ifdef $X_F16
@group(0) @binding($at) var<storage, read> $x_values: array<vec2<u32>>;

fn $x_bits(quad: u32) -> vec4<u32> {
    let w = $x_values[quad];
    return f16_decode(vec4(w.x & 0xffffu, w.x >> 16u, w.y & 0xffffu, w.y >> 16u));
}
#endif

#ifdef $X_BF16
@group(0) @binding($at) var<storage, read> $x_values: array<vec2<u32>>;

fn $x_bits(quad: u32) -> vec4<u32> {
    let w = $x_values[quad];
    return vec4(w.x << 16u, w.x & 0xffff0000u, w.y << 16u, w.y & 0xffff0000u);
}
#endif

#ifdef $X_CODE8
@group(0) @binding($at) var<storage, read> $x_values: array<u32>;

// Of a codebook, which lib/scale.wgsl reads.
fn $x_bits(quad: u32) -> vec4<u32> {
    return $x_table(fp8_unpack($x_values[quad]));
}
#endif

#ifdef $X_F8
@group(0) @binding($at) var<storage, read> $x_values: array<u32>;
override $X_SIGN_BIT: u32;
override $X_MAN_BITS: u32;
override $X_BIAS: i32;
override $X_STEP: f32;
// Magnitude codes of Inf and of the first NaN; 256 where the format has none.
override $X_INF_CODE: u32;
override $X_NAN_CODE: u32;

fn $x_special(codes: vec4<u32>, bits: vec4<u32>) -> vec4<u32> {
    let m = codes & vec4((1u << $X_SIGN_BIT) - 1u);
    let infinite = select(bits, (bits & vec4(SIGN)) | vec4(INFINITY), m == vec4($X_INF_CODE));
    return select(infinite, vec4(QUIET_NAN), $x_codes_nan(codes));
}

fn $x_codes_nan(codes: vec4<u32>) -> vec4<bool> {
#ifdef $X_FNUZ
    return codes == vec4(1u << $X_SIGN_BIT);
#else
    return (codes & vec4((1u << $X_SIGN_BIT) - 1u)) >= vec4($X_NAN_CODE);
#endif
}

// f32 bits of a quad, NaN and Inf included.
fn $x_bits(quad: u32) -> vec4<u32> {
    let codes = fp8_unpack($x_values[quad]);
    return $x_special(codes, bitcast<vec4<u32>>(fp8_decode(codes, $X_SIGN_BIT, $X_MAN_BITS, $X_BIAS, $X_STEP)));
}

fn $x_nan(quad: u32) -> vec4<bool> {
    return $x_codes_nan(fp8_unpack($x_values[quad]));
}

// The quad as numbers, for sums whose NaN is looked after elsewhere.
#ifdef $X_BY_F16
// Two codes become the f16 whose bits hold theirs, shifted to its mantissa: 2^(bias - 15) times the number, which is
// made up for after the sum. Needs a driver that keeps f16 subnormals in unpack2x16float.
fn $x_load(quad: u32) -> vec4<f32> {
    let w = $x_values[quad];
    let odd = w & 0xff00ff00u;
    let even = (w << 8u) & 0xff00ff00u;
    let o = unpack2x16float((odd & 0x80008000u) | ((odd & 0x7f007f00u) >> ($X_MAN_BITS - 2u)));
    let e = unpack2x16float((even & 0x80008000u) | ((even & 0x7f007f00u) >> ($X_MAN_BITS - 2u)));
    return vec4(e.x, o.x, e.y, o.y);
}
#else
fn $x_load(quad: u32) -> vec4<f32> {
    let codes = fp8_unpack($x_values[quad]);
    let v = fp8_decode(codes, $X_SIGN_BIT, $X_MAN_BITS, $X_BIAS, $X_STEP);
#ifdef $X_INF
    return bitcast<vec4<f32>>($x_special(codes, bitcast<vec4<u32>>(v)));
#else
    return v;
#endif
}
#endif
#else
fn $x_nan(quad: u32) -> vec4<bool> {
    return is_nan($x_bits(quad));
}

fn $x_load(quad: u32) -> vec4<f32> {
    return bitcast<vec4<f32>>($x_bits(quad));
}
#endif
