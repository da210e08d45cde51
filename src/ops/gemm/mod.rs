//! `gemm`: matrix products with an epilogue.

mod cases;
mod cpu;
#[cfg(feature = "gpu")]
mod gpu;
#[cfg(test)]
mod tests;

use super::{
    Activation, Arithmetic, Body, Case, Cost, DescriptorError, Inputs, Kernel, Operation, Outputs, Real,
    quantize::{expect_computed, unscaled},
};
use crate::{
    arguments,
    dtype::Overflow,
    scale::Granularity,
    tensor::{DType, Element, Operand},
};

/// out = act(s_a · s_b · A · Bᵀ + bias), then, for an 8-bit `out`, encode(· × inv_scale) with amax and flags.
///
/// * `a`: \[m, k\]; `b`: \[n, k\] (the NT product: both contiguous along k, as weights are stored). Each f32, f16,
///   bf16 or any 8-bit format, in any mix; 8-bit operands are scaled per tensor or along axis 0 (per channel, per
///   token).
/// * `bias`: \[n\], f32, f16 or bf16, if the descriptor has it.
/// * `out`: \[m, n\], f32, f16, bf16, or 8-bit with given scales (per tensor, per channel, per token).
///
/// Codes stay codes: operands are decoded on the way into registers or panels, sums are f32. The epilogue has one
/// order: scales, bias, activation, amax, code.
///
/// NaN: out\[i, j\] is NaN if row i of A, row j of B or bias j holds one, whatever the driver's arithmetic does; the
/// record of an 8-bit operand saves looking. Inf follows IEEE where the driver does.
///
/// Error: |out − truth| ≤ L·\[(k + c)·u·Σ|terms|\] + e_act, u = 2⁻²⁴, c the operations of the epilogue, L the slope of
/// the activation, then the rounding of `out`; 0 where every product and partial sum is exact.
///
/// Errors: an extent of 0; scales that vary along k (they cannot leave the sum); block scales, not computed yet;
/// an 8-bit bias; a format whose products f32 cannot hold ([`Format::is_f32_safe`](crate::dtype::Format::is_f32_safe)).
///
/// ```
/// use quarter::{Context, dtype::Format, scale::Granularity, tensor::*, ops::*};
/// let ctx = Context::cpu();
/// let w = HostTensor::from_f32(&[1.0, 2.0, 3.5, 0.5, 1.0, -1.75], [2, 3])?;
/// let w = ctx.upload_blocking(&w.quantize(Format::E4M3FN, Granularity::PerChannel { axis: 0 })?)?;
/// let x = ctx.upload_blocking(&HostTensor::from_f32(&[1.0, 0.0, -1.0], [1, 3])?)?;
/// let gemm = Gemm::new(1, 2, 3).b(w.layout().element()); // one byte per weight
/// let y = ctx.empty_blocking(&Layout::new([1, 2], Element::F32)?)?;
/// ctx.run([&ctx.plan_blocking(&gemm)?.bind(&GemmArgs::new(&x, &w, &y))?])?;
/// let y = ctx.download_blocking(&y)?.to_f32();
/// assert_eq!(y, [-2.5, 2.25]); // exact: these weights are codes × 2^-7 and 2^-8
/// # Ok::<(), quarter::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Gemm {
    /// Rows of A and of the output.
    pub m: u32,
    /// Rows of B, columns of the output.
    pub n: u32,
    /// Columns of A and of B.
    pub k: u32,
    /// Elements of A.
    pub a: Element,
    /// Elements of B.
    pub b: Element,
    /// Kind of the bias, if there is one.
    pub bias: Option<DType>,
    /// The function at the end.
    pub activation: Activation,
    /// Elements of the output.
    pub out: Element,
    /// What becomes of numbers beyond the largest code of an 8-bit output.
    pub overflow: Overflow,
}

arguments! {
    /// Tensors of one [`Gemm`].
    pub struct GemmArgs for Gemm {
        /// \[m, k\]
        a,
        /// \[n, k\]
        b,
        /// \[m, n\]
        out,
    } {
        /// \[n\]; exactly when the descriptor has it.
        bias,
    }
}

impl Gemm {
    /// A product of f32 matrices, nothing after it.
    pub fn new(m: u32, n: u32, k: u32) -> Self {
        let (f32, overflow) = (Element::F32, Overflow::Saturate);
        Self { m, n, k, a: f32, b: f32, bias: None, activation: Activation::None, out: f32, overflow }
    }

    /// Elements of A.
    #[must_use]
    pub fn a(self, a: Element) -> Self {
        Self { a, ..self }
    }

    /// Elements of B.
    #[must_use]
    pub fn b(self, b: Element) -> Self {
        Self { b, ..self }
    }

    /// A bias of this kind.
    #[must_use]
    pub fn bias(self, bias: DType) -> Self {
        Self { bias: Some(bias), ..self }
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

/// Scales must be constant along k: what varies there cannot leave the sum.
fn expect_outer(what: &'static str, e: Element) -> Result<(), DescriptorError> {
    expect_computed(Gemm::NAME, what, e)?;
    if let Some(f) = e.format().filter(|f| !f.is_f32_safe()) {
        return Err(DescriptorError::new(
            Gemm::NAME,
            what,
            "a format whose products are exact and normal in f32: magnitudes in [2^-63, 2^64)",
            format!("{f}, from {:e} to {:e}", f.min_positive_subnormal(), f.max()),
        ));
    }
    match e.scaling() {
        Some(g @ Granularity::PerChannel { axis }) if axis != 0 => Err(DescriptorError::new(
            Gemm::NAME,
            what,
            "scales per tensor or along axis 0",
            format!("{g}: a scale that varies along k cannot leave the sum"),
        )),
        _ => Ok(()),
    }
}

impl Operation for Gemm {
    const NAME: &'static str = "gemm";
    const KERNELS: &'static [Kernel<Self>] = &[
        #[cfg(feature = "gpu")]
        Kernel {
            name: "register",
            arithmetic: Arithmetic::F32,
            body: Body::Gpu {
                requires: wgpu::Features::empty(),
                tunings: gpu::register_tunings,
                schedule: gpu::register,
            },
        },
        #[cfg(feature = "gpu")]
        Kernel {
            name: "tiled",
            arithmetic: Arithmetic::F32,
            body: Body::Gpu {
                requires: wgpu::Features::empty(),
                tunings: gpu::tiled_tunings,
                schedule: gpu::tiled,
            },
        },
        Kernel {
            name: "cpu",
            arithmetic: Arithmetic::F32,
            body: Body::Cpu { accepts: |_| Ok(()), run: cpu::run },
        },
    ];

    fn operands(&self) -> Result<Vec<Operand>, DescriptorError> {
        let operand = |role, shape: &[u32], e| {
            Operand::read(role, shape, e).map_err(DescriptorError::layout(Self::NAME, role))
        };
        for (what, extent) in [("m", self.m), ("n", self.n), ("k", self.k)] {
            if extent == 0 {
                return Err(DescriptorError::new(Self::NAME, what, "1 or more", "0"));
            }
        }
        expect_outer("a", self.a)?;
        expect_outer("b", self.b)?;
        expect_computed(Self::NAME, "out", self.out)?;
        let mut all =
            vec![operand("a", &[self.m, self.k], self.a)?, operand("b", &[self.n, self.k], self.b)?];
        if let Some(bias) = self.bias {
            all.push(operand("bias", &[self.n], unscaled(Self::NAME, "bias", bias)?)?);
        }
        let out = Operand::write("out", [self.m, self.n], self.out);
        all.push(out.map_err(DescriptorError::layout(Self::NAME, "out"))?.overflow(self.overflow));
        Ok(all)
    }

    fn variant(&self) -> String {
        format!("{}_{}_{}.nt", self.a.dtype(), self.b.dtype(), self.out.dtype())
    }

    fn cost(&self) -> Cost {
        let product = |x: &[u32]| x.iter().fold(1u64, |n, &d| n.saturating_mul(d.into()));
        let bytes = |rows, cols, e: Element| product(&[rows, cols, e.dtype().bytes()]);
        let (a, b) = (bytes(self.m, self.k, self.a), bytes(self.n, self.k, self.b));
        let out = bytes(self.m, self.n, self.out);
        Cost { flops: product(&[2, self.m, self.n, self.k]), bytes: a.saturating_add(b).saturating_add(out) }
    }

    fn reference(&self, x: &Inputs) -> Outputs {
        let (a, b) = (x.codes("a"), x.codes("b"));
        let (s_a, s_b) = (x.scales("a"), x.scales("b"));
        let bias = self.bias.map(|_| x.real("bias"));
        let (n, k) = (self.n as usize, self.k as usize);
        let mut out = Vec::with_capacity(self.m as usize * n);
        for (row, s_a) in a.chunks_exact(k).zip(s_a.chunks_exact(k)) {
            for (j, (col, s_b)) in b.chunks_exact(k).zip(s_b.chunks_exact(k)).enumerate() {
                let mut v = Real::dot(row, col, x.arithmetic.chain);
                if self.a.scaling().is_some() || self.b.scaling().is_some() {
                    v = v * (Real::exact(s_a[0]) * Real::exact(s_b[0]));
                }
                if let Some(bias) = &bias {
                    v = v + bias[j];
                }
                out.push(self.activation.real(v));
            }
        }
        Outputs(vec![("out", out)])
    }

    fn cases() -> Vec<Case<Self>> {
        cases::all()
    }
}
