// A quad of one bag per invocation.
#import embedding_bag/look_up.wgsl

override WORKGROUP: u32;

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = linear_group(group, groups) * WORKGROUP + lane;
    if i < params.end {
        let bag = params.row + i / params.out_quads;
        let quad = i % params.out_quads;
        var all = before(bag, quad);
        if quad < params.table_quads {
            let at = bags[bag];
            for (var place = at.x; place < at.y; place++) {
                all = join(all, look_up(bag, place, quad));
            }
        }
        finish(bag, quad, all);
    }
    leave(lane);
}
