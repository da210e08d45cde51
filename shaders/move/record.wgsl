// The record of codes that were moved, and the scale, inverse scale and amax of every group, from where its elements come
// from. One word per invocation.
#import lib/grid.wgsl
#import lib/walk.wgsl x=x

struct Params {
    words: u32,
    x_part: u32,
    out_part: u32,
    out_groups: u32,
    x_first: u32,
    extent_0: u32,
    extent_1: u32,
    extent_2: u32,
    extent_3: u32,
    x_0: u32,
    x_1: u32,
    x_2: u32,
    x_3: u32,
    x_4: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<u32>;
@group(0) @binding(2) var<storage, read_write> out: array<u32>;

override WORKGROUP: u32;

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = linear_group(group, groups) * WORKGROUP + lane;
    if i < params.words {
        var word = 0u;
        if i < 4u {
            word = x[i];
        } else {
            let part = (i - 4u) / params.out_part;
            let g = (i - 4u) % params.out_part;
            if g < params.out_groups {
                word = x[4u + part * params.x_part + x_row(g)];
            }
        }
        out[i] = word;
    }
}
