// Rounding of f32 to any narrower float with a sign, by integers: nearest even, subnormals kept.

// Magnitude codes (no sign) of f32 `bits`. Rounded to `man_bits` of mantissa first, then compared with `max_code`:
// what lies above becomes `over_code` (Inf among it), NaN becomes `nan_code`.
fn minifloat_encode(bits: vec4<u32>, man_bits: u32, bias: i32, max_code: u32, over_code: u32, nan_code: u32) -> vec4<u32> {
    let m = bits & vec4(0x7fffffffu);
    let normal = m >= vec4(0x00800000u);
    let significand = (m & vec4(0x007fffffu)) | select(vec4(0u), vec4(0x00800000u), normal);
    let exponent = vec4<i32>(max(m >> vec4(23u), vec4(1u))) - vec4(127 - bias);
    // Below the smallest normal exponent, 1, every step drops one more bit; beyond 25 nothing is left.
    let below = vec4<u32>(clamp(vec4(1) - exponent, vec4(0), vec4(25)));
    let drop = min(vec4(23u - man_bits) + below, vec4(25u));
    let kept = significand >> drop;
    let rest = significand & ((vec4(1u) << drop) - vec4(1u));
    let half = vec4(1u) << (drop - vec4(1u));
    // The leading bit of `kept` adds the last step to the exponent field.
    let down = (vec4<u32>(max(exponent, vec4(1)) - vec4(1)) << vec4(man_bits)) + kept;
    let code = down + select(vec4(0u), vec4(1u), (rest > half) | ((rest == half) & ((down & vec4(1u)) == vec4(1u))));
    let bounded = select(code, vec4(over_code), code > vec4(max_code));
    return select(bounded, vec4(nan_code), m > vec4(0x7f800000u));
}

fn f16_encode(bits: vec4<u32>) -> vec4<u32> {
    return minifloat_encode(bits, 10u, 15, 0x7bffu, 0x7c00u, 0x7e00u) | ((bits >> vec4(16u)) & vec4(0x8000u));
}

fn bf16_encode(bits: vec4<u32>) -> vec4<u32> {
    let rounded = (bits + vec4(0x7fffu) + ((bits >> vec4(16u)) & vec4(1u))) >> vec4(16u);
    return select(rounded, vec4(0x7fc0u), (bits & vec4(0x7fffffffu)) > vec4(0x7f800000u));
}

// f32 bits of f16 codes. Subnormals by a subtraction of normal numbers: no f16 or f32 subnormal is ever touched.
fn f16_decode(codes: vec4<u32>) -> vec4<u32> {
    let shifted = (codes & vec4(0x7fffu)) << vec4(13u);
    let subnormal = bitcast<vec4<u32>>(bitcast<vec4<f32>>(shifted + vec4(113u << 23u)) - vec4(0.00006103515625));
    let finite = select(shifted + vec4(112u << 23u), subnormal, shifted < vec4(1u << 23u));
    let bits = select(finite, shifted + vec4(224u << 23u), shifted >= vec4(31u << 23u));
    return bits | ((codes & vec4(0x8000u)) << vec4(16u));
}
