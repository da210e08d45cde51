// Which groups of channels of every pixel of the input hold a NaN: 32 groups to a word, a word per invocation.
#import lib/bits.wgsl
#import lib/grid.wgsl
#import lib/operand.wgsl x=a X=A at=1
#import lib/scale.wgsl x=a X=A at=2
#import gemm/params.wgsl

@group(0) @binding(3) var<storage, read_write> pixels: array<u32>;

override WORKGROUP: u32;
const HAS_NAN = 1u;

fn any_nan(pixel: u32, group: u32) -> bool {
    let first = group * params.group_in / 4u;
    var seen = vec4(false);
    for (var quad = 0u; quad < params.k_quads; quad++) {
        seen |= a_nan(pixel * params.a_quads + first + quad - params.a_origin);
    }
    return any(seen);
}

fn look(pixel: u32, word: u32) -> u32 {
#ifdef A_SCALED
    if (a_flags() & HAS_NAN) == 0u {
        return 0u;
    }
    if a_lost_nan() {
        return 0xffffffffu;
    }
#endif
    var seen = 0u;
    for (var i = 0u; i < min(32u, params.groups - 32u * word); i++) {
        seen |= select(0u, 1u << i, any_nan(pixel, 32u * word + i));
    }
    return seen;
}

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = params.a_first + linear_group(group, groups) * WORKGROUP + lane;
    if i < params.a_first + params.a_items {
        pixels[i] = look(i / params.group_words, i % params.group_words);
    }
}
