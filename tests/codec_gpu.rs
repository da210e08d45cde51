//! The codec of the kernels, by the public operations only: every f16, every golden vector and every code, at scale 1,
//! on the GPU and on the CPU backend. The definition is the scalar codec and the golden files, never the other backend.

#![cfg(feature = "gpu")]

mod common;

use common::golden;
use half::f16;
use quarter::{
    Context,
    dtype::{Format, Overflow},
    ops::*,
    scale::{Granularity::PerTensor, Scale, Scales},
    tensor::*,
};

const MODES: [Overflow; 2] = [Overflow::Saturate, Overflow::Strict];

/// Codes with all NaNs made one.
fn code_class(format: Format, code: u8) -> u32 {
    u32::from(if format.is_nan(code) { format.nan_code() } else { code })
}

/// Bits with all NaNs made one; zeros keep their sign.
fn class(x: f32) -> u32 {
    if x.is_nan() { f32::NAN.to_bits() } else { x.to_bits() }
}

/// What was compared and what differed.
#[derive(Default)]
struct Tally {
    compared: usize,
    differences: Vec<String>,
}

impl Tally {
    fn compare(&mut self, what: &str, input: u32, got: u32, want: u32) {
        self.compared += 1;
        if got != want {
            self.differences.push(format!("{what}: {input:08x}: got {got:02x}, not {want:02x}"));
        }
    }

    fn report(&self, what: &str, expected: usize, ctx: &Context) {
        println!("{what}: {} compared, {} differ, on {}", self.compared, self.differences.len(), ctx.name());
        let first = self.differences.iter().take(20).cloned().collect::<Vec<_>>().join("\n");
        assert!(self.differences.is_empty(), "{} differ:\n{first}", self.differences.len());
        assert_eq!(self.compared, expected);
    }
}

fn contexts() -> [Context; 2] {
    [common::gpu(), Context::cpu()]
}

/// The codes of `x` with scale 1.
fn quantize(ctx: &Context, x: &HostTensor, format: Format, overflow: Overflow) -> HostTensor {
    let from = x.layout().element().dtype();
    let op = Quantize::new(x.shape(), from, format, PerTensor).scaling(Scaling::Given).overflow(overflow);
    let one = Scales::per_tensor(Scale::ONE);
    let out = pollster::block_on(ctx.empty_scaled(&op.out().unwrap(), &one)).unwrap();
    let x = ctx.upload_blocking(x).unwrap();
    ctx.run([&ctx.plan_blocking(&op).unwrap().bind(&QuantizeArgs::new(&x, &out)).unwrap()]).unwrap();
    ctx.download_blocking(&out).unwrap()
}

#[test]
fn every_f16_encodes_as_the_scalar_codec_has_it() {
    let inputs: Vec<f16> = (0..=u16::MAX).map(f16::from_bits).collect();
    let x = HostTensor::from_f16(&inputs, [128, 512]).unwrap();
    for ctx in contexts() {
        let mut tally = Tally::default();
        for format in Format::ALL {
            for overflow in MODES {
                let what = format!("{format} {overflow:?}");
                let coded = quantize(&ctx, &x, format, overflow);
                // NaN is among the inputs, and must be known to be among the codes.
                assert!(coded.scales().unwrap().has_nan(), "{what}: HAS_NAN");
                for (&x, got) in inputs.iter().zip(coded.codes().unwrap()) {
                    let want = code_class(format, format.encode_f16(x, overflow));
                    tally.compare(&what, x.to_bits().into(), code_class(format, got), want);
                }
            }
        }
        tally.report("f16 to codes", 65536 * 8 * 2, &ctx);
    }
}

#[test]
fn golden_vectors_encode() {
    for ctx in contexts() {
        let (mut tally, mut rows) = (Tally::default(), 0);
        for format in Format::ALL {
            let golden = golden("encode", format);
            assert!(golden.len() > 1800, "{format}: {} rows", golden.len());
            rows += golden.len();
            // f32 subnormals among them count as zero, and encode to zero of their sign without that too.
            let inputs: Vec<f32> = golden.iter().map(|row| f32::from_bits(row[0])).collect();
            let x = HostTensor::from_f32(&inputs, [inputs.len() as u32]).unwrap();
            for (mode, overflow) in MODES.into_iter().enumerate() {
                let what = format!("{format} {overflow:?}");
                let codes = quantize(&ctx, &x, format, overflow).codes().unwrap();
                for (row, got) in golden.iter().zip(codes) {
                    let want = code_class(format, row[1 + mode] as u8);
                    tally.compare(&what, row[0], code_class(format, got), want);
                }
            }
        }
        tally.report("golden f32 to codes", 2 * rows, &ctx);
    }
}

#[test]
fn every_code_decodes_to_its_golden_value() {
    let codes: Vec<u8> = (0..=255).collect();
    for ctx in contexts() {
        let mut tally = Tally::default();
        for format in Format::ALL {
            let one = Scales::per_tensor(Scale::ONE);
            let x = HostTensor::from_codes(format, &codes, [4, 64], one).unwrap();
            let op = Dequantize::new([4, 64], Element::f8(format, PerTensor), DType::F32);
            let x = ctx.upload_blocking(&x).unwrap();
            let out = ctx.empty_blocking(&Layout::new([4, 64], Element::F32).unwrap()).unwrap();
            let plan = ctx.plan_blocking(&op).unwrap();
            ctx.run([&plan.bind(&DequantizeArgs::new(&x, &out)).unwrap()]).unwrap();
            let out = ctx.download_blocking(&out).unwrap().to_f32();
            let golden = golden("decode", format);
            assert_eq!(golden.len(), 256);
            for row in golden {
                let want = class(f32::from_bits(row[1]));
                tally.compare(format.name(), row[0], class(out[row[0] as usize]), want);
            }
        }
        tally.report("codes to f32", 256 * 8, &ctx);
    }
}
