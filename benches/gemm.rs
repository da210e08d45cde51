//! GEMM beside what bounds it, as ratios of one run: on the CPU the plain f32 product of the same crate, on the GPU a
//! probe that does nothing but multiply-add in registers.
//!
//! `cargo bench --bench gemm [-- cpu|gpu]`; `--features faer` for the other crate. Contestants take turns, each turn
//! a batch of at least [`BATCH`]; the best of [`ROUNDS`] counts, so that a busy machine disturbs all alike.

#![allow(clippy::print_stdout)]

mod common;

use common::Tensors;
use quarter::{
    Context,
    cpu::Threads,
    dtype::Format,
    ops::{Data, Gemm},
    scale::Granularity::{PerChannel, PerTensor},
    tensor::Element,
};
use std::{
    hint::black_box,
    time::{Duration, Instant},
};

const BATCH: Duration = Duration::from_millis(100);
const ROUNDS: usize = 7;

struct Contestant<'a> {
    name: String,
    flops: f64,
    /// Runs it this many times.
    run: Box<dyn FnMut(usize) + 'a>,
    batch: usize,
    /// Seconds of one run, by round.
    times: Vec<f64>,
}

impl<'a> Contestant<'a> {
    fn new(name: impl Into<String>, flops: f64, run: impl FnMut(usize) + 'a) -> Self {
        Self { name: name.into(), flops, run: Box::new(run), batch: 1, times: vec![] }
    }

    fn time(&mut self) -> Duration {
        let start = Instant::now();
        (self.run)(self.batch);
        start.elapsed()
    }

    /// GFLOP/s of the best round.
    fn speed(&self) -> f64 {
        self.flops / self.times.iter().fold(f64::MAX, |a, b| a.min(*b)) * 1e-9
    }
}

/// Lets all take turns and prints them beside the first, whose speed is the ceiling.
fn race(title: &str, contestants: &mut [Contestant<'_>]) {
    for c in &mut *contestants {
        // The first run compiles and touches the memory.
        c.time();
        while let t = c.time()
            && t < BATCH
        {
            let more = 1.2 * BATCH.as_secs_f64() / t.as_secs_f64().max(1e-9);
            c.batch = ((c.batch as f64 * more) as usize).clamp(c.batch + 1, 16 * c.batch);
        }
    }
    for _ in 0..ROUNDS {
        for c in &mut *contestants {
            let t = c.time();
            c.times.push(t.as_secs_f64() / c.batch as f64);
        }
    }
    let width = contestants.iter().map(|c| c.name.len()).max().unwrap_or(0);
    println!("\n{title}\n{:width$}  GFLOP/s  ratio  median of the rounds' ratios", "");
    let ceiling = &contestants[0];
    for c in &*contestants {
        let mut ratios: Vec<f64> =
            c.times.iter().zip(&ceiling.times).map(|(t, of)| of / ceiling.flops * c.flops / t).collect();
        ratios.sort_by(f64::total_cmp);
        let (speed, best) = (c.speed(), c.speed() / ceiling.speed());
        println!("{:width$}  {speed:7.1}  {best:5.2}  {:5.2}", c.name, ratios[ratios.len() / 2]);
    }
}

/// The mixes of operands: weights per channel, as users have them.
fn mixes() -> [(&'static str, Element, Element); 3] {
    let codes = |g| Element::f8(Format::E4M3FN, g);
    let weights = codes(PerChannel { axis: 0 });
    [
        ("e4m3 × e4m3", codes(PerTensor), weights),
        ("f32 × e4m3", Element::F32, weights),
        ("f32 × f32", Element::F32, Element::F32),
    ]
}

fn cube(n: u32, a: Element, b: Element) -> Gemm {
    Gemm::new(n, n, n).a(a).b(b)
}

fn flops(n: u32) -> f64 {
    2.0 * f64::from(n).powi(3)
}

/// C = A · Bᵀ of f32 matrices by the crate that the CPU backend uses, nothing around it.
mod plain {
    #[cfg(feature = "faer")]
    pub const NAME: &str = "plain f32, faer";
    #[cfg(not(feature = "faer"))]
    pub const NAME: &str = "plain f32, matrixmultiply";

    #[cfg(feature = "faer")]
    pub fn product(n: usize, threads: usize, a: &[f32], b: &[f32], c: &mut [f32]) {
        use faer::{Accum, MatMut, MatRef, Par, linalg::matmul::matmul};
        let [a, b] = [a, b].map(|x| MatRef::from_row_major_slice(x, n, n));
        let c = MatMut::from_row_major_slice_mut(c, n, n);
        let par = if threads == 1 { Par::Seq } else { Par::rayon(threads) };
        matmul(c, Accum::Replace, a, b.transpose(), 1.0, par);
    }

    /// `ndarray` calls matrixmultiply; each thread gets rows of its own.
    #[cfg(not(feature = "faer"))]
    pub fn product(n: usize, threads: usize, a: &[f32], b: &[f32], c: &mut [f32]) {
        use ndarray::{ArrayView2, ArrayViewMut2, linalg::general_mat_mul};
        let rows = n.div_ceil(threads);
        let b = ArrayView2::from_shape((n, n), b).expect("a square");
        let part = |a: &[f32], c: &mut [f32]| {
            let shape = (c.len() / n, n);
            let a = ArrayView2::from_shape(shape, a).expect("rows of a square");
            let mut c = ArrayViewMut2::from_shape(shape, c).expect("rows of a square");
            general_mat_mul(1.0, &a, &b.t(), 0.0, &mut c);
        };
        if threads == 1 {
            return part(a, c);
        }
        rayon::scope(|s| {
            for (a, c) in a.chunks(rows * n).zip(c.chunks_mut(rows * n)) {
                let part = &part;
                s.spawn(move |_| part(a, c));
            }
        });
    }
}

fn cpu() {
    const N: u32 = 1024;
    let n = N as usize;
    let numbers = |seed: usize| -> Vec<f32> {
        (0..n * n).map(|i| ((i * 7919 + seed) % 1013) as f32 / 506.0 - 1.0).collect()
    };
    let (a, b) = (numbers(1), numbers(2));
    let mut all = vec![1];
    all.extend(Some(Threads::all().get()).filter(|t| *t > 1));
    for threads in all {
        let ctx = Context::builder().threads(Threads::new(threads)).cpu();
        let mut c = vec![0.0; n * n];
        let mut contestants = vec![Contestant::new(plain::NAME, flops(N), |times| {
            for _ in 0..times {
                plain::product(n, threads, black_box(&a), black_box(&b), black_box(&mut c));
            }
        })];
        for (name, a, b) in mixes() {
            let op = cube(N, a, b);
            let tensors = Tensors::new(&ctx, &op, Data::Random).expect("operands");
            let plan = ctx.plan_blocking(&op).expect("a plan");
            let bound = plan.bind(&tensors.slots()).expect("a bound");
            let ctx = ctx.clone();
            let run = move |times| ctx.run(vec![&bound; times]).expect("to run");
            contestants.push(Contestant::new(format!("{} {name}", plan.id()), flops(N), run));
        }
        race(&format!("CPU, {N}³, {threads} threads: {}", common::processor()), &mut contestants);
    }
}

#[cfg(feature = "gpu")]
mod gpu {
    use super::*;
    use common::Fma;
    use quarter::{Error, ops::problem::Problem};

    fn probe(ctx: &Context) -> Contestant<'_> {
        let fma = Fma::new(ctx).expect("a GPU context");
        Contestant::new("FMA probe", Fma::FLOPS, move |times| {
            fma.run(times as u64).expect("the device is there");
        })
    }

    pub fn run() {
        let ctx = match Context::builder().software(true).request_blocking() {
            Ok(ctx) => ctx,
            Err(e) => return println!("\nGPU: {e}"),
        };
        let caps = ctx.capabilities().expect("a GPU context");
        for n in [512, 1024, 4096].into_iter().filter(|n| *n < 2048 || !caps.software) {
            let mut contestants = vec![probe(&ctx)];
            for (name, a, b) in mixes() {
                let op = cube(n, a, b);
                let tensors = Tensors::new(&ctx, &op, Data::Random).expect("operands");
                for kernel in ctx.kernels(&op) {
                    for tuning in op.tunings(kernel.name, caps).unwrap_or_default() {
                        let plan = ctx.planner(&op).tuning(kernel.name, tuning).build();
                        let plan = match pollster::block_on(plan) {
                            Ok(plan) => plan,
                            Err(Error::Unsupported { .. }) => continue,
                            Err(e) => panic!("{e}"),
                        };
                        let bound = plan.bind(&tensors.slots()).expect("a bound");
                        let ctx = &ctx;
                        let run = move |times| {
                            ctx.run(vec![&bound; times]).expect("to run");
                            pollster::block_on(ctx.finish()).expect("the device is there");
                        };
                        contestants.push(Contestant::new(format!("{} {name}", plan.id()), flops(n), run));
                    }
                }
            }
            race(&format!("GPU, {n}³: {}", ctx.name()), &mut contestants);
        }
    }
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with('-')).collect();
    let wanted = |name: &str| args.is_empty() || args.iter().any(|a| a == name);
    if wanted("cpu") {
        cpu();
    }
    #[cfg(feature = "gpu")]
    if wanted("gpu") {
        gpu::run();
    }
}
