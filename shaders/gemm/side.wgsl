// One side of the product, `$x`: `params.$extent` lines along k, rows of A or columns of B. A line is so many rows of
// the storage as there are taps, or with `$X_K_ROWS` a column of it. Bindings: values `$at`, scales `$scales`.
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

// Where lines `line` to `line + 3` (a multiple of 4) lie at this tap: what `$x_block` takes. Lines beyond the last are
// read as some other one.
fn $x_lines(batch: u32, line: u32, tap: u32) -> vec4<u32> {
    let last = params.$extent - 1u;
#ifdef $X_K_ROWS
    return vec4(batch * params.k, min(line, last) / 4u, 0u, 0u);
#else
    return (vec4(batch * params.$extent) + min(vec4(line) + vec4(0u, 1u, 2u, 3u), vec4(last))) * line_rows() + vec4(tap_row(tap));
#endif
}

// Four lines at four k: column i is k = 4 * k_quad + i, zero where there is none.
fn $x_block(batch: u32, lines: vec4<u32>, k_quad: u32) -> mat4x4<f32> {
#ifdef $X_K_ROWS
    let last = params.k - 1u;
    let k = 4u * k_quad;
    return mat4x4(
        select(vec4<f32>(), $x_numbers(lines.x + min(k, last), lines.y), k <= last),
        select(vec4<f32>(), $x_numbers(lines.x + min(k + 1u, last), lines.y), k + 1u <= last),
        select(vec4<f32>(), $x_numbers(lines.x + min(k + 2u, last), lines.y), k + 2u <= last),
        select(vec4<f32>(), $x_numbers(lines.x + min(k + 3u, last), lines.y), k + 3u <= last),
    );
#else
    // Padding is zero.
    return transpose(mat4x4(
        $x_numbers(lines.x, k_quad),
        $x_numbers(lines.y, k_quad),
        $x_numbers(lines.z, k_quad),
        $x_numbers(lines.w, k_quad),
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
    return $x_scale_at((batch * params.$extent + at) * line_rows(), 0u);
#endif
}
#endif
