//! Which elements share a scale.

use std::fmt;

/// Which elements of a tensor share one scale.
///
/// | granularity | groups of shape \[d₀, …, dₙ\] | used for |
/// |---|---|---|
/// | `PerTensor` | 1 | static activations |
/// | `PerChannel { axis }` | d\[axis\] | weights, axis 0 |
/// | `PerToken` | d₀ · … · dₙ₋₁: one per row | activations |
/// | `PerBlock { rows, cols }` | ⌈rows of the tensor / rows⌉ · ⌈dₙ / cols⌉ | 128×128 weights, 1×128 activations |
/// | `Mx { cols }` | d₀ · … · dₙ₋₁ · ⌈dₙ / cols⌉ | OCP microscaling (MX): blocks of 32 |
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Granularity {
    /// One scale.
    PerTensor,
    /// One scale per index along `axis`.
    PerChannel {
        /// The axis, 0 outermost.
        axis: u8,
    },
    /// One scale per row: per combination of all indices but the last.
    PerToken,
    /// One scale per block of `rows` × `cols`, of the tensor seen as rows of its last axis.
    PerBlock {
        /// Rows of a block.
        rows: u32,
        /// Columns of a block.
        cols: u32,
    },
    /// One scale per `cols` numbers of a row, a power of two stored in a byte ([`F8E8M0FNU`](crate::dtype::F8E8M0FNU)); a
    /// group's inverse scale follows from it and its amax is not kept.
    Mx {
        /// Columns of a block.
        cols: u32,
    },
}

impl Granularity {
    /// The blocks of the OCP microscaling formats: 32 numbers.
    pub const MX: Self = Self::Mx { cols: 32 };

    /// Whether the scales of such a tensor hold an inverse and an amax of every group beside its scale.
    pub(crate) const fn keeps_amax(self) -> bool {
        !matches!(self, Self::Mx { .. })
    }

    /// The same groups with a scale, an inverse scale and an amax each, in f32.
    pub(crate) fn in_f32(self) -> Self {
        match self {
            Self::Mx { cols } => Self::PerBlock { rows: 1, cols },
            other => other,
        }
    }

    /// How many groups, that is scales, a tensor of this shape has; `None` when the axis does not exist, a block
    /// has no extent, or the number does not fit.
    pub fn groups(self, shape: &[u32]) -> Option<u64> {
        let (&cols, outer) = shape.split_last()?;
        let rows = outer.iter().try_fold(1u64, |n, &d| n.checked_mul(d.into()))?;
        match self {
            Self::PerTensor => Some(1),
            Self::PerChannel { axis } => shape.get(usize::from(axis)).map(|&d| u64::from(d)),
            Self::PerToken => Some(rows),
            Self::PerBlock { rows: 0, .. } | Self::PerBlock { cols: 0, .. } | Self::Mx { cols: 0 } => None,
            Self::PerBlock { rows: r, cols: c } => {
                rows.div_ceil(r.into()).checked_mul(cols.div_ceil(c).into())
            }
            Self::Mx { cols: c } => rows.checked_mul(cols.div_ceil(c).into()),
        }
    }

    /// How a (row, column) of the tensor seen as rows of its last axis finds its group.
    pub(crate) fn map(self, shape: &[u32]) -> GroupMap {
        let last = shape.len() - 1;
        let rows = shape[..last].iter().product::<u32>().max(1);
        let one = GroupMap { row_stride: 1, row_groups: 1, col_stride: u32::MAX, col_groups: 1 };
        match self {
            Self::PerChannel { axis } if usize::from(axis) == last => {
                GroupMap { col_stride: 1, col_groups: shape[last], ..one }
            }
            Self::PerChannel { axis } => GroupMap {
                row_stride: shape[usize::from(axis) + 1..last].iter().product::<u32>().max(1),
                row_groups: shape[usize::from(axis)],
                ..one
            },
            Self::PerToken => GroupMap { row_groups: rows, ..one },
            Self::PerBlock { rows: r, cols: c } => GroupMap {
                row_stride: r,
                row_groups: rows.div_ceil(r),
                col_stride: c,
                col_groups: shape[last].div_ceil(c),
            },
            Self::Mx { cols: c } => {
                GroupMap { row_groups: rows, col_stride: c, col_groups: shape[last].div_ceil(c), ..one }
            }
            Self::PerTensor => one,
        }
    }
}

/// Which scale an element has: group = ((row / row_stride) mod row_groups) · col_groups + col / col_stride. The same
/// numbers drive the shaders.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupMap {
    /// Rows in a row with one group.
    pub row_stride: u32,
    /// Groups before they start over.
    pub row_groups: u32,
    /// Columns in a row with one group.
    pub col_stride: u32,
    /// Groups beside each other.
    pub col_groups: u32,
}

impl GroupMap {
    /// The group of an element of the tensor seen as rows of its last axis.
    pub fn group(self, row: usize, col: usize) -> usize {
        row / self.row_stride as usize % self.row_groups as usize * self.col_groups as usize
            + col / self.col_stride as usize
    }
}

impl fmt::Display for Granularity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PerTensor => f.write_str("per tensor"),
            Self::PerChannel { axis } => write!(f, "per channel of axis {axis}"),
            Self::PerToken => f.write_str("per token"),
            Self::PerBlock { rows, cols } => write!(f, "per {rows}x{cols} block"),
            Self::Mx { cols } => write!(f, "per mx block of {cols}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Granularity::*;

    #[test]
    fn groups_and_their_map_agree() {
        let shape = [3, 4, 5];
        let axes = [0, 1, 2].map(|axis| PerChannel { axis });
        let blocks = [PerBlock { rows: 5, cols: 2 }, Mx { cols: 2 }];
        for g in [PerTensor, PerToken].into_iter().chain(axes).chain(blocks) {
            let (groups, map) = (g.groups(&shape).unwrap() as usize, g.map(&shape));
            let mut seen = vec![false; groups];
            for row in 0..12 {
                for col in 0..5 {
                    let index = [row / 4, row % 4, col];
                    let want = match g {
                        PerChannel { axis } => index[axis as usize],
                        PerToken => row,
                        PerBlock { .. } => row / 5 * 3 + col / 2,
                        Mx { .. } => row * 3 + col / 2,
                        _ => 0,
                    };
                    assert_eq!(map.group(row, col), want, "{g} {row} {col}");
                    seen[want] = true;
                }
            }
            assert!(seen.iter().all(|&s| s), "{g}");
        }
        assert_eq!(PerChannel { axis: 3 }.groups(&shape), None);
        assert_eq!(PerBlock { rows: 128, cols: 2 }.groups(&shape), Some(3));
        assert_eq!(PerToken.groups(&[7]), Some(1));
    }
}
