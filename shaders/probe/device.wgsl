// What a device does with numbers. Inputs come from buffers, so that no compiler can know them.
#import lib/operand.wgsl x=e5m2 X=E5M2 at=1
#import lib/operand.wgsl x=e4m3 X=E4M3 at=2
#import lib/operand.wgsl x=e3m4 X=E3M4 at=3

struct Params {
    subnormal: f32,
    two: f32,
    nan: f32,
    large: f32,
    a: f32,
    c: f32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(4) var<storage, read_write> out: array<vec4<u32>>;

@compute @workgroup_size(64)
fn main(@builtin(local_invocation_index) lane: u32) {
    // All codes, four to an invocation.
    out[lane] = bitcast<vec4<u32>>(e5m2_load(lane));
    out[64u + lane] = bitcast<vec4<u32>>(e4m3_load(lane));
    out[128u + lane] = bitcast<vec4<u32>>(e3m4_load(lane));
    if lane == 0u {
        let p = params;
        out[192] = bitcast<vec4<u32>>(vec4(p.subnormal * p.two, clamp(p.nan, -448.0, 448.0), tanh(p.large), p.a * p.a + p.c));
        out[193] = vec4(select(0u, 1u, p.nan != p.nan), bitcast<u32>(fma(p.a, p.a, p.c)), 0u, 0u);
    }
}
