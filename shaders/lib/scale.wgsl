// Scales of operand `$x`, only read; binding `$at`. See lib/record.wgsl for how they lie.
#ifdef $X_SCALED
#ifdef $X_PER_TENSOR
@group(0) @binding($at) var<uniform> $x_record: vec4<u32>;

fn $x_scale(group: u32) -> f32 {
    return bitcast<f32>($x_record.x);
}

fn $x_flags() -> u32 {
    return $x_record.w;
}
#else
@group(0) @binding($at) var<storage, read> $x_record: array<vec4<u32>>;

fn $x_scale(group: u32) -> f32 {
    return bitcast<f32>($x_record[1u + group / 4u][group % 4u]);
}

fn $x_flags() -> u32 {
    return $x_record[0].w;
}
#endif

// Whether the format has no NaN and the record says that there was one: then all is NaN.
fn $x_lost_nan() -> bool {
#ifdef $X_NO_NAN
    return ($x_flags() & 4u) != 0u;
#else
    return false;
#endif
}
#endif
