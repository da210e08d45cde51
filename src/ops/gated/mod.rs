//! `gated`: an activation that opens and closes for another tensor.

mod cases;
#[cfg(feature = "gpu")]
mod gpu;
#[cfg(test)]
mod tests;

use super::{
    Activation, Case, Cost, DescriptorError, Inputs, Kernel, Operation, Outputs, Real, binary::spoils,
    expect::expect_number,
};
use crate::{
    arguments,
    cpu::{self, HostArgs, Threads},
    dtype::Overflow,
    tensor::{Draw, Element, Operand},
};

/// Where the two tensors of a [`Gated`] are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Halves {
    /// Two operands, `gate` and `up`.
    #[default]
    Apart,
    /// One operand, `x`: the gate is the first half of every row.
    GateFirst,
    /// One operand, `x`: the gate is the second half of every row.
    GateSecond,
}

/// out = act(gate) · up: SwiGLU with [`Activation::Silu`], GeGLU with `Gelu` or `GeluTanh`, ReGLU with `Relu`, the gated linear
/// unit with `Sigmoid`.
///
/// * `gate` and `up`: `shape`, each f32, f16, bf16 or 8-bit at any granularity, code × scale; or
/// * `x`: `shape` with twice its last extent, both side by side in every row: one product of a feed-forward block makes it.
/// * `out`: `shape`, f32, f16, bf16, or 8-bit with given scales.
///
/// NaN stays NaN; 0 · Inf is NaN; where a driver takes a number below 2⁻¹²⁶ for zero, that number times Inf may be.
///
/// Source: N. Shazeer, *GLU Variants Improve Transformer* (arXiv 2002.05202). `torch.nn.GLU` has its gate second.
///
/// Error: that of the activation, times up, and one f32 multiplication; then the rounding of `out`.
///
/// Errors: integers; an x, where there is one, of more than 2³² − 1 columns; shapes that
/// cannot be.
///
/// ```
/// use quarter::{Context, ops::*, tensor::*};
/// let ctx = Context::cpu();
/// let x = ctx.upload_blocking(&HostTensor::from_f32(&[-1.0, 2.0, 3.0, 4.0], [1, 4])?)?;
/// let out = ctx.empty_blocking(&Layout::new([1, 2], Element::F32)?)?;
/// let op = Gated::new([1, 2], Activation::Relu).halves(Halves::GateFirst);
/// ctx.run([&ctx.plan_blocking(&op)?.bind(&GatedArgs::new(&out).x(&x))?])?;
/// assert_eq!(ctx.download_blocking(&out)?.to_f32(), [0.0, 8.0]);
/// # Ok::<(), quarter::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Gated {
    /// Shape of the output.
    pub shape: Vec<u32>,
    /// Where gate and up are.
    pub halves: Halves,
    /// Elements of `gate`, or of `x`.
    pub gate: Element,
    /// Elements of `up`, where it is an operand.
    pub up: Element,
    /// The function of the gate.
    pub activation: Activation,
    /// Elements of the output.
    pub out: Element,
    /// What becomes of numbers beyond the largest code of an 8-bit output.
    pub overflow: Overflow,
}

arguments! {
    /// Tensors of one [`Gated`]: `out`, and `gate` and `up`, or `x`, as the descriptor has it.
    pub struct GatedArgs for Gated {
        /// What comes out.
        out,
    } {
        /// What opens and closes.
        gate,
        /// What passes.
        up,
        /// Both, side by side.
        x,
    }
}

impl Gated {
    /// Two f32 operands to f32.
    pub fn new(shape: impl Into<Vec<u32>>, activation: Activation) -> Self {
        Self {
            shape: shape.into(),
            halves: Halves::Apart,
            gate: Element::F32,
            up: Element::F32,
            activation,
            out: Element::F32,
            overflow: Overflow::Saturate,
        }
    }

    /// Where gate and up are.
    #[must_use]
    pub fn halves(self, halves: Halves) -> Self {
        Self { halves, ..self }
    }

    /// Elements of the gate, or of the one operand.
    #[must_use]
    pub fn gate(self, gate: Element) -> Self {
        Self { gate, ..self }
    }

    /// Elements of what passes, where it is an operand.
    #[must_use]
    pub fn up(self, up: Element) -> Self {
        Self { up, ..self }
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

    /// First columns of gate and up in a row of both.
    fn columns(&self) -> (u32, u32) {
        let n = self.shape[self.shape.len() - 1];
        if self.halves == Halves::GateSecond { (n, 0) } else { (0, n) }
    }
}

impl Operation for Gated {
    const NAME: &'static str = "gated";
    const KERNELS: &'static [Kernel<Self>] = &[
        #[cfg(feature = "gpu")]
        Kernel::gpu("plain", |_, _| Ok(vec![crate::gpu::Tuning::new("", &[])]), gpu::schedule),
        Kernel::cpu(run),
    ];

    fn operands(&self) -> Result<Vec<Operand>, DescriptorError> {
        let (first, apart) = if self.halves == Halves::Apart { ("gate", true) } else { ("x", false) };
        expect_number(Self::NAME, first, self.gate)?;
        expect_number(Self::NAME, "out", self.out)?;
        let layout = |role| DescriptorError::layout(Self::NAME, role);
        // Before the operands: it is the shape that was given.
        let out = Operand::write("out", self.shape.clone(), self.out).map_err(layout("out"))?;
        let out = out.overflow(self.overflow);
        let read = |role: &'static str, shape: Vec<u32>, e| {
            Ok::<_, DescriptorError>(
                Operand::read(role, shape, e).map_err(layout(role))?.draw(Draw::Moderate),
            )
        };
        if apart {
            expect_number(Self::NAME, "up", self.up)?;
            return Ok(vec![
                read("gate", self.shape.clone(), self.gate)?,
                read("up", self.shape.clone(), self.up)?,
                out,
            ]);
        }
        let mut both = self.shape.clone();
        let cols = both.last_mut().expect("an axis");
        *cols = cols.checked_mul(2).ok_or_else(|| {
            DescriptorError::new(Self::NAME, "shape", "2^31 - 1 columns at most", cols.to_string())
        })?;
        Ok(vec![read("x", both, self.gate)?, out])
    }

    fn variant(&self) -> String {
        let kinds = [self.gate, self.up, self.out].map(|e| e.dtype().to_string());
        match self.halves {
            Halves::Apart => kinds.join("_"),
            _ => format!("packed.{}_{}", kinds[0], kinds[2]),
        }
    }

    fn cost(&self) -> Cost {
        let n = self.shape.iter().fold(1u64, |n, &d| n.saturating_mul(d.into()));
        let up = if self.halves == Halves::Apart { self.up } else { self.gate };
        let bytes = [self.gate, up, self.out].into_iter().map(|e| u64::from(e.dtype().bytes())).sum();
        Cost { flops: n.saturating_mul(2), bytes: n.saturating_mul(bytes) }
    }

    fn reference(&self, x: &Inputs) -> Outputs {
        let pairs: Vec<(Real, Real)> = if self.halves == Halves::Apart {
            x.real("gate").into_iter().zip(x.real("up")).collect()
        } else {
            let (both, n) = (x.real("x"), self.shape[self.shape.len() - 1] as usize);
            let (gate, up) = self.columns();
            let row =
                |r: &[Real]| (0..n).map(|j| (r[gate as usize + j], r[up as usize + j])).collect::<Vec<_>>();
            both.chunks_exact(2 * n).flat_map(row).collect()
        };
        let of = |(gate, up): (Real, Real)| {
            let gate = self.activation.real(gate);
            let v = (gate * up).in_f32();
            if spoils(gate, up) { v.or_nan() } else { v }
        };
        Outputs(vec![("out", pairs.into_iter().map(of).collect())])
    }

    fn cases() -> Vec<Case<Self>> {
        cases::all()
    }
}

fn run(o: &Gated, args: &mut HostArgs<'_>, threads: Threads) {
    let operands = o.operands().expect("validated");
    let inputs: Vec<_> = operands[..operands.len() - 1].iter().map(|o| cpu::Input::new(o, args)).collect();
    let (gate, up) = if o.halves == Halves::Apart { (0, 0) } else { o.columns() };
    let out = operands.last().expect("an operand of gated");
    cpu::write(out, args, threads, |row, v| {
        let mut w = vec![0.0; v.len()];
        inputs[0].numbers(row, gate as usize, v);
        inputs[inputs.len() - 1].numbers(row, up as usize, &mut w);
        o.activation.apply_all(v);
        v.iter_mut().zip(w).for_each(|(v, w)| *v *= w);
    });
}
