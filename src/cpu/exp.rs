//! e^x in vector code: the one of the standard library is a call per number.

/// e^x for x ≤ 0, within 2 ulp; 0 below −87.7, where the result is subnormal or nearly so. −Inf gives 0; NaN anything.
#[inline(always)]
pub(crate) fn exp(x: f32) -> f32 {
    // 1.5 · 2²³: whoever adds it rounds to an integer, which then lies in the low bits.
    const ROUND: f32 = 12_582_912.0;
    // ln 2 in two parts; the first has so few bits that its multiples are exact.
    const HIGH: f32 = 0.693_359_4;
    const LOW: f32 = -2.121_944_4e-4;
    let x = x.max(-88.0);
    let shifted = x * std::f32::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    // |r| ≤ ln 2 / 2: eight terms of the series leave less than 2⁻²⁷.
    let r = (x - n * HIGH) - n * LOW;
    let tail =
        [1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5f32].iter().fold(1.0 / 5040.0, |p, c| p * r + c);
    // 2ⁿ by its exponent field; 0 for n = −127.
    let power = f32::from_bits(shifted.to_bits().wrapping_add(127) << 23);
    (1.0 + (r + r * r * tail)) * power
}

#[cfg(test)]
mod tests {
    use super::exp;

    #[test]
    fn within_two_ulp() {
        assert_eq!((exp(0.0), exp(-0.0), exp(f32::NEG_INFINITY), exp(-1e30)), (1.0, 1.0, 0.0, 0.0));
        let mut worst = 0.0f64;
        for i in 0..2_000_000 {
            let x = i as f32 * -4.4e-5;
            let truth = f64::from(x).exp();
            if truth < 1.2 * f64::from(f32::MIN_POSITIVE) {
                assert!(exp(x) <= 1.3 * f32::MIN_POSITIVE, "{x}");
                continue;
            }
            let ulp = 2f64.powi(truth.log2().floor() as i32 - 23);
            worst = worst.max((f64::from(exp(x)) - truth).abs() / ulp);
        }
        assert!(worst < 2.0 && worst > 0.5, "{worst}");
    }
}
