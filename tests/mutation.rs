//! Kernels that are wrong on purpose. Every mutant must be caught, or the tests that let it pass could not fail.

mod common;

use quarter::{
    Choice, Context,
    ops::{Data, OPERATIONS, Purpose},
    verify::{Run, mutations},
};
use std::collections::BTreeMap;

/// Operand mutants of every kernel, on the strict smoke cases of its operation: caught, of those that matter.
fn operands(ctx: &Context) {
    let mut table: BTreeMap<(String, &'static str), (usize, usize)> = BTreeMap::new();
    let mut survivors = vec![];
    for entry in OPERATIONS {
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
    assert!(table.len() > 4 * OPERATIONS.len(), "{} rows: mutants are missing", table.len());
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
    ("gemm", "register", "for (var k = 0u;", "for (var k = 1u;"),
    ("gemm", "tiled", "k0 += BK_QUADS", "k0 += BK_QUADS + 1u"),
    ("gemm", "tiled", "k < 4u * BK_QUADS; k++", "k < 4u * BK_QUADS - 1u; k++"),
    ("gemm", "tiled", "row < params.m && k < params.k_quads", "row < params.m && k + 1u < params.k_quads"),
    // Rows or columns taken for each other.
    ("gemm", "register", "acc3 += v3.y * y", "acc3 += v3.y * z"),
    ("gemm", "register", "min(row + 2u, last_row)", "min(row + 3u, last_row)"),
    ("gemm", "tiled", "acc1 += a.y * b", "acc1 += a.x * b"),
    ("gemm", "tiled", "tile_b[to + 2u * (BN / 4u + 1u)] = v[2]", "tile_b[to + 2u * (BN / 4u + 1u)] = v[3]"),
    ("gemm", "tiled", "let row = row0 + 4u * my_row;", "let row = row0 + 4u * (my_row ^ 1u);"),
    // A barrier's work undone: the tile of the step before.
    (
        "gemm",
        "tiled",
        "k0 + k),\n                read_a(row0 + 4u * rows + 1u",
        "k),\n                read_a(row0 + 4u * rows + 1u",
    ),
    // Scales of the neighbour, or none.
    ("gemm", "register", "a_scale(row)", "a_scale(max(row, 1u) - 1u)"),
    ("gemm", "tiled", "b_scale(min(col + 1u, last))", "b_scale(min(col, last))"),
    ("gemm", "tiled", "acc * significand * first * second", "acc * significand * first"),
    ("gemm", "register", "let acc = sum * FOLD;", "let acc = sum;"),
    // Bias, activation, padding.
    ("gemm", "tiled", "v += bitcast<vec4<f32>>(bias);", ""),
    ("gemm", "register", "bias_bits(min(quad, params.bias_quads - 1u))", "bias_bits(0u)"),
    ("gemm", "tiled", "return max(v, vec4(0.0));", "return v;"),
    ("gemm", "register", "return select(vec4(0u), bits, (vec4(4u", "return select(bits, bits, (vec4(4u"),
    // NaN lost.
    ("gemm", "tiled", "atomicStore(&found, 1u);", ""),
    ("gemm", "register", "(flags & HAS_NAN) != 0u", "false"),
    ("gemm", "register", "vec4(QUIET_NAN), lost != vec4(0u)", "vec4(QUIET_NAN), vec4(false)"),
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
    (
        "quantize",
        "plain",
        "params.out_row_stride) % params.out_row_groups",
        "params.out_row_stride) % max(params.out_row_groups - 1u, 1u)",
    ),
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
    ("reduce", "plain", "bitcast<vec4<f32>>(code) * scale", "bitcast<vec4<f32>>(code)"),
    ("reduce", "plain", "out[i] = 0u;", ""),
    ("reduce", "plain", "if params.out_by_column != 0u {", "if params.out_by_column == 9u {"),
];

#[cfg(feature = "gpu")]
#[test]
fn shaders() {
    use quarter::{
        ops::{Case, problem::Problem},
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
    for (op, kernel, find, replace) in SHADERS.iter().filter(|s| here(s.1)) {
        let entry = OPERATIONS.iter().find(|e| e.name == *op).unwrap();
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
            let tuning = case.op.tunings(kernel, caps).unwrap().remove(0);
            let stages = case.op.schedule(kernel, &tuning, caps).stages;
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
