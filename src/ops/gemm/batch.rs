//! Batches of products, and which of them share an operand; rows of any two tensors that broadcast, as well.

#[cfg(feature = "gpu")]
use std::ops::Range;

/// One axis of batches: its extent, and how many matrices further its next index lies in A and in B, 0 where they
/// share one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Axis {
    pub extent: u32,
    pub a: u32,
    pub b: u32,
}

/// Batches of the output, outermost axis first, as few axes as will do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Batches(Vec<Axis>);

/// Extents of the batches of a product, aligned at the innermost as NumPy broadcasts: an extent of 1, or none, is
/// shared. `None` if two differ.
pub(crate) fn broadcast(a: &[u32], b: &[u32]) -> Option<Vec<u32>> {
    let rank = a.len().max(b.len());
    (0..rank)
        .map(|i| match (extent(a, rank, i), extent(b, rank, i)) {
            (x, y) if x == y || y == 1 => Some(x),
            (1, y) => Some(y),
            _ => None,
        })
        .collect()
}

/// The `i`-th of `rank` extents; 1 where there are fewer.
fn extent(x: &[u32], rank: usize, i: usize) -> u32 {
    (i + x.len()).checked_sub(rank).map_or(1, |i| x[i])
}

impl Batches {
    /// Those of two operands that broadcast.
    pub fn new(a: &[u32], b: &[u32]) -> Self {
        let rank = a.len().max(b.len());
        let mut axes: Vec<Axis> = vec![];
        let (mut a_inner, mut b_inner) = (1u32, 1u32);
        for i in (0..rank).rev() {
            let (x, y) = (extent(a, rank, i), extent(b, rank, i));
            let step = |own: u32, inner| if own == 1 { 0 } else { inner };
            let axis = Axis { extent: x.max(y), a: step(x, a_inner), b: step(y, b_inner) };
            a_inner *= x;
            b_inner *= y;
            match axes.last_mut() {
                _ if axis.extent == 1 => {}
                // One axis where the outer goes on where the inner ends.
                Some(inner) if (axis.a, axis.b) == (inner.a * inner.extent, inner.b * inner.extent) => {
                    inner.extent *= axis.extent;
                }
                _ => axes.push(axis),
            }
        }
        axes.reverse();
        Self(axes)
    }

    /// How many.
    pub fn count(&self) -> u32 {
        self.0.iter().map(|a| a.extent).product()
    }

    /// Matrices of A and of B that batch `i` of the output multiplies.
    pub fn sides(&self, i: usize) -> (usize, usize) {
        let (mut rest, mut a, mut b) = (i, 0, 0);
        for axis in self.0.iter().rev() {
            let index = rest % axis.extent as usize;
            rest /= axis.extent as usize;
            a += index * axis.a as usize;
            b += index * axis.b as usize;
        }
        (a, b)
    }

    /// Matrices of A and of B that these batches multiply; perhaps a few that lie between them.
    #[cfg(feature = "gpu")]
    pub fn span(&self, batches: &Range<u32>) -> [Range<u64>; 2] {
        let (mut lo, mut hi) = ([0; 2], [0; 2]);
        let (mut inner, mut differ) = (self.count(), false);
        for axis in &self.0 {
            inner /= axis.extent;
            let of = |i: u32| i / inner % axis.extent;
            // Within the first axis where they differ, all indices of the others occur, or may.
            let (first, last) =
                if differ { (0, axis.extent - 1) } else { (of(batches.start), of(batches.end - 1)) };
            differ |= first != last;
            for (side, step) in [axis.a, axis.b].into_iter().enumerate() {
                lo[side] += u64::from(first) * u64::from(step);
                hi[side] += u64::from(last) * u64::from(step);
            }
        }
        [lo[0]..hi[0] + 1, lo[1]..hi[1] + 1]
    }

    /// As exactly `N` axes, outermost first; `None` if there are more.
    #[cfg(feature = "gpu")]
    pub fn axes<const N: usize>(&self) -> Option<[Axis; N]> {
        let mut out = [Axis { extent: 1, a: 0, b: 0 }; N];
        let first = N.checked_sub(self.0.len())?;
        out[first..].copy_from_slice(&self.0);
        Some(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By the definition: indices one by one.
    fn slow(a: &[u32], b: &[u32]) -> Vec<(usize, usize)> {
        let shape = broadcast(a, b).unwrap();
        let count: u32 = shape.iter().product();
        let at = |x: &[u32], i: u32| {
            let (mut rest, mut flat, mut step) = (i, 0, 1);
            for axis in (0..shape.len()).rev() {
                let index = rest % shape[axis];
                rest /= shape[axis];
                let own = extent(x, shape.len(), axis);
                flat += if own == 1 { 0 } else { index * step };
                step *= own;
            }
            flat as usize
        };
        (0..count).map(|i| (at(a, i), at(b, i))).collect()
    }

    #[test]
    fn axes_join_and_indices_agree() {
        let cases: [(&[u32], &[u32], usize); 9] = [
            (&[], &[], 0),
            (&[3], &[3], 1),
            (&[2, 3, 4], &[2, 3, 4], 1),
            (&[2, 3, 4], &[], 1),
            (&[2, 3, 4], &[4], 2),
            (&[2, 1, 4], &[2, 3, 1], 3),
            (&[1, 5], &[5, 1], 2),
            (&[2, 1, 3, 1, 2], &[1, 2, 1, 3, 1], 5),
            (&[2, 1, 1, 2], &[1, 1, 2], 2),
        ];
        for (a, b, axes) in cases {
            let batches = Batches::new(a, b);
            let got: Vec<_> = (0..batches.count() as usize).map(|i| batches.sides(i)).collect();
            assert_eq!(got, slow(a, b), "{a:?} {b:?}");
            #[cfg(feature = "gpu")]
            for (start, end) in (0..got.len()).flat_map(|s| (s + 1..=got.len()).map(move |e| (s, e))) {
                let [of_a, of_b] = batches.span(&(start as u32..end as u32));
                for &(a, b) in &got[start..end] {
                    assert!(of_a.contains(&(a as u64)) && of_b.contains(&(b as u64)), "{start}..{end}");
                }
                assert!(end > start + 1 || (of_a.end - of_a.start, of_b.end - of_b.start) == (1, 1));
            }
            assert_eq!(batches.0.len(), axes, "{a:?} {b:?}: {batches:?}");
        }
        assert_eq!(broadcast(&[2, 3], &[2]), None);
        assert_eq!(broadcast(&[2, 1], &[3]), Some(vec![2, 3]));
    }
}
