//! On the caller's own device, in the caller's own pass: nothing is submitted, polled or hooked behind its back.

#![cfg(feature = "gpu")]

mod common;

use quarter::{
    Bound, Choice, Context, Error, Plan,
    dtype::{Format, Overflow},
    ops::*,
    scale::{Granularity, Scale, Scales},
    tensor::*,
    verify::Run,
    wgpu,
};
use std::{
    future::Future,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
        mpsc,
    },
    task::{Poll, Wake, Waker},
    thread,
    time::Duration,
};

/// A device made by the test, none of whose owner's hooks are ours.
struct Own {
    adapter: wgpu::Adapter,
    device: wgpu::Device,
    queue: wgpu::Queue,
}

impl Own {
    fn new() -> Self {
        let instance = wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle_from_env());
        let adapter = pollster::block_on(instance.request_adapter(&wgpu::RequestAdapterOptions::default()));
        let adapter = adapter.expect("tests need a Vulkan driver; ./test installs a software one");
        let (device, queue) =
            pollster::block_on(adapter.request_device(&wgpu::DeviceDescriptor::default())).unwrap();
        Self { adapter, device, queue }
    }

    fn context(&self) -> Context {
        Context::from_wgpu(&self.adapter, &self.device, &self.queue)
    }

    fn encoder(&self) -> wgpu::CommandEncoder {
        self.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default())
    }

    /// Submits, and tells how many submissions this queue has seen: wgpu counts them in the index.
    fn submit(&self, buffer: Option<wgpu::CommandBuffer>) -> u64 {
        let index = format!("{:?}", self.queue.submit(buffer));
        let digits: String = index.chars().filter(char::is_ascii_digit).collect();
        digits.parse().expect("the index of a submission")
    }

    fn wait(&self) {
        self.device.poll(wgpu::PollType::wait_indefinitely()).unwrap();
    }
}

/// Small integers, whose f32 sums are exact in any order.
fn integers(shape: [u32; 2], seed: u32) -> HostTensor {
    let x: Vec<f32> = (0..shape[0] * shape[1]).map(|i| ((i * 7 + i / 5 + seed) % 9) as f32 - 4.0).collect();
    HostTensor::from_f32(&x, shape).unwrap()
}

/// C = A·Bᵀ in f64, rounded once: for integers the truth.
fn product(a: &HostTensor, b: &HostTensor) -> Vec<f32> {
    let (k, a, b) = (a.shape()[1] as usize, a.to_f32(), b.to_f32());
    let dot = |x: &[f32], y: &[f32]| x.iter().zip(y).map(|(x, y)| f64::from(*x) * f64::from(*y)).sum::<f64>();
    a.chunks(k).flat_map(|x| b.chunks(k).map(move |y| dot(x, y) as f32)).collect()
}

fn f32s(ctx: &Context, shape: [u32; 2]) -> DeviceTensor {
    ctx.empty_blocking(&Layout::new(shape, Element::F32).unwrap()).unwrap()
}

/// Uploads, plans and binds A·Bᵀ.
fn bind(ctx: &Context, a: &HostTensor, b: &HostTensor) -> (Bound, DeviceTensor) {
    let ([m, k], [n, _]) = ([a.shape()[0], a.shape()[1]], [b.shape()[0], b.shape()[1]]);
    let (a, b) = (ctx.upload_blocking(a).unwrap(), ctx.upload_blocking(b).unwrap());
    let gemm = Gemm::new(m, n, k).a(a.layout().element()).b(b.layout().element());
    let out = f32s(ctx, [m, n]);
    (ctx.plan_blocking(&gemm).unwrap().bind(&GemmArgs::new(&a, &b, &out)).unwrap(), out)
}

#[test]
fn a_product_in_the_callers_pass_is_one_submission_of_the_callers() {
    let own = Own::new();
    let ctx = own.context();
    let (a, b) = (integers([33, 50], 0), integers([70, 50], 3));
    let a = a.quantize_with(Format::E4M3FN, Scales::per_tensor(Scale::ONE), Overflow::Strict).unwrap();
    let (bound, out) = bind(&ctx, &a, &b);

    let before = own.submit(None);
    let mut encoder = own.encoder();
    {
        let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
        bound.encode(&mut pass).unwrap();
    }
    let after = own.submit(Some(encoder.finish()));
    assert_eq!(after, before + 1, "somebody else submitted");

    let got = ctx.download_blocking(&out).unwrap().to_f32();
    let (on_cpu, cpu_out) = {
        let cpu = Context::cpu();
        let (bound, out) = bind(&cpu, &a, &b);
        cpu.run([&bound]).unwrap();
        (cpu.download_blocking(&out).unwrap().to_f32(), product(&a, &b))
    };
    assert_eq!(got, on_cpu);
    assert_eq!(got, cpu_out);
}

/// Random numbers too, within the bound that the reference works out; the owner polls, from a thread of its own.
#[test]
fn cases_of_gemm_pass_on_the_callers_device() {
    let own = Own::new();
    let ctx = own.context();
    let gemm = OPERATIONS.iter().find(|e| e.name == Gemm::NAME).unwrap();
    let done = AtomicBool::new(false);
    thread::scope(|s| {
        s.spawn(|| {
            while !done.load(SeqCst) {
                own.device.poll(wgpu::PollType::Poll).unwrap();
                thread::sleep(Duration::from_millis(1));
            }
        });
        let mut failed = vec![];
        for case in (gemm.cases)().iter().filter(|c| c.purpose == Purpose::Smoke).step_by(4) {
            let compared = pollster::block_on(Run::new(case).unwrap().compare(&ctx, &Choice::Best, None));
            if !compared.as_ref().is_ok_and(|c| c.pass()) {
                failed.push(format!("{}: {:?}", case.label, compared.map(|c| c.wrong)));
            }
        }
        done.store(true, SeqCst);
        assert!(failed.is_empty(), "{failed:?}");
    });
}

#[test]
fn the_owners_hooks_stay() {
    let own = Own::new();
    let (told, errors) = mpsc::channel();
    own.device.on_uncaptured_error(Arc::new(move |e: wgpu::Error| told.send(e.to_string()).unwrap()));
    let (told, losses) = mpsc::channel();
    own.device.set_device_lost_callback(move |reason, _| told.send(reason).unwrap());

    let ctx = own.context();
    let x = integers([4, 4], 0);
    let (bound, out) = bind(&ctx, &x, &x);
    ctx.run([&bound]).unwrap();
    assert_eq!(ctx.download_blocking(&out).unwrap().to_f32(), product(&x, &x));
    // An error of ours comes back as ours, not to the hook.
    let limit = own.device.limits().max_buffer_size;
    let huge = Layout::new([1 << 16, (limit >> 18) as u32 + 4], Element::F32).unwrap();
    assert!(matches!(ctx.empty_blocking(&huge), Err(Error::OutOfMemory { .. })));
    assert!(errors.try_recv().is_err());

    // A mistake of the owner still reaches the owner's handler,
    let too_big = || {
        let usage = wgpu::BufferUsages::STORAGE;
        let (label, size, mapped_at_creation) = (Some("the owner's"), limit + 4, false);
        let _ = own.device.create_buffer(&wgpu::BufferDescriptor { label, size, usage, mapped_at_creation });
    };
    too_big();
    assert!(errors.try_recv().unwrap().contains("the owner's"));
    // or the owner's scope, around calls of ours.
    let scope = own.device.push_error_scope(wgpu::ErrorFilter::Validation);
    too_big();
    let _ = bind(&ctx, &x, &x);
    assert!(pollster::block_on(scope.pop()).is_some());
    assert!(errors.try_recv().is_err());

    own.device.destroy();
    own.wait();
    assert_eq!(losses.try_recv(), Ok(wgpu::DeviceLostReason::Destroyed));
}

#[test]
fn a_known_kernel_compiles_once() {
    let ctx = common::gpu();
    // That which measures the device.
    assert_eq!(ctx.pipelines_compiled(), 1);
    let e4m3 = |g| Element::f8(Format::E4M3FN, g);
    let op = |m, n, k| Gemm::new(m, n, k).a(e4m3(Granularity::PerTensor)).b(e4m3(Granularity::PerToken));
    let first = ctx.plan_blocking(&op(5, 6, 7)).unwrap();
    let compiled = ctx.pipelines_compiled();
    assert!(compiled > 1);
    for (m, n, k) in [(5, 6, 7), (1, 1, 1), (64, 640, 6400), (1000, 3, 77)] {
        let again = ctx.plan_blocking(&op(m, n, k)).unwrap();
        assert_eq!((ctx.pipelines_compiled(), again.id()), (compiled, first.id()), "{m} {n} {k}");
    }
    ctx.plan_blocking(&op(5, 6, 7).activation(Activation::Relu)).unwrap();
    assert!(ctx.pipelines_compiled() > compiled, "another kernel is compiled");
}

#[test]
fn a_thousand_products_in_one_pass() {
    let own = Own::new();
    let ctx = own.context();
    // X·Pᵀ moves every column one to the right.
    const N: u32 = 7;
    let shift: Vec<f32> = (0..N * N).map(|i| f32::from((i / N) == (i % N + 1) % N)).collect();
    let shift = HostTensor::from_f32(&shift, [N, N]).unwrap();
    let start = integers([N, N], 1);
    let (x, y, p) =
        (ctx.upload_blocking(&start).unwrap(), f32s(&ctx, [N, N]), ctx.upload_blocking(&shift).unwrap());
    let plan = ctx.plan_blocking(&Gemm::new(N, N, N)).unwrap();
    let there = plan.bind(&GemmArgs::new(&x, &p, &y)).unwrap();
    let back = plan.bind(&GemmArgs::new(&y, &p, &x)).unwrap();

    let before = own.submit(None);
    let mut encoder = own.encoder();
    {
        let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
        for _ in 0..500 {
            there.encode(&mut pass).unwrap();
            back.encode(&mut pass).unwrap();
        }
    }
    assert_eq!(own.submit(Some(encoder.finish())), before + 1);
    let got = ctx.download_blocking(&x).unwrap().to_f32();
    let from = start.to_f32();
    for (i, &got) in got.iter().enumerate() {
        let (row, col) = (i / N as usize, i % N as usize);
        let came = (col + (N as usize - 1000 % N as usize)) % N as usize;
        assert_eq!(got, from[row * N as usize + came], "row {row}, column {col}");
    }
}

struct Wakes(AtomicUsize);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, SeqCst);
    }
}

#[test]
fn a_download_ends_when_the_owner_polls() {
    let own = Own::new();
    let ctx = own.context();
    let (a, b) = (integers([9, 8], 0), integers([5, 8], 1));
    let (bound, out) = bind(&ctx, &a, &b);
    ctx.run([&bound]).unwrap();

    let wakes = Arc::new(Wakes(AtomicUsize::new(0)));
    let waker = Waker::from(Arc::clone(&wakes));
    let mut cx = std::task::Context::from_waker(&waker);
    let mut download = pin!(ctx.download(&out));
    assert!(download.as_mut().poll(&mut cx).is_pending());
    // Long after the device is done, nobody has polled it.
    thread::sleep(Duration::from_millis(300));
    assert_eq!(wakes.0.load(SeqCst), 0);
    assert!(download.as_mut().poll(&mut cx).is_pending());
    own.wait();
    assert_eq!(wakes.0.load(SeqCst), 1);
    let Poll::Ready(got) = download.as_mut().poll(&mut cx) else { panic!("polled, and still pending") };
    assert_eq!(got.unwrap().to_f32(), product(&a, &b));

    ctx.run([&bound]).unwrap();
    let mut finish = pin!(ctx.finish());
    let early = finish.as_mut().poll(&mut cx).is_ready(); // if the device was quick
    own.wait();
    assert!(early || finish.as_mut().poll(&mut cx).is_ready());
}

#[test]
fn what_is_shared_between_threads_may_be() {
    fn shared<T: Send + Sync>() {}
    fn sent<T: Send>(_: T) {}
    shared::<Context>();
    shared::<Plan<Gemm>>();
    shared::<Plan<Quantize>>();
    shared::<Bound>();
    shared::<DeviceTensor>();
    shared::<HostTensor>();
    shared::<Error>();
    let ctx = Context::cpu();
    let (gemm, x) = (Gemm::new(4, 4, 4), integers([4, 4], 0));
    let tensor = ctx.upload_blocking(&x).unwrap();
    sent(ctx.plan(&gemm));
    sent(ctx.planner(&gemm).kernel("cpu").build());
    sent(ctx.upload(&x));
    sent(ctx.empty(x.layout()));
    sent(ctx.empty_scaled(x.layout(), &Scales::per_tensor(Scale::ONE)));
    sent(ctx.download(&tensor));
    sent(ctx.finish());
    sent(Context::request());
    sent(Context::builder().request());
}

#[test]
fn two_threads_use_one_context() {
    for ctx in [Own::new().context(), common::gpu(), Context::cpu()] {
        thread::scope(|s| {
            for t in 0..2u32 {
                let ctx = &ctx;
                s.spawn(move || {
                    for i in 0..12 {
                        // Shapes of its own, and the same kernel at the same time.
                        let (a, b) = (integers([3 + i, 20 + t], i + t), integers([17 + t, 20 + t], i));
                        let (bound, out) = bind(ctx, &a, &b);
                        ctx.run([&bound]).unwrap();
                        let got = ctx.download_blocking(&out).unwrap().to_f32();
                        assert_eq!(got, product(&a, &b), "thread {t}, round {i}, {}", ctx.name());
                    }
                });
            }
        });
    }
}

/// One bound on two threads: reads of one tensor, and work in some order.
#[test]
fn two_threads_run_one_bound() {
    let ctx = common::gpu();
    let (a, b) = (integers([20, 30], 0), integers([40, 30], 1));
    let (bound, out) = bind(&ctx, &a, &b);
    thread::scope(|s| {
        for _ in 0..2 {
            s.spawn(|| {
                for _ in 0..20 {
                    ctx.run([&bound]).unwrap();
                }
            });
        }
    });
    assert_eq!(ctx.download_blocking(&out).unwrap().to_f32(), product(&a, &b));
}

/// Static scaling: the output brings its scales, and another output of the same plan brings others.
#[test]
fn a_changed_scale_changes_the_codes() {
    let (a, b) = (integers([6, 16], 0), integers([9, 16], 2));
    let truth = product(&a, &b);
    for ctx in [Own::new().context(), Context::cpu()] {
        for granularity in
            [Granularity::PerTensor, Granularity::PerToken, Granularity::PerChannel { axis: 1 }]
        {
            let gemm = Gemm::new(6, 9, 16).out(Element::f8(Format::E4M3FN, granularity));
            let plan = ctx.plan_blocking(&gemm).unwrap();
            let compiled = ctx.pipelines_compiled();
            let layout = Layout::new([6, 9], gemm.out).unwrap();
            let groups = layout.groups() as usize;
            let (x, w) = (ctx.upload_blocking(&a).unwrap(), ctx.upload_blocking(&b).unwrap());
            let mut seen = vec![];
            for step in [1.0, 0.5, 4.0f32] {
                // A scale per group, a power of two, so that the division is exact.
                let given: Vec<f32> = (0..groups).map(|g| step * 2f32.powi(g as i32 % 3)).collect();
                let scales = Scales::new(granularity, &given, groups).unwrap();
                let out = pollster::block_on(ctx.empty_scaled(&layout, &scales)).unwrap();
                ctx.run([&plan.bind(&GemmArgs::new(&x, &w, &out)).unwrap()]).unwrap();
                let got = ctx.download_blocking(&out).unwrap();
                let group = |i: usize| match granularity {
                    Granularity::PerToken => i / 9,
                    Granularity::PerChannel { .. } => i % 9,
                    _ => 0,
                };
                let code =
                    |(i, v): (usize, &f32)| Format::E4M3FN.encode(v / given[group(i)], Overflow::Saturate);
                let want: Vec<u8> = truth.iter().enumerate().map(code).collect();
                assert_eq!(got.codes().unwrap(), want, "{granularity} × {step} on {}", ctx.name());
                let kept: Vec<f32> = (0..groups).map(|g| got.scales().unwrap().scale_of(g)).collect();
                assert_eq!(kept, given);
                let amax = truth.iter().fold(0f32, |m, v| m.max(v.abs()));
                assert_eq!(f32::from_bits(got.scales().unwrap().record().amax_bits), amax);
                assert!(!seen.contains(&want), "the scale made no difference");
                seen.push(want);
            }
            assert_eq!(ctx.pipelines_compiled(), compiled);
        }
    }
}
