// One product, or one piece of it: batches, rows and columns from `first` to before `end`.
struct Params {
    // Lines of A and of B in a batch, along k: `taps` stretches of `k_quads` quads, k numbers, each a row of the storage.
    m: u32,
    n: u32,
    k: u32,
    k_quads: u32,
    taps: u32,
    batch_first: u32,
    batch_end: u32,
    row_first: u32,
    row_end: u32,
    // A multiple of 4.
    col_first: u32,
    col_tiles: u32,
    tiles: u32,
    // Columns of the output; how many rows and quads of columns a batch lies behind the one before; quads of columns that a
    // batch writes, padding included.
    cols: u32,
    batch_rows: u32,
    batch_quads: u32,
    col_quads: u32,
    // Batches of the output as up to four axes, and how far a step along each goes in A and in B: 0 where it is shared.
    batch_1: u32,
    batch_2: u32,
    batch_3: u32,
    a_step_0: u32,
    a_step_1: u32,
    a_step_2: u32,
    a_step_3: u32,
    b_step_0: u32,
    b_step_1: u32,
    b_step_2: u32,
    b_step_3: u32,
    // Quads from row to row of the storage, and the first quad that is bound.
    a_quads: u32,
    a_origin: u32,
    b_quads: u32,
    b_origin: u32,
    residual_quads: u32,
    residual_origin: u32,
    out_quads: u32,
    out_origin: u32,
    a_row_stride: u32,
    a_row_groups: u32,
    a_col_stride: u32,
    a_col_groups: u32,
    b_row_stride: u32,
    b_row_groups: u32,
    b_col_stride: u32,
    b_col_groups: u32,
    out_groups: u32,
    out_row_stride: u32,
    out_row_groups: u32,
    out_col_stride: u32,
    out_col_groups: u32,
    // Words of `prologue`: NaN flags of B and the bias begin here, those of A at 0.
    b_flags: u32,
    bias: u32,
    bias_quads: u32,
    // Rows, or quads of columns, of A and B that the prologue looks through.
    a_first: u32,
    a_items: u32,
    b_first: u32,
    b_items: u32,
    // Bits of an f32.
    alpha: u32,
#ifdef PATCHES
    // Where A is patches of images: conv2d/patch.wgsl. Extents of input and output, and of what meets them.
    height: u32,
    width: u32,
    out_height: u32,
    out_width: u32,
    kernel_width: u32,
    stride_y: u32,
    stride_x: u32,
    pad_top: u32,
    pad_left: u32,
    dilation_y: u32,
    dilation_x: u32,
    // Groups, 32 to a word; channels in and out of each.
    groups: u32,
    group_words: u32,
    group_in: u32,
    group_out: u32,
#endif
#ifdef PHASE
    // Where these are some pixels of the output and some taps of the kernel: ops/conv2d/phase.rs. Extents of the whole output,
    // the first pixel and the steps to the next.
    whole_height: u32,
    whole_width: u32,
    first_y: u32,
    first_x: u32,
    step_y: u32,
    step_x: u32,
    // Rows of the storage that a line of B has, the first that is met, and those from tap to tap.
    line_taps: u32,
    tap_first: u32,
    tap_down: u32,
    tap_across: u32,
#endif
}
@group(0) @binding(0) var<uniform> params: Params;

// Rows of the storage that a line has, and the one of them that a tap is.
fn line_rows() -> u32 {
#ifdef PHASE
    return params.line_taps;
#else
    return params.taps;
#endif
}

fn tap_row(tap: u32) -> u32 {
#ifdef PHASE
    return params.tap_first + tap / params.kernel_width * params.tap_down + tap % params.kernel_width * params.tap_across;
#else
    return tap;
#endif
}

// Where a batch of the output finds its A and its B.
fn batch_of(batch: u32) -> vec2<u32> {
    let i3 = batch % params.batch_3;
    let outer = batch / params.batch_3;
    let i2 = outer % params.batch_2;
    let i1 = outer / params.batch_2 % params.batch_1;
    let i0 = outer / params.batch_2 / params.batch_1;
    return i0 * vec2(params.a_step_0, params.b_step_0) + i1 * vec2(params.a_step_1, params.b_step_1)
        + i2 * vec2(params.a_step_2, params.b_step_2) + i3 * vec2(params.a_step_3, params.b_step_3);
}
