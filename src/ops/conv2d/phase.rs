//! Which pixels of its output a convolution computes, which taps they meet, and where. A convolution computes all of them by one
//! rule. A transposed one has several, each for pixels so many apart and for some of the taps: its phases.

#[cfg(feature = "gpu")]
use super::Conv2d;

/// Some of many: `first`, and so on by `step`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::ops) struct Every {
    pub first: u32,
    pub step: u32,
    pub count: u32,
}

/// One rule, along one axis of the images.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::ops) struct Along {
    /// Pixels of the output that are computed.
    pub pixels: Every,
    /// Taps of the kernel that they meet.
    pub taps: Every,
    /// Where in the image the first pixel meets the first tap; before it, where negative.
    pub start: i64,
    /// Steps in the image from pixel to pixel.
    pub stride: u32,
    /// The same from tap to tap, backwards where negative.
    pub dilation: i64,
}

/// One rule: down and across.
pub(in crate::ops) type Phase = [Along; 2];

impl Along {
    /// Places of the image that pixels from one on to another meet, beyond its edges too.
    #[cfg(feature = "gpu")]
    pub fn seen(&self, first: u32, last: u32) -> std::ops::RangeInclusive<i64> {
        let at = |pixel: u32| self.start + i64::from(pixel) * i64::from(self.stride);
        let reach = i64::from(self.taps.count - 1) * self.dilation;
        at(first) + reach.min(0)..=at(last) + reach.max(0)
    }
}

/// The only phase of a convolution.
#[cfg(feature = "gpu")]
pub(in crate::ops) fn whole(o: &Conv2d) -> Phase {
    let out = o.out_size();
    [0, 1].map(|i| Along {
        pixels: Every { first: 0, step: 1, count: out[i] },
        taps: Every { first: 0, step: 1, count: o.kernel[i] },
        start: -i64::from(o.padding[i]),
        stride: o.stride[i],
        dilation: o.dilation[i].into(),
    })
}
