//! Where the channels of sequences are.

use crate::ops::Images;

/// The order of the axes of a batch of sequences.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Sequences {
    /// \[batch, length, channels\]: what kernels compute with.
    #[default]
    Nlc,
    /// \[batch, channels, length\]: what PyTorch and ONNX have.
    Ncl,
}

impl Sequences {
    /// Extents of such sequences.
    pub fn shape(self, batch: u32, length: u32, channels: u32) -> Vec<u32> {
        match self {
            Self::Nlc => vec![batch, length, channels],
            Self::Ncl => vec![batch, channels, length],
        }
    }

    /// The same as images of one row.
    pub(super) fn images(self) -> Images {
        match self {
            Self::Nlc => Images::Nhwc,
            Self::Ncl => Images::Nchw,
        }
    }
}
