// A quad of channels of one window per invocation.
#import pool2d/window.wgsl

override WORKGROUP: u32;

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = linear_group(group, groups) * WORKGROUP + lane;
    if i < params.end {
        let row = params.row + i / params.out_quads;
        let quad = i % params.out_quads;
        var bits = vec4(0u);
        if quad < params.x_quads {
            let at = window(row);
            var all = vec4(0u);
            for (var y = 0u; y < at.extents.x; y++) {
                for (var x = 0u; x < at.extents.y; x++) {
                    all = join(all, term(x_real(at.first + y * at.steps.x + x * at.steps.y, quad)));
                }
            }
            bits = result(all, at.count);
        }
        out_write(row, quad, bits);
    }
    out_finish(lane);
}
