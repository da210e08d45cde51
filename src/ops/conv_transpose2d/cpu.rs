//! Transposed convolution on the CPU: of each block of the output, phase by phase, what `conv2d` makes of it.

use super::{
    ConvTranspose2d,
    phases::{computed, phases},
};
use crate::{
    cpu::{HostArgs, Input, Room, Threads},
    ops::{
        Conv2d, Operation,
        conv2d::{
            cpu::{Convolution, Kernels, finish, operand},
            phase::{Every, Phase},
        },
    },
};
use std::{borrow::Cow, ops::Range};

/// A phase as a convolution of stride 1, its kernel turned around.
struct Turned {
    phase: Phase,
    convolution: Conv2d,
    /// Its rows and columns, and how many of them come before the first pixel of the phase.
    size: [usize; 2],
    before: [usize; 2],
}

impl Turned {
    fn new(o: &ConvTranspose2d, phase: Phase) -> Self {
        let extents = [o.height, o.width];
        let mut turned = Conv2d { stride: [1, 1], padding: [0; 4], ..o.images() };
        let (mut size, mut before) = ([0; 2], [0; 2]);
        for (i, along) in phase.iter().enumerate() {
            let dilation = along.dilation.unsigned_abs() as u32;
            let reach = i64::from(along.taps.count - 1) * i64::from(dilation);
            // Where the first pixel meets the tap that is first now.
            let start = along.start - reach;
            let (above, skipped) = ((-start).max(0), start.max(0));
            let seen = skipped + i64::from(along.pixels.count) + reach;
            turned.kernel[i] = along.taps.count;
            turned.dilation[i] = dilation;
            turned.padding[i] = above as u32;
            turned.padding[i + 2] = (seen - above - i64::from(extents[i])).max(0) as u32;
            before[i] = skipped as usize;
            size[i] = (above + i64::from(extents[i])).max(seen) as usize - reach as usize;
        }
        Self { phase, convolution: turned, size, before }
    }

    /// The weights of its taps, of all weights, the last tap first.
    fn weights(&self, o: &ConvTranspose2d, all: &[f32]) -> Vec<f32> {
        let [down, across] = self.phase.map(|along| along.taps);
        let taps =
            backwards(down).flat_map(|r| backwards(across).map(move |s| (r * o.kernel[1] + s) as usize));
        let (k, group_in) = (o.out_channels as usize, (o.channels / o.groups) as usize);
        if o.sees_one_channel() {
            return taps.flat_map(|tap| &all[tap * k..][..k]).copied().collect();
        }
        let taps: Vec<usize> = taps.collect();
        let kernels = all.chunks_exact((o.kernel[0] * o.kernel[1]) as usize * group_in);
        let of = |kernel| {
            taps.iter().flat_map(move |tap: &usize| &(kernel as &[f32])[tap * group_in..][..group_in])
        };
        kernels.flat_map(of).copied().collect()
    }
}

fn backwards(some: Every) -> impl Iterator<Item = u32> {
    (0..some.count).rev().map(move |i| some.first + i * some.step)
}

/// Of some places, by number, those within a range.
fn within(some: Every, range: &Range<usize>) -> Range<usize> {
    let upto = |place: usize| {
        place.saturating_sub(some.first as usize).div_ceil(some.step as usize).min(some.count as usize)
    };
    upto(range.start)..upto(range.end)
}

pub(super) fn run(o: &ConvTranspose2d, args: &mut HostArgs<'_>, threads: Threads) {
    let (operands, given) = (o.operands().expect("validated"), o.images());
    let input = |role| Input::new(operand(&operands, role), args);
    let (x, w) = (input("x"), input("w"));
    let inner = computed(o);
    let [p, q] = inner.out_size().map(|d| d as usize);
    let k = o.out_channels as usize;
    let all = Kernels::decoded(&w);
    let turned: Vec<Turned> = phases(&inner).into_iter().map(|phase| Turned::new(&inner, phase)).collect();
    let convolutions: Vec<Convolution<'_>> = turned
        .iter()
        .map(|t| Convolution {
            o: &t.convolution,
            out: t.size,
            kernels: Kernels::of(&t.convolution, Cow::Owned(t.weights(&inner, &all))),
            x: &x,
            given: &given,
        })
        .collect();
    // Whole lines of one image, of the output and so of every phase.
    let sums = |pixels: &Range<usize>, out: &mut [f32], room: &mut Room| {
        let (image, line) = (pixels.start / q / p, pixels.start / q % p);
        let lines = line..line + pixels.len() / q;
        out.fill(0.0);
        let mut made = vec![];
        for (t, convolution) in turned.iter().zip(&convolutions) {
            let ([down, across], [height, width]) = (t.phase.map(|along| along.pixels), t.size);
            let rows = within(down, &lines);
            if rows.is_empty() {
                continue;
            }
            let first = (image * height + t.before[0] + rows.start) * width;
            made.resize(rows.len() * width * k, 0.0);
            convolution.sums(&(first..first + rows.len() * width), &mut made, room);
            for (row, made) in rows.zip(made.chunks_exact(width * k)) {
                let to = (down.first as usize + row * down.step as usize - line) * q + across.first as usize;
                let to = out[to * k..].chunks_mut((across.step as usize).saturating_mul(k));
                let made = made[t.before[1] * k..].chunks_exact(k).take(across.count as usize);
                to.zip(made).for_each(|(to, made)| to[..k].copy_from_slice(made));
            }
        }
    };
    finish(&given, (o.out_size(), [p, q]), (&x, &w), (&operands, args), threads, sums);
}
