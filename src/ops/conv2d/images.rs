//! Where the channels of images are.

/// The order of the axes of a batch of images.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Images {
    /// \[batch, height, width, channels\]: what kernels compute with.
    #[default]
    Nhwc,
    /// \[batch, channels, height, width\]: what PyTorch and ONNX have.
    Nchw,
}

impl Images {
    /// Extents of such images.
    pub fn shape(self, batch: u32, [height, width]: [u32; 2], channels: u32) -> Vec<u32> {
        match self {
            Self::Nhwc => vec![batch, height, width, channels],
            Self::Nchw => vec![batch, channels, height, width],
        }
    }

    /// Place of a number among all, in row-major order.
    pub(super) fn index(self, b: u32, [y, x]: [u32; 2], c: u32, [h, w]: [u32; 2], channels: u32) -> usize {
        let [b, y, x, c, h, w, channels] = [b, y, x, c, h, w, channels].map(|i| i as usize);
        match self {
            Self::Nhwc => ((b * h + y) * w + x) * channels + c,
            Self::Nchw => ((b * channels + c) * h + y) * w + x,
        }
    }

    /// The same numbers with the channels last.
    pub(super) fn last<T: Copy>(self, v: &[T], batch: u32, [h, w]: [u32; 2], channels: u32) -> Vec<T> {
        if self == Self::Nhwc {
            return v.to_vec();
        }
        let pixels = (h * w) as usize;
        let mut out = Vec::with_capacity(v.len());
        for image in v.chunks_exact(pixels * channels as usize).take(batch as usize) {
            for pixel in 0..pixels {
                out.extend((0..channels as usize).map(|c| image[c * pixels + pixel]));
            }
        }
        out
    }
}
