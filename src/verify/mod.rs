//! Proof: one driver that runs any kernel of any operation and compares it with its f64 reference, element by
//! element, within a bound that follows from the reference itself.
//!
//! Conformance tests, the mutation mode and benches use it; nothing in it knows an operation.

mod compare;
mod draw;
mod mutate;
mod self_check;

pub use compare::{Comparison, Worst};
pub use draw::draw;
use draw::seen;
pub use mutate::{Mutation, mutations};
pub use self_check::{Checked, Failure, Fault, Report};

use crate::{
    Error,
    context::Context,
    dtype::Philox,
    ops::problem::Problem,
    ops::{Arithmetic, Case, Inputs, Outputs, Real, Slots, TINY},
    plan::{AnyPlan, Choice},
    tensor::{Access, DType, HostTensor, Operand},
};
use std::sync::Arc;

/// Runs one kernel (or the best) on one case and compares it with the reference.
///
/// # Errors
/// What planning and running say; a wrong result is no error but a [`Comparison`] that does not pass.
pub async fn check(
    ctx: &Context,
    case: &Case<Arc<dyn Problem>>,
    choice: &Choice,
) -> Result<Comparison, Error> {
    Run::new(case)?.compare(ctx, choice, None).await
}

/// One case with its operands drawn and its truth known: what several kernels, or mutants, are held against.
#[derive(Debug)]
pub struct Run<'c> {
    case: &'c Case<Arc<dyn Problem>>,
    operands: Vec<Operand>,
    tensors: Vec<(&'static str, HostTensor)>,
    truth: Vec<(Arithmetic, Outputs)>,
}

impl<'c> Run<'c> {
    /// Draws the operands; the same for the same case, always.
    ///
    /// # Errors
    /// [`Error::Descriptor`].
    pub fn new(case: &'c Case<Arc<dyn Problem>>) -> Result<Self, Error> {
        let operands = case.op.operands()?;
        let draw = |(o, seed): (&Operand, u64)| {
            let tensor = draw(o, case.data, seed);
            // A record that goes along must say something.
            let moved = operands.iter().any(|to| to.moved == Some(o.role));
            (o.role, if moved || o.is_rescaled() { seen(tensor) } else { tensor })
        };
        let tensors = operands.iter().zip(1..).map(draw).collect();
        Ok(Self { case, operands, tensors, truth: vec![] })
    }

    /// The operands as drawn.
    pub fn tensors(&self) -> &[(&'static str, HostTensor)] {
        &self.tensors
    }

    fn truth(&mut self, arithmetic: Arithmetic) -> &Outputs {
        let i = self.truth.iter().position(|t| t.0 == arithmetic).unwrap_or_else(|| {
            let inputs = Inputs { tensors: self.tensors.clone(), arithmetic };
            self.truth.push((arithmetic, self.case.op.reference(&inputs)));
            self.truth.len() - 1
        });
        &self.truth[i].1
    }

    /// Whether a mutation of the operands changes anything that the operation promises.
    pub fn matters(&mut self, mutation: &Mutation) -> bool {
        let Some(tensors) = mutation.apply(&self.tensors) else { return false };
        let inputs = Inputs { tensors, arithmetic: Arithmetic::F32 };
        let mutated = self.case.op.reference(&inputs);
        let truth = self.truth(Arithmetic::F32).clone();
        // A driver may take either for zero.
        let tiny = |v: f64| v.abs() < TINY;
        let same = |(m, t): (f64, f64)| m == t || m.is_nan() || (tiny(m) && tiny(t));
        let tensors = inputs.tensors;
        let mut all = truth.0.iter().zip(&mutated.0);
        !all.all(|((role, truth), (_, mutated))| {
            let o = self.operands.iter().position(|o| o.role == *role).expect("an operand");
            if let Some(from) = self.operands[o].moved {
                let [was, is] = [&self.tensors, &tensors].map(|t| compare::elements(of(t, from), truth));
                return was == is;
            }
            if self.operands[o].is_rescaled() {
                return truth == mutated;
            }
            let stored = |n: &[Real]| compare::stored(&self.operands[o], &self.tensors[o].1, n);
            stored(mutated).into_iter().zip(stored(truth)).all(same)
        })
    }

    /// Runs a kernel on the operands, or on mutated ones, and compares what comes out with the truth of the
    /// operands as drawn.
    ///
    /// # Errors
    /// What planning and running say.
    pub async fn compare(
        &mut self,
        ctx: &Context,
        choice: &Choice,
        mutation: Option<&Mutation>,
    ) -> Result<Comparison, Error> {
        let mutated = mutation.and_then(|m| m.apply(&self.tensors));
        let given = mutated.as_ref().unwrap_or(&self.tensors);
        let edit = mutation.and_then(Mutation::edit);
        let mut device = vec![];
        for (o, (role, t)) in self.operands.iter().zip(given) {
            let tensor = match (o.access, t.scales()) {
                (Access::Read | Access::ReadWrite, _) => ctx.upload(t).await?,
                (Access::Write, Some(s)) if o.scales != Access::Write => {
                    ctx.empty_scaled(&o.layout, s).await?
                }
                (Access::Write, _) => ctx.empty(&o.layout).await?,
            };
            device.push((*role, tensor));
        }
        let problem = &*self.case.op;
        let plan = AnyPlan::build(
            ctx,
            problem,
            choice,
            #[cfg(feature = "gpu")]
            edit.as_deref(),
        );
        #[cfg(not(feature = "gpu"))]
        let _ = edit;
        let plan = plan.await?;
        let bound = plan.bind(&Slots(device.iter().map(|(r, t)| (*r, t)).collect()))?;
        ctx.run([&bound])?;
        let arithmetic = problem
            .kernels()
            .iter()
            .find(|k| k.name == plan.kernel())
            .map_or(Arithmetic::F32, |k| k.arithmetic);
        let mut got = vec![];
        for (o, (role, t)) in self.operands.iter().zip(&device) {
            if o.access != Access::Read || o.is_rescaled() {
                got.push((*role, ctx.fetch(t, true).await?));
            }
        }
        let (data, label, id) = (self.case.data, self.case.label.clone(), bound.id().to_owned());
        let mut out = Comparison::new(id, label, data);
        let (operands, tensors) = (self.operands.clone(), self.tensors.clone());
        let truth = self.truth(arithmetic);
        for (role, got) in &got {
            let o = operands.iter().find(|o| o.role == *role).expect("an operand");
            let given = of(&tensors, role);
            let expected = truth.0.iter().find(|t| t.0 == *role);
            let expected =
                expected.unwrap_or_else(|| panic!("internal: the reference does not give `{role}`"));
            if o.is_rescaled() {
                out.rescaled(o, given, got, &expected.1);
                continue;
            }
            if o.layout.element().dtype() == DType::Code8 {
                out.coded(o, given, got, &expected.1);
                continue;
            }
            if let Some(from) = o.moved {
                out.moved(o, of(&tensors, from), got, &expected.1);
                continue;
            }
            let seed = o.seed.map(|role| of(&tensors, role).words());
            let random = seed.map(|w| Philox::from_words([w[0], w[1], w[2], w[3]]));
            out.tensor(o, given, got, &expected.1, random);
        }
        Ok(out)
    }
}

fn of<'t>(tensors: &'t [(&'static str, HostTensor)], role: &str) -> &'t HostTensor {
    &tensors.iter().find(|t| t.0 == role).expect("an operand").1
}
