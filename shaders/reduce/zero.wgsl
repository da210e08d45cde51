// A row of words, all zero, padding included.
@group(0) @binding(1) var<storage, read_write> out: array<u32>;

struct Params { words: u32 }
@group(0) @binding(0) var<uniform> params: Params;

override WORKGROUP: u32;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let i = group.x * WORKGROUP + lane;
    if i < params.words {
        out[i] = 0u;
    }
}
