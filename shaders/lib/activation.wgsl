// v = act(v), by exactly one of the ACT_ names. Written so that nothing overflows on the way: exponentials only of numbers <= 0.
#import lib/bits.wgsl

#ifdef ACT_GATE
// v / (1 + e^-u) without a large exponential; -0, the limit, where it vanishes, at v = -Inf too.
fn gate(v: vec4<f32>, u: vec4<f32>) -> vec4<f32> {
    let e = exp(max(-abs(u), vec4(-200.0)));
    let s = select(e, vec4(1.0), u >= vec4(0.0)) / (vec4(1.0) + e);
    return select(v * s, bitcast<vec4<f32>>(vec4(SIGN)), s == vec4(0.0));
}
#endif

#ifdef ACT_NONE
fn activate(v: vec4<f32>) -> vec4<f32> {
    return v;
}
#endif

#ifdef ACT_RELU
fn activate(v: vec4<f32>) -> vec4<f32> {
    return max(v, vec4(0.0));
}
#endif

#ifdef ACT_RELU6
fn activate(v: vec4<f32>) -> vec4<f32> {
    return clamp(v, vec4(0.0), vec4(6.0));
}
#endif

#ifdef ACT_GELU
// v * Phi(v) = max(v, 0) - |v| / 2 * erfc(|v| / sqrt 2); erfc by Abramowitz & Stegun 7.1.26, |error| <= 1.5e-7.
fn activate(v: vec4<f32>) -> vec4<f32> {
    let x = min(abs(v), vec4(1e10));
    let t = vec4(1.0) / (vec4(1.0) + 0.23164189 * x);
    let p = t * (0.2548296 + t * (-0.28449672 + t * (1.4214138 + t * (-1.4531521 + t * 1.0614054))));
    return max(v, vec4(0.0)) - 0.5 * x * p * exp(-0.5 * x * x);
}
#endif

#ifdef ACT_GELU_TANH
// v / 2 * (1 + tanh(u)) = v * sigmoid(2 u).
fn activate(v: vec4<f32>) -> vec4<f32> {
    let x = clamp(v, vec4(-1e6), vec4(1e6));
    return gate(v, 1.5957692 * (x + 0.044715 * x * x * x));
}
#endif

#ifdef ACT_SILU
fn activate(v: vec4<f32>) -> vec4<f32> {
    return gate(v, v);
}
#endif

#ifdef ACT_SIGMOID
fn activate(v: vec4<f32>) -> vec4<f32> {
    let e = exp(max(-abs(v), vec4(-200.0)));
    return select(e, vec4(1.0), v >= vec4(0.0)) / (vec4(1.0) + e);
}
#endif

#ifdef ACT_TANH
// An odd polynomial near zero (Cephes, tanhf); elsewhere by an exponential, which never overflows.
fn activate(v: vec4<f32>) -> vec4<f32> {
    let x = abs(v);
    let square = min(x * x, vec4(1.0));
    let p = (((-0.0057049887 * square + 0.02063909) * square - 0.053739716) * square + 0.13331442) * square - 0.33333283;
    let e = exp(max(-2.0 * x, vec4(-200.0)));
    let far = vec4(1.0) - 2.0 * e / (vec4(1.0) + e);
    let magnitude = select(far, x + x * square * p, x < vec4(0.625));
    return bitcast<vec4<f32>>(bitcast<vec4<u32>>(magnitude) | (bitcast<vec4<u32>>(v) & vec4(SIGN)));
}
#endif

// The same of f32 bits; NaN stays NaN.
fn activated(bits: vec4<u32>) -> vec4<u32> {
    return select(bitcast<vec4<u32>>(activate(bitcast<vec4<f32>>(bits))), vec4(QUIET_NAN), is_nan(bits));
}
