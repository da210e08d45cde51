//! The CPU backend: what its kernels share. Kernels themselves stand beside their operation in [`crate::ops`].

use crate::tensor::Layout;

mod args;
mod exp;
mod input;
mod product;
mod room;
mod store;
mod threads;

pub(crate) use crate::trusted::{Loop, vector};
pub use args::{Bytes, HostArgs};
pub(crate) use exp::exp;
pub use input::Input;
pub(crate) use product::{Matrix, product};
pub(crate) use room::Room;
pub(crate) use store::{
    Made, Stored, amax, fill_blocks, store_by, store_rows, write_blocks, write_blocks_raising, write_raising,
};
pub use store::{store, write};
pub use threads::Threads;

/// The same tensors with rows joined, as many as make a long row of each, where nothing tells rows apart: neither padding nor
/// scales. For what is computed element by element.
pub(crate) fn long_rows<const N: usize>(all: [Layout; N]) -> [Layout; N] {
    /// Numbers of a row: few enough for the nearest cache.
    const LONG: u32 = 4096;
    let (rows, cols) = (all[0].rows(), all[0].cols());
    let most = (LONG / cols).clamp(1, rows);
    let Some(joined) = (2..=most).rev().find(|n| rows.is_multiple_of(*n)) else { return all };
    // A layout whose rows cannot be joined says so.
    let long = all.iter().map(|l| l.reshape([rows / joined, cols * joined])).collect::<Result<Vec<_>, _>>();
    long.ok().and_then(|long| long.try_into().ok()).unwrap_or(all)
}

/// Bits of |v| as the running maxima take them: subnormals count as zero, every NaN is the quiet one.
///
/// As integers, finite < Inf < NaN: no comparison of floats is needed, and none may lose a NaN.
#[inline(always)]
pub fn magnitude(v: f32) -> u32 {
    match v.to_bits() & 0x7FFF_FFFF {
        0..0x0080_0000 => 0,
        bits @ 0x0080_0000..=0x7F80_0000 => bits,
        _ => 0x7FC0_0000,
    }
}

/// The largest [`magnitude`] of all.
pub(crate) fn largest(v: &[f32]) -> u32 {
    struct Largest<'a>(&'a [f32]);

    impl Loop for Largest<'_> {
        type Output = u32;

        #[inline(always)]
        fn run(self) -> u32 {
            self.0.iter().fold(0, |most, v| most.max(v.to_bits() & 0x7FFF_FFFF))
        }
    }
    // Magnitudes are in the order of these bits.
    magnitude(f32::from_bits(vector(Largest(v))))
}

/// Multiplies all by `inv_scale` as [`scaled`] does.
pub(crate) fn scale_all(v: &mut [f32], inv_scale: f32) {
    struct Scale<'a>(&'a mut [f32], f32);

    impl Loop for Scale<'_> {
        type Output = ();

        #[inline(always)]
        fn run(self) {
            let Self(v, inv_scale) = self;
            v.iter_mut().for_each(|v| *v = scaled(*v, inv_scale));
        }
    }
    vector(Scale(v, inv_scale));
}

/// What happens to sums before a residual and the activation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Finish<'a> {
    /// Of all.
    pub factor: f64,
    /// By row.
    pub rows: Option<&'a [f64]>,
    /// By column.
    pub cols: Option<&'a [f64]>,
    pub bias: Option<&'a [f32]>,
}

impl Finish<'_> {
    /// Finishes rows of `n` sums each: v · the product of its factors, one rounding, and no product of scales that leaves the
    /// range of f32 on the way; then + bias.
    pub(crate) fn apply(self, v: &mut [f32], n: usize) {
        struct Apply<'a>(Finish<'a>, &'a mut [f32], usize);

        impl Loop for Apply<'_> {
            type Output = ();

            #[inline(always)]
            fn run(self) {
                let Self(f, v, n) = self;
                for (i, v) in v.chunks_exact_mut(n).enumerate() {
                    let factor = f.rows.map_or(f.factor, |rows| f.factor * rows[i]);
                    let scaled = |v: f32, of_col: f64| (f64::from(v) * (factor * of_col)) as f32;
                    match (f.cols, f.bias) {
                        (Some(cols), Some(bias)) => {
                            let sides = cols.iter().zip(bias);
                            v.iter_mut().zip(sides).for_each(|(v, (of, bias))| *v = scaled(*v, *of) + bias);
                        }
                        (Some(cols), None) => {
                            v.iter_mut().zip(cols).for_each(|(v, of)| *v = scaled(*v, *of));
                        }
                        (None, Some(bias)) if factor == 1.0 => {
                            v.iter_mut().zip(bias).for_each(|(v, bias)| *v += bias);
                        }
                        (None, Some(bias)) => {
                            v.iter_mut().zip(bias).for_each(|(v, bias)| *v = scaled(*v, 1.0) + bias);
                        }
                        (None, None) if factor == 1.0 => {}
                        (None, None) => v.iter_mut().for_each(|v| *v = scaled(*v, 1.0)),
                    }
                }
            }
        }
        vector(Apply(self, v, n));
    }
}

/// Bits of f32 as integers that rise with the number, NaN above all.
#[inline(always)]
pub(crate) fn rising(v: f32) -> i32 {
    let bits = if v.is_nan() { f32::NAN.to_bits() } else { v.to_bits() } as i32;
    bits ^ ((bits >> 31) & i32::MAX)
}

/// The number that [`rising`] made this of.
#[inline(always)]
pub(crate) fn risen(b: i32) -> f32 {
    f32::from_bits((b ^ ((b >> 31) & i32::MAX)) as u32)
}

/// v × inv_scale with subnormal v as zero, sign kept: what a GPU that flushes subnormals computes.
#[inline(always)]
pub fn scaled(v: f32, inv_scale: f32) -> f32 {
    let kept = if v.abs() < f32::MIN_POSITIVE { 0.0f32.copysign(v) } else { v };
    let product = kept * inv_scale;
    // Inf × 0: the processor would choose a sign.
    if product.is_nan() { f32::NAN.copysign(v) } else { product }
}
