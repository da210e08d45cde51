//! Small limits: what large problems meet on ordinary devices, at toy size.

#![cfg(feature = "gpu")]

mod common;

use std::collections::BTreeMap;

use quarter::{
    Context, Error,
    ops::{OPERATIONS, Purpose},
    verify::Run,
    wgpu,
};

fn limited(limits: wgpu::Limits) -> Context {
    let ctx = Context::builder().software(true).poison(true).limits(limits).request_blocking();
    ctx.expect("tests need a Vulkan driver; ./test installs a software one")
}

/// Two workgroups to a dimension, or five: rows of them fold, in every operation.
#[test]
fn grids_fold() {
    let contexts = [2, 5].map(|n| {
        limited(wgpu::Limits { max_compute_workgroups_per_dimension: n, ..wgpu::Limits::default() })
    });
    for entry in OPERATIONS {
        let (mut folded, mut refused) = (0, 0);
        for case in (entry.cases)()
            .iter()
            .filter(|c| c.purpose == Purpose::Smoke || (entry.name != "gemm" && c.label.contains("f32")))
        {
            if case.purpose == Purpose::Bench {
                continue;
            }
            let mut run = Run::new(case).unwrap();
            for ctx in &contexts {
                for (kernel, choices) in common::choices(ctx, &*case.op) {
                    let caps = ctx.capabilities().unwrap();
                    let Ok(mut tunings) = case.op.tunings(kernel, caps) else { continue };
                    let schedule = case.op.schedule(kernel, &tunings.remove(0), caps);
                    if schedule.stages.iter().all(|s| s.dispatches[0].grid[1] == 1) {
                        continue;
                    }
                    match pollster::block_on(run.compare(ctx, &choices[0], None)) {
                        Ok(c) => {
                            assert!(c.pass(), "{} [{}]: {}", c.id, case.label, c.worst.unwrap());
                            folded += 1;
                        }
                        Err(Error::Unsupported { .. }) => refused += 1,
                        Err(e) => panic!("{e}"),
                    }
                }
            }
        }
        println!("{}: {folded} cases folded, {refused} refused", entry.name);
        assert!(folded > 0, "{}", entry.name);
    }
}

/// Groups beyond one row of workgroups, so that the small stages (reset, scale, zero) fold too.
#[test]
fn many_groups_fold() {
    use quarter::{
        dtype::Format,
        ops::{Arguments, Operation, Quantize, QuantizeArgs, Reduce, ReduceArgs},
        scale::Granularity,
        tensor::{DType, Element, HostTensor, Layout},
    };
    let ctx = limited(wgpu::Limits { max_compute_workgroups_per_dimension: 5, ..wgpu::Limits::default() });
    let (rows, cols) = (1400u32, 2u32);
    let x: Vec<f32> = (1..=rows * cols).map(|i| i as f32 * 0.25).collect();
    let x = HostTensor::from_f32(&x, [rows, cols]).unwrap();
    let device = ctx.upload_blocking(&x).unwrap();

    let op = Quantize::new([rows, cols], DType::F32, Format::E4M3FN, Granularity::PerToken);
    let out = ctx.empty_blocking(&op.out().unwrap()).unwrap();
    run(&ctx, &op, &QuantizeArgs::new(&device, &out));
    let want = x.quantize(Format::E4M3FN, Granularity::PerToken).unwrap();
    assert!(ctx.download_blocking(&out).unwrap() == want);

    let op = Reduce::amax([rows, cols], Element::F32, Granularity::PerToken);
    let out = ctx.empty_blocking(&Layout::new([rows], Element::F32).unwrap()).unwrap();
    run(&ctx, &op, &ReduceArgs::new(&device, &out));
    let got = ctx.download_blocking(&out).unwrap().to_f32();
    assert!(got.iter().zip(1..).all(|(&v, row)| v == (row * cols) as f32 * 0.25));

    fn run<O: Operation>(ctx: &Context, op: &O, args: &impl Arguments<O>) {
        let bound = ctx.plan_blocking(op).unwrap().bind(args).unwrap();
        ctx.run([&bound]).unwrap();
    }
}

/// Operands beyond one binding: every operation cuts itself into pieces, and the pieces make the whole.
#[test]
fn operands_split() {
    let contexts = [2048, 4096, 16384].map(|bytes| {
        limited(wgpu::Limits { max_storage_buffer_binding_size: bytes, ..wgpu::Limits::default() })
    });
    for entry in OPERATIONS {
        let (mut split, mut most, mut refused) = (0, 0, BTreeMap::<String, usize>::new());
        let cases = (entry.cases)();
        for case in cases.iter().filter(|c| c.purpose != Purpose::Bench && c.purpose != Purpose::Edge) {
            let mut run = Run::new(case).unwrap();
            for ctx in &contexts {
                for (kernel, choices) in common::choices(ctx, &*case.op) {
                    let caps = ctx.capabilities().unwrap();
                    let Ok(mut tunings) = case.op.tunings(kernel, caps) else { continue };
                    let schedule = case.op.schedule(kernel, &tunings.remove(0), caps);
                    let pieces = schedule.stages.iter().map(|s| s.dispatches.len()).max().unwrap();
                    if pieces == 1 {
                        continue;
                    }
                    match pollster::block_on(run.compare(ctx, &choices[0], None)) {
                        Ok(c) => {
                            assert!(c.pass(), "{} [{}]: {}", c.id, case.label, c.worst.unwrap());
                            split += 1;
                            most = most.max(pieces);
                        }
                        // A table of scales or of flags that is itself too large is not cut.
                        Err(Error::Unsupported { refusals, .. }) => {
                            *refused.entry(refusals[0].1.to_string()).or_default() += 1;
                        }
                        Err(e) => panic!("{e}"),
                    }
                }
            }
        }
        common::show(&format!("{}: {split} cases split, into {most} pieces at most", entry.name));
        for (why, count) in &refused {
            common::show(&format!("  refused {count}: {why}"));
        }
        // A history is bound whole, or refused.
        let whole = entry.name == "delayed_scale";
        assert!(whole || split > refused.values().sum::<usize>(), "{}", entry.name);
    }
}

/// One dispatch never asks for more than a slow device does in a moment.
#[test]
fn work_is_bounded() {
    use quarter::{
        gpu::Capabilities,
        ops::{Gemm, problem::Problem},
    };
    let mut caps = Capabilities::portable();
    caps.limits.max_storage_buffer_binding_size = 1 << 31;
    caps.limits.max_buffer_size = 1 << 32;
    for op in [Gemm::new(8192, 8192, 8192), Gemm::new(512, 512, 512).batch([400]), Gemm::new(64, 64, 1 << 20)]
    {
        let tuning = op.tunings("tiled", &caps).unwrap().remove(0);
        let schedule = op.schedule("tiled", &tuning, &caps);
        schedule.check(&Problem::operands(&op).unwrap(), &caps).unwrap();
        let main = schedule.stages.last().unwrap();
        let work = |d: &quarter::gpu::Dispatch| {
            let get = |name| u64::from(d.params.get(name));
            let rows = get("row_end") - get("row_first");
            2 * (get("batch_end") - get("batch_first")) * rows * get("col_tiles") * 64 * get("k")
        };
        let all: u64 = main.dispatches.iter().map(work).sum();
        assert_eq!(all, op.cost().flops, "{op:?}");
        assert!(main.dispatches.iter().all(|d| work(d) <= 1 << 35), "{op:?}");
    }
}

/// What cannot be cut is refused with its size, before any GPU call: here a B whose every column has all of k.
#[test]
fn beyond_a_binding() {
    use quarter::{
        ops::{Gemm, Orientation},
        tensor::Element,
    };
    let limits = wgpu::Limits { max_storage_buffer_binding_size: 1 << 16, ..wgpu::Limits::default() };
    let ctx = limited(limits);
    let op = Gemm::new(4, 300, 64).a(Element::F16).orientation(Orientation::Nn);
    let e = ctx.plan_blocking(&op).unwrap_err();
    let Error::Unsupported { refusals, .. } = &e else { panic!("{e}") };
    assert!(refusals.iter().all(|(_, r)| r.to_string().contains("values of `b`")), "{e}");
}
