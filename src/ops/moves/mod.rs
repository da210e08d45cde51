//! Elements that are moved as they are, bits and all: what `permute` and `slice` share.

mod cpu;
#[cfg(feature = "gpu")]
mod gpu;

#[cfg(feature = "gpu")]
pub(super) use gpu::{Path, path, values_stage};

use super::DescriptorError;
use crate::{
    scale::Granularity::{self, Mx, PerBlock, PerChannel, PerTensor, PerToken},
    tensor::{DType, Element, Layout, Operand},
};

/// Axes of a walk at most, one of them the last of the output.
pub(super) const AXES: usize = 6;

/// One axis of an output, and where it lies on both sides, in elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Axis {
    pub extent: u32,
    /// From one index to the next.
    pub from: u64,
    pub to: u64,
}

/// Which axis of the input an axis of the output is, and which of its indices: `start`, `start + step`, ….
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Taken {
    pub axis: usize,
    pub start: u32,
    pub step: u32,
}

/// Where the elements of an output come from: out\[Σ iₖ · toₖ\] = x\[first + Σ iₖ · fromₖ\], padding of rows counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Walk {
    pub first: u64,
    /// Axes of the rows of the output, outermost first; neighbours are joined where both sides allow it.
    pub rows: Vec<Axis>,
    /// The last axis of the output, where `to` is 1.
    pub cols: Axis,
}

/// Elements from one index of every axis to the next, rows padded to a multiple of `unit`.
fn strides(shape: &[u32], unit: u64) -> Vec<u64> {
    let last = shape.len() - 1;
    let mut stride = u64::from(shape[last]).next_multiple_of(unit);
    let mut all = vec![1; shape.len()];
    for axis in (0..last).rev() {
        all[axis] = stride;
        stride *= u64::from(shape[axis]);
    }
    all
}

impl Walk {
    /// Of the values of `to`, whose axes are these of `from`.
    pub fn new(from: &Layout, to: &Layout, axes: &[Taken]) -> Self {
        let unit = 16 / u64::from(from.element().dtype().bytes());
        Self::of((from.shape(), unit), (to.shape(), unit), axes)
    }

    fn of(from: (&[u32], u64), to: (&[u32], u64), axes: &[Taken]) -> Self {
        let (theirs, ours) = (strides(from.0, from.1), strides(to.0, to.1));
        let first = axes.iter().map(|t| u64::from(t.start) * theirs[t.axis]).sum();
        let all = axes.iter().zip(to.0).zip(ours);
        let mut rows: Vec<Axis> = all
            .map(|((t, &extent), to)| Axis { extent, from: u64::from(t.step) * theirs[t.axis], to })
            .collect();
        let cols = rows.pop().expect("one axis or more");
        rows.retain(|a| a.extent > 1);
        let mut joined: Vec<Axis> = vec![];
        for a in rows {
            match joined.last_mut() {
                Some(b) if b.from == a.from * u64::from(a.extent) && b.to == a.to * u64::from(a.extent) => {
                    *b = Axis { extent: b.extent * a.extent, ..a };
                }
                _ => joined.push(a),
            }
        }
        Self { first, rows: joined, cols }
    }

    /// How many axes it takes.
    pub fn axes(&self) -> usize {
        self.rows.len() + 1
    }

    /// The axis of the rows along which the elements of the input are neighbours, where those of a row are not.
    #[cfg(feature = "gpu")]
    pub fn lines(&self) -> Option<usize> {
        self.rows.iter().position(|a| a.from == 1).filter(|_| self.cols.from != 1)
    }
}

/// Which scales an output has whose axes are these of the input: each of its groups is one of the input's; the walk over
/// them. None where groups would be torn apart.
pub(super) fn groups(
    granularity: Granularity,
    from: &[u32],
    to: &[u32],
    axes: &[Taken],
) -> Option<(Granularity, Walk)> {
    let one = Axis { extent: 1, from: 0, to: 1 };
    match granularity {
        PerTensor => Some((PerTensor, Walk { first: 0, rows: vec![], cols: one })),
        PerChannel { axis } => {
            let (i, t) = axes.iter().enumerate().find(|(_, t)| t.axis == usize::from(axis))?;
            let cols = Axis { extent: to[i], from: t.step.into(), to: 1 };
            Some((
                PerChannel { axis: u8::try_from(i).ok()? },
                Walk { first: t.start.into(), rows: vec![], cols },
            ))
        }
        // Whole rows move, or parts of them.
        PerToken => {
            let (last, outer) = axes.split_last()?;
            if last.axis + 1 != axes.len() {
                return None;
            }
            if outer.is_empty() {
                return Some((PerToken, Walk { first: 0, rows: vec![], cols: one }));
            }
            let rows = |shape: &'_ [u32]| shape[..shape.len() - 1].to_vec();
            Some((PerToken, Walk::of((&rows(from), 1), (&rows(to), 1), outer)))
        }
        PerBlock { .. } | Mx { .. } => None,
    }
}

/// The index in the input of every element of the output, in row-major order: the truth, by plain loops.
pub(super) fn places(from: &[u32], to: &[u32], axes: &[Taken]) -> Vec<u64> {
    let theirs = strides(from, 1);
    let count = to.iter().map(|&d| u64::from(d)).product::<u64>();
    let place = |mut i: u64| {
        let mut place = 0;
        for (t, &extent) in axes.iter().zip(to).rev() {
            let index = u64::from(t.start) + i % u64::from(extent) * u64::from(t.step);
            place += index * theirs[t.axis];
            i /= u64::from(extent);
        }
        place
    };
    (0..count).map(place).collect()
}

/// The operands of an operation that moves elements of `x`, of this shape, to `out`, whose axes are these.
pub(super) fn operands(
    op: &'static str,
    shape: &[u32],
    mut element: Element,
    to: Vec<u32>,
    axes: &[Taken],
) -> Result<Vec<Operand>, DescriptorError> {
    if element.dtype() == DType::Code8 {
        let expected = "u32, f32, f16, bf16 or an 8-bit float";
        return Err(DescriptorError::new(op, "element", expected, element.to_string()));
    }
    let x = Operand::read("x", shape, element).map_err(DescriptorError::layout(op, "x"))?;
    if let (Some(format), Some(g)) = (element.format(), element.scaling()) {
        let Some((g, _)) = groups(g, shape, &to, axes) else {
            let expected = "scales per tensor, per channel, or per token where the last axis stays the last";
            return Err(DescriptorError::new(op, "element", expected, g.to_string()));
        };
        element = Element::f8(format, g);
    }
    let out = Operand::write("out", to, element).map_err(DescriptorError::layout(op, "out"))?;
    let count = Walk::new(&x.layout, &out.layout, axes).axes();
    if count > AXES {
        let expected = format!("at most {AXES} axes, neighbours joined that stay together");
        return Err(DescriptorError::new(op, "axes", expected, count.to_string()));
    }
    Ok(vec![x, out.moved_from("x")])
}

/// A move between operands that are valid.
pub(super) struct Move {
    from: Layout,
    to: Layout,
    pub walk: Walk,
    groups: Option<Walk>,
}

impl Move {
    pub fn new(operands: Vec<Operand>, axes: &[Taken]) -> Self {
        let [x, out] = operands.try_into().expect("two operands");
        let (from, to) = (x.layout, out.layout);
        let groups = from.element().scaling().and_then(|g| groups(g, from.shape(), to.shape(), axes));
        Self { walk: Walk::new(&from, &to, axes), groups: groups.map(|g| g.1), from, to }
    }

    /// Bytes of an element.
    pub fn bytes(&self) -> u32 {
        self.from.element().dtype().bytes()
    }
}
