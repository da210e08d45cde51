//! What the crate's own operations pass, one of somebody else's passes too.

use quarter::{
    Choice, Context, Error,
    dtype::Format,
    ops::entry,
    scale::{Granularity, Scale, Scales},
    tensor::{DType, Element, HostTensor, Layout},
    verify::{Run, mutations},
};
use quarter_external::{Composite, CompositeArgs};

fn contexts() -> [Context; 2] {
    let gpu = Context::builder().software(true).poison(true).request_blocking();
    [gpu.expect("tests need a Vulkan driver"), Context::builder().poison(true).cpu()]
}

/// Every case on every kernel against the reference, and every mutant of its operands caught.
#[test]
fn kernels_agree_with_the_reference() {
    for ctx in contexts() {
        let (mut compared, mut caught) = (0, 0);
        for case in (entry::<Composite>().cases)() {
            let mut run = Run::new(&case).unwrap();
            for k in ctx.kernels(&*case.op) {
                let choice = Choice::Kernel(k.name.to_owned());
                let mut compare = |m| pollster::block_on(run.compare(&ctx, &choice, m)).unwrap();
                let c = compare(None);
                assert!(c.pass(), "{} [{}]: {}", c.id, c.label, c.worst.unwrap());
                compared += c.elements;
                for m in mutations(&case.op.operands().unwrap()) {
                    if c.strict && run.matters(&m) {
                        let c = pollster::block_on(run.compare(&ctx, &choice, Some(&m))).unwrap();
                        assert!(!c.pass(), "{m:?} of {} [{}]", c.id, c.label);
                        caught += 1;
                    }
                }
            }
        }
        assert!(compared > 9000 && caught > 20, "{compared} numbers, {caught} mutants");
    }
}

/// Planned, bound and run as any other.
#[test]
fn it_runs() -> Result<(), Error> {
    for ctx in contexts() {
        let shape = [2, 3];
        let scales = Scales::per_tensor(Scale::new(0.5)?);
        let picture = |codes: [f32; 6]| {
            HostTensor::from_f32(&codes, shape)?.quantize(Format::E4M3FN, Granularity::PerTensor)
        };
        let x = ctx.upload_blocking(&picture([1.0, 2.0, 3.0, 4.0, 5.0, 6.0])?)?;
        let y = ctx.upload_blocking(&picture([6.0, 6.0, 6.0, 6.0, 6.0, 6.0])?)?;
        let mask = HostTensor::from_f32_as(DType::F16, &[0.0, 0.5, 1.0, 0.0, 0.5, 1.0], shape)?;
        let mask = ctx.upload_blocking(&mask)?;
        let element = Element::f8(Format::E4M3FN, Granularity::PerTensor);
        let out = ctx.empty_scaled_blocking(&Layout::new(shape, element)?, &scales)?;
        let plan = ctx.plan_blocking(&Composite { shape: shape.to_vec() })?;
        assert!(plan.id().starts_with("composite."), "{}", plan.id());
        let bound = plan.bind(&CompositeArgs::new(&mask, &x, &y, &out))?;
        ctx.run([&bound])?;
        assert_eq!(ctx.download_blocking(&out)?.to_f32(), [6.0, 4.0, 3.0, 6.0, 5.5, 6.0]);
    }
    Ok(())
}

/// What it cannot be is said as of the crate's own: by operation and operand.
#[test]
fn its_errors_are_typed() {
    let e = Context::cpu().plan_blocking(&Composite { shape: vec![] }).unwrap_err();
    assert!(e.to_string().starts_with("composite: `out`"), "{e}");
}
