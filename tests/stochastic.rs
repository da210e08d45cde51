//! Stochastic rounding: the generator against known answers, the codec against its definition in exact arithmetic and
//! against statistics, the kernels against the codec.

mod common;

use quarter::{dtype::*, ops::*, scale::Granularity::*, scale::*, tensor::*, *};

const MODES: [Overflow; 2] = [Overflow::Saturate, Overflow::Strict];

/// `kat_vectors` of the Random123 distribution: counter, key, answer.
#[test]
fn philox_known_answers() {
    for (counter, key, answer) in [
        ([0; 4], [0; 2], [0x6627_E8D5, 0xE169_C58D, 0xBC57_AC4C, 0x9B00_DBD8]),
        ([u32::MAX; 4], [u32::MAX; 2], [0x408F_276D, 0x41C8_3B0E, 0xA20B_C7C6, 0x6D54_51FD]),
        (
            [0x243F_6A88, 0x85A3_08D3, 0x1319_8A2E, 0x0370_7344],
            [0xA409_3822, 0x299F_31D0],
            [0xD16C_FE09, 0x94FD_CCEB, 0x5001_E420, 0x2412_6EA1],
        ),
    ] {
        assert_eq!(Philox::block(counter, key), answer);
    }
    let p = Philox::new(0x299F_31D0_A409_3822, 0x0370_7344_1319_8A2E);
    assert_eq!(p.word(0x85A3_08D3_243F_6A88), 0xD16C_FE09);
    assert_eq!(p.to_words(), [0xA409_3822, 0x299F_31D0, 0x1319_8A2E, 0x0370_7344]);
    assert_eq!(Philox::from_words(p.to_words()), p);
}

/// All formats with a name, and some of other fields: subnormals only, no mantissa, unsigned, far biases.
fn formats() -> Vec<Format> {
    let other = [
        Format::signed(1, 6, 0, Specials::Fn),
        Format::signed(7, 0, 63, Specials::Fnuz),
        Format::unsigned(4, 4, 8, Specials::None),
        Format::unsigned(5, 3, 15, Specials::Ieee),
        Format::signed(4, 3, 55, Specials::Fn),
        Format::signed(4, 3, -45, Specials::None),
    ];
    let small = [Format::E2M3FN, Format::E3M2FN, Format::E2M1FN];
    Format::ALL.into_iter().chain(small).chain(other.map(Result::unwrap)).collect()
}

/// Magnitudes of codes 0, 1, 2, … as if the exponent went on past the largest.
fn steps(f: Format, code: u32) -> f64 {
    let one = 1 << f.man_bits();
    let (e, m) = (code / one, f64::from(code % one) / f64::from(one));
    if e == 0 { m * 2f64.powi(1 - f.bias()) } else { (1.0 + m) * 2f64.powi(e as i32 - f.bias()) }
}

/// The definition: up when the share of the step below `x`, in units of 2⁻³² rounded down, plus `random` reaches 2³².
fn expected(f: Format, x: f32, random: u32, mode: Overflow) -> u8 {
    if x.is_nan() || x.is_infinite() {
        return f.encode(x, mode);
    }
    let magnitude = f64::from(x).abs();
    // Past twice the largest value every step overflows alike.
    let count = 2 * (u32::from(f.max_code()) + 2);
    let down = (0..count).rev().find(|&c| steps(f, c) <= magnitude).unwrap_or(0);
    let (low, high) = (steps(f, down), steps(f, down + 1));
    // Exact: differences of multiples of the same power of two, over a power of two.
    let share = ((magnitude - low) / (high - low) * 2f64.powi(32)).min(2f64.powi(32) - 1.0) as u64;
    let code = down + u32::from(share + u64::from(random) >= 1 << 32);
    if code == 0 {
        return f.encode(0.0f32.copysign(x), mode);
    }
    // The codec for numbers that are values is tested elsewhere.
    let value = steps(f, code) as f32;
    f.encode(if x.is_sign_negative() { -value } else { value }, mode)
}

/// Values, points in every step, their neighbours, far and tiny numbers, both signs.
fn inputs(f: Format) -> Vec<f32> {
    let mut all = vec![0.0, f32::from_bits(1), f32::MIN_POSITIVE, f32::MAX, f32::INFINITY, f32::NAN];
    for c in 0..=u32::from(f.max_code()) + 2 {
        let (low, high) = (steps(f, c), steps(f, c + 1));
        for share in [0.0, 1e-7, 0.25, 0.5, 0.6180339887, 0.999] {
            let x = (low + share * (high - low)) as f32;
            all.extend([x.next_down(), x, x.next_up()]);
        }
    }
    // Small shares of the smallest step, where bits of the fraction are cut off.
    all.extend((1..70).map(|e| (0.7 * steps(f, 1) * 2f64.powi(-e)) as f32));
    all.iter().flat_map(|&x| [x, -x]).collect()
}

#[test]
fn the_codec_follows_its_definition() {
    let mut compared = 0u64;
    for f in formats() {
        for (i, x) in inputs(f).into_iter().enumerate() {
            let drawn = Philox::new(11, 5).word(i as u64);
            for random in [0, 1, 0x7FFF_FFFF, 0x8000_0000, u32::MAX - 1, u32::MAX, drawn] {
                for mode in MODES {
                    let (got, want) = (f.encode_stochastic(x, random, mode), expected(f, x, random, mode));
                    assert_eq!(got, want, "{f} {mode:?} {x:e} {random:08x}");
                    compared += 1;
                }
            }
        }
    }
    common::show(&format!("stochastic codec: {compared} compared"));
}

#[test]
fn codes_never_move() {
    for f in formats() {
        for code in (0..1u32 << f.bits()).map(|c| c as u8) {
            for i in 0..64 {
                let random = if i == 0 { u32::MAX } else { Philox::new(3, 0).word(i) };
                for mode in MODES {
                    let x = f.decode(code);
                    assert_eq!(f.encode_stochastic(x, random, mode), f.encode(x, mode), "{f} {code:02x}");
                }
            }
        }
    }
}

/// The mean of n draws is within five standard deviations of x: of a step s with share p, s · √(p(1−p)/n).
fn biased(f: Format, x: f32, n: u64, draw: impl Fn(u64) -> u8) -> bool {
    let magnitude = f64::from(x).abs();
    let down = (0..256).rev().find(|&c| steps(f, c) <= magnitude).unwrap();
    let step = steps(f, down + 1) - steps(f, down);
    let share = (magnitude - steps(f, down)) / step;
    let mean = (0..n).map(|i| f64::from(f.decode(draw(i)))).sum::<f64>() / n as f64;
    (mean - f64::from(x)).abs() > 5.0 * step * (share * (1.0 - share) / n as f64).sqrt()
}

#[test]
fn the_mean_is_the_number() {
    const N: u64 = 40_000;
    let mut stream = 0;
    for f in Format::ALL {
        for share in [0.01, 0.1, 0.3, 0.5, 0.77, 0.96] {
            for c in [0, 1, u32::from(f.max_code()) / 2, u32::from(f.max_code()) - 1] {
                for sign in [1.0, -1.0] {
                    stream += 1;
                    let x = (sign * (steps(f, c) + share * (steps(f, c + 1) - steps(f, c)))) as f32;
                    let random = Philox::new(2, stream);
                    let draw = |i| f.encode_stochastic(x, random.word(i), Overflow::Saturate);
                    assert!(!biased(f, x, N, draw), "{f} {x:e}");
                    // The same test sees that nearest even is not the number itself.
                    assert!(biased(f, x, N, |_| f.encode(x, Overflow::Saturate)), "{f} {x:e}: nearest");
                }
            }
        }
    }
}

#[test]
fn slices_take_the_word_of_their_index() {
    let f = Format::E5M2;
    let x: Vec<f32> = (0..1000).map(|i| 1.0 + i as f32 / 333.0).collect();
    let random = Philox::new(0x1_0000_0002, 9);
    let first = u64::from(u32::MAX) - 500; // the index passes 2³²
    let mut codes = vec![0; 1000];
    encode_slice_stochastic(f, Overflow::Strict, random, first, &x, &mut codes).unwrap();
    for (i, &x) in x.iter().enumerate() {
        assert_eq!(codes[i], f.encode_stochastic(x, random.word(first + i as u64), Overflow::Strict));
    }
    let mut tail = vec![0; 400];
    encode_slice_stochastic(f, Overflow::Strict, random, first + 600, &x[600..], &mut tail).unwrap();
    assert_eq!(tail, codes[600..]);
    assert_ne!(codes, encode_vec(f, Overflow::Strict, &x));
    assert!(encode_slice_stochastic(f, Overflow::Strict, random, 0, &x, &mut tail).is_err());
}

fn quantize(ctx: &Context, x: &HostTensor, op: &Quantize, random: Philox) -> HostTensor {
    let one = Scales::per_tensor(Scale::ONE);
    let out = pollster::block_on(ctx.empty_scaled(&op.out().unwrap(), &one)).unwrap();
    let seed = HostTensor::from_u32(&random.to_words(), [4]).unwrap();
    let (x, seed) = (ctx.upload_blocking(x).unwrap(), ctx.upload_blocking(&seed).unwrap());
    let args = QuantizeArgs::new(&x, &out).seed(&seed);
    ctx.run([&ctx.plan_blocking(op).unwrap().bind(&args).unwrap()]).unwrap();
    ctx.download_blocking(&out).unwrap()
}

/// Every f16 and the inputs above, as rows with padding, at scale 1: the same bits on every backend.
#[test]
fn kernels_follow_the_codec() {
    let contexts = [
        #[cfg(feature = "gpu")]
        common::gpu(),
        Context::cpu(),
    ];
    let random = Philox::new(0xDEAD_BEEF_0123_4567, 0x89AB_CDEF_7654_3210);
    let halves: Vec<half::f16> = (0..=u16::MAX).map(half::f16::from_bits).collect();
    for ctx in contexts {
        let (mut compared, mut moved) = (0, 0);
        for f in formats().into_iter().filter(|f| f.is_f32_safe()) {
            let mut numbers = inputs(f);
            numbers.truncate(numbers.len() / 37 * 37);
            let rows = numbers.len() as u32 / 37;
            let tensors = [
                HostTensor::from_f32(&numbers, [rows, 37]).unwrap(),
                HostTensor::from_f16(&halves, [512, 128]).unwrap(),
            ];
            for (x, overflow) in tensors.iter().flat_map(|x| MODES.map(|m| (x, m))) {
                let from = x.layout().element().dtype();
                let op = Quantize::new(x.shape(), from, f, PerTensor).scaling(Scaling::Given);
                let op = op.overflow(overflow).rounding(Rounding::Stochastic);
                let got = quantize(&ctx, x, &op, random);
                for ((i, x), got) in x.to_f32().into_iter().enumerate().zip(got.codes().unwrap()) {
                    // Subnormal f32 count as zero of their sign.
                    let x = if x.abs() < f32::MIN_POSITIVE { 0.0f32.copysign(x) } else { x };
                    let want = f.encode_stochastic(x, random.word(i as u64), overflow);
                    let same = got == want || (f.is_nan(got) && f.is_nan(want));
                    assert!(
                        same,
                        "{f} {overflow:?} [{i}] {x:e}: {got:02x}, not {want:02x}, on {}",
                        ctx.name()
                    );
                    compared += 1;
                    moved += u64::from(want != f.encode(x, overflow) && !x.is_nan());
                }
            }
        }
        common::show(&format!("{compared} compared, {moved} of them not the nearest, on {}", ctx.name()));
        assert!(moved > compared / 20);
    }
}

#[test]
fn wrong_calls_are_errors() {
    let op = Quantize::new([4], DType::F32, Format::E5M2, PerTensor).rounding(Rounding::Stochastic);
    let far = Quantize { format: Format::signed(4, 3, 90, Specials::Fn).unwrap(), ..op.clone() };
    assert!(far.out().is_err() && far.rounding(Rounding::NearestEven).out().is_ok());
    let ctx = Context::cpu();
    let x = ctx.upload_blocking(&HostTensor::from_f32(&[1.0; 4], [4]).unwrap()).unwrap();
    let out = ctx.empty_blocking(&op.out().unwrap()).unwrap();
    let plan = ctx.plan_blocking(&op).unwrap();
    assert!(matches!(plan.bind(&QuantizeArgs::new(&x, &out)), Err(Error::Argument { role: "seed", .. })));
    assert!(matches!(
        plan.bind(&QuantizeArgs::new(&x, &out).seed(&x)),
        Err(Error::Argument { role: "seed", .. })
    ));
    let u32s = HostTensor::from_u32(&[1, u32::MAX, 3, 4], [4]).unwrap();
    assert_eq!(u32s.to_u32().unwrap(), [1, u32::MAX, 3, 4]);
    assert!(matches!(u32s.quantize(Format::E5M2, PerTensor), Err(TensorError::Kind { got: DType::U32, .. })));
    assert!(matches!(x_host().to_u32(), Err(TensorError::Kind { .. })));
    assert!(Gemm::new(1, 1, 4).a(Element::U32).operands().is_err());
    assert!(Gemm::new(1, 1, 4).out(Element::U32).operands().is_err());
    assert!(Gemm::new(1, 1, 4).bias(DType::U32).operands().is_err());
    assert!(Reduce::amax([4], Element::U32, PerTensor).operands().is_err());
    assert!(Quantize::new([4], DType::U32, Format::E5M2, PerTensor).operands().is_err());
    assert!(Dequantize::new([4], Element::f8(Format::E5M2, PerTensor), DType::U32).operands().is_err());
}

fn x_host() -> HostTensor {
    HostTensor::from_f32(&[1.0], [1]).unwrap()
}
