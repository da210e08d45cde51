//! The only module with `unsafe`: calls whose safety the type system cannot see, each with its argument.

#![allow(unsafe_code)]

/// c\[m, n\] = Σₖ a\[m, k\] · b\[n, k\] (added to `c` if `accumulate`) by `matrixmultiply`; every matrix row-major, with
/// this many numbers from row to row.
///
/// Safe: the strides are asserted not to be shorter than rows and the lengths to hold the last row, and `c` is
/// borrowed mutably while `a` and `b` are borrowed shared, so nothing overlaps.
#[cfg(all(not(feature = "faer"), not(target_arch = "wasm32")))]
pub(crate) fn sgemm(
    (m, k, n): (usize, usize, usize),
    (a, a_stride): (&[f32], usize),
    (b, b_stride): (&[f32], usize),
    (c, c_stride): (&mut [f32], usize),
    accumulate: bool,
) {
    let holds = |len: usize, rows: usize, cols, stride| {
        stride >= cols && rows > 0 && len >= (rows - 1) * stride + cols
    };
    assert!(
        holds(a.len(), m, k, a_stride) && holds(b.len(), n, k, b_stride) && holds(c.len(), m, n, c_stride)
    );
    let beta = if accumulate { 1.0 } else { 0.0 };
    // SAFETY: see above; with what is asserted, every index row·stride + col is below the length.
    unsafe {
        matrixmultiply::sgemm(
            m,
            k,
            n,
            1.0,
            a.as_ptr(),
            a_stride as isize,
            1,
            b.as_ptr(),
            1,
            b_stride as isize,
            beta,
            c.as_mut_ptr(),
            c_stride as isize,
            1,
        );
    }
}

/// A loop that is worth wide vectors. `run` is marked `#[inline(always)]`, in the loop's own impl: what is not inlined, as a closure
/// need not be, would stay as narrow as it was.
pub(crate) trait Loop {
    /// What it comes to.
    type Output;
    fn run(self) -> Self::Output;
}

/// Runs a loop, compiled once more for processors with AVX2 and once for those with AVX-512, if this is one. Arithmetic is the
/// same to the bit, as no multiplication is fused with an addition.
///
/// Safe: the functions that ask for AVX2 and AVX-512 are called only where the processor says that it has them.
#[cfg(target_arch = "x86_64")]
pub(crate) fn vector<L: Loop>(l: L) -> L::Output {
    use std::arch::is_x86_feature_detected as has;

    #[target_feature(enable = "avx2")]
    fn wide<L: Loop>(l: L) -> L::Output {
        l.run()
    }
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
    fn wider<L: Loop>(l: L) -> L::Output {
        l.run()
    }
    if has!("avx512f") && has!("avx512bw") && has!("avx512dq") && has!("avx512vl") {
        // SAFETY: see above.
        return unsafe { wider(l) };
    }
    if has!("avx2") {
        // SAFETY: see above.
        return unsafe { wide(l) };
    }
    l.run()
}

/// Runs a loop: here every processor has the vectors that code is compiled for.
#[cfg(not(target_arch = "x86_64"))]
pub(crate) fn vector<L: Loop>(l: L) -> L::Output {
    l.run()
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
