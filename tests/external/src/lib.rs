//! `composite`: two 8-bit pictures, one over the other, by the public interface of `quarter` alone.

use quarter::{
    arguments,
    cpu::{self, HostArgs, Threads},
    dtype::{Format, Overflow},
    gpu::{Capabilities, Params, Schedule, Tuning},
    ops::{
        Arithmetic, Body, Case, Cost, Data, DescriptorError, Inputs, Kernel, Operation, Outputs, Purpose,
        Real,
        binding::{self, StageBuilder},
    },
    scale::Granularity,
    shader::Shader,
    tensor::{Element, Operand, rows, scales, values},
    wgpu::Features,
};

/// out = mask · x + (1 − mask) · y.
///
/// * `mask`: `shape`, f16.
/// * `x`, `y`, `out`: `shape`, E4M3FN, one scale each.
#[derive(Clone, Debug, PartialEq)]
pub struct Composite {
    /// Shape of all tensors.
    pub shape: Vec<u32>,
}

arguments! {
    /// Tensors of one [`Composite`].
    pub struct CompositeArgs for Composite {
        /// How much of `x`.
        mask,
        /// In front.
        x,
        /// Behind.
        y,
        /// Both.
        out,
    } {}
}

impl Operation for Composite {
    const NAME: &'static str = "composite";
    const KERNELS: &'static [Kernel<Self>] = &[
        Kernel {
            name: "plain",
            arithmetic: Arithmetic::F32,
            body: Body::Gpu {
                requires: Features::empty(),
                tunings: |_, _| Ok(vec![Tuning::new("", &[])]),
                schedule,
            },
        },
        Kernel { name: "cpu", arithmetic: Arithmetic::F32, body: Body::Cpu { accepts: |_| Ok(()), run } },
    ];

    fn operands(&self) -> Result<Vec<Operand>, DescriptorError> {
        let codes = Element::f8(Format::E4M3FN, Granularity::PerTensor);
        let read = |role, element| {
            Operand::read(role, self.shape.clone(), element)
                .map_err(DescriptorError::layout(Self::NAME, role))
        };
        let out = Operand::write("out", self.shape.clone(), codes)
            .map_err(DescriptorError::layout(Self::NAME, "out"))?;
        Ok(vec![read("mask", Element::F16)?, read("x", codes)?, read("y", codes)?, out])
    }

    fn cost(&self) -> Cost {
        let n = self.shape.iter().fold(1u64, |n, &d| n.saturating_mul(d.into()));
        Cost { flops: n.saturating_mul(6), bytes: n.saturating_mul(5) }
    }

    fn reference(&self, i: &Inputs) -> Outputs {
        let pairs = i.real("x").into_iter().zip(i.real("y"));
        let mix = |(mask, (x, y))| mask * x + (Real::exact(1.0) - mask) * y;
        Outputs(vec![("out", i.real("mask").into_iter().zip(pairs).map(mix).collect())])
    }

    fn cases() -> Vec<Case<Self>> {
        let mut all = vec![];
        for shape in [&[1u32][..], &[7, 19], &[2, 5, 16], &[3, 1027]] {
            for data in [Data::Random, Data::SmallIntegers, Data::Specials] {
                let op = Composite { shape: shape.to_vec() };
                all.push(Case::new(format!("{shape:?} {data:?}"), Purpose::Smoke, data, op));
            }
        }
        all
    }
}

fn operands(o: &Composite) -> [Operand; 4] {
    o.operands().expect("validated").try_into().expect("four operands")
}

fn schedule(o: &Composite, _: &Tuning, caps: &Capabilities) -> Schedule {
    let shader = Shader { path: "composite.wgsl", text: include_str!("composite.wgsl") };
    let [mask, x, y, out] = operands(o).map(|o| o.layout);
    let params = Params::new(&[
        ("cols", out.cols()),
        ("mask_quads", mask.row_quads()),
        ("out_quads", out.row_quads()),
    ]);
    let stage = StageBuilder::new(shader)
        .operand("mask", 1, mask.element())
        .operand("x", 2, x.element())
        .scale("x", 3, x.element())
        .operand("y", 4, y.element())
        .scale("y", 5, y.element())
        .output("out", 6, 7, out.element(), Overflow::Saturate)
        .stream(
            &[("out_origin", 6, &out), ("mask_origin", 1, &mask), ("x_origin", 2, &x), ("y_origin", 4, &y)],
            &params,
            binding::output_shared(out.element()),
            caps,
        );
    Schedule { stages: vec![binding::reset(&out, caps), stage], workspace: vec![] }
}

fn run(o: &Composite, args: &mut HostArgs<'_>, threads: Threads) {
    let [mask, x, y, out] = operands(o);
    let [mask, x, y] = [mask, x, y].map(|o| o.layout);
    let (m, xs, ys) = (args.read(values("mask")), args.read(values("x")), args.read(values("y")));
    let (x_scales, y_scales) = (x.scales(args.read(scales("x"))), y.scales(args.read(scales("y"))));
    let row = |row: usize, v: &mut [f32]| {
        let mut mask_row = vec![0.0; v.len()];
        let mut y_row = vec![0.0; v.len()];
        rows::decode(&mask, m, row, 0, &mut mask_row);
        rows::decode(&x, xs, row, 0, v);
        rows::decode(&y, ys, row, 0, &mut y_row);
        x_scales.apply(x.group_map(), row, 0, v);
        y_scales.apply(y.group_map(), row, 0, &mut y_row);
        for ((v, y), mask) in v.iter_mut().zip(y_row).zip(mask_row) {
            *v = mask * *v + (1.0 - mask) * y;
        }
    };
    cpu::write(&out, args, threads, row);
}
