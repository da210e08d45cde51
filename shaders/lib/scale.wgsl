// Scales of operand `$x`, only read; binding `$at`. See lib/record.wgsl for how they lie. Where they are finer than
// the tensor, params.$x_row_stride, $x_row_groups, $x_col_stride and $x_col_groups say who shares one.
#ifdef $X_SCALED
#ifdef $X_TABLE
@group(0) @binding($at) var<storage, read> $x_record: array<vec4<u32>>;

// Bits of the numbers that codes mean.
fn $x_table(codes: vec4<u32>) -> vec4<u32> {
    return vec4($x_number(codes.x), $x_number(codes.y), $x_number(codes.z), $x_number(codes.w));
}

fn $x_number(code: u32) -> u32 {
    return $x_record[1u + code / 4u][code % 4u];
}

// Numbers already.
fn $x_scale_at(row: u32, col: u32) -> f32 {
    return 1.0;
}

fn $x_scales(row: u32, quad: u32) -> vec4<f32> {
    return vec4(1.0);
}

fn $x_flags() -> u32 {
    return $x_record[0].w;
}
#else
#ifdef $X_PER_TENSOR
@group(0) @binding($at) var<uniform> $x_record: vec4<u32>;

fn $x_scale_at(row: u32, col: u32) -> f32 {
    return bitcast<f32>($x_record.x);
}

// Scales of the four elements of a quad.
fn $x_scales(row: u32, quad: u32) -> vec4<f32> {
    return vec4($x_scale_at(row, 4u * quad));
}

fn $x_flags() -> u32 {
    return $x_record.w;
}
#else
@group(0) @binding($at) var<storage, read> $x_record: array<vec4<u32>>;

fn $x_scale(group: u32) -> f32 {
#ifdef $X_MX
    let word = $x_record[1u + group / 16u][group / 4u % 4u];
    return bitcast<f32>(extractBits(word, 8u * (group % 4u), 8u) << 23u);
#else
    return bitcast<f32>($x_record[1u + group / 4u][group % 4u]);
#endif
}

fn $x_scale_at(row: u32, col: u32) -> f32 {
    let first = row / params.$x_row_stride % params.$x_row_groups * params.$x_col_groups;
    // Padding has the last scale.
    return $x_scale(first + min(col / params.$x_col_stride, params.$x_col_groups - 1u));
}

fn $x_scales(row: u32, quad: u32) -> vec4<f32> {
    let col = 4u * quad;
    return vec4($x_scale_at(row, col), $x_scale_at(row, col + 1u), $x_scale_at(row, col + 2u), $x_scale_at(row, col + 3u));
}

fn $x_flags() -> u32 {
    return $x_record[0].w;
}
#endif
#endif

// Whether no code need be NaN and the record says that there was one: then all is NaN.
fn $x_lost_nan() -> bool {
#ifdef $X_NO_NAN
    return ($x_flags() & 4u) != 0u;
#else
    return false;
#endif
}
#endif
