// The partial sums of a group, one workgroup each, to its mean or (SQUARES) to the rest of its moments, to running
// statistics (RUNNING) and to what a later backward pass needs (SAVED).
#import lib/bits.wgsl
#import lib/grid.wgsl
#import norm/root.wgsl

struct Params {
    quads: u32,
    chunks: u32,
    groups: u32,
    group_cols: u32,
    count: u32,
    inverse_count: f32,
    unbiased: f32,
    epsilon: f32,
    keep: f32,
    momentum: f32,
    padded: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> partials: array<u32>;
@group(0) @binding(2) var<storage, read_write> moments_of: array<vec2<u32>>;
#ifdef RUNNING
@group(0) @binding(3) var<storage, read_write> running_mean: array<u32>;
@group(0) @binding(4) var<storage, read_write> running_var: array<u32>;
#endif
#ifdef SAVED
@group(0) @binding(5) var<storage, read_write> saved_mean: array<u32>;
@group(0) @binding(6) var<storage, read_write> saved_inv_std: array<u32>;
#endif

// A power of four.
override WORKGROUP: u32;
var<workgroup> sums: array<f32, WORKGROUP>;
var<workgroup> lost: atomic<u32>;

fn nan_or(bits: u32, nan: bool) -> u32 {
    return select(bits, QUIET_NAN, nan || (bits & MAGNITUDE) > INFINITY);
}

#ifdef RUNNING
fn updated(old: u32, batch: f32, nan: bool) -> u32 {
    let v = params.keep * bitcast<f32>(old) + params.momentum * batch;
    return nan_or(bitcast<u32>(v), nan || (old & MAGNITUDE) > INFINITY);
}
#endif

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = linear_group(group, groups);
    let sample = i / params.groups;
    let first = i % params.groups * params.group_cols;
    let end = select(0u, params.chunks * params.group_cols, i < params.count);
    var sum = 0.0;
    for (var part = lane; part < end; part += WORKGROUP) {
        let chunk = sample * params.chunks + part / params.group_cols;
        let bits = partials[chunk * 4u * params.quads + first + part % params.group_cols];
        if (bits & MAGNITUDE) > INFINITY {
            atomicOr(&lost, 1u);
        }
        sum += bitcast<f32>(bits);
    }
    sums[lane] = sum;
    workgroupBarrier();
    for (var width = WORKGROUP / 4u; width > 0u; width /= 4u) {
        if lane < width {
            let low = sums[lane] + sums[lane + width];
            sums[lane] = low + (sums[lane + 2u * width] + sums[lane + 3u * width]);
        }
        workgroupBarrier();
    }
    if lane == 0u && i < params.count {
        let nan = atomicLoad(&lost) != 0u;
        let total = sums[0];
#ifdef SQUARES
        let mean = moments_of[i].x;
        let variance = total * params.inverse_count;
        let unknown = nan || (mean & MAGNITUDE) > INFINITY || (bitcast<u32>(variance) & MAGNITUDE) > INFINITY;
        let inverse = bitcast<u32>(inverse_root(variance + params.epsilon));
        moments_of[i] = vec2(nan_or(mean, unknown), inverse);
#ifdef RUNNING
        running_mean[i] = updated(running_mean[i], bitcast<f32>(mean), unknown);
        running_var[i] = updated(running_var[i], total * params.unbiased, unknown);
#endif
#ifdef SAVED
        saved_mean[i] = nan_or(mean, unknown);
        saved_inv_std[i] = nan_or(inverse, unknown);
        // Whoever has the last channel writes the padding too.
        let padded = select(i, params.padded, i + 1u == params.count);
        for (var at = i + 1u; at < padded; at++) {
            saved_mean[at] = 0u;
            saved_inv_std[at] = 0u;
        }
#endif
#else
        let mean = bitcast<u32>(total * params.inverse_count);
        moments_of[i] = vec2(nan_or(mean, nan || (mean & MAGNITUDE) >= INFINITY), 0u);
#endif
    }
}
