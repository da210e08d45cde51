//! The CPU backend: what its kernels share. Kernels themselves stand beside their operation in [`crate::ops`].

mod args;
mod exp;
mod input;
mod product;
mod store;
mod threads;

pub use args::{Bytes, HostArgs};
pub(crate) use exp::exp;
pub use input::Input;
pub(crate) use product::product;
pub(crate) use store::{amax, store_by, write_raising};
pub use store::{store, write};
pub use threads::Threads;

/// Bits of |v| as the running maxima take them: subnormals count as zero, every NaN is the quiet one.
///
/// As integers, finite < Inf < NaN: no comparison of floats is needed, and none may lose a NaN.
pub fn magnitude(v: f32) -> u32 {
    match v.to_bits() & 0x7FFF_FFFF {
        0..0x0080_0000 => 0,
        bits @ 0x0080_0000..=0x7F80_0000 => bits,
        _ => 0x7FC0_0000,
    }
}

/// v × inv_scale with subnormal v as zero, sign kept: what a GPU that flushes subnormals computes.
pub fn scaled(v: f32, inv_scale: f32) -> f32 {
    let kept = if v.abs() < f32::MIN_POSITIVE { 0.0f32.copysign(v) } else { v };
    let product = kept * inv_scale;
    // Inf × 0: the processor would choose a sign.
    if product.is_nan() { f32::NAN.copysign(v) } else { product }
}
