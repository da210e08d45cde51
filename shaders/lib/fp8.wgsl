// Floats of up to 8 bits in registers: exact for all codes of every format, no table, no subnormal arithmetic.
//
// A format is sign_bit, the width of exponent and mantissa together (7 for the signed 8-bit formats; codes lie at the
// low end of a byte, the sign at that bit, and what is above is zero), man_bits, its mantissa bits, and bias, what is
// subtracted from the exponent field. Stands behind lib/minifloat.wgsl.

// Codes lie four to a word, lane 0 lowest.
fn fp8_unpack(word: u32) -> vec4<u32> {
    return (vec4(word) >> vec4(0u, 8u, 16u, 24u)) & vec4(0xffu);
}

fn fp8_pack(codes: vec4<u32>) -> u32 {
    let c = codes << vec4(0u, 8u, 16u, 24u);
    return c.x | c.y | c.z | c.w;
}

// Finite codes to f32; step is 2^(1 - bias), the value of exponent 1.
// NaN and Inf codes come out as numbers: who has any must put them right.
fn fp8_decode(codes: vec4<u32>, sign_bit: u32, man_bits: u32, bias: i32, step: f32) -> vec4<f32> {
    let shifted = (codes & vec4((1u << sign_bit) - 1u)) << vec4(23u - man_bits);
    let rebias = u32(127 - bias) << 23u;
    let subnormal = bitcast<vec4<u32>>(bitcast<vec4<f32>>(shifted + vec4(rebias + (1u << 23u))) - vec4(step));
    let finite = select(shifted + vec4(rebias), subnormal, shifted < vec4(1u << 23u));
    return bitcast<vec4<f32>>(finite | ((codes >> vec4(sign_bit)) << vec4(31u)));
}

// f32 codes of `bits` in the format with these parameters (see minifloat_encode); sign included.
// fnuz: the only NaN is the sign bit, which is no sign of anything, and zero has no sign.
fn fp8_encode(bits: vec4<u32>, sign_bit: u32, man_bits: u32, bias: i32, max_code: u32, over_code: u32, nan_code: u32, fnuz: bool) -> vec4<u32> {
    let code = minifloat_encode(bits, man_bits, bias, max_code, over_code, nan_code);
    return fp8_signed(code, bits, sign_bit, fnuz);
}

// The same in an unsigned format: a negative number that does not round to zero becomes `under_code`.
fn fp8_encode_unsigned(bits: vec4<u32>, man_bits: u32, bias: i32, max_code: u32, over_code: u32, under_code: u32, nan_code: u32) -> vec4<u32> {
    let code = minifloat_encode(bits, man_bits, bias, max_code, over_code, nan_code);
    return fp8_unsigned(code, bits, under_code);
}

// Magnitude codes with the signs of f32 `bits`.
fn fp8_signed(code: vec4<u32>, bits: vec4<u32>, sign_bit: u32, fnuz: bool) -> vec4<u32> {
    let signed = code | ((bits >> vec4(31u)) << vec4(sign_bit));
    return select(signed, vec4(0u), vec4(fnuz) & (code == vec4(0u)));
}

// Magnitude codes of a format without signs, where f32 `bits` has them; a NaN stays.
fn fp8_unsigned(code: vec4<u32>, bits: vec4<u32>, under_code: u32) -> vec4<u32> {
    let below = (bits > vec4(0x80000000u)) & (bits <= vec4(0xff800000u)) & (code != vec4(0u));
    return select(code, vec4(under_code), below);
}
