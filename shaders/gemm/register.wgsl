// C = A * B straight from storage, 8 x 4 results per invocation, no workgroup memory in the main loop: what software
// adapters run fastest. Rows beyond the matrix are read as some other one and never stored.
#import gemm/sides.wgsl
#import lib/grid.wgsl

override THREADS: u32;

@compute @workgroup_size(THREADS)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let piece = linear_group(group, groups);
    let batch = params.batch_first + piece / params.tiles;
    let sides = batch_of(min(batch, params.batch_end - 1u));
    let tile = piece % params.tiles;
    let row = params.row_first + tile / params.col_tiles * 8u;
    let quad = params.col_first / 4u + tile % params.col_tiles * THREADS + lane;
    var acc0 = vec4<f32>();
    var acc1 = vec4<f32>();
    var acc2 = vec4<f32>();
    var acc3 = vec4<f32>();
    var acc4 = vec4<f32>();
    var acc5 = vec4<f32>();
    var acc6 = vec4<f32>();
    var acc7 = vec4<f32>();

    for (var tap = 0u; tap < params.taps; tap++) {
        let cols = b_lines(sides.y, 4u * quad, tap);
        let upper = a_lines(sides.x, row, tap);
        let lower = a_lines(sides.x, row + 4u, tap);
        for (var k = 0u; k < params.k_quads; k++) {
            let b = b_block(sides.y, cols, k);
            let top = a_block(sides.x, upper, k);
            let low = a_block(sides.x, lower, k);
            acc0 += top[0].x * b[0]; acc0 += top[1].x * b[1]; acc0 += top[2].x * b[2]; acc0 += top[3].x * b[3];
            acc1 += top[0].y * b[0]; acc1 += top[1].y * b[1]; acc1 += top[2].y * b[2]; acc1 += top[3].y * b[3];
            acc2 += top[0].z * b[0]; acc2 += top[1].z * b[1]; acc2 += top[2].z * b[2]; acc2 += top[3].z * b[3];
            acc3 += top[0].w * b[0]; acc3 += top[1].w * b[1]; acc3 += top[2].w * b[2]; acc3 += top[3].w * b[3];
            acc4 += low[0].x * b[0]; acc4 += low[1].x * b[1]; acc4 += low[2].x * b[2]; acc4 += low[3].x * b[3];
            acc5 += low[0].y * b[0]; acc5 += low[1].y * b[1]; acc5 += low[2].y * b[2]; acc5 += low[3].y * b[3];
            acc6 += low[0].z * b[0]; acc6 += low[1].z * b[1]; acc6 += low[2].z * b[2]; acc6 += low[3].z * b[3];
            acc7 += low[0].w * b[0]; acc7 += low[1].w * b[1]; acc7 += low[2].w * b[2]; acc7 += low[3].w * b[3];
        }
    }

    // One copy of the epilogue, not eight: drivers take as long to compile as it is.
    var acc = array(acc0, acc1, acc2, acc3, acc4, acc5, acc6, acc7);
    // As many rows as there are: at a constant number drivers would copy the epilogue after all.
    let end = select(row, params.row_end, batch < params.batch_end);
    for (var i = 0u; i < min(8u, max(end, row) - row); i++) {
        if quad < params.col_quads {
            finish(batch, sides, row + i, quad, acc[i]);
        }
    }
    out_finish(lane);
}
