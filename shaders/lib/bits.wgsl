// NaN and Inf, always by bits: a driver may assume that neither occurs in arithmetic.
const SIGN = 0x80000000u;
const MAGNITUDE = 0x7fffffffu;
const INFINITY = 0x7f800000u;
const QUIET_NAN = 0x7fc00000u;
const SMALLEST_NORMAL = 0x00800000u;

// Magnitude as the running maxima take it: subnormals are zero, every NaN is the quiet one.
fn magnitude(bits: vec4<u32>) -> vec4<u32> {
    let m = bits & vec4(MAGNITUDE);
    let flushed = select(m, vec4(0u), m < vec4(SMALLEST_NORMAL));
    return select(flushed, vec4(QUIET_NAN), m > vec4(INFINITY));
}

fn is_nan(bits: vec4<u32>) -> vec4<bool> {
    return (bits & vec4(MAGNITUDE)) > vec4(INFINITY);
}

fn max_of(v: vec4<u32>) -> u32 {
    return max(max(v.x, v.y), max(v.z, v.w));
}

fn join2(v: vec4<u32>) -> vec2<u32> {
    return v.xz | (v.yw << vec2(16u));
}
