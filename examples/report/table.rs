//! What was measured, for people.

use crate::{
    measure::{Measured, Row},
    probe::Ceilings,
};

pub fn print(c: &Ceilings, m: &Measured) {
    println!("ceiling: {:8.1} GFLOP/s, {}", c.flops.per_second * 1e-9, c.flops.by);
    println!("ceiling: {:8.1} GB/s, {}\n", c.bytes.per_second * 1e-9, c.bytes.by);
    let width = |title: &str, of: fn(&Row) -> &str| {
        let longest = m.rows.iter().map(|r| of(r).chars().count()).max();
        longest.unwrap_or(0).max(title.len())
    };
    let op = width("op", |r| r.op);
    let id = width("kernel", |r| &r.id);
    let case = width("case", |r| &r.case);
    println!(
        "{:>3}  {:op$}  {:id$}  {:case$}  {:>10}  {:>8}  {:>8}  {:>8}",
        "#", "op", "kernel", "case", "ms", "GFLOP/s", "GB/s", "of roof"
    );
    for (i, r) in (1..).zip(&m.rows) {
        let (ms, gflops, gbs, share) = (r.seconds * 1e3, r.gflops(), r.gbs(), r.share(c));
        println!(
            "{i:3}  {:op$}  {:id$}  {:case$}  {ms:10.3}  {gflops:8.2}  {gbs:8.2}  {share:8.2}",
            r.op, r.id, r.case
        );
    }
    for s in &m.skipped {
        println!("skipped: {s}");
    }
}
