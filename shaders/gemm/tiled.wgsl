// C = A * B in tiles of BM x BN, K in steps of 16 through workgroup memory; every invocation has 4 x 4 results.
// Asks for nothing but WebGPU's default limits.
#import gemm/sides.wgsl
#import lib/grid.wgsl

override BM: u32;
override BN: u32;
override THREADS: u32;
// Quads of K per step. A tile holds, for each k, its lines four to a vector; one vector of padding between two k.
override BK_QUADS: u32;
var<workgroup> tile_a: array<vec4<f32>, 4 * BK_QUADS * (BM / 4 + 1)>;
var<workgroup> tile_b: array<vec4<f32>, 4 * BK_QUADS * (BN / 4 + 1)>;

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
    let row0 = params.row_first + tile / params.col_tiles * BM;
    let col0 = params.col_first + tile % params.col_tiles * BN;
    let across = BN / 4u;
    let my_col = lane % across;
    let my_row = lane / across;
    var acc0 = vec4<f32>();
    var acc1 = vec4<f32>();
    var acc2 = vec4<f32>();
    var acc3 = vec4<f32>();

    // The block of four lines by four k that this invocation loads of either tile, if any: no tile has more than invocations.
    let lines = lane / BK_QUADS;
    let k = lane % BK_QUADS;
    let loads_a = lines < BM / 4u;
    let loads_b = lines < BN / 4u;
    let to_a = 4u * k * (BM / 4u + 1u) + lines;
    let to_b = 4u * k * (BN / 4u + 1u) + lines;

    for (var tap = 0u; tap < params.taps; tap++) {
        let rows = a_lines(sides.x, row0 + 4u * lines, tap);
        let cols = b_lines(sides.y, col0 + 4u * lines, tap);
        for (var k0 = 0u; k0 < params.k_quads; k0 += BK_QUADS) {
            // load tile: beyond K zero
            if loads_a {
                var v = mat4x4<f32>();
                if k0 + k < params.k_quads {
                    v = a_block(sides.x, rows, k0 + k);
                }
                tile_a[to_a] = v[0];
                tile_a[to_a + BM / 4u + 1u] = v[1];
                tile_a[to_a + 2u * (BM / 4u + 1u)] = v[2];
                tile_a[to_a + 3u * (BM / 4u + 1u)] = v[3];
            }
            if loads_b {
                var v = mat4x4<f32>();
                if k0 + k < params.k_quads {
                    v = b_block(sides.y, cols, k0 + k);
                }
                tile_b[to_b] = v[0];
                tile_b[to_b + BN / 4u + 1u] = v[1];
                tile_b[to_b + 2u * (BN / 4u + 1u)] = v[2];
                tile_b[to_b + 3u * (BN / 4u + 1u)] = v[3];
            }
            workgroupBarrier();

            // mainloop
            for (var i = 0u; i < 4u * BK_QUADS; i++) {
                let a = tile_a[i * (BM / 4u + 1u) + my_row];
                let b = tile_b[i * (BN / 4u + 1u) + my_col];
                acc0 += a.x * b;
                acc1 += a.y * b;
                acc2 += a.z * b;
                acc3 += a.w * b;
            }
            workgroupBarrier();
        }
    }

    // epilogue, store: one copy of it, not four, since drivers take as long to compile as it is
    let row = row0 + 4u * my_row;
    let quad = col0 / 4u + my_col;
    var acc = array(acc0, acc1, acc2, acc3);
    // As many rows as there are: at a constant number drivers would copy the epilogue after all.
    let end = select(row, params.row_end, batch < params.batch_end);
    for (var i = 0u; i < min(4u, max(end, row) - row); i++) {
        if quad < params.col_quads {
            finish(batch, sides, row + i, quad, acc[i]);
        }
    }
    out_finish(lane);
}
