// Operand `$x` as real numbers, code * scale, every NaN kept; bindings: values `$at`, scales `$scales`. Uses
// params.$x_quads (quads per row), params.$x_origin (the first quad that is bound) and, where scales are finer than the
// tensor, what lib/scale.wgsl names.
#import lib/operand.wgsl x=$x X=$X at=$at
#import lib/scale.wgsl x=$x X=$X at=$scales

// f32 bits of a quad of a row.
fn $x_real(row: u32, quad: u32) -> vec4<u32> {
    let code = $x_bits(row * params.$x_quads + quad - params.$x_origin);
#ifdef $X_SCALED
    let product = bitcast<vec4<u32>>(bitcast<vec4<f32>>(code) * $x_scales(row, quad));
    return select(product, vec4(QUIET_NAN), is_nan(code) | vec4($x_lost_nan()));
#else
    return code;
#endif
}
