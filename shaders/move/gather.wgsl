// One word of out per invocation, its elements from wherever they are.
#import move/params.wgsl

@group(0) @binding(1) var<storage, read> x: array<u32>;
@group(0) @binding(2) var<storage, read_write> out: array<u32>;

override WORKGROUP: u32;

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = linear_group(group, groups) * WORKGROUP + lane;
    if i < params.end {
        let per_word = 4u / SIZE;
        let row = i / params.units;
        let col = i % params.units * per_word;
        let first = x_row(row);
        var word = 0u;
        for (var k = 0u; k < per_word; k++) {
            if col + k < params.cols {
                let at = first + (col + k) * params.x_step;
                let element = (x[at / per_word] >> (at % per_word * 8u * SIZE)) & (0xffffffffu >> (32u - 8u * SIZE));
                word |= element << (k * 8u * SIZE);
            }
        }
        out[(out_row(row) + col) / per_word] = word;
    }
}
