// Rows that stay rows, 16 bytes per invocation; SHIFTED where they begin at any element.
#import move/params.wgsl

#ifdef SHIFTED
@group(0) @binding(1) var<storage, read> x: array<u32>;
#else
@group(0) @binding(1) var<storage, read> x: array<vec4<u32>>;
#endif
@group(0) @binding(2) var<storage, read_write> out: array<vec4<u32>>;

override WORKGROUP: u32;

#ifdef SHIFTED
fn word(i: u32) -> u32 {
    return x[min(i, params.x_last)];
}

// 16 bytes from this element on.
fn bytes(element: u32) -> vec4<u32> {
    let first = element / (4u / SIZE);
    let shift = element % (4u / SIZE) * 8u * SIZE;
    let a = vec4(word(first), word(first + 1u), word(first + 2u), word(first + 3u));
    let b = vec4(a.yzw, word(first + 4u));
    // Twice, since a shift by 32 is none.
    return (a >> vec4(shift)) | ((b << vec4(31u - shift)) << vec4(1u));
}
#else
fn bytes(element: u32) -> vec4<u32> {
    return x[element / (16u / SIZE)];
}
#endif

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = linear_group(group, groups) * WORKGROUP + lane;
    if i < params.end {
        let row = i / params.units;
        let col = i % params.units * (16u / SIZE);
        let v = bytes(x_row(row) + col);
        // Zero beyond the row.
        let rest = i32(min(params.cols - col, 16u) * SIZE);
        let kept = vec4<u32>(clamp(vec4(rest) - vec4(0, 4, 8, 12), vec4(0), vec4(4)));
        let mask = select((vec4(1u) << ((8u * kept) & vec4(31u))) - vec4(1u), vec4(0xffffffffu), kept == vec4(4u));
        out[(out_row(row) + col) / (16u / SIZE)] = v & mask;
    }
}
