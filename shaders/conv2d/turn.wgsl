// Images with their channels first from f32 with their channels last, one quad of a row per invocation.
#import lib/grid.wgsl
#import lib/output.wgsl x=out X=OUT at=2 record=3

struct Params {
    first: u32,
    end: u32,
    out_origin: u32,
    cols: u32,
    out_quads: u32,
    out_groups: u32,
    out_row_stride: u32,
    out_row_groups: u32,
    out_col_stride: u32,
    out_col_groups: u32,
    height: u32,
    channels: u32,
    pixel_quads: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> pixels: array<vec4<u32>>;

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
        let channel = row / params.height % params.channels;
        let line = row / params.height / params.channels * params.height + row % params.height;
        let x = min(vec4(4u * quad) + vec4(0u, 1u, 2u, 3u), vec4(params.cols - 1u));
        let at = (vec4(line * params.cols) + x) * params.pixel_quads + vec4(channel / 4u);
        let c = channel % 4u;
        out_write(row, quad, vec4(pixels[at.x][c], pixels[at.y][c], pixels[at.z][c], pixels[at.w][c]));
    }
    out_finish(lane);
}
