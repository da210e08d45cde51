// Mean and 1 / sqrt(variance + epsilon) of every group of every sample, as bits; a mean that is NaN says that all is.
#import lib/bits.wgsl
@group(0) @binding(10) var<storage, read> moments_of: array<vec2<u32>>;

struct Moments {
    mean: vec4<f32>,
    inverse: vec4<f32>,
    lost: vec4<bool>,
}

// Of the four columns of a quad.
fn moments(sample: u32, quad: u32) -> Moments {
    let col = min(vec4(4u * quad) + vec4(0u, 1u, 2u, 3u), vec4(params.cols - 1u));
    let at = vec4(sample * params.groups) + col / vec4(params.group_cols);
    let a = moments_of[at.x];
    let b = moments_of[at.y];
    let c = moments_of[at.z];
    let d = moments_of[at.w];
    let mean = vec4(a.x, b.x, c.x, d.x);
    return Moments(bitcast<vec4<f32>>(mean), bitcast<vec4<f32>>(vec4(a.y, b.y, c.y, d.y)), is_nan(mean));
}
