//! `embedding`: rows of a table by index.

mod cases;
#[cfg(feature = "gpu")]
mod gpu;
#[cfg(test)]
mod tests;

use super::{
    Case, Cost, DescriptorError, Inputs, Kernel, Operation, Outputs, Real, expect::expect_number,
    operation::elements,
};
use crate::{
    arguments,
    cpu::{self, HostArgs, Threads},
    dtype::Overflow,
    scale::flags,
    tensor::{Draw, Element, Layout, Operand, values},
};

/// out\[i…, :\] = table\[index\[i…\], :\] + residual\[i…, :\], code × scale.
///
/// * `index`: `indices`, u32.
/// * `table`: \[vocabulary, dim\], f32, f16, bf16 or 8-bit at any granularity: per tensor, per row (`PerToken`), per block.
/// * `residual`: \[indices…, dim\], f32, f16, bf16 or 8-bit at any granularity, if the descriptor has it: position
///   embeddings.
/// * `out`: \[indices…, dim\], f32, f16, bf16, or 8-bit with given scales.
/// * `status`: \[1\], u32, written, if the descriptor has it: how many indices are beyond the table.
///
/// An index beyond the table looks up zeros, on every backend, and is told of where there is a place for it: `status`, and
/// the flag [`INDEX`](crate::scale::flags::INDEX) in the record of an 8-bit `out`. It is data, so no call can fail by it.
///
/// Source: `torch.nn.Embedding` without `max_norm`; the Gather of ONNX along axis 0, but for negative indices.
///
/// Error: that of one f32 multiplication where the table is scaled, and of one addition where there is a residual; then the
/// rounding of `out`. NaN stays NaN.
///
/// Errors: a table, residual or output of integers; shapes that cannot be.
///
/// ```
/// use quarter::{Context, dtype::Format, ops::*, scale::Granularity, tensor::*};
/// let ctx = Context::cpu();
/// let table = HostTensor::from_f32(&[1.75, 3.5, -3.5, 0.875], [2, 2])?;
/// let table = ctx.upload_blocking(&table.quantize(Format::E4M3FN, Granularity::PerToken)?)?;
/// let index = ctx.upload_blocking(&HostTensor::from_u32(&[1, 0, 7], [3])?)?;
/// let op = Embedding::new([3], 2, 2).table(table.layout().element()).status();
/// let out = ctx.empty_blocking(&Layout::new([3, 2], Element::F32)?)?;
/// let status = ctx.empty_blocking(&Layout::new([1], Element::U32)?)?;
/// let args = EmbeddingArgs::new(&index, &table, &out).status(&status);
/// ctx.run([&ctx.plan_blocking(&op)?.bind(&args)?])?;
/// assert_eq!(ctx.download_blocking(&out)?.to_f32(), [-3.5, 0.875, 1.75, 3.5, 0.0, 0.0]);
/// assert_eq!(ctx.download_blocking(&status)?.to_u32()?, [1]);
/// # Ok::<(), quarter::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Embedding {
    /// Shape of the indices.
    pub indices: Vec<u32>,
    /// Rows of the table.
    pub vocabulary: u32,
    /// Columns of the table.
    pub dim: u32,
    /// Elements of the table.
    pub table: Element,
    /// Elements of the residual, if there is one.
    pub residual: Option<Element>,
    /// Whether bad indices are counted.
    pub status: bool,
    /// Elements of the output.
    pub out: Element,
    /// What becomes of numbers beyond the largest code of an 8-bit output.
    pub overflow: Overflow,
}

arguments! {
    /// Tensors of one [`Embedding`].
    pub struct EmbeddingArgs for Embedding {
        /// Which rows.
        index,
        /// Rows to choose from.
        table,
        /// Those chosen.
        out,
    } {
        /// What is added; exactly when the descriptor has it.
        residual,
        /// How many indices are bad; exactly when the descriptor has it.
        status,
    }
}

impl Embedding {
    /// Of an f32 table to f32.
    pub fn new(indices: impl Into<Vec<u32>>, vocabulary: u32, dim: u32) -> Self {
        Self {
            indices: indices.into(),
            vocabulary,
            dim,
            table: Element::F32,
            residual: None,
            status: false,
            out: Element::F32,
            overflow: Overflow::Saturate,
        }
    }

    /// Elements of the table.
    #[must_use]
    pub fn table(self, table: Element) -> Self {
        Self { table, ..self }
    }

    /// A residual of these elements.
    #[must_use]
    pub fn residual(self, residual: Element) -> Self {
        Self { residual: Some(residual), ..self }
    }

    /// Bad indices are counted.
    #[must_use]
    pub fn status(self) -> Self {
        Self { status: true, ..self }
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

impl Operation for Embedding {
    const NAME: &'static str = "embedding";
    const KERNELS: &'static [Kernel<Self>] = &[
        #[cfg(feature = "gpu")]
        Kernel::gpu("plain", |_, _| Ok(vec![crate::gpu::Tuning::new("", &[])]), gpu::schedule),
        Kernel::cpu(run),
    ];

    fn operands(&self) -> Result<Vec<Operand>, DescriptorError> {
        expect_number(Self::NAME, "table", self.table)?;
        expect_number(Self::NAME, "out", self.out)?;
        let read = |role: &'static str, shape: Vec<u32>, e| {
            Operand::read(role, shape, e).map_err(DescriptorError::layout(Self::NAME, role))
        };
        let rows = [&self.indices[..], &[self.dim]].concat();
        let mut all = vec![
            read("index", self.indices.clone(), Element::U32)?.draw(Draw::Below(self.vocabulary.max(1))),
            read("table", vec![self.vocabulary, self.dim], self.table)?,
        ];
        if let Some(residual) = self.residual {
            expect_number(Self::NAME, "residual", residual)?;
            all.push(read("residual", rows.clone(), residual)?);
        }
        let write = |role: &'static str, shape: Vec<u32>, e| {
            Operand::write(role, shape, e).map_err(DescriptorError::layout(Self::NAME, role))
        };
        all.push(write("out", rows, self.out)?.overflow(self.overflow));
        if self.status {
            all.push(write("status", vec![1], Element::U32)?);
        }
        Ok(all)
    }

    elements!(table, out; residual);

    fn variant(&self) -> String {
        format!("{}_{}", self.table.dtype(), self.out.dtype())
    }

    fn cost(&self) -> Cost {
        let rows = self.indices.iter().fold(1u64, |n, &d| n.saturating_mul(d.into()));
        let n = rows.saturating_mul(self.dim.into());
        let bytes = self.table.dtype().bytes()
            + self.out.dtype().bytes()
            + self.residual.map_or(0, |e| e.dtype().bytes());
        let bytes = n.saturating_mul(bytes.into()).saturating_add(rows.saturating_mul(4));
        Cost { flops: n.saturating_mul(1 + u64::from(self.residual.is_some())), bytes }
    }

    fn reference(&self, x: &Inputs) -> Outputs {
        let (table, dim) = (x.real("table"), self.dim as usize);
        let index = x.tensor("index").to_u32().expect("u32");
        let nothing = vec![Real::exact(0.0); dim];
        let known = |i: &u32| *i < self.vocabulary;
        let row = |i: &u32| if known(i) { &table[*i as usize * dim..][..dim] } else { &nothing[..] };
        let mut out: Vec<Real> = index.iter().flat_map(row).copied().collect();
        if self.residual.is_some() {
            out.iter_mut().zip(x.real("residual")).for_each(|(v, r)| *v = *v + r);
        }
        let mut all = vec![("out", out)];
        if self.status {
            let bad = index.iter().filter(|i| !known(i)).count();
            all.push(("status", vec![Real::exact(bad as f64)]));
        }
        Outputs(all)
    }

    fn cases() -> Vec<Case<Self>> {
        cases::all()
    }
}

/// Word of an index among those of a tensor of this layout.
fn place(index: &Layout, i: usize) -> usize {
    let cols = index.cols() as usize;
    i / cols * index.row_words() + i % cols
}

fn run(o: &Embedding, args: &mut HostArgs<'_>, threads: Threads) {
    let operands = o.operands().expect("validated");
    let operand = |role: &str| operands.iter().find(|o| o.role == role).expect("an operand of embedding");
    let (layout, indices) = (&operand("index").layout, args.read(values("index")));
    let index = |row| indices[place(layout, row)];
    let table = cpu::Input::new(operand("table"), args);
    let residual = o.residual.map(|_| cpu::Input::new(operand("residual"), args));
    let bad = (0..layout.elements() as usize).filter(|&row| index(row) >= o.vocabulary).count();
    if o.status {
        let words = args.write(values("status"));
        words.fill(0);
        words[0] = bad as u32;
    }
    let raised = if bad > 0 { flags::INDEX } else { 0 };
    cpu::write_raising(operand("out"), args, threads, raised, |row, v| {
        match index(row) {
            i if i < o.vocabulary => table.numbers(i as usize, 0, v),
            _ => v.fill(0.0),
        }
        if let Some(residual) = &residual {
            residual.add(row, 0, v);
        }
    });
}
