// 8-bit floats in registers: exact for all 256 codes of every format, no table, no subnormal arithmetic.
#import lib/minifloat.wgsl

// Codes lie four to a word, lane 0 lowest.
fn fp8_unpack(word: u32) -> vec4<u32> {
    return (vec4(word) >> vec4(0u, 8u, 16u, 24u)) & vec4(0xffu);
}

fn fp8_pack(codes: vec4<u32>) -> u32 {
    let c = codes << vec4(0u, 8u, 16u, 24u);
    return c.x | c.y | c.z | c.w;
}

// Finite codes to f32. A format is its mantissa bits, its exponent bias and 2^(1 - bias), the step of exponent 1.
// NaN and Inf codes come out as numbers: fp8_specials puts them right.
fn fp8_decode(codes: vec4<u32>, man_bits: u32, bias: u32, step: f32) -> vec4<f32> {
    let shifted = (codes & vec4(0x7fu)) << vec4(23u - man_bits);
    let rebias = (127u - bias) << 23u;
    let subnormal = bitcast<vec4<u32>>(bitcast<vec4<f32>>(shifted + vec4(rebias + (1u << 23u))) - vec4(step));
    let finite = select(shifted + vec4(rebias), subnormal, shifted < vec4(1u << 23u));
    return bitcast<vec4<f32>>(finite | ((codes & vec4(0x80u)) << vec4(24u)));
}

// f32 codes of `bits` in the format with these parameters (see minifloat_encode); sign included.
// fnuz: the only NaN is 0x80, which is no sign of anything, and zero has no sign.
fn fp8_encode(bits: vec4<u32>, man_bits: u32, bias: i32, max_code: u32, over_code: u32, nan_code: u32, fnuz: bool) -> vec4<u32> {
    let code = minifloat_encode(bits, man_bits, bias, max_code, over_code, nan_code);
    let signed = code | ((bits >> vec4(24u)) & vec4(0x80u));
    return select(signed, vec4(0u), vec4(fnuz) & (code == vec4(0u)));
}
