// What is normalised: x, or x + residual. Uses what lib/real.wgsl names of `x` and `residual`.
#import lib/bits.wgsl
#import lib/real.wgsl x=x X=X at=1 scales=2
#ifdef RESIDUAL
#import lib/real.wgsl x=residual X=RESIDUAL at=3 scales=4
#endif

// f32 bits of a quad of a row, every NaN kept.
fn load(row: u32, quad: u32) -> vec4<u32> {
    let x = x_real(row, quad);
#ifdef RESIDUAL
    let r = residual_real(row, quad);
    let sum = bitcast<vec4<u32>>(bitcast<vec4<f32>>(x) + bitcast<vec4<f32>>(r));
    return select(sum, vec4(QUIET_NAN), is_nan(x) | is_nan(r));
#else
    return x;
#endif
}

fn is_column(quad: u32) -> vec4<bool> {
    return (vec4(4u * quad) + vec4(0u, 1u, 2u, 3u)) < vec4(params.cols);
}

fn sum_of(v: vec4<f32>) -> f32 {
    return (v.x + v.y) + (v.z + v.w);
}

fn is_finite(bits: vec4<u32>) -> vec4<bool> {
    return (bits & vec4(MAGNITUDE)) < vec4(INFINITY);
}
