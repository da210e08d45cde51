// Eight quads of channels of one window per workgroup, 32 lanes to each: every lane takes each 32nd number, 64 at a time
// for the sake of sums, and a tree joins the lanes.
#import pool2d/window.wgsl

var<workgroup> lanes: array<vec4<u32>, 256>;

@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = linear_group(group, groups);
    let across = (params.out_quads + 7u) / 8u;
    let row = params.row + i / across;
    let quad = 8u * (i % across) + lane % 8u;
    let here = i < params.end && quad < params.out_quads;
    let at = window(row);
    var all = vec4(0u);
    if here && quad < params.x_quads {
        let taps = at.extents.x * at.extents.y;
        for (var first = lane / 8u; first < taps; first += 2048u) {
            var part = vec4(0u);
            for (var k = first; k < min(first + 2048u, taps); k += 32u) {
                let from_row = at.first + k / at.extents.y * at.steps.x + k % at.extents.y * at.steps.y;
                part = join(part, term(x_real(from_row, quad)));
            }
            all = join(all, part);
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
        var bits = vec4(0u);
        if quad < params.x_quads {
            bits = result(lanes[lane], at.count);
        }
        out_write(row, quad, bits);
    }
    out_finish(lane);
}
