// What the product needs to know first: which lines of A and B hold a NaN, since arithmetic need not carry it, and
// the bias in f32. One workgroup per line, or quad of columns where lines are columns; those of A first, then B's, then
// one for each workgroup's worth of bias. An 8-bit operand whose record says that it has no NaN is not read. Where A is
// patches, a line holds what its pixels do: conv2d/pixels.wgsl.
#import lib/grid.wgsl
#ifdef PATCHES
#import lib/scale.wgsl x=a X=A at=2
#import conv2d/pixel.wgsl
@group(0) @binding(1) var<storage, read> pixels: array<u32>;
#else
#import gemm/side.wgsl x=a X=A at=1 scales=2 extent=m
#endif
#import gemm/side.wgsl x=b X=B at=3 scales=4 extent=n
#ifdef BIAS
#import lib/operand.wgsl x=bias X=BIAS at=5
#endif

@group(0) @binding(8) var<storage, read_write> prologue: array<u32>;

override WORKGROUP: u32;
// One bit per column of a quad.
var<workgroup> found: atomic<u32>;
const HAS_NAN = 1u;

fn may_have_nan(of_a: bool) -> bool {
    var flags = HAS_NAN;
#ifdef A_SCALED
    if of_a {
        flags = a_flags();
    }
#endif
#ifdef B_SCALED
    if !of_a {
        flags = b_flags();
    }
#endif
    return (flags & HAS_NAN) != 0u;
}

// Whether an operand holds a NaN that none of its codes can be. Of patches the pixels say it.
fn lost_nan(of_a: bool) -> bool {
    var lost = false;
#ifdef A_SCALED
#ifndef PATCHES
    if of_a {
        lost = a_lost_nan();
    }
#endif
#endif
#ifdef B_SCALED
    if !of_a {
        lost = b_lost_nan();
    }
#endif
    return lost;
}

fn bits(v: vec4<bool>) -> u32 {
    let b = select(vec4(0u), vec4(1u, 2u, 4u, 8u), v);
    return b.x | b.y | b.z | b.w;
}

// Columns of the item's quads that hold a NaN, as this lane sees them.
fn scan_a(item: u32, lane: u32) -> u32 {
    var seen = 0u;
#ifdef PATCHES
    // Groups, 32 at a time, of a line of output pixels.
    for (var tap = lane; tap < params.taps; tap += WORKGROUP) {
        let row = pixel_of(vec4(item / params.group_words), tap).x;
        if row != OUTSIDE {
            seen |= pixels[row * params.group_words + item % params.group_words];
        }
    }
#else
#ifdef A_K_ROWS
    let quads = (params.m + 3u) / 4u;
    for (var k = lane; k < params.k; k += WORKGROUP) {
        seen |= bits(a_nan((item / quads * params.k + k) * params.a_quads + item % quads - params.a_origin));
    }
#else
    for (var quad = lane; quad < params.k_quads; quad += WORKGROUP) {
        seen |= bits(a_nan(item * params.a_quads + quad - params.a_origin));
    }
#endif
#endif
    return seen;
}

fn scan_b(item: u32, lane: u32) -> u32 {
    var seen = 0u;
#ifdef B_K_ROWS
    let quads = (params.n + 3u) / 4u;
    for (var k = lane; k < params.k; k += WORKGROUP) {
        seen |= bits(b_nan((item / quads * params.k + k) * params.b_quads + item % quads - params.b_origin));
    }
#else
    // All taps in a row, padding included: it is zero.
    let line = params.taps * params.b_quads;
    for (var quad = lane; quad < line; quad += WORKGROUP) {
#ifdef PHASE
        let row = item * line_rows() + tap_row(quad / params.b_quads);
        seen |= bits(b_nan(row * params.b_quads + quad % params.b_quads - params.b_origin));
#else
        seen |= bits(b_nan(item * line + quad - params.b_origin));
#endif
    }
#endif
    return seen;
}

fn note_a(item: u32, seen: u32) {
#ifdef PATCHES
    prologue[item] = seen;
#else
#ifdef A_K_ROWS
    let quads = (params.m + 3u) / 4u;
    for (var i = 0u; i < min(4u, params.m - item % quads * 4u); i++) {
        prologue[item / quads * params.m + item % quads * 4u + i] = (seen >> i) & 1u;
    }
#else
    prologue[item] = min(seen, 1u);
#endif
#endif
}

fn note_b(item: u32, seen: u32) {
#ifdef B_K_ROWS
    let quads = (params.n + 3u) / 4u;
    for (var i = 0u; i < min(4u, params.n - item % quads * 4u); i++) {
        prologue[params.b_flags + item / quads * params.n + item % quads * 4u + i] = (seen >> i) & 1u;
    }
#else
    prologue[params.b_flags + item] = min(seen, 1u);
#endif
}

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let item = linear_group(group, groups);
    let of_a = item < params.a_items;
    let of_b = !of_a && item < params.a_items + params.b_items;
    if (of_a || of_b) && may_have_nan(of_a) {
        var seen = select(0u, 0xffffffffu, lost_nan(of_a));
        if of_a {
            seen |= scan_a(params.a_first + item, lane);
        } else {
            seen |= scan_b(params.b_first + item - params.a_items, lane);
        }
        if seen != 0u {
            atomicOr(&found, seen);
        }
    }
    workgroupBarrier();
    if lane == 0u && of_a {
        note_a(params.a_first + item, atomicLoad(&found));
    }
    if lane == 0u && of_b {
        note_b(params.b_first + item - params.a_items, atomicLoad(&found));
    }
#ifdef BIAS
    let quad = (item - params.a_items - params.b_items) * WORKGROUP + lane;
    if !of_a && !of_b && quad < params.bias_quads {
        let v = bias_bits(quad);
        let to = params.bias + 4u * quad;
        prologue[to] = v.x;
        prologue[to + 1u] = v.y;
        prologue[to + 2u] = v.z;
        prologue[to + 3u] = v.w;
    }
#endif
}
