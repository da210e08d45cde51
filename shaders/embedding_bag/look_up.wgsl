// What both kernels share: what stands at a place of a bag, how numbers are joined, what becomes of the result. A stage
// sees rows table_first to table_end of the table. Where that is not all of it, the stages hand each other what they have
// joined: the FIRST begins, with what indices beyond the table look up, and the LAST ends.
#import lib/grid.wgsl
#import lib/ieee.wgsl
#import lib/real.wgsl x=table X=TABLE at=2 scales=3
#ifdef WEIGHTS
#import lib/operand.wgsl x=weights X=WEIGHTS at=4
#endif
#ifdef LAST
#import lib/output.wgsl x=out X=OUT at=6 record=7
#endif
@group(0) @binding(1) var<storage, read> indices: array<u32>;
@group(0) @binding(5) var<storage, read> bags: array<vec4<u32>>;
#ifdef PARTS
@group(0) @binding(8) var<storage, read_write> parts: array<vec4<u32>>;
#endif

struct Params {
    row: u32,
    end: u32,
    out_origin: u32,
    index_origin: u32,
    weights_origin: u32,
    parts_origin: u32,
    table_origin: u32,
    table_first: u32,
    table_end: u32,
    vocabulary: u32,
    padding_index: u32,
    index_quads: u32,
    weights_quads: u32,
    cols: u32,
    table_quads: u32,
    out_quads: u32,
    table_row_stride: u32,
    table_row_groups: u32,
    table_col_stride: u32,
    table_col_groups: u32,
    out_groups: u32,
    out_row_stride: u32,
    out_row_groups: u32,
    out_col_stride: u32,
    out_col_groups: u32,
}
@group(0) @binding(0) var<uniform> params: Params;

// What numbers are joined as: by MAX integers that rise with the number, NaN above all, 0 where there is none; else bits
// of f32.
#ifdef MAX
fn key(bits: vec4<u32>) -> vec4<u32> {
    let b = select(bits, vec4(QUIET_NAN), is_nan(bits));
    return select(b | vec4(SIGN), ~b, b >= vec4(SIGN));
}

fn join(a: vec4<u32>, b: vec4<u32>) -> vec4<u32> {
    return max(a, b);
}

fn joined(a: vec4<u32>, count: u32) -> vec4<u32> {
    let bits = select(~a, a & vec4(MAGNITUDE), a >= vec4(SIGN));
    return select(bits, vec4(0u), a == vec4(0u));
}
#else
fn key(bits: vec4<u32>) -> vec4<u32> {
    return bits;
}

fn join(a: vec4<u32>, b: vec4<u32>) -> vec4<u32> {
    return ieee_add(a, b);
}

fn joined(a: vec4<u32>, count: u32) -> vec4<u32> {
#ifdef MEAN
    let mean = bitcast<vec4<u32>>(bitcast<vec4<f32>>(a) / f32(max(count, 1u)));
    return select(mean, a, is_nan(a) | ieee_infinite(a));
#else
    return a;
#endif
}
#endif

// A quad of the row that place `i` of a bag looks up; zeros beyond the table; nothing where other stages see it.
fn look_up(bag: u32, i: u32, quad: u32) -> vec4<u32> {
    let index = indices[4u * (bag * params.index_quads - params.index_origin) + i];
    var here = index >= params.table_first && index < params.table_end;
#ifdef PADDING
    here = here && index != params.padding_index;
#endif
    var bits = vec4(0u);
    if here {
        bits = table_real(index, quad);
    }
#ifdef FIRST
    here = here || index >= params.vocabulary;
#endif
    if !here {
        return vec4(0u);
    }
#ifdef WEIGHTS
    let weight = weights_bits(bag * params.weights_quads - params.weights_origin + i / 4u)[i % 4u];
    bits = ieee_mul(bits, vec4(weight));
#endif
    return key(bits);
}

// What the stages before have joined.
fn before(bag: u32, quad: u32) -> vec4<u32> {
#ifdef FIRST
    return vec4(0u);
#else
    return parts[bag * params.out_quads + quad - params.parts_origin];
#endif
}

fn finish(bag: u32, quad: u32, all: vec4<u32>) {
#ifdef LAST
    out_write(bag, quad, joined(all, bags[bag].z));
#else
    parts[bag * params.out_quads + quad - params.parts_origin] = all;
#endif
}

// Once per workgroup.
fn leave(lane: u32) {
#ifdef LAST
    out_finish(lane);
#endif
}
