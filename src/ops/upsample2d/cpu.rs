//! Upsampling on the CPU: a line of the image is decoded and stretched once for all lines of the output that it is part of.

use super::{Place, Upsample2d};
use crate::{
    cpu::{self, HostArgs, Input, Loop, Threads, vector},
    ops::Operation,
};
use std::ops::Range;

pub(super) fn run(o: &Upsample2d, args: &mut HostArgs<'_>, threads: Threads) {
    let [x, out] = o.operands().expect("validated").try_into().expect("two operands");
    let x = Input::new(&x, args);
    let ([down, across], [out_h, out_w]) = (o.axes(), o.size.map(|d| d as usize));
    let [n, h, w, c] = o.shape.map(|d| d as usize);
    let columns: Vec<(Place, f32)> = (0..o.size[1])
        .map(|i| o.at(&across, i))
        .map(|place| (place, place.part as f32 * across.inverse()))
        .collect();
    let stretch = |line: usize, from: &mut [f32], to: &mut [f32]| {
        x.number_rows(line * w, from);
        for ((place, weight), to) in columns.iter().zip(to.chunks_exact_mut(c)) {
            let from = &from[place.low as usize * c..];
            if place.part == 0 {
                to.copy_from_slice(&from[..c]);
            } else {
                blend(&from[..c], &from[c..2 * c], *weight, to);
            }
        }
    };
    let lines = n * out_h;
    let piece = threads.piece(lines, 1);
    let block = |first: usize| first * out_w..(first + piece).min(lines) * out_w;
    let blocks: Vec<Range<usize>> = (0..lines).step_by(piece).map(block).collect();
    cpu::write_blocks(&out, args, threads, &blocks, |rows, v, _| {
        let mut from = vec![0.0; w * c];
        // Two lines of the image, stretched, and which.
        let (mut kept, mut which) = ([vec![0.0; out_w * c], vec![0.0; out_w * c]], [usize::MAX; 2]);
        for (line, to) in (rows.start / out_w..).zip(v.chunks_exact_mut(out_w * c)) {
            let place = o.at(&down, (line % out_h) as u32);
            let low = line / out_h * h + place.low as usize;
            if which[1] == low {
                kept.swap(0, 1);
                which.swap(0, 1);
            }
            for i in 0..1 + usize::from(place.part > 0) {
                if which[i] != low + i {
                    stretch(low + i, &mut from, &mut kept[i]);
                    which[i] = low + i;
                }
            }
            if place.part == 0 {
                to.copy_from_slice(&kept[0]);
            } else {
                let weight = place.part as f32 * down.inverse();
                vector(Blend { a: &kept[0], b: &kept[1], weight, to });
            }
        }
    });
}

#[inline(always)]
fn blend(a: &[f32], b: &[f32], weight: f32, to: &mut [f32]) {
    let of_a = 1.0 - weight;
    to.iter_mut().zip(a.iter().zip(b)).for_each(|(to, (a, b))| *to = a * of_a + b * weight);
}

struct Blend<'a> {
    a: &'a [f32],
    b: &'a [f32],
    weight: f32,
    to: &'a mut [f32],
}

impl Loop for Blend<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        blend(self.a, self.b, self.weight, self.to);
    }
}
