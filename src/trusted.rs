//! The only module with `unsafe`: calls whose safety the type system cannot see, each with its argument.

#![allow(unsafe_code)]

/// c\[m, n\] = Σₖ a\[m, k\] · b\[n, k\] (added to `c` if `accumulate`), row-major and dense, by `matrixmultiply`.
///
/// Safe: the lengths are asserted to be the extents, the strides below stay inside them, and `c` is borrowed
/// mutably while `a` and `b` are borrowed shared, so nothing overlaps.
#[cfg(all(not(feature = "faer"), not(target_arch = "wasm32")))]
pub(crate) fn sgemm(m: usize, k: usize, n: usize, a: &[f32], b: &[f32], c: &mut [f32], accumulate: bool) {
    assert!(a.len() == m * k && b.len() == n * k && c.len() == m * n);
    let beta = if accumulate { 1.0 } else { 0.0 };
    let (ks, ns) = (k as isize, n as isize);
    // SAFETY: see above; with m, k, n as asserted, every index row·stride + col·stride is below the length.
    unsafe {
        matrixmultiply::sgemm(
            m,
            k,
            n,
            1.0,
            a.as_ptr(),
            ks,
            1,
            b.as_ptr(),
            1,
            ks,
            beta,
            c.as_mut_ptr(),
            ns,
            1,
        );
    }
}
