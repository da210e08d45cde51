//! Every kernel on the user's own device: what ran, what was refused and why, what failed.

use super::{Run, Worst};
use crate::{
    Context, Error, On,
    ops::{OPERATIONS, Purpose},
    plan::Choice,
};
use std::{collections::BTreeMap, fmt};

/// One kernel's part of a self-check.
#[derive(Clone, Debug, Default)]
pub struct Checked {
    /// The operation.
    pub op: &'static str,
    /// The kernel.
    pub kernel: &'static str,
    /// Cases run.
    pub cases: usize,
    /// Of them those in which every bit had to be right.
    pub strict: usize,
    /// Reasons for which cases were refused, and how many.
    pub refused: BTreeMap<String, usize>,
    /// Cases that came out wrong, or did not run.
    pub failed: Vec<Failure>,
    /// Largest |error| as a share of its bound.
    pub worst_ratio: f64,
}

/// A case that failed.
#[derive(Clone, Debug)]
pub struct Failure {
    /// Kernel id and case.
    pub case: String,
    /// What was wrong.
    pub what: Fault,
}

/// How a case failed.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Fault {
    /// Wrong numbers: how many, and the first.
    Wrong(usize, Worst),
    /// It did not run.
    Error(Error),
}

/// What a self-check found. Displays as tables.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Report {
    /// Adapter and driver, or `cpu`.
    pub device: String,
    /// What the device does with numbers; `None` on the CPU.
    #[cfg(feature = "gpu")]
    pub facts: Option<crate::gpu::Facts>,
    /// What is known of its driver.
    #[cfg(feature = "gpu")]
    pub quirks: Vec<&'static crate::gpu::Quirk>,
    /// Every kernel, in the registry's order.
    pub kernels: Vec<Checked>,
}

impl Report {
    /// Whether nothing failed, and every operation ran on some kernel: where nothing was proven, nothing has passed.
    pub fn pass(&self) -> bool {
        let ran = |op| self.kernels.iter().any(|k| k.op == op && k.cases > 0);
        self.kernels.iter().all(|k| k.failed.is_empty() && ran(k.op))
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\n", self.device)?;
        #[cfg(feature = "gpu")]
        {
            if let Some(facts) = &self.facts {
                writeln!(f, "| measured here | |\n|---|---|\n{facts}")?;
            }
            for q in &self.quirks {
                writeln!(f, "known of {}: {}", q.adapter, q.fact)?;
            }
            if !self.quirks.is_empty() {
                writeln!(f)?;
            }
        }
        writeln!(
            f,
            "| operation, kernel | cases | of them to the bit | largest error/bound | refused | failed |"
        )?;
        writeln!(f, "|---|---|---|---|---|---|")?;
        for k in &self.kernels {
            let refused: usize = k.refused.values().sum();
            let counts =
                format!("{} | {} | {:.2} | {refused} | {}", k.cases, k.strict, k.worst_ratio, k.failed.len());
            writeln!(f, "| {} {} | {counts} |", k.op, k.kernel)?;
        }
        for k in &self.kernels {
            for (why, count) in &k.refused {
                writeln!(f, "refused {} {} ({count}): {why}", k.op, k.kernel)?;
            }
            for failure in &k.failed {
                match &failure.what {
                    Fault::Wrong(count, worst) => {
                        writeln!(f, "FAILED {}: {count} wrong: {worst}", failure.case)?
                    }
                    Fault::Error(e) => writeln!(f, "FAILED {}: {e}", failure.case)?,
                }
            }
        }
        Ok(())
    }
}

impl Context {
    /// Runs every kernel of every operation on its smoke cases and holds the results against the f64 reference: proof
    /// on this device and driver. Takes seconds, most of them the driver's compiler.
    ///
    /// Measures first what the device does with numbers, as [`verify`](Self::verify) does; kernels planned afterwards
    /// go by it. Polls the device, a shared one too: it was asked to.
    ///
    /// # Errors
    /// [`Error::DeviceLost`]. Whatever else goes wrong is in the report.
    ///
    /// ```
    /// let report = pollster::block_on(quarter::Context::cpu().self_check())?;
    /// assert!(report.pass(), "{report}");
    /// # Ok::<(), quarter::Error>(())
    /// ```
    pub async fn self_check(&self) -> Result<Report, Error> {
        #[cfg(feature = "gpu")]
        let facts = self.measure(true).await?;
        let mut kernels = vec![];
        for entry in OPERATIONS {
            let cases = (entry.cases)();
            let here = self.on() == On::Cpu;
            let mut rows: Vec<Checked> = cases[0]
                .op
                .kernels()
                .into_iter()
                .filter(|k| k.on_cpu == here)
                .map(|k| Checked { op: entry.name, kernel: k.name, ..Checked::default() })
                .collect();
            for case in cases.iter().filter(|c| c.purpose == Purpose::Smoke) {
                let mut run = Run::new(case)?;
                for row in &mut rows {
                    let result = run.compare(self, &Choice::Kernel(row.kernel.to_owned()), None).await;
                    row.note(&case.label, result)?;
                }
            }
            kernels.extend(rows);
        }
        Ok(Report {
            device: self.name(),
            #[cfg(feature = "gpu")]
            facts,
            #[cfg(feature = "gpu")]
            quirks: crate::gpu::quirks_of(&self.name()),
            kernels,
        })
    }
}

impl Checked {
    fn note(&mut self, label: &str, result: Result<super::Comparison, Error>) -> Result<(), Error> {
        match result {
            Ok(c) => {
                self.cases += 1;
                self.strict += usize::from(c.strict);
                self.worst_ratio = self.worst_ratio.max(c.worst_ratio);
                if let (false, Some(worst)) = (c.pass(), c.worst) {
                    let case = format!("{} [{label}]", c.id);
                    self.failed.push(Failure { case, what: Fault::Wrong(c.wrong, worst) });
                }
            }
            Err(Error::Unsupported { refusals, .. }) => {
                for (_, why) in refusals.into_iter().take(1) {
                    *self.refused.entry(why.to_string()).or_default() += 1;
                }
            }
            Err(e @ Error::DeviceLost(_)) => return Err(e),
            Err(e) => {
                let case = format!("{}.{} [{label}]", self.op, self.kernel);
                self.failed.push(Failure { case, what: Fault::Error(e) });
            }
        }
        Ok(())
    }
}
