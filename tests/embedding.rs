//! What a renderer or an engine does with the crate: tensors in its own buffers, copies and timings in its own
//! encoder, a lost device.

#![cfg(feature = "gpu")]

mod common;

use quarter::{
    Bound, Context, Error, Profiler,
    dtype::Format,
    ops::*,
    scale::{Scale, Scales},
    tensor::*,
    wgpu,
};
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::SeqCst},
};

struct Owner {
    device: wgpu::Device,
    queue: wgpu::Queue,
    ctx: Context,
}

impl Owner {
    fn new() -> Self {
        Self::of(&Self::adapter())
    }

    fn adapter() -> wgpu::Adapter {
        let instance = wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle_from_env());
        let adapter = pollster::block_on(instance.request_adapter(&wgpu::RequestAdapterOptions::default()));
        adapter.expect("tests need a Vulkan driver; ./test installs a software one")
    }

    fn of(adapter: &wgpu::Adapter) -> Self {
        let (device, queue) =
            pollster::block_on(adapter.request_device(&quarter::recommended(adapter))).unwrap();
        let ctx = Context::from_wgpu(adapter, &device, &queue);
        Self { device, queue, ctx }
    }

    fn buffer(&self, words: &[u32], before: u64, usage: wgpu::BufferUsages) -> wgpu::Buffer {
        let bytes: &[u8] = bytemuck::cast_slice(words);
        let buffer = self.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("owner's"),
            size: before + bytes.len() as u64,
            usage,
            mapped_at_creation: true,
        });
        buffer.get_mapped_range_mut(before..).unwrap().slice(..).copy_from_slice(bytes);
        buffer.unmap();
        buffer
    }

    fn encoder(&self) -> wgpu::CommandEncoder {
        self.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default())
    }

    fn submit(&self, encoder: wgpu::CommandEncoder) {
        self.queue.submit([encoder.finish()]);
    }

    fn poll(&self) {
        self.device.poll(wgpu::PollType::wait_indefinitely()).unwrap();
    }
}

const ALL: wgpu::BufferUsages = wgpu::BufferUsages::STORAGE
    .union(wgpu::BufferUsages::UNIFORM)
    .union(wgpu::BufferUsages::COPY_SRC)
    .union(wgpu::BufferUsages::COPY_DST);

fn record(encoder: &mut wgpu::CommandEncoder, bounds: &[&Bound]) {
    let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
    bounds.iter().for_each(|b| b.encode(&mut pass).unwrap());
}

/// A · Bᵀ + bias, everything in buffers of the owner's at offsets, copied there and back in one encoder of the owner's.
#[test]
fn tensors_in_foreign_buffers_and_copies_in_a_foreign_encoder() {
    let o = Owner::new();
    let (m, n, k) = (5u32, 6u32, 9u32);
    let integers =
        |count: u32, seed: u32| (0..count).map(|i| ((i * 7 + seed) % 9) as f32 - 4.0).collect::<Vec<_>>();
    let (a, w) = (integers(m * k, 1), integers(n * k, 3));
    let host_a = HostTensor::from_f32(&a, [m, k]).unwrap();
    let scales = Scales::per_tensor(Scale::new(0.5).unwrap()).unscanned();
    let codes: Vec<u8> =
        w.iter().map(|&v| Format::E4M3FN.encode(v, quarter::dtype::Overflow::Saturate)).collect();
    let host_w = HostTensor::from_codes(Format::E4M3FN, &codes, [n, k], scales.clone()).unwrap();

    let a_buffer = o.buffer(host_a.words(), 512, ALL);
    let (w_buffer, s_buffer) = (o.buffer(host_w.words(), 256, ALL), o.buffer(scales.words(), 768, ALL));
    let out_layout = Layout::new([m, n], Element::F32).unwrap();
    let out_buffer = o.buffer(&vec![!0; out_layout.values_bytes() as usize / 4], 1024, ALL);
    let ctx = &o.ctx;
    let ta = DeviceTensor::from_buffer(ctx, &a_buffer, 512, host_a.layout()).unwrap();
    let tw = DeviceTensor::from_buffers(ctx, (&w_buffer, 256), (&s_buffer, 768), host_w.layout()).unwrap();
    let out = DeviceTensor::from_buffer(ctx, &out_buffer, 1024, &out_layout).unwrap();
    let gemm = Gemm::new(m, n, k).b(host_w.layout().element());
    let bound = ctx.plan_blocking(&gemm).unwrap().bind(&GemmArgs::new(&ta, &tw, &out)).unwrap();
    let truth = |a: &[f32]| -> Vec<f32> {
        let dot = |x: &[f32], y: &[f32]| x.iter().zip(y).map(|(x, y)| x * y).sum::<f32>() * 0.5;
        a.chunks(k as usize).flat_map(|x| w.chunks(k as usize).map(move |y| dot(x, y))).collect()
    };

    // One encoder: product, copy out, new A, product, copy out. Each copy has what stood there then.
    let next = integers(m * k, 5);
    let host_next = HostTensor::from_f32(&next, [m, k]).unwrap();
    let mut encoder = o.encoder();
    record(&mut encoder, &[&bound]);
    let mut first = ctx.download_on(&mut encoder, &out).unwrap();
    ctx.upload_on(&mut encoder, &ta, &host_next).unwrap();
    record(&mut encoder, &[&bound]);
    let second = ctx.download_on(&mut encoder, &out).unwrap();
    let mut codes = ctx.download_on(&mut encoder, &tw).unwrap();
    assert!(first.try_take().is_none(), "nothing is submitted");
    o.submit(encoder);
    o.poll();
    assert_eq!(first.try_take().unwrap().unwrap().to_f32(), truth(&a));
    assert!(first.try_take().is_none(), "given once");
    assert_eq!(pollster::block_on(second.take()).unwrap().to_f32(), truth(&next));
    let back = codes.try_take().unwrap().unwrap();
    assert_eq!((back.codes().unwrap(), back.to_f32()), (host_w.codes().unwrap(), host_w.to_f32()));

    // Queue::write_buffer: before whatever is submitted next.
    ctx.write(&ta, &host_a).unwrap();
    let mut encoder = o.encoder();
    record(&mut encoder, &[&bound]);
    let mut third = ctx.download_on(&mut encoder, &out).unwrap();
    o.submit(encoder);
    o.poll();
    assert_eq!(third.try_take().unwrap().unwrap().to_f32(), truth(&a));
}

/// A NaN among codes that nobody scanned is found all the same.
#[test]
fn unscanned_codes_keep_their_nan() {
    let o = Owner::new();
    let scales = Scales::per_tensor(Scale::new(1.0).unwrap());
    let w =
        HostTensor::from_codes(Format::E4M3FN, &[0x38, 0x7F, 0x38, 0x38], [2, 2], scales.clone()).unwrap();
    let (codes, record_of) = (o.buffer(w.words(), 0, ALL), o.buffer(scales.unscanned().words(), 0, ALL));
    let tw = DeviceTensor::from_buffers(&o.ctx, (&codes, 0), (&record_of, 0), w.layout()).unwrap();
    let x = o.ctx.upload_blocking(&HostTensor::from_f32(&[1.0, 1.0], [1, 2]).unwrap()).unwrap();
    let out = o.ctx.empty_blocking(&Layout::new([1, 2], Element::F32).unwrap()).unwrap();
    let gemm = Gemm::new(1, 2, 2).b(w.layout().element());
    let bound = o.ctx.plan_blocking(&gemm).unwrap().bind(&GemmArgs::new(&x, &tw, &out)).unwrap();
    o.ctx.run([&bound]).unwrap();
    let got = o.ctx.download_blocking(&out).unwrap().to_f32();
    assert!(got[0].is_nan() && got[1] == 2.0, "{got:?}");
}

/// Two plans share scratch memory; results are as with memory of their own.
#[test]
fn shared_workspace() {
    let ctx = common::gpu();
    let x = HostTensor::from_f32(&(0..64).map(|i| (i % 5) as f32).collect::<Vec<_>>(), [8, 8]).unwrap();
    let dx = ctx.upload_blocking(&x).unwrap();
    let empty = || ctx.empty_blocking(&Layout::new([8, 8], Element::F32).unwrap()).unwrap();
    let (y, z) = (empty(), empty());
    let plan = ctx.plan_blocking(&Gemm::new(8, 8, 8)).unwrap();
    assert!(plan.workspace_size() > 0);
    let shared = ctx.workspace([plan.workspace_bytes()]).unwrap();
    let bounds = [
        plan.bind_with(&GemmArgs::new(&dx, &dx, &y), &shared).unwrap(),
        plan.bind_with(&GemmArgs::new(&y, &dx, &z), &shared).unwrap(),
    ];
    ctx.run(&bounds).unwrap();
    let own = [
        plan.bind(&GemmArgs::new(&dx, &dx, &y)).unwrap(),
        plan.bind(&GemmArgs::new(&y, &dx, &empty())).unwrap(),
    ];
    let got = ctx.download_blocking(&z).unwrap();
    let again = empty();
    ctx.run([&own[0], &plan.bind(&GemmArgs::new(&y, &dx, &again)).unwrap()]).unwrap();
    assert!(got == ctx.download_blocking(&again).unwrap());
    let small = ctx.workspace([[16]]).unwrap();
    let e = plan.bind_with(&GemmArgs::new(&dx, &dx, &y), &small).unwrap_err();
    assert!(matches!(e, Error::Buffer { .. }), "{e}");
    let foreign = common::gpu().workspace([plan.workspace_bytes()]).unwrap();
    let e = plan.bind_with(&GemmArgs::new(&dx, &dx, &y), &foreign).unwrap_err();
    assert!(matches!(e, Error::WrongContext { .. }), "{e}");
}

/// Every bound has a time under its id.
#[test]
fn profiler() {
    let o = Owner::new();
    let of = |n: u32| {
        let t = |shape: [u32; 2]| {
            let zeros = HostTensor::from_f32(&vec![0.0; (shape[0] * shape[1]) as usize], shape).unwrap();
            o.ctx.upload_blocking(&zeros).unwrap()
        };
        let plan = o.ctx.plan_blocking(&Gemm::new(n, n, n)).unwrap();
        plan.bind(&GemmArgs::new(&t([n, n]), &t([n, n]), &t([n, n]))).unwrap()
    };
    let (short, long) = (of(8), of(256));
    let mut profiler = Profiler::new(&o.ctx, 2).unwrap();
    for _ in 0..2 {
        let mut encoder = o.encoder();
        profiler.encode(&mut encoder, &short).unwrap();
        profiler.encode(&mut encoder, &long).unwrap();
        assert!(matches!(profiler.encode(&mut encoder, &long), Err(Error::Buffer { .. })));
        let mut timings = profiler.resolve(&mut encoder).unwrap();
        o.submit(encoder);
        o.poll();
        let times = timings.try_take().unwrap().unwrap();
        assert_eq!(times.len(), 2);
        assert_eq!((times[0].0.as_str(), times[1].0.as_str()), (short.id(), long.id()));
        assert!(times.iter().all(|t| !t.1.is_zero()), "{times:?}");
    }
    assert!(matches!(Profiler::new(&Context::cpu(), 1), Err(Error::NotOnGpu(_))));
    let plain = Context::builder().software(true).limits(wgpu::Limits::default()).request_blocking().unwrap();
    assert!(matches!(Profiler::new(&plain, 1), Err(Error::Feature { .. })));
}

/// The owner's hooks stay the owner's; a loss is told by the owner and ends every later call.
#[test]
fn shared_device_lost() {
    let o = Owner::new();
    let called = Arc::new(AtomicUsize::new(0));
    let (lost, uncaught) = (Arc::clone(&called), Arc::clone(&called));
    o.device.set_device_lost_callback(move |_, _| {
        lost.fetch_add(1, SeqCst);
    });
    o.device.on_uncaptured_error(Arc::new(move |_| {
        uncaught.fetch_add(16, SeqCst);
    }));
    let x = HostTensor::from_f32(&[1.0], [1]).unwrap();
    let dx = o.ctx.upload_blocking(&x).unwrap();
    // An error of the owner's own reaches the owner's handler.
    let _ = o.device.create_buffer(&wgpu::BufferDescriptor {
        label: None,
        size: 4,
        usage: wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::STORAGE,
        mapped_at_creation: false,
    });
    o.device.destroy();
    let _ = o.device.poll(wgpu::PollType::Poll);
    assert_eq!(called.load(SeqCst), 17, "both hooks are the owner's");
    o.ctx.device_lost("the owner destroyed it");
    let e = o.ctx.upload_blocking(&x).unwrap_err();
    assert!(matches!(&e, Error::DeviceLost(why) if why.contains("owner")), "{e}");
    assert!(matches!(o.ctx.download_blocking(&dx), Err(Error::DeviceLost(_))));
    assert!(matches!(pollster::block_on(o.ctx.recreate()), Err(Error::NotOwn(_))));
}

/// A device of our own that goes: every call says so, the first one too, and there is a new one for the asking.
#[test]
fn own_device_lost() {
    type Call = fn(&Context, &DeviceTensor) -> Result<(), Error>;
    let calls: [Call; 4] = [
        |ctx, _| ctx.upload_blocking(&HostTensor::from_f32(&[1.0], [1]).unwrap()).map(drop),
        |ctx, t| ctx.download_blocking(t).map(drop),
        |ctx, _| ctx.plan_blocking(&Gemm::new(3, 3, 3).activation(Activation::Tanh)).map(drop),
        |ctx, _| ctx.finish_blocking(),
    ];
    for call in calls {
        let ctx = common::gpu();
        let t = ctx.upload_blocking(&HostTensor::from_f32(&[1.0], [1]).unwrap()).unwrap();
        ctx.wgpu().unwrap().0.destroy();
        for _ in 0..2 {
            let e = call(&ctx, &t).unwrap_err();
            assert!(matches!(e, Error::DeviceLost(_)), "{e}");
        }
        let again = pollster::block_on(ctx.recreate()).unwrap();
        assert!(again.upload_blocking(&HostTensor::from_f32(&[1.0], [1]).unwrap()).is_ok());
        assert!(matches!(again.download_blocking(&t), Err(Error::WrongContext { .. })));
    }
}

/// What the owner takes from under a bound is an error of the run, not a panic in wgpu's handler.
#[test]
fn destroyed_and_foreign_buffers() {
    let adapter = Owner::adapter();
    let (o, other) = (Owner::of(&adapter), Owner::of(&adapter));
    let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_DST;
    let layout = Layout::new([4], Element::F32).unwrap();
    let host = HostTensor::from_f32(&[1.0; 4], [4]).unwrap();
    let (own, foreign) = (o.buffer(&[0; 4], 0, usage), other.buffer(&[0; 4], 0, usage));
    let t = DeviceTensor::from_buffer(&o.ctx, &foreign, 0, &layout).unwrap();
    let e = o.ctx.write(&t, &host);
    assert!(matches!(e, Err(Error::Wgpu(_))), "{e:?}");
    let x = DeviceTensor::from_buffer(&o.ctx, &own, 0, &layout).unwrap();
    let out = o.ctx.empty_blocking(&Layout::new([1], Element::F32).unwrap()).unwrap();
    let op = Reduce::amax([4], Element::F32, quarter::scale::Granularity::PerTensor);
    let bound = o.ctx.plan_blocking(&op).unwrap().bind(&ReduceArgs::new(&x, &out)).unwrap();
    o.ctx.run([&bound]).unwrap();
    own.destroy();
    assert!(matches!(o.ctx.run([&bound]), Err(Error::Wgpu(_))));
    assert!(matches!(o.ctx.write(&x, &host), Err(Error::Wgpu(_))));
    // The context lives on.
    o.ctx.write(&o.ctx.upload_blocking(&host).unwrap(), &host).unwrap();
}

/// More than the device has, and more than its limits allow: typed, and the context lives on.
#[test]
fn out_of_memory() {
    let ctx = common::gpu();
    let limit = ctx.capabilities().unwrap().limits.max_buffer_size;
    let rows = (limit / (4 << 16) + 1) as u32;
    let beyond = Layout::new([rows, 1 << 16], Element::F32).unwrap();
    let e = ctx.empty_blocking(&beyond).unwrap_err();
    assert!(matches!(e, Error::OutOfMemory { .. }), "{e}");
    assert!(ctx.upload_blocking(&HostTensor::from_f32(&[1.0], [1]).unwrap()).is_ok());
}

/// A tool that lists a frame's objects shows which are ours: no descriptor in the crate leaves its label out.
#[test]
fn objects_have_labels() {
    fn visit(folder: &std::path::Path, seen: &mut usize) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                visit(&path, seen);
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            let code: String = text.lines().filter(|l| !l.trim_start().starts_with("//")).collect();
            for (at, _) in code.match_indices("Descriptor {") {
                let start = code[..at].rfind("wgpu::").expect("a descriptor of wgpu's");
                let fields = &code[at..at + code[at..].find('}').expect("its end")];
                let labelled = fields.contains("label") && !fields.contains("label: None");
                assert!(labelled, "{}: {}{fields}", path.display(), &code[start..at]);
                *seen += 1;
            }
            assert!(!code.contains("Descriptor::default()"), "{}", path.display());
        }
    }
    let mut seen = 0;
    visit(std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src")), &mut seen);
    assert!(seen > 15, "{seen} descriptors");
}
