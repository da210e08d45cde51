// Operand `$x` beside an output that it broadcasts to along at most four axes of rows, and along columns. Uses
// params.axis_1 to axis_3, extents of the inner axes; params.$x_step_0 to $x_step_3, how many rows of the operand
// further the next index lies, 0 where it is shared; params.$x_col_step, 0 where all columns share one, else 1.

// The operand's row beside a row of the output.
fn $x_row(row: u32) -> u32 {
    let i3 = row % params.axis_3;
    let by_3 = row / params.axis_3;
    let i2 = by_3 % params.axis_2;
    let by_2 = by_3 / params.axis_2;
    let i1 = by_2 % params.axis_1;
    let i0 = by_2 / params.axis_1;
    return i0 * params.$x_step_0 + i1 * params.$x_step_1 + i2 * params.$x_step_2 + i3 * params.$x_step_3;
}

// The operand's quad that holds what stands beside a quad of the output.
fn $x_quad(quad: u32) -> u32 {
    return quad * params.$x_col_step;
}

// Of that quad's numbers, those that do.
fn $x_spread(bits: vec4<u32>) -> vec4<u32> {
    return select(bits.xxxx, bits, vec4(params.$x_col_step != 0u));
}
