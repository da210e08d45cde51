//! `binary`: sums, differences, products and quotients of two tensors that broadcast.

mod cases;
#[cfg(feature = "gpu")]
mod gpu;
#[cfg(test)]
mod tests;

use super::{
    Activation, Case, Cost, DescriptorError, Inputs, Kernel, Operation, Outputs, Real, TINY,
    expect::expect_number,
    gemm::batch::{self, Batches},
    operation::elements,
};
use crate::{
    arguments,
    cpu::{self, HostArgs, Threads},
    dtype::Overflow,
    tensor::{Draw, Element, Operand},
};

/// What a [`Binary`] makes of two numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BinaryOp {
    /// a + b
    Add,
    /// a − b
    Sub,
    /// a · b
    Mul,
    /// a / b
    Div,
}

/// out = act(a op b), op one of + − · /.
///
/// * `a`: `a_shape` and `b`: `b_shape`, each f32, f16, bf16 or 8-bit at any granularity, code × scale; so each has a scale of
///   its own. They broadcast as NumPy's do: aligned at the last axis, an extent of 1, or none, is shared.
/// * `out`: the shape of both together, f32, f16, bf16, or 8-bit with given scales.
///
/// f32 arithmetic; then the activation, amax and code. NaN, Inf and division by zero are IEEE's: x / 0 is ±Inf, 0 / 0 and
/// 0 · Inf are NaN, whatever the driver does. In a division numbers below 2⁻¹²⁶ count as zeros of their sign, on every
/// backend; elsewhere a driver may flush them, so that such a number times Inf may be NaN.
///
/// Source: `torch.add` and its like, ONNX Add, Sub, Mul, Div.
///
/// Error: one f32 operation after the scales, division within 2.5 ulp as WGSL has it; that of the activation; the rounding of
/// `out`. Exact where the result is a number of f32 (a quotient: where the divisor is a power of two).
///
/// Errors: shapes that do not broadcast; integers; shapes that cannot be.
///
/// ```
/// use quarter::{Context, ops::*, tensor::*};
/// let ctx = Context::cpu();
/// let a = ctx.upload_blocking(&HostTensor::from_f32(&[1.0, 2.0, 3.0, 4.0], [2, 2])?)?;
/// let b = ctx.upload_blocking(&HostTensor::from_f32(&[1.0, -4.0], [2, 1])?)?;
/// let out = ctx.empty_blocking(a.layout())?;
/// let op = Binary::new(BinaryOp::Add, [2, 2], [2, 1]).activation(Activation::Relu);
/// ctx.run([&ctx.plan_blocking(&op)?.bind(&BinaryArgs::new(&a, &b, &out))?])?;
/// assert_eq!(ctx.download_blocking(&out)?.to_f32(), [2.0, 3.0, 0.0, 0.0]);
/// # Ok::<(), quarter::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Binary {
    /// What is made of two numbers.
    pub op: BinaryOp,
    /// Shape of `a`.
    pub a_shape: Vec<u32>,
    /// Shape of `b`.
    pub b_shape: Vec<u32>,
    /// Elements of `a`.
    pub a: Element,
    /// Elements of `b`.
    pub b: Element,
    /// The function at the end.
    pub activation: Activation,
    /// Elements of the output.
    pub out: Element,
    /// What becomes of numbers beyond the largest code of an 8-bit output.
    pub overflow: Overflow,
}

arguments! {
    /// Tensors of one [`Binary`].
    pub struct BinaryArgs for Binary {
        /// The first.
        a,
        /// The second.
        b,
        /// What is made of them.
        out,
    } {}
}

impl Binary {
    /// Of f32 tensors to f32, nothing after it.
    pub fn new(op: BinaryOp, a_shape: impl Into<Vec<u32>>, b_shape: impl Into<Vec<u32>>) -> Self {
        Self {
            op,
            a_shape: a_shape.into(),
            b_shape: b_shape.into(),
            a: Element::F32,
            b: Element::F32,
            activation: Activation::None,
            out: Element::F32,
            overflow: Overflow::Saturate,
        }
    }

    /// Elements of `a`.
    #[must_use]
    pub fn a(self, a: Element) -> Self {
        Self { a, ..self }
    }

    /// Elements of `b`.
    #[must_use]
    pub fn b(self, b: Element) -> Self {
        Self { b, ..self }
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

    /// Rows of both beside rows of the output.
    fn rows(&self) -> Batches {
        let outer = |shape: &[u32]| shape[..shape.len() - 1].to_vec();
        Batches::new(&outer(&self.a_shape), &outer(&self.b_shape))
    }
}

impl Operation for Binary {
    const NAME: &'static str = "binary";
    const KERNELS: &'static [Kernel<Self>] = &[
        #[cfg(feature = "gpu")]
        Kernel::gpu("plain", gpu::tunings, gpu::schedule),
        Kernel::cpu(run),
    ];

    fn operands(&self) -> Result<Vec<Operand>, DescriptorError> {
        expect_number(Self::NAME, "a", self.a)?;
        expect_number(Self::NAME, "b", self.b)?;
        expect_number(Self::NAME, "out", self.out)?;
        let layout = |role| DescriptorError::layout(Self::NAME, role);
        let a = Operand::read("a", self.a_shape.clone(), self.a).map_err(layout("a"))?;
        let b = Operand::read("b", self.b_shape.clone(), self.b).map_err(layout("b"))?;
        let Some(shape) = batch::broadcast(&self.a_shape, &self.b_shape) else {
            let expected = format!("extents that are 1 or those of a_shape, {:?}", self.a_shape);
            return Err(DescriptorError::new(Self::NAME, "b_shape", expected, format!("{:?}", self.b_shape)));
        };
        let b = if self.op == BinaryOp::Div { b.draw(Draw::Powers) } else { b };
        Ok(vec![a, b, Operand::write("out", shape, self.out).map_err(layout("out"))?.overflow(self.overflow)])
    }

    elements!(a, b, out;);

    fn variant(&self) -> String {
        let kinds = [self.a, self.b, self.out].map(|e| e.dtype().to_string());
        format!("{:?}.{}", self.op, kinds.join("_")).to_lowercase()
    }

    fn cost(&self) -> Cost {
        let product = |x: &[u32]| x.iter().fold(1u64, |n, &d| n.saturating_mul(d.into()));
        let n = batch::broadcast(&self.a_shape, &self.b_shape).map_or(0, |s| product(&s));
        let bytes = |n: u64, e: Element| n.saturating_mul(e.dtype().bytes().into());
        let parts = [
            bytes(product(&self.a_shape), self.a),
            bytes(product(&self.b_shape), self.b),
            bytes(n, self.out),
        ];
        Cost { flops: n, bytes: parts.into_iter().fold(0, u64::saturating_add) }
    }

    fn reference(&self, x: &Inputs) -> Outputs {
        let [a, b] = ["a", "b"].map(|role| (x.real(role), x.tensor(role).layout().cols() as usize));
        let cols = a.1.max(b.1);
        let rows = self.rows();
        let at = |(v, own): &(Vec<Real>, usize), row: usize, col: usize| v[row * own + col.min(own - 1)];
        let of = |i: usize| {
            let (of_a, of_b) = rows.sides(i / cols);
            let (a, b) = (at(&a, of_a, i % cols), at(&b, of_b, i % cols));
            let v = match self.op {
                BinaryOp::Add => a + b,
                BinaryOp::Sub => a - b,
                BinaryOp::Mul => a * b,
                BinaryOp::Div => quotient(a, b),
            };
            let v = self.activation.real(v.in_f32());
            if self.op == BinaryOp::Mul && spoils(a, b) { v.or_nan() } else { v }
        };
        Outputs(vec![("out", (0..rows.count() as usize * cols).map(of).collect())])
    }

    fn cases() -> Vec<Case<Self>> {
        cases::all()
    }
}

/// Whether a driver that takes a subnormal for zero makes NaN of their product.
pub(crate) fn spoils(a: Real, b: Real) -> bool {
    let tiny = |v: f64| v != 0.0 && v.abs() < TINY;
    (tiny(a.value) && b.value.is_infinite()) || (a.value.is_infinite() && tiny(b.value))
}

/// a / b where what is below 2⁻¹²⁶ counts as zero of its sign.
fn quotient(a: Real, b: Real) -> Real {
    let flushed = |v: f64| if v.abs() < TINY { 0.0f64.copysign(v) } else { v };
    let (x, y) = (flushed(a.value), flushed(b.value));
    let q = x / y;
    // No arithmetic, but cases.
    if x == 0.0 || y == 0.0 || !q.is_finite() || y.is_infinite() { Real::exact(q) } else { a / b }
}

/// The same in f32.
fn divide(a: f32, b: f32) -> f32 {
    let flushed = |v: f32| if v.abs() < f32::MIN_POSITIVE { 0.0f32.copysign(v) } else { v };
    flushed(a) / flushed(b)
}

fn run(o: &Binary, args: &mut HostArgs<'_>, threads: Threads) {
    let [a, b, out] = o.operands().expect("validated").try_into().expect("three operands");
    let (a, b) = (cpu::Input::new(&a, args), cpu::Input::new(&b, args));
    let rows = o.rows();
    cpu::write(&out, args, threads, |row, v| {
        let (of_a, of_b) = rows.sides(row);
        let mut w = vec![0.0; v.len()];
        a.spread(of_a, v);
        b.spread(of_b, &mut w);
        let pairs = v.iter_mut().zip(&w);
        match o.op {
            BinaryOp::Add => pairs.for_each(|(v, w)| *v += w),
            BinaryOp::Sub => pairs.for_each(|(v, w)| *v -= w),
            BinaryOp::Mul => pairs.for_each(|(v, w)| *v *= w),
            BinaryOp::Div => pairs.for_each(|(v, w)| *v = divide(*v, *w)),
        }
        o.activation.apply_all(v);
    });
}
