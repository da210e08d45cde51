// A row of words, all zero, padding included.
#import lib/grid.wgsl

@group(0) @binding(1) var<storage, read_write> out: array<u32>;

struct Params { words: u32 }
@group(0) @binding(0) var<uniform> params: Params;

override WORKGROUP: u32;

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = linear_group(group, groups) * WORKGROUP + lane;
    if i < params.words {
        out[i] = 0u;
    }
}
