// What an angle of every pair advances by, from radians per position to turns: f / (2 pi) modulo 1 as a fraction of 64
// bits, (high, low, whether f is NaN or Inf, 0). Integers only, so that large angles lose nothing.
#import lib/bits.wgsl
#import lib/grid.wgsl
#import lib/philox.wgsl

@group(0) @binding(1) var<storage, read> frequencies: array<u32>;
@group(0) @binding(2) var<storage, read_write> turns: array<vec4<u32>>;

struct Params { pairs: u32 }
@group(0) @binding(0) var<uniform> params: Params;

override WORKGROUP: u32;

// Binary digits of 1 / (2 pi) behind the point, after 160 zeros.
const INVERSE = array<u32, 12>(
    0u, 0u, 0u, 0u, 0u,
    0x28be60dbu, 0x9391054au, 0x7f09d5f4u, 0x7d4d3770u, 0x36d8a566u, 0x4f10e410u, 0x7f9458eau
);

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = linear_group(group, groups) * WORKGROUP + lane;
    if i < params.pairs {
        let bits = frequencies[i];
        // f = significand * 2^(exponent - 150): digits before this one only add whole turns. A subnormal meets zeros.
        let first = ((bits >> 23u) & 255u) + 10u;
        let significand = (bits & 0x7fffffu) | 0x800000u;
        var digits = INVERSE;
        let at = first / 32u;
        let shift = first % 32u;
        let above = vec3(digits[at], digits[at + 1u], digits[at + 2u]) << vec3(shift);
        let below = (vec3(digits[at + 1u], digits[at + 2u], digits[at + 3u]) >> vec3(1u)) >> vec3(31u - shift);
        let window = above | below;
        let product = wide_product(vec4(window, 0u), significand);
        let low = product.low.y + product.high.z;
        let carry = select(0u, 1u, low < product.high.z);
        let turn = vec2(product.low.x + product.high.y + carry, low);
        // From here on the other way round.
        let back = vec2(~turn.x + select(0u, 1u, turn.y == 0u), ~turn.y + 1u);
        let unknown = (bits & MAGNITUDE) >= INFINITY;
        turns[i] = vec4(select(turn, back, bits >= SIGN), select(0u, 1u, unknown), 0u);
    }
}
