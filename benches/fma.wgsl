// The ceiling of f32 arithmetic: eight independent chains of vec4 multiply-adds in registers, no memory but the last
// store, which keeps them alive.

struct Params { rounds: u32 }

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> out: array<vec4<f32>>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let start = vec4<f32>(vec4(id.x) + vec4(0u, 1u, 2u, 3u));
    // x · m + c stays near 1.
    let m = vec4(0.5, 0.25, 0.125, 0.75);
    let c = vec4(0.5, 0.75, 0.875, 0.25);
    var x0 = start;
    var x1 = start + 1.0;
    var x2 = start + 2.0;
    var x3 = start + 3.0;
    var x4 = start + 4.0;
    var x5 = start + 5.0;
    var x6 = start + 6.0;
    var x7 = start + 7.0;
    for (var i = 0u; i < params.rounds; i++) {
        x0 = fma(x0, m, c); x1 = fma(x1, m, c); x2 = fma(x2, m, c); x3 = fma(x3, m, c);
        x4 = fma(x4, m, c); x5 = fma(x5, m, c); x6 = fma(x6, m, c); x7 = fma(x7, m, c);
        x0 = fma(x0, m, c); x1 = fma(x1, m, c); x2 = fma(x2, m, c); x3 = fma(x3, m, c);
        x4 = fma(x4, m, c); x5 = fma(x5, m, c); x6 = fma(x6, m, c); x7 = fma(x7, m, c);
        x0 = fma(x0, m, c); x1 = fma(x1, m, c); x2 = fma(x2, m, c); x3 = fma(x3, m, c);
        x4 = fma(x4, m, c); x5 = fma(x5, m, c); x6 = fma(x6, m, c); x7 = fma(x7, m, c);
        x0 = fma(x0, m, c); x1 = fma(x1, m, c); x2 = fma(x2, m, c); x3 = fma(x3, m, c);
        x4 = fma(x4, m, c); x5 = fma(x5, m, c); x6 = fma(x6, m, c); x7 = fma(x7, m, c);
    }
    out[id.x] = ((x0 + x1) + (x2 + x3)) + ((x4 + x5) + (x6 + x7));
}
