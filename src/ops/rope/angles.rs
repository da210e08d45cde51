//! Position times frequency, reduced by integers, and its cosine and sine: the arithmetic of `rope/turns.wgsl` and
//! `rope/rotate.wgsl`.
//!
//! A product in f32 is off by a radian at position 10⁷, and WGSL's own functions promise nothing beyond ±π.

use crate::ops::Real;
use std::f64::consts::TAU;

/// Binary digits of 1 / 2π behind the point, after 160 zeros.
const INVERSE: [u32; 12] = [
    0,
    0,
    0,
    0,
    0,
    0x28BE_60DB,
    0x9391_054A,
    0x7F09_D5F4,
    0x7D4D_3770,
    0x36D8_A566,
    0x4F10_E410,
    0x7F94_58EA,
];
/// 2π / 2³².
const RADIANS: f32 = 1.462_918_1e-9;
const SIN: [f32; 4] = [1.0 / 362_880.0, -1.0 / 5040.0, 1.0 / 120.0, -1.0 / 6.0];
const COS: [f32; 5] = [-1.0 / 3_628_800.0, 1.0 / 40_320.0, -1.0 / 720.0, 1.0 / 24.0, -0.5];

/// Radians to turns, modulo 1, as a fraction of 64 bits, 2⁻⁶³ too small at most; none of NaN and Inf.
pub(super) fn turn(f: f32) -> Option<u64> {
    let bits = f.to_bits();
    let (exponent, significand) = (bits >> 23 & 0xFF, bits & 0x7F_FFFF | 0x80_0000);
    if exponent == 255 {
        return None;
    }
    // f = significand · 2^(exponent − 150): digits before this one only add whole turns. A subnormal meets zeros.
    let first = exponent as usize + 10;
    let digits = INVERSE[first / 32..][..4].iter().fold(0u128, |all, &d| all << 32 | u128::from(d));
    let window = digits << (first % 32) >> 32;
    let turn = ((window * u128::from(significand)) >> 32) as u64;
    Some(if f.is_sign_negative() { turn.wrapping_neg() } else { turn })
}

/// Turns times position, modulo 1, as a fraction of 32 bits.
#[inline(always)]
fn phase(turn: u64, position: u32) -> u32 {
    (turn.wrapping_mul(position.into()) >> 32) as u32
}

/// Cosine and sine: the nearest quarter turn, and series for the eighth that is left on either side. Within 3 ulp: the angle may
/// be off by 1.75 (an integer turned to f32 up or down, two roundings), which neither function magnifies, the series by 0.8.
#[inline(always)]
fn cos_sin(phase: u32) -> (f32, f32) {
    let quarters = phase.wrapping_add(1 << 29) >> 30;
    let x = phase.wrapping_sub(quarters << 30) as i32 as f32 * RADIANS;
    let z = x * x;
    let sin = x + x * z * SIN[1..].iter().fold(SIN[0], |p, c| p * z + c);
    let cos = 1.0 + z * COS[1..].iter().fold(COS[0], |p, c| p * z + c);
    let (c, s) = if quarters & 1 == 0 { (cos, sin) } else { (sin, cos) };
    let turned = |v: f32, negative: u32| f32::from_bits(v.to_bits() ^ negative << 31);
    (turned(c, (quarters + 1) >> 1 & 1), turned(s, quarters >> 1 & 1))
}

/// Cosines and sines of all pairs at a position.
pub(super) fn fill(turns: &[Option<u64>], position: u32, cos: &mut [f32], sin: &mut [f32]) {
    for ((turn, c), s) in turns.iter().zip(cos).zip(sin) {
        (*c, *s) = turn.map_or((f32::NAN, f32::NAN), |t| cos_sin(phase(t, position)));
    }
}

/// The truth: cosine and sine of position · f. A phase is less than its last bit too small, and turns by as much again and a
/// 256th.
pub(super) fn real(position: u32, f: f64) -> [Real; 2] {
    let p = f64::from(position);
    let product = p * f;
    // What the product, rounded, has lost.
    let rest = p.mul_add(f, -product);
    let (sin, cos) = product.sin_cos();
    let value = (sin + rest * cos).atan2(cos - rest * sin);
    let angle = Real { value, error: if position == 0 { 0.0 } else { TAU * 2.01 * 2f64.powi(-32) } };
    [angle.cos(), angle.sin()]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of every exponent: what comes of f64, whose sine is right for any number.
    #[test]
    fn turns_of_all_sizes() {
        let mut significand = 1u32;
        for bits in (0..255u32).flat_map(|e| [e << 23, e << 23 | 1, e << 23 | 0x7F_FFFF]) {
            significand = significand.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            for bits in [bits, bits & 0x7F80_0000 | significand >> 9, bits | 1 << 31] {
                let f = f32::from_bits(bits);
                let angle = turn(f).unwrap() as f64 * 2f64.powi(-64) * TAU;
                let (sin, cos) = f64::from(f).sin_cos();
                assert!((angle.sin() - sin).abs() < 1e-15 && (angle.cos() - cos).abs() < 2e-15, "{f}");
            }
        }
        assert!([f32::NAN, f32::INFINITY, f32::NEG_INFINITY].iter().all(|f| turn(*f).is_none()));
    }

    /// Doubling an angle doubles its turns: digits beyond those of f64.
    #[test]
    fn turns_double() {
        for e in -60..100 {
            for m in [1.0f32, 1.234_567_9, 1.999_999_9] {
                let [one, two] = [e, e + 1].map(|e| turn(m * 2f32.powi(e)).unwrap());
                assert!(two.wrapping_sub(one.wrapping_mul(2)) <= 2, "{m} {e}");
            }
        }
    }

    /// Large positions: products that f64 holds.
    #[test]
    fn phases() {
        for position in [1u32, 2, 12_345, 131_071, 1 << 24, u32::MAX] {
            for f in [1.0f32, 0.75, 0.003, 1e-6, 123.5, -0.5] {
                let f = f32::from_bits(f.to_bits() & !0xFFF);
                let angle = f64::from(phase(turn(f).unwrap(), position)) * 2f64.powi(-32) * TAU;
                let want = f64::from(position) * f64::from(f);
                // The sine of the difference.
                let off = angle.sin() * want.cos() - angle.cos() * want.sin();
                assert!(off.abs() <= TAU * 2.01 * 2f64.powi(-32), "{position} {f}: {off}");
            }
        }
    }

    /// The series within what [`Real::cos`] and [`Real::sin`] say of them.
    #[test]
    fn within_three_ulp() {
        let mut worst = 0.0f64;
        for phase in (0..=u32::MAX).step_by(4093).chain((0..8).flat_map(|q| [q << 29, (q << 29) + 1])) {
            let (cos, sin) = cos_sin(phase);
            let angle = f64::from(phase as i32) * 2f64.powi(-32) * TAU;
            for (got, want) in [(cos, angle.cos()), (sin, angle.sin())] {
                // π itself is rounded: a cosine of 10⁻¹⁷ is 0.
                let off = ((f64::from(got) - want).abs() - 1e-15).max(0.0);
                worst = worst.max(off / want.abs().max(1e-9) * 2f64.powi(23));
            }
        }
        assert!(worst > 0.5 && worst < 2.0, "{worst}");
        let exact = [0, 1 << 30, 2 << 30, 3 << 30].map(cos_sin);
        assert_eq!(exact, [(1.0, 0.0), (0.0, 1.0), (-1.0, 0.0), (0.0, -1.0)]);
    }
}
