// Statistics for S2FP8: integer sums of log2 |x|, so in whatever order they are added. One quad per invocation; the sums start at
// zero. Zeros, subnormals, Inf and NaN are outside.
#import lib/bits.wgsl
#import lib/grid.wgsl
#import lib/log2.wgsl
#import lib/operand.wgsl x=x X=X at=1
#import encode/sums.wgsl

@group(0) @binding(2) var<storage, read_write> sums: array<atomic<u32>>;

struct Params {
    first: u32,
    end: u32,
    x_origin: u32,
}
@group(0) @binding(0) var<uniform> params: Params;

override WORKGROUP: u32;
var<workgroup> reciprocals: array<u32, 32>;
var<workgroup> logs: array<u32, 32>;
var<workgroup> group_fractions: atomic<u32>;
var<workgroup> group_carries: atomic<u32>;
var<workgroup> group_exponents: atomic<u32>;
var<workgroup> group_count: atomic<u32>;
var<workgroup> group_largest: atomic<u32>;
var<workgroup> group_amax: atomic<u32>;

// To the two words at `at`.
fn add(at: u32, v: vec2<u32>) {
    let before = atomicAdd(&sums[at], v.x);
    atomicAdd(&sums[at + 1u], v.y + u32(before + v.x < before));
}

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    if lane < 32u {
        var all_reciprocals = RECIPROCAL;
        var all_logs = LOG;
        reciprocals[lane] = all_reciprocals[lane];
        logs[lane] = all_logs[lane];
    }
    workgroupBarrier();
    let i = params.first + linear_group(group, groups) * WORKGROUP + lane;
    if i < params.end {
        // Padding is zero.
        let m = magnitude(x_bits(i - params.x_origin));
        let counts = (m >= vec4(SMALLEST_NORMAL)) & (m < vec4(INFINITY));
        var sum = vec2(0u);
        var exponents = 0u;
        for (var j = 0u; j < 4u; j++) {
            if counts[j] {
                let entry = log2_entry(m[j]);
                let log = log2_by(m[j], reciprocals[entry], logs[entry]);
                sum = plus(sum, vec2(log.x, 0u));
                exponents += log.y;
            }
        }
        let before = atomicAdd(&group_fractions, sum.x);
        atomicAdd(&group_carries, sum.y + u32(before + sum.x < before));
        atomicAdd(&group_exponents, exponents);
        let ones = select(vec4(0u), vec4(1u), counts);
        atomicAdd(&group_count, ones.x + ones.y + ones.z + ones.w);
        atomicMax(&group_largest, max_of(select(vec4(0u), m, counts)));
        atomicMax(&group_amax, max_of(m));
    }
    workgroupBarrier();
    if lane == 0u {
        add(FRACTIONS, vec2(atomicLoad(&group_fractions), atomicLoad(&group_carries)));
        add(EXPONENTS, vec2(atomicLoad(&group_exponents), 0u));
        atomicAdd(&sums[COUNT], atomicLoad(&group_count));
        atomicMax(&sums[LARGEST_NUMBER], atomicLoad(&group_largest));
        atomicMax(&sums[AMAX], atomicLoad(&group_amax));
    }
}
