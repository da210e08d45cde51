//! What users run on their own device.

mod common;

use quarter::{
    Context,
    ops::{OPERATIONS, Purpose},
    verify::Report,
};

/// Every kernel of the context is in the report, has run, and has not failed.
fn expect_whole(report: &Report, on_cpu: bool) {
    common::show(&report.to_string());
    assert!(report.pass(), "{report}");
    for entry in OPERATIONS {
        let cases = (entry.cases)();
        let smoke = cases.iter().filter(|c| c.purpose == Purpose::Smoke).count();
        for k in cases[0].op.kernels().iter().filter(|k| k.on_cpu == on_cpu) {
            let row = report.kernels.iter().find(|r| (r.op, r.kernel) == (entry.name, k.name));
            let row = row.unwrap_or_else(|| panic!("{} {} is missing", entry.name, k.name));
            let refused: usize = row.refused.values().sum();
            assert_eq!(row.cases + refused, smoke, "{} {}", entry.name, k.name);
            assert!(row.cases > 0 && row.strict > 0, "{} {}", entry.name, k.name);
        }
    }
}

#[test]
fn on_the_cpu() {
    expect_whole(&pollster::block_on(Context::cpu().self_check()).unwrap(), true);
}

#[cfg(feature = "gpu")]
mod gpu {
    use super::*;
    use quarter::{Choice, verify::Run, wgpu};

    #[test]
    fn on_the_gpu() {
        let report = pollster::block_on(common::gpu().self_check()).unwrap();
        expect_whole(&report, false);
        assert!(report.facts.unwrap().f16_decode, "software Vulkan decodes by f16 exactly");
        assert!(!report.quirks.is_empty(), "software Vulkan is known");
    }

    /// Where every kernel is refused, nothing was proven, and nothing has passed.
    #[test]
    fn nothing_run_is_no_pass() {
        let limits = wgpu::Limits { max_storage_buffers_per_shader_stage: 0, ..wgpu::Limits::default() };
        let ctx = Context::builder().software(true).limits(limits).request_blocking().unwrap();
        let report = pollster::block_on(ctx.self_check()).unwrap();
        assert!(report.kernels.iter().all(|k| k.cases == 0 && k.failed.is_empty() && !k.refused.is_empty()));
        assert!(!report.pass(), "{report}");
    }

    /// A shared device is measured only when asked; before, and where it is forbidden, codes go through integers, and
    /// come out the same.
    #[test]
    fn decoding_is_exact_until_measured() {
        let instance = wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle_from_env());
        let adapter = pollster::block_on(instance.request_adapter(&wgpu::RequestAdapterOptions::default()));
        let adapter = adapter.expect("tests need a Vulkan driver; ./test installs a software one");
        let (device, queue) =
            pollster::block_on(adapter.request_device(&quarter::recommended(&adapter))).unwrap();
        let shared = Context::from_wgpu(&adapter, &device, &queue);
        let exact = Context::builder().software(true).exact_decode(true).request_blocking().unwrap();
        for ctx in [&shared, &exact] {
            assert!(!ctx.capabilities().unwrap().f16_decode);
            by_integers(ctx);
        }
        let mut verdict = std::pin::pin!(shared.verify());
        let mut task = std::task::Context::from_waker(std::task::Waker::noop());
        assert!(verdict.as_mut().poll(&mut task).is_pending(), "nobody but the owner polls");
        device.poll(wgpu::PollType::wait_indefinitely()).unwrap();
        let std::task::Poll::Ready(facts) = verdict.as_mut().poll(&mut task) else {
            panic!("the owner polled")
        };
        assert!(facts.unwrap().unwrap().f16_decode && shared.capabilities().unwrap().f16_decode);
    }

    /// Smoke cases of GEMM of 8-bit operands, whose shaders do not go by f16.
    fn by_integers(ctx: &Context) {
        let caps = ctx.capabilities().unwrap();
        let gemm = OPERATIONS.iter().find(|e| e.name == "gemm").unwrap();
        let cases = (gemm.cases)();
        let mut ran = 0;
        for case in cases.iter().filter(|c| c.purpose == Purpose::Smoke && c.label.contains("e4m3fn")) {
            let mut run = Run::new(case).unwrap();
            for kernel in ["register", "tiled"] {
                let tuning = case.op.tunings(kernel, caps).unwrap().remove(0);
                let stages = case.op.schedule(kernel, &tuning, caps).stages;
                let by_f16 =
                    |s: &quarter::gpu::Stage| s.specialization.defines.iter().any(|d| d.ends_with("BY_F16"));
                assert!(!stages.iter().any(by_f16), "{}", case.label);
                let c =
                    pollster::block_on(run.compare(ctx, &Choice::Kernel(kernel.to_owned()), None)).unwrap();
                assert!(c.pass(), "{} [{}]: {}", c.id, case.label, c.worst.unwrap());
                ran += 1;
            }
        }
        assert!(ran >= 20, "{ran}");
    }
}
