// Softmax of rows, LANES invocations each: the largest logit, the sum of e^(logit - largest), their quotients.
// KEEP holds the row in workgroup memory, at most KEPT quads of it; without it logits are made three times.
#import lib/grid.wgsl
#import lib/ieee.wgsl
#import lib/real.wgsl x=x X=X at=1 scales=2
#import lib/output.wgsl x=out X=OUT at=6 record=7
#ifdef MASK
#import lib/operand.wgsl x=mask X=MASK at=3
#import lib/rows.wgsl x=mask
#endif
#ifdef LENGTHS
@group(0) @binding(4) var<storage, read> lengths: array<u32>;
#endif
#ifdef OFFSET
@group(0) @binding(5) var<storage, read> offset: array<u32>;
#endif

struct Params {
    row_first: u32,
    row_end: u32,
    x_origin: u32,
    out_origin: u32,
    mask_origin: u32,
    queries: u32,
    cols: u32,
    x_quads: u32,
    out_quads: u32,
    mask_quads: u32,
    length_rows: u32,
    scale: u32,
    x_row_stride: u32,
    x_row_groups: u32,
    x_col_stride: u32,
    x_col_groups: u32,
    out_groups: u32,
    out_row_stride: u32,
    out_row_groups: u32,
    out_col_stride: u32,
    out_col_groups: u32,
    axis_1: u32,
    axis_2: u32,
    axis_3: u32,
    mask_step_0: u32,
    mask_step_1: u32,
    mask_step_2: u32,
    mask_step_3: u32,
    mask_col_step: u32,
}
@group(0) @binding(0) var<uniform> params: Params;

override WORKGROUP: u32;
override LANES: u32;
// Additions in a row before the sum goes on in another place.
const BLOCK = 64u;
const NEGATIVE_INFINITY = 0xff800000u;
// What key() makes of -Inf and of Inf.
const LOWEST = 0x007fffffu;
const HIGHEST = 0xff800000u;

var<workgroup> partial: array<u32, WORKGROUP>;
#ifdef KEEP
override KEPT: u32;
var<workgroup> kept: array<vec4<u32>, WORKGROUP / LANES * KEPT>;
#endif

// Columns that a row sees.
fn shown_of(row: u32) -> u32 {
    var shown = params.cols;
#ifdef CAUSAL
    let query = row % params.queries;
#ifdef OFFSET
    // In this order nothing overflows.
    if offset[0] < params.cols {
        shown = min(shown, query + offset[0] + 1u);
    }
#else
    shown -= min(shown, params.queries - 1u - query);
#endif
#endif
#ifdef LENGTHS
    shown = min(shown, lengths[row / params.length_rows]);
#endif
    return shown;
}

// Bits of a quad of logits; -Inf where the row does not see them.
fn logits(row: u32, quad: u32, shown: u32) -> vec4<u32> {
    var bits = ieee_mul(x_real(row, quad), vec4(params.scale));
#ifdef MASK
    bits = ieee_add(bits, mask_spread(mask_bits(mask_row(row) * params.mask_quads + mask_quad(quad) - params.mask_origin)));
#endif
    return select(vec4(NEGATIVE_INFINITY), bits, columns(quad) < vec4(shown));
}

fn columns(quad: u32) -> vec4<u32> {
    return vec4(4u * quad) + vec4(0u, 1u, 2u, 3u);
}

// An integer that rises with the number; the quiet NaN is above all.
fn key(bits: vec4<u32>) -> vec4<u32> {
    return select(bits | vec4(SIGN), ~bits, bits >= vec4(SIGN));
}

fn number(key: u32) -> f32 {
    return bitcast<f32>(select(~key, key & MAGNITUDE, key >= SIGN));
}

// e^(logit - largest), 1 and 0 exactly where they belong.
fn weights(bits: vec4<u32>, largest: f32) -> vec4<f32> {
    let d = bitcast<vec4<f32>>(bits) - vec4(largest);
    let e = select(exp(max(d, vec4(-200.0))), vec4(1.0), d == vec4(0.0));
    return select(e, vec4(0.0), bits == vec4(NEGATIVE_INFINITY));
}

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let slot = lane / LANES;
    let me = lane % LANES;
    let row = params.row_first + linear_group(group, groups) * (WORKGROUP / LANES) + slot;
    var shown = 0u;
    if row < params.row_end {
        shown = shown_of(row);
    }
    let quads = (shown + 3u) / 4u;

    var top = 0u;
    for (var q = me; q < quads; q += LANES) {
        let bits = logits(row, q, shown);
        top = max(top, max_of(key(bits)));
#ifdef KEEP
        kept[slot * KEPT + q] = bits;
#endif
    }
    partial[lane] = top;
    workgroupBarrier();
    for (var step = LANES / 2u; step > 0u; step /= 2u) {
        if me < step {
            partial[lane] = max(partial[lane], partial[lane + step]);
        }
        workgroupBarrier();
    }
    top = partial[slot * LANES];
    workgroupBarrier();
    let finite = top > LOWEST && top < HIGHEST;
    let largest = number(top);

    var sum = vec4<f32>();
    if finite {
        for (var block = me; block < quads; block += BLOCK * LANES) {
            var part = vec4<f32>();
            for (var q = block; q < min(block + BLOCK * LANES, quads); q += LANES) {
#ifdef KEEP
                let e = weights(kept[slot * KEPT + q], largest);
                kept[slot * KEPT + q] = bitcast<vec4<u32>>(e);
#else
                let e = weights(logits(row, q, shown), largest);
#endif
                part += e;
            }
            sum += part;
        }
    }
    partial[lane] = bitcast<u32>((sum.x + sum.y) + (sum.z + sum.w));
    workgroupBarrier();
    for (var step = LANES / 2u; step > 0u; step /= 2u) {
        if me < step {
            partial[lane] = bitcast<u32>(bitcast<f32>(partial[lane]) + bitcast<f32>(partial[lane + step]));
        }
        workgroupBarrier();
    }
    let total = bitcast<f32>(partial[slot * LANES]);

    if row < params.row_end {
        for (var q = me; q < params.out_quads; q += LANES) {
            // Nothing to see, or nothing but -Inf: zeros.
            var bits = vec4(0u);
            if finite && q < quads {
#ifdef KEEP
                let e = bitcast<vec4<f32>>(kept[slot * KEPT + q]);
#else
                let e = weights(logits(row, q, shown), largest);
#endif
                bits = bitcast<vec4<u32>>(e / total);
            }
            if top >= HIGHEST {
                bits = select(vec4(0u), vec4(QUIET_NAN), columns(q) < vec4(shown));
            }
            out_write(row, q, bits);
        }
    }
    out_finish(lane);
}
