//! The bench cases of an operation on every kernel and variant of a context, with no code per operation.

use super::{Rates, Tensors};
use quarter::{
    Bound, Choice, Context, Error,
    ops::{
        Case, Entry, Purpose,
        problem::{Problem, id},
    },
};
use std::{
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

/// Dispatches in one submission, at most.
const BATCH: usize = 64;

pub type AnyCase = Case<Arc<dyn Problem>>;

/// Cases for benches, those with less work first: they tell how long the others will take.
pub fn bench_cases(op: &Entry) -> Vec<AnyCase> {
    let mut cases: Vec<_> = (op.cases)().into_iter().filter(|c| c.purpose == Purpose::Bench).collect();
    cases.sort_by_key(|c| (c.op.cost().flops, c.op.cost().bytes));
    cases
}

/// One way to run a problem.
pub struct Variant {
    /// As the plan will have it; known before anything is compiled.
    pub id: String,
    choice: Choice,
}

/// Every variant of every kernel of this context.
pub fn variants(ctx: &Context, problem: &dyn Problem) -> Vec<Variant> {
    let mut all = vec![];
    for k in ctx.kernels(problem) {
        #[cfg(feature = "gpu")]
        if let Some(caps) = ctx.capabilities() {
            for t in problem.tunings(k.name, caps).unwrap_or_default() {
                all.push(Variant {
                    id: id(problem, k.name, &t.label),
                    choice: Choice::Exactly(k.name.to_owned(), t),
                });
            }
            continue;
        }
        all.push(Variant { id: id(problem, k.name, ""), choice: Choice::Kernel(k.name.to_owned()) });
    }
    all
}

/// Why a case is not measured.
pub enum Skip {
    /// The kernel does not take it, or it does not fit into memory.
    Refused(Error),
    /// Never run: it would take so long.
    Predicted(Duration),
    /// No rate was known; it took so long.
    Took(Duration),
}

impl fmt::Display for Skip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(e) => e.fmt(f),
            Self::Predicted(t) => write!(f, "{t:.1?} a run, predicted"),
            Self::Took(t) => write!(f, "{t:.1?} a run"),
        }
    }
}

/// Runs cases on one context, but none that takes longer than the limit if that can be told from others.
pub struct Runner {
    ctx: Context,
    limit: Duration,
    rates: Rates,
}

/// Operands of a case, made when the first variant runs it.
pub type Operands = Option<Tensors>;

impl Runner {
    pub fn new(ctx: &Context, limit: Duration) -> Self {
        Self { ctx: ctx.clone(), limit, rates: Rates::default() }
    }

    /// Compiles and binds a variant and runs it twice; the time is the better one.
    ///
    /// # Errors
    /// What is neither a refusal nor a lack of memory.
    pub fn start(
        &mut self,
        case: &AnyCase,
        variant: &Variant,
        operands: &mut Operands,
    ) -> Result<Result<(Bound, Duration), Skip>, Error> {
        let cost = case.op.cost();
        if let Some(t) = self.rates.predict(&variant.id, cost).filter(|t| *t > self.limit) {
            return Ok(Err(Skip::Predicted(t)));
        }
        let bound = match self.bind(case, variant, operands) {
            Ok(bound) => bound,
            Err(e @ (Error::Unsupported { .. } | Error::OutOfMemory { .. })) => {
                return Ok(Err(Skip::Refused(e)));
            }
            Err(e) => return Err(e),
        };
        debug_assert_eq!(bound.id(), variant.id);
        // The first run compiles.
        let took = time(&self.ctx, &bound, 1)?.min(time(&self.ctx, &bound, 1)?);
        self.rates.learn(&variant.id, cost, took);
        Ok(if took > self.limit { Err(Skip::Took(took)) } else { Ok((bound, took)) })
    }

    fn bind(&self, case: &AnyCase, variant: &Variant, operands: &mut Operands) -> Result<Bound, Error> {
        let plan = pollster::block_on(self.ctx.plan_any(&*case.op, &variant.choice))?;
        let tensors = match operands {
            Some(tensors) => tensors,
            None => operands.insert(Tensors::new(&self.ctx, &*case.op, case.data)?),
        };
        plan.bind(&tensors.slots())
    }
}

/// Runs it this many times and waits for the end: on a GPU, many dispatches of one pass.
pub fn time(ctx: &Context, bound: &Bound, times: u64) -> Result<Duration, Error> {
    let start = Instant::now();
    for first in (0..times).step_by(BATCH) {
        ctx.run((first..times).take(BATCH).map(|_| bound))?;
    }
    pollster::block_on(ctx.finish())?;
    Ok(start.elapsed())
}
