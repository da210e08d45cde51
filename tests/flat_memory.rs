//! A hundred thousand dispatches leave nothing behind.

#![cfg(all(feature = "gpu", target_os = "linux"))]

mod common;

use quarter::{dtype::Format, ops::*, scale::Granularity::PerTensor, tensor::*};

const DISPATCHES: usize = 100_000;
/// Dispatches in one submission.
const BATCH: usize = 100;
/// The smallest thing that could leak: two words.
const LEAST: usize = 16;

/// Bytes of this process in memory.
fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: usize = statm.split(' ').nth(1).unwrap().parse().unwrap();
    4096 * pages
}

#[test]
fn memory_stays_flat() {
    let ctx = common::gpu();
    let x = ctx.upload_blocking(&HostTensor::from_f32(&[1.0; 64], [4, 16]).unwrap()).unwrap();
    let op = Quantize::new([4, 16], DType::F32, Format::E4M3FN, PerTensor).scaling(Scaling::Given);
    let out = ctx.empty_blocking(&op.out().unwrap()).unwrap();
    // Two dispatches: the record, the codes.
    let bound = ctx.plan_blocking(&op).unwrap().bind(&QuantizeArgs::new(&x, &out)).unwrap();
    let run = |dispatches: usize| {
        for _ in 0..dispatches / BATCH {
            ctx.run([&bound; BATCH / 2]).unwrap();
            ctx.finish_blocking().unwrap();
        }
        resident()
    };
    // What grows once has grown by then.
    let warm = run(DISPATCHES / 10);
    let after = run(DISPATCHES);
    common::show(&format!("{DISPATCHES} dispatches: {warm} bytes resident before, {after} after"));
    assert!(after < warm + LEAST * DISPATCHES, "{warm} bytes before, {after} after");
}
