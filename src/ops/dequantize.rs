//! `dequantize`: 8-bit codes to real numbers.

use super::{
    Case, Cost, Data, DescriptorError, Inputs, Kernel, Operation, Outputs, Purpose, expect::unscaled,
};
use crate::{
    arguments,
    cpu::{self, HostArgs, Threads},
    dtype::Format,
    scale::Granularity,
    tensor::{DType, Element, Operand},
};
#[cfg(feature = "gpu")]
use crate::{
    dtype::Overflow,
    gpu::{Capabilities, Params, Schedule, Tuning},
    ops::binding::{StageBuilder, in_groups},
    shader::shader,
};

/// out = code · scale, rounded to the kind of `out`.
///
/// * `x`: `shape`, an 8-bit format at any granularity, or codes of a codebook: out = table\[code\].
/// * `out`: `shape`, f32, f16 or bf16.
///
/// One f32 multiplication per element, then nearest even; the same bits on every backend as long as the product is
/// not an f32 subnormal. Inf stays Inf, NaN stays NaN (of no promised
/// sign or payload).
///
/// Errors: a `from` that is not 8-bit, a `to` that is; shapes that cannot be.
#[derive(Clone, Debug, PartialEq)]
pub struct Dequantize {
    /// Shape of both tensors.
    pub shape: Vec<u32>,
    /// Elements of `x`.
    pub from: Element,
    /// Kind of `out`.
    pub to: DType,
}

arguments! {
    /// Tensors of one [`Dequantize`].
    pub struct DequantizeArgs for Dequantize {
        /// Codes.
        x,
        /// Real numbers.
        out,
    } {}
}

impl Dequantize {
    /// `from` to `to`.
    pub fn new(shape: impl Into<Vec<u32>>, from: Element, to: DType) -> Self {
        Self { shape: shape.into(), from, to }
    }
}

impl Operation for Dequantize {
    const NAME: &'static str = "dequantize";
    const KERNELS: &'static [Kernel<Self>] = &[
        #[cfg(feature = "gpu")]
        Kernel::plain(schedule),
        Kernel::cpu(run),
    ];

    fn operands(&self) -> Result<Vec<Operand>, DescriptorError> {
        if !self.from.dtype().is_coded() {
            let got = self.from.to_string();
            return Err(DescriptorError::new(
                Self::NAME,
                "from",
                "an 8-bit float, or codes of a codebook",
                got,
            ));
        }
        let to = unscaled(Self::NAME, "to", self.to)?;
        let x = Operand::read("x", self.shape.clone(), self.from)
            .map_err(DescriptorError::layout(Self::NAME, "x"))?;
        let out = Operand::write("out", self.shape.clone(), to)
            .map_err(DescriptorError::layout(Self::NAME, "out"))?;
        Ok(vec![x, out])
    }

    fn variant(&self) -> String {
        format!("{}_{}", self.from.dtype(), self.to)
    }

    fn cost(&self) -> Cost {
        let n = self.shape.iter().fold(1u64, |n, &d| n.saturating_mul(d.into()));
        Cost { flops: n, bytes: n.saturating_mul(1 + u64::from(self.to.bytes())) }
    }

    fn reference(&self, x: &Inputs) -> Outputs {
        Outputs(vec![("out", x.real("x"))])
    }

    fn cases() -> Vec<Case<Self>> {
        use Granularity::{Mx, PerBlock, PerChannel, PerTensor, PerToken};
        let mut all = vec![];
        for f in Format::ALL.into_iter().chain(super::kinds::FLEXIBLE) {
            for to in [DType::F32, DType::F16, DType::Bf16] {
                for data in [Data::Random, Data::SmallIntegers, Data::Specials] {
                    let op = Dequantize::new([8, 259], Element::f8(f, PerTensor), to);
                    all.push(Case::new(format!("{f} to {to} {data:?}"), Purpose::Edge, data, op));
                }
            }
        }
        for data in [Data::Random, Data::SmallIntegers] {
            for (g, shape) in [
                (PerTensor, &[1u32][..]),
                (PerToken, &[7, 19]),
                (PerChannel { axis: 0 }, &[9, 2, 33]),
                (PerChannel { axis: 1 }, &[2, 5, 16]),
                (PerChannel { axis: 2 }, &[4, 3, 17]),
                (PerBlock { rows: 2, cols: 5 }, &[3, 3, 17]),
                (PerBlock { rows: 1, cols: 32 }, &[4, 80]),
                (Mx { cols: 5 }, &[3, 3, 17]),
                (Granularity::MX, &[4, 80]),
            ] {
                let op = Dequantize::new(shape, Element::f8(Format::E5M2, g), DType::F32);
                all.push(Case::new(format!("{g} {shape:?}"), Purpose::Smoke, data, op));
            }
        }
        for to in [DType::F32, DType::F16, DType::Bf16] {
            for data in [Data::Random, Data::SmallIntegers, Data::Specials] {
                let op = Dequantize::new([8, 259], Element::CODE8, to);
                all.push(Case::new(format!("codebook to {to} {data:?}"), Purpose::Smoke, data, op));
            }
        }
        let op = |to| Dequantize::new([4096, 4096], Element::f8(Format::E4M3FN, PerTensor), to);
        all.push(Case::new("to f32 4096x4096", Purpose::Bench, Data::Random, op(DType::F32)));
        all.push(Case::new("to f16 4096x4096", Purpose::Bench, Data::Random, op(DType::F16)));
        all
    }
}

#[cfg(feature = "gpu")]
fn schedule(o: &Dequantize, _: &Tuning, caps: &Capabilities) -> Schedule {
    let [x, out] = o.operands().expect("validated").try_into().expect("two operands");
    let (x, out) = (x.layout, out.layout);
    let params =
        Params::new(&[("cols", out.cols()), ("x_quads", x.row_quads()), ("out_quads", out.row_quads())])
            .and(&in_groups!("x", x));
    let stage = StageBuilder::new(shader!("dequantize/decode.wgsl"))
        .input("x", 1, 2, x.element())
        .output("out", 3, 0, out.element(), Overflow::Saturate)
        .stream(&[("out_origin", 3, &out), ("x_origin", 1, &x)], &params, 0, caps);
    Schedule { stages: vec![stage], workspace: vec![] }
}

fn run(o: &Dequantize, args: &mut HostArgs<'_>, threads: Threads) {
    let [x, out] = o.operands().expect("validated").try_into().expect("two operands");
    let x = cpu::Input::new(&x, args);
    cpu::write(&out, args, threads, |row, v| x.numbers(row, 0, v));
}
