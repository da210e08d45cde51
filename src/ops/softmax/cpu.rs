//! Softmax on the CPU: row by row.

use super::{Causal, Softmax, beside};
use crate::{
    cpu::{self, HostArgs, Threads},
    ops::Operation,
    tensor::{Operand, values},
};

pub(super) fn run(o: &Softmax, args: &mut HostArgs<'_>, threads: Threads) {
    let operands = o.operands().expect("validated");
    let operand = |role: &str| operands.iter().find(|o| o.role == role).expect("an operand of softmax");
    let x = cpu::Input::new(operand("x"), args);
    let mask = o.mask.as_ref().map(|_| cpu::Input::new(operand("mask"), args));
    let offset = (o.causal == Causal::Offset).then(|| args.read(values("offset"))[0]);
    let lengths = o.lengths.then(|| args.read(values("lengths")));
    let sides = beside(o);
    let out: &Operand = operand("out");
    cpu::write(out, args, threads, |row, all| {
        let (v, hidden) = all.split_at_mut(o.shown(row as u32, offset, lengths) as usize);
        hidden.fill(0.0);
        x.numbers(row, 0, v);
        v.iter_mut().for_each(|v| *v *= o.scale);
        if let Some(mask) = &mask {
            let mut add = vec![0.0; v.len()];
            mask.spread(sides.sides(row).1, &mut add);
            v.iter_mut().zip(add).for_each(|(v, add)| *v += add);
        }
        shares(v);
    });
}

/// The softmax of what a row sees.
fn shares(v: &mut [f32]) {
    let (largest, nan) = v
        .iter()
        .fold((f32::NEG_INFINITY, false), |(m, nan), &v| (if v > m { v } else { m }, nan | v.is_nan()));
    if nan || largest == f32::INFINITY {
        return v.fill(f32::NAN);
    }
    if largest == f32::NEG_INFINITY {
        return v.fill(0.0);
    }
    v.iter_mut().for_each(|v| *v = cpu::exp(*v - largest));
    // In f64: no error to speak of, and the loop is bound by the exponentials anyhow.
    let sum = v.iter().fold(0.0, |sum, &e| sum + f64::from(e)) as f32;
    v.iter_mut().for_each(|v| *v /= sum);
}
