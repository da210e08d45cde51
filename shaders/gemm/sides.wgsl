// Both sides of the product as its main loops take them, and what the prologue found out about their lines.
#import gemm/epilogue.wgsl
#ifdef PATCHES
#import conv2d/patch.wgsl
#else
#import gemm/side.wgsl x=a X=A at=1 scales=2 extent=m
#endif
#import gemm/side.wgsl x=b X=B at=3 scales=4 extent=n

@group(0) @binding(8) var<storage, read> prologue: array<u32>;

fn words(at: vec4<u32>) -> vec4<u32> {
    return vec4(prologue[at.x], prologue[at.y], prologue[at.z], prologue[at.w]);
}

// Whether line `line` of A holds a NaN, not 0 if so.
fn a_flag(batch: u32, line: u32) -> u32 {
#ifdef PATCHES
    return (prologue[line * params.group_words + batch / 32u] >> (batch % 32u)) & 1u;
#else
    return prologue[batch * params.m + line];
#endif
}

fn finish(batch: u32, sides: vec2<u32>, row: u32, quad: u32, sum: vec4<f32>) {
    let four = vec4(0u, 1u, 2u, 3u);
    let line = min(vec4(4u * quad) + four, vec4(params.n - 1u));
    let flags = vec4(a_flag(sides.x, row)) | words(vec4(params.b_flags + sides.y * params.n) + line);
    var bias = vec4(0u);
#ifdef BIAS
    bias = words(vec4(params.bias) + min(vec4(4u * out_quad_of(batch, quad)) + four, vec4(params.cols - 1u)));
#endif
    conclude(batch, sides, row, quad, sum, flags != vec4(0u), bias);
}
