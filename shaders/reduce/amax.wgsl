// amax of every group of `x`: a running integer maximum of |code * scale|, into the record of a quantised output
// (TO_RECORD) or into a row of numbers. One quad per invocation; the target starts at zero.
#import lib/bits.wgsl
#import lib/grid.wgsl
#import lib/real.wgsl x=x X=X at=1 scales=2

#ifdef TO_RECORD
#import lib/record.wgsl x=out X=OUT at=3
#else
@group(0) @binding(3) var<storage, read_write> out: array<atomic<u32>>;

fn out_see(group: u32, magnitude: u32) {
    atomicMax(&out[group], magnitude);
}
#endif

struct Params {
    first: u32,
    end: u32,
    x_origin: u32,
    cols: u32,
    x_quads: u32,
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
var<workgroup> group_amax: atomic<u32>;

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = params.first + linear_group(group, groups) * WORKGROUP + lane;
    if i < params.end {
        let row = i / params.x_quads;
        let quad = i % params.x_quads;
        let m = magnitude(x_real(row, quad));
#ifdef OUT_PER_TENSOR
        atomicMax(&group_amax, max_of(m));
#else
        let col = min(vec4(4u * quad) + vec4(0u, 1u, 2u, 3u), vec4(params.cols - 1u)) / params.out_col_stride;
        let g = row / params.out_row_stride % params.out_row_groups * params.out_col_groups + col;
        if g.x == g.w {
            out_see(g.x, max_of(m));
        } else {
            // Padding has the last group, and no magnitude.
            out_see(g.x, m.x);
            out_see(g.y, m.y);
            out_see(g.z, m.z);
            out_see(g.w, m.w);
        }
#endif
    }
#ifdef OUT_PER_TENSOR
    workgroupBarrier();
    if lane == 0u {
        out_see(0u, atomicLoad(&group_amax));
    }
#endif
}
