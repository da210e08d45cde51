// Moments of every channel from running statistics, one channel per invocation.
#import lib/bits.wgsl
#import lib/grid.wgsl
#import norm/root.wgsl

struct Params { cols: u32, epsilon: f32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(2) var<storage, read_write> moments_of: array<vec2<u32>>;
@group(0) @binding(3) var<storage, read> running_mean: array<u32>;
@group(0) @binding(4) var<storage, read> running_var: array<u32>;

override WORKGROUP: u32;

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = linear_group(group, groups) * WORKGROUP + lane;
    if i < params.cols {
        let mean = running_mean[i];
        let variance = running_var[i];
        let t = bitcast<f32>(variance) + params.epsilon;
        // No root of what is below zero.
        let negative = bitcast<u32>(t) >= (SIGN | SMALLEST_NORMAL);
        let nan = (variance & MAGNITUDE) > INFINITY || negative;
        moments_of[i] = vec2(select(mean, QUIET_NAN, nan), bitcast<u32>(inverse_root(t)));
    }
}
