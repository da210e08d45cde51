//! Indices beyond a table, and offsets that fall or lie beyond the indices, are told of in the record of an 8-bit output.

mod common;

use quarter::{
    Context,
    dtype::Format,
    ops::{Bags, Embedding, EmbeddingArgs, EmbeddingBag, EmbeddingBagArgs, Operation},
    scale::{Granularity, Scale, Scales, flags},
    tensor::{Element, HostTensor},
};

fn flag_of(ctx: &Context, index: &[u32]) -> u32 {
    let e = Element::f8(Format::E4M3FN, Granularity::PerTensor);
    let op = Embedding::new([index.len() as u32], 2, 3).out(e);
    let index = ctx.upload_blocking(&HostTensor::from_u32(index, [index.len() as u32]).unwrap()).unwrap();
    let table = ctx.upload_blocking(&HostTensor::from_f32(&[1.0; 6], [2, 3]).unwrap()).unwrap();
    let layout = op.operands().unwrap().pop().unwrap().layout;
    let scales = Scales::per_tensor(Scale::ONE);
    let out = pollster::block_on(ctx.empty_scaled(&layout, &scales)).unwrap();
    let bound = ctx.plan_blocking(&op).unwrap().bind(&EmbeddingArgs::new(&index, &table, &out)).unwrap();
    ctx.run([&bound]).unwrap();
    ctx.download_blocking(&out).unwrap().scales().unwrap().record().flags
}

/// The same of two bags of four indices.
fn flag_of_bags(ctx: &Context, index: [u32; 4], offsets: [u32; 3], padding: Option<u32>) -> u32 {
    let e = Element::f8(Format::E4M3FN, Granularity::PerTensor);
    let op = EmbeddingBag::new(Bags::Ragged { bags: 2, indices: 4 }, 2, 3).out(e);
    let op = EmbeddingBag { padding_index: padding, ..op };
    let up = |t: HostTensor| ctx.upload_blocking(&t).unwrap();
    let index = up(HostTensor::from_u32(&index, [4]).unwrap());
    let offsets = up(HostTensor::from_u32(&offsets, [3]).unwrap());
    let table = up(HostTensor::from_f32(&[1.0; 6], [2, 3]).unwrap());
    let scales = Scales::per_tensor(Scale::ONE);
    let out = pollster::block_on(ctx.empty_scaled(&op.out_layout().unwrap(), &scales)).unwrap();
    let args = EmbeddingBagArgs::new(&index, &table, &out).offsets(&offsets);
    ctx.run([&ctx.plan_blocking(&op).unwrap().bind(&args).unwrap()]).unwrap();
    ctx.download_blocking(&out).unwrap().scales().unwrap().record().flags
}

fn contexts() -> Vec<Context> {
    vec![
        Context::cpu(),
        #[cfg(feature = "gpu")]
        common::gpu(),
    ]
}

#[test]
fn bad_bags_are_flagged() {
    for ctx in contexts() {
        let of = |index, offsets| flag_of_bags(&ctx, index, offsets, None);
        assert_eq!(of([0, 1, 1, 0], [0, 2, 4]), 0, "{}", ctx.name());
        assert_eq!(of([0, 1, 2, 0], [0, 2, 4]), flags::INDEX, "{}", ctx.name());
        // In no bag.
        assert_eq!(of([9, 1, 1, 9], [1, 2, 3]), 0, "{}", ctx.name());
        assert_eq!(of([0, 1, 1, 0], [0, 3, 2]), flags::INDEX, "{}", ctx.name());
        assert_eq!(of([0, 1, 1, 0], [0, 2, 5]), flags::INDEX, "{}", ctx.name());
        assert_eq!(of([0, 1, 1, 0], [u32::MAX; 3]), flags::INDEX, "{}", ctx.name());
        assert_eq!(flag_of_bags(&ctx, [0, 1, 1, 0], [0, 2, 4], Some(1)), 0, "{}", ctx.name());
    }
}

#[test]
fn bad_indices_are_flagged() {
    for ctx in contexts() {
        assert_eq!(flag_of(&ctx, &[0, 1, 1]), 0, "{}", ctx.name());
        assert_eq!(flag_of(&ctx, &[0, 2, 1]), flags::INDEX, "{}", ctx.name());
        assert_eq!(flag_of(&ctx, &[u32::MAX]), flags::INDEX, "{}", ctx.name());
    }
}
