//! Wrong calls: each gives a typed error with a message of its own, and none panics. `docs/errors.md` lists them, and
//! is compared here word for word.

mod common;

use quarter::{
    Context, Error,
    cpu::{HostArgs, Threads},
    dtype::*,
    ops::*,
    scale::{Granularity::*, *},
    tensor::*,
};
use std::{fmt::Write, sync::Barrier, thread};

const HEAD: &str = "# Errors

What wrong calls give. `tests/errors.rs` makes every call below, compares error and message, and writes this file:
`UPDATE=1 cargo test --test errors`. ADAPTER stands for the name of the GPU, ⏎ for a new line.
";

/// The document under construction, and what was not as it should be.
struct Table {
    text: String,
    rows: usize,
    faults: Vec<String>,
    adapters: Vec<String>,
}

/// Makes a call and adds it to the table with its error, which must be of this kind.
macro_rules! row {
    ($table:ident, $call:expr, $kind:pat) => {
        let error = $call.err();
        let kind = matches!(&error, Some($kind));
        $table.row(stringify!($call), stringify!($kind), kind, error.map(|e| e.to_string()));
    };
}

impl Table {
    fn new() -> Self {
        Self { text: HEAD.to_owned(), rows: 0, faults: vec![], adapters: vec![] }
    }

    fn section(&mut self, title: &str, given: &str) {
        let given = if given.is_empty() { String::new() } else { format!("\n{given}\n") };
        let _ = write!(self.text, "\n## {title}\n{given}\n| call | error | message |\n|---|---|---|\n");
    }

    fn row(&mut self, call: &str, kind: &str, as_told: bool, message: Option<String>) {
        let (call, kind) = (one_line(call), path(kind));
        let Some(mut message) = message else {
            self.faults.push(format!("{call}: accepted"));
            return;
        };
        if !as_told {
            self.faults.push(format!("{call}: expected {kind}, got: {message}"));
        }
        for name in &self.adapters {
            message = message.replace(name.as_str(), "ADAPTER");
        }
        let message = message.trim_end().replace('\n', " ⏎ ").replace('|', "\\|");
        let _ = writeln!(self.text, "| {} | `{kind}` | {} |", code(&call), code(&message));
        self.rows += 1;
    }
}

/// A span of code that may hold backticks.
fn code(text: &str) -> String {
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let (fence, space) = ("`".repeat(longest + 1), if longest > 0 { " " } else { "" });
    format!("{fence}{space}{text}{space}{fence}")
}

/// Source text without the line breaks of the formatter.
fn one_line(source: &str) -> String {
    let words: Vec<&str> = source.split_whitespace().collect();
    words.join(" ").replace("( ", "(").replace(", )", ")").replace(" .", ".")
}

/// A pattern without the fields: the path of the error.
fn path(pattern: &str) -> String {
    let mut depth = 0;
    let outside = |&c: &char| {
        depth += i32::from(c == '{');
        let kept = depth == 0;
        depth -= i32::from(c == '}');
        kept && c != ' '
    };
    pattern.chars().filter(outside).collect::<String>().replace("(..)", "")
}

fn formats(t: &mut Table) {
    t.section("Formats", "");
    row!(t, "e2m5".parse::<Format>(), ParseFormatError { .. });
    row!(t, "".parse::<Format>(), ParseFormatError { .. });
    row!(t, Format::signed(5, 3, 15, Specials::Fn), FormatError::Bits(..));
    row!(t, Format::unsigned(0, 7, 0, Specials::None), FormatError::ExpBits(..));
    row!(t, Format::signed(7, 0, 63, Specials::Ieee), FormatError::Specials { .. });
    row!(t, Format::unsigned(4, 4, 8, Specials::Fnuz), FormatError::Specials { .. });
    row!(t, Format::signed(4, 3, 200, Specials::Fn), FormatError::Bias { .. });
    row!(t, Codebook::new(&[1.0; 256]), CodebookError::Zero(..));
    let mut far = [0.0; 256];
    far[7] = f32::INFINITY;
    row!(t, Codebook::new(&far), CodebookError::Value { .. });
    row!(t, Codebook::posit8(5), CodebookError::Posit(..));
    row!(t, "one".parse::<F8E4M3FN>(), ParseFloat8Error::Syntax { .. });
    row!(t, "-inf".parse::<F8E4M3FN>(), ParseFloat8Error::NoInfinity { .. });
    let (format, overflow) = (Format::E4M3FN, Overflow::Saturate);
    row!(t, encode_slice(format, overflow, &[1.0, 2.0], &mut [0; 3]), LengthError { .. });
    row!(t, encode_slice_f16(format, overflow, &[], &mut [0; 1]), LengthError { .. });
    row!(t, decode_slice(format, &[0x38; 4], &mut [0.0; 3]), LengthError { .. });
    row!(t, decode_slice_bf16(format, &[0x38; 4], &mut []), LengthError { .. });
    row!(t, packed::unpack(&[0; 2], 9), LengthError { .. });
    row!(t, packed::decode(format, &[0; 2], 3), LengthError { .. });
}

fn scales(t: &mut Table) {
    t.section("Scales", "`seen(x, format)` is an observer by `Calibration::Mse` that has seen `x`; `unsigned` is E4M4, bias 7.");
    row!(t, Scale::new(-1.0), ScaleError::OutOfRange(..));
    row!(t, Scale::new(f32::NAN), ScaleError::OutOfRange(..));
    row!(t, Scale::new(f32::INFINITY), ScaleError::OutOfRange(..));
    row!(t, Scale::new(f32::MIN_POSITIVE / 2.0), ScaleError::OutOfRange(..));
    row!(t, Scale::new(1e38), ScaleError::OutOfRange(..));
    row!(t, Scale::try_from(F8E8M0FNU::MIN), ScaleError::OutOfRange(..));
    row!(t, F8E8M0FNU::try_from(Scale::new(0.75).unwrap()), ScaleError::NotPowerOfTwo(..));
    row!(t, Multiplier::new(f32::from_bits(1)), ScaleError::OutOfRange(..));
    row!(t, Scales::new(PerToken, &[1.0, 2.0], 3), ScaleError::Count { .. });
    row!(t, Scales::new(PerToken, &[1.0, -2.0], 2), ScaleError::OutOfRange(..));
    let mut tree = Scales::with_codebook(&Codebook::dynamic_tree());
    row!(t, tree.derive(ScaleRule::Amax, Format::E5M2), ScaleError::Codebook);
    row!(t, Calibration::Percentile(0.0).observer(Format::E4M3FN), CalibrationError::Percentile(..));
    let seen = |x: &[f32], format| {
        let mut observer = Calibration::Mse.observer(format).unwrap();
        observer.observe(x);
        observer
    };
    let unsigned = Format::unsigned(4, 4, 7, Specials::Fn).unwrap();
    row!(t, seen(&[], Format::E5M2).amax(), CalibrationError::Empty { .. });
    row!(t, seen(&[f32::NAN, f32::INFINITY], Format::E5M2).scale(), CalibrationError::Empty { .. });
    row!(t, seen(&[1.0, -1.0, -2.0], unsigned).amax(), CalibrationError::Negative { .. });
    row!(t, search_formats(&Histogram::default(), Specials::Fn), CalibrationError::Empty { .. });
}

fn tensors(t: &mut Table) {
    let f8 = |g| Element::f8(Format::E5M2, g);
    let x = HostTensor::from_f32(&[1.0; 6], [2, 3]).unwrap();
    let coded = x.quantize(Format::E5M2, PerTensor).unwrap();
    let three = Scales::new(PerToken, &[1.0; 3], 3).unwrap();
    t.section(
        "Tensors",
        "`x` is f32 of shape \\[2, 3\\], `coded` the same as E5M2, `three` three scales per token; `f8(g)` is \
         `Element::f8(Format::E5M2, g)`; `not_a_number` holds a NaN, `top` the largest code of E4M3FNUZ.",
    );
    let not_a_number = HostTensor::from_f32(&[1.0, f32::NAN], [2]).unwrap();
    let top = HostTensor::from_f32(&[240.0], [1]).unwrap().quantize(Format::E4M3FNUZ, PerTensor).unwrap();
    row!(t, Layout::new([], Element::F32), TensorError::Shape(..));
    row!(t, Layout::new([2, 0], Element::F32), TensorError::Shape(..));
    row!(t, Layout::new([1 << 16, 1 << 16], Element::F16), TensorError::TooLarge(..));
    row!(t, Layout::new([1 << 30, 5], Element::F32), TensorError::TooLarge(..));
    row!(t, Layout::new([u32::MAX; 5], f8(PerToken)), TensorError::TooLarge(..));
    row!(t, Layout::new([2, 3], f8(PerChannel { axis: 2 })), TensorError::Granularity { .. });
    row!(t, Layout::new([2, 3], f8(PerBlock { rows: 1, cols: 0 })), TensorError::Granularity { .. });
    row!(t, HostTensor::from_f32(&[], []), TensorError::Shape(..));
    row!(t, HostTensor::from_f32(&[1.0; 5], [2, 3]), TensorError::Length { .. });
    row!(t, HostTensor::from_f16(&[], [1]), TensorError::Length { .. });
    row!(t, HostTensor::from_f32_as(DType::Bf16, &[1.0; 7], [2, 3]), TensorError::Length { .. });
    row!(t, HostTensor::from_f32_as(DType::F8(Format::E5M2), &[1.0], [1]), TensorError::Kind { .. });
    let one = Scales::per_tensor(Scale::ONE);
    row!(t, HostTensor::from_codes(Format::E5M2, &[0; 5], [2, 3], one.clone()), TensorError::Length { .. });
    row!(
        t,
        HostTensor::from_codes(Format::E5M2, &[0; 6], [2, 3], three.clone()),
        TensorError::Scale(ScaleError::Count { .. })
    );
    row!(t, x.quantize(Format::E5M2, PerChannel { axis: 2 }), TensorError::Granularity { .. });
    row!(t, x.quantize(Format::E5M2, Granularity::MX), TensorError::Rule { .. });
    row!(t, x.quantize(Format::E5M2, PerBlock { rows: 0, cols: 32 }), TensorError::Granularity { .. });
    row!(t, Scales::new(Granularity::MX, &[0.5, 3.0], 2), ScaleError::NotPowerOfTwo(..));
    row!(
        t,
        x.quantize_with(Format::E5M2, three.clone(), Overflow::Saturate),
        TensorError::Scale(ScaleError::Count { .. })
    );
    row!(t, coded.quantize(Format::E4M3FN, PerTensor), TensorError::Kind { .. });
    row!(t, x.codes(), TensorError::Kind { .. });
    row!(t, HostTensor::from_codes(Format::E2M3FN, &[0, 64], [2], one.clone()), TensorError::Code { .. });
    row!(t, not_a_number.quantize(Format::E2M1FN, PerTensor), TensorError::LostNan { .. });
    let tree = Codebook::dynamic_tree();
    row!(t, HostTensor::from_codebook(&tree, &[0; 5], [2, 3]), TensorError::Length { .. });
    row!(t, coded.encode_by(&tree), TensorError::Kind { .. });
    row!(t, coded.encode_s2fp8(), TensorError::Kind { .. });
    row!(t, not_a_number.encode_by(&tree), TensorError::NoNan { .. });
    row!(
        t,
        HostTensor::from_codes(Format::E5M2, &[0; 6], [2, 3], Scales::with_codebook(&tree)),
        TensorError::Codebook { .. }
    );
    row!(t, x.repack(Format::E5M2FNUZ), TensorError::Kind { .. });
    row!(t, coded.repack(Format::E4M3FNUZ), TensorError::Repack { .. });
    row!(t, top.repack(Format::E4M3FN), TensorError::Code { .. });
    row!(t, x.to_u32(), TensorError::Kind { .. });
    row!(t, x.to_f16(), TensorError::Kind { .. });
    row!(t, coded.to_bf16(), TensorError::Kind { .. });
    row!(t, x.f16_accumulation(2, Activations::Amax(1.0)), TensorError::Axis { .. });
    row!(t, x.f16_accumulation(0, Activations::Amax(-1.0)), TensorError::Number { .. });
    row!(t, not_a_number.f16_accumulation(0, Activations::Amax(1.0)), TensorError::Number { .. });
}

fn descriptors(t: &mut Table, ctx: &Context) {
    let f8 = |g| Element::f8(Format::E5M2, g);
    let block = PerBlock { rows: 1, cols: 32 };
    let empty = PerBlock { rows: 1, cols: 0 };
    let (f, e5m2) = (DType::F32, Format::E5M2);
    t.section(
        "Descriptors",
        "`ctx` is any context, `f` is `DType::F32`, `block` is `PerBlock { rows: 1, cols: 32 }`, `empty` one of 0 columns, `far` a format of bias 67, \
         `norm` is `LayerNorm::new([2, 3])`, `delayed(e)` is `DelayedScale::new([2, 3], e)`, `softmax()` is `Softmax::new([2, 3, 4])`, `rope()` is \
         `Rope::new([2, 3, 4], 1)`, `embedding()` \
         `Embedding::new([2, 3], 7, 4)`, `add(a, b)` a `Binary` of these shapes, `gated(shape)` a SwiGLU, `x` \
         `Slice::new([2, 3], Element::F32)`, `rows` and `more` f32 of \\[2, 3\\] and \\[4, 3\\], `pool` \
         `Pool2d::average([1, 4, 5, 2], Element::F32, [2, 3])`, `up(size)` \
         `Upsample2d::bilinear([1, 4, 5, 2], Element::F32, size)`.",
    );
    let far = Element::f8(Format::signed(4, 3, 67, Specials::Fn).unwrap(), PerTensor);
    row!(t, ctx.plan_blocking(&Gemm::new(0, 3, 4)), Error::Descriptor(..));
    row!(t, ctx.plan_blocking(&Gemm::new(2, 0, 4)), Error::Descriptor(..));
    row!(t, ctx.plan_blocking(&Gemm::new(2, 3, 0)), Error::Descriptor(..));
    row!(t, ctx.plan_blocking(&Gemm::new(1 << 16, 1, 1 << 16)), Error::Descriptor(..));
    row!(t, ctx.plan_blocking(&Gemm::new(2, 3, 4).batch([2, 0])), Error::Descriptor(..));
    row!(t, ctx.plan_blocking(&Gemm::new(2, 3, 4).batch_a([2, 3]).batch_b([2])), Error::Descriptor(..));
    row!(t, ctx.plan_blocking(&Gemm::new(2, 3, 4).alpha(f32::NAN)), Error::Descriptor(..));
    row!(t, ctx.plan_blocking(&Gemm::new(2, 3, 4).alpha(1e-38)), Error::Descriptor(..));
    row!(t, ctx.plan_blocking(&Gemm::new(2, 3, 4).residual(f8(PerToken))), Error::Descriptor(..));
    row!(t, ctx.plan_blocking(&Gemm::new(2, 3, 4).residual(Element::U32)), Error::Descriptor(..));
    row!(t, ctx.plan_blocking(&Gemm::new(2, 3, 4).b(Element::U32)), Error::Descriptor(..));
    row!(t, ctx.plan_blocking(&Gemm::new(2, 3, 4).b(f8(PerChannel { axis: 7 }))), Error::Descriptor(..));
    row!(t, ctx.plan_blocking(&Gemm::new(2, 3, 4).b(far)), Error::Descriptor(..));
    row!(t, ctx.plan_blocking(&Gemm::new(2, 3, 4).out(f8(PerChannel { axis: 2 }))), Error::Descriptor(..));
    row!(t, ctx.plan_blocking(&Gemm::new(2, 3, 4).bias(DType::F8(e5m2))), Error::Descriptor(..));
    row!(t, ctx.plan_blocking(&Quantize::new([2, 0], f, e5m2, PerTensor)), Error::Descriptor(..));
    row!(
        t,
        ctx.plan_blocking(&Quantize::new([2, 3], DType::F8(e5m2), e5m2, PerTensor)),
        Error::Descriptor(..)
    );
    row!(
        t,
        ctx.plan_blocking(&Quantize::new([2, 3], f, e5m2, PerChannel { axis: 2 })),
        Error::Descriptor(..)
    );
    row!(t, ctx.plan_blocking(&Quantize::new([2, 3], f, e5m2, Granularity::MX)), Error::Descriptor(..));
    row!(t, ctx.plan_blocking(&Quantize::new([2, 3], f, e5m2, PerToken).observed()), Error::Descriptor(..));
    row!(t, Quantize::new([], f, e5m2, PerTensor).out(), DescriptorError { .. });
    row!(
        t,
        Quantize::new([6], f, far.format().unwrap(), PerTensor).rounding(Rounding::Stochastic).out(),
        DescriptorError { .. }
    );
    row!(t, Reduce::amax([6], Element::U32, PerTensor).operands(), DescriptorError { .. });
    row!(t, ctx.plan_blocking(&Dequantize::new([], Element::f8(e5m2, PerTensor), f)), Error::Descriptor(..));
    row!(
        t,
        ctx.plan_blocking(&Dequantize::new([6], Element::f8(e5m2, PerToken), DType::F8(e5m2))),
        Error::Descriptor(..)
    );
    row!(
        t,
        ctx.plan_blocking(&Dequantize::new([6], Element::f8(e5m2, PerChannel { axis: 1 }), f)),
        Error::Descriptor(..)
    );
    row!(t, ctx.plan_blocking(&Dequantize::new([6], Element::F16, f)), Error::Descriptor(..));
    row!(t, ctx.plan_blocking(&Encode::new([6], DType::U32)), Error::Descriptor(..));
    row!(t, ctx.plan_blocking(&Encode::new([6, 0], f)), Error::Descriptor(..));
    row!(t, ctx.plan_blocking(&Reduce::amax([6], Element::CODE8, PerTensor)), Error::Descriptor(..));
    row!(t, ctx.plan_blocking(&Permute::new([2, 3], Element::CODE8, [1, 0])), Error::Descriptor(..));
    row!(t, ctx.plan_blocking(&Gemm::new(2, 3, 4).out(Element::CODE8)), Error::Descriptor(..));
    row!(t, ctx.plan_blocking(&Gemm::new(2, 3, 4).residual(Element::CODE8)), Error::Descriptor(..));
    row!(t, ctx.plan_blocking(&Reduce::amax([0], Element::F32, PerTensor)), Error::Descriptor(..));
    row!(
        t,
        ctx.plan_blocking(&Reduce::amax([6], Element::F32, PerChannel { axis: 1 })),
        Error::Descriptor(..)
    );
    row!(t, ctx.plan_blocking(&Reduce::amax([6], Element::F32, empty)), Error::Descriptor(..));
    let delayed = |e| DelayedScale::new([2, 3], e);
    row!(t, ctx.plan_blocking(&delayed(Element::F32)), Error::Descriptor(..));
    row!(t, ctx.plan_blocking(&delayed(Element::F32.observed())), Error::Descriptor(..));
    row!(t, ctx.plan_blocking(&delayed(f8(Granularity::MX))), Error::Descriptor(..));
    row!(t, ctx.plan_blocking(&delayed(f8(PerTensor)).length(0)), Error::Descriptor(..));
    row!(t, ctx.plan_blocking(&delayed(f8(PerTensor)).margin(127)), Error::Descriptor(..));
    row!(t, ctx.plan_blocking(&delayed(f8(PerChannel { axis: 2 }))), Error::Descriptor(..));
    row!(t, ctx.plan_blocking(&Permute::new([2, 3], Element::F32, [0, 0])), Error::Descriptor(..));
    row!(t, ctx.plan_blocking(&Permute::new([2, 3], Element::F32, [0, 1, 2])), Error::Descriptor(..));
    row!(t, ctx.plan_blocking(&Permute::new([2, 0], Element::F32, [1, 0])), Error::Descriptor(..));
    row!(t, ctx.plan_blocking(&Permute::transpose(1, 1 << 30, Element::F16)), Error::Descriptor(..));
    row!(t, ctx.plan_blocking(&Permute::transpose(2, 3, f8(PerToken))), Error::Descriptor(..));
    row!(t, ctx.plan_blocking(&Permute::transpose(2, 3, f8(block))), Error::Descriptor(..));
    row!(t, ctx.plan_blocking(&Permute::transpose(2, 3, f8(PerChannel { axis: 2 }))), Error::Descriptor(..));
    let x = Slice::new([2, 3], Element::F32);
    row!(t, ctx.plan_blocking(&x.clone().axis(2, 0..1, 1)), Error::Descriptor(..));
    row!(t, ctx.plan_blocking(&x.clone().axis(1, 0..1, 1).axis(1, 1..2, 1)), Error::Descriptor(..));
    row!(t, ctx.plan_blocking(&x.clone().axis(1, 1..4, 1)), Error::Descriptor(..));
    row!(t, ctx.plan_blocking(&x.clone().axis(1, 2..2, 1)), Error::Descriptor(..));
    row!(t, ctx.plan_blocking(&x.clone().axis(1, 0..2, 0)), Error::Descriptor(..));
    row!(t, ctx.plan_blocking(&Slice::new([2, 3], f8(block))), Error::Descriptor(..));
    let (rows, more) = ((vec![2, 3], Element::F32), (vec![4, 3], Element::F32));
    row!(t, ctx.plan_blocking(&Concat::new(0, [rows.clone()])), Error::Descriptor(..));
    row!(t, ctx.plan_blocking(&Concat::new(0, vec![rows.clone(); 9])), Error::Descriptor(..));
    row!(t, ctx.plan_blocking(&Concat::new(2, [rows.clone(), more.clone()])), Error::Descriptor(..));
    row!(t, ctx.plan_blocking(&Concat::new(1, [rows.clone(), more.clone()])), Error::Descriptor(..));
    row!(
        t,
        ctx.plan_blocking(&Concat::new(0, [rows.clone(), (vec![3], f8(PerTensor))])),
        Error::Descriptor(..)
    );
    row!(
        t,
        ctx.plan_blocking(&Concat::new(0, [rows.clone(), (vec![4, 3], Element::U32)])),
        Error::Descriptor(..)
    );
    row!(
        t,
        ctx.plan_blocking(&Concat::new(0, [rows.clone(), (vec![0, 3], Element::F32)])),
        Error::Descriptor(..)
    );
    row!(
        t,
        ctx.plan_blocking(&Concat::new(0, vec![(vec![1 << 30], Element::F32); 4])),
        Error::Descriptor(..)
    );
    let pool = Pool2d::average([1, 4, 5, 2], Element::F32, [2, 3]);
    row!(t, ctx.plan_blocking(&Pool2d::max([1, 4, 0, 2], Element::F32, [2, 2])), Error::Descriptor(..));
    row!(t, ctx.plan_blocking(&Pool2d::max([1, 4, 5, 2], Element::U32, [2, 2])), Error::Descriptor(..));
    row!(t, ctx.plan_blocking(&Pool2d::max([1, 4, 5, 2], Element::F32, [0, 2])), Error::Descriptor(..));
    row!(t, ctx.plan_blocking(&Pool2d::max([1, 4, 5, 2], Element::F32, [5, 2])), Error::Descriptor(..));
    row!(
        t,
        ctx.plan_blocking(&Pool2d::max([1, 1 << 13, 1 << 13, 1], Element::F32, [1 << 13; 2])),
        Error::Descriptor(..)
    );
    row!(t, ctx.plan_blocking(&pool.clone().stride([1, 0])), Error::Descriptor(..));
    row!(t, ctx.plan_blocking(&pool.clone().dilation([0, 1])), Error::Descriptor(..));
    row!(t, ctx.plan_blocking(&pool.clone().dilation([5, 1]).padding([4, 0, 4, 0])), Error::Descriptor(..));
    row!(t, ctx.plan_blocking(&pool.clone().padding([2, 0, 0, 0])), Error::Descriptor(..));
    row!(t, ctx.plan_blocking(&pool.clone().padding([0, 0, 0, u32::MAX])), Error::Descriptor(..));
    row!(t, ctx.plan_blocking(&pool.out(f8(PerChannel { axis: 4 }))), Error::Descriptor(..));
    let up = |size| Upsample2d::bilinear([1, 4, 5, 2], Element::F32, size);
    row!(t, ctx.plan_blocking(&up([0, 3])), Error::Descriptor(..));
    row!(t, ctx.plan_blocking(&up([1 << 16, 1 << 15])), Error::Descriptor(..));
    row!(
        t,
        ctx.plan_blocking(&Upsample2d::nearest([1, (1 << 17) - 1, 1, 1], Element::F32, [1 << 17, 1])),
        Error::Descriptor(..)
    );
    row!(
        t,
        ctx.plan_blocking(&Upsample2d::nearest([0, 4, 5, 2], Element::F32, [8, 10])),
        Error::Descriptor(..)
    );
    row!(
        t,
        ctx.plan_blocking(&Upsample2d::nearest([1, 4, 5, 2], Element::U32, [8, 10])),
        Error::Descriptor(..)
    );
    row!(t, ctx.plan_blocking(&up([8, 10]).out(f8(PerChannel { axis: 4 }))), Error::Descriptor(..));
    row!(t, ctx.plan_blocking(&Slice::new([], Element::F32)), Error::Descriptor(..));
    row!(
        t,
        ctx.plan_blocking(&Permute::new([2; 7], Element::U32, [6, 5, 4, 3, 2, 1, 0])),
        Error::Descriptor(..)
    );
    let softmax = || Softmax::new([2, 3, 4]);
    row!(t, ctx.plan_blocking(&Softmax::new([2, 0])), Error::Descriptor(..));
    row!(t, ctx.plan_blocking(&Softmax::new([])), Error::Descriptor(..));
    row!(t, ctx.plan_blocking(&softmax().x(Element::U32)), Error::Descriptor(..));
    row!(t, ctx.plan_blocking(&softmax().scale(0.0)), Error::Descriptor(..));
    row!(t, ctx.plan_blocking(&softmax().scale(f32::INFINITY)), Error::Descriptor(..));
    row!(t, ctx.plan_blocking(&softmax().mask(f, [2, 1])), Error::Descriptor(..));
    row!(t, ctx.plan_blocking(&softmax().mask(f, [5, 2, 3, 4])), Error::Descriptor(..));
    row!(t, ctx.plan_blocking(&softmax().mask(f, [])), Error::Descriptor(..));
    row!(t, ctx.plan_blocking(&softmax().mask(DType::F8(e5m2), [4])), Error::Descriptor(..));
    row!(t, ctx.plan_blocking(&Softmax::new([4]).causal(Causal::Aligned)), Error::Descriptor(..));
    row!(t, ctx.plan_blocking(&Softmax::new([4]).lengths()), Error::Descriptor(..));
    let rope = || Rope::new([2, 3, 4], 1);
    row!(t, ctx.plan_blocking(&Rope::new([], 0)), Error::Descriptor(..));
    row!(t, ctx.plan_blocking(&Rope::new([2, 3, 4], 2)), Error::Descriptor(..));
    row!(t, ctx.plan_blocking(&Rope::new([2, 3, 4], usize::MAX)), Error::Descriptor(..));
    row!(t, ctx.plan_blocking(&Rope::new([2, 3], 0)), Error::Descriptor(..));
    row!(t, ctx.plan_blocking(&rope().rotary(0)), Error::Descriptor(..));
    row!(t, ctx.plan_blocking(&rope().rotary(6)), Error::Descriptor(..));
    row!(t, ctx.plan_blocking(&rope().scale(f32::NAN)), Error::Descriptor(..));
    row!(
        t,
        ctx.plan_blocking(&Rope::new([3, 4], 0).positions(Positions::PerSequence)),
        Error::Descriptor(..)
    );
    row!(t, ctx.plan_blocking(&rope().tables(0, f)), Error::Descriptor(..));
    row!(t, ctx.plan_blocking(&rope().tables(9, DType::F8(e5m2))), Error::Descriptor(..));
    row!(t, ctx.plan_blocking(&rope().x(Element::U32)), Error::Descriptor(..));
    row!(t, ctx.plan_blocking(&rope().out(f8(PerChannel { axis: 3 }))), Error::Descriptor(..));
    let embedding = || Embedding::new([2, 3], 7, 4);
    row!(t, ctx.plan_blocking(&Embedding::new([], 7, 4)), Error::Descriptor(..));
    row!(t, ctx.plan_blocking(&Embedding::new([2], 0, 4)), Error::Descriptor(..));
    row!(t, ctx.plan_blocking(&Embedding::new([2], 7, 0)), Error::Descriptor(..));
    row!(t, ctx.plan_blocking(&Embedding::new([1 << 20], 7, 1 << 12)), Error::Descriptor(..));
    row!(t, ctx.plan_blocking(&embedding().table(Element::U32)), Error::Descriptor(..));
    row!(t, ctx.plan_blocking(&embedding().table(f8(PerChannel { axis: 2 }))), Error::Descriptor(..));
    row!(t, ctx.plan_blocking(&embedding().residual(Element::U32)), Error::Descriptor(..));
    let add = |a: &[u32], b: &[u32]| Binary::new(BinaryOp::Add, a, b);
    row!(t, ctx.plan_blocking(&add(&[], &[2])), Error::Descriptor(..));
    row!(t, ctx.plan_blocking(&add(&[2], &[2, 0])), Error::Descriptor(..));
    row!(t, ctx.plan_blocking(&add(&[2, 3], &[2])), Error::Descriptor(..));
    row!(t, ctx.plan_blocking(&add(&[1 << 16, 1], &[1, 1 << 16])), Error::Descriptor(..));
    row!(t, ctx.plan_blocking(&add(&[2], &[2]).a(Element::U32)), Error::Descriptor(..));
    row!(t, ctx.plan_blocking(&add(&[2], &[2]).b(f8(PerChannel { axis: 1 }))), Error::Descriptor(..));
    row!(t, ctx.plan_blocking(&Unary::new([])), Error::Descriptor(..));
    row!(t, ctx.plan_blocking(&Unary::new([2]).alpha(f32::NAN)), Error::Descriptor(..));
    row!(t, ctx.plan_blocking(&Unary::new([2]).alpha(1e-40)), Error::Descriptor(..));
    row!(t, ctx.plan_blocking(&Unary::new([2]).beta(f32::INFINITY)), Error::Descriptor(..));
    row!(t, ctx.plan_blocking(&Unary::new([2]).x(Element::U32)), Error::Descriptor(..));
    row!(t, ctx.plan_blocking(&Unary::new([2]).out(Element::U32)), Error::Descriptor(..));
    let gated = |shape: &[u32]| Gated::new(shape, Activation::Silu);
    row!(t, ctx.plan_blocking(&gated(&[])), Error::Descriptor(..));
    row!(t, ctx.plan_blocking(&gated(&[u32::MAX - 3]).halves(Halves::GateFirst)), Error::Descriptor(..));
    row!(t, ctx.plan_blocking(&gated(&[2]).gate(Element::U32)), Error::Descriptor(..));
    row!(t, ctx.plan_blocking(&gated(&[2]).up(Element::U32)), Error::Descriptor(..));
    let norm = LayerNorm::new([2, 3]);
    row!(t, ctx.plan_blocking(&LayerNorm::new([])), Error::Descriptor(..));
    row!(t, ctx.plan_blocking(&LayerNorm::new([2, 0])), Error::Descriptor(..));
    row!(t, ctx.plan_blocking(&RmsNorm::new([1 << 16, 1 << 16])), Error::Descriptor(..));
    row!(t, ctx.plan_blocking(&norm.clone().epsilon(-1e-5)), Error::Descriptor(..));
    row!(t, ctx.plan_blocking(&norm.clone().epsilon(f32::INFINITY)), Error::Descriptor(..));
    row!(t, ctx.plan_blocking(&norm.clone().epsilon(1e-40)), Error::Descriptor(..));
    row!(t, ctx.plan_blocking(&norm.clone().gamma(DType::F8(e5m2))), Error::Descriptor(..));
    row!(t, ctx.plan_blocking(&norm.clone().beta(DType::U32)), Error::Descriptor(..));
    row!(t, ctx.plan_blocking(&norm.clone().zero_centred()), Error::Descriptor(..));
    row!(t, ctx.plan_blocking(&norm.clone().residual(f8(PerToken))), Error::Descriptor(..));
    row!(t, ctx.plan_blocking(&norm.clone().sum(Element::F16)), Error::Descriptor(..));
    row!(t, ctx.plan_blocking(&norm.clone().residual(Element::F16).sum(f8(PerToken))), Error::Descriptor(..));
    row!(t, ctx.plan_blocking(&norm.clone().x(Element::U32)), Error::Descriptor(..));
    row!(t, ctx.plan_blocking(&BatchNorm::new([1, 3]).training(0.1)), Error::Descriptor(..));
    row!(t, ctx.plan_blocking(&BatchNorm::new([2, 3]).training(1.5)), Error::Descriptor(..));
    row!(t, ctx.plan_blocking(&BatchNorm::new([2, 3]).saved()), Error::Descriptor(..));
    row!(t, ctx.plan_blocking(&GroupNorm::new([2, 6], 4)), Error::Descriptor(..));
    row!(t, ctx.plan_blocking(&GroupNorm::new([2, 6], 0)), Error::Descriptor(..));
    row!(t, ctx.plan_blocking(&InstanceNorm::new([6])), Error::Descriptor(..));
}

/// An operation of our own, whose kernels have the faults that those of the crate do not.
#[derive(Clone, Debug, PartialEq)]
struct Fill;

/// Holds the kernel `cpu.slow` between its start and its end.
static GATE: Barrier = Barrier::new(2);

impl Operation for Fill {
    const NAME: &'static str = "fill";
    const KERNELS: &'static [Kernel<Self>] = &[
        Kernel { name: "cpu.fussy", arithmetic: Arithmetic::F32, body: Body::Cpu { accepts: refuse, run } },
        Kernel {
            name: "cpu.slow",
            arithmetic: Arithmetic::F32,
            body: Body::Cpu { accepts: |_| Ok(()), run },
        },
        #[cfg(feature = "gpu")]
        faulty::kernel("broken", faulty::broken),
        #[cfg(feature = "gpu")]
        faulty::kernel("lost", faulty::lost),
        #[cfg(feature = "gpu")]
        faulty::kernel("hungry", faulty::hungry),
        #[cfg(feature = "gpu")]
        faulty::RARE,
    ];

    fn operands(&self) -> Result<Vec<Operand>, DescriptorError> {
        let out = Operand::write("out", [4], Element::F32);
        Ok(vec![out.map_err(DescriptorError::layout(Self::NAME, "out"))?])
    }

    fn cost(&self) -> Cost {
        Cost::default()
    }

    fn reference(&self, _: &Inputs) -> Outputs {
        Outputs(vec![("out", vec![Real::exact(0.0); 4])])
    }

    fn cases() -> Vec<Case<Self>> {
        vec![]
    }
}

fn refuse(_: &Fill) -> Result<(), Refusal> {
    Err(Refusal::Unfit("not on a Monday".into()))
}

fn run(_: &Fill, _: &mut HostArgs<'_>, _: Threads) {
    GATE.wait();
    GATE.wait();
}

#[cfg(feature = "gpu")]
mod faulty {
    use super::*;
    use quarter::{gpu::*, shader::Shader, wgpu::Features};

    type Scheduler = fn(&Fill, &Tuning, &Capabilities) -> Schedule;

    pub const fn kernel(name: &'static str, schedule: Scheduler) -> Kernel<Fill> {
        let (requires, arithmetic) = (Features::empty(), Arithmetic::F32);
        Kernel { name, arithmetic, body: Body::Gpu { requires, tunings, schedule } }
    }

    pub const RARE: Kernel<Fill> = Kernel {
        name: "rare",
        arithmetic: Arithmetic::F32,
        body: Body::Gpu { requires: Features::PIPELINE_STATISTICS_QUERY, tunings, schedule: broken },
    };

    fn tunings(_: &Fill, _: &Capabilities) -> Result<Vec<Tuning>, Refusal> {
        Ok(vec![Tuning::new("", &[])])
    }

    fn stage(path: &'static str, text: &'static str) -> Stage {
        Stage {
            shader: Shader { path, text },
            specialization: Specialization::default(),
            footprint: Footprint { workgroup: [1, 1, 1], shared_bytes: 0 },
            bindings: vec![bind(1, values("out"), Usage::Write)],
            dispatches: vec![Dispatch { grid: [1, 1, 1], params: Params::default(), windows: vec![] }],
        }
    }

    fn alone(stage: Stage) -> Schedule {
        Schedule { stages: vec![stage], workspace: vec![] }
    }

    pub fn broken(_: &Fill, _: &Tuning, _: &Capabilities) -> Schedule {
        let text = "#import lib/bits.wgsl\n\n@compute @workgroup_size(1)\nfn main() {\n    oops();\n}\n";
        alone(stage("fill/broken.wgsl", text))
    }

    pub fn lost(_: &Fill, _: &Tuning, _: &Capabilities) -> Schedule {
        alone(stage("fill/lost.wgsl", "#import lib/nothing.wgsl\n"))
    }

    pub fn hungry(_: &Fill, _: &Tuning, _: &Capabilities) -> Schedule {
        let footprint = Footprint { workgroup: [1, 1, 1], shared_bytes: 1 << 20 };
        alone(Stage { footprint, ..stage("fill/hungry.wgsl", "") })
    }
}

fn plan<O: Operation>(ctx: &Context, op: &O, kernel: &str) -> Result<quarter::Plan<O>, Error> {
    pollster::block_on(ctx.planner(op).kernel(kernel).build())
}

fn planning(t: &mut Table, cpu: &Context) {
    t.section(
        "Planning",
        "`plan(ctx, op, kernel)` forces a kernel: `ctx.planner(op).kernel(kernel).build()`. `tune(kernel, tuning)` \
         forces a variant for `Gemm::new(2, 3, 4)` on `portable`. `Fill` is an operation of the \
         test, with kernels that refuse or fail; `portable` is a GPU held to WebGPU's default limits, \
         `wide` quantises 2¹³ by 2¹⁴ f32, `hardware` is `Capabilities::portable()`: no software device.",
    );
    row!(t, plan(cpu, &Gemm::new(2, 3, 4), "tiled"), Error::NoSuchKernel { .. });
    row!(t, plan(cpu, &Reduce::amax([6], Element::F32, PerTensor), ""), Error::NoSuchKernel { .. });
    row!(t, plan(cpu, &Fill, "cpu.fussy"), Error::Unsupported { .. });
}

fn convolutions(t: &mut Table, ctx: &Context) {
    let f8 = |g| Element::f8(Format::E4M3FN, g);
    let conv = Conv2d::new([1, 8, 6, 4], 4, [3, 3]);
    let depthwise = Conv2d::new([1, 8, 6, 4], 4, [3, 3]).groups(4);
    t.section(
        "Convolutions",
        "`conv` is `Conv2d::new([1, 8, 6, 4], 4, [3, 3])`, `depthwise` the same in 4 groups; `f8(g)` is E4M3FN at granularity g.",
    );
    row!(t, ctx.plan_blocking(&Conv2d::new([0, 8, 6, 4], 4, [3, 3])), Error::Descriptor(..));
    row!(t, ctx.plan_blocking(&Conv2d::new([1, 0, 6, 4], 4, [3, 3])), Error::Descriptor(..));
    row!(t, ctx.plan_blocking(&Conv2d::new([1, 8, 0, 4], 4, [3, 3])), Error::Descriptor(..));
    row!(t, ctx.plan_blocking(&Conv2d::new([1, 8, 6, 0], 4, [3, 3])), Error::Descriptor(..));
    row!(t, ctx.plan_blocking(&Conv2d::new([1, 8, 6, 4], 0, [3, 3])), Error::Descriptor(..));
    row!(t, ctx.plan_blocking(&Conv2d::new([1, 8, 6, 4], 4, [3, 0])), Error::Descriptor(..));
    row!(t, ctx.plan_blocking(&conv.clone().stride([0, 1])), Error::Descriptor(..));
    row!(t, ctx.plan_blocking(&conv.clone().dilation([1, 0])), Error::Descriptor(..));
    row!(t, ctx.plan_blocking(&conv.clone().groups(0)), Error::Descriptor(..));
    row!(t, ctx.plan_blocking(&conv.clone().groups(3)), Error::Descriptor(..));
    row!(t, ctx.plan_blocking(&Conv2d::new([1, 8, 6, 4], 6, [3, 3]).groups(4)), Error::Descriptor(..));
    row!(t, ctx.plan_blocking(&Conv2d::new([1, 8, 6, 4], 4, [9, 3])), Error::Descriptor(..));
    row!(t, ctx.plan_blocking(&conv.clone().dilation([1, 3])), Error::Descriptor(..));
    row!(t, ctx.plan_blocking(&conv.clone().dilation([u32::MAX, 1])), Error::Descriptor(..));
    row!(t, ctx.plan_blocking(&conv.clone().padding([u32::MAX, 0, u32::MAX, 0])), Error::Descriptor(..));
    row!(
        t,
        ctx.plan_blocking(&Conv2d::new([1 << 16, 1 << 10, 1 << 10, 1], 1, [1, 1])),
        Error::Descriptor(..)
    );
    row!(t, ctx.plan_blocking(&Conv2d::new([1, 1, 1, 1 << 16], 1 << 16, [1, 1])), Error::Descriptor(..));
    row!(t, ctx.plan_blocking(&conv.clone().padding([30000; 4])), Error::Descriptor(..));
    row!(t, ctx.plan_blocking(&conv.clone().x(f8(PerToken))), Error::Descriptor(..));
    row!(t, ctx.plan_blocking(&conv.clone().x(Element::U32)), Error::Descriptor(..));
    row!(t, ctx.plan_blocking(&conv.clone().w(f8(PerChannel { axis: 2 }))), Error::Descriptor(..));
    row!(t, ctx.plan_blocking(&depthwise.clone().w(f8(PerChannel { axis: 0 }))), Error::Descriptor(..));
    row!(t, ctx.plan_blocking(&conv.clone().bias(DType::F8(Format::E5M2))), Error::Descriptor(..));
    row!(t, ctx.plan_blocking(&conv.clone().residual(f8(PerToken))), Error::Descriptor(..));
    row!(t, ctx.plan_blocking(&conv.clone().out(f8(PerBlock { rows: 1, cols: 0 }))), Error::Descriptor(..));
    row!(t, ctx.plan_blocking(&conv.clone().out(f8(PerChannel { axis: 4 }))), Error::Descriptor(..));
    row!(t, ctx.plan_blocking(&conv.clone().out(Element::U32)), Error::Descriptor(..));
    let x = HostTensor::from_f32(&[0.0; 192], [1, 8, 6, 4]).unwrap();
    let x = ctx.upload_blocking(&x).unwrap();
    let w = ctx.empty_blocking(&conv.w_layout().unwrap()).unwrap();
    let out = ctx.empty_blocking(&conv.out_layout().unwrap()).unwrap();
    let plan = ctx.plan_blocking(&conv).unwrap();
    row!(t, plan.bind(&Conv2dArgs::new(&x, &x, &out)), Error::Argument { role: "w", .. });
    row!(t, plan.bind(&Conv2dArgs::new(&out, &w, &out)), Error::Argument { role: "x", .. });
    row!(t, plan.bind(&Conv2dArgs::new(&x, &w, &x)), Error::Argument { role: "out", .. });
    row!(t, plan.bind(&Conv2dArgs::new(&x, &w, &out).bias(&out)), Error::Argument { role: "bias", .. });
    let same = Conv2d::new([1, 8, 6, 4], 4, [1, 1]);
    let plan = ctx.plan_blocking(&same).unwrap();
    let w = ctx.empty_blocking(&same.w_layout().unwrap()).unwrap();
    row!(t, plan.bind(&Conv2dArgs::new(&x, &w, &x)), Error::Argument { role: "out", .. });
}

fn sequences(t: &mut Table, ctx: &Context) {
    let f8 = |g| Element::f8(Format::E4M3FN, g);
    let conv = Conv1d::new([2, 9, 4], 4, 3);
    let depthwise = conv.clone().groups(4);
    t.section(
        "Convolutions of sequences",
        "`conv` is `Conv1d::new([2, 9, 4], 4, 3)`, `depthwise` the same in 4 groups; `f8(g)` is E4M3FN at granularity g.",
    );
    row!(t, ctx.plan_blocking(&Conv1d::new([0, 9, 4], 4, 3)), Error::Descriptor(..));
    row!(t, ctx.plan_blocking(&Conv1d::new([2, 0, 4], 4, 3)), Error::Descriptor(..));
    row!(t, ctx.plan_blocking(&Conv1d::new([2, 9, 4], 0, 3)), Error::Descriptor(..));
    row!(t, ctx.plan_blocking(&Conv1d::new([2, 9, 4], 4, 0)), Error::Descriptor(..));
    row!(t, ctx.plan_blocking(&conv.clone().stride(0)), Error::Descriptor(..));
    row!(t, ctx.plan_blocking(&conv.clone().dilation(0)), Error::Descriptor(..));
    row!(t, ctx.plan_blocking(&conv.clone().groups(0)), Error::Descriptor(..));
    row!(t, ctx.plan_blocking(&conv.clone().groups(3)), Error::Descriptor(..));
    row!(t, ctx.plan_blocking(&Conv1d::new([2, 9, 4], 6, 3).groups(4)), Error::Descriptor(..));
    row!(t, ctx.plan_blocking(&Conv1d::new([2, 9, 4], 4, 10)), Error::Descriptor(..));
    row!(t, ctx.plan_blocking(&conv.clone().dilation(u32::MAX)), Error::Descriptor(..));
    row!(t, ctx.plan_blocking(&conv.clone().padding([u32::MAX, 0])), Error::Descriptor(..));
    row!(t, ctx.plan_blocking(&Conv1d::new([1 << 16, 1 << 20, 1], 1, 1)), Error::Descriptor(..));
    row!(
        t,
        ctx.plan_blocking(&Conv1d::new([1, 1 << 30, 2], 1, 1).x_sequences(Sequences::Ncl)),
        Error::Descriptor(..)
    );
    row!(t, ctx.plan_blocking(&conv.clone().x(f8(PerToken))), Error::Descriptor(..));
    row!(t, ctx.plan_blocking(&conv.clone().x(Element::U32)), Error::Descriptor(..));
    row!(t, ctx.plan_blocking(&conv.clone().w(f8(PerChannel { axis: 2 }))), Error::Descriptor(..));
    row!(t, ctx.plan_blocking(&depthwise.clone().w(f8(PerChannel { axis: 0 }))), Error::Descriptor(..));
    row!(t, ctx.plan_blocking(&conv.clone().bias(DType::U32)), Error::Descriptor(..));
    row!(t, ctx.plan_blocking(&conv.clone().residual(f8(PerToken))), Error::Descriptor(..));
    row!(t, ctx.plan_blocking(&conv.clone().out(f8(PerBlock { rows: 1, cols: 0 }))), Error::Descriptor(..));
    row!(t, ctx.plan_blocking(&conv.clone().out(f8(PerChannel { axis: 3 }))), Error::Descriptor(..));
    let x = ctx.upload_blocking(&HostTensor::from_f32(&[0.0; 72], [2, 9, 4]).unwrap()).unwrap();
    let w = ctx.empty_blocking(&conv.w_layout().unwrap()).unwrap();
    let out = ctx.empty_blocking(&conv.out_layout().unwrap()).unwrap();
    let plan = ctx.plan_blocking(&conv).unwrap();
    row!(t, plan.bind(&Conv1dArgs::new(&x, &x, &out)), Error::Argument { role: "w", .. });
    row!(t, plan.bind(&Conv1dArgs::new(&x, &w, &x)), Error::Argument { role: "out", .. });
    row!(
        t,
        plan.bind(&Conv1dArgs::new(&x, &w, &out).residual(&out)),
        Error::Argument { role: "residual", .. }
    );
}

fn transposed(t: &mut Table, ctx: &Context) {
    let f8 = |g| Element::f8(Format::E4M3FN, g);
    let conv = ConvTranspose2d::new([1, 8, 6, 4], 4, [3, 3]).stride([2, 2]);
    let depthwise = conv.clone().groups(4);
    t.section(
        "Transposed convolutions",
        "`conv` is `ConvTranspose2d::new([1, 8, 6, 4], 4, [3, 3]).stride([2, 2])`, `depthwise` the same in 4 groups; `f8(g)` \
         is E4M3FN at granularity g.",
    );
    row!(t, ctx.plan_blocking(&ConvTranspose2d::new([0, 8, 6, 4], 4, [3, 3])), Error::Descriptor(..));
    row!(t, ctx.plan_blocking(&ConvTranspose2d::new([1, 0, 6, 4], 4, [3, 3])), Error::Descriptor(..));
    row!(t, ctx.plan_blocking(&ConvTranspose2d::new([1, 8, 0, 4], 4, [3, 3])), Error::Descriptor(..));
    row!(t, ctx.plan_blocking(&ConvTranspose2d::new([1, 8, 6, 0], 4, [3, 3])), Error::Descriptor(..));
    row!(t, ctx.plan_blocking(&ConvTranspose2d::new([1, 8, 6, 4], 0, [3, 3])), Error::Descriptor(..));
    row!(t, ctx.plan_blocking(&ConvTranspose2d::new([1, 8, 6, 4], 4, [0, 3])), Error::Descriptor(..));
    row!(t, ctx.plan_blocking(&conv.clone().stride([2, 0])), Error::Descriptor(..));
    row!(t, ctx.plan_blocking(&conv.clone().dilation([0, 1])), Error::Descriptor(..));
    row!(t, ctx.plan_blocking(&conv.clone().groups(0)), Error::Descriptor(..));
    row!(t, ctx.plan_blocking(&conv.clone().groups(3)), Error::Descriptor(..));
    row!(
        t,
        ctx.plan_blocking(&ConvTranspose2d::new([1, 8, 6, 4], 6, [3, 3]).groups(4)),
        Error::Descriptor(..)
    );
    row!(t, ctx.plan_blocking(&conv.clone().output_padding([1, 2])), Error::Descriptor(..));
    row!(t, ctx.plan_blocking(&conv.clone().dilation([4, 1]).output_padding([4, 0])), Error::Descriptor(..));
    row!(t, ctx.plan_blocking(&conv.clone().padding([9, 0, 8, 0])), Error::Descriptor(..));
    row!(t, ctx.plan_blocking(&conv.clone().padding([0, u32::MAX, 0, u32::MAX])), Error::Descriptor(..));
    row!(t, ctx.plan_blocking(&conv.clone().stride([1 << 29, 1])), Error::Descriptor(..));
    row!(t, ctx.plan_blocking(&conv.clone().stride([1 << 14, 1 << 15])), Error::Descriptor(..));
    row!(t, ctx.plan_blocking(&conv.clone().x(f8(PerToken))), Error::Descriptor(..));
    row!(t, ctx.plan_blocking(&conv.clone().x(Element::U32)), Error::Descriptor(..));
    row!(t, ctx.plan_blocking(&conv.clone().w(f8(PerChannel { axis: 3 }))), Error::Descriptor(..));
    row!(t, ctx.plan_blocking(&depthwise.clone().w(f8(PerChannel { axis: 0 }))), Error::Descriptor(..));
    row!(t, ctx.plan_blocking(&conv.clone().bias(DType::U32)), Error::Descriptor(..));
    row!(t, ctx.plan_blocking(&conv.clone().residual(f8(PerToken))), Error::Descriptor(..));
    row!(t, ctx.plan_blocking(&conv.clone().out(f8(PerBlock { rows: 1, cols: 0 }))), Error::Descriptor(..));
    row!(t, ctx.plan_blocking(&conv.clone().out(f8(PerChannel { axis: 4 }))), Error::Descriptor(..));
    let x = ctx.upload_blocking(&HostTensor::from_f32(&[0.0; 192], [1, 8, 6, 4]).unwrap()).unwrap();
    let w = ctx.empty_blocking(&conv.w_layout().unwrap()).unwrap();
    let out = ctx.empty_blocking(&conv.out_layout().unwrap()).unwrap();
    let plan = ctx.plan_blocking(&conv).unwrap();
    row!(t, plan.bind(&ConvTranspose2dArgs::new(&x, &x, &out)), Error::Argument { role: "w", .. });
    row!(t, plan.bind(&ConvTranspose2dArgs::new(&x, &w, &x)), Error::Argument { role: "out", .. });
    row!(
        t,
        plan.bind(&ConvTranspose2dArgs::new(&x, &w, &out).bias(&out)),
        Error::Argument { role: "bias", .. }
    );
}

fn embedding_bags(t: &mut Table, ctx: &Context) {
    let (even, ragged) = (Bags::Even { bags: 2, size: 3 }, Bags::Ragged { bags: 2, indices: 5 });
    let bag = EmbeddingBag::new(ragged, 7, 4);
    t.section(
        "Bags of embeddings",
        "`even` is `Bags::Even { bags: 2, size: 3 }`, `ragged` is `Bags::Ragged { bags: 2, indices: 5 }`, `bag` is \
         `EmbeddingBag::new(ragged, 7, 4)`; `f8(g)` is E4M3FN at granularity g.",
    );
    row!(
        t,
        ctx.plan_blocking(&EmbeddingBag::new(Bags::Even { bags: 0, size: 3 }, 7, 4)),
        Error::Descriptor(..)
    );
    row!(
        t,
        ctx.plan_blocking(&EmbeddingBag::new(Bags::Even { bags: 2, size: 0 }, 7, 4)),
        Error::Descriptor(..)
    );
    row!(
        t,
        ctx.plan_blocking(&EmbeddingBag::new(Bags::Ragged { bags: 0, indices: 5 }, 7, 4)),
        Error::Descriptor(..)
    );
    row!(
        t,
        ctx.plan_blocking(&EmbeddingBag::new(Bags::Ragged { bags: u32::MAX, indices: 5 }, 7, 4)),
        Error::Descriptor(..)
    );
    row!(t, ctx.plan_blocking(&EmbeddingBag::new(even, 0, 4)), Error::Descriptor(..));
    row!(t, ctx.plan_blocking(&EmbeddingBag::new(even, 7, 0)), Error::Descriptor(..));
    row!(t, ctx.plan_blocking(&EmbeddingBag::new(even, 1 << 20, 1 << 20)), Error::Descriptor(..));
    row!(t, ctx.plan_blocking(&bag.clone().table(Element::U32)), Error::Descriptor(..));
    row!(t, ctx.plan_blocking(&bag.clone().out(Element::U32)), Error::Descriptor(..));
    row!(t, ctx.plan_blocking(&bag.clone().weights(DType::U32)), Error::Descriptor(..));
    row!(t, ctx.plan_blocking(&bag.clone().weights(DType::F8(Format::E5M2))), Error::Descriptor(..));
    row!(t, ctx.plan_blocking(&bag.clone().weights(DType::F32).mode(BagMode::Mean)), Error::Descriptor(..));
    row!(t, ctx.plan_blocking(&bag.clone().weights(DType::F32).mode(BagMode::Max)), Error::Descriptor(..));
    row!(t, ctx.plan_blocking(&bag.clone().padding_index(7)), Error::Descriptor(..));
    let table = ctx.upload_blocking(&HostTensor::from_f32(&[0.0; 28], [7, 4]).unwrap()).unwrap();
    let index = ctx.upload_blocking(&HostTensor::from_u32(&[0; 5], [5]).unwrap()).unwrap();
    let offsets = ctx.upload_blocking(&HostTensor::from_u32(&[0, 2], [2]).unwrap()).unwrap();
    let out = ctx.empty_blocking(&bag.out_layout().unwrap()).unwrap();
    let plan = ctx.plan_blocking(&bag).unwrap();
    let args = EmbeddingBagArgs::new(&index, &table, &out);
    row!(t, plan.bind(&args), Error::Argument { role: "offsets", .. });
    row!(t, plan.bind(&args.clone().offsets(&offsets)), Error::Argument { role: "offsets", .. });
    row!(t, plan.bind(&EmbeddingBagArgs::new(&table, &table, &out)), Error::Argument { role: "index", .. });
}

fn binding(t: &mut Table, cpu: &Context) {
    let up = |shape: [u32; 2]| {
        let x = HostTensor::from_f32(&vec![1.0; (shape[0] * shape[1]) as usize], shape).unwrap();
        (cpu.upload_blocking(&x).unwrap(), x)
    };
    let ((a, host), (b, _), (out, _)) = (up([2, 4]), up([4, 4]), up([2, 4]));
    let bias = cpu.upload_blocking(&HostTensor::from_f32(&[0.0; 4], [4]).unwrap()).unwrap();
    let half =
        cpu.upload_blocking(&HostTensor::from_f32_as(DType::F16, &[1.0; 16], [4, 4]).unwrap()).unwrap();
    let coded = |g| cpu.upload_blocking(&host.quantize(Format::E5M2, g).unwrap()).unwrap();
    let (per_tensor, per_token) = (coded(PerTensor), coded(PerToken));
    let one = cpu.empty_blocking(&Layout::new([1], Element::F32).unwrap()).unwrap();
    let foreign = Context::cpu().upload_blocking(&host).unwrap();
    let plain = cpu.plan_blocking(&Gemm::new(2, 4, 4)).unwrap();
    let biased = cpu.plan_blocking(&Gemm::new(2, 4, 4).bias(DType::F32)).unwrap();
    let from_f8 = cpu.plan_blocking(&Gemm::new(2, 4, 4).a(per_tensor.layout().element())).unwrap();
    let amax = cpu.plan_blocking(&Reduce::amax([1], Element::F32, PerTensor)).unwrap();
    t.section(
        "Binding",
        "`plain` is a plan of `Gemm::new(2, 4, 4)`, `biased` of the same with an f32 bias, `from_f8` with `a` in E5M2, one \
         scale; `amax` of `Reduce::amax([1], Element::F32, PerTensor)`. `a`, `b`, `out` fit `plain`; `foreign` is an `a` of \
         another context.",
    );
    row!(t, plain.bind(&Slots(vec![("a", &a), ("b", &b)])), Error::Argument { role: "out", .. });
    row!(t, plain.bind(&Slots::default()), Error::Argument { role: "a", .. });
    row!(t, biased.bind(&GemmArgs::new(&a, &b, &out)), Error::Argument { role: "bias", .. });
    row!(t, plain.bind(&GemmArgs::new(&a, &b, &out).bias(&bias)), Error::Argument { role: "bias", .. });
    row!(
        t,
        plain.bind(&Slots(vec![("a", &a), ("b", &b), ("out", &out), ("c", &a)])),
        Error::Argument { role: "c", .. }
    );
    row!(
        t,
        plain.bind(&Slots(vec![("a", &a), ("b", &b), ("out", &out), ("a", &a)])),
        Error::Argument { role: "a", .. }
    );
    row!(t, plain.bind(&GemmArgs::new(&a, &a, &out)), Error::Argument { role: "b", .. });
    row!(t, plain.bind(&GemmArgs::new(&a, &half, &out)), Error::Argument { role: "b", .. });
    row!(t, plain.bind(&GemmArgs::new(&per_tensor, &b, &out)), Error::Argument { role: "a", .. });
    row!(t, from_f8.bind(&GemmArgs::new(&per_token, &b, &out)), Error::Argument { role: "a", .. });
    row!(t, plain.bind(&GemmArgs::new(&a, &b, &a)), Error::Argument { role: "out", .. });
    row!(t, plain.bind(&GemmArgs::new(&out, &b, &out.clone())), Error::Argument { role: "out", .. });
    row!(t, amax.bind(&ReduceArgs::new(&one, &one)), Error::Argument { role: "out", .. });
    row!(t, plain.bind(&GemmArgs::new(&foreign, &b, &out)), Error::WrongContext { .. });
    // What may be shared: two operands that are only read.
    let square = cpu.plan_blocking(&Gemm::new(4, 4, 4)).unwrap();
    let square_out = cpu.empty_blocking(b.layout()).unwrap();
    assert!(square.bind(&GemmArgs::new(&b, &b, &square_out)).is_ok());
}

fn running(t: &mut Table, cpu: &Context) {
    let other = Context::cpu();
    let tensor = |ctx: &Context| ctx.empty_blocking(&Layout::new([4], Element::F32).unwrap()).unwrap();
    let (out, foreign) = (tensor(cpu), tensor(&other));
    let of =
        |ctx: &Context, out| plan(ctx, &Fill, "cpu.slow").unwrap().bind(&Slots(vec![("out", out)])).unwrap();
    let (fill, theirs) = (of(cpu, &out), of(&other, &foreign));
    let coded = Layout::new([2, 2], Element::f8(Format::E5M2, PerToken)).unwrap();
    let three = Scales::new(PerToken, &[1.0; 3], 3).unwrap();
    let channels = Scales::new(PerChannel { axis: 0 }, &[1.0; 2], 2).unwrap();
    let observed = Layout::new([2, 2], Element::F32.observed()).unwrap();
    let half = Scales::per_tensor(Scale::new(0.5).unwrap());
    t.section(
        "Running and copying",
        "`foreign` is a tensor and `theirs` a bound of another context; `coded` is the layout of a 2 by 2 tensor with one \
         scale per token, `three` three such scales, `channels` two of another granularity; `observed` is f32 with amax, `half` one scale of 0.5. `fill` is a bound that writes \
         `out`, which another thread is running in the last two calls.",
    );
    row!(t, cpu.run([&theirs]), Error::WrongContext { .. });
    row!(t, cpu.download_blocking(&foreign), Error::WrongContext { .. });
    row!(
        t,
        pollster::block_on(cpu.empty_scaled(&coded, &three)),
        Error::Tensor(TensorError::Scale(ScaleError::Count { .. }))
    );
    row!(
        t,
        pollster::block_on(cpu.empty_scaled(&coded, &channels)),
        Error::Tensor(TensorError::Scales { .. })
    );
    row!(
        t,
        pollster::block_on(cpu.empty_scaled(&observed, &half)),
        Error::Tensor(TensorError::Scale(ScaleError::Observed(..)))
    );
    row!(
        t,
        pollster::block_on(cpu.empty_scaled(out.layout(), &three)),
        Error::Tensor(TensorError::Scales { .. })
    );
    thread::scope(|s| {
        s.spawn(|| cpu.run([&fill]).unwrap());
        GATE.wait();
        row!(t, cpu.download_blocking(&out), Error::Busy { .. });
        row!(t, cpu.run([&fill]), Error::Busy { .. });
        GATE.wait();
    });
}

#[cfg(feature = "gpu")]
mod on_gpu {
    use super::*;
    use quarter::{
        gpu::{Capabilities, Tuning},
        ops::problem::Problem,
        shader::{ComposeError, LIBRARY, Shader, compose},
        wgpu,
    };

    pub fn planning(t: &mut Table, portable: &Context) {
        row!(t, plan(portable, &Gemm::new(2, 3, 4), "cpu"), Error::NoSuchKernel { .. });
        row!(t, plan(portable, &Gemm::new(1, 1, 1 << 26), "tiled"), Error::Unsupported { .. });
        let wide = Quantize::new([1 << 13, 1 << 14], DType::F32, Format::E4M3FN, PerTensor);
        row!(t, portable.plan_blocking(&wide), Error::Unsupported { .. });
        let hardware = Capabilities::portable();
        row!(t, Problem::tunings(&Gemm::new(2, 3, 4), "register", &hardware), Refusal::Unfit(..));
        let tune = |kernel, tuning| {
            pollster::block_on(portable.planner(&Gemm::new(2, 3, 4)).tuning(kernel, tuning).build())
        };
        row!(t, tune("tiled", Tuning::new("b8x8x16", &[("BM", 8), ("BN", 8)])), Error::Unsupported { .. });
        row!(t, tune("tiled", Tuning::new("", &[])), Error::Unsupported { .. });
        row!(t, tune("tile", Tuning::new("", &[])), Error::NoSuchKernel { .. });
        row!(t, plan(portable, &Fill, "hungry"), Error::Unsupported { .. });
        row!(t, plan(portable, &Fill, "rare"), Error::Unsupported { .. });
        row!(t, plan(portable, &Fill, "lost"), Error::Compile { .. });
        row!(t, plan(portable, &Fill, "broken"), Error::Compile { .. });
    }

    pub fn running(t: &mut Table, cpu: &Context, gpu: &Context, portable: &Context) {
        let host = HostTensor::from_f32(&[1.0; 4], [4]).unwrap();
        let layout = Layout::new([1], Element::F32).unwrap();
        let amax = Reduce::amax([4], Element::F32, PerTensor);
        let bound = |ctx: &Context| {
            let (x, out) = (ctx.upload_blocking(&host).unwrap(), ctx.empty_blocking(&layout).unwrap());
            let plan = ctx.plan_blocking(&amax).unwrap();
            (plan.bind(&ReduceArgs::new(&x, &out)).unwrap(), plan, x, out)
        };
        let ((on_cpu, _, _, cpu_out), (on_gpu, gpu_plan, gpu_x, gpu_out)) = (bound(cpu), bound(gpu));
        let big = Layout::new([1 << 13, 1 << 14], Element::F32).unwrap();
        let (device, _) = gpu.wgpu().unwrap();
        t.section(
            "Two backends",
            "`on_cpu` and `on_gpu` are bounds of the contexts `cpu` and `gpu`, `cpu_out`, `gpu_x`, `gpu_out` and `gpu_plan` \
             what belongs to them; `pass` is a compute pass of the caller. `big` is the layout of 512 MiB.",
        );
        let mut encoder = device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
        row!(t, on_cpu.encode(&mut pass), Error::NotOnGpu(..));
        drop(pass);
        row!(t, gpu.run([&on_gpu, &on_cpu]), Error::WrongContext { .. });
        row!(t, cpu.run([&on_gpu]), Error::WrongContext { .. });
        row!(t, gpu.download_blocking(&cpu_out), Error::WrongContext { .. });
        row!(t, cpu.download_blocking(&gpu_out), Error::WrongContext { .. });
        row!(t, portable.download_blocking(&gpu_out), Error::WrongContext { .. });
        row!(t, gpu_plan.bind(&ReduceArgs::new(&gpu_x, &cpu_out)), Error::WrongContext { .. });
        row!(t, portable.empty_blocking(&big), Error::OutOfMemory { .. });
    }

    /// What embedders may get wrong.
    pub fn embedding(t: &mut Table, cpu: &Context, gpu: &Context, portable: &Context) {
        use wgpu::BufferUsages as U;
        let (device, _) = gpu.wgpu().unwrap();
        let buffer = |size, usage| {
            let label = Some("caller's");
            device.create_buffer(&wgpu::BufferDescriptor { label, size, usage, mapped_at_creation: false })
        };
        let (plain, own, short) =
            (buffer(1024, U::STORAGE), buffer(1024, U::STORAGE), buffer(32, U::STORAGE));
        let other = buffer(1024, U::COPY_DST);
        let f32s = Layout::new([4, 4], Element::F32).unwrap();
        let f8s = Layout::new([4, 4], Element::f8(Format::E5M2, PerTensor)).unwrap();
        let tensor = DeviceTensor::from_buffer(gpu, &plain, 0, &f32s).unwrap();
        let host = HostTensor::from_f32(&[0.0; 16], [4, 4]).unwrap();
        let wrong = HostTensor::from_f32(&[0.0; 16], [2, 8]).unwrap();
        let gemm = gpu.plan_blocking(&Gemm::new(4, 4, 4)).unwrap();
        let made = gpu.upload_blocking(&host).unwrap();
        let out = gpu.upload_blocking(&host).unwrap();
        let args = || GemmArgs::new(&made, &made, &out);
        let (small, foreign) =
            (gpu.workspace([[16]]).unwrap(), portable.workspace([gemm.workspace_bytes()]).unwrap());
        let part = DeviceTensor::from_buffer(gpu, &plain, 256, &f32s).unwrap();
        let mut encoder = device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        let e = &mut encoder;
        t.section(
            "Embedding",
            "`plain`, `own`, `short` are buffers of the caller's with `STORAGE` and 1024, 1024 and 32 bytes, `other` has \
             `COPY_DST` only. `f32s` and `f8s` are layouts of 4 by 4; `tensor` is one in `plain`, `part` another in the same \
             buffer. `gemm` is a plan of `Gemm::new(4, 4, 4)`, `small` a workspace of 16 bytes, `foreign` one of another \
             context; `e` is an encoder of the caller's, `wrong` a host tensor of 2 by 8.",
        );
        row!(t, DeviceTensor::from_buffer(gpu, &plain, 16, &f32s), Error::Buffer { .. });
        row!(t, DeviceTensor::from_buffer(gpu, &plain, 1024, &f32s), Error::Buffer { .. });
        row!(t, DeviceTensor::from_buffer(gpu, &plain, u64::MAX - 255, &f32s), Error::Buffer { .. });
        row!(t, DeviceTensor::from_buffer(gpu, &short, 0, &f32s), Error::Buffer { .. });
        row!(t, DeviceTensor::from_buffer(gpu, &other, 0, &f32s), Error::Buffer { .. });
        row!(t, DeviceTensor::from_buffer(gpu, &plain, 0, &f8s), Error::Buffer { .. });
        row!(t, DeviceTensor::from_buffer(cpu, &plain, 0, &f32s), Error::NotOnGpu(..));
        row!(t, DeviceTensor::from_buffers(gpu, (&plain, 0), (&own, 0), &f32s), Error::Buffer { .. });
        row!(t, DeviceTensor::from_buffers(gpu, (&plain, 0), (&own, 0), &f8s), Error::Buffer { .. });
        row!(t, DeviceTensor::from_buffers(gpu, (&plain, 0), (&plain, 256), &f8s), Error::Buffer { .. });
        row!(t, gemm.bind(&GemmArgs::new(&tensor, &made, &part)), Error::Argument { role: "out", .. });
        row!(t, gemm.bind_with(&args(), &small), Error::Buffer { .. });
        row!(t, gemm.bind_with(&args(), &foreign), Error::WrongContext { .. });
        row!(t, portable.workspace([[1 << 40]]), Error::OutOfMemory { .. });
        row!(t, portable.workspace([[u64::MAX]]), Error::OutOfMemory { .. });
        row!(t, gpu.write(&made, &wrong), Error::Argument { .. });
        row!(t, gpu.write(&tensor, &host), Error::Buffer { .. });
        row!(t, gpu.upload_on(e, &tensor, &host), Error::Buffer { .. });
        row!(t, gpu.download_on(e, &tensor), Error::Buffer { .. });
        row!(t, gpu.download_blocking(&tensor), Error::Buffer { .. });
        row!(t, portable.download_on(e, &made), Error::WrongContext { .. });
        row!(t, quarter::Profiler::new(cpu, 1), Error::NotOnGpu(..));
        row!(t, quarter::Profiler::new(portable, 1), Error::Feature { .. });
        row!(t, quarter::Profiler::new(gpu, 0), Error::Buffer { .. });
    }

    /// What becomes of a context whose device is gone, by a device of its own.
    pub fn lost(t: &mut Table) {
        let lost = common::gpu();
        let host = HostTensor::from_f32(&[1.0; 4], [4]).unwrap();
        let x = lost.upload_blocking(&host).unwrap();
        let out = lost.empty_blocking(&Layout::new([1], Element::F32).unwrap()).unwrap();
        let op = Reduce::amax([4], Element::F32, PerTensor);
        let bound = lost.plan_blocking(&op).unwrap().bind(&ReduceArgs::new(&x, &out)).unwrap();
        let device = lost.wgpu().unwrap().0;
        device.destroy();
        device.poll(wgpu::PollType::Poll).unwrap();
        t.section(
            "Lost devices",
            "`lost` is a context whose device was destroyed; `x`, `bound` belong to it. `shared` is one on a device of the \
             caller's, who told it of the loss.",
        );
        row!(t, lost.upload_blocking(&host), Error::DeviceLost(..));
        row!(t, lost.download_blocking(&x), Error::DeviceLost(..));
        row!(t, lost.plan_blocking(&op), Error::DeviceLost(..));
        row!(t, lost.run([&bound]), Error::DeviceLost(..));
        let instance = wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle_from_env());
        let adapter =
            pollster::block_on(instance.request_adapter(&wgpu::RequestAdapterOptions::default())).unwrap();
        let descriptor = quarter::recommended(&adapter);
        let (device, queue) = pollster::block_on(adapter.request_device(&descriptor)).unwrap();
        let shared = Context::from_wgpu(&adapter, &device, &queue);
        shared.device_lost("told by its owner");
        row!(t, shared.upload_blocking(&host), Error::DeviceLost(..));
        row!(t, pollster::block_on(shared.recreate()), Error::NotOwn(..));
    }

    pub fn shaders(t: &mut Table) {
        let compose = |text| compose(Shader { path: "op/kernel.wgsl", text }, LIBRARY, &[]);
        t.section(
            "Shader files",
            "`compose(text)` composes that text as `op/kernel.wgsl`, with no names defined.",
        );
        row!(t, compose("\n#import lib/none.wgsl\n"), ComposeError { line: 2, .. });
        row!(t, compose("#import lib/scale.wgsl x\n"), ComposeError { line: 1, .. });
        row!(t, compose("#import lib/scale.wgsl x=a\n"), ComposeError { .. });
        row!(t, compose("let a = $b;\n"), ComposeError { line: 1, .. });
        row!(t, compose("#ifdef A\nlet a = 1;\n"), ComposeError { line: 2, .. });
        row!(t, compose("#else\n"), ComposeError { line: 1, .. });
        row!(t, compose("#endif\n"), ComposeError { line: 1, .. });
        row!(t, compose("#include <a>\n"), ComposeError { line: 1, .. });
    }
}

/// Layers and graphs.
fn networks(t: &mut Table, ctx: &Context) {
    use pollster::block_on;
    use quarter::nn::{self, Graph, Layer, MultiHeadAttention, Precision, Statistics};
    t.section(
        "Networks",
        "`g` is a graph with inputs `x`, [2, 3] of f32, and `tokens`, [1, 2, 8] of f32; `foreign` is a value of another. `f32s` \
         makes f32 of zeros of a shape, `words` u32. `linear(shape)` is a layer of such weights, `same` one of [8, 8]; \
         `heads(n)` is attention of four of these, `narrow` attention of eight in four heads. `norm` are statistics of one \
         channel, variance 1, epsilon 0; `conv` builds a 3×3 convolution of two channels into four.",
    );
    let f32s = |shape: &[u32]| {
        HostTensor::from_f32(&vec![0.0; shape.iter().product::<u32>() as usize], shape).unwrap()
    };
    let words = |shape: &[u32]| {
        HostTensor::from_u32(&vec![0; shape.iter().product::<u32>() as usize], shape).unwrap()
    };
    let mut g = Graph::new();
    let x = g.input(&Layout::new([2, 3], Element::F32).unwrap());
    let tokens = g.input(&Layout::new([1, 2, 8], Element::F32).unwrap());
    let g = &mut g;
    let foreign = Graph::new().input(&Layout::new([2, 3], Element::F32).unwrap());
    let build = |w: &HostTensor| block_on(nn::Linear::builder(w).build(ctx));
    let linear = |shape: &[u32]| build(&f32s(shape)).unwrap();
    let same = || linear(&[8, 8]);
    let heads = |n| MultiHeadAttention::new([same(), same(), same(), same()], n, Precision::F32);
    let gemm = Gemm::new(2, 4, 3);
    let unary = Unary::new([2, 3]);
    row!(t, g.layout(foreign), Error::Argument { .. });
    row!(t, g.reshape(foreign, [6]), Error::Argument { .. });
    row!(t, g.reshape(x, [3, 2]), Error::Tensor(TensorError::Reshape { .. }));
    row!(t, g.apply(&unary, &[("x", foreign)]), Error::Argument { role: "x", .. });
    row!(t, g.apply(&unary, &[("x", x), ("x", x)]), Error::Argument { role: "x", .. });
    row!(t, g.apply(&gemm, &[("a", x)]), Error::Argument { role: "b", .. });
    row!(t, g.apply(&gemm, &[("a", x), ("b", x)]), Error::Argument { role: "b", .. });
    row!(t, g.apply(&gemm, &[("a", x), ("c", x)]), Error::Argument { role: "c", .. });
    row!(t, g.apply(&Gemm::new(0, 4, 3), &[]), Error::Descriptor(..));
    row!(t, block_on(g.compile(ctx, &[foreign])), Error::Argument { role: "output", .. });
    let constant = g.constant(&f32s(&[2, 3]));
    row!(t, g.apply(&unary, &[("x", x), ("out", constant)]), Error::Argument { role: "out", .. });
    let codes = Layout::new([2, 3], Element::f8(Format::E4M3FN, PerToken)).unwrap();
    row!(t, g.scaled(&codes, &Scales::per_tensor(Scale::ONE)), Error::Tensor(..));
    let model = block_on(g.compile(ctx, &[x])).unwrap();
    row!(t, block_on(model.call(&[])), Error::Argument { .. });
    row!(t, build(&f32s(&[4])), Error::Descriptor(..));
    row!(t, build(&words(&[4, 3])), Error::Descriptor(..));
    row!(t, linear(&[4, 5]).record(g, x), Error::Argument { role: "b", .. });
    row!(t, linear(&[4, 3]).record(g, foreign), Error::Argument { .. });
    row!(t, linear(&[4, 3]).record_with(g, x, Some(x)), Error::Argument { role: "residual", .. });
    row!(t, heads(3), Error::Descriptor(..));
    row!(t, heads(0), Error::Descriptor(..));
    row!(t, heads(4), Error::Descriptor(..));
    row!(
        t,
        MultiHeadAttention::new([same(), linear(&[4, 8]), same(), same()], 2, Precision::F32),
        Error::Descriptor(..)
    );
    row!(
        t,
        MultiHeadAttention::new([same(), same(), same(), linear(&[8, 4])], 2, Precision::F32),
        Error::Descriptor(..)
    );
    row!(t, heads(2).unwrap().record(g, x), Error::Descriptor(..));
    row!(t, heads(2).unwrap().causal(Causal::Offset).record(g, tokens), Error::Descriptor(..));
    row!(
        t,
        heads(2).unwrap().record_with(g, tokens, None, Some(x)),
        Error::Argument { role: "residual", .. }
    );
    let norm =
        Statistics { gamma: vec![1.0], beta: vec![0.0], mean: vec![0.0], variance: vec![1.0], epsilon: 0.0 };
    let batch_norm = |norm: &Statistics| block_on(nn::BatchNorm2d::new(ctx, norm));
    row!(t, batch_norm(&Statistics { gamma: vec![], ..norm.clone() }), Error::Descriptor(..));
    row!(t, batch_norm(&Statistics { beta: vec![], ..norm.clone() }), Error::Descriptor(..));
    row!(t, batch_norm(&Statistics { epsilon: -1.0, ..norm.clone() }), Error::Descriptor(..));
    row!(t, batch_norm(&Statistics { epsilon: f32::NAN, ..norm.clone() }), Error::Descriptor(..));
    row!(t, batch_norm(&Statistics { epsilon: f32::INFINITY, ..norm.clone() }), Error::Descriptor(..));
    row!(t, batch_norm(&Statistics { variance: vec![-1.0], ..norm.clone() }), Error::Descriptor(..));
    row!(t, batch_norm(&Statistics { variance: vec![0.0], ..norm.clone() }), Error::Descriptor(..));
    let conv = || nn::Conv2d::builder(&f32s(&[4, 3, 3, 2]));
    let four = Statistics {
        gamma: vec![1.0; 4],
        beta: vec![0.0; 4],
        mean: vec![0.0; 4],
        variance: vec![-1.0; 4],
        ..norm.clone()
    };
    row!(t, block_on(conv().fold_batch_norm(&norm).build(ctx)), Error::Descriptor(..));
    row!(t, block_on(conv().fold_batch_norm(&four).build(ctx)), Error::Descriptor(..));
    row!(t, block_on(nn::Conv2d::builder(&words(&[4, 3, 3, 2])).build(ctx)), Error::Descriptor(..));
    row!(t, block_on(nn::Conv2d::builder(&f32s(&[4, 2])).build(ctx)), Error::Descriptor(..));
    row!(t, block_on(conv().build(ctx)).unwrap().record(g, x), Error::Descriptor(..));
    row!(t, block_on(nn::Embedding::new(ctx, &f32s(&[4]), Precision::F32)), Error::Descriptor(..));
    row!(t, block_on(nn::Embedding::new(ctx, &words(&[4, 4]), Precision::F32)), Error::Descriptor(..));
}

/// Steps of post-training quantisation.
fn post_training(t: &mut Table, ctx: &Context) {
    use pollster::block_on;
    use quarter::nn::{Graph, ptq::*};
    t.section(
        "Post-training quantisation",
        "`net` is a network of one linear layer, `normed` one of a `batch_norm` that trains on NaN; `fixed` a static scheme of \
         E4M3FN, `int8` one of int8, `cast` the same, cast; `typo` has the name of no operation; `over` writes an activation twice; `none` no batches, `batch` one of ones, `nans` one of NaN; \
         `whole` is the network with nothing quantised.",
    );
    fn quiet(_: Progress) {}
    let ones = |shape: &[u32], v: f32| {
        HostTensor::from_f32(&vec![v; shape.iter().product::<u32>() as usize], shape).unwrap()
    };
    let (mut g, mut h) = (Graph::new(), Graph::new());
    let (x, w) = (g.input(&Layout::new([2, 3], Element::F32).unwrap()), g.constant(&ones(&[4, 3], 1.0)));
    let y = g.apply(&Gemm::new(2, 4, 3), &[("a", x), ("b", w)]).unwrap();
    let z = h.input(&Layout::new([2, 3], Element::F32).unwrap());
    row!(t, Network::new(Graph::new(), &[]), Error::Argument { role: "outputs", .. });
    row!(t, Network::new(Graph::new(), &[x]), Error::Argument { .. });
    let net = Network::new(g, &[y]).unwrap();
    let one = h.constant(&ones(&[3], 1.0));
    let norm = BatchNorm::new([2, 3]);
    let z = h.apply(&norm, &[("x", z), ("running_mean", one), ("running_var", one)]).unwrap();
    let normed = Network::new(h, &[z]).unwrap();
    let fixed = Scheme::new(Format::E4M3FN, Approach::Static);
    let int8 = Scheme::new(Numbers::Int8, Approach::Static);
    let none: [[HostTensor; 1]; 0] = [];
    let (batch, nans) = ([[ones(&[2, 3], 1.0)]], [[ones(&[2, 3], f32::NAN)]]);
    let (min_max, kl, much) = (Calibration::MinMax, Calibration::Kl, Calibration::Percentile(101.0));
    row!(t, block_on(net.quantize(ctx, &fixed, None)), Error::Argument { role: "ranges", .. });
    row!(
        t,
        block_on(net.calibrate(ctx, &fixed, min_max, &none, quiet)),
        Error::Argument { role: "batches", .. }
    );
    row!(
        t,
        block_on(net.calibrate(ctx, &int8, kl, &batch, quiet)),
        Error::Argument { role: "calibration", .. }
    );
    row!(t, block_on(net.calibrate(ctx, &fixed, much, &batch, quiet)), Error::Calibration(..));
    row!(t, block_on(net.calibrate(ctx, &fixed, min_max, &nans, quiet)), Error::Calibration(..));
    row!(
        t,
        block_on(net.smooth(ctx, &Smooth::default().alpha(1.5), &batch, quiet)),
        Error::Argument { role: "alpha", .. }
    );
    row!(
        t,
        block_on(net.smooth(ctx, &Smooth::default(), &none, quiet)),
        Error::Argument { role: "batches", .. }
    );
    row!(t, block_on(normed.reestimate(ctx, &fixed, &none, quiet)), Error::Argument { role: "batches", .. });
    row!(
        t,
        block_on(normed.reestimate(ctx, &fixed, &nans, quiet)),
        Error::Argument { role: "running_mean", .. }
    );
    let (mut g, w) = (Graph::new(), ones(&[3, 3], 1.0));
    let (x, w) = (g.input(&Layout::new([2, 3], Element::F32).unwrap()), g.constant(&w));
    let y = g.apply(&Gemm::new(2, 3, 3), &[("a", x), ("b", w)]).unwrap();
    let first = g.apply(&Gemm::new(2, 3, 3), &[("a", y), ("b", w)]).unwrap();
    g.apply(&Unary::new([2, 3]).alpha(0.5), &[("x", x), ("out", y)]).unwrap();
    let again = g.apply(&Gemm::new(2, 3, 3), &[("a", y), ("b", w)]).unwrap();
    let over = Network::new(g, &[first, again]).unwrap();
    row!(
        t,
        block_on(over.calibrate(ctx, &fixed, min_max, &batch, quiet)),
        Error::Argument { role: "network", .. }
    );
    row!(
        t,
        block_on(over.smooth(ctx, &Smooth::default(), &batch, quiet)),
        Error::Argument { role: "network", .. }
    );
    let typo = fixed.clone().exempt(["gemm0"]);
    row!(t, block_on(net.quantize(ctx, &typo, None)), Error::Argument { role: "exempt", .. });
    let cast = Scheme::new(Numbers::Int8, Approach::Cast);
    row!(t, block_on(net.quantize(ctx, &cast, None)), Error::Argument { role: "approach", .. });
    let whole = block_on(net.quantize(ctx, &fixed.clone().exempt(["gemm 0"]), None)).unwrap();
    row!(t, block_on(net.sqnr(ctx, &whole, &nans)), Error::Argument { role: "batches", .. });
    row!(t, block_on(over.sqnr(ctx, &whole, &batch)), Error::Argument { role: "quantized", .. });
    row!(t, block_on(net.sqnr(ctx, &whole, &none)), Error::Argument { role: "batches", .. });
    row!(
        t,
        block_on(net.sensitivity(ctx, &fixed, None, &none, quiet)),
        Error::Argument { role: "batches", .. }
    );
}

/// Requests for a device: one in a process in which wgpu has no backend, one for too much.
#[cfg(feature = "gpu")]
fn no_device(t: &mut Table) {
    let mut child = std::process::Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "a_request_finds_a_device_or_says_why_not", "--nocapture"]);
    let out = child.env("WGPU_BACKEND", "noop").output().unwrap();
    let told = String::from_utf8_lossy(&out.stdout).into_owned();
    let message = told.lines().find_map(|l| Some(l.split_once("NoAdapter: ")?.1.to_owned()));
    t.section(
        "No device",
        "The first call on a machine without a GPU; `limits` asks for 1000 bind groups, which no device has.",
    );
    t.row("Context::request_blocking()", "Error::NoAdapter(..)", out.status.success(), message);
    let limits = quarter::wgpu::Limits { max_bind_groups: 1000, ..Default::default() };
    let builder = Context::builder().software(true);
    row!(t, builder.limits(limits).request_blocking(), Error::NoDevice(..));
}

#[cfg(feature = "gpu")]
#[test]
fn a_request_finds_a_device_or_says_why_not() {
    match Context::request_blocking() {
        Ok(ctx) => println!("{}", ctx.name()),
        Err(e @ Error::NoAdapter(_)) => println!("NoAdapter: {e}"),
        Err(e) => panic!("{e:?}"),
    }
    // The fallback is told by `on`, and only where it was asked for.
    let ctx = Context::builder().fallback(quarter::Fallback::NoAdapter).request_blocking().unwrap();
    assert_eq!(ctx.on() == quarter::On::Cpu, Context::request_blocking().is_err());
}

#[test]
fn every_wrong_call_is_in_the_document() {
    let cpu = Context::builder().threads(Threads::new(2)).cpu();
    let mut table = Table::new();
    let t = &mut table;
    formats(t);
    scales(t);
    tensors(t);
    descriptors(t, &cpu);
    convolutions(t, &cpu);
    sequences(t, &cpu);
    transposed(t, &cpu);
    embedding_bags(t, &cpu);
    networks(t, &cpu);
    post_training(t, &cpu);
    planning(t, &cpu);
    #[cfg(feature = "gpu")]
    let (gpu, portable) = {
        let (gpu, portable) = (common::gpu(), common::portable_gpu());
        t.adapters = vec![gpu.name(), portable.name()];
        on_gpu::planning(t, &portable);
        (gpu, portable)
    };
    binding(t, &cpu);
    running(t, &cpu);
    #[cfg(feature = "gpu")]
    {
        on_gpu::running(t, &cpu, &gpu, &portable);
        on_gpu::embedding(t, &cpu, &gpu, &portable);
        on_gpu::lost(t);
        no_device(t);
        on_gpu::shaders(t);
    }
    println!("{} wrong calls", t.rows);
    assert!(t.faults.is_empty(), "{} calls went otherwise:\n{}", t.faults.len(), t.faults.join("\n"));
    // Without a GPU a part of the rows is missing.
    #[cfg(feature = "gpu")]
    compare(&t.text);
}

/// The document holds exactly this text; with `UPDATE` set it is made to.
#[cfg(feature = "gpu")]
fn compare(text: &str) {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/errors.md");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, text).unwrap();
        return;
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    let mut lines = kept.lines();
    let changed = text.lines().find(|line| lines.next() != Some(*line));
    assert!(
        kept == text,
        "docs/errors.md differs, first at\n{}\nIf that is meant: UPDATE=1 cargo test --test errors",
        changed.unwrap_or("its end")
    );
}
