//! `slice`: a part of a tensor.

use super::{
    Case, Cost, Data, DescriptorError, Inputs, Kernel, Operation, Outputs, Purpose, Real,
    moves::{self, Move, Taken},
};
#[cfg(feature = "gpu")]
use crate::gpu::{Capabilities, Schedule, Tuning};
use crate::{
    arguments,
    cpu::{HostArgs, Threads},
    dtype::Format,
    scale::Granularity,
    tensor::{Element, Layout, Operand},
};
use std::ops::Range;

/// Which indices of one axis are taken: `start`, `start + step`, … below `end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Indices {
    /// The axis.
    pub axis: usize,
    /// The first.
    pub start: u32,
    /// What all are below.
    pub end: u32,
    /// From one to the next.
    pub step: u32,
}

/// out\[…, i, …\] = x\[…, start + i · step, …\].
///
/// * `x`: `shape`, any element.
/// * `out`: of every axis that `taken` names ⌈(end − start) / step⌉ indices, of others all; the same element. Scales per
///   channel and per token are those of the channels and rows that are taken.
///
/// Elements are moved, not computed with: bits stay, those of NaN too. Scales, amax and flags go along, on the device:
/// amax is that of the groups that elements are taken from, an upper bound of what is here, and `HAS_NAN` says that a NaN
/// may be.
///
/// Semantics: ONNX `Slice` with steps of 1 or more, but nothing is clamped: what is out of range is an error.
///
/// Errors: an axis that is not there, or named twice; no index, one beyond the axis, a step of 0; more than six axes once
/// neighbours that stay together are joined; scales per block; shapes that cannot be.
///
/// ```
/// use quarter::{Context, ops::*, tensor::*};
/// let ctx = Context::cpu();
/// let x = ctx.upload_blocking(&HostTensor::from_u32(&[1, 2, 3, 4, 5, 6], [2, 3])?)?;
/// let op = Slice::new([2, 3], Element::U32).axis(0, 1..2, 1).axis(1, 0..3, 2);
/// let out = ctx.empty_blocking(&op.out()?)?;
/// let bound = ctx.plan_blocking(&op)?.bind(&SliceArgs::new(&x, &out))?;
/// ctx.run([&bound])?;
/// assert_eq!(ctx.download_blocking(&out)?.to_u32()?, [4, 6]);
/// # Ok::<(), quarter::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Slice {
    /// Shape of `x`.
    pub shape: Vec<u32>,
    /// Elements of `x`.
    pub element: Element,
    /// What is taken of some axes; of the others all.
    pub taken: Vec<Indices>,
}

arguments! {
    /// Tensors of one [`Slice`].
    pub struct SliceArgs for Slice {
        /// Elements.
        x,
        /// Some of them.
        out,
    } {}
}

impl Slice {
    /// All of it: [`axis`](Self::axis) says what of it.
    pub fn new(shape: impl Into<Vec<u32>>, element: Element) -> Self {
        Self { shape: shape.into(), element, taken: vec![] }
    }

    /// Of this axis only every `step`th of these indices, the first among them.
    #[must_use]
    pub fn axis(mut self, axis: usize, indices: Range<u32>, step: u32) -> Self {
        self.taken.push(Indices { axis, start: indices.start, end: indices.end, step });
        self
    }

    /// Layout of the output.
    ///
    /// # Errors
    /// [`DescriptorError`] when the descriptor contradicts itself.
    pub fn out(&self) -> Result<Layout, DescriptorError> {
        Ok(self.operands()?.swap_remove(1).layout)
    }

    /// Where the axes of the output come from, and their extents.
    fn axes(&self) -> Result<(Vec<Taken>, Vec<u32>), DescriptorError> {
        let mut axes: Vec<Taken> =
            (0..self.shape.len()).map(|axis| Taken { axis, start: 0, step: 1 }).collect();
        let mut shape = self.shape.clone();
        for (i, t) in self.taken.iter().enumerate() {
            let fail =
                |expected: String, got: String| DescriptorError::new(Self::NAME, "taken", expected, got);
            let Some(&extent) = self.shape.get(t.axis) else {
                return Err(fail(format!("an axis of {:?}", self.shape), t.axis.to_string()));
            };
            if self.taken[..i].iter().any(|other| other.axis == t.axis) {
                return Err(fail("an axis once".into(), format!("axis {} twice", t.axis)));
            }
            if t.start >= t.end || t.end > extent || t.step == 0 {
                let got = format!("{}..{} in steps of {}", t.start, t.end, t.step);
                return Err(fail(format!("indices below {extent} of axis {}, one or more", t.axis), got));
            }
            axes[t.axis] = Taken { axis: t.axis, start: t.start, step: t.step };
            shape[t.axis] = (t.end - t.start).div_ceil(t.step);
        }
        Ok((axes, shape))
    }
}

impl Operation for Slice {
    const NAME: &'static str = "slice";
    const KERNELS: &'static [Kernel<Self>] = &[
        #[cfg(feature = "gpu")]
        Kernel::plain(schedule),
        Kernel::cpu(run),
    ];

    fn operands(&self) -> Result<Vec<Operand>, DescriptorError> {
        let (axes, shape) = self.axes()?;
        moves::operands(Self::NAME, &self.shape, self.element, shape, &axes)
    }

    fn variant(&self) -> String {
        self.element.dtype().to_string()
    }

    fn cost(&self) -> Cost {
        let (_, shape) = self.axes().unwrap_or_default();
        let n = shape.iter().fold(1u64, |n, &d| n.saturating_mul(d.into()));
        Cost { flops: 0, bytes: n.saturating_mul(2 * u64::from(self.element.dtype().bytes())) }
    }

    fn reference(&self, _: &Inputs) -> Outputs {
        let (axes, shape) = self.axes().expect("validated");
        let places = moves::places(&self.shape, &shape, &axes);
        Outputs(vec![("out", places.into_iter().map(|i| Real::exact(i as f64)).collect())])
    }

    fn cases() -> Vec<Case<Self>> {
        use Granularity::{PerChannel, PerTensor, PerToken};
        let f8 = |g| Element::f8(Format::E4M3FN, g);
        let mut all = vec![];
        let mut add = |purpose, data, op: Slice| {
            let taken: Vec<String> =
                op.taken.iter().map(|t| format!("{}: {}..{}/{}", t.axis, t.start, t.end, t.step)).collect();
            let label = format!("{:?} {taken:?} {}, {data:?}", op.shape, op.element);
            all.push(Case::new(label, purpose, data, op));
        };
        let of = |shape: &[u32], element, taken: &[(usize, Range<u32>, u32)]| {
            taken.iter().fold(Slice::new(shape, element), |op, t| op.axis(t.0, t.1.clone(), t.2))
        };
        type Part<'a> = (&'a [u32], &'a [(usize, Range<u32>, u32)]);
        let parts: [Part<'_>; 13] = [
            (&[1], &[]),
            (&[5, 21], &[]),
            (&[7, 19], &[(0, 2..5, 1)]),
            (&[7, 37], &[(1, 16..37, 1)]),
            (&[7, 37], &[(1, 0..19, 1)]),
            (&[7, 43], &[(1, 5..42, 1)]),
            (&[3, 70], &[(1, 33..34, 1)]),
            (&[7, 37], &[(1, 3..37, 3)]),
            (&[9, 5, 18], &[(0, 1..9, 3), (1, 1..4, 2)]),
            (&[4, 5, 18], &[(2, 1..18, 1), (0, 3..4, 5)]),
            (&[2, 3, 5, 7], &[(1, 1..3, 1), (3, 6..7, 1)]),
            (&[3, 4, 3, 4, 3, 20], &[(0, 0..3, 2), (1, 1..3, 1), (2, 1..3, 1), (3, 0..4, 3), (4, 1..3, 1)]),
            (&[2, 130], &[(1, 2..130, 127)]),
        ];
        for (shape, taken) in &parts {
            for element in [f8(PerTensor), Element::BF16, Element::F32] {
                add(Purpose::Smoke, Data::SmallIntegers, of(shape, element, taken));
            }
            for axis in 0..shape.len() as u8 {
                add(Purpose::Edge, Data::Random, of(shape, f8(PerChannel { axis }), taken));
            }
            add(Purpose::Edge, Data::Random, of(shape, f8(PerToken), taken));
        }
        add(Purpose::Smoke, Data::SmallIntegers, of(&[4, 9], f8(PerToken), &[(0, 1..4, 2), (1, 1..9, 1)]));
        add(Purpose::Smoke, Data::SmallIntegers, of(&[4, 9], f8(PerChannel { axis: 1 }), &[(1, 2..9, 3)]));
        for element in super::kinds::kinds().into_iter().chain([Element::U32]) {
            for taken in [(1, 1..20, 1), (1, 1..20, 2), (0, 2..12, 1)] {
                add(Purpose::Edge, Data::Specials, of(&[13, 22], element, &[taken]));
            }
        }
        for f in super::kinds::FLEXIBLE {
            let element = Element::f8(f, PerChannel { axis: 0 });
            add(Purpose::Edge, Data::Specials, of(&[11, 20], element, &[(0, 1..11, 2), (1, 3..20, 1)]));
        }
        for element in [f8(PerTensor), Element::F16, Element::F32] {
            // A head of many, a crop, the second half of a gate.
            add(Purpose::Typical, Data::Random, of(&[3, 40, 6, 32], element, &[(2, 2..3, 1)]));
            add(
                Purpose::Typical,
                Data::Random,
                of(&[2, 20, 20, 24], element, &[(1, 2..18, 1), (2, 2..18, 1)]),
            );
            add(Purpose::Typical, Data::Random, of(&[50, 256], element, &[(1, 128..256, 1)]));
            add(Purpose::Bench, Data::Random, of(&[4096, 4096], element, &[(1, 2048..4096, 1)]));
            add(Purpose::Bench, Data::Random, of(&[4096, 4096], element, &[(1, 1..4095, 1)]));
            add(Purpose::Bench, Data::Random, of(&[4096, 4096], element, &[(1, 0..4096, 2)]));
        }
        all
    }
}

fn plan(o: &Slice) -> Move {
    Move::new(o.operands().expect("validated"), &o.axes().expect("validated").0)
}

#[cfg(feature = "gpu")]
fn schedule(o: &Slice, _: &Tuning, caps: &Capabilities) -> Schedule {
    let p = plan(o);
    p.schedule(moves::path(&p.walk, p.bytes()).0, caps)
}

fn run(o: &Slice, args: &mut HostArgs<'_>, threads: Threads) {
    plan(o).run(args, threads);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Places by hand: a range, a step, both.
    #[test]
    fn places_by_hand() {
        let places = |op: &Slice| {
            let (axes, shape) = op.axes().unwrap();
            (shape.clone(), moves::places(&op.shape, &shape, &axes))
        };
        let x = Slice::new([4, 5], Element::F32);
        assert_eq!(places(&x.clone().axis(0, 1..3, 1)), (vec![2, 5], (5..15).collect()));
        assert_eq!(places(&x.clone().axis(1, 1..5, 3)), (vec![4, 2], vec![1, 4, 6, 9, 11, 14, 16, 19]));
        assert_eq!(places(&x.axis(1, 4..5, 9).axis(0, 0..4, 2)), (vec![2, 1], vec![4, 14]));
    }
}
