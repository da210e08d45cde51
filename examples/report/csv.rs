//! What was measured, for programs: a header, then a line per measurement.

use crate::{device::Device, measure::Measured, probe::Ceilings};
use std::{fs, io, path::Path};

const HEADER: &str = "device,driver,backend,op,kernel,case,flops,bytes,seconds,gflop_per_s,gb_per_s,share_of_roof,\
                      ceiling_gflop_per_s,ceiling_gb_per_s";

pub fn write(path: &Path, d: &Device, c: &Ceilings, m: &Measured) -> io::Result<()> {
    let mut lines = vec![HEADER.to_owned()];
    let ceilings = [c.flops.per_second * 1e-9, c.bytes.per_second * 1e-9];
    for r in &m.rows {
        let names = [&d.name, &d.driver, &d.backend, r.op, &r.id, &r.case].map(field);
        let work = [r.cost.flops, r.cost.bytes].map(|n| n.to_string());
        let numbers = [r.gflops(), r.gbs(), r.share(c), ceilings[0], ceilings[1]].map(|x| format!("{x:.4}"));
        let seconds = [format!("{:e}", r.seconds)];
        lines.push([&names[..], &work, &seconds, &numbers].concat().join(","));
    }
    fs::write(path, lines.join("\n") + "\n")
}

/// In quotes where it must be.
fn field(text: &str) -> String {
    if text.contains(['"', ',', '\n', '\r']) {
        return format!("\"{}\"", text.replace('"', "\"\""));
    }
    text.to_owned()
}
