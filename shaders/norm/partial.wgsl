// Sums of the columns of every chunk of rows, or (SQUARES) of the squares of what differs from the mean of its group; one
// quad of columns of one chunk per invocation.
#import lib/grid.wgsl
#import norm/load.wgsl

struct Params {
    // Chunks, counted through all samples.
    first: u32,
    end: u32,
    cols: u32,
    quads: u32,
    rows: u32,
    chunks: u32,
    chunk: u32,
    groups: u32,
    group_cols: u32,
    x_quads: u32,
    x_origin: u32,
    x_row_stride: u32,
    x_row_groups: u32,
    x_col_stride: u32,
    x_col_groups: u32,
    residual_quads: u32,
    residual_origin: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(9) var<storage, read_write> partials: array<vec4<u32>>;
#ifdef SQUARES
#import norm/moments.wgsl
#endif

override WORKGROUP: u32;

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = linear_group(group, groups) * WORKGROUP + lane;
    let chunk = params.first + i / params.quads;
    let quad = i % params.quads;
    if chunk < params.end {
        let sample = chunk / params.chunks;
        let start = chunk % params.chunks * params.chunk;
        let end = min(start + params.chunk, params.rows);
#ifdef SQUARES
        let mean = moments(sample, quad).mean;
#endif
        var sum = vec4(0.0);
        var lost = vec4(false);
        for (var row = start; row < end; row++) {
            let bits = load(sample * params.rows + row, quad);
            lost |= !is_finite(bits);
#ifdef SQUARES
            let d = bitcast<vec4<f32>>(bits) - mean;
            lost |= !is_finite(bitcast<vec4<u32>>(d));
            sum += d * d;
#else
            sum += bitcast<vec4<f32>>(bits);
#endif
        }
        // Whatever arithmetic does with them, a group that holds NaN or Inf has no mean.
        partials[chunk * params.quads + quad] = select(bitcast<vec4<u32>>(sum), vec4(QUIET_NAN), lost);
    }
}
