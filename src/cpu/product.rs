//! The one private matrix product: f32, by a well-kept crate.

/// c\[m, n\] = Σₖ a\[m, k\] · b\[n, k\], added to what `c` holds if `accumulate`; all row-major and dense.
///
/// `m` and `n` are the extents of `c`; k follows from `a`. NaN and Inf travel as IEEE has it.
pub(crate) fn product(m: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32], accumulate: bool) {
    let k = a.len() / m;
    assert!(a.len() == m * k && b.len() == n * k && c.len() == m * n, "internal: extents of a product");
    backend(m, k, n, a, b, c, accumulate);
}

#[cfg(all(feature = "faer", not(target_arch = "wasm32")))]
fn backend(m: usize, k: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32], accumulate: bool) {
    use faer::{Accum, MatMut, MatRef, Par, linalg::matmul::matmul};
    let a = MatRef::from_row_major_slice(a, m, k);
    let b = MatRef::from_row_major_slice(b, n, k);
    let c = MatMut::from_row_major_slice_mut(c, m, n);
    matmul(c, if accumulate { Accum::Add } else { Accum::Replace }, a, b.transpose(), 1.0, Par::Seq);
}

#[cfg(all(not(feature = "faer"), not(target_arch = "wasm32")))]
fn backend(m: usize, k: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32], accumulate: bool) {
    crate::trusted::sgemm(m, k, n, a, b, c, accumulate);
}

/// The browser: plain loops. Its GPU is what computes there.
#[cfg(target_arch = "wasm32")]
fn backend(m: usize, k: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32], accumulate: bool) {
    for row in 0..m {
        for col in 0..n {
            let pairs = a[row * k..][..k].iter().zip(&b[col * k..][..k]);
            let sum: f32 = pairs.map(|(x, y)| x * y).sum();
            c[row * n + col] = if accumulate { c[row * n + col] + sum } else { sum };
        }
    }
}
