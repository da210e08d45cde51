// code = encode(x * inv_scale), one quad per invocation; amax and flags go into the record.
#import lib/grid.wgsl
#import lib/operand.wgsl x=x X=X at=1
#import lib/output.wgsl x=out X=OUT at=2 record=3

#ifdef OUT_STOCHASTIC
#import lib/philox.wgsl
@group(0) @binding(4) var<storage, read> seed: array<vec4<u32>>;

// The words of the quad's elements, counted in row-major order.
fn out_random(row: u32, quad: u32) -> vec4<u32> {
    return philox(vec4(row * params.cols + 4u * quad) + vec4(0u, 1u, 2u, 3u), seed[0]);
}
#endif

struct Params {
    first: u32,
    end: u32,
    out_origin: u32,
    x_origin: u32,
    cols: u32,
    x_quads: u32,
    out_quads: u32,
    out_groups: u32,
    out_row_stride: u32,
    out_row_groups: u32,
    out_col_stride: u32,
    out_col_groups: u32,
}
@group(0) @binding(0) var<uniform> params: Params;

override WORKGROUP: u32;

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = params.first + linear_group(group, groups) * WORKGROUP + lane;
    if i < params.end {
        let row = i / params.out_quads;
        let quad = i % params.out_quads;
        var bits = vec4(0u);
        if quad < params.x_quads {
            bits = x_bits(row * params.x_quads + quad - params.x_origin);
        }
        out_write(row, quad, bits);
    }
    out_finish(lane);
}
