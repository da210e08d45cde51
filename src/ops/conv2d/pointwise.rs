//! A 1×1 kernel that meets every pixel once is a matrix product.

use super::{Conv2d, Images};
use crate::{ops::Gemm, scale::Granularity, tensor::Element};

/// The convolution as GEMM, x for a and w for b; `None` where it is none.
pub(super) fn as_gemm(o: &Conv2d) -> Option<Gemm> {
    let plain = o.taps() == 1 && o.stride == [1, 1] && o.padding == [0; 4] && o.groups == 1;
    if !plain || o.sees_one_channel() || o.x_images == Images::Nchw || o.out_images == Images::Nchw {
        return None;
    }
    // Pixels are rows, whatever image they are of.
    let out = match o.out.scaling() {
        Some(Granularity::PerChannel { axis: 3 }) => {
            Element::f8(o.out.format().expect("8-bit"), Granularity::PerChannel { axis: 1 })
        }
        Some(Granularity::PerChannel { .. }) => return None,
        _ => o.out,
    };
    let gemm = Gemm::new(o.batch * o.height * o.width, o.out_channels, o.channels).a(o.x).b(o.w);
    let gemm = Gemm { bias: o.bias, residual: o.residual, ..gemm };
    Some(gemm.activation(o.activation).out(out).overflow(o.overflow))
}
