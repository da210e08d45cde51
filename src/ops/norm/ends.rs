//! What every normalisation begins and ends with: x + residual, and act(· γ + β).

use super::{Norm, operand};
use crate::{
    cpu::{HostArgs, Input},
    ops::{Activation, Inputs, Real, TINY},
    tensor::Operand,
};
#[cfg(feature = "gpu")]
use crate::{
    gpu::{Capabilities, Stage},
    ops::binding::{self, StageBuilder},
    tensor::Access,
};

/// x + residual, or x, of the reference.
pub(super) fn summed(o: &Norm, x: &Inputs) -> Vec<Real> {
    let z = x.real("x");
    match o.residual {
        Some(_) => z.into_iter().zip(x.real("residual")).map(|(x, r)| x + r).collect(),
        None => z,
    }
}

/// The same on the CPU.
pub(super) struct Source<'a> {
    x: Input<'a>,
    residual: Option<Input<'a>>,
}

impl<'a> Source<'a> {
    pub(super) fn new(all: &[Operand], args: &HostArgs<'a>) -> Self {
        let read = |role| operand(all, role).map(|o| Input::new(o, args));
        Self { x: read("x").expect("an operand"), residual: read("residual") }
    }

    /// One row.
    pub(super) fn load(&self, row: usize, v: &mut [f32]) {
        self.x.numbers(row, 0, v);
        if let Some(residual) = &self.residual {
            residual.add(row, 0, v);
        }
    }
}

/// Gamma, beta and the activation of the reference.
pub(super) struct Affine {
    gamma: Option<Vec<Real>>,
    beta: Option<Vec<Real>>,
    activation: Activation,
}

impl Affine {
    pub(super) fn new(o: &Norm, x: &Inputs) -> Self {
        let mut gamma = o.gamma.map(|_| x.real("gamma"));
        if o.zero_centred {
            gamma.iter_mut().flatten().for_each(|g| *g = Real::exact(1.0) + *g);
        }
        Self { gamma, beta: o.beta.map(|_| x.real("beta")), activation: o.activation }
    }

    pub(super) fn apply(&self, col: usize, mut v: Real) -> Real {
        let mut spoilt = false;
        if let Some(gamma) = &self.gamma {
            let gamma = gamma[col];
            // A subnormal that a driver takes for zero makes NaN of Inf.
            spoilt = v.value.is_infinite() && gamma.value.abs() < TINY;
            v = v * gamma;
        }
        if let Some(beta) = &self.beta {
            v = v + beta[col];
        }
        let v = self.activation.real(v);
        if spoilt { v.or_nan() } else { v }
    }
}

/// The same on the CPU.
pub(super) struct Weights {
    gamma: Option<Vec<f32>>,
    beta: Option<Vec<f32>>,
    activation: Activation,
}

impl Weights {
    pub(super) fn new(o: &Norm, all: &[Operand], args: &HostArgs<'_>) -> Self {
        let mut gamma = channels("gamma", all, args);
        if o.zero_centred {
            gamma.iter_mut().flatten().for_each(|g| *g += 1.0);
        }
        Self { gamma, beta: channels("beta", all, args), activation: o.activation }
    }

    pub(super) fn apply(&self, v: &mut [f32]) {
        if let Some(gamma) = &self.gamma {
            v.iter_mut().zip(gamma).for_each(|(v, gamma)| *v *= gamma);
        }
        if let Some(beta) = &self.beta {
            v.iter_mut().zip(beta).for_each(|(v, beta)| *v += beta);
        }
        if self.activation != Activation::None {
            self.activation.apply_all(v);
        }
    }
}

/// Numbers of an operand that has one for each channel, if there is one.
pub(super) fn channels(role: &str, all: &[Operand], args: &HostArgs<'_>) -> Option<Vec<f32>> {
    let o = operand(all, role)?;
    let mut v = vec![0.0; o.layout.cols() as usize];
    Input::new(o, args).codes(0, 0, &mut v);
    Some(v)
}

/// What `norm/load.wgsl` expects.
#[cfg(feature = "gpu")]
pub(super) fn load(stage: StageBuilder, all: &[Operand]) -> StageBuilder {
    let x = operand(all, "x").expect("an operand").layout.element();
    let stage = stage.input("x", 1, 2, x);
    match operand(all, "residual") {
        Some(o) => stage.define("RESIDUAL").input("residual", 3, 4, o.layout.element()),
        None => stage,
    }
}

/// What `norm/affine.wgsl` expects, and the output behind it.
#[cfg(feature = "gpu")]
pub(super) fn affine(mut stage: StageBuilder, o: &Norm, all: &[Operand]) -> StageBuilder {
    for (role, at) in [("gamma", 5), ("beta", 6)] {
        if let Some(operand) = operand(all, role) {
            stage = stage.define(&role.to_uppercase()).operand(role, at, operand.layout.element());
        }
    }
    if o.zero_centred {
        stage = stage.define("ZERO_CENTRED");
    }
    let stage = o.activation.defines().iter().fold(stage, |stage, d| stage.define(d));
    stage.output("out", 7, 8, o.out, o.overflow)
}

/// A stage for the record of every 8-bit output.
#[cfg(feature = "gpu")]
pub(super) fn resets(all: &[Operand], caps: &Capabilities) -> Vec<Stage> {
    let written = all.iter().filter(|o| o.access != Access::Read);
    let coded = written.filter(|o| o.layout.element().scaling().is_some());
    coded.map(|o| binding::reset_of(o.role, &o.layout, caps)).collect()
}
