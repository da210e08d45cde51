//! Formats of any fields: every one of 2 to 8 bits against its definition, value by value, in f64.

mod common;

use quarter::{dtype::*, ops::*, scale::Granularity::*, scale::*, tensor::*, *};

const MODES: [Overflow; 2] = [Overflow::Saturate, Overflow::Strict];
const SPECIALS: [Specials; 4] = [Specials::Ieee, Specials::Fn, Specials::Fnuz, Specials::None];

/// A format as its definition has it; nothing is asked of the crate.
#[derive(Clone, Copy, Debug)]
struct Fields {
    signed: bool,
    exp: u32,
    man: u32,
    bias: i32,
    specials: Specials,
}

/// What a code means.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Meaning {
    Number(f64),
    Infinite,
    Nan,
}

impl Fields {
    fn format(self) -> Result<Format, FormatError> {
        let new = if self.signed { Format::signed } else { Format::unsigned };
        new(self.exp, self.man, self.bias, self.specials)
    }

    fn sign(self) -> u32 {
        u32::from(self.signed) << (self.exp + self.man)
    }

    /// Of a code without its sign.
    fn magnitude(self, code: u32) -> Meaning {
        let one = 1 << self.man;
        let (e, m) = (code / one, code % one);
        let last = (1 << (self.exp + self.man)) - 1;
        match self.specials {
            Specials::Ieee if e == (1 << self.exp) - 1 && m == 0 => Meaning::Infinite,
            Specials::Ieee if e == (1 << self.exp) - 1 => Meaning::Nan,
            Specials::Fn if code == last => Meaning::Nan,
            _ => {
                let fraction = f64::from(m) / f64::from(one);
                let (lead, power) = if e == 0 { (0.0, 1) } else { (1.0, e as i32) };
                Meaning::Number((lead + fraction) * 2f64.powi(power - self.bias))
            }
        }
    }

    fn meaning(self, code: u32) -> (bool, Meaning) {
        let negative = self.signed && code & self.sign() != 0;
        let magnitude = code & ((1 << (self.exp + self.man)) - 1);
        let nan = self.specials == Specials::Fnuz && negative && magnitude == 0;
        (negative, if nan { Meaning::Nan } else { self.magnitude(magnitude) })
    }

    /// Every positive value with its code, and one more step, that into what overflows.
    fn values(self) -> Vec<f64> {
        let number = |c| match self.magnitude(c) {
            Meaning::Number(v) => Some(v),
            _ => None,
        };
        let mut all: Vec<f64> = (0..1 << (self.exp + self.man)).map_while(number).collect();
        // As if the exponent went on: rounding comes before the comparison with the largest value.
        let (one, n) = (1 << self.man, all.len() as u32);
        all.push((1.0 + f64::from(n % one) / f64::from(one)) * 2f64.powi((n / one) as i32 - self.bias));
        all
    }

    /// The code of `x`: nearest, ties to the even code; `None` for any NaN.
    fn encode(self, values: &[f64], x: f32, mode: Overflow) -> Option<u32> {
        let none = self.specials == Specials::None;
        if x.is_nan() {
            return if none { Some(0) } else { None };
        }
        let (negative, x) = (x.is_sign_negative(), f64::from(x).abs());
        let last = values.len() - 2;
        // The last of the values is past the largest; nothing beyond it need be told apart.
        let above = values.partition_point(|&v| v < x).min(last + 1);
        let code = match above {
            0 => 0,
            _ => {
                let (down, up) = (x - values[above - 1], values[above] - x);
                if down < up || (down == up && above % 2 == 1) { above - 1 } else { above }
            }
        };
        if negative && !self.signed {
            return if code == 0 || mode == Overflow::Saturate || none { Some(0) } else { None };
        }
        let sign = if negative { self.sign() } else { 0 };
        if code > last {
            return match (mode, self.specials) {
                (Overflow::Saturate, _) | (_, Specials::None) => Some(sign | last as u32),
                (Overflow::Strict, Specials::Ieee) => Some(sign | code as u32),
                (Overflow::Strict, _) => None,
            };
        }
        Some(if code == 0 && self.specials == Specials::Fnuz { 0 } else { sign | code as u32 })
    }

    /// Values, midpoints, their neighbours in f32, both signs, and what is special.
    fn inputs(self, values: &[f64]) -> Vec<f32> {
        let mut all = vec![0.0, f32::from_bits(1), f32::MIN_POSITIVE, f32::MAX, f32::INFINITY, f32::NAN];
        let middles = values.windows(2).map(|v| (v[0] + v[1]) / 2.0);
        for v in values.iter().copied().chain(middles) {
            let v = v as f32;
            all.extend([v.next_down(), v, v.next_up()]);
        }
        all.iter().flat_map(|&v| [v, -v]).collect()
    }
}

/// Every split of 2 to 8 bits with every kind of specials, at seven biases from the lowest to the highest that can be.
fn all() -> Vec<(Fields, Format)> {
    let mut all = vec![];
    for signed in [true, false] {
        for (exp, man) in (1..=8).flat_map(|e| (0..8).map(move |m| (e, m))) {
            for specials in SPECIALS {
                let fields = |bias| Fields { signed, exp, man, bias, specials };
                let (lowest, highest) = match fields(10_000).format() {
                    Err(FormatError::Bias { min, max, .. }) => (min, max),
                    _ => continue,
                };
                let usual = (1 << (exp - 1)) - 1;
                let mut biases = vec![lowest, lowest + 1, usual, usual + 1, usual + 20, highest - 1, highest];
                biases.retain(|b| (lowest..=highest).contains(b));
                biases.sort_unstable();
                biases.dedup();
                all.extend(biases.into_iter().map(|b| (fields(b), fields(b).format().unwrap())));
            }
        }
    }
    all
}

#[test]
fn every_format_of_2_to_8_bits() {
    let (mut formats, mut compared) = (0, 0u64);
    for (fields, format) in all() {
        formats += 1;
        let values = fields.values();
        let bits = fields.exp + fields.man + u32::from(fields.signed);
        assert_eq!((format.bits(), format.is_signed(), format.bias()), (bits, fields.signed, fields.bias));
        assert_eq!(f64::from(format.max()), values[values.len() - 2], "{fields:?}");
        assert_eq!(format.name().parse(), Ok(format), "{fields:?}");
        let smallest = values[1];
        let safe = smallest * smallest >= 2f64.powi(-126) && f64::from(format.max()).powi(2) < 2f64.powi(128);
        assert_eq!(format.is_f32_safe(), safe, "{fields:?}");
        for code in 0..1u32 << bits {
            let got = format.decode(code as u8);
            let (negative, want) = fields.meaning(code);
            match want {
                Meaning::Nan => assert!(got.is_nan() && format.is_nan(code as u8), "{fields:?} {code:02x}"),
                Meaning::Infinite => assert!(got.is_infinite() && format.is_infinite(code as u8)),
                Meaning::Number(v) => {
                    assert_eq!(f64::from(got).abs(), v, "{fields:?} {code:02x}");
                    assert!(got == 0.0 || got.is_normal());
                    assert!(format.is_finite(code as u8));
                }
            }
            assert!(got.is_nan() || got.is_sign_negative() == negative, "{fields:?} {code:02x}");
            assert_eq!(format.table()[code as usize].to_bits(), got.to_bits());
            compared += 1;
        }
        let inputs = fields.inputs(&values);
        for mode in MODES {
            let slice = encode_vec(format, mode, &inputs);
            for (&x, &in_slice) in inputs.iter().zip(&slice) {
                let want = fields.encode(&values, x, mode);
                for got in [format.encode(x, mode), in_slice, format.encode_f64(x.into(), mode)] {
                    let same = want.map_or(format.is_nan(got), |w| w == u32::from(got));
                    assert!(same, "{fields:?} {mode:?} {x:e}: got {got:02x}, expected {want:02x?}");
                    compared += 1;
                }
            }
        }
    }
    common::show(&format!("{formats} formats, {compared} codes and inputs compared"));
    assert!(formats > 1000, "{formats}");
}

#[test]
fn names_and_constants() {
    for (format, name, max, bits) in [
        (Format::E2M3FN, "e2m3fn", 7.5, 6),
        (Format::E3M2FN, "e3m2fn", 28.0, 6),
        (Format::E2M1FN, "e2m1fn", 6.0, 4),
        (Format::unsigned(4, 4, 8, Specials::None).unwrap(), "e4m4b8fu", 248.0, 8),
        (Format::unsigned(5, 3, 15, Specials::Ieee).unwrap(), "e5m3b15u", 61440.0, 8),
        (Format::signed(4, 3, -3, Specials::Fn).unwrap(), "e4m3b-3fn", 448.0 * 1024.0, 8),
    ] {
        assert_eq!((format.name(), format.max(), format.bits()), (name, max, bits));
        assert_eq!((name.parse(), name.to_uppercase().parse()), (Ok(format), Ok(format)));
        assert_eq!(format!("{format:?}"), name.to_uppercase());
    }
    assert_eq!("e4m3b7fn".parse(), Ok(Format::E4M3FN));
    for bad in ["e4m3b7fx", "e4m3b", "e9m3b7", "e4m3b7uu", "e4m3b7fnuzu", "m4e3b7", ""] {
        assert!(bad.parse::<Format>().is_err(), "{bad}");
    }
    let e2m1: Vec<f32> = (0..8).map(|c| Format::E2M1FN.decode(c)).collect();
    assert_eq!(e2m1, [0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0]);
}

#[test]
fn wrong_fields_are_errors() {
    use Specials::{Fn, Fnuz, Ieee, None};
    assert_eq!(Format::signed(5, 3, 15, Fn), Err(FormatError::Bits(9)));
    assert_eq!(Format::unsigned(1, 0, 0, None), Err(FormatError::Bits(1)));
    assert_eq!(Format::signed(u32::MAX, u32::MAX, 0, None), Err(FormatError::Bits(u32::MAX)));
    assert_eq!(Format::signed(0, 7, 0, None), Err(FormatError::ExpBits(0)));
    for (f, got) in [
        (Format::signed(7, 0, 63, Ieee), Ieee),
        (Format::signed(1, 6, 0, Ieee), Ieee),
        (Format::signed(1, 0, 0, Fn), Fn),
        (Format::unsigned(4, 4, 8, Fnuz), Fnuz),
    ] {
        assert!(matches!(f, Err(FormatError::Specials { got: g, .. }) if g == got), "{f:?}");
    }
    let (min, max) = (15 - 127, 126 - 3);
    assert_eq!(Format::signed(4, 3, max + 1, Fn), Err(FormatError::Bias { min, max, got: max + 1 }));
    assert_eq!(Format::signed(4, 3, min - 1, Fn), Err(FormatError::Bias { min, max, got: min - 1 }));
}

fn contexts() -> Vec<Context> {
    vec![
        #[cfg(feature = "gpu")]
        common::gpu(),
        Context::cpu(),
    ]
}

/// Those that the kernels are tried on: the named ones, each end of each field, the extreme biases, all specials.
fn some() -> Vec<(Fields, Format)> {
    let f = |signed, exp, man, bias, specials| Fields { signed, exp, man, bias, specials };
    let fields = [
        f(true, 2, 3, 1, Specials::None),
        f(true, 3, 2, 3, Specials::None),
        f(true, 2, 1, 1, Specials::None),
        f(false, 4, 4, 8, Specials::None),
        f(false, 4, 4, 7, Specials::Fn),
        f(false, 5, 3, 15, Specials::Ieee),
        f(false, 7, 1, 63, Specials::Fn),
        f(false, 1, 7, -3, Specials::None),
        f(true, 7, 0, 63, Specials::Fnuz),
        f(true, 1, 6, 0, Specials::Fn),
        f(true, 3, 3, 4, Specials::Ieee),
        f(true, 4, 3, 123, Specials::Fn),
        f(true, 4, 3, -112, Specials::None),
        f(true, 5, 2, 20, Specials::Fnuz),
        f(true, 1, 0, 0, Specials::None),
    ];
    fields.map(|f| (f, f.format().unwrap())).to_vec()
}

/// The codes of `x` with scale 1.
fn quantize(ctx: &Context, x: &[f32], format: Format, overflow: Overflow) -> HostTensor {
    let x = HostTensor::from_f32(x, [x.len() as u32]).unwrap();
    let op = Quantize::new(x.shape(), DType::F32, format, PerTensor).scaling(Scaling::Given);
    let op = op.overflow(overflow);
    let one = Scales::per_tensor(Scale::ONE);
    let out = pollster::block_on(ctx.empty_scaled(&op.out().unwrap(), &one)).unwrap();
    let x = ctx.upload_blocking(&x).unwrap();
    ctx.run([&ctx.plan_blocking(&op).unwrap().bind(&QuantizeArgs::new(&x, &out)).unwrap()]).unwrap();
    ctx.download_blocking(&out).unwrap()
}

fn dequantize(ctx: &Context, x: &HostTensor) -> Vec<f32> {
    let op = Dequantize::new(x.shape(), x.layout().element(), DType::F32);
    let out = ctx.empty_blocking(&Layout::new(x.shape(), Element::F32).unwrap()).unwrap();
    let x = ctx.upload_blocking(x).unwrap();
    ctx.run([&ctx.plan_blocking(&op).unwrap().bind(&DequantizeArgs::new(&x, &out)).unwrap()]).unwrap();
    ctx.download_blocking(&out).unwrap().to_f32()
}

#[test]
fn kernels_follow_the_definition() {
    for ctx in contexts() {
        let mut compared = 0;
        for (fields, format) in some() {
            let values = fields.values();
            let inputs = fields.inputs(&values);
            for mode in MODES {
                let q = quantize(&ctx, &inputs, format, mode);
                for (&x, got) in inputs.iter().zip(q.codes().unwrap()) {
                    let want = fields.encode(&values, x, mode);
                    let same = want.map_or(format.is_nan(got), |w| w == u32::from(got));
                    assert!(
                        same,
                        "{format} {mode:?} {x:e}: got {got:02x}, expected {want:02x?} on {}",
                        ctx.name()
                    );
                    compared += 1;
                }
                let flags = q.scales().unwrap().record().flags;
                let lost = if format.has_nan() { 0 } else { flags::LOST_NAN };
                assert_eq!(flags, flags::HAS_NAN | lost, "{format} on {}", ctx.name());
            }
            let codes: Vec<u8> = (0..1u32 << format.bits()).map(|c| c as u8).collect();
            let shape = [codes.len() as u32];
            let x = HostTensor::from_codes(format, &codes, shape, Scales::per_tensor(Scale::ONE)).unwrap();
            for (code, got) in codes.iter().zip(dequantize(&ctx, &x)) {
                let want = format.decode(*code);
                assert!(
                    got.to_bits() == want.to_bits() || got.is_nan() && want.is_nan(),
                    "{format} {code:02x}: {got} {want} on {}",
                    ctx.name()
                );
                compared += 1;
            }
        }
        common::show(&format!("flexible formats: {compared} compared on {}", ctx.name()));
    }
}

/// A NaN never silently becomes a number, though no code can hold it.
#[test]
fn a_lost_nan_is_kept_by_the_record() {
    let format = Format::E2M3FN;
    for ctx in contexts() {
        let q = quantize(&ctx, &[1.0, f32::NAN, 2.0, -3.0], format, Overflow::Strict);
        assert_eq!(q.codes().unwrap(), [8, 0, 16, 0x20 | 20]);
        assert_eq!(q.scales().unwrap().record().flags, flags::HAS_NAN | flags::LOST_NAN);
        assert!(q.to_f32().iter().all(|v| v.is_nan()));
        assert!(dequantize(&ctx, &q).iter().all(|v| v.is_nan()), "{}", ctx.name());
        assert!(matches!(q.repack(format), Err(TensorError::LostNan { .. })));

        let x = ctx.upload_blocking(&q).unwrap();
        let reduce = Reduce::amax([4], q.layout().element(), PerTensor);
        let out = ctx.empty_blocking(&Layout::new([1], Element::F32).unwrap()).unwrap();
        ctx.run([&ctx.plan_blocking(&reduce).unwrap().bind(&ReduceArgs::new(&x, &out)).unwrap()]).unwrap();
        assert!(ctx.download_blocking(&out).unwrap().to_f32()[0].is_nan(), "{}", ctx.name());

        // Of two matrices that are quantised on the device, one holds a NaN: it spoils all that it meets.
        let rows = |values: [f32; 4]| {
            let op = Quantize::new([2, 2], DType::F32, format, PerTensor);
            let x = ctx.upload_blocking(&HostTensor::from_f32(&values, [2, 2]).unwrap()).unwrap();
            let out = ctx.empty_blocking(&op.out().unwrap()).unwrap();
            ctx.run([&ctx.plan_blocking(&op).unwrap().bind(&QuantizeArgs::new(&x, &out)).unwrap()]).unwrap();
            out
        };
        let (good, bad) = (rows([7.5, 1.0, -2.0, 4.0]), rows([f32::NAN, 1.0, 2.0, 3.0]));
        let element = good.layout().element();
        for (a, b, nan) in [(&good, &good, false), (&good, &bad, true), (&bad, &good, true)] {
            let gemm = Gemm::new(2, 2, 2).a(element).b(element).activation(Activation::Relu);
            let out = ctx.empty_blocking(&Layout::new([2, 2], Element::F32).unwrap()).unwrap();
            ctx.run([&ctx.plan_blocking(&gemm).unwrap().bind(&GemmArgs::new(a, b, &out)).unwrap()]).unwrap();
            let got = ctx.download_blocking(&out).unwrap().to_f32();
            if nan {
                assert!(got.iter().all(|v| v.is_nan()), "{got:?} on {}", ctx.name());
            } else {
                assert_eq!(got, [57.25, 0.0, 0.0, 20.0], "{}", ctx.name());
            }
        }
    }
}

#[test]
fn hosts_refuse_what_cannot_be_held() {
    let x = HostTensor::from_f32(&[1.0, f32::NAN], [2]).unwrap();
    let e = x.quantize(Format::E2M1FN, PerTensor).unwrap_err();
    assert!(matches!(e, TensorError::LostNan { format: Format::E2M1FN, .. }), "{e}");
    let one = Scales::per_tensor(Scale::ONE);
    let e = HostTensor::from_codes(Format::E2M3FN, &[0x3F, 0x40], [2], one).unwrap_err();
    assert!(matches!(e, TensorError::Code { code: 0x40, index: 1, .. }), "{e}");
    for (far, fits) in
        [(Format::signed(4, 3, 67, Specials::Fn), false), (Format::signed(4, 3, 61, Specials::Fn), true)]
    {
        let gemm = Gemm::new(1, 1, 1).b(Element::f8(far.unwrap(), PerTensor));
        assert_eq!(gemm.operands().is_ok(), fits);
    }
}
