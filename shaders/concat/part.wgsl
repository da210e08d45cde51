// One input of out = x0, x1, ... along an axis: a quad of out per invocation. SHARED: some quads are of several inputs,
// each of which leaves the columns of the others as they are.
#import lib/grid.wgsl
#import lib/real.wgsl x=x X=X at=1 scales=2
#import lib/output.wgsl x=out X=OUT at=3 record=4

struct Params {
    end: u32,
    x_row: u32,
    x_origin: u32,
    out_origin: u32,
    cols: u32,
    x_quads: u32,
    out_quads: u32,
    block: u32,
    out_block: u32,
    out_row: u32,
    quad: u32,
    quads: u32,
    col_start: u32,
    col_end: u32,
    x_row_stride: u32,
    x_row_groups: u32,
    x_col_stride: u32,
    x_col_groups: u32,
    out_groups: u32,
    out_row_stride: u32,
    out_row_groups: u32,
    out_col_stride: u32,
    out_col_groups: u32,
}
@group(0) @binding(0) var<uniform> params: Params;

override WORKGROUP: u32;

// A quad of x, zero beyond the row; there is no quad before the first.
fn part(row: u32, quad: u32) -> vec4<u32> {
    var bits = vec4(0u);
    if quad < params.x_quads {
        bits = x_real(row, quad);
    }
    return bits;
}

#ifdef SHARED
#ifdef OUT_F32
fn stored(lanes: vec4<u32>) -> vec4<u32> {
    return lanes;
}
#else
#ifdef OUT_F8
fn stored(lanes: vec4<u32>) -> u32 {
    return fp8_pack(lanes & vec4(0xffu));
}
#else
fn stored(lanes: vec4<u32>) -> vec2<u32> {
    return join2(lanes & vec4(0xffffu));
}
#endif
#endif
#endif

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = linear_group(group, groups) * WORKGROUP + lane;
    if i < params.end {
        let row = params.x_row + i / params.quads;
        let k = i % params.quads;
        let to = row / params.block * params.out_block + params.out_row + row % params.block;
        let quad = params.quad + k;
#ifdef SHARED
        // Columns of x lie so many places later in out than whole quads would.
        let shift = params.col_start % 4u;
        var bits = part(row, k);
        if shift != 0u {
            let b = bits;
            let a = part(row, k - 1u);
            bits = select(vec4(a.yzw, b.x), vec4(a.zw, b.xy), shift == 2u);
            bits = select(bits, vec4(a.w, b.xyz), shift == 1u);
        }
        let col = vec4(4u * quad) + vec4(0u, 1u, 2u, 3u);
        let lanes = select(vec4(0u), vec4(0xffffffffu), (col >= vec4(params.col_start)) & (col < vec4(params.col_end)));
        let at = to * params.out_quads + quad - params.out_origin;
        let old = out_values[at];
        out_write(to, quad, bits & lanes);
        let mine = stored(lanes);
        out_values[at] = (out_values[at] & mine) | (old & ~mine);
#else
        out_write(to, quad, part(row, k));
#endif
    }
    out_finish(lane);
}
