// Forgets amax and flags of a record and keeps its scales: what comes before codes are written.
#import lib/grid.wgsl
#import lib/record.wgsl x=out X=OUT at=1

struct Params { out_groups: u32 }
@group(0) @binding(0) var<uniform> params: Params;

override WORKGROUP: u32;

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = linear_group(group, groups) * WORKGROUP + lane;
    if i == 0u {
        atomicStore(&out_record[2], 0u);
        atomicStore(&out_record[3], 0u);
    }
#ifdef OUT_GROUPS
    if i < params.out_groups {
        atomicStore(&out_record[out_at(2u, i)], 0u);
    }
#endif
}
