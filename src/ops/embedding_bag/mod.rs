//! `embedding_bag`: sums, means and maxima of rows of a table by index.

mod cases;
mod cpu;
#[cfg(feature = "gpu")]
mod gpu;
#[cfg(test)]
mod tests;

use super::{
    Case, Cost, DescriptorError, Inputs, Kernel, Operation, Outputs, Real,
    expect::{expect_number, expect_some, unscaled},
    operation::elements,
    real::{larger, spoils},
};
use crate::{
    arguments,
    dtype::Overflow,
    tensor::{DType, Draw, Element, Layout, Operand},
};
use std::ops::Range;

/// How indices fall into bags.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Bags {
    /// Bags of one size: indices are \[bags, size\].
    Even {
        /// How many.
        bags: u32,
        /// Indices of each.
        size: u32,
    },
    /// Bags of any size: indices are \[indices\], and bag b has those from `offsets`\[b\] on, up to `offsets`\[b + 1\].
    Ragged {
        /// How many.
        bags: u32,
        /// Indices of all of them, or more.
        indices: u32,
    },
}

impl Bags {
    /// How many there are.
    pub fn count(self) -> u32 {
        let (Self::Even { bags, .. } | Self::Ragged { bags, .. }) = self;
        bags
    }

    /// Shape of the indices.
    fn shape(self) -> Vec<u32> {
        match self {
            Self::Even { bags, size } => vec![bags, size],
            Self::Ragged { indices, .. } => vec![indices],
        }
    }

    /// Indices among which a bag finds its own.
    fn places(self) -> u32 {
        let (Self::Even { size: n, .. } | Self::Ragged { indices: n, .. }) = self;
        n
    }

    /// Those of a bag, one for the other.
    fn average(self) -> u64 {
        match self {
            Self::Even { size, .. } => size.into(),
            Self::Ragged { bags, indices } => u64::from(indices).div_ceil(u64::from(bags.max(1))),
        }
    }

    /// Places of a bag, and whether its offsets are bad.
    fn span(self, offsets: &[u32], bag: usize) -> (Range<usize>, bool) {
        match self {
            Self::Even { size, .. } => (0..size as usize, false),
            Self::Ragged { indices, .. } => {
                let (from, to) = (offsets[bag], offsets[bag + 1]);
                let first = from.min(indices);
                (first as usize..to.min(indices).max(first) as usize, from > to || to > indices)
            }
        }
    }
}

/// What becomes of the rows of a bag.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum BagMode {
    /// Their sum, each times its weight if there are weights.
    #[default]
    Sum,
    /// Their mean.
    Mean,
    /// The largest number of every column; +0 is above −0.
    Max,
}

/// out\[b, :\] = Σᵢ weights\[i\] · table\[index\[i\], :\], the mean or the maximum, over the places i of bag b; code × scale.
///
/// * `index`: u32, \[bags, size\] or \[indices\] as [`Bags`] says.
/// * `offsets`: \[bags + 1\], u32, of ragged bags: where each begins, then where the last one ends. What lies before the first
///   or after the last is in no bag. PyTorch's `include_last_offset`.
/// * `table`: \[vocabulary, dim\], f32, f16, bf16 or 8-bit at any granularity: per tensor, per row (`PerToken`), per block.
/// * `weights`: as `index`, f32, f16 or bf16, if the descriptor has them: of sums only.
/// * `out`: \[bags, dim\], f32, f16, bf16, or 8-bit with given scales.
/// * `status`: \[2\], u32, written, if the descriptor has it: how many places have an index beyond the table, bag by
///   bag and modulo 2³², and how many bags have bad offsets.
///
/// A place whose index is `padding_index` counts for nothing, not in a mean either. A bag of nothing gives zeros, in every mode.
///
/// What is data cannot make a call fail, so it has a meaning on every backend. An index beyond the table looks up zeros, which
/// count. Offsets beyond the indices stand for their end; a bag that ends before it begins is empty. All of it is told of where
/// there is a place for it: `status`, and the flag [`INDEX`](crate::scale::flags::INDEX) in the record of an 8-bit `out`.
///
/// Source: `torch.nn.EmbeddingBag` without `max_norm`; `Bags::Even` is its two-dimensional input.
///
/// NaN: out\[b, c\] is NaN if column c of a row of the bag is, or a weight, also by max.
///
/// Error: that of an f32 sum in any order; of one multiplication more where the table is scaled, and where there are weights; of
/// one division by a mean.
///
/// Errors: an extent of 0; a table or output of integers; weights of integers or codes, or of another mode than sums; a `padding_index` beyond
/// the table; shapes that cannot be.
///
/// ```
/// use quarter::{Context, ops::*, tensor::*};
/// let ctx = Context::cpu();
/// let up = |t: HostTensor| ctx.upload_blocking(&t);
/// let table = up(HostTensor::from_f32(&[1.0, 2.0, 10.0, 20.0, 100.0, 200.0], [3, 2])?)?;
/// let index = up(HostTensor::from_u32(&[0, 1, 2, 2], [4])?)?;
/// let offsets = up(HostTensor::from_u32(&[0, 3, 3, 4], [4])?)?; // three bags, the second of nothing
/// let op = EmbeddingBag::new(Bags::Ragged { bags: 3, indices: 4 }, 3, 2);
/// let out = ctx.empty_blocking(&op.out_layout()?)?;
/// let args = EmbeddingBagArgs::new(&index, &table, &out).offsets(&offsets);
/// ctx.run([&ctx.plan_blocking(&op)?.bind(&args)?])?;
/// assert_eq!(ctx.download_blocking(&out)?.to_f32(), [111.0, 222.0, 0.0, 0.0, 100.0, 200.0]);
/// # Ok::<(), quarter::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct EmbeddingBag {
    /// How indices fall into bags.
    pub bags: Bags,
    /// Rows of the table.
    pub vocabulary: u32,
    /// Columns of the table.
    pub dim: u32,
    /// What becomes of the rows of a bag.
    pub mode: BagMode,
    /// Elements of the table.
    pub table: Element,
    /// Kind of the weights, if there are any.
    pub weights: Option<DType>,
    /// The index that counts for nothing, if there is one.
    pub padding_index: Option<u32>,
    /// Whether bad indices and offsets are counted.
    pub status: bool,
    /// Elements of the output.
    pub out: Element,
    /// What becomes of numbers beyond the largest code of an 8-bit output.
    pub overflow: Overflow,
}

arguments! {
    /// Tensors of one [`EmbeddingBag`].
    pub struct EmbeddingBagArgs for EmbeddingBag {
        /// Which rows.
        index,
        /// Rows to choose from.
        table,
        /// What becomes of those of each bag.
        out,
    } {
        /// Where bags begin and end; exactly when they are ragged.
        offsets,
        /// What rows are multiplied by; exactly when the descriptor has them.
        weights,
        /// How many indices and offsets are bad; exactly when the descriptor has it.
        status,
    }
}

impl EmbeddingBag {
    /// Sums of rows of an f32 table, to f32.
    pub fn new(bags: Bags, vocabulary: u32, dim: u32) -> Self {
        Self {
            bags,
            vocabulary,
            dim,
            mode: BagMode::Sum,
            table: Element::F32,
            weights: None,
            padding_index: None,
            status: false,
            out: Element::F32,
            overflow: Overflow::Saturate,
        }
    }

    /// What becomes of the rows of a bag.
    #[must_use]
    pub fn mode(self, mode: BagMode) -> Self {
        Self { mode, ..self }
    }

    /// Elements of the table.
    #[must_use]
    pub fn table(self, table: Element) -> Self {
        Self { table, ..self }
    }

    /// Weights of this kind.
    #[must_use]
    pub fn weights(self, weights: DType) -> Self {
        Self { weights: Some(weights), ..self }
    }

    /// The index that counts for nothing.
    #[must_use]
    pub fn padding_index(self, index: u32) -> Self {
        Self { padding_index: Some(index), ..self }
    }

    /// Bad indices and offsets are counted.
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

    /// Layout of the output.
    ///
    /// # Errors
    /// [`DescriptorError`] when the descriptor contradicts itself.
    pub fn out_layout(&self) -> Result<Layout, DescriptorError> {
        let out = self.operands()?.into_iter().find(|o| o.role == "out");
        Ok(out.expect("an output").layout)
    }
}

impl Operation for EmbeddingBag {
    const NAME: &'static str = "embedding_bag";
    const KERNELS: &'static [Kernel<Self>] = &[
        #[cfg(feature = "gpu")]
        Kernel::gpu("tree", gpu::tree, |o, _, caps| gpu::schedule(o, true, caps)),
        #[cfg(feature = "gpu")]
        Kernel::gpu("plain", gpu::plain, |o, _, caps| gpu::schedule(o, false, caps)),
        Kernel::cpu(cpu::run),
    ];

    fn operands(&self) -> Result<Vec<Operand>, DescriptorError> {
        let places = if matches!(self.bags, Bags::Even { .. }) { "size" } else { "indices" };
        let extents = [
            ("bags", self.bags.count()),
            (places, self.bags.places()),
            ("vocabulary", self.vocabulary),
            ("dim", self.dim),
        ];
        expect_some(Self::NAME, &extents)?;
        expect_number(Self::NAME, "table", self.table)?;
        expect_number(Self::NAME, "out", self.out)?;
        let fail =
            |what, expected: &str, got: String| Err(DescriptorError::new(Self::NAME, what, expected, got));
        if let Some(index) = self.padding_index
            && index >= self.vocabulary
        {
            let expected = format!("a row of the table, below {}", self.vocabulary);
            return fail("padding_index", &expected, index.to_string());
        }
        if self.weights.is_some() && self.mode != BagMode::Sum {
            return fail("weights", "none but of sums", format!("{:?}", self.mode));
        }
        let read = |role: &'static str, shape: Vec<u32>, e| {
            Operand::read(role, shape, e).map_err(DescriptorError::layout(Self::NAME, role))
        };
        let (bags, index) = (self.bags.count(), self.bags.shape());
        let mut all = vec![
            read("index", index.clone(), Element::U32)?.draw(Draw::Below(self.vocabulary)),
            read("table", vec![self.vocabulary, self.dim], self.table)?.draw(Draw::Moderate),
        ];
        if let Bags::Ragged { indices, .. } = self.bags {
            let offsets = read("offsets", vec![bags.saturating_add(1)], Element::U32)?;
            all.push(offsets.draw(Draw::Offsets(indices)));
        }
        if let Some(weights) = self.weights {
            all.push(read("weights", index, unscaled(Self::NAME, "weights", weights)?)?);
        }
        let write = |role: &'static str, shape: Vec<u32>, e| {
            Operand::write(role, shape, e).map_err(DescriptorError::layout(Self::NAME, role))
        };
        all.push(write("out", vec![bags, self.dim], self.out)?.overflow(self.overflow));
        if self.status {
            all.push(write("status", vec![2], Element::U32)?);
        }
        Ok(all)
    }

    elements!(table, out;);

    fn variant(&self) -> String {
        let mode = match self.mode {
            BagMode::Sum => "sum",
            BagMode::Mean => "mean",
            BagMode::Max => "max",
        };
        format!("{mode}.{}_{}", self.table.dtype(), self.out.dtype())
    }

    fn cost(&self) -> Cost {
        let (bags, dim) = (u64::from(self.bags.count()), u64::from(self.dim));
        let places = self.bags.shape().iter().fold(1u64, |n, &d| n.saturating_mul(d.into()));
        let numbers = places.saturating_mul(dim);
        let bytes = |n: u64, dtype: DType| n.saturating_mul(dtype.bytes().into());
        let of_places = 4 + self.weights.map_or(0, |w| u64::from(w.bytes()));
        let all = [
            bytes(numbers, self.table.dtype()),
            bytes(bags.saturating_mul(dim), self.out.dtype()),
            places.saturating_mul(of_places),
        ];
        let each = 1 + u64::from(self.table.scaling().is_some()) + u64::from(self.weights.is_some());
        Cost { flops: numbers.saturating_mul(each), bytes: all.into_iter().fold(0, u64::saturating_add) }
    }

    fn reference(&self, x: &Inputs) -> Outputs {
        let (table, dim) = (x.real("table"), self.dim as usize);
        let index = x.tensor("index").to_u32().expect("u32");
        let ragged = matches!(self.bags, Bags::Ragged { .. });
        let offsets = if ragged { x.tensor("offsets").to_u32().expect("u32") } else { vec![] };
        let weights = self.weights.map(|_| x.real("weights"));
        let (mut out, mut unknown, mut bad) = (vec![], 0u32, 0u32);
        for bag in 0..self.bags.count() as usize {
            let (span, wrong) = self.bags.span(&offsets, bag);
            bad += u32::from(wrong);
            let first = if ragged { 0 } else { bag * self.bags.places() as usize };
            let places = span.map(|i| first + i).filter(|&i| Some(index[i]) != self.padding_index);
            let places: Vec<usize> = places.collect();
            let here = places.iter().filter(|&&i| index[i] >= self.vocabulary).count();
            unknown = unknown.wrapping_add(here as u32);
            for col in 0..dim {
                let row = |i: usize| match index[i] {
                    known if known < self.vocabulary => table[known as usize * dim + col],
                    _ => Real::exact(0.0),
                };
                let mut spoilt = false;
                let terms = places.iter().map(|&i| match &weights {
                    Some(w) => {
                        spoilt |= spoils(row(i).value, w[i].value);
                        row(i) * w[i]
                    }
                    None => row(i),
                });
                let v = match self.mode {
                    _ if places.is_empty() => Real::exact(0.0),
                    BagMode::Max => terms.reduce(larger).expect("a number in the bag"),
                    BagMode::Sum => Real::sum(terms, x.arithmetic.chain),
                    BagMode::Mean => Real::sum(terms, x.arithmetic.chain) / Real::exact(places.len() as f64),
                };
                out.push(if spoilt { v.or_nan() } else { v });
            }
        }
        let mut all = vec![("out", out)];
        if self.status {
            all.push(("status", [unknown, bad].map(|n| Real::exact(n.into())).to_vec()));
        }
        Outputs(all)
    }

    fn cases() -> Vec<Case<Self>> {
        cases::all()
    }
}
