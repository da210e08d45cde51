// Normalisation of rows. LANES invocations share a row, and WORKGROUP / LANES rows a workgroup. With HELD the row stays
// in registers, HELD quads to an invocation; else it is read again for each of three passes.
#import lib/flags.wgsl
#import lib/grid.wgsl
#import norm/load.wgsl
#import norm/affine.wgsl
#import norm/root.wgsl
#import lib/output.wgsl x=out X=OUT at=7 record=8
#ifdef SUM
#import lib/output.wgsl x=sum X=SUM at=9 record=10
#endif

struct Params {
    first: u32,
    end: u32,
    cols: u32,
    quads: u32,
    // Quads of a row that are read, or written as the sum.
    read_quads: u32,
    inverse_count: f32,
    epsilon: f32,
    x_quads: u32,
    x_origin: u32,
    x_row_stride: u32,
    x_row_groups: u32,
    x_col_stride: u32,
    x_col_groups: u32,
    residual_quads: u32,
    residual_origin: u32,
    out_quads: u32,
    out_origin: u32,
    out_groups: u32,
    out_row_stride: u32,
    out_row_groups: u32,
    out_col_stride: u32,
    out_col_groups: u32,
    sum_quads: u32,
    sum_origin: u32,
}
@group(0) @binding(0) var<uniform> params: Params;

override WORKGROUP: u32;
// A power of four.
override LANES: u32;

#ifdef HELD_4
const HELD = 4u;
#endif
#ifdef HELD_8
const HELD = 8u;
#endif

const HAS_INF = 8u;

var<workgroup> partial: array<f32, WORKGROUP>;
// HAS_NAN, HAS_INF: of each row, of what is normalised.
var<workgroup> seen: array<atomic<u32>, WORKGROUP>;

// Sum of `v` over the lanes of a row, by a tree. In uniform control flow.
fn row_sum(v: f32, lane: u32) -> f32 {
    let at = lane % LANES;
    partial[lane] = v;
    workgroupBarrier();
    for (var width = LANES / 4u; width > 0u; width /= 4u) {
        if at < width {
            let low = partial[lane] + partial[lane + width];
            partial[lane] = low + (partial[lane + 2u * width] + partial[lane + 3u * width]);
        }
        workgroupBarrier();
    }
    let total = partial[lane - at];
    workgroupBarrier();
    return total;
}

// A quad of the row for the first time: flags, and the sum as an output.
fn visit(row: u32, quad: u32, first_lane: u32) -> vec4<f32> {
    var bits = vec4(0u);
    if quad < params.quads {
        bits = load(row, quad);
        let nan = select(0u, HAS_NAN, any(is_nan(bits)));
        let flags = nan | select(0u, HAS_INF, any((bits & vec4(MAGNITUDE)) == vec4(INFINITY)));
        if flags != 0u {
            atomicOr(&seen[first_lane], flags);
        }
    }
#ifdef SUM
    if quad < params.sum_quads {
        sum_write(row, quad, bits);
    }
#endif
    return bitcast<vec4<f32>>(bits);
}

// Squares of what differs from the mean; padding differs by nothing.
fn squares_of(v: vec4<f32>, quad: u32, mean: f32) -> vec4<f32> {
    let d = select(vec4(0.0), v - vec4(mean), is_column(quad));
    return d * d;
}

fn write(row: u32, quad: u32, v: vec4<f32>, mean: f32, inverse: f32, lost: bool) {
    var bits = vec4(0u);
    if quad < params.quads {
        bits = affine(quad, v - vec4(mean), vec4(inverse), vec4(lost));
    }
    out_write(row, quad, bits);
}

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let at = lane % LANES;
    let row = params.first + linear_group(group, groups) * (WORKGROUP / LANES) + lane / LANES;
    let live = row < params.end;
    let read_end = select(0u, params.read_quads, live);
    let out_end = select(0u, params.out_quads, live);

    var sum = vec4(0.0);
#ifdef HELD
    var held: array<vec4<f32>, HELD>;
    for (var i = 0u; i < HELD; i++) {
        held[i] = vec4(0.0);
        if at + i * LANES < read_end {
            held[i] = visit(row, at + i * LANES, lane - at);
            sum += held[i];
        }
    }
#else
    for (var quad = at; quad < read_end; quad += LANES) {
        sum += visit(row, quad, lane - at);
    }
#endif
#ifdef CENTRED
    let mean = row_sum(sum_of(sum), lane) * params.inverse_count;
#else
    let mean = 0.0;
#endif

    var squares = vec4(0.0);
#ifdef HELD
    for (var i = 0u; i < HELD; i++) {
        squares += squares_of(held[i], at + i * LANES, mean);
    }
#else
    let square_end = select(0u, params.quads, live);
    for (var quad = at; quad < square_end; quad += LANES) {
        squares += squares_of(bitcast<vec4<f32>>(load(row, quad)), quad, mean);
    }
#endif
    let spread = row_sum(sum_of(squares), lane) * params.inverse_count + params.epsilon;

    // By the data: arithmetic may have lost a NaN.
    let flags = atomicLoad(&seen[lane - at]);
    let unknown = (flags & HAS_NAN) != 0u || (bitcast<u32>(spread) & MAGNITUDE) > INFINITY;
#ifdef CENTRED
    let lost = unknown || flags != 0u || (bitcast<u32>(mean) & MAGNITUDE) >= INFINITY;
    let inverse = inverse_root(spread);
#else
    // Inf in a row makes its other numbers zero.
    let lost = (flags & HAS_NAN) != 0u || (flags == 0u && unknown);
    let inverse = select(inverse_root(spread), 0.0, flags != 0u);
#endif

#ifdef HELD
    for (var i = 0u; i < HELD; i++) {
        if at + i * LANES < out_end {
            write(row, at + i * LANES, held[i], mean, inverse, lost);
        }
    }
#else
    for (var quad = at; quad < out_end; quad += LANES) {
        var v = vec4(0.0);
        if quad < params.quads {
            v = bitcast<vec4<f32>>(load(row, quad));
        }
        write(row, quad, v, mean, inverse, lost);
    }
#endif
    out_finish(lane);
#ifdef SUM
    sum_finish(lane);
#endif
}
