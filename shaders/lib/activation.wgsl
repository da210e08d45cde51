// v = act(v). Written so that nothing overflows on the way: exponentials only of numbers <= 0.
#import lib/bits.wgsl

#ifdef ACT_SIGMOID
// v / (1 + e^-u) without a large exponential; -0, the limit, where it vanishes, at v = -Inf too.
fn gate(v: vec4<f32>, u: vec4<f32>) -> vec4<f32> {
    let e = exp(max(-abs(u), vec4(-200.0)));
    let s = select(e, vec4(1.0), u >= vec4(0.0)) / (vec4(1.0) + e);
    return select(v * s, bitcast<vec4<f32>>(vec4(SIGN)), s == vec4(0.0));
}
#endif

fn activate(v: vec4<f32>) -> vec4<f32> {
#ifdef ACT_RELU
    return max(v, vec4(0.0));
#else
#ifdef ACT_GELU
    // v * Phi(v) = max(v, 0) - |v| / 2 * erfc(|v| / sqrt 2); erfc by Abramowitz & Stegun 7.1.26, |error| <= 1.5e-7.
    let x = min(abs(v), vec4(1e10));
    let t = vec4(1.0) / (vec4(1.0) + 0.23164189 * x);
    let p = t * (0.2548296 + t * (-0.28449672 + t * (1.4214138 + t * (-1.4531521 + t * 1.0614054))));
    return max(v, vec4(0.0)) - 0.5 * x * p * exp(-0.5 * x * x);
#else
#ifdef ACT_GELU_TANH
    // v / 2 * (1 + tanh(u)) = v * sigmoid(2 u).
    let x = clamp(v, vec4(-1e6), vec4(1e6));
    return gate(v, 1.5957692 * (x + 0.044715 * x * x * x));
#else
#ifdef ACT_SILU
    return gate(v, v);
#else
    return v;
#endif
#endif
#endif
#endif
}
