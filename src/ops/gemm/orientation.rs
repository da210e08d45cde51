//! Which way A and B lie.

/// How A and B lie in memory, in the letters of BLAS for row-major matrices: N as the product is written, T
/// transposed.
///
/// | | A | B | |
/// |---|---|---|---|
/// | `Nn` | \[m, k\] | \[k, n\] | attention's weights times values |
/// | `Nt` | \[m, k\] | \[n, k\] | activations times weights as checkpoints store them; queries times keys |
/// | `Tn` | \[k, m\] | \[k, n\] | gradients of weights |
/// | `Tt` | \[k, m\] | \[n, k\] | |
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Orientation {
    /// A · B
    Nn,
    /// A · Bᵀ: both are contiguous along k, which is what kernels like best.
    #[default]
    Nt,
    /// Aᵀ · B
    Tn,
    /// Aᵀ · Bᵀ
    Tt,
}

impl Orientation {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Nn, Self::Nt, Self::Tn, Self::Tt];

    /// As ids have it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Nn => "nn",
            Self::Nt => "nt",
            Self::Tn => "tn",
            Self::Tt => "tt",
        }
    }

    /// Whether the rows of A's storage run along k.
    pub(super) const fn a_k_rows(self) -> bool {
        matches!(self, Self::Tn | Self::Tt)
    }

    /// Whether the rows of B's storage run along k.
    pub(super) const fn b_k_rows(self) -> bool {
        matches!(self, Self::Nn | Self::Tn)
    }
}
