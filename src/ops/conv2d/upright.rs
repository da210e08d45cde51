//! What is computed of a convolution: channels last, an image of one row stood up.

use super::{Conv2d, Images};
use crate::{scale::Granularity, tensor::Element};

/// The problem as its kernels compute it: channels last on both sides, in f32 where they are turned afterwards. Blocks and
/// dispatches are some rows of an image, so an image of one row, a sequence, becomes one of one column: channels last both
/// lie alike, and so do their kernels.
pub(super) fn computed(o: &Conv2d) -> Conv2d {
    let o = channels_last(o);
    if one_row(&o) { upright(&o) } else { o }
}

/// The same with its images as they lie.
pub(in crate::ops) fn channels_last(o: &Conv2d) -> Conv2d {
    let out = if o.out_images == Images::Nchw { Element::F32 } else { o.out };
    Conv2d { x_images: Images::Nhwc, out_images: Images::Nhwc, out, ..o.clone() }
}

/// Whether images and kernels are of one row.
pub(in crate::ops) fn one_row(o: &Conv2d) -> bool {
    let [top, _, bottom, _] = o.padding;
    (o.height, o.kernel[0], top, bottom) == (1, 1, 0, 0)
}

/// Images and kernels of one row, channels last, stood up.
pub(in crate::ops) fn upright(o: &Conv2d) -> Conv2d {
    let [_, left, _, right] = o.padding;
    let turned = |[y, x]: [u32; 2]| [x, y];
    let out = match (o.out.format(), o.out.scaling()) {
        (Some(f), Some(Granularity::PerChannel { axis: axis @ 1..=2 })) => {
            Element::f8(f, Granularity::PerChannel { axis: 3 - axis })
        }
        _ => o.out,
    };
    Conv2d {
        height: o.width,
        width: 1,
        kernel: turned(o.kernel),
        stride: turned(o.stride),
        dilation: turned(o.dilation),
        padding: [left, 0, right, 0],
        out,
        ..o.clone()
    }
}
