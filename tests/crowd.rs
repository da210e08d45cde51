//! More callers than threads, and more threads asked for than there are: the CPU backend answers each, on stacks that do not grow
//! with their number.

use quarter::{Context, cpu::Threads, ops::*, tensor::*};
use std::thread;

/// A convolution of ones that is worth two threads.
fn convolve(ctx: &Context) {
    let op = Conv2d::new([1, 16, 16, 16], 32, [3, 3]);
    let ones = |l: &Layout| HostTensor::from_f32(&vec![1.0; l.elements() as usize], l.shape()).unwrap();
    let x = ctx.upload_blocking(&ones(&Layout::new([1, 16, 16, 16], Element::F32).unwrap())).unwrap();
    let w = ctx.upload_blocking(&ones(&op.w_layout().unwrap())).unwrap();
    let out = ctx.empty_blocking(&op.out_layout().unwrap()).unwrap();
    let bound = ctx.plan_blocking(&op).unwrap().bind(&Conv2dArgs::new(&x, &w, &out)).unwrap();
    ctx.run([&bound]).unwrap();
    assert!(ctx.download_blocking(&out).unwrap().to_f32().iter().all(|v| *v == 144.0));
}

#[test]
fn of_callers() {
    let ctx = Context::cpu();
    thread::scope(|s| {
        for _ in 0..2000 {
            s.spawn(|| convolve(&ctx));
        }
    });
}

#[test]
fn of_threads() {
    for n in [5, 20_000, usize::MAX] {
        convolve(&Context::builder().threads(Threads::new(n)).cpu());
    }
}
