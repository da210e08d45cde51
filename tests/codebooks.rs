//! Codebooks and S2FP8 on the device: the host's bits, whatever the tensor; products of what tables give.

mod common;

use quarter::{
    dtype::{Codebook, S2fp8},
    ops::*,
    scale::{Scales, flags},
    tensor::*,
};

/// Tensors that S2FP8's formula says nothing of, or little.
fn tensors() -> Vec<(&'static str, Vec<f32>)> {
    let mut mixed: Vec<f32> = (0..999).map(|i| ((i * 37 % 101) as f32 - 50.0) * 1e-9).collect();
    mixed[7] = f32::NAN;
    mixed[8] = f32::NEG_INFINITY;
    vec![
        ("zeros", vec![0.0; 77]),
        ("zeros of both signs and subnormals", vec![-0.0, 0.0, 1e-40, -1e-40, 0.0]),
        ("one magnitude", vec![-0.3, 0.3, 0.3, 0.0, -0.3]),
        ("one element", vec![7e-12]),
        ("largest and smallest", vec![f32::MAX, f32::MIN_POSITIVE]),
        ("nearly one magnitude", (0..300).map(|i| 1.0 + i as f32 * f32::EPSILON).chain([0.25]).collect()),
        ("NaN", vec![f32::NAN; 5]),
        ("infinite", vec![f32::INFINITY, f32::NEG_INFINITY]),
        ("all of it", mixed),
    ]
}

#[test]
fn s2fp8_on_the_device_has_the_hosts_bits() {
    for ctx in common::contexts() {
        for (name, x) in tensors() {
            let host = HostTensor::from_f32(&x, [x.len() as u32]).unwrap();
            let op = Encode::new(host.shape(), DType::F32).coding(Coding::S2fp8);
            let (x_there, out) =
                (ctx.upload_blocking(&host).unwrap(), ctx.empty_blocking(&op.out().unwrap()).unwrap());
            let back = Dequantize::new(host.shape(), Element::CODE8, DType::F32);
            let y = ctx.empty_blocking(host.layout()).unwrap();
            let steps = [
                ctx.plan_blocking(&op).unwrap().bind(&EncodeArgs::new(&x_there, &out)).unwrap(),
                ctx.plan_blocking(&back).unwrap().bind(&DequantizeArgs::new(&out, &y)).unwrap(),
            ];
            ctx.run(&steps).unwrap();
            let (got, want) = (ctx.download_blocking(&out).unwrap(), host.encode_s2fp8().unwrap());
            assert_eq!(got, want, "{name} on {}", ctx.name());
            let numbers = ctx.download_blocking(&y).unwrap().to_f32();
            assert!(
                numbers.iter().zip(want.to_f32()).all(|(a, b)| *a == b || a.is_nan() && b.is_nan()),
                "{name} on {}",
                ctx.name()
            );
            let finite = x.iter().all(|v| v.is_finite());
            let told = got.scales().unwrap().record().flags & flags::NON_FINITE_AMAX != 0;
            assert_eq!(told, !finite, "{name}");
            let nan: Vec<bool> = numbers.iter().map(|v| v.is_nan()).collect();
            assert_eq!(nan, x.iter().map(|v| v.is_nan()).collect::<Vec<_>>(), "{name}");
        }
    }
}

/// One magnitude comes back to the bit, and so does every number of a codebook.
#[test]
fn what_a_codebook_holds_comes_back() {
    for v in [0.3f32, 7e-12, 1.0, -3e30] {
        let x = HostTensor::from_f32(&[v, -v, 0.0], [3]).unwrap();
        assert_eq!(x.encode_s2fp8().unwrap().to_f32(), [v, -v, 0.0]);
    }
    for codebook in
        [Codebook::posit8(2).unwrap(), Codebook::dynamic_tree(), S2fp8::new(&[1.0, 1e-3]).codebook()]
    {
        let numbers = codebook.table().into_iter().filter(|v| v.is_finite()).collect::<Vec<_>>();
        let x = HostTensor::from_f32(&numbers, [numbers.len() as u32]).unwrap();
        assert_eq!(x.encode_by(&codebook).unwrap().to_f32(), numbers);
    }
}

/// A NaN that no code means spoils the whole tensor, in a product too.
#[test]
fn a_lost_nan_is_told() {
    let tree = Codebook::dynamic_tree();
    for ctx in common::contexts() {
        let x = ctx.upload_blocking(&HostTensor::from_f32(&[0.5, f32::NAN, 1.0], [1, 3]).unwrap()).unwrap();
        let op = Encode::new([1, 3], DType::F32);
        let coded =
            pollster::block_on(ctx.empty_scaled(&op.out().unwrap(), &Scales::with_codebook(&tree))).unwrap();
        let w = ctx.upload_blocking(&HostTensor::from_f32(&[1.0; 6], [2, 3]).unwrap()).unwrap();
        let gemm = Gemm::new(1, 2, 3).a(Element::CODE8);
        let y = ctx.empty_blocking(&Layout::new([1, 2], Element::F32).unwrap()).unwrap();
        let steps = [
            ctx.plan_blocking(&op).unwrap().bind(&EncodeArgs::new(&x, &coded)).unwrap(),
            ctx.plan_blocking(&gemm).unwrap().bind(&GemmArgs::new(&coded, &w, &y)).unwrap(),
        ];
        ctx.run(&steps).unwrap();
        let record = ctx.download_blocking(&coded).unwrap().scales().unwrap().record();
        assert_eq!(record.flags, flags::HAS_NAN | flags::LOST_NAN);
        assert!(ctx.download_blocking(&y).unwrap().to_f32().iter().all(|v| v.is_nan()), "{}", ctx.name());
    }
}
