// Where a row begins at `$x`: $x_first and, for each of up to five axes, innermost first, index times $x_N. Uses
// params.extent_0 to extent_3; what they leave is the index of the fifth.
fn $x_row(row: u32) -> u32 {
    var rest = row;
    var at = params.$x_first + rest % params.extent_0 * params.$x_0;
    rest /= params.extent_0;
    at += rest % params.extent_1 * params.$x_1;
    rest /= params.extent_1;
    at += rest % params.extent_2 * params.$x_2;
    rest /= params.extent_2;
    at += rest % params.extent_3 * params.$x_3;
    rest /= params.extent_3;
    return at + rest * params.$x_4;
}
