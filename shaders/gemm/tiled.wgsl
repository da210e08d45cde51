// C = A * B in tiles of BM x BN, K in steps of 16 through workgroup memory; every invocation has 4 x 4 results.
// Asks for nothing but WebGPU's default limits.
#import gemm/epilogue.wgsl
#import lib/grid.wgsl

override BM: u32;
override BN: u32;
override THREADS: u32;
// Quads of K per step. A tile holds, for each k, its lines four to a vector; one vector of padding between two k.
const BK_QUADS = 4u;
var<workgroup> tile_a: array<vec4<f32>, 16 * (BM / 4 + 1)>;
var<workgroup> tile_b: array<vec4<f32>, 16 * (BN / 4 + 1)>;

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

    for (var k0 = 0u; k0 < params.k_quads; k0 += BK_QUADS) {
        // load tile: four lines by four k; beyond K zero
        for (var i = lane; i < BM / 4u * BK_QUADS; i += THREADS) {
            let lines = i / BK_QUADS;
            let k = i % BK_QUADS;
            var v = mat4x4<f32>();
            if k0 + k < params.k_quads {
                v = a_block(sides.x, row0 + 4u * lines, k0 + k);
            }
            let to = 4u * k * (BM / 4u + 1u) + lines;
            tile_a[to] = v[0];
            tile_a[to + BM / 4u + 1u] = v[1];
            tile_a[to + 2u * (BM / 4u + 1u)] = v[2];
            tile_a[to + 3u * (BM / 4u + 1u)] = v[3];
        }
        for (var i = lane; i < BN / 4u * BK_QUADS; i += THREADS) {
            let lines = i / BK_QUADS;
            let k = i % BK_QUADS;
            var v = mat4x4<f32>();
            if k0 + k < params.k_quads {
                v = b_block(sides.y, col0 + 4u * lines, k0 + k);
            }
            let to = 4u * k * (BN / 4u + 1u) + lines;
            tile_b[to] = v[0];
            tile_b[to + BN / 4u + 1u] = v[1];
            tile_b[to + 2u * (BN / 4u + 1u)] = v[2];
            tile_b[to + 3u * (BN / 4u + 1u)] = v[3];
        }
        workgroupBarrier();

        // mainloop
        for (var k = 0u; k < 4u * BK_QUADS; k++) {
            let a = tile_a[k * (BM / 4u + 1u) + my_row];
            let b = tile_b[k * (BN / 4u + 1u) + my_col];
            acc0 += a.x * b;
            acc1 += a.y * b;
            acc2 += a.z * b;
            acc3 += a.w * b;
        }
        workgroupBarrier();
    }

    // epilogue, store: one copy of it, not four, since drivers take as long to compile as it is
    let row = row0 + 4u * my_row;
    let quad = col0 / 4u + my_col;
    var acc = array(acc0, acc1, acc2, acc3);
    // As many rows as there are: at a constant number drivers would copy the epilogue after all.
    let end = select(row, params.row_end, batch < params.batch_end);
    for (var i = 0u; i < min(4u, max(end, row) - row); i++) {
        if quad < params.out_quads {
            finish(batch, sides, row + i, quad, acc[i]);
        }
    }
    out_finish(lane);
}
