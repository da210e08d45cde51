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

/// A cache of compiled pipelines, started with what [`sealed`] made of an earlier one's data.
///
/// Safe as far as bytes can be: wgpu asks that they came from `PipelineCache::get_data`. What was sealed did, and what
/// was damaged since does not match its checksum and is left out; wgpu itself then compares adapter, driver and
/// version. Whoever forges both runs code of theirs in the driver, as whoever replaces the program does; the
/// documentation of `ContextBuilder::pipeline_cache` says so.
#[cfg(feature = "gpu")]
pub(crate) fn pipeline_cache(device: &wgpu::Device, data: Option<&[u8]>) -> wgpu::PipelineCache {
    let data = data.and_then(unsealed);
    let label = Some("quarter pipelines");
    // SAFETY: see above.
    unsafe { device.create_pipeline_cache(&wgpu::PipelineCacheDescriptor { label, data, fallback: true }) }
}

/// Data of a pipeline cache behind its checksum.
#[cfg(feature = "gpu")]
pub(crate) fn sealed(data: &[u8]) -> Vec<u8> {
    [&checksum(data).to_le_bytes(), data].concat()
}

#[cfg(feature = "gpu")]
fn unsealed(bytes: &[u8]) -> Option<&[u8]> {
    let (sum, data) = bytes.split_first_chunk()?;
    (u64::from_le_bytes(*sum) == checksum(data)).then_some(data)
}

/// FNV-1a, 64 bits (G. Fowler, L. C. Noll, K.-P. Vo).
#[cfg(feature = "gpu")]
fn checksum(data: &[u8]) -> u64 {
    data.iter().fold(0xCBF2_9CE4_8422_2325, |h, &b| (h ^ u64::from(b)).wrapping_mul(0x0000_0100_0000_01B3))
}
