//! A sequence is an image of one row: every number lies where it did.

use super::{Conv1d, Sequences};
use crate::{ops::Conv2d, scale::Granularity, tensor::Element};

/// The problem as a convolution of images, operands by the same roles.
pub(super) fn as_conv2d(o: &Conv1d) -> Conv2d {
    let [left, right] = o.padding;
    let images = Conv2d::new([o.batch, 1, o.length, o.channels], o.out_channels, [1, o.kernel]);
    // The axis of height comes before that of length.
    let before = |e: Element, length: u8| match (e.format(), e.scaling()) {
        (Some(f), Some(Granularity::PerChannel { axis })) if axis >= length => {
            Element::f8(f, Granularity::PerChannel { axis: axis.saturating_add(1) })
        }
        _ => e,
    };
    let out_length = if o.out_sequences == Sequences::Nlc { 1 } else { 2 };
    Conv2d {
        stride: [1, o.stride],
        padding: [0, left, 0, right],
        dilation: [1, o.dilation],
        groups: o.groups,
        x: o.x,
        x_images: o.x_sequences.images(),
        // Of length: the kernel's.
        w: before(o.w, if o.sees_one_channel() { 0 } else { 1 }),
        bias: o.bias,
        residual: o.residual,
        activation: o.activation,
        out: before(o.out, out_length),
        out_images: o.out_sequences.images(),
        overflow: o.overflow,
        ..images
    }
}
