//! How CPU kernels begin: an operand as rows of numbers.

use super::{HostArgs, Matrix};
use crate::{
    scale::Scales,
    tensor::{DType, Layout, Operand, rows, scales, values},
};

/// An operand that is read.
#[derive(Clone, Debug)]
pub struct Input<'a> {
    layout: Layout,
    words: &'a [u32],
    scales: Option<Scales>,
}

impl<'a> Input<'a> {
    /// The memory of this operand.
    ///
    /// # Panics
    /// As [`HostArgs::read`].
    pub fn new(operand: &Operand, args: &HostArgs<'a>) -> Self {
        let layout = operand.layout.clone();
        let scales = layout.element().scaling().map(|_| layout.scales(args.read(scales(operand.role))));
        Self { words: args.read(values(operand.role)), scales, layout }
    }

    /// Its layout.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Its scales, if it has any.
    pub fn scales(&self) -> Option<&Scales> {
        self.scales.as_ref()
    }

    /// All of it as f32 where it is f32 already.
    pub(crate) fn plain(&self) -> Option<Matrix<'a>> {
        let plain = self.layout.element().dtype() == DType::F32;
        plain.then(|| Matrix { numbers: bytemuck::cast_slice(self.words), stride: self.layout.row_words() })
    }

    /// Adds [`numbers`](Self::numbers) to `to`.
    ///
    /// # Panics
    /// As [`codes`](Self::codes).
    pub(crate) fn add(&self, row: usize, col: usize, to: &mut [f32]) {
        let made;
        let add = match self.plain() {
            Some(m) => &m.numbers[row * m.stride + col..][..to.len()],
            None => {
                let mut v = vec![0.0; to.len()];
                self.numbers(row, col, &mut v);
                made = v;
                &made
            }
        };
        to.iter_mut().zip(add).for_each(|(to, add)| *to += add);
    }

    /// Numbers of one row from `col` on, not scaled, and where rows have no padding on into the rows that follow; all NaN where the record says that a NaN was lost.
    ///
    /// # Panics
    /// As an index: if there is no such row, or the row has no such columns.
    pub fn codes(&self, row: usize, col: usize, out: &mut [f32]) {
        rows::decode(&self.layout, self.words, row, col, out);
        self.mean(out);
    }

    /// [`codes`](Self::codes) of whole rows from `row` on, as many as fill `out`.
    ///
    /// # Panics
    /// As there.
    pub(crate) fn code_rows(&self, row: usize, out: &mut [f32]) {
        rows::decode_rows(&self.layout, self.words, row, out);
        self.mean(out);
    }

    /// Codes of a codebook become what they mean; all becomes NaN where a NaN was lost.
    fn mean(&self, out: &mut [f32]) {
        if let Some(s) = &self.scales {
            s.look_up(out);
        }
    }

    /// Numbers of one row from `col` on, code × scale.
    ///
    /// # Panics
    /// As [`codes`](Self::codes).
    pub fn numbers(&self, row: usize, col: usize, out: &mut [f32]) {
        self.codes(row, col, out);
        if let Some(s) = &self.scales {
            s.apply(self.layout.group_map(), row, col, out);
        }
    }

    /// [`numbers`](Self::numbers) of whole rows from `row` on, as many as fill `out`.
    ///
    /// # Panics
    /// As there.
    pub(crate) fn number_rows(&self, row: usize, out: &mut [f32]) {
        self.code_rows(row, out);
        if let Some(s) = &self.scales {
            let (map, cols) = (self.layout.group_map(), self.layout.cols() as usize);
            for (row, out) in (row..).zip(out.chunks_exact_mut(cols)) {
                s.apply(map, row, 0, out);
            }
        }
    }

    /// A row of numbers beside `out`, which has as many columns, or the one number that all its columns share.
    pub(crate) fn spread(&self, row: usize, out: &mut [f32]) {
        if self.layout.cols() > 1 {
            return self.numbers(row, 0, out);
        }
        let mut one = [0.0];
        self.numbers(row, 0, &mut one);
        out.fill(one[0]);
    }
}
