//! `permute`: the axes of a tensor in another order.

use super::{
    Case, Cost, Data, DescriptorError, Inputs, Kernel, Operation, Outputs, Purpose, Real,
    moves::{self, Move, Taken},
};
use crate::{
    arguments,
    cpu::{HostArgs, Threads},
    dtype::Format,
    scale::Granularity,
    tensor::{Element, Layout, Operand},
};
#[cfg(feature = "gpu")]
use crate::{
    gpu::{Capabilities, Schedule, Stage, Tuning},
    ops::{Refusal, moves::Path, moves::Walk},
    tensor::Slot,
};

/// out\[i₀, …\] = x, its axes in another order: axis k of `out` is axis `axes`\[k\] of `x`.
///
/// * `x`: `shape`, any element.
/// * `out`: the extents in the new order, the same element; a scale per channel is one of the axis's new place.
///
/// Elements are moved, not computed with: bits stay, those of NaN too. Scales, amax and flags go along, on the device.
///
/// Semantics: ONNX `Transpose`, `permute` of PyTorch (with contiguous storage).
///
/// Errors: `axes` that are no order of the axes; more than six axes once neighbours that stay together are joined;
/// scales that cannot go along: per token where the last axis does not stay the last, per block; shapes that cannot be.
///
/// ```
/// use quarter::{Context, ops::*, tensor::*};
/// let ctx = Context::cpu();
/// let x = ctx.upload_blocking(&HostTensor::from_u32(&[1, 2, 3, 4, 5, 6], [2, 3])?)?;
/// let op = Permute::transpose(2, 3, Element::U32);
/// let out = ctx.empty_blocking(&op.out()?)?;
/// let bound = ctx.plan_blocking(&op)?.bind(&PermuteArgs::new(&x, &out))?;
/// ctx.run([&bound])?;
/// assert_eq!(ctx.download_blocking(&out)?.to_u32()?, [1, 4, 2, 5, 3, 6]);
/// # Ok::<(), quarter::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Permute {
    /// Shape of `x`.
    pub shape: Vec<u32>,
    /// Elements of `x`.
    pub element: Element,
    /// Which axis of `x` each axis of `out` is.
    pub axes: Vec<usize>,
}

arguments! {
    /// Tensors of one [`Permute`].
    pub struct PermuteArgs for Permute {
        /// Elements.
        x,
        /// The same elements, in the new order.
        out,
    } {}
}

impl Permute {
    /// Axis k of the output is axis `axes`\[k\] of `x`.
    pub fn new(shape: impl Into<Vec<u32>>, element: Element, axes: impl Into<Vec<usize>>) -> Self {
        Self { shape: shape.into(), element, axes: axes.into() }
    }

    /// \[rows, cols\] → \[cols, rows\].
    pub fn transpose(rows: u32, cols: u32, element: Element) -> Self {
        Self::new([rows, cols], element, [1, 0])
    }

    /// \[n, c, h, w\] → \[n, h, w, c\].
    pub fn nchw_to_nhwc(nchw: [u32; 4], element: Element) -> Self {
        Self::new(nchw, element, [0, 2, 3, 1])
    }

    /// \[n, h, w, c\] → \[n, c, h, w\].
    pub fn nhwc_to_nchw(nhwc: [u32; 4], element: Element) -> Self {
        Self::new(nhwc, element, [0, 3, 1, 2])
    }

    /// Layout of the output.
    ///
    /// # Errors
    /// [`DescriptorError`] when the descriptor contradicts itself.
    pub fn out(&self) -> Result<Layout, DescriptorError> {
        Ok(self.operands()?.swap_remove(1).layout)
    }

    fn taken(&self) -> Vec<Taken> {
        taken(&self.axes)
    }
}

fn taken(axes: &[usize]) -> Vec<Taken> {
    axes.iter().map(|&axis| Taken { axis, start: 0, step: 1 }).collect()
}

impl Operation for Permute {
    const NAME: &'static str = "permute";
    const KERNELS: &'static [Kernel<Self>] = &[
        #[cfg(feature = "gpu")]
        Kernel::gpu("plain", plain, |o, _, caps| schedule(o, false, caps)),
        #[cfg(feature = "gpu")]
        Kernel::gpu("tiled", tiled, |o, _, caps| schedule(o, true, caps)),
        Kernel::cpu(run),
    ];

    fn operands(&self) -> Result<Vec<Operand>, DescriptorError> {
        let mut order = self.axes.clone();
        order.sort_unstable();
        if !order.iter().copied().eq(0..self.shape.len()) {
            let expected = format!("every one of the {} axes once", self.shape.len());
            return Err(DescriptorError::new(Self::NAME, "axes", expected, format!("{:?}", self.axes)));
        }
        let shape = self.axes.iter().map(|&a| self.shape[a]).collect();
        moves::operands(Self::NAME, &self.shape, self.element, shape, &self.taken())
    }

    fn variant(&self) -> String {
        self.element.dtype().to_string()
    }

    fn cost(&self) -> Cost {
        let n = self.shape.iter().fold(1u64, |n, &d| n.saturating_mul(d.into()));
        Cost { flops: 0, bytes: n.saturating_mul(2 * u64::from(self.element.dtype().bytes())) }
    }

    fn reference(&self, x: &Inputs) -> Outputs {
        let places = moves::places(&self.shape, x.tensor("out").shape(), &self.taken());
        Outputs(vec![("out", places.into_iter().map(|i| Real::exact(i as f64)).collect())])
    }

    fn cases() -> Vec<Case<Self>> {
        use Granularity::{PerChannel, PerTensor, PerToken};
        let f8 = |g| Element::f8(Format::E4M3FN, g);
        let mut all = vec![];
        let mut add = |purpose, data, op: Permute| {
            let label = format!("{:?} {:?} {}, {data:?}", op.shape, op.axes, op.element);
            all.push(Case::new(label, purpose, data, op));
        };
        let orders: [(&[u32], &[usize]); 16] = [
            (&[1], &[0]),
            (&[37], &[0]),
            (&[7, 19], &[1, 0]),
            (&[33, 65], &[1, 0]),
            (&[40, 3], &[1, 0]),
            (&[1, 21], &[1, 0]),
            (&[21, 1], &[1, 0]),
            (&[3, 5, 18], &[1, 0, 2]),
            (&[4, 3, 17], &[2, 1, 0]),
            (&[2, 9, 5], &[0, 2, 1]),
            (&[2, 3, 5, 7], &[0, 2, 3, 1]),
            (&[2, 5, 7, 3], &[0, 3, 1, 2]),
            (&[2, 34, 3, 32], &[0, 2, 3, 1]),
            (&[3, 2, 5, 4, 6], &[4, 2, 0, 3, 1]),
            (&[2, 3, 2, 3, 2, 5], &[4, 1, 5, 0, 3, 2]),
            (&[2, 1, 3, 1, 3, 2, 5], &[5, 2, 3, 6, 0, 4, 1]),
        ];
        for (shape, axes) in orders {
            for element in [f8(PerTensor), Element::F16, Element::F32] {
                add(Purpose::Smoke, Data::SmallIntegers, Self::new(shape, element, axes));
            }
            for axis in 0..shape.len() as u8 {
                add(Purpose::Edge, Data::Random, Self::new(shape, f8(PerChannel { axis }), axes));
            }
        }
        add(
            Purpose::Smoke,
            Data::SmallIntegers,
            Self::new([4, 3, 17], f8(PerChannel { axis: 1 }), [2, 1, 0]),
        );
        add(Purpose::Smoke, Data::SmallIntegers, Self::new([2, 3, 17], f8(PerToken), [1, 0, 2]));
        add(Purpose::Edge, Data::Random, Self::new([5, 2, 3, 2, 18], f8(PerToken), [3, 1, 0, 2, 4]));
        add(Purpose::Edge, Data::Random, Self::new([19], f8(PerToken), [0]));
        for element in super::kinds::kinds().into_iter().chain([Element::U32]) {
            for (shape, axes) in [(&[2u32, 13, 22][..], &[2usize, 0, 1][..]), (&[3, 12, 37], &[1, 0, 2])] {
                add(Purpose::Edge, Data::Specials, Self::new(shape, element, axes));
            }
        }
        for f in super::kinds::FLEXIBLE {
            add(
                Purpose::Edge,
                Data::Specials,
                Self::transpose(11, 20, Element::f8(f, PerChannel { axis: 0 })),
            );
        }
        for element in [f8(PerTensor), Element::F16, Element::F32] {
            add(Purpose::Typical, Data::Random, Self::nchw_to_nhwc([2, 48, 9, 13], element));
            add(Purpose::Typical, Data::Random, Self::nhwc_to_nchw([2, 9, 13, 48], element));
            add(Purpose::Typical, Data::Random, Self::new([2, 70, 4, 32], element, [0, 2, 1, 3]));
            add(Purpose::Bench, Data::Random, Self::transpose(4096, 4096, element));
            add(Purpose::Bench, Data::Random, Self::nchw_to_nhwc([32, 64, 56, 56], element));
            add(Purpose::Bench, Data::Random, Self::new([8, 512, 16, 64], element, [0, 2, 1, 3]));
        }
        all
    }
}

fn plan(o: &Permute) -> Move {
    Move::new(o.operands().expect("validated"), &o.taken())
}

#[cfg(feature = "gpu")]
fn plain(o: &Permute, caps: &Capabilities) -> Result<Vec<Tuning>, Refusal> {
    let tiles = moves::path(&plan(o).walk, o.element.dtype().bytes()).1;
    if tiles && !caps.software {
        return Err(Refusal::Unfit("both last axes are long: tiles read and write neighbours".into()));
    }
    Ok(vec![Tuning::new("", &[])])
}

#[cfg(feature = "gpu")]
fn tiled(o: &Permute, _: &Capabilities) -> Result<Vec<Tuning>, Refusal> {
    match plan(o).walk.lines() {
        Some(_) => Ok(vec![Tuning::new("", &[])]),
        None => Err(Refusal::Unfit("the last axis of x stays the last, or has one index".into())),
    }
}

#[cfg(feature = "gpu")]
fn schedule(o: &Permute, tiled: bool, caps: &Capabilities) -> Schedule {
    let p = plan(o);
    p.schedule(if tiled { Path::Tiled } else { moves::path(&p.walk, p.bytes()).0 }, caps)
}

/// Values at `from` to `to` with axes in this order, for other operations; no scales. Layouts are those of operands, of
/// one kind of element, and take at most six axes once joined.
#[cfg(feature = "gpu")]
pub(crate) fn stage(
    from: Slot,
    from_layout: &Layout,
    to: Slot,
    to_layout: &Layout,
    axes: &[usize],
    caps: &Capabilities,
) -> Stage {
    let walk = Walk::new(from_layout, to_layout, &taken(axes));
    let (path, tiles) = moves::path(&walk, from_layout.element().dtype().bytes());
    let path = if tiles && !caps.software { Path::Tiled } else { path };
    moves::values_stage((from, from_layout), (to, to_layout), &walk, path, caps)
}

fn run(o: &Permute, args: &mut HostArgs<'_>, threads: Threads) {
    plan(o).run(args, threads);
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(feature = "gpu")]
    use crate::tensor::values;

    fn order(shape: &[u32], axes: &[usize]) -> Vec<u64> {
        let to: Vec<u32> = axes.iter().map(|&a| shape[a]).collect();
        moves::places(shape, &to, &taken(axes))
    }

    /// Places of a transpose and of NCHW, by their closed forms; there and back is where it was.
    #[test]
    fn places_by_hand() {
        let transposed: Vec<u64> = (0..15).map(|i| i % 3 * 5 + i / 3).collect();
        assert_eq!(order(&[3, 5], &[1, 0]), transposed);
        let (c, h, w) = (2, 3, 4);
        let nhwc = order(&[5, 2, 3, 4], &[0, 2, 3, 1]);
        for (i, place) in (0..).zip(nhwc) {
            let (n, y, x, k) = (i / (h * w * c), i / (w * c) % h, i / c % w, i % c);
            assert_eq!(place, ((n * c + k) * h + y) * w + x);
        }
        let there = order(&[5, 2, 3, 4], &[3, 1, 0, 2]);
        let back = order(&[4, 2, 5, 3], &[2, 1, 3, 0]);
        let both: Vec<u64> = back.iter().map(|&i| there[i as usize]).collect();
        assert_eq!(both, (0..120).collect::<Vec<u64>>());
    }

    /// Axes that stay together count as one.
    #[test]
    fn neighbours_join() {
        let op = Permute::new([2, 1, 3, 2, 2, 1, 2, 2, 5], Element::F32, [3, 4, 5, 6, 0, 1, 2, 7, 8]);
        assert_eq!(plan(&op).walk.axes(), 4);
        assert_eq!(plan(&Permute::nchw_to_nhwc([2, 3, 4, 5], Element::F16)).walk.axes(), 4);
    }

    /// Between any two slots, cut where a binding is too small.
    #[cfg(feature = "gpu")]
    #[test]
    fn a_stage_for_others() {
        let [from, to] = [[2, 64, 40, 40], [2, 40, 40, 64]].map(|s| Layout::new(s, Element::F16).unwrap());
        let mut caps = Capabilities::portable();
        let whole = stage(values("a"), &from, Slot::Workspace(1), &to, &[0, 2, 3, 1], &caps);
        assert_eq!(whole.shader.path, "move/tiled.wgsl");
        assert_eq!(
            whole.bindings.iter().map(|b| b.slot).collect::<Vec<_>>(),
            [values("a"), Slot::Workspace(1)]
        );
        assert!(whole.dispatches.len() == 1 && whole.dispatches[0].windows.is_empty());
        (caps.limits.max_storage_buffer_binding_size, caps.software) = (1 << 16, true);
        let cut = stage(values("a"), &from, Slot::Workspace(1), &to, &[0, 2, 3, 1], &caps);
        assert_eq!(cut.shader.path, "move/gather.wgsl");
        assert!(cut.dispatches.len() > 8);
        assert!(cut.dispatches.iter().flat_map(|d| &d.windows).all(|w| w.bytes <= 1 << 16));
    }
}
