// Arithmetic on f32 bits whose NaN, Inf and division by zero are IEEE's whatever the driver makes of them. Numbers
// below 2^-126 are the driver's to keep or to flush; in a division they count as zeros of their sign.
#import lib/bits.wgsl

fn ieee_infinite(v: vec4<u32>) -> vec4<bool> {
    return (v & vec4(MAGNITUDE)) == vec4(INFINITY);
}

fn ieee_add(a: vec4<u32>, b: vec4<u32>) -> vec4<u32> {
    let sum = bitcast<vec4<u32>>(bitcast<vec4<f32>>(a) + bitcast<vec4<f32>>(b));
    let opposite = ieee_infinite(a) & ieee_infinite(b) & (a != b);
    return select(sum, vec4(QUIET_NAN), is_nan(a) | is_nan(b) | is_nan(sum) | opposite);
}

fn ieee_sub(a: vec4<u32>, b: vec4<u32>) -> vec4<u32> {
    return ieee_add(a, b ^ vec4(SIGN));
}

fn ieee_mul(a: vec4<u32>, b: vec4<u32>) -> vec4<u32> {
    let product = bitcast<vec4<u32>>(bitcast<vec4<f32>>(a) * bitcast<vec4<f32>>(b));
    let m = a & vec4(MAGNITUDE);
    let n = b & vec4(MAGNITUDE);
    let nothing = (ieee_infinite(a) & (n == vec4(0u))) | (ieee_infinite(b) & (m == vec4(0u)));
    return select(product, vec4(QUIET_NAN), is_nan(a) | is_nan(b) | is_nan(product) | nothing);
}

fn ieee_div(a: vec4<u32>, b: vec4<u32>) -> vec4<u32> {
    let m = select(a & vec4(MAGNITUDE), vec4(0u), (a & vec4(MAGNITUDE)) < vec4(SMALLEST_NORMAL));
    let n = select(b & vec4(MAGNITUDE), vec4(0u), (b & vec4(MAGNITUDE)) < vec4(SMALLEST_NORMAL));
    // The inverse of a divisor beyond 2^126 would be subnormal.
    let down = select(vec4(1.0), vec4(0.125), n > vec4(0x7e800000u));
    let quotient = bitcast<vec4<u32>>((bitcast<vec4<f32>>(m) * down) / (bitcast<vec4<f32>>(max(n, vec4(SMALLEST_NORMAL))) * down));
    let over = select(quotient, vec4(INFINITY), (n == vec4(0u)) | (m == vec4(INFINITY)));
    let under = select(over, vec4(0u), (m == vec4(0u)) | (n == vec4(INFINITY)));
    let nothing = (m == n) & ((n == vec4(0u)) | (n == vec4(INFINITY)));
    return select(under | ((a ^ b) & vec4(SIGN)), vec4(QUIET_NAN), is_nan(a) | is_nan(b) | nothing);
}
