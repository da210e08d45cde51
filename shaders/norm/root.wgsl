#import lib/bits.wgsl

// 1 / sqrt(t), t >= 0: Inf of zero, zero of Inf. One step of Newton's makes the driver's within 2 ulp exact where t is a
// power of four.
fn inverse_root(t: f32) -> f32 {
    let bits = bitcast<u32>(t) & MAGNITUDE;
    let y = inverseSqrt(t);
    let root = bitcast<u32>(y + 0.5 * y * (1.0 - t * y * y));
    return bitcast<f32>(select(select(root, INFINITY, bits < SMALLEST_NORMAL), 0u, bits >= INFINITY));
}
