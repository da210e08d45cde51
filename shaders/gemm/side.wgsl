// One side of the product, `$x`: `params.$extent` rows of A or columns of B, each a line along k. A line is a row of
// the storage, or with `$X_K_ROWS` a column of it. Bindings: values `$at`, scales `$scales`.
#import lib/operand.wgsl x=$x X=$X at=$at
#import lib/scale.wgsl x=$x X=$X at=$scales
#import gemm/params.wgsl

// A quad of a row of the storage as the sum takes it.
fn $x_numbers(row: u32, quad: u32) -> vec4<f32> {
    let v = $x_load(row * params.$x_quads + quad - params.$x_origin);
#ifdef $X_SCALES_ALONG_K
    return v * $x_scales(row, quad);
#else
    return v;
#endif
}

// Lines `line` to `line + 3` (a multiple of 4) at four k: column i is k = 4 * k_quad + i, zero where there is none.
// Lines beyond the last are read as some other one.
fn $x_block(batch: u32, line: u32, k_quad: u32) -> mat4x4<f32> {
#ifdef $X_K_ROWS
    let quad = min(line, params.$extent - 1u) / 4u;
    let last = params.k - 1u;
    let k = 4u * k_quad;
    let row = batch * params.k;
    return mat4x4(
        select(vec4<f32>(), $x_numbers(row + min(k, last), quad), k <= last),
        select(vec4<f32>(), $x_numbers(row + min(k + 1u, last), quad), k + 1u <= last),
        select(vec4<f32>(), $x_numbers(row + min(k + 2u, last), quad), k + 2u <= last),
        select(vec4<f32>(), $x_numbers(row + min(k + 3u, last), quad), k + 3u <= last),
    );
#else
    // Padding is zero.
    let last = params.$extent - 1u;
    let row = batch * params.$extent;
    return transpose(mat4x4(
        $x_numbers(row + min(line, last), k_quad),
        $x_numbers(row + min(line + 1u, last), k_quad),
        $x_numbers(row + min(line + 2u, last), k_quad),
        $x_numbers(row + min(line + 3u, last), k_quad),
    ));
#endif
}

#ifdef $X_SCALES_LINES
// The scale of a line: what leaves the sum.
fn $x_line_scale(batch: u32, line: u32) -> f32 {
    let at = min(line, params.$extent - 1u);
#ifdef $X_K_ROWS
    return $x_scale_at(batch * params.k, at);
#else
    return $x_scale_at(batch * params.$extent + at, 0u);
#endif
}
#endif
