// What kernels without a product share: a quad of output channels per invocation, NaN looked for on the way, the epilogue
// of the product.
#import gemm/epilogue.wgsl
#import conv2d/patch.wgsl
#import gemm/side.wgsl x=b X=B at=3 scales=4 extent=n

const FOUR = vec4<u32>(0u, 1u, 2u, 3u);

// Which of a quad of a pixel's channels are NaN: all of them where a NaN is lost, but not those of no pixel.
fn a_nan_at(pixel: u32, quad: u32) -> vec4<bool> {
    let inside = pixel != OUTSIDE;
    var nan = a_nan(select(0u, pixel * params.a_quads + quad - params.a_origin, inside));
#ifdef A_SCALED
    nan |= vec4(a_lost_nan());
#endif
    return nan & vec4(inside);
}

fn b_nan_at(row: u32, quad: u32) -> vec4<bool> {
    return b_nan(row * params.b_quads + quad - params.b_origin);
}

// Whether the weights hold a NaN that none of their codes can be.
fn lost_before() -> bool {
#ifdef B_SCALED
    return b_lost_nan();
#else
    return false;
#endif
}

fn finish_pixel(pixel: u32, quad: u32, sum: vec4<f32>, lost: vec4<bool>) {
    var bias = vec4(0u);
#ifdef BIAS
    bias = bias_bits(min(quad, params.bias_quads - 1u));
#endif
    conclude(0u, vec2(0u), pixel, quad, sum, lost, bias);
}
