//! Normalisation by statistics over rows and columns: what `batch_norm`, `group_norm` and `instance_norm` compute, and
//! how. Tensors are [samples, rows…, channels]; a group is some neighbouring channels of a sample.

use super::{
    Norm,
    ends::{self, Affine, Weights},
    operand,
    statistics::{self, Moments},
};
use crate::{
    cpu::{self, HostArgs, Threads},
    ops::{Arithmetic, Cost, DescriptorError, Inputs, Outputs, Real},
    tensor::{Draw, Element, Operand, values},
};

/// Rows that are summed before a tree joins the sums.
pub(super) const CHUNK: u32 = 32;
/// GPU kernel: chunks of rows, then a tree.
#[cfg(feature = "gpu")]
pub(super) const GPU: Arithmetic = Arithmetic { chain: CHUNK };
/// CPU kernel: chunks of rows, sixteen lanes of sixteen chunks, then a tree.
pub(super) const CPU: Arithmetic = Arithmetic { chain: CHUNK + 32 };

/// Where the moments of a group come from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Source {
    /// From the tensor.
    Found,
    /// From running statistics.
    Given,
    /// From the tensor, and running statistics follow with this momentum.
    Tracked { momentum: f32 },
}

/// One such normalisation.
#[derive(Clone, Debug)]
pub(super) struct ColumnNorm {
    pub norm: Norm,
    /// Whether the first axis counts samples with statistics of their own.
    pub by_sample: bool,
    /// Groups of channels; all channels where there are none.
    pub groups: Option<u32>,
    pub source: Source,
    /// Keeps mean and inverse deviation.
    pub saved: bool,
}

impl ColumnNorm {
    pub(super) fn cols(&self) -> u32 {
        self.norm.shape.last().copied().unwrap_or(1).max(1)
    }

    pub(super) fn samples(&self) -> u32 {
        if self.by_sample { self.norm.shape[0] } else { 1 }
    }

    /// Rows of one sample.
    pub(super) fn rows(&self) -> u32 {
        let shape = &self.norm.shape;
        let first = usize::from(self.by_sample).min(shape.len() - 1);
        shape[first..shape.len() - 1].iter().fold(1, |n: u32, &d| n.saturating_mul(d)).max(1)
    }

    pub(super) fn groups(&self) -> u32 {
        self.groups.unwrap_or_else(|| self.cols())
    }

    /// Columns of a group.
    pub(super) fn width(&self) -> u32 {
        self.cols() / self.groups()
    }

    /// Numbers of a group.
    fn count(&self) -> f64 {
        f64::from(self.rows()) * f64::from(self.width())
    }

    pub(super) fn inverse_count(&self) -> f32 {
        (1.0 / self.count()) as f32
    }

    /// Factors of the old running statistics and of the new, and what makes a sum of squares the unbiased variance.
    pub(super) fn tracking(&self) -> (f32, f32, f32) {
        match self.source {
            Source::Tracked { momentum } => (1.0 - momentum, momentum, (1.0 / (self.count() - 1.0)) as f32),
            _ => (1.0, 0.0, 0.0),
        }
    }

    pub(super) fn operands(&self) -> Result<Vec<Operand>, DescriptorError> {
        let (o, op) = (&self.norm, self.norm.op);
        let axes = if self.by_sample { 2 } else { 1 };
        if o.shape.len() < axes {
            let expected =
                ["an axis or more, channels last", "two axes or more, samples and channels"][axes - 1];
            return Err(DescriptorError::new(op, "shape", expected, format!("{:?}", o.shape)));
        }
        if let Some(groups) = self.groups
            && (groups == 0 || !self.cols().is_multiple_of(groups))
        {
            let expected = format!("a divisor of the {} channels", self.cols());
            return Err(DescriptorError::new(op, "groups", expected, groups.to_string()));
        }
        if let Source::Tracked { momentum } = self.source {
            if !(0.0..=1.0).contains(&momentum) {
                return Err(DescriptorError::new(
                    op,
                    "momentum",
                    "a number from 0 to 1",
                    momentum.to_string(),
                ));
            }
            if self.rows() < 2 {
                let expected = "two numbers or more per channel, to train on";
                return Err(DescriptorError::new(op, "shape", expected, format!("{:?}", o.shape)));
            }
        } else if self.saved {
            let expected = "training: what is given need not be saved";
            return Err(DescriptorError::new(op, "saved", expected, "inference"));
        }
        let mut all = o.operands((self.rows(), self.width()), true)?;
        let layout = |role| DescriptorError::layout(op, role);
        if self.source == Source::Given {
            all[0].draw = Draw::Moderate;
        }
        let tracked = [("running_mean", Draw::Normal), ("running_var", Draw::Positive)];
        for (role, draw) in tracked.into_iter().filter(|_| self.source != Source::Found) {
            let operand = if self.source == Source::Given { Operand::read } else { Operand::update };
            all.push(operand(role, [self.cols()], Element::F32).map_err(layout(role))?.draw(draw));
        }
        for role in ["saved_mean", "saved_inv_std"].into_iter().filter(|_| self.saved) {
            all.push(Operand::write(role, [self.cols()], Element::F32).map_err(layout(role))?);
        }
        Ok(all)
    }

    pub(super) fn cost(&self) -> Cost {
        let flops = if self.source == Source::Given { 4 } else { 8 };
        Cost { flops: self.norm.elements().saturating_mul(flops), bytes: self.norm.bytes() }
    }

    /// Indices of the numbers of a group, in row-major order.
    fn members(&self, sample: usize, group: usize) -> impl Iterator<Item = usize> + Clone + use<> {
        let (rows, cols, width) = (self.rows() as usize, self.cols() as usize, self.width() as usize);
        let row = move |r: usize| (sample * rows + r) * cols + group * width;
        (0..rows).flat_map(move |r| row(r)..row(r) + width)
    }

    pub(super) fn reference(&self, x: &Inputs) -> Outputs {
        let o = &self.norm;
        let (cols, groups, width) = (self.cols() as usize, self.groups() as usize, self.width() as usize);
        let z = ends::summed(o, x);
        let running = if self.source == Source::Found {
            (vec![], vec![])
        } else {
            (x.real("running_mean"), x.real("running_var"))
        };
        let moments = |i: usize| match self.source {
            Source::Given => {
                let (mean, variance) = (running.0[i], running.1[i]);
                Moments { count: None, mean, variance, squares: Real::exact(0.0) }
            }
            _ => {
                let members = self.members(i / groups, i % groups).map(|at| &z[at]);
                statistics::moments(members, true, x.arithmetic.chain)
            }
        };
        let moments: Vec<Moments> = (0..self.samples() as usize * groups).map(moments).collect();
        let inverse: Vec<Real> = moments.iter().map(|m| m.inverse(o.epsilon)).collect();
        let affine = Affine::new(o, x);
        let normalise = |(at, &v): (usize, &Real)| {
            let (row, col) = (at / cols, at % cols);
            let group = row / self.rows() as usize * groups + col / width;
            affine.apply(col, moments[group].normalise(v, inverse[group], o.epsilon))
        };
        let mut all = vec![("out", z.iter().enumerate().map(normalise).collect())];
        if let Source::Tracked { .. } = self.source {
            let (keep, momentum, _) = self.tracking();
            let (keep, momentum) = (Real::exact(keep.into()), Real::exact(momentum.into()));
            let follow = |(old, new): (Real, Real)| keep * old + momentum * new;
            let unbiased = |m: &Moments| statistics::over(m.squares, self.count() - 1.0);
            let means = running.0.into_iter().zip(moments.iter().map(|m| m.mean));
            let variances = running.1.into_iter().zip(moments.iter().map(unbiased));
            all.push(("running_mean", means.map(follow).collect()));
            all.push(("running_var", variances.map(follow).collect()));
        }
        if self.saved {
            all.push(("saved_mean", moments.iter().map(|m| m.mean).collect()));
            all.push(("saved_inv_std", inverse));
        }
        Outputs(all)
    }

    pub(super) fn run(&self, args: &mut HostArgs<'_>, threads: Threads) {
        let (all, o) = (self.operands().expect("validated"), &self.norm);
        let (rows, width) = (self.rows() as usize, self.width() as usize);
        let (groups, cols) = (self.groups() as usize, self.cols() as usize);
        let source = ends::Source::new(&all, args);
        let weights = Weights::new(o, &all, args);
        // Mean and inverse deviation of every group of every sample.
        let mut moments: Vec<(f32, f32)> = vec![];
        if self.source == Source::Given {
            let of = |role| ends::channels(role, &all, args).expect("an operand");
            let pairs = of("running_mean").into_iter().zip(of("running_var"));
            moments.extend(pairs.map(|(mean, v)| (mean, statistics::inverse_root(v + o.epsilon))));
        } else {
            let chunks = rows.div_ceil(CHUNK as usize);
            let samples = self.samples() as usize;
            // Σ of what `f` makes of the numbers of every group, `f` given the sample.
            let totals = |f: &(dyn Fn(usize, &mut [f32]) + Sync)| -> Vec<f32> {
                let partial = threads.for_each(0..samples * chunks, |i| {
                    let (sample, start) = (i / chunks, i % chunks * CHUNK as usize);
                    let (mut sums, mut v) = (vec![0.0f32; cols], vec![0.0; cols]);
                    for row in start..(start + CHUNK as usize).min(rows) {
                        source.load(sample * rows + row, &mut v);
                        f(sample, &mut v);
                        sums.iter_mut().zip(&v).for_each(|(s, v)| *s += v);
                    }
                    sums
                });
                let total = |i: usize| {
                    let parts = &partial[i / groups * chunks..][..chunks];
                    let first = i % groups * width;
                    let of_group: Vec<f32> =
                        parts.iter().flat_map(|p| &p[first..first + width]).copied().collect();
                    statistics::sum(&of_group, |v| v)
                };
                threads.for_each(0..samples * groups, total)
            };
            let inverse_count = self.inverse_count();
            // What holds Inf has no mean.
            let mean = |sum: f32| if sum.is_finite() { sum * inverse_count } else { f32::NAN };
            let means: Vec<f32> = totals(&|_, _| {}).into_iter().map(mean).collect();
            let squares = totals(&|sample, v| {
                for (v, mean) in v.chunks_exact_mut(width).zip(&means[sample * groups..]) {
                    v.iter_mut().for_each(|v| *v = (*v - mean) * (*v - mean));
                }
            });
            let inverse = |square: &f32| statistics::inverse_root(square * inverse_count + o.epsilon);
            moments.extend(means.iter().copied().zip(squares.iter().map(inverse)));
            if let Source::Tracked { .. } = self.source {
                let (keep, momentum, unbiased) = self.tracking();
                let mut follow = |role, new: &mut dyn Iterator<Item = f32>| {
                    let old: &mut [f32] = bytemuck::cast_slice_mut(args.write(values(role)));
                    old.iter_mut().zip(new).for_each(|(old, new)| *old = keep * *old + momentum * new);
                };
                follow("running_mean", &mut means.iter().copied());
                follow("running_var", &mut squares.iter().map(|s| s * unbiased));
            }
            if self.saved {
                let mut save = |role, new: &mut dyn Iterator<Item = f32>| {
                    let out: &mut [f32] = bytemuck::cast_slice_mut(args.write(values(role)));
                    out.fill(0.0);
                    out.iter_mut().zip(new).for_each(|(out, new)| *out = new);
                };
                save("saved_mean", &mut moments.iter().map(|m| m.0));
                save("saved_inv_std", &mut moments.iter().map(|m| m.1));
            }
        }
        let normalise = |row: usize, v: &mut [f32]| {
            source.load(row, v);
            let moments = &moments[row / rows * groups..][..groups];
            for (v, (mean, inverse)) in v.chunks_exact_mut(width).zip(moments) {
                v.iter_mut().for_each(|v| *v = (*v - mean) * inverse);
            }
            weights.apply(v);
        };
        cpu::write(operand(&all, "out").expect("an operand"), args, threads, normalise);
    }
}

/// Kernels of an operation that has `fn columns(&self) -> ColumnNorm`.
macro_rules! column_kernels {
    () => {
        &[
            #[cfg(feature = "gpu")]
            Kernel::<Self>::gpu(
                "staged",
                |_, _| Ok(vec![crate::gpu::Tuning::new("", &[])]),
                |o, _, caps| o.columns().schedule(caps),
            )
            .arithmetic(columns::GPU),
            Kernel::<Self>::cpu(|o, args, threads| o.columns().run(args, threads)).arithmetic(columns::CPU),
        ]
    };
}
pub(super) use column_kernels;
