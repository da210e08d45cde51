//! `gemm`: matrix products with an epilogue.

pub(crate) mod batch;
mod cases;
pub(in crate::ops) mod cpu;
#[cfg(feature = "gpu")]
pub(in crate::ops) mod gpu;
mod orientation;
#[cfg(feature = "gpu")]
pub(in crate::ops) mod pieces;
#[cfg(feature = "gpu")]
pub(in crate::ops) mod product;
#[cfg(test)]
mod tests;

pub use orientation::Orientation;

use super::{
    Activation, Case, Cost, DescriptorError, Inputs, Kernel, Operation, Outputs, Real, TINY,
    expect::{expect_factor, expect_number, expect_per_tensor, unscaled},
    operation::elements,
    real::spoils,
};
use crate::{
    arguments,
    dtype::Overflow,
    tensor::{DType, Draw, Element, Layout, Operand},
};
use batch::Batches;

/// out = act(alpha · s_a · s_b · op(A) · op(B) + bias + residual), then, for an 8-bit `out`, encode(· × inv_scale) with
/// amax and flags.
///
/// * `a`: \[batch_a…, m, k\] and `b`: \[batch_b…, n, k\], or transposed as [`Orientation`] says. Each f32, f16, bf16
///   or any 8-bit format, in any mix and at any granularity. Batches broadcast as NumPy's do: an extent of 1, or none,
///   is shared.
/// * `bias`: \[n\], f32, f16 or bf16, if the descriptor has it.
/// * `residual`: \[batch…, m, n\], f32, f16, bf16 or 8-bit scaled per tensor, if the descriptor has it.
/// * `out`: \[batch…, m, n\], f32, f16, bf16, or 8-bit with given scales.
///
/// Codes stay codes: operands are decoded on the way into registers or panels, sums are f32. Scales that are constant
/// along k leave the sum and are applied once to each result, in an order that stays within the range of f32 unless
/// the result does not; scales that vary along k (128×128 and 1×32 blocks, and channels of a transposed operand)
/// cannot, and are applied as codes are decoded, with one rounding. The epilogue has one order: alpha and scales, bias,
/// residual, activation, amax, code.
///
/// NaN: out\[i, j\] is NaN if line i of A, line j of B, bias j or residual \[i, j\] holds one, whatever the driver's
/// arithmetic does; the record of an 8-bit operand saves looking. Inf follows IEEE where the driver does.
///
/// Error: |out − truth| ≤ L·\[(k + c)·u·Σ|terms|\] + e_act, u = 2⁻²⁴, c the operations of the epilogue, L the slope of
/// the activation, then the rounding of `out`; 0 where every product and partial sum is exact.
///
/// Errors: an extent of 0; batches that do not broadcast; an alpha beyond \[2⁻¹⁰⁰, 2¹⁰⁰\] that is not 0; a format whose
/// products f32 cannot hold ([`Format::is_f32_safe`](crate::dtype::Format::is_f32_safe)); an 8-bit bias; a residual
/// scaled finer than per tensor.
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
    /// Rows of op(A) and of the output.
    pub m: u32,
    /// Columns of op(B) and of the output.
    pub n: u32,
    /// Columns of op(A), rows of op(B).
    pub k: u32,
    /// Which way A and B lie.
    pub orientation: Orientation,
    /// Batches of A, outermost first; none: one matrix.
    pub batch_a: Vec<u32>,
    /// Batches of B.
    pub batch_b: Vec<u32>,
    /// Elements of A.
    pub a: Element,
    /// Elements of B.
    pub b: Element,
    /// Factor of the product.
    pub alpha: f32,
    /// Kind of the bias, if there is one.
    pub bias: Option<DType>,
    /// Elements of the residual, if there is one.
    pub residual: Option<Element>,
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
        /// \[batch_a…, m, k\], or transposed
        a,
        /// \[batch_b…, n, k\], or transposed
        b,
        /// \[batch…, m, n\]
        out,
    } {
        /// \[n\]; exactly when the descriptor has it.
        bias,
        /// \[batch…, m, n\]; exactly when the descriptor has it.
        residual,
    }
}

impl Gemm {
    /// A product of f32 matrices, A · Bᵀ, nothing after it.
    pub fn new(m: u32, n: u32, k: u32) -> Self {
        let f32 = Element::F32;
        Self {
            m,
            n,
            k,
            orientation: Orientation::Nt,
            batch_a: vec![],
            batch_b: vec![],
            a: f32,
            b: f32,
            alpha: 1.0,
            bias: None,
            residual: None,
            activation: Activation::None,
            out: f32,
            overflow: Overflow::Saturate,
        }
    }

    /// Which way A and B lie.
    #[must_use]
    pub fn orientation(self, orientation: Orientation) -> Self {
        Self { orientation, ..self }
    }

    /// As many products, each with an A and a B of its own.
    #[must_use]
    pub fn batch(self, batch: impl Into<Vec<u32>>) -> Self {
        let batch = batch.into();
        Self { batch_a: batch.clone(), batch_b: batch, ..self }
    }

    /// Batches of A.
    #[must_use]
    pub fn batch_a(self, batch: impl Into<Vec<u32>>) -> Self {
        Self { batch_a: batch.into(), ..self }
    }

    /// Batches of B.
    #[must_use]
    pub fn batch_b(self, batch: impl Into<Vec<u32>>) -> Self {
        Self { batch_b: batch.into(), ..self }
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

    /// Factor of the product.
    #[must_use]
    pub fn alpha(self, alpha: f32) -> Self {
        Self { alpha, ..self }
    }

    /// A bias of this kind.
    #[must_use]
    pub fn bias(self, bias: DType) -> Self {
        Self { bias: Some(bias), ..self }
    }

    /// A residual of these elements.
    #[must_use]
    pub fn residual(self, residual: Element) -> Self {
        Self { residual: Some(residual), ..self }
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

    fn fail(what: &'static str, expected: impl Into<String>, got: impl Into<String>) -> DescriptorError {
        DescriptorError::new(Self::NAME, what, expected, got)
    }

    fn batches(&self) -> Batches {
        Batches::new(&self.batch_a, &self.batch_b)
    }
}

/// Where the scales of one side act.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::ops) enum Scaled {
    /// There are none.
    No,
    /// Constant along k: on each result.
    Lines,
    /// They vary along k: on each code as it is decoded.
    AlongK,
}

/// Where the scales of A or B act; `k_rows`: the rows of its storage run along k.
fn scaled(side: &Layout, k_rows: bool) -> Scaled {
    let Some(granularity) = side.element().scaling() else { return Scaled::No };
    let map = granularity.map(side.shape());
    let constant = if k_rows {
        let k = side.shape()[side.shape().len() - 2];
        map.row_groups == 1 || map.row_stride.is_multiple_of(k)
    } else {
        map.col_groups == 1
    };
    if constant { Scaled::Lines } else { Scaled::AlongK }
}

/// The largest exponent of alpha: as far as it and two scales can be multiplied in steps.
const ALPHA_EXPONENT: i32 = 100;

fn expect_alpha(alpha: f32) -> Result<(), DescriptorError> {
    let limit = 2f32.powi(ALPHA_EXPONENT);
    if alpha == 0.0 || (1.0 / limit..=limit).contains(&alpha.abs()) {
        return Ok(());
    }
    Err(Gemm::fail("alpha", "0, or a magnitude from 2^-100 to 2^100", alpha.to_string()))
}

impl Operation for Gemm {
    const NAME: &'static str = "gemm";
    const KERNELS: &'static [Kernel<Self>] = &[
        #[cfg(feature = "gpu")]
        Kernel::gpu("register", gpu::register_tunings, gpu::register),
        #[cfg(feature = "gpu")]
        Kernel::gpu("tiled", gpu::tiled_tunings, gpu::tiled),
        Kernel::cpu(cpu::run),
    ];

    fn operands(&self) -> Result<Vec<Operand>, DescriptorError> {
        for (what, extent) in [("m", self.m), ("n", self.n), ("k", self.k)] {
            if extent == 0 {
                return Err(Self::fail(what, "1 or more", "0"));
            }
        }
        for (what, batch) in [("batch_a", &self.batch_a), ("batch_b", &self.batch_b)] {
            if batch.contains(&0) {
                return Err(Self::fail(what, "extents of 1 or more", format!("{batch:?}")));
            }
        }
        let Some(batch) = batch::broadcast(&self.batch_a, &self.batch_b) else {
            let expected = format!("extents that are 1 or those of batch_a, {:?}", self.batch_a);
            return Err(Self::fail("batch_b", expected, format!("{:?}", self.batch_b)));
        };
        expect_alpha(self.alpha)?;
        expect_factor(Self::NAME, "a", self.a)?;
        expect_factor(Self::NAME, "b", self.b)?;
        expect_number(Self::NAME, "out", self.out)?;
        let shape = |batch: &[u32], rows, cols| [batch, &[rows, cols]].concat();
        let (m, n, k) = (self.m, self.n, self.k);
        let a = if self.orientation.a_k_rows() { (k, m) } else { (m, k) };
        let b = if self.orientation.b_k_rows() { (k, n) } else { (n, k) };
        let operand = |role, shape: Vec<u32>, e| {
            Operand::read(role, shape, e).map_err(DescriptorError::layout(Self::NAME, role))
        };
        let side = |o: Operand, k_rows| match scaled(&o.layout, k_rows) {
            Scaled::AlongK => o.draw(Draw::Moderate),
            _ => o,
        };
        let mut all = vec![
            side(operand("a", shape(&self.batch_a, a.0, a.1), self.a)?, self.orientation.a_k_rows()),
            side(operand("b", shape(&self.batch_b, b.0, b.1), self.b)?, self.orientation.b_k_rows()),
        ];
        if let Some(bias) = self.bias {
            all.push(operand("bias", vec![n], unscaled(Self::NAME, "bias", bias)?)?);
        }
        if let Some(residual) = self.residual {
            expect_number(Self::NAME, "residual", residual)?;
            expect_per_tensor(Self::NAME, "residual", residual)?;
            all.push(operand("residual", shape(&batch, m, n), residual)?);
        }
        let out = Operand::write("out", shape(&batch, m, n), self.out);
        all.push(out.map_err(DescriptorError::layout(Self::NAME, "out"))?.overflow(self.overflow));
        Ok(all)
    }

    elements!(a, b, out; residual);

    fn variant(&self) -> String {
        let kinds = [self.a, self.b, self.out].map(|e| e.dtype().to_string());
        format!("{}.{}", kinds.join("_"), self.orientation.name())
    }

    fn cost(&self) -> Cost {
        let product = |x: &[u32]| x.iter().fold(1u64, |n, &d| n.saturating_mul(d.into()));
        let batch = |x: &[u32]| u32::try_from(product(x)).unwrap_or(u32::MAX);
        let all = batch::broadcast(&self.batch_a, &self.batch_b).map_or(1, |b| batch(&b));
        let bytes = |batches, rows, cols, e: Element| product(&[batches, rows, cols, e.dtype().bytes()]);
        let (m, n, k) = (self.m, self.n, self.k);
        let residual = self.residual.map_or(0, |e| bytes(all, m, n, e));
        let parts = [
            bytes(batch(&self.batch_a), m, k, self.a),
            bytes(batch(&self.batch_b), n, k, self.b),
            bytes(all, m, n, self.out),
            residual,
        ];
        Cost { flops: product(&[2, all, m, n, k]), bytes: parts.into_iter().fold(0, u64::saturating_add) }
    }

    fn reference(&self, x: &Inputs) -> Outputs {
        let (m, n, k) = (self.m as usize, self.n as usize, self.k as usize);
        let a = Lines::new(x, "a", k, self.orientation.a_k_rows());
        let b = Lines::new(x, "b", k, self.orientation.b_k_rows());
        let bias = self.bias.map(|_| x.real("bias"));
        let residual = self.residual.map(|_| x.real("residual"));
        let batches = self.batches();
        let alpha = Real::exact(self.alpha.into());
        let mut out = Vec::with_capacity(batches.count() as usize * m * n);
        let tiny = |v: f64| v != 0.0 && v.abs() < TINY;
        let any_tiny = a.any(tiny) || b.any(tiny);
        for (of_a, of_b) in (0..batches.count() as usize).map(|i| batches.sides(i)) {
            for i in of_a * m..(of_a + 1) * m {
                for j in 0..n {
                    let (codes_a, codes_b) = (a.line(i), b.line(of_b * n + j));
                    let mut v = if a.scaled == Scaled::AlongK || b.scaled == Scaled::AlongK {
                        let terms = a.real(i).zip(b.real(of_b * n + j)).map(|(a, b)| a * b);
                        Real::sum(terms, x.arithmetic.chain)
                    } else {
                        Real::dot(codes_a, codes_b, x.arithmetic.chain)
                    };
                    let factors = [a.factor(i), b.factor(of_b * n + j), (self.alpha != 1.0).then_some(alpha)];
                    if let Some(f) = factors.into_iter().flatten().reduce(|f, g| f * g) {
                        v = v * f;
                    }
                    if let Some(bias) = &bias {
                        v = v + bias[j];
                    }
                    if let Some(residual) = &residual {
                        v = v + residual[out.len()];
                    }
                    let v = self.activation.real(v);
                    let spoilt = any_tiny
                        && a.real(i).zip(b.real(of_b * n + j)).any(|(x, y)| spoils(x.value, y.value));
                    out.push(if spoilt { v.or_nan() } else { v });
                }
            }
        }
        Outputs(vec![("out", out)])
    }

    fn cases() -> Vec<Case<Self>> {
        cases::all()
    }
}

/// One side of the product as the reference reads it: lines along k, whichever way it lies.
struct Lines {
    k: usize,
    codes: Vec<f64>,
    scales: Vec<f64>,
    scaled: Scaled,
}

impl Lines {
    fn new(x: &Inputs, role: &str, k: usize, k_rows: bool) -> Self {
        let layout = x.tensor(role).layout();
        let turn = |v: Vec<f64>| {
            if !k_rows {
                return v;
            }
            let lines = layout.cols() as usize;
            let matrix = |m: &[f64]| (0..k * lines).map(|i| m[i % k * lines + i / k]).collect::<Vec<_>>();
            v.chunks_exact(k * lines).flat_map(matrix).collect()
        };
        let scaled = scaled(layout, k_rows);
        Self { k, codes: turn(x.codes(role)), scales: turn(x.scales(role)), scaled }
    }

    fn line(&self, i: usize) -> &[f64] {
        &self.codes[i * self.k..][..self.k]
    }

    /// Numbers of a line as they enter the sum.
    fn real(&self, i: usize) -> impl Iterator<Item = Real> + '_ {
        let scales = &self.scales[i * self.k..];
        self.line(i).iter().zip(scales).map(|(&c, &s)| match self.scaled {
            Scaled::AlongK => Real::exact(c) * Real::exact(s),
            _ => Real::exact(c),
        })
    }

    /// Whether any number, as it enters the sum, is such a one.
    fn any(&self, such: impl Fn(f64) -> bool) -> bool {
        (0..self.codes.len() / self.k).any(|i| self.real(i).any(|v| such(v.value)))
    }

    /// The scale that leaves the sum.
    fn factor(&self, i: usize) -> Option<Real> {
        (self.scaled == Scaled::Lines).then(|| Real::exact(self.scales[i * self.k]))
    }
}
