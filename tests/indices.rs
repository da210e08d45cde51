//! Indices beyond a table are told of in the record of an 8-bit output.

mod common;

use quarter::{
    Context,
    dtype::Format,
    ops::{Embedding, EmbeddingArgs, Operation},
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

#[test]
fn bad_indices_are_flagged() {
    let contexts = [
        Context::cpu(),
        #[cfg(feature = "gpu")]
        common::gpu(),
    ];
    for ctx in contexts {
        assert_eq!(flag_of(&ctx, &[0, 1, 1]), 0, "{}", ctx.name());
        assert_eq!(flag_of(&ctx, &[0, 2, 1]), flags::INDEX, "{}", ctx.name());
        assert_eq!(flag_of(&ctx, &[u32::MAX]), flags::INDEX, "{}", ctx.name());
    }
}
