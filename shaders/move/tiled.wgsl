// A tile of 32 lines by 32 columns per workgroup, turned in workgroup memory: lines are what lies together in x, columns
// what lies together in out.
#import move/params.wgsl

@group(0) @binding(1) var<storage, read> x: array<u32>;
@group(0) @binding(2) var<storage, read_write> out: array<u32>;

// One element per word; a row of one line, and one more, so that no column is one bank.
var<workgroup> tile: array<u32, 1056>;

@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = linear_group(group, groups);
    let here = i < params.end;
    let down = (params.lines + 31u) / 32u;
    let column = 32u * (i % params.units);
    let line = 32u * (i / params.units % down);
    let row = i / params.units / down;
    let per_word = 4u / SIZE;
    let words = 8u * SIZE;

    let at = x_row(row) + line;
    for (var k = lane; k < 32u * words; k += 256u) {
        let c = k / words;
        let l = k % words * per_word;
        if here && line + l < params.lines {
            var word = 0u;
            if column + c < params.cols {
                word = x[(at + (column + c) * params.x_step + l) / per_word];
            }
            for (var e = 0u; e < per_word; e++) {
                tile[(l + e) * 33u + c] = (word >> (e * 8u * SIZE)) & (0xffffffffu >> (32u - 8u * SIZE));
            }
        }
    }
    workgroupBarrier();
    let to = out_row(row) + column;
    for (var k = lane; k < 32u * words; k += 256u) {
        let l = k / words;
        let c = k % words * per_word;
        if here && line + l < params.lines && column + c < params.width {
            var word = 0u;
            for (var e = 0u; e < per_word; e++) {
                word |= tile[l * 33u + c + e] << (e * 8u * SIZE);
            }
            out[(to + (line + l) * params.out_line) / per_word + c / per_word] = word;
        }
    }
}
