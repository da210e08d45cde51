//! A transposed convolution as convolutions of stride 1, one for each phase.
//!
//! Along an axis, tap r brings pixel i to y = i · stride + r · dilation − pad. So the pixels of the output whose y + pad are
//! alike modulo the stride meet the same taps: every (stride / g)th, where g is what stride and dilation have in common. From
//! one such pixel to the next the place in the image moves on by 1, from one such tap to the next it moves back by dilation / g.

use super::ConvTranspose2d;
use crate::ops::conv2d::{
    phase::{Along, Every, Phase},
    upright,
};

/// The problem as its kernels compute it: as a [`Conv2d`](super::Conv2d) is.
pub(super) fn computed(o: &ConvTranspose2d) -> ConvTranspose2d {
    let mut images = upright::channels_last(&o.images());
    let [below, right] = o.output_padding;
    let mut output_padding = o.output_padding;
    if below == 0 && upright::one_row(&images) {
        images = upright::upright(&images);
        output_padding = [right, 0];
    }
    ConvTranspose2d {
        height: images.height,
        width: images.width,
        kernel: images.kernel,
        stride: images.stride,
        padding: images.padding,
        output_padding,
        dilation: images.dilation,
        x_images: images.x_images,
        out: images.out,
        out_images: images.out_images,
        ..o.clone()
    }
}

fn common(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { common(b, a % b) }
}

/// How many phases there are at most.
#[cfg(feature = "gpu")]
pub(super) fn count(o: &ConvTranspose2d) -> u64 {
    let along = |i: usize| u64::from(o.kernel[i].min(o.stride[i] / common(o.stride[i], o.dilation[i])));
    along(0) * along(1)
}

/// Phases along an axis: each by the first of its taps.
fn along(o: &ConvTranspose2d, axis: usize) -> Vec<Along> {
    let (stride, dilation, taps) = (o.stride[axis], o.dilation[axis], o.kernel[axis]);
    let shared = common(stride, dilation);
    let (step, extent) = (stride / shared, o.out_size()[axis]);
    let of = |tap: u32| {
        // Of the output as it is before it is cut.
        let reached = i64::from(tap) * i64::from(dilation);
        let pad = i64::from(o.padding[axis]);
        let first = (reached - pad).rem_euclid(stride.into());
        let phase = Along {
            pixels: every(first as u32, stride, extent)?,
            taps: every(tap, step, taps)?,
            start: (first + pad - reached) / i64::from(stride),
            stride: 1,
            dilation: -i64::from(dilation / shared),
        };
        Some(phase)
    };
    (0..taps.min(step)).filter_map(of).collect()
}

/// Those of `extent`, if any.
fn every(first: u32, step: u32, extent: u32) -> Option<Every> {
    let last = extent.checked_sub(first + 1)?;
    Some(Every { first, step, count: last / step + 1 })
}

/// All phases that have pixels.
pub(super) fn phases(o: &ConvTranspose2d) -> Vec<Phase> {
    let across = along(o, 1);
    along(o, 0).into_iter().flat_map(|down| across.iter().map(move |across| [down, *across])).collect()
}

/// All pixels by the rule of the whole, where some are of no phase.
#[cfg(feature = "gpu")]
pub(super) fn unreached(o: &ConvTranspose2d) -> Option<Phase> {
    let size = o.out_size();
    let missed = (0..2).any(|axis| (along(o, axis).len() as u32) < o.stride[axis].min(size[axis]));
    missed.then(|| {
        [0, 1].map(|axis| Along {
            pixels: Every { first: 0, step: 1, count: size[axis] },
            taps: Every { first: 0, step: 1, count: o.kernel[axis] },
            start: -i64::from(o.padding[axis]),
            stride: o.stride[axis],
            dilation: o.dilation[axis].into(),
        })
    })
}
