// Output `$x`, written one quad at a time, padding included; `$at` is the binding of its values, `$record` of its
// scales. Uses params.$x_quads (quads per row), params.$x_origin (the first quad that is bound), params.cols and,
// where scaled, the group map of its scales.
// $X_STOCHASTIC rounds codes by $x_random(row, quad), four random words, which who imports this gives.
#import lib/bits.wgsl
#import lib/minifloat.wgsl
#import lib/fp8.wgsl

#ifdef $X_F32
@group(0) @binding($at) var<storage, read_write> $x_values: array<vec4<u32>>;

fn $x_write(row: u32, quad: u32, bits: vec4<u32>) {
    let v = $x_observe($x_masked(quad, bits));
    $x_values[row * params.$x_quads + quad - params.$x_origin] = v;
}
#endif

#ifdef $X_F16
@group(0) @binding($at) var<storage, read_write> $x_values: array<vec2<u32>>;

fn $x_write(row: u32, quad: u32, bits: vec4<u32>) {
    $x_values[row * params.$x_quads + quad - params.$x_origin] = join2(f16_encode($x_observe($x_masked(quad, bits))));
}
#endif

#ifdef $X_BF16
@group(0) @binding($at) var<storage, read_write> $x_values: array<vec2<u32>>;

fn $x_write(row: u32, quad: u32, bits: vec4<u32>) {
    $x_values[row * params.$x_quads + quad - params.$x_origin] = join2(bf16_encode($x_observe($x_masked(quad, bits))));
}
#endif

// Zero where the row has no such column.
fn $x_masked(quad: u32, bits: vec4<u32>) -> vec4<u32> {
    return select(vec4(0u), bits, (vec4(4u * quad) + vec4(0u, 1u, 2u, 3u)) < vec4(params.cols));
}

#ifdef $X_RECORD
#import lib/record.wgsl x=$x X=$X at=$record
var<private> $x_seen_amax: u32;
var<private> $x_seen_flags: u32;
var<workgroup> $x_group_amax: atomic<u32>;
var<workgroup> $x_group_flags: atomic<u32>;

// Once per workgroup, in uniform control flow, after its last write.
fn $x_finish(lane: u32) {
    atomicMax(&$x_group_amax, $x_seen_amax);
    atomicOr(&$x_group_flags, $x_seen_flags);
    workgroupBarrier();
    if lane == 0u {
        atomicMax(&$x_record[2], atomicLoad(&$x_group_amax));
        $x_raise(atomicLoad(&$x_group_flags));
    }
}
#else
fn $x_finish(lane: u32) {}
#endif

// The bits of what is written as it is, seen where there is a record.
fn $x_observe(bits: vec4<u32>) -> vec4<u32> {
#ifdef $X_RECORD
    $x_seen_amax = max($x_seen_amax, max_of(magnitude(bits)));
#endif
    return bits;
}

#ifdef $X_F8
@group(0) @binding($at) var<storage, read_write> $x_values: array<u32>;
override $X_SIGN_BIT: u32;
override $X_MAN_BITS: u32;
override $X_BIAS: i32;
override $X_MAX_CODE: u32;
override $X_OVER_CODE: u32;
override $X_NAN_CODE: u32;
override $X_FNUZ: bool;
#ifdef $X_UNSIGNED
override $X_UNDER_CODE: u32;
#endif

#ifndef $X_PER_TENSOR
fn $x_group(row: u32, col: u32) -> u32 {
    return row / params.$x_row_stride % params.$x_row_groups * params.$x_col_groups + col / params.$x_col_stride;
}
#endif

// code = encode(v * inv_scale): one multiplication, its subnormal operands as zeros of their sign.
fn $x_write(row: u32, quad: u32, bits: vec4<u32>) {
    let v = $x_masked(quad, bits);
    let m = magnitude(v);
#ifdef $X_PER_TENSOR
    let inv_scale = vec4($x_inv_scale(0u));
#else
    let col = min(vec4(4u * quad) + vec4(0u, 1u, 2u, 3u), vec4(params.cols - 1u));
    let group = vec4($x_group(row, col.x), $x_group(row, col.y), $x_group(row, col.z), $x_group(row, col.w));
    let inv_scale = vec4($x_inv_scale(group.x), $x_inv_scale(group.y), $x_inv_scale(group.z), $x_inv_scale(group.w));
#ifdef $X_GROUPS
    if group.x == group.w {
        $x_see(group.x, max_of(m));
    } else {
        $x_see(group.x, m.x);
        $x_see(group.y, m.y);
        $x_see(group.z, m.z);
        $x_see(group.w, m.w);
    }
#endif
#endif
    // Magnitudes only: the product of a NaN or of a flushed zero need not keep its sign.
    let product = bitcast<vec4<u32>>(bitcast<vec4<f32>>(m) * inv_scale) & vec4(MAGNITUDE);
    let scaled = select(product, vec4(QUIET_NAN), is_nan(v)) | (v & vec4(SIGN));
#ifdef $X_STOCHASTIC
    let rounded = minifloat_encode_stochastic(scaled, $x_random(row, quad), $X_MAN_BITS, $X_BIAS, $X_MAX_CODE, $X_OVER_CODE, $X_NAN_CODE);
#ifdef $X_UNSIGNED
    let code = fp8_unsigned(rounded, scaled, $X_UNDER_CODE);
#else
    let code = fp8_signed(rounded, scaled, $X_SIGN_BIT, $X_FNUZ);
#endif
#else
#ifdef $X_UNSIGNED
    let code = fp8_encode_unsigned(scaled, $X_MAN_BITS, $X_BIAS, $X_MAX_CODE, $X_OVER_CODE, $X_UNDER_CODE, $X_NAN_CODE);
#else
    let code = fp8_encode(scaled, $X_SIGN_BIT, $X_MAN_BITS, $X_BIAS, $X_MAX_CODE, $X_OVER_CODE, $X_NAN_CODE, $X_FNUZ);
#endif
#endif
    $x_seen_amax = max($x_seen_amax, max_of(m));
#ifdef $X_NO_NAN
    let lost = is_nan(scaled);
    let codes = select(code, vec4(0u), lost);
    $x_seen_flags |= select(0u, HAS_NAN | LOST_NAN, any(lost));
#else
    // By the code: what overflows in strict mode may be NaN too.
    let codes = code;
    let lost = (codes & vec4(select((1u << $X_SIGN_BIT) - 1u, 0xffu, $X_FNUZ))) == vec4($X_NAN_CODE);
    $x_seen_flags |= select(0u, HAS_NAN, any(lost));
#endif
    $x_values[row * params.$x_quads + quad - params.$x_origin] = fp8_pack(codes);
}
#endif
