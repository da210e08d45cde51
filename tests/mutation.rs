//! Kernels that are wrong on purpose. Every mutant must be caught, or the tests that let it pass could not fail.

mod common;

use quarter::{
    Choice, Context,
    ops::{Data, Purpose},
    verify::{Run, mutations},
};
use std::collections::BTreeMap;

/// Operand mutants of every kernel, on the strict smoke cases of its operation: caught, of those that matter.
fn operands(ctx: &Context) {
    let mut table: BTreeMap<(String, &'static str), (usize, usize)> = BTreeMap::new();
    let mut survivors = vec![];
    for entry in common::operations() {
        let cases = (entry.cases)();
        for case in cases.iter().filter(|c| c.purpose == Purpose::Smoke && c.data == Data::SmallIntegers) {
            let mut run = Run::new(case).unwrap();
            for m in mutations(&case.op.operands().unwrap()) {
                // One that changes nothing the operation promises is no mutant.
                if !run.matters(&m) {
                    continue;
                }
                for k in ctx.kernels(&*case.op) {
                    let choice = Choice::Kernel(k.name.to_owned());
                    let c = match pollster::block_on(run.compare(ctx, &choice, Some(&m))) {
                        Err(quarter::Error::Unsupported { .. }) => continue,
                        c => c.unwrap(),
                    };
                    let row = table.entry((format!("{} {}", entry.name, k.name), m.name())).or_default();
                    row.1 += 1;
                    if c.pass() {
                        survivors.push(format!("{m:?} of {} [{}]", c.id, case.label));
                    } else {
                        row.0 += 1;
                    }
                }
            }
        }
    }
    let mut text = format!("{}\n| kernel | mutant | caught | of |\n|---|---|---|---|\n", ctx.name());
    for ((kernel, mutant), (caught, of)) in &table {
        text += &format!("| {kernel} | {mutant} | {caught} | {of} |\n");
    }
    common::show(&text);
    assert!(
        survivors.is_empty(),
        "{} survived: {:#?}",
        survivors.len(),
        &survivors[..survivors.len().min(20)]
    );
    assert!(table.len() > 4 * common::operations().len(), "{} rows: mutants are missing", table.len());
}

#[test]
fn operands_on_the_cpu() {
    operands(&Context::builder().poison(true).cpu());
}

#[cfg(feature = "gpu")]
#[test]
fn operands_on_the_gpu() {
    operands(&common::gpu());
}

/// Edits of shader text: operation, kernel, what stands there, what a mistake would make of it.
#[cfg(feature = "gpu")]
const SHADERS: &[(&str, &str, &str, &str)] = &[
    // A term too few, a tile too few, the tail of K forgotten.
    ("gemm", "register", "k < params.k_quads; k++", "k + 1u < params.k_quads; k++"),
    ("gemm", "register", "for (var k = 0u; k < params.k_quads", "for (var k = 1u; k < params.k_quads"),
    ("gemm", "tiled", "k0 += BK_QUADS", "k0 += BK_QUADS + 1u"),
    ("gemm", "tiled", "i < 4u * BK_QUADS; i++", "i < 4u * BK_QUADS - 1u; i++"),
    ("gemm", "tiled", "if k0 + k < params.k_quads", "if k0 + k + 1u < params.k_quads"),
    ("gemm", "tiled", "k + 2u <= last", "true"),
    // Rows, columns or batches taken for each other.
    ("gemm", "register", "acc3 += top[1].w * b[1]", "acc3 += top[1].w * b[2]"),
    ("gemm", "register", "acc6 += low[3].z", "acc6 += low[3].w"),
    ("gemm", "register", "vec4(0u, 1u, 2u, 3u), vec4(last)", "vec4(0u, 1u, 3u, 3u), vec4(last)"),
    ("gemm", "tiled", "acc1 += a.y * b", "acc1 += a.x * b"),
    (
        "gemm",
        "tiled",
        "tile_b[to_b + 2u * (BN / 4u + 1u)] = v[2]",
        "tile_b[to_b + 2u * (BN / 4u + 1u)] = v[3]",
    ),
    ("gemm", "tiled", "let row = row0 + 4u * my_row;", "let row = row0 + 4u * (my_row ^ 1u);"),
    ("gemm", "register", "let i1 = outer / params.batch_2 % params.batch_1;", "let i1 = 0u;"),
    ("gemm", "tiled", "i3 * vec2(params.a_step_3, params.b_step_3)", "i3 * vec2(params.a_step_3)"),
    // A barrier's work undone: the tile of the step before.
    ("gemm", "tiled", "a_block(sides.x, rows, k0 + k)", "a_block(sides.x, rows, k)"),
    // Scales of the neighbour, or none.
    ("gemm", "register", "a_line_scale(sides.x, row)", "a_line_scale(sides.x, max(row, 1u) - 1u)"),
    ("gemm", "tiled", "b_line_scale(batch, col + 1u)", "b_line_scale(batch, col)"),
    ("gemm", "tiled", "power(third) * power(third)", "power(third)"),
    ("gemm", "register", "let acc = sum * FOLD;", "let acc = sum;"),
    ("gemm", "register", "return v * b_scales(row, quad);", "return v * b_scales(row, 0u);"),
    ("gemm", "tiled", "return v * a_scales(row, quad);", "return v;"),
    ("gemm", "tiled", "f = times(f, vec4(bitcast<f32>(params.alpha)));", ""),
    // Bias, residual, activation, padding.
    ("gemm", "tiled", "v += bitcast<vec4<f32>>(bias);", ""),
    ("gemm", "register", "let v = bias_bits(quad);", "let v = bias_bits(0u);"),
    ("gemm", "register", "v += bitcast<vec4<f32>>(residual);", ""),
    ("gemm", "tiled", "out_row * params.residual_quads", "row * params.residual_quads"),
    ("gemm", "tiled", "return max(v, vec4(0.0));", "return v;"),
    ("gemm", "register", "clamp(v, vec4(0.0), vec4(6.0))", "max(v, vec4(0.0))"),
    ("gemm", "register", "x + x * square * p", "x"),
    ("gemm", "tiled", "let far = vec4(1.0) - 2.0 * e", "let far = vec4(1.0) - e"),
    ("gemm", "register", "return select(vec4(0u), bits, (vec4(4u", "return select(bits, bits, (vec4(4u"),
    // NaN lost.
    ("gemm", "tiled", "atomicOr(&found, seen);", ""),
    ("gemm", "tiled", "(seen >> i) & 1u", "seen & 1u"),
    ("gemm", "register", "(flags & HAS_NAN) != 0u", "false"),
    ("gemm", "register", "vec4(params.b_flags + sides.y * params.n)", "vec4(params.b_flags)"),
    ("gemm", "register", "vec4(QUIET_NAN), lost)", "vec4(QUIET_NAN), vec4(false))"),
    // Where a driver keeps NaN, the checks of bias and residual only repeat this one.
    ("gemm", "tiled", "lost |= is_nan(bitcast<vec4<u32>>(acc)) | is_nan(bitcast<vec4<u32>>(v));", ""),
    // Convolution: taps, edges, steps and groups taken for others, a NaN missed.
    (
        "conv2d",
        "register",
        "for (var tap = 0u; tap < params.taps; tap++)",
        "for (var tap = 1u; tap < params.taps; tap++)",
    ),
    ("conv2d", "tiled", "tap / params.kernel_width * params.dilation_y", "tap / params.kernel_width"),
    (
        "conv2d",
        "tiled",
        "tap % params.kernel_width * params.dilation_x",
        "tap / params.kernel_width * params.dilation_x",
    ),
    ("conv2d", "register", "- params.pad_left", "- params.pad_top"),
    ("conv2d", "register", "* params.stride_x", "* params.stride_y"),
    ("conv2d", "tiled", "(y < vec4(params.height)) & (x < vec4(params.width))", "(y < vec4(params.height))"),
    ("conv2d", "register", "image * params.height + y", "y"),
    ("conv2d", "tiled", "return select(vec4<f32>(), v, inside);", "return v;"),
    ("conv2d", "register", "let quad = batch * (params.group_in / 4u) + k_quad;", "let quad = k_quad;"),
    ("conv2d", "tiled", "return batch * params.batch_quads + quad;", "return quad;"),
    ("conv2d", "register", "(batch * params.n + at) * line_rows()", "batch * params.n + at"),
    ("conv2d", "tiled", "seen |= a_nan(pixel", "seen = a_nan(pixel"),
    ("conv2d", "register", "select(0u, 1u << i, any_nan", "select(0u, 1u, any_nan"),
    ("conv2d", "tiled", "seen |= pixels[row", "seen = pixels[row"),
    ("conv2d", "register", "(batch % 32u)) & 1u", "0u) & 1u"),
    ("conv2d", "depthwise", "sum2 += x2.numbers * w;", "sum2 += x1.numbers * w;"),
    ("conv2d", "depthwise", "/ vec4(params.group_out);", "% vec4(params.group_in);"),
    ("conv2d", "depthwise", "nan1 |= x1.nan | w_nan;", "nan1 |= x1.nan;"),
    ("conv2d", "depthwise", "nan3 |= x3.nan | w_nan;", "nan3 |= w_nan;"),
    ("conv2d", "depthwise", "let w = b_numbers(tap_row(tap), near);", "let w = b_numbers(tap_row(tap), 0u);"),
    ("conv2d", "grouped", "k / params.group_out * params.group_in", "0u"),
    ("conv2d", "grouped", "min(4u, params.group_in - 4u * quad)", "4u"),
    ("conv2d", "grouped", "nan |= any(b_nan_at(row, quad));", ""),
    ("conv2d", "tiled", "row / params.height % params.channels", "row % params.channels"),
    // Sequences: a tap, a step, an edge, a sequence or a channel taken for another, a NaN missed.
    (
        "conv1d",
        "register",
        "for (var tap = 0u; tap < params.taps; tap++)",
        "for (var tap = 0u; tap + 1u < max(params.taps, 2u); tap++)",
    ),
    ("conv1d", "register", "tap / params.kernel_width * params.dilation_y", "tap / params.kernel_width"),
    ("conv1d", "register", "image * params.height + y", "y"),
    ("conv1d", "register", "seen |= pixels[row", "seen = pixels[row"),
    ("conv1d", "tiled", "* params.stride_y", "* params.stride_x"),
    ("conv1d", "tiled", "- params.pad_top", "- params.pad_left"),
    ("conv1d", "tiled", "(y < vec4(params.height)) & (x < vec4(params.width))", "(x < vec4(params.width))"),
    ("conv1d", "tiled", "row / params.height % params.channels", "row / params.channels"),
    ("conv1d", "depthwise", "line % vec4(params.out_height)", "line"),
    ("conv1d", "depthwise", "sum1 += x1.numbers * w;", "sum1 += x0.numbers * w;"),
    ("conv1d", "depthwise", "nan2 |= x2.nan | w_nan;", "nan2 |= w_nan;"),
    ("conv1d", "grouped", "min(4u, params.group_in - 4u * quad)", "4u"),
    (
        "conv1d",
        "grouped",
        "for (var tap = 0u; tap < params.taps; tap++)",
        "for (var tap = 1u; tap < params.taps; tap++)",
    ),
    // Transposed: pixels and taps of another phase, lines of another image, what no tap reaches taken for the rest.
    ("conv_transpose2d", "register", "params.out_width * params.step_x", "params.out_width * params.step_y"),
    ("conv_transpose2d", "register", "return params.line_taps;", "return params.taps;"),
    ("conv_transpose2d", "register", "% params.kernel_width * params.tap_across", "% params.kernel_width"),
    ("conv_transpose2d", "register", "image * params.whole_height + y", "y"),
    (
        "conv_transpose2d",
        "register",
        "item * line_rows() + tap_row(quad / params.b_quads)",
        "item * line_rows()",
    ),
    ("conv_transpose2d", "register", "tap * dilation % stride", "tap % stride"),
    ("conv_transpose2d", "tiled", "params.tap_first + tap", "tap"),
    ("conv_transpose2d", "tiled", "params.first_y + line", "line"),
    (
        "conv_transpose2d",
        "tiled",
        "params.kernel_width * params.tap_down",
        "params.kernel_width * params.tap_across",
    ),
    ("conv_transpose2d", "tiled", "!(down && across)", "!(down || across)"),
    ("conv_transpose2d", "tiled", "!(down && across)", "true"),
    ("conv_transpose2d", "tiled", "pixel % params.out_width + params.pad_left", "pixel % params.out_width"),
    (
        "conv_transpose2d",
        "tiled",
        "(y < vec4(params.height)) & (x < vec4(params.width))",
        "(y <= vec4(params.height)) & (x < vec4(params.width))",
    ),
    ("conv_transpose2d", "depthwise", "b_numbers(tap_row(tap), near)", "b_numbers(tap, near)"),
    ("conv_transpose2d", "depthwise", "b_nan_at(tap_row(tap), near)", "b_nan_at(tap, near)"),
    ("conv_transpose2d", "depthwise", "params.whole_width + x", "params.out_width + x"),
    ("conv_transpose2d", "grouped", "k * line_rows() + tap_row(tap)", "k * line_rows() + tap"),
    ("conv_transpose2d", "grouped", "params.first_x + row", "row"),
    // Bags: a place too few, places, weights or quads of a neighbour, what counts and what does not, what is told.
    ("embedding_bag", "plain", "place < at.y; place++", "place + 1u < at.y; place++"),
    ("embedding_bag", "plain", "let begin = offsets[bag];", "let begin = offsets[bag] + 1u;"),
    ("embedding_bag", "plain", "begin > until || until > params.places", "until > params.places"),
    ("embedding_bag", "plain", "bag * params.index_quads", "bag"),
    (
        "embedding_bag",
        "plain",
        "params.weights_origin + i / 4u)[i % 4u]",
        "params.weights_origin + i / 4u)[0]",
    ),
    ("embedding_bag", "plain", "ieee_mul(bits, vec4(weight))", "bits"),
    ("embedding_bag", "plain", "here = here && index != params.padding_index;", ""),
    ("embedding_bag", "plain", "here = here || index >= params.vocabulary;", ""),
    ("embedding_bag", "plain", "joined(all, bags[bag].z)", "joined(all, bags[bag].y - bags[bag].x)"),
    ("embedding_bag", "plain", "select(bits, vec4(0u), a == vec4(0u))", "bits"),
    ("embedding_bag", "plain", "select(b | vec4(SIGN), ~b, b >= vec4(SIGN))", "b | vec4(SIGN)"),
    ("embedding_bag", "plain", "if index >= params.vocabulary {", "if index > params.vocabulary {"),
    ("embedding_bag", "plain", "i += LANES", "i += LANES + 1u"),
    ("embedding_bag", "tree", "place += 32u", "place += 33u"),
    ("embedding_bag", "tree", "half >= 8u; half /= 2u", "half >= 16u; half /= 2u"),
    ("embedding_bag", "tree", "8u * (i % across) + lane % 8u", "lane % 8u"),
    ("embedding_bag", "tree", "let bag = params.row + i / across;", "let bag = params.row + i % across;"),
    // The codec: rounding, ties, subnormals, the sign, the largest code, specials.
    ("quantize", "plain", "(down.fraction == half) & !even", "(down.fraction == half)"),
    ("quantize", "plain", "down.fraction > half", "down.fraction >= half"),
    ("quantize", "plain", "max(vec4(1) - exponent, vec4(0))", "vec4(0)"),
    ("quantize", "plain", "code > vec4(max_code)", "code >= vec4(max_code)"),
    (
        "quantize",
        "plain",
        "return select(signed, vec4(0u), vec4(fnuz)",
        "return select(signed, vec4(0u), vec4(false)",
    ),
    ("quantize", "plain", "(v & vec4(SIGN));", "vec4(0u);"),
    ("quantize", "plain", "vec4(nan_code), m > vec4(0x7f800000u)", "vec4(max_code), m > vec4(0x7f800000u)"),
    // Random words: a round too few, the key or the stream left alone, a carry lost, words of the neighbour.
    ("quantize", "plain", "round < 10u", "round < 9u"),
    ("quantize", "plain", "key += vec2(0x9e3779b9u, 0xbb67ae85u);", ""),
    ("quantize", "plain", "var d = vec4(seed.w);", "var d = vec4(0u);"),
    ("quantize", "plain", "(upper >> vec4(16u))", "vec4(0u)"),
    ("quantize", "plain", "row * params.cols + 4u * quad", "row * 4u * params.out_quads + 4u * quad"),
    ("quantize", "plain", "out_random(row, quad), ", "out_random(row, quad + 1u), "),
    // The record: flags, amax, the last bit of a division.
    ("quantize", "plain", "select(0u, HAS_NAN, any(lost))", "0u"),
    ("quantize", "plain", "let up = (quotient & 1u) != 0u", "let up = false && (quotient & 1u) != 0u"),
    ("quantize", "plain", "out_raise(NON_FINITE_AMAX);", ""),
    ("quantize", "plain", "vec4(x_record.z)", "vec4(x_record.x)"),
    ("unary", "plain", "out_seen_amax = max(out_seen_amax, max_of(magnitude(bits)));", ""),
    ("quantize", "plain", ">= params.up_from", "> params.up_from"),
    ("quantize", "plain", "+ 127 + up, 1, 253)", "+ 127 + up, 0, 253)"),
    ("quantize", "plain", "+ 127 + up, 1, 253)", "+ 127 + up, 1, 3)"),
    ("quantize", "plain", "maxima[4u * i + j]", "maxima[4u * i]"),
    ("quantize", "plain", "scale_of(amax) >> 23u, 8u * j", "scale_of(amax) >> 23u, 0u"),
    (
        "quantize",
        "plain",
        "(254u - extractBits(word, 8u * (group % 4u)",
        "(254u - extractBits(word, 8u * (group % 3u)",
    ),
    ("quantize", "plain", "col / params.out_col_stride;", "col;"),
    (
        "dequantize",
        "plain",
        "extractBits(word, 8u * (group % 4u), 8u) << 23u",
        "extractBits(word, 0u, 8u) << 23u",
    ),
    ("dequantize", "plain", "[1u + code / 4u][code % 4u]", "[1u + code / 4u][code % 2u]"),
    ("dequantize", "plain", "[1u + group / 16u]", "[1u]"),
    (
        "quantize",
        "plain",
        "params.out_row_stride % params.out_row_groups",
        "params.out_row_stride % max(params.out_row_groups - 1u, 1u)",
    ),
    ("dequantize", "plain", "row / params.x_row_stride % params", "row % params"),
    ("dequantize", "plain", "min(col / params.x_col_stride", "min(col"),
    ("dequantize", "plain", "shifted < vec4(1u << 23u)", "vec4(false)"),
    ("dequantize", "plain", "m == vec4(X_INF_CODE)", "vec4(false)"),
    (
        "dequantize",
        "plain",
        "select(product, vec4(QUIET_NAN), is_nan(code)",
        "select(product, vec4(0u), is_nan(code)",
    ),
    ("quantize", "plain", "select(finite, shifted + vec4(224u << 23u)", "select(finite, finite"),
    ("gemm", "tiled", "vec4(0x7fffu) + ((bits >> vec4(16u)) & vec4(1u))", "vec4(0x8000u)"),
    ("reduce", "plain", "m < vec4(SMALLEST_NORMAL)", "m < vec4(0u)"),
    ("reduce", "plain", "vec4(QUIET_NAN), m > vec4(INFINITY)", "vec4(0u), m > vec4(INFINITY)"),
    ("reduce", "plain", "bitcast<vec4<f32>>(code) * x_scales(row, quad)", "bitcast<vec4<f32>>(code)"),
    ("reduce", "plain", "out[i] = 0u;", ""),
    ("reduce", "plain", "if g.x == g.w {", "if g.x == g.x {"),
    ("reduce", "plain", "* params.out_col_groups + col;", "+ col;"),
    // Maxima of steps before: one taken for another, one kept that is not finite, a margin forgotten, the oldest first.
    ("delayed_scale", "plain", "max(i, 1u) - 1u, enters", "i, enters"),
    ("delayed_scale", "plain", "if enters && i == 0u {", "if i == 0u {"),
    ("delayed_scale", "plain", "let enters = here && amax < INFINITY;", "let enters = here;"),
    ("delayed_scale", "plain", "most + (params.margin << 23u)", "most"),
    ("delayed_scale", "plain", ", LARGEST_FINITE)", ", 0xffffffffu)"),
    ("delayed_scale", "plain", "i == 0u && m < INFINITY", "m < INFINITY"),
    ("delayed_scale", "plain", "let counts = m < INFINITY;", "let counts = true;"),
    ("delayed_scale", "plain", "for (var c = chunks; c > 0u; c--) {", "for (var c = chunks; c > 1u; c--) {"),
    (
        "delayed_scale",
        "plain",
        "let m = seen & MAGNITUDE;",
        "let m = select(seen & MAGNITUDE, 0u, i >= WORKGROUP);",
    ),
    ("delayed_scale", "plain", "old * params.pitch + g", "old * params.pitch"),
    ("delayed_scale", "plain", "&& most >= SMALLEST_NORMAL", ""),
    // Codebooks: a threshold too few, ties the other way, zero's sign, a NaN that is not told; statistics without a carry, with what is
    // no number, of the wrong end; the table's sign, its rounding, its cap.
    ("encode", "plain", "k >= thresholds[i + step]", "k > thresholds[i + step]"),
    ("encode", "plain", "step > 0u; step >>= 1u", "step > 1u; step >>= 1u"),
    ("encode", "plain", "flushed | SIGN, ~flushed", "flushed | SIGN, flushed"),
    ("encode", "plain", "select(bits, bits & SIGN,", "select(bits, 0u,"),
    ("encode", "plain", "thresholds[0] & 0xffu", "0u"),
    ("encode", "plain", "HAS_NAN | LOST_NAN, HAS_NAN,", "HAS_NAN, HAS_NAN,"),
    ("encode", "plain", "vec2(log.x, 0u)", "vec2(log.x & 0xffff0000u, 0u)"),
    ("encode", "plain", "sum.y + u32(before + sum.x < before)", "sum.y"),
    ("encode", "plain", "(m >= vec4(SMALLEST_NORMAL)) & (m < vec4(INFINITY))", "m < vec4(INFINITY)"),
    ("encode", "plain", "& (m < vec4(INFINITY))", ""),
    ("encode", "plain", "max_of(select(vec4(0u), m, counts))", "m.x"),
    ("encode", "plain", "if sums[AMAX] >= INFINITY {", "if false {"),
    ("encode", "plain", "if range.y == 0u && range.x < params.least_range {", "if false {"),
    ("encode", "plain", "u32(lane % 2u == 0u);", "1u;"),
    ("encode", "plain", "MAGNITUDE - (first - 1u)", "MAGNITUDE - first"),
    ("encode", "plain", "extractBits(significand, 7u, 1u)", "0u"),
    ("encode", "plain", "(middle % TOP) << 16u", "0u"),
    (
        "encode",
        "plain",
        "plus(plus(product, wide(part, range.y)), vec2(times(part, range.x), 0u))",
        "plus(product, wide(part, range.y))",
    ),
    ("encode", "plain", "let carried = rest >> 31u;", "let carried = 1u;"),
    ("encode", "plain", "s = THIRD - times(r, s);", ""),
    // Elements moved: an axis forgotten, a step of the neighbour, padding, half a word, a scale of the neighbour.
    ("permute", "plain", "rest * params.x_4", "rest * params.x_3"),
    ("permute", "plain", "at += rest % params.extent_1 * params.out_1;", ""),
    ("permute", "plain", "= v & mask;", "= v;"),
    ("slice", "plain", "kept == vec4(4u)", "kept >= vec4(3u)"),
    ("permute", "plain", "if col + k < params.cols {", "{"),
    ("permute", "plain", "at % per_word * 8u * SIZE", "k * 8u * SIZE"),
    ("permute", "plain", "if g < params.out_groups {", "if g + 1u < params.out_groups {"),
    ("permute", "plain", "if i < 4u {", "if i < 3u {"),
    ("slice", "plain", "(b << vec4(31u - shift)) << vec4(1u)", "b << vec4(31u - shift)"),
    ("slice", "plain", "vec4(a.yzw, word(first + 4u))", "vec4(a.yzw, 0u)"),
    ("slice", "plain", "var at = params.x_first +", "var at ="),
    ("slice", "plain", "part * params.x_part", "part * params.out_part"),
    ("slice", "plain", "(col + k) * params.x_step", "col * params.x_step + k"),
    // Inputs side by side: columns of the neighbour lost or taken, an odd start forgotten, rows of another block.
    ("concat", "plain", "(out_values[at] & mine) | (old & ~mine)", "out_values[at]"),
    ("concat", "plain", "part(row, k - 1u)", "part(row, k)"),
    ("concat", "plain", "vec4(a.w, b.xyz), shift == 1u", "vec4(a.w, b.xyz), shift == 3u"),
    ("concat", "plain", "col >= vec4(params.col_start)", "col > vec4(params.col_start)"),
    ("concat", "plain", "params.out_row + row % params.block", "row % params.block"),
    ("concat", "plain", "row / params.block * params.out_block", "0u"),
    // Windows: the last number, a column for a row, padding that counts, −∞ where there is none, NaN lost.
    ("pool2d", "plain", "y < at.extents.x; y++", "y + 1u < max(at.extents.x, 2u); y++"),
    ("pool2d", "plain", "dilation * vec2(params.w, 1u)", "vec2(params.w, 1u)"),
    ("pool2d", "plain", "corner + start * dilation - before", "max(corner, before) - before"),
    (
        "pool2d",
        "plain",
        "before + vec2(params.h, params.w) - corner",
        "vec2(params.h, params.w) + 2u * before - corner",
    ),
    ("pool2d", "plain", "vec2(params.count_padding != 0u)", "vec2(false)"),
    ("pool2d", "plain", "params.count_padding != 0u", "params.count_padding == 0u"),
    ("pool2d", "plain", "select(b | vec4(SIGN), ~b, b >= vec4(SIGN))", "b | vec4(SIGN)"),
    (
        "pool2d",
        "plain",
        "select(bits, vec4(QUIET_NAN), is_nan(bits));\n    return select(b",
        "bits & vec4(0xffbfffffu);\n    return select(b",
    ),
    ("pool2d", "plain", "select(bits, vec4(QUIET_NAN), is_nan(v) | is_nan(bits))", "bits"),
    ("pool2d", "tree", "half >= 8u", "half >= 16u"),
    ("pool2d", "tree", "k += 32u", "k += 33u"),
    ("pool2d", "tree", "first += 2048u", "first += 4096u"),
    ("pool2d", "tree", "k % at.extents.y * at.steps.y", "k % at.extents.x * at.steps.y"),
    // Places and weights: a step of the other axis, a half pixel, what is behind the last; a neighbour, a line, an image.
    ("upsample2d", "plain", "vec2(params.step_h, params.step_w)", "vec2(params.step_w, params.step_h)"),
    ("upsample2d", "plain", "max(ahead, less) - less", "max(ahead, less)"),
    ("upsample2d", "plain", "+ vec2(params.more_h, params.more_w)", ""),
    (
        "upsample2d",
        "plain",
        "let unit = vec2(params.unit_h, params.unit_w);",
        "let unit = vec2(params.unit_h);",
    ),
    ("upsample2d", "plain", "vec2(params.inverse_h, params.inverse_w)", "vec2(params.inverse_h)"),
    ("upsample2d", "plain", "place % unit", "place / unit"),
    ("upsample2d", "plain", "select(part, vec2(0.0), last)", "part"),
    (
        "upsample2d",
        "plain",
        "low >= vec2(params.h, params.w) - vec2(1u)",
        "low + vec2(1u) >= vec2(params.h, params.w) - vec2(1u)",
    ),
    ("upsample2d", "plain", "bitcast<u32>(1.0 - weight)", "bitcast<u32>(weight)"),
    ("upsample2d", "plain", "x_real(row + 1u, quad)", "x_real(row, quad)"),
    ("upsample2d", "plain", "across(first + params.w, quad, weight.y)", "across(first + 1u, quad, weight.y)"),
    ("upsample2d", "plain", "across(first + params.w, quad, weight.y)", "x_real(first + params.w, quad)"),
    ("upsample2d", "plain", "if weight == 0.0 {", "if false {"),
    ("upsample2d", "plain", "(image * params.h + low.x)", "low.x"),
    ("upsample2d", "plain", "row / params.out_w % params.out_h", "row / params.out_w"),
    ("upsample2d", "plain", "(code) * x_scales(row, quad)", "(code) * x_scales(0u, quad)"),
    ("permute", "tiled", "tile[l * 33u + c + e]", "tile[l * 33u + c + (e ^ 1u)]"),
    ("permute", "tiled", "(column + c) * params.x_step", "c * params.x_step"),
    ("permute", "tiled", "(line + l) * params.out_line", "l * params.out_line"),
    ("permute", "tiled", "if column + c < params.cols {", "{"),
    ("permute", "tiled", "(params.lines + 31u) / 32u", "params.lines / 32u + 1u"),
    // What a row sees, and what is added to it.
    ("softmax", "row", "let quads = (shown + 3u) / 4u;", "let quads = shown / 4u;"),
    ("softmax", "row", "query + offset[0] + 1u", "query + offset[0]"),
    ("softmax", "row", "if offset[0] < params.cols", "if offset[0] > params.cols"),
    ("softmax", "row", "params.queries - 1u - query", "params.queries - query"),
    ("softmax", "row", "let query = row % params.queries;", "let query = row;"),
    ("softmax", "row", "lengths[row / params.length_rows]", "lengths[row % params.length_rows]"),
    ("softmax", "row", "mask_row(row) * params.mask_quads", "row * params.mask_quads"),
    ("softmax", "row", "i2 * params.mask_step_2", "i1 * params.mask_step_2"),
    ("softmax", "row", "select(bits.xxxx, bits,", "select(bits, bits,"),
    ("softmax", "row", "ieee_mul(x_real(row, quad), vec4(params.scale))", "x_real(row, quad)"),
    // The maximum, the sum, rows of nothing, NaN.
    ("softmax", "row", "top = max(top, max_of(key(bits)));", "top = max_of(key(bits));"),
    ("softmax", "row", "max(partial[lane], partial[lane + step])", "partial[lane + step]"),
    ("softmax", "row", "sum += part;", "sum = part;"),
    ("softmax", "row", "(sum.x + sum.y) + (sum.z + sum.w)", "(sum.x + sum.y) + sum.z"),
    ("softmax", "row", "step > 0u; step /= 2u", "step > 1u; step /= 2u"),
    ("softmax", "row", "bitcast<vec4<u32>>(e / total)", "bitcast<vec4<u32>>(e)"),
    ("softmax", "row", "let finite = top > LOWEST", "let finite = top >= LOWEST"),
    ("softmax", "row", "if top >= HIGHEST {", "if top > HIGHEST {"),
    (
        "softmax",
        "row",
        "vec4(QUIET_NAN), columns(q) < vec4(shown)",
        "vec4(QUIET_NAN), columns(q) < vec4(params.cols)",
    ),
    // Angles: a digit, a carry, a sign or a quarter lost; the wrong position, the wrong partner.
    ("rope", "plain", "& 255u) + 10u", "& 255u) + 11u"),
    ("rope", "plain", ">> vec3(31u - shift)", ">> vec3(32u - shift)"),
    ("rope", "plain", "let carry = select(0u, 1u, low < product.high.z);", "let carry = 1u;"),
    ("rope", "plain", "| 0x800000u", ""),
    ("rope", "plain", "select(turn, back, bits >= SIGN)", "turn"),
    ("rope", "plain", "0x7f09d5f4u", "0x7f09d5f3u"),
    ("rope", "plain", "wide_product(vec4(a.y, b.y, c.y, d.y), position).high +", ""),
    ("rope", "plain", "phase + vec4(0x20000000u)", "phase"),
    ("rope", "plain", "(quarters + vec4(1u)) & vec4(2u)", "quarters & vec4(2u)"),
    ("rope", "plain", "z * (-0.0001984127 +", "z * (0.0001984127 +"),
    ("rope", "plain", "(0.0013888889 -", "(0.0013888889 +"),
    ("rope", "plain", "offset[0] + token", "offset[0]"),
    ("rope", "plain", "row / params.token_rows % params.tokens", "row % params.tokens"),
    ("rope", "plain", "row / params.sequence_rows * params.position_words + token", "token"),
    ("rope", "plain", "* params.position_words", "* params.tokens"),
    ("rope", "plain", "vec4(position >= params.table_rows)", "vec4(position > params.table_rows)"),
    ("rope", "plain", "cos_bits(at + pair.x / 4u), sin", "cos_bits(at), sin"),
    (
        "rope",
        "plain",
        "vec4(sin_of(at, pair.x), sin_of(at, pair.y)",
        "vec4(sin_of(at, pair.x), sin_of(at, pair.x)",
    ),
    ("rope", "plain", "own.yxwz", "own.yxyx"),
    ("rope", "plain", "select(quad + step, quad - step, second.x)", "quad + step"),
    ("rope", "plain", "select(vec4(SIGN), vec4(0u), second)", "select(vec4(0u), vec4(SIGN), second)"),
    ("rope", "plain", "return select(own, v, columns < vec4(params.rotary));", "return v;"),
    ("rope", "plain", "if params.scale != ONE", "if params.scale == ONE"),
    ("rope", "plain", "(code) * x_scales(row, quad)", "(code) * x_scales(0u, quad)"),
    // Indices, the table's row, what is beyond it.
    ("embedding", "plain", "index < params.vocabulary;", "index <= params.vocabulary;"),
    (
        "embedding",
        "plain",
        "row / params.index_cols * params.index_quads",
        "row / params.index_cols * params.index_cols",
    ),
    ("embedding", "plain", "row % params.index_cols]", "row % params.index_quads]"),
    ("embedding", "plain", "bits = table_real(index, quad);", "bits = table_real(row, quad);"),
    ("embedding", "plain", "residual_real(row, quad))", "residual_real(index, quad))"),
    ("embedding", "plain", "select(params.table_first == 0u, here, known)", "here"),
    ("embedding", "plain", "atomicAdd(&status[0], 1u);", ""),
    ("embedding", "plain", "if !known && quad == 0u", "if !known"),
    ("embedding", "plain", "(code) * table_scales(row, quad)", "(code) * table_scales(0u, quad)"),
    // Pairs: the wrong row, the wrong way round, what is no arithmetic.
    ("binary", "plain", "a_spread(a_real(a_row(row), a_quad(quad)))", "a_spread(a_real(row, a_quad(quad)))"),
    ("binary", "plain", "b_spread(b_real(b_row(row), b_quad(quad)))", "b_real(b_row(row), b_quad(quad))"),
    ("binary", "plain", "i0 * params.b_step_0", "i1 * params.b_step_0"),
    ("binary", "plain", "row / params.b_row_stride % params", "row % params"),
    ("binary", "plain", "return ieee_sub(a, b);", "return ieee_sub(b, a);"),
    ("binary", "plain", "return ieee_div(a, b);", "return ieee_div(b, a);"),
    ("binary", "plain", "(n == vec4(0u)) | (m == vec4(INFINITY)));", "(m == vec4(INFINITY)));"),
    ("binary", "plain", "under | ((a ^ b) & vec4(SIGN))", "under | (a & vec4(SIGN))"),
    ("binary", "plain", "let nothing = (m == n)", "let nothing = (m != n)"),
    ("binary", "plain", "bits = activated(combine(a, b));", "bits = combine(a, b);"),
    ("binary", "plain", "vec4(QUIET_NAN), is_nan(bits))", "vec4(0u), is_nan(bits))"),
    ("unary", "plain", "if params.alpha != ONE", "if params.alpha == ONE"),
    ("unary", "plain", "ieee_mul(bits, vec4(params.alpha))", "ieee_mul(bits, vec4(params.beta))"),
    ("unary", "plain", "if (params.beta & MAGNITUDE) != 0u", "if false"),
    ("unary", "plain", "bits = activated(bits);", ""),
    ("unary", "plain", "(code) * x_scales(row, quad)", "(code) * x_scales(row, 0u)"),
    ("gated", "plain", "ieee_mul(activated(gate), up)", "ieee_mul(gate, activated(up))"),
    ("gated", "plain", "vec4(low.yzw, high.x)", "vec4(low.yzw, high.y)"),
    ("gated", "plain", "vec4(low.zw, high.xy), late == 2u", "vec4(low.zw, high.xy), late == 3u"),
    ("gated", "plain", "if late == 0u {", "if late <= 1u {"),
    ("gated", "plain", "x_from(row, params.up_col + 4u * quad)", "x_from(row, params.gate_col + 4u * quad)"),
    ("gated", "plain", "up_real(row, quad)", "up_real(row, 0u)"),
    ("gated", "plain", "(code) * gate_scales(row, quad)", "(code)"),
    // Normalisations: the variance as a difference of squares, padding counted, the mean, epsilon or a lane forgotten.
    (
        "layer_norm",
        "rows",
        "return d * d;",
        "return select(vec4(0.0), v * v - vec4(mean * mean), is_column(quad));",
    ),
    ("layer_norm", "rows", "select(vec4(0.0), v - vec4(mean), is_column(quad))", "v - vec4(mean)"),
    ("layer_norm", "rows", "affine(quad, v - vec4(mean)", "affine(quad, v"),
    ("layer_norm", "rows", "1.0 - t * y * y", "1.0 - t * y"),
    ("layer_norm", "rows", "params.inverse_count + params.epsilon;", "params.inverse_count;"),
    (
        "layer_norm",
        "rows",
        "(partial[lane + 2u * width] + partial[lane + 3u * width])",
        "partial[lane + 2u * width]",
    ),
    (
        "layer_norm",
        "rows",
        "linear_group(group, groups) * (WORKGROUP / LANES)",
        "linear_group(group, groups) * LANES",
    ),
    ("layer_norm", "rows", "let gamma = vec4(1.0) + ", "let gamma = "),
    ("layer_norm", "rows", "let bias = beta_bits(quad);", "let bias = beta_bits(0u);"),
    (
        "layer_norm",
        "rows",
        "sum_write(row, quad, bits);",
        "sum_write(row, quad, x_real(row, min(quad, params.quads - 1u)));",
    ),
    ("rms_norm", "rows", "let weight = gamma_bits(quad);", "let weight = gamma_bits(quad / 2u);"),
    ("rms_norm", "rows", "quad < square_end; quad += LANES", "quad + LANES < square_end; quad += LANES"),
    ("rms_norm", "rows", "if quad < params.sum_quads {", "if quad < params.quads {"),
    // Groups, samples, chunks and channels taken for each other; running statistics.
    ("group_norm", "staged", "col / vec4(params.group_cols)", "vec4(col.x / params.group_cols)"),
    ("group_norm", "staged", "first + part % params.group_cols]", "first]"),
    ("group_norm", "staged", "let d = bitcast<vec4<f32>>(bits) - mean;", "let d = bitcast<vec4<f32>>(bits);"),
    ("group_norm", "staged", "moments(row / params.rows, quad)", "moments(0u, quad)"),
    (
        "instance_norm",
        "staged",
        "min(start + params.chunk, params.rows)",
        "min(start + params.chunk, params.rows - 1u)",
    ),
    ("instance_norm", "staged", "let sample = i / params.groups;", "let sample = 0u;"),
    ("batch_norm", "staged", "total * params.unbiased", "total * params.inverse_count"),
    ("batch_norm", "staged", "params.keep * bitcast<f32>(old) + ", ""),
    ("batch_norm", "staged", "nan_or(inverse, unknown);", "bitcast<u32>(variance);"),
    ("batch_norm", "staged", "saved_mean[at] = 0u;", ""),
    ("batch_norm", "staged", "part < end; part += WORKGROUP", "part + 1u < end; part += WORKGROUP"),
    ("batch_norm", "staged", "vec4(QUIET_NAN), lost);", "vec4(0u), lost);"),
];

#[cfg(feature = "gpu")]
#[test]
fn shaders() {
    use quarter::{
        ops::{Case, OPERATIONS, problem::Problem},
        shader::{LIBRARY, compose},
        verify::Mutation,
    };
    use std::sync::Arc;
    let ctx = common::gpu();
    let caps = ctx.capabilities().unwrap();
    let mut text = "| kernel | instead of | stands | caught by |\n|---|---|---|---|\n".to_owned();
    let mut survivors = vec![];
    // What suits software adapters only can be broken only there.
    let here = |kernel: &str| kernel != "register" || common::software(&ctx);
    let operations = common::operations();
    for (op, kernel, find, replace) in SHADERS.iter().filter(|s| here(s.1)) {
        assert!(OPERATIONS.iter().any(|e| e.name == *op), "no operation {op}");
        let Some(entry) = operations.iter().find(|e| e.name == *op) else { continue };
        let cases: Vec<Case<Arc<dyn Problem>>> = (entry.cases)();
        let mutant = Mutation::Shader { find: (*find).to_owned(), replace: (*replace).to_owned() };
        let mut caught = None;
        // The smallest proof first.
        let order = |c: &&Case<Arc<dyn Problem>>| match (c.data, c.purpose) {
            (Data::SmallIntegers, Purpose::Smoke) => 0,
            (Data::Specials, _) => 1,
            (Data::SmallIntegers, _) => 2,
            (Data::Random, _) => 3,
        };
        let mut all: Vec<_> =
            cases.iter().filter(|c| matches!(c.purpose, Purpose::Smoke | Purpose::Edge)).collect();
        all.sort_by_key(order);
        let mut tried = 0;
        for case in all {
            let Ok(tunings) = case.op.tunings(kernel, caps) else { continue };
            let stages = case.op.schedule(kernel, &tunings[0], caps).stages;
            let text =
                |s: &quarter::gpu::Stage| compose(s.shader, LIBRARY, &s.specialization.defines).unwrap();
            if !stages.iter().any(|s| text(s).text().contains(find)) {
                continue;
            }
            tried += 1;
            let mut run = Run::new(case).unwrap();
            let choice = Choice::Kernel((*kernel).to_owned());
            let c = pollster::block_on(run.compare(&ctx, &choice, Some(&mutant)));
            let c = c.unwrap_or_else(|e| panic!("{op}.{kernel} `{find}`: a mutant must compile: {e}"));
            if !c.pass() {
                caught = Some(format!("{}: {}", case.label, c.worst.unwrap().place));
                break;
            }
        }
        assert!(tried > 0, "{op}.{kernel}: no shader holds `{find}`: the mutant is stale");
        match caught {
            Some(by) => {
                text += &format!("| {op}.{kernel} | `{find}` | `{replace}` | {by} |\n").replace("\n  ", " ");
            }
            None => survivors.push(format!("{op}.{kernel}: `{find}` -> `{replace}` ({tried} cases)")),
        }
    }
    common::show(&text);
    assert!(survivors.is_empty(), "survived: {survivors:#?}");
}
