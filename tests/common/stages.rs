//! Every stage of every GPU kernel, by the schedules alone: no device is needed.

use quarter::{
    gpu::{Capabilities, Stage},
    ops::{OPERATIONS, Refusal},
};
use std::collections::{BTreeMap, HashSet};

/// What the walk found.
pub struct Stages {
    /// Those that differ in more than their grid and the values of their parameters, with the first kernel, variant
    /// and case that has it.
    pub distinct: Vec<(String, Stage)>,
    /// All, by operation and kernel.
    pub count: BTreeMap<String, usize>,
}

/// Operations × kernels × variants × cases, on WebGPU's default limits and on a software adapter with the same.
pub fn stages() -> Stages {
    let software = Capabilities { software: true, f16_decode: true, ..Capabilities::portable() };
    let (mut seen, mut distinct, mut counts) = (HashSet::new(), vec![], BTreeMap::new());
    for caps in [Capabilities::portable(), software] {
        for entry in OPERATIONS {
            for case in (entry.cases)() {
                let operands = case.op.operands().unwrap();
                for k in case.op.kernels().iter().filter(|k| !k.on_cpu) {
                    let name = format!("{}.{}", entry.name, k.name);
                    let count: &mut usize = counts.entry(name.clone()).or_default();
                    let tunings = match case.op.tunings(k.name, &caps) {
                        Ok(t) => t,
                        Err(Refusal::Unfit(_)) => continue,
                        Err(r) => panic!("{name} [{}]: {r}", case.label),
                    };
                    for t in tunings {
                        let id = format!("{name}.{} [{}]", t.label, case.label);
                        let schedule = case.op.schedule(k.name, &t, &caps);
                        // WebGPU's default limits hold every kernel.
                        schedule.check(&operands, &caps).unwrap_or_else(|r| panic!("{id}: {r}"));
                        for s in &schedule.stages {
                            let fields: Vec<_> =
                                s.dispatches[0].params.fields().iter().map(|f| f.0).collect();
                            let what = format!(
                                "{:?}{:?}{:?}{:?}{fields:?}",
                                s.shader.path, s.specialization, s.footprint, s.bindings
                            );
                            if seen.insert(what) {
                                distinct.push((id.clone(), s.clone()));
                            }
                            *count += 1;
                        }
                    }
                }
            }
        }
    }
    Stages { distinct, count: counts }
}
