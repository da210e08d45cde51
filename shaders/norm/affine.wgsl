// act(deviation * inverse * gamma + beta), one quad at a time, and the NaN that arithmetic may lose.
#import lib/bits.wgsl
#import lib/activation.wgsl
#ifdef GAMMA
#import lib/operand.wgsl x=gamma X=GAMMA at=5
#endif
#ifdef BETA
#import lib/operand.wgsl x=beta X=BETA at=6
#endif

// Where a * b is Inf * 0.
fn indefinite(a: vec4<f32>, b: vec4<f32>) -> vec4<bool> {
    let x = bitcast<vec4<u32>>(a) & vec4(MAGNITUDE);
    let y = bitcast<vec4<u32>>(b) & vec4(MAGNITUDE);
    let zero = vec4(SMALLEST_NORMAL);
    return ((x == vec4(INFINITY)) & (y < zero)) | ((y == vec4(INFINITY)) & (x < zero));
}

// f32 bits; `undefined`: NaN already.
fn affine(quad: u32, deviation: vec4<f32>, inverse: vec4<f32>, undefined: vec4<bool>) -> vec4<u32> {
    var lost = undefined | is_nan(bitcast<vec4<u32>>(deviation)) | indefinite(deviation, inverse);
    var v = deviation * inverse;
#ifdef GAMMA
    let weight = gamma_bits(quad);
#ifdef ZERO_CENTRED
    let gamma = vec4(1.0) + bitcast<vec4<f32>>(weight);
#else
    let gamma = bitcast<vec4<f32>>(weight);
#endif
    lost |= is_nan(weight) | indefinite(v, gamma);
    v *= gamma;
#endif
#ifdef BETA
    let bias = beta_bits(quad);
    lost |= is_nan(bias);
    v += bitcast<vec4<f32>>(bias);
#endif
    lost |= is_nan(bitcast<vec4<u32>>(v));
    return select(bitcast<vec4<u32>>(activate(v)), vec4(QUIET_NAN), lost);
}
