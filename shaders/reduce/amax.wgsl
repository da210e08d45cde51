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
    out_by_column: u32,
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
        if params.out_by_column != 0u {
            for (var lane_of_quad = 0u; lane_of_quad < 4u; lane_of_quad++) {
                let col = 4u * quad + lane_of_quad;
                if col < params.cols {
                    out_see(col, m[lane_of_quad]);
                }
            }
        } else {
            out_see((row / params.out_row_stride) % params.out_row_groups, max_of(m));
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
