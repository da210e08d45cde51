// Delayed scaling, one workgroup per group of scales: amax of the step before enters the history, all others move on by one, and
// the next scale follows from them. An amax that is not finite does not enter, and changes nothing.
#import lib/bits.wgsl
#import lib/derive.wgsl
#import lib/grid.wgsl
#import lib/record.wgsl x=x X=X at=1

@group(0) @binding(2) var<storage, read_write> history: array<u32>;

struct Params {
    // Scales.
    x_groups: u32,
    // Maxima of each.
    length: u32,
    // Words from one row of the history, a step, to the next.
    pitch: u32,
    // Powers of two that maxima are raised by.
    margin: u32,
    max_bits: u32,
    up_from: u32,
}
@group(0) @binding(0) var<uniform> params: Params;

override WORKGROUP: u32;
var<workgroup> largest: atomic<u32>;

const LARGEST_FINITE = 0x7f7fffffu;

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let g = linear_group(group, groups);
    // Folded grids have a few too many.
    let here = g < params.x_groups;
    let amax = select(0u, atomicLoad(&x_record[x_at(2u, min(g, params.x_groups - 1u))]), here);
    let enters = here && amax < INFINITY;
    // From the end, so that nothing is overwritten before it has moved.
    let chunks = (params.length + WORKGROUP - 1u) / WORKGROUP;
    for (var c = chunks; c > 0u; c--) {
        let i = (c - 1u) * WORKGROUP + lane;
        let within = here && i < params.length;
        var seen = 0u;
        if within {
            let old = select(i, max(i, 1u) - 1u, enters);
            seen = history[old * params.pitch + g];
            if enters && i == 0u {
                seen = amax;
            }
        }
        storageBarrier();
        if within {
            history[i * params.pitch + g] = seen;
            let m = seen & MAGNITUDE;
#ifdef MOST_RECENT
            let counts = i == 0u && m < INFINITY;
#else
            let counts = m < INFINITY;
#endif
            if counts {
                atomicMax(&largest, m);
            }
        }
        storageBarrier();
    }
    workgroupBarrier();
    let most = atomicLoad(&largest);
    if lane == 0u && enters && most >= SMALLEST_NORMAL {
        let raised = min(most + (params.margin << 23u), LARGEST_FINITE);
        let scale = scale_of(raised);
        atomicStore(&x_record[x_at(0u, g)], scale);
        atomicStore(&x_record[x_at(1u, g)], divide(ONE, scale));
    }
}
