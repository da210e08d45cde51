//! `concat`: tensors one behind the other along an axis.

mod cases;
#[cfg(feature = "gpu")]
mod gpu;

use super::{Case, Cost, DescriptorError, Inputs, Kernel, Operation, Outputs, expect::expect_number};
use crate::{
    arguments,
    cpu::{self, HostArgs, Threads},
    dtype::Overflow,
    tensor::{Element, Layout, Operand},
};

/// Roles of the inputs.
const ROLES: [&str; 8] = ["x0", "x1", "x2", "x3", "x4", "x5", "x6", "x7"];

/// out = x₀, x₁, … one behind the other along `axis`, requantised where `out` is 8-bit: v = code · scale, then
/// code = encode(v · inv_scale).
///
/// * `x0` … `x7`: two to eight `inputs`, f32, f16, bf16 or 8-bit at any granularity, each with scales of its own; of one
///   shape but for `axis`.
/// * `out`: the sum of their extents along `axis`; f32, f16, bf16 or 8-bit with given scales, amax and flags in its record.
///
/// Error: that of one f32 multiplication per 8-bit number; others come out as they are, or rounded to nearest even.
/// Where an input has the format of `out` and the same scale, its codes come out as they are, as long as code · scale is
/// a normal f32 or zero. NaN stays NaN.
///
/// Semantics: ONNX `Concat`, `cat` of PyTorch; different scales as PyTorch's quantised `cat`.
///
/// Errors: fewer inputs than two or more than eight; shapes that differ elsewhere than along `axis`; an axis that is not
/// there; integers; shapes that cannot be.
///
/// ```
/// use quarter::{Context, ops::*, tensor::*};
/// let ctx = Context::cpu();
/// let a = ctx.upload_blocking(&HostTensor::from_f32(&[1.0, 2.0], [2, 1])?)?;
/// let b = ctx.upload_blocking(&HostTensor::from_f32(&[3.0, 4.0, 5.0, 6.0], [2, 2])?)?;
/// let op = Concat::new(1, [(vec![2, 1], Element::F32), (vec![2, 2], Element::F32)]);
/// let out = ctx.empty_blocking(&op.out_layout()?)?;
/// let bound = ctx.plan_blocking(&op)?.bind(&ConcatArgs::new(&a, &b, &out))?;
/// ctx.run([&bound])?;
/// assert_eq!(ctx.download_blocking(&out)?.to_f32(), [1.0, 3.0, 4.0, 2.0, 5.0, 6.0]);
/// # Ok::<(), quarter::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Concat {
    /// The axis along which they lie one behind the other.
    pub axis: usize,
    /// Shape and elements of every input.
    pub inputs: Vec<(Vec<u32>, Element)>,
    /// Elements of the output.
    pub out: Element,
    /// What becomes of numbers beyond the largest code of the output.
    pub overflow: Overflow,
}

arguments! {
    /// Tensors of one [`Concat`].
    pub struct ConcatArgs for Concat {
        /// The first.
        x0,
        /// The second.
        x1,
        /// All of them.
        out,
    } {
        /// The third.
        x2,
        /// The fourth.
        x3,
        /// The fifth.
        x4,
        /// The sixth.
        x5,
        /// The seventh.
        x6,
        /// The eighth.
        x7,
    }
}

impl Concat {
    /// These tensors along `axis`, to f32.
    pub fn new(axis: usize, inputs: impl IntoIterator<Item = (Vec<u32>, Element)>) -> Self {
        let inputs = inputs.into_iter().collect();
        Self { axis, inputs, out: Element::F32, overflow: Overflow::Saturate }
    }

    /// Elements of the output.
    #[must_use]
    pub fn out(self, out: Element) -> Self {
        Self { out, ..self }
    }

    /// What becomes of numbers beyond the largest code of the output.
    #[must_use]
    pub fn overflow(self, overflow: Overflow) -> Self {
        Self { overflow, ..self }
    }

    /// Layout of the output.
    ///
    /// # Errors
    /// [`DescriptorError`] when the descriptor contradicts itself.
    pub fn out_layout(&self) -> Result<Layout, DescriptorError> {
        Ok(self.operands()?.pop().expect("an output").layout)
    }

    /// Where each input begins along the axis.
    fn starts(&self) -> Vec<u32> {
        let extents = self.inputs.iter().map(|i| i.0[self.axis]);
        extents.scan(0, |at, extent| Some(std::mem::replace(at, *at + extent))).collect()
    }

    /// Whether the axis is the last: rows of the output are made of rows of all.
    fn within_rows(&self) -> bool {
        self.axis + 1 == self.inputs[0].0.len()
    }

    /// Rows of a tensor with this extent of the axis, until the axis starts over.
    fn block(&self, extent: u32) -> u64 {
        let shape = &self.inputs[0].0;
        let inner = shape[self.axis + 1..].split_last().map_or(1, |(_, inner)| inner.iter().product::<u32>());
        u64::from(extent) * u64::from(inner)
    }
}

impl Operation for Concat {
    const NAME: &'static str = "concat";
    const KERNELS: &'static [Kernel<Self>] = &[
        #[cfg(feature = "gpu")]
        Kernel::gpu("plain", |_, _| Ok(vec![crate::gpu::Tuning::new("", &[])]), gpu::schedule),
        Kernel::cpu(run),
    ];

    fn operands(&self) -> Result<Vec<Operand>, DescriptorError> {
        let fail =
            |what, expected: String, got: String| Err(DescriptorError::new(Self::NAME, what, expected, got));
        if !(2..=ROLES.len()).contains(&self.inputs.len()) {
            return fail("inputs", format!("2 to {}", ROLES.len()), self.inputs.len().to_string());
        }
        let first = &self.inputs[0].0;
        if self.axis >= first.len() {
            return fail("axis", format!("an axis of {first:?}"), self.axis.to_string());
        }
        let (mut all, mut extent) = (vec![], 0u32);
        for (role, (shape, element)) in ROLES.into_iter().zip(&self.inputs) {
            expect_number(Self::NAME, role, *element)?;
            let alike = |s: &[u32]| {
                s.iter().enumerate().filter(|(i, _)| *i != self.axis).map(|s| *s.1).collect::<Vec<_>>()
            };
            if shape.len() != first.len() || alike(shape) != alike(first) {
                return fail(role, format!("{first:?} but for axis {}", self.axis), format!("{shape:?}"));
            }
            all.push(
                Operand::read(role, shape.clone(), *element)
                    .map_err(DescriptorError::layout(Self::NAME, role))?,
            );
            let Some(sum) = extent.checked_add(shape[self.axis]) else {
                return fail(
                    role,
                    "extents whose sum can be counted in 32 bits".into(),
                    format!("{shape:?}"),
                );
            };
            extent = sum;
        }
        expect_number(Self::NAME, "out", self.out)?;
        let mut shape = first.clone();
        shape[self.axis] = extent;
        let out =
            Operand::write("out", shape, self.out).map_err(DescriptorError::layout(Self::NAME, "out"))?;
        all.push(out.overflow(self.overflow));
        Ok(all)
    }

    fn variant(&self) -> String {
        let kinds: Vec<String> = self.inputs.iter().map(|i| i.1.dtype().to_string()).collect();
        format!("{}_{}", kinds.join("_"), self.out.dtype())
    }

    fn cost(&self) -> Cost {
        let count = |shape: &[u32]| shape.iter().fold(1u64, |n, &d| n.saturating_mul(d.into()));
        let bytes = |e: Element| u64::from(e.dtype().bytes());
        let add = |c: Cost, (shape, e): &(Vec<u32>, Element)| {
            let n = count(shape);
            let moved = n.saturating_mul(bytes(*e) + bytes(self.out));
            Cost { flops: c.flops.saturating_add(n), bytes: c.bytes.saturating_add(moved) }
        };
        self.inputs.iter().fold(Cost::default(), add)
    }

    fn reference(&self, x: &Inputs) -> Outputs {
        let inner: usize = self.inputs[0].0[self.axis + 1..].iter().map(|&d| d as usize).product();
        let outer: usize = self.inputs[0].0[..self.axis].iter().map(|&d| d as usize).product();
        let all: Vec<_> =
            ROLES.into_iter().zip(&self.inputs).map(|(role, i)| (x.real(role), i.0[self.axis])).collect();
        let mut out = vec![];
        for o in 0..outer {
            for (v, extent) in &all {
                let block = *extent as usize * inner;
                out.extend_from_slice(&v[o * block..][..block]);
            }
        }
        Outputs(vec![("out", out)])
    }

    fn cases() -> Vec<Case<Self>> {
        cases::all()
    }
}

fn run(o: &Concat, args: &mut HostArgs<'_>, threads: Threads) {
    let mut operands = o.operands().expect("validated");
    let out = operands.pop().expect("an output");
    let inputs: Vec<cpu::Input<'_>> = operands.iter().map(|x| cpu::Input::new(x, args)).collect();
    let starts = o.starts();
    if o.within_rows() {
        return cpu::write(&out, args, threads, |row, v| {
            for (x, &start) in inputs.iter().zip(&starts) {
                x.numbers(row, 0, &mut v[start as usize..][..x.layout().cols() as usize]);
            }
        });
    }
    let block = o.block(out.layout.shape()[o.axis]) as usize;
    let blocks: Vec<[usize; 2]> = (starts.iter().zip(&o.inputs))
        .map(|(&start, i)| [o.block(start) as usize, o.block(i.0[o.axis]) as usize])
        .collect();
    cpu::write(&out, args, threads, |row, v| {
        let (outer, within) = (row / block, row % block);
        let i = blocks.iter().rposition(|b| b[0] <= within).expect("the first begins at 0");
        inputs[i].numbers(outer * blocks[i][1] + within - blocks[i][0], 0, v);
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::Arithmetic;
    use crate::{ops::Real, tensor::HostTensor};

    /// Along every axis of small tensors, by hand.
    #[test]
    fn reference_by_hand() {
        let a = HostTensor::from_f32(&[1., 2., 3., 4.], [2, 1, 2]).unwrap();
        let b = HostTensor::from_f32(&[5., 6., 7., 8.], [2, 1, 2]).unwrap();
        for (axis, want) in [
            (0, [1., 2., 3., 4., 5., 6., 7., 8.]),
            (1, [1., 2., 5., 6., 3., 4., 7., 8.]),
            (2, [1., 2., 5., 6., 3., 4., 7., 8.]),
        ] {
            let op = Concat::new(axis, [(vec![2, 1, 2], Element::F32), (vec![2, 1, 2], Element::F32)]);
            let tensors = vec![("x0", a.clone()), ("x1", b.clone())];
            let out = op.reference(&Inputs { tensors, arithmetic: Arithmetic::F32 });
            assert_eq!(out.0[0].1, want.map(Real::exact), "axis {axis}");
        }
    }
}
