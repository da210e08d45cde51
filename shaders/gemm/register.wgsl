// C = A · Bᵀ straight from storage, 8 × 4 results per invocation, no workgroup memory in the main loop: what software
// adapters run fastest. Rows beyond the matrix are read as its last one and never stored.
#import gemm/epilogue.wgsl
#import lib/grid.wgsl
#import lib/operand.wgsl x=a X=A at=1
#import lib/operand.wgsl x=b X=B at=3

override THREADS: u32;

@compute @workgroup_size(THREADS)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let tile = linear_group(group, groups);
    let row = tile / params.col_tiles * 8u;
    let quad = tile % params.col_tiles * THREADS + lane;
    let last_row = params.m - 1u;
    let last_col = params.cols - 1u;
    let a0 = min(row, last_row) * params.a_quads;
    let a1 = min(row + 1u, last_row) * params.a_quads;
    let a2 = min(row + 2u, last_row) * params.a_quads;
    let a3 = min(row + 3u, last_row) * params.a_quads;
    let a4 = min(row + 4u, last_row) * params.a_quads;
    let a5 = min(row + 5u, last_row) * params.a_quads;
    let a6 = min(row + 6u, last_row) * params.a_quads;
    let a7 = min(row + 7u, last_row) * params.a_quads;
    let b0 = min(4u * quad, last_col) * params.b_quads;
    let b1 = min(4u * quad + 1u, last_col) * params.b_quads;
    let b2 = min(4u * quad + 2u, last_col) * params.b_quads;
    let b3 = min(4u * quad + 3u, last_col) * params.b_quads;
    var acc0 = vec4<f32>();
    var acc1 = vec4<f32>();
    var acc2 = vec4<f32>();
    var acc3 = vec4<f32>();
    var acc4 = vec4<f32>();
    var acc5 = vec4<f32>();
    var acc6 = vec4<f32>();
    var acc7 = vec4<f32>();

    for (var k = 0u; k < params.k_quads; k++) {
        // Four rows of B, four k each, turned: one vector per k.
        let r0 = b_load(b0 + k);
        let r1 = b_load(b1 + k);
        let r2 = b_load(b2 + k);
        let r3 = b_load(b3 + k);
        let x = vec4(r0.x, r1.x, r2.x, r3.x);
        let y = vec4(r0.y, r1.y, r2.y, r3.y);
        let z = vec4(r0.z, r1.z, r2.z, r3.z);
        let w = vec4(r0.w, r1.w, r2.w, r3.w);
        let v0 = a_load(a0 + k);
        acc0 += v0.x * x; acc0 += v0.y * y; acc0 += v0.z * z; acc0 += v0.w * w;
        let v1 = a_load(a1 + k);
        acc1 += v1.x * x; acc1 += v1.y * y; acc1 += v1.z * z; acc1 += v1.w * w;
        let v2 = a_load(a2 + k);
        acc2 += v2.x * x; acc2 += v2.y * y; acc2 += v2.z * z; acc2 += v2.w * w;
        let v3 = a_load(a3 + k);
        acc3 += v3.x * x; acc3 += v3.y * y; acc3 += v3.z * z; acc3 += v3.w * w;
        let v4 = a_load(a4 + k);
        acc4 += v4.x * x; acc4 += v4.y * y; acc4 += v4.z * z; acc4 += v4.w * w;
        let v5 = a_load(a5 + k);
        acc5 += v5.x * x; acc5 += v5.y * y; acc5 += v5.z * z; acc5 += v5.w * w;
        let v6 = a_load(a6 + k);
        acc6 += v6.x * x; acc6 += v6.y * y; acc6 += v6.z * z; acc6 += v6.w * w;
        let v7 = a_load(a7 + k);
        acc7 += v7.x * x; acc7 += v7.y * y; acc7 += v7.z * z; acc7 += v7.w * w;
    }

    // One copy of the epilogue, not eight: drivers take as long to compile as it is.
    var acc = array(acc0, acc1, acc2, acc3, acc4, acc5, acc6, acc7);
    // As many rows as there are: at a constant number drivers would copy the epilogue after all.
    for (var i = 0u; i < min(8u, max(params.m, row) - row); i++) {
        if quad < params.out_quads {
            finish(row + i, quad, acc[i]);
        }
    }
    out_finish(lane);
}
