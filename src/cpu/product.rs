//! The one private matrix product: f32, by a well-kept crate.

/// A row-major matrix with `stride` numbers from row to row.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Matrix<'a> {
    pub numbers: &'a [f32],
    pub stride: usize,
}

/// c\[m, n\] = Σₖ a\[m, k\] · b\[n, k\], added to what `c` holds if `accumulate`; `c` has `stride` numbers from row to row.
/// NaN and Inf travel as IEEE has it.
///
/// # Panics
/// If a matrix is shorter than its extents.
pub(crate) fn product(
    (m, n, k): (usize, usize, usize),
    a: Matrix<'_>,
    b: Matrix<'_>,
    c: &mut [f32],
    stride: usize,
    accumulate: bool,
) {
    backend((m, n, k), a, b, c, stride, accumulate);
}

#[cfg(all(feature = "faer", not(target_arch = "wasm32")))]
fn backend(
    (m, n, k): (usize, usize, usize),
    a: Matrix<'_>,
    b: Matrix<'_>,
    c: &mut [f32],
    stride: usize,
    accumulate: bool,
) {
    use faer::{Accum, MatMut, MatRef, Par, linalg::matmul::matmul};
    let a = MatRef::from_row_major_slice_with_stride(a.numbers, m, k, a.stride);
    let b = MatRef::from_row_major_slice_with_stride(b.numbers, n, k, b.stride);
    // Not `from_row_major_slice_with_stride_mut`, which takes rows for columns (faer 0.24.4) and writes out of bounds.
    let c = MatMut::from_column_major_slice_with_stride_mut(c, n, m, stride).transpose_mut();
    matmul(c, if accumulate { Accum::Add } else { Accum::Replace }, a, b.transpose(), 1.0, Par::Seq);
}

#[cfg(all(not(feature = "faer"), not(target_arch = "wasm32")))]
fn backend(
    (m, n, k): (usize, usize, usize),
    a: Matrix<'_>,
    b: Matrix<'_>,
    c: &mut [f32],
    stride: usize,
    accumulate: bool,
) {
    let (a, b) = ((a.numbers, a.stride), (b.numbers, b.stride));
    crate::trusted::sgemm((m, k, n), a, b, (c, stride), accumulate);
}

/// The browser: plain loops. Its GPU is what computes there.
#[cfg(target_arch = "wasm32")]
fn backend(
    (m, n, k): (usize, usize, usize),
    a: Matrix<'_>,
    b: Matrix<'_>,
    c: &mut [f32],
    stride: usize,
    accumulate: bool,
) {
    for row in 0..m {
        for col in 0..n {
            let pairs = a.numbers[row * a.stride..][..k].iter().zip(&b.numbers[col * b.stride..][..k]);
            let sum: f32 = pairs.map(|(x, y)| x * y).sum();
            let to = &mut c[row * stride + col];
            *to = if accumulate { *to + sum } else { sum };
        }
    }
}
