//! `Scheme`: what becomes 8-bit, and by which scales.

use crate::dtype::Format;
use std::{collections::BTreeSet, fmt};

/// The numbers that an operand is quantised to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Numbers {
    /// An 8-bit float: codes on the device.
    Float(Format),
    /// Integers from −127 to 127, symmetric: the baseline, simulated on the host.
    Int8,
}

impl From<Format> for Numbers {
    fn from(format: Format) -> Self {
        Self::Float(format)
    }
}

impl fmt::Display for Numbers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Float(format) => format.fmt(f),
            Self::Int8 => f.write_str("int8"),
        }
    }
}

/// Where scales come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Approach {
    /// Nowhere: numbers are cast, scale 1, weights too.
    Cast,
    /// Weights: their maxima. Activations: ranges found beforehand ([`Network::calibrate`](super::Network::calibrate)).
    Static,
    /// Weights: their maxima. Activations: the maximum of the live tensor.
    Dynamic,
}

impl fmt::Display for Approach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Cast => "cast",
            Self::Static => "static",
            Self::Dynamic => "dynamic",
        })
    }
}

/// What becomes 8-bit, and by which scales: those of *Efficient Post-training Quantization with FP8 Formats* (arXiv 2309.14592).
///
/// | scheme | operations | quantised |
/// |---|---|---|
/// | standard | `gemm`, `conv2d`, `conv1d`, `conv_transpose2d` with given weights | weights per output channel, activations per tensor |
/// | | `embedding` of a given table | the table per row |
/// | extended, besides | `gemm` of two activations | both, each by a scale of its own |
/// | | `binary` | both, each by a scale of its own |
/// | | `layer_norm`, `batch_norm` of inference | `x` |
/// | | `embedding_bag` of a given table | the table per row |
///
/// Outputs stay what they are, f32 as a rule; so do softmax, activations, residuals and biases. What one value is quantised to for
/// several readers is made once.
///
/// ```
/// use quarter::{dtype::Format, nn::ptq::{Approach, Scheme}};
/// let scheme = Scheme::new(Format::E3M4FN, Approach::Static).extended().exempt(["conv2d 4"]);
/// assert_eq!(scheme.to_string(), "e3m4fn static, extended");
/// assert_eq!(Scheme::mixed().to_string(), "e4m3fn activations, e3m4fn weights static");
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Scheme {
    /// Of weights; `None`: as they come.
    pub weights: Option<Numbers>,
    /// Of activations; `None`: as they come.
    pub activations: Option<Numbers>,
    /// Where scales come from.
    pub approach: Approach,
    /// Whether the operations of the extended scheme take part.
    pub extended: bool,
    /// Whether the first convolution and, of a network with convolutions, the last linear layer stay as they are.
    pub exempt_ends: bool,
    /// Names of operations that stay as they are ([`Graph::names`](crate::nn::Graph::names)).
    pub exempt: BTreeSet<String>,
}

impl Scheme {
    /// The standard scheme, weights and activations alike.
    pub fn new(numbers: impl Into<Numbers>, approach: Approach) -> Self {
        let numbers = Some(numbers.into());
        Self {
            weights: numbers,
            activations: numbers,
            approach,
            extended: false,
            exempt_ends: false,
            exempt: BTreeSet::new(),
        }
    }

    /// The paper's mixed formats: E4M3 for activations, whose range is wide; E3M4 for weights, which are dense; static.
    pub fn mixed() -> Self {
        let weights = Some(Format::E3M4FN.into());
        Self { weights, ..Self::new(Format::E4M3FN, Approach::Static) }
    }

    /// The rows of the paper's tables: E5M2 cast; E4M3 and E3M4, static and dynamic each; mixed.
    pub fn rows() -> [Self; 6] {
        [
            Self::new(Format::E5M2, Approach::Cast),
            Self::new(Format::E4M3FN, Approach::Static),
            Self::new(Format::E4M3FN, Approach::Dynamic),
            Self::new(Format::E3M4FN, Approach::Static),
            Self::new(Format::E3M4FN, Approach::Dynamic),
            Self::mixed(),
        ]
    }

    /// Numbers of weights; `None`: as they come.
    #[must_use]
    pub fn weights(self, weights: Option<Numbers>) -> Self {
        Self { weights, ..self }
    }

    /// Numbers of activations; `None`: as they come.
    #[must_use]
    pub fn activations(self, activations: Option<Numbers>) -> Self {
        Self { activations, ..self }
    }

    /// The operations of the extended scheme take part.
    #[must_use]
    pub fn extended(self) -> Self {
        Self { extended: true, ..self }
    }

    /// The first convolution and the last linear layer of a convolutional network stay as they are.
    #[must_use]
    pub fn exempt_ends(self) -> Self {
        Self { exempt_ends: true, ..self }
    }

    /// These operations too stay as they are.
    #[must_use]
    pub fn exempt<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
        self.exempt.extend(names.into_iter().map(Into::into));
        self
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.activations, self.weights) {
            (Some(a), Some(w)) if a == w => write!(f, "{a}")?,
            (Some(a), Some(w)) => write!(f, "{a} activations, {w} weights")?,
            (Some(a), None) => write!(f, "{a} activations")?,
            (None, Some(w)) => write!(f, "{w} weights")?,
            (None, None) => return f.write_str("nothing"),
        }
        write!(f, " {}", self.approach)?;
        if self.extended {
            f.write_str(", extended")?;
        }
        if self.exempt_ends {
            f.write_str(", ends exempt")?;
        }
        Ok(())
    }
}
