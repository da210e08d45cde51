// Rounding of f32 to any narrower float by integers: nearest even or stochastic, subnormals kept.

// A code rounded toward zero, which may run past the largest, and what was cut off as a fraction of 2^32.
struct Truncated { code: vec4<u32>, fraction: vec4<u32> }

// Of finite f32 `bits`, without sign.
fn minifloat_truncate(bits: vec4<u32>, man_bits: u32, bias: i32) -> Truncated {
    let m = bits & vec4(0x7fffffffu);
    let normal = m >= vec4(0x00800000u);
    let significand = (m & vec4(0x007fffffu)) | select(vec4(0u), vec4(0x00800000u), normal);
    let exponent = vec4<i32>(max(m >> vec4(23u), vec4(1u))) - vec4(127 - bias);
    // Below the smallest normal exponent, 1, every step drops one more bit; at 56 no bit of the fraction is left.
    let below = vec4<u32>(max(vec4(1) - exponent, vec4(0)));
    let drop = min(vec4(23u - man_bits) + below, vec4(56u));
    let kept = significand >> min(drop, vec4(31u));
    let fraction = (significand << (vec4(32u) - min(drop, vec4(32u)))) >> (max(drop, vec4(32u)) - vec4(32u));
    // The leading bit of `kept` adds the last step to the exponent field.
    return Truncated((vec4<u32>(max(exponent, vec4(1)) - vec4(1)) << vec4(man_bits)) + kept, fraction);
}

// What lies above `max_code` becomes `over_code` (Inf among it), NaN becomes `nan_code`.
fn minifloat_bound(bits: vec4<u32>, code: vec4<u32>, max_code: u32, over_code: u32, nan_code: u32) -> vec4<u32> {
    let m = bits & vec4(0x7fffffffu);
    let bounded = select(code, vec4(over_code), (code > vec4(max_code)) | (m == vec4(0x7f800000u)));
    return select(bounded, vec4(nan_code), m > vec4(0x7f800000u));
}

// Magnitude codes (no sign) of f32 `bits`. Rounded to `man_bits` of mantissa first, then compared with `max_code`.
fn minifloat_encode(bits: vec4<u32>, man_bits: u32, bias: i32, max_code: u32, over_code: u32, nan_code: u32) -> vec4<u32> {
    let down = minifloat_truncate(bits, man_bits, bias);
    let half = vec4(0x80000000u);
    let even = (down.code & vec4(1u)) == vec4(0u);
    let up = (down.fraction > half) | ((down.fraction == half) & !even);
    return minifloat_bound(bits, down.code + select(vec4(0u), vec4(1u), up), max_code, over_code, nan_code);
}

// The same, up where `random` added to the fraction carries.
fn minifloat_encode_stochastic(bits: vec4<u32>, random: vec4<u32>, man_bits: u32, bias: i32, max_code: u32, over_code: u32, nan_code: u32) -> vec4<u32> {
    let down = minifloat_truncate(bits, man_bits, bias);
    let up = random > ~down.fraction;
    return minifloat_bound(bits, down.code + select(vec4(0u), vec4(1u), up), max_code, over_code, nan_code);
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
