//! Small limits: what large problems meet on ordinary devices, at toy size.

#![cfg(feature = "gpu")]

mod common;

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
                    if schedule.stages.iter().all(|s| s.dispatch.grid[1] == 1) {
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

/// What a device cannot bind is refused with its size, before any GPU call.
#[test]
fn beyond_a_binding() {
    use quarter::{ops::Gemm, tensor::Element};
    let limits = wgpu::Limits { max_storage_buffer_binding_size: 1 << 16, ..wgpu::Limits::default() };
    let ctx = limited(limits);
    let op = Gemm::new(4, 300, 64).a(Element::F16);
    let e = ctx.plan_blocking(&op).unwrap_err();
    let Error::Unsupported { refusals, .. } = &e else { panic!("{e}") };
    assert!(refusals.iter().all(|(_, r)| r.to_string().contains("values of `b`")), "{e}");
}
