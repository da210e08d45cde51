// Eight quads of one bag per workgroup, 32 lanes to each: every lane takes each 32nd place, and a tree joins the lanes.
#import embedding_bag/look_up.wgsl

var<workgroup> lanes: array<vec4<u32>, 256>;

@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = linear_group(group, groups);
    let across = (params.out_quads + 7u) / 8u;
    let bag = params.row + i / across;
    let quad = 8u * (i % across) + lane % 8u;
    let here = i < params.end && quad < params.out_quads;
    var all = vec4(0u);
    if here && quad < params.table_quads {
        let at = bags[bag];
        for (var place = at.x + lane / 8u; place < at.y; place += 32u) {
            all = join(all, look_up(bag, place, quad));
        }
    }
    lanes[lane] = all;
    workgroupBarrier();
    for (var half = 128u; half >= 8u; half /= 2u) {
        if lane < half {
            lanes[lane] = join(lanes[lane], lanes[lane + half]);
        }
        workgroupBarrier();
    }
    if here && lane < 8u {
        finish(bag, quad, join(before(bag, quad), lanes[lane]));
    }
    leave(lane);
}
