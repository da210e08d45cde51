//! Codes that are only moved, and codes that only seem to be computed: the same bytes come out.

mod common;

use quarter::{
    Context,
    dtype::Format,
    ops::{Arguments, Concat, ConcatArgs, Operation, Permute, PermuteArgs, Slice, SliceArgs},
    scale::{Granularity::*, Scales},
    tensor::{DeviceTensor, Element, HostTensor, Layout},
};

fn run<O: Operation>(ctx: &Context, op: &O, args: &impl Arguments<O>) {
    let bound = ctx.plan_blocking(op).unwrap().bind(args).unwrap();
    ctx.run([&bound]).unwrap();
}

fn empty(ctx: &Context, layout: Layout, scales: &Scales) -> DeviceTensor {
    ctx.empty_scaled_blocking(&layout, scales).unwrap()
}

/// All codes of a format, two rows of them.
fn codes(f: Format, scales: &Scales) -> HostTensor {
    let all: Vec<u8> = (0..=255).collect();
    let cols = all.len() as u32 / 2;
    HostTensor::from_codes(f, &all, [2, cols], scales.clone()).unwrap()
}

/// Tensors of one scale, joined: every code as it was, but for the one NaN that stands for all.
#[test]
fn concat_of_equal_scales_keeps_codes() {
    for ctx in common::contexts() {
        for f in Format::ALL {
            for scale in [1.0, 0.37, 1.9e-5, 3.0e9] {
                let scales = Scales::new(PerTensor, &[scale], 1).unwrap();
                let x = codes(f, &scales);
                let (device, cols) = (ctx.upload_blocking(&x).unwrap(), x.shape()[1]);
                let y = HostTensor::from_codes(f, &[1, 2, 3, 4, 5, 6], [2, 3], scales.clone()).unwrap();
                let other = ctx.upload_blocking(&y).unwrap();
                let e = Element::f8(f, PerTensor);
                let op = Concat::new(1, [(vec![2, 3], e), (vec![2, cols], e)]).out(e);
                let out = empty(&ctx, op.out_layout().unwrap(), &scales);
                run(&ctx, &op, &ConcatArgs::new(&other, &device, &out));
                let got = ctx.download_blocking(&out).unwrap().codes().unwrap();
                let (x, y) = (x.codes().unwrap(), y.codes().unwrap());
                let rows = got.chunks(cols as usize + 3);
                for ((got, x), y) in rows.zip(x.chunks(cols as usize)).zip(y.chunks(3)) {
                    assert_eq!(&got[..3], y);
                    for (&g, &c) in got[3..].iter().zip(x) {
                        // Without its sign it overflows: Inf saturates.
                        let inf = f.decode(c).is_infinite();
                        let want = if inf { f.encode(f.decode(c), Default::default()) } else { c };
                        assert!(
                            g == want || (f.is_nan(c) && f.is_nan(g)),
                            "{f} {scale}: {c:#x} became {g:#x}"
                        );
                    }
                }
            }
        }
    }
}

/// There and back, by parts and together again: the tensor that it was, record and all.
#[test]
fn there_and_back() {
    let scales = Scales::new(PerChannel { axis: 1 }, &[0.5, 3.0, 0.125, 1.0, 7.0], 5).unwrap();
    let all: Vec<u8> = (0..=255).cycle().take(2 * 5 * 7 * 9).collect();
    let x = HostTensor::from_codes(Format::E4M3FN, &all, [2, 5, 7, 9], scales).unwrap();
    for ctx in common::contexts() {
        let device = ctx.upload_blocking(&x).unwrap();
        let to = Permute::nchw_to_nhwc([2, 5, 7, 9], x.layout().element());
        let there = ctx.empty_blocking(&to.out().unwrap()).unwrap();
        run(&ctx, &to, &PermuteArgs::new(&device, &there));
        let back = Permute::nhwc_to_nchw([2, 7, 9, 5], to.out().unwrap().element());
        let again = ctx.empty_blocking(&back.out().unwrap()).unwrap();
        run(&ctx, &back, &PermuteArgs::new(&there, &again));
        assert!(ctx.download_blocking(&again).unwrap() == x, "{}", ctx.name());

        let part = Slice::new([2, 5, 7, 9], x.layout().element()).axis(1, 1..5, 2);
        let out = ctx.empty_blocking(&part.out().unwrap()).unwrap();
        run(&ctx, &part, &SliceArgs::new(&device, &out));
        let got = ctx.download_blocking(&out).unwrap();
        let (whole, channel) = (x.to_f32(), 7 * 9);
        for (i, v) in got.to_f32().into_iter().enumerate() {
            let (n, c, rest) = (i / (2 * channel), i / channel % 2, i % channel);
            let want = whole[(n * 5 + 1 + 2 * c) * channel + rest];
            assert!(v == want || (v.is_nan() && want.is_nan()));
        }
    }
}
