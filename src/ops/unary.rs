//! `unary`: a factor, a summand and an activation; any kind of number to any other.

use super::{
    Activation, Case, Cost, Data, DescriptorError, Inputs, Kernel, Operation, Outputs, Purpose, Real,
    expect::expect_number,
    kinds::{FLEXIBLE, kinds, outs},
    operation::elements,
};
use crate::{
    arguments,
    cpu::{self, HostArgs, Threads},
    dtype::{Format, Overflow},
    scale::Granularity::{PerBlock, PerChannel, PerTensor, PerToken},
    tensor::{Element, Operand},
};
#[cfg(feature = "gpu")]
use crate::{
    gpu::{Capabilities, Params, Schedule, Tuning},
    ops::{
        binding,
        binding::{StageBuilder, in_groups},
    },
    shader::shader,
};

/// out = act(alpha · x + beta).
///
/// * `x`: `shape`, f32, f16, bf16 or 8-bit at any granularity, code × scale.
/// * `out`: `shape`, f32, f16, bf16, or 8-bit with given scales.
///
/// An alpha of 1 multiplies nothing and a beta of 0 adds nothing, so without activation it is a cast that keeps zeros' signs.
/// NaN stays NaN, and 0 · Inf is NaN.
///
/// Source: `torch` activations, ONNX Cast and Relu, Gelu and the like.
///
/// Error: one f32 multiplication for each of scale and alpha, one addition, fused or not; that of the activation; the rounding
/// of `out`.
///
/// Errors: an alpha that is subnormal or not finite; a beta that is not finite; integers; block scales of `out`, not computed
/// yet; shapes that cannot be.
///
/// ```
/// use quarter::{Context, ops::*, tensor::*};
/// let ctx = Context::cpu();
/// let x = ctx.upload_blocking(&HostTensor::from_f32(&[-2.0, 0.5, 3.0], [3])?)?;
/// let out = ctx.empty_blocking(&Layout::new([3], Element::BF16)?)?;
/// let op = Unary::new([3]).alpha(2.0).beta(1.0).activation(Activation::Relu6).out(Element::BF16);
/// ctx.run([&ctx.plan_blocking(&op)?.bind(&UnaryArgs::new(&x, &out))?])?;
/// assert_eq!(ctx.download_blocking(&out)?.to_f32(), [0.0, 2.0, 6.0]);
/// # Ok::<(), quarter::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Unary {
    /// Shape of both tensors.
    pub shape: Vec<u32>,
    /// Elements of `x`.
    pub x: Element,
    /// Factor of `x`.
    pub alpha: f32,
    /// What is added.
    pub beta: f32,
    /// The function at the end.
    pub activation: Activation,
    /// Elements of the output.
    pub out: Element,
    /// What becomes of numbers beyond the largest code of an 8-bit output.
    pub overflow: Overflow,
}

arguments! {
    /// Tensors of one [`Unary`].
    pub struct UnaryArgs for Unary {
        /// Numbers.
        x,
        /// What becomes of them.
        out,
    } {}
}

impl Unary {
    /// f32 to f32, unchanged.
    pub fn new(shape: impl Into<Vec<u32>>) -> Self {
        Self {
            shape: shape.into(),
            x: Element::F32,
            alpha: 1.0,
            beta: 0.0,
            activation: Activation::None,
            out: Element::F32,
            overflow: Overflow::Saturate,
        }
    }

    /// Elements of `x`.
    #[must_use]
    pub fn x(self, x: Element) -> Self {
        Self { x, ..self }
    }

    /// Factor of `x`.
    #[must_use]
    pub fn alpha(self, alpha: f32) -> Self {
        Self { alpha, ..self }
    }

    /// What is added.
    #[must_use]
    pub fn beta(self, beta: f32) -> Self {
        Self { beta, ..self }
    }

    /// The function at the end.
    #[must_use]
    pub fn activation(self, activation: Activation) -> Self {
        Self { activation, ..self }
    }

    /// Elements of the output.
    #[must_use]
    pub fn out(self, out: Element) -> Self {
        Self { out, ..self }
    }

    /// What becomes of numbers beyond the largest code of an 8-bit output.
    #[must_use]
    pub fn overflow(self, overflow: Overflow) -> Self {
        Self { overflow, ..self }
    }
}

impl Operation for Unary {
    const NAME: &'static str = "unary";
    const KERNELS: &'static [Kernel<Self>] = &[
        #[cfg(feature = "gpu")]
        Kernel::plain(schedule),
        Kernel::cpu(run),
    ];

    fn operands(&self) -> Result<Vec<Operand>, DescriptorError> {
        let fail = |what, expected: &str, got: f32| {
            Err(DescriptorError::new(Self::NAME, what, expected, format!("{got:e}")))
        };
        if !(self.alpha == 0.0 || self.alpha.is_normal()) {
            return fail("alpha", "a finite number that is not subnormal", self.alpha);
        }
        if !self.beta.is_finite() {
            return fail("beta", "a finite number", self.beta);
        }
        expect_number(Self::NAME, "x", self.x)?;
        expect_number(Self::NAME, "out", self.out)?;
        let layout = |role| DescriptorError::layout(Self::NAME, role);
        let x = Operand::read("x", self.shape.clone(), self.x).map_err(layout("x"))?;
        let out = Operand::write("out", self.shape.clone(), self.out).map_err(layout("out"))?;
        Ok(vec![x, out.overflow(self.overflow)])
    }

    elements!(x, out;);

    fn variant(&self) -> String {
        format!("{}_{}", self.x.dtype(), self.out.dtype())
    }

    fn cost(&self) -> Cost {
        let n = self.shape.iter().fold(1u64, |n, &d| n.saturating_mul(d.into()));
        let bytes = self.x.dtype().bytes() + self.out.dtype().bytes();
        Cost { flops: n.saturating_mul(2), bytes: n.saturating_mul(bytes.into()) }
    }

    fn reference(&self, x: &Inputs) -> Outputs {
        let [alpha, beta] = [self.alpha, self.beta].map(|v| Real::exact(v.into()));
        let of = |mut v: Real| {
            if self.alpha != 1.0 {
                v = (v * alpha).in_f32();
            }
            if self.beta != 0.0 {
                v = (v + beta).in_f32();
            }
            self.activation.real(v)
        };
        Outputs(vec![("out", x.real("x").into_iter().map(of).collect())])
    }

    fn cases() -> Vec<Case<Self>> {
        cases()
    }
}

fn cases() -> Vec<Case<Unary>> {
    let e4m3 = |g| Element::f8(Format::E4M3FN, g);
    let every = [Data::SmallIntegers, Data::Random, Data::Specials];
    let both = [Data::SmallIntegers, Data::Random];
    let mut all = vec![];
    let mut add = |label: String, purpose, data, op| all.push(Case::new(label, purpose, data, op));
    for shape in [&[1u32][..], &[7, 3], &[2, 5, 16], &[67, 41], &[3, 1027]] {
        for data in both {
            add(format!("{shape:?} {data:?}"), Purpose::Smoke, data, Unary::new(shape).alpha(-0.5).beta(3.0));
        }
    }
    for (alpha, beta) in [(1.0, 0.0), (0.0, 2.0), (-2.0, 0.0), (1.0, -1.5), (0.37, 0.1), (1e30, 0.0)] {
        for data in every {
            // A sum of such numbers is not exact.
            if data == Data::SmallIntegers && beta == 0.1 {
                continue;
            }
            let op = Unary::new([14, 23]).alpha(alpha).beta(beta);
            add(format!("{alpha} x + {beta} {data:?}"), Purpose::Edge, data, op);
        }
    }
    for g in [
        PerToken,
        PerChannel { axis: 0 },
        PerChannel { axis: 1 },
        PerChannel { axis: 2 },
        PerBlock { rows: 2, cols: 5 },
    ] {
        for data in both {
            let op = Unary::new([4, 3, 17]).x(e4m3(g)).alpha(4.0).beta(-1.0);
            add(format!("{g} {data:?}"), Purpose::Smoke, data, op);
        }
    }
    for x in kinds().into_iter().chain(FLEXIBLE.map(|f| Element::f8(f, PerTensor))) {
        for data in every {
            add(format!("{x} {data:?}"), Purpose::Edge, data, Unary::new([13, 21]).x(x).alpha(2.0).beta(0.5));
            let cast = Unary::new([13, 21]).x(x).out(Element::F16);
            add(format!("{x} to f16 {data:?}"), Purpose::Edge, data, cast);
        }
    }
    for out in outs(1) {
        for data in every {
            let purpose = if data == Data::Specials { Purpose::Edge } else { Purpose::Smoke };
            let op = Unary::new([13, 21]).x(e4m3(PerToken)).beta(1.0).out(out);
            add(format!("out {out} {data:?}"), purpose, data, op);
        }
    }
    for activation in Activation::ALL {
        for data in [Data::Random, Data::Specials] {
            let op = Unary::new([13, 22]).alpha(1.5).activation(activation);
            let purpose = if data == Data::Random { Purpose::Smoke } else { Purpose::Edge };
            add(format!("{activation:?} {data:?}"), purpose, data, op.clone());
            add(format!("{activation:?} to e4m3fn {data:?}"), Purpose::Edge, data, op.out(e4m3(PerTensor)));
        }
    }
    for f in Format::ALL.into_iter().chain(FLEXIBLE) {
        for overflow in [Overflow::Saturate, Overflow::Strict] {
            let op = Unary::new([13, 10]).alpha(8.0).out(Element::f8(f, PerTensor)).overflow(overflow);
            for data in [Data::SmallIntegers, Data::Specials] {
                add(format!("out {f} {overflow:?} {data:?}"), Purpose::Edge, data, op.clone());
            }
        }
    }
    let gelu = Unary::new([24, 197]).x(Element::F16).activation(Activation::Gelu).out(e4m3(PerToken));
    add("an activation on its own".into(), Purpose::Typical, Data::Random, gelu);

    let gelu = Unary::new([8, 384, 3072]).x(Element::F16).activation(Activation::Gelu);
    add(
        "BERT base, GELU f16 to e4m3fn 8x384x3072".into(),
        Purpose::Bench,
        Data::Random,
        gelu.out(e4m3(PerToken)),
    );
    let cast = Unary::new([4096, 4096]).out(Element::BF16);
    add("f32 to bf16 4096x4096".into(), Purpose::Bench, Data::Random, cast);
    let recode = Unary::new([4096, 4096]).x(e4m3(PerTensor)).out(Element::f8(Format::E5M2, PerTensor));
    add("e4m3fn to e5m2 4096x4096".into(), Purpose::Bench, Data::Random, recode);
    all
}

#[cfg(feature = "gpu")]
fn schedule(o: &Unary, _: &Tuning, caps: &Capabilities) -> Schedule {
    let [x, out] = o.operands().expect("validated").try_into().expect("two operands");
    let (x, out) = (x.layout, out.layout);
    let params =
        Params::new(&[("cols", out.cols()), ("x_quads", x.row_quads()), ("out_quads", out.row_quads())])
            .and(&in_groups!("x", x))
            .and(&binding::out_groups(&out))
            .and(&[("alpha", o.alpha.to_bits()), ("beta", o.beta.to_bits())]);
    let mut stage = StageBuilder::new(shader!("unary/map.wgsl")).input("x", 1, 2, x.element()).output(
        "out",
        3,
        4,
        out.element(),
        o.overflow,
    );
    for d in o.activation.defines() {
        stage = stage.define(d);
    }
    let shared = binding::output_shared(out.element());
    let stage = stage.stream(&[("out_origin", 3, &out), ("x_origin", 1, &x)], &params, shared, caps);
    let reset = out.element().scaling().map(|_| binding::reset(&out, caps));
    Schedule { stages: reset.into_iter().chain([stage]).collect(), workspace: vec![] }
}

fn run(o: &Unary, args: &mut HostArgs<'_>, threads: Threads) {
    let [mut x, mut out] = <[Operand; 2]>::try_from(o.operands().expect("validated")).expect("two operands");
    [x.layout, out.layout] = cpu::long_rows([x.layout, out.layout]);
    let x = cpu::Input::new(&x, args);
    cpu::write(&out, args, threads, |row, v| {
        x.numbers(row, 0, v);
        if o.alpha != 1.0 {
            v.iter_mut().for_each(|v| *v *= o.alpha);
        }
        if o.beta != 0.0 {
            v.iter_mut().for_each(|v| *v += o.beta);
        }
        o.activation.apply_all(v);
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::Arithmetic;
    use crate::tensor::HostTensor;

    #[test]
    fn by_hand() {
        let of = |op: &Unary, x: &[f32]| -> Vec<f64> {
            let tensors = vec![("x", HostTensor::from_f32(x, op.shape.clone()).unwrap())];
            let inputs = Inputs { tensors, arithmetic: Arithmetic::F32 };
            op.reference(&inputs).0.remove(0).1.into_iter().map(|v| v.value).collect()
        };
        let got =
            of(&Unary::new([4]).alpha(2.0).beta(-1.0).activation(Activation::Relu), &[3.0, 0.25, -1.0, 0.5]);
        assert_eq!(got, [5.0, 0.0, 0.0, 0.0]);
        let got = of(&Unary::new([3]), &[-0.0, f32::INFINITY, f32::NAN]);
        assert!(got[0].is_sign_negative() && got[1] == f64::INFINITY && got[2].is_nan());
        let got = of(&Unary::new([2]).alpha(0.0).beta(1.0), &[f32::INFINITY, 7.0]);
        assert!(got[0].is_nan() && got[1] == 1.0);
        // Beyond the range of f32 it is Inf there.
        let got = of(&Unary::new([1]).alpha(1e30).activation(Activation::Sigmoid), &[-1e30]);
        assert_eq!(got, [0.0]);
    }
}
