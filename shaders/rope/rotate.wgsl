// Pairs of columns turned by an angle that grows with the position of their row, one quad per invocation: column j with
// column j + half, or INTERLEAVED neighbours. Angles are turns times position, or TABLES of their cosines and sines.
// ALIGNED: half is whole quads.
#import lib/grid.wgsl
#import lib/ieee.wgsl
#import lib/real.wgsl x=x X=X at=1 scales=2
#import lib/output.wgsl x=out X=OUT at=6 record=7
#ifdef TABLES
#import lib/operand.wgsl x=cos X=COS at=3
#import lib/operand.wgsl x=sin X=SIN at=4
#else
#import lib/philox.wgsl
@group(0) @binding(3) var<storage, read> turns: array<vec4<u32>>;
#endif
#ifdef POSITIONS
@group(0) @binding(5) var<storage, read> positions: array<u32>;
#endif
#ifdef OFFSET
@group(0) @binding(5) var<storage, read> offset: array<u32>;
#endif

struct Params {
    first: u32,
    end: u32,
    out_origin: u32,
    x_origin: u32,
    cols: u32,
    x_quads: u32,
    out_quads: u32,
    rotary: u32,
    half: u32,
    // Rows of one token, tokens before they start over, rows that share positions, words of these.
    token_rows: u32,
    tokens: u32,
    sequence_rows: u32,
    position_words: u32,
    // Rows of the tables and quads of each.
    table_rows: u32,
    table_quads: u32,
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
}
@group(0) @binding(0) var<uniform> params: Params;

override WORKGROUP: u32;
const ONE = 0x3f800000u;
// 2 pi / 2^32.
const RADIANS = 1.46291812e-9;

// Bits of cosines and sines.
struct Angle { cos: vec4<u32>, sin: vec4<u32> }

fn position_of(row: u32) -> u32 {
    let token = row / params.token_rows % params.tokens;
#ifdef POSITIONS
    return positions[row / params.sequence_rows * params.position_words + token];
#else
#ifdef OFFSET
    return offset[0] + token;
#else
    return token;
#endif
#endif
}

#ifdef TABLES
#ifndef ALIGNED
fn cos_of(at: u32, pair: u32) -> u32 {
    return cos_bits(at + pair / 4u)[pair % 4u];
}

fn sin_of(at: u32, pair: u32) -> u32 {
    return sin_bits(at + pair / 4u)[pair % 4u];
}
#endif

fn angle_of(position: u32, pair: vec4<u32>) -> Angle {
    let at = min(position, params.table_rows - 1u) * params.table_quads;
#ifdef ALIGNED
    let angle = Angle(cos_bits(at + pair.x / 4u), sin_bits(at + pair.x / 4u));
#else
    let angle = Angle(
        vec4(cos_of(at, pair.x), cos_of(at, pair.y), cos_of(at, pair.z), cos_of(at, pair.w)),
        vec4(sin_of(at, pair.x), sin_of(at, pair.y), sin_of(at, pair.z), sin_of(at, pair.w)),
    );
#endif
    let beyond = vec4(position >= params.table_rows);
    return Angle(select(angle.cos, vec4(QUIET_NAN), beyond), select(angle.sin, vec4(QUIET_NAN), beyond));
}
#else
// The nearest quarter turn, and series for the eighth that is left on either side: what they leave out is below 2^-29.
fn angle_of(position: u32, pair: vec4<u32>) -> Angle {
    let a = turns[pair.x];
    let b = turns[pair.y];
    let c = turns[pair.z];
    let d = turns[pair.w];
    let phase = wide_product(vec4(a.y, b.y, c.y, d.y), position).high + vec4(a.x, b.x, c.x, d.x) * position;
    let quarters = (phase + vec4(0x20000000u)) >> vec4(30u);
    let x = vec4<f32>(bitcast<vec4<i32>>(phase - (quarters << vec4(30u)))) * RADIANS;
    let z = x * x;
    let near_sin = x + x * z * (-0.16666667 + z * (0.008333334 + z * (-0.0001984127 + z * 2.7557319e-6)));
    let near_cos = 1.0 - z * (0.5 - z * (0.041666668 - z * (0.0013888889 - z * (2.4801588e-5 - z * 2.755732e-7))));
    let odd = (quarters & vec4(1u)) != vec4(0u);
    let sin = bitcast<vec4<u32>>(select(near_sin, near_cos, odd)) ^ ((quarters & vec4(2u)) << vec4(30u));
    let cos = bitcast<vec4<u32>>(select(near_cos, near_sin, odd)) ^ (((quarters + vec4(1u)) & vec4(2u)) << vec4(30u));
    let unknown = vec4(a.z, b.z, c.z, d.z) != vec4(0u);
    return Angle(select(cos, vec4(QUIET_NAN), unknown), select(sin, vec4(QUIET_NAN), unknown));
}
#endif

#ifndef INTERLEAVED
#ifndef ALIGNED
fn x_of(row: u32, col: u32) -> u32 {
    return x_real(row, col / 4u)[col % 4u];
}
#endif
#endif

// A quad of which at least the first column is turned.
fn turned(row: u32, quad: u32) -> vec4<u32> {
    let own = x_real(row, quad);
    let columns = vec4(4u * quad) + vec4(0u, 1u, 2u, 3u);
#ifdef INTERLEAVED
    let second = (columns & vec4(1u)) != vec4(0u);
    let partner = own.yxwz;
    let pair = columns / 2u;
#else
    let second = columns >= vec4(params.half);
    let pair = select(columns, columns - vec4(params.half), second);
#ifdef ALIGNED
    let step = params.half / 4u;
    let partner = x_real(row, select(quad + step, quad - step, second.x));
#else
    let other = select(columns + vec4(params.half), columns - vec4(params.half), second);
    let partner = vec4(x_of(row, other.x), x_of(row, other.y), x_of(row, other.z), x_of(row, other.w));
#endif
#endif
    var angle = angle_of(position_of(row), min(pair, vec4(params.half - 1u)));
    if params.scale != ONE {
        angle = Angle(ieee_mul(angle.cos, vec4(params.scale)), ieee_mul(angle.sin, vec4(params.scale)));
    }
    let sin = angle.sin ^ select(vec4(SIGN), vec4(0u), second);
    let v = ieee_add(ieee_mul(own, angle.cos), ieee_mul(partner, sin));
    return select(own, v, columns < vec4(params.rotary));
}

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = params.first + linear_group(group, groups) * WORKGROUP + lane;
    if i < params.end {
        let row = i / params.out_quads;
        let quad = i % params.out_quads;
        var bits = vec4(0u);
        if 4u * quad < params.rotary {
            bits = turned(row, quad);
        } else if 4u * quad < params.cols {
            bits = x_real(row, quad);
        }
        out_write(row, quad, bits);
    }
    out_finish(lane);
}
