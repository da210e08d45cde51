//! log₂ and 2ˣ in integers: the same bits wherever it is computed, to about 2⁻³⁰.
//!
//! Numbers are fixed-point, 32 bits behind the point; logarithms are biased by 127, as exponents of f32 are, so that those of
//! normal numbers are positive. `shaders/lib/log2.wgsl` computes the same from pairs of u32.

/// 1 / (1 + i/32), 31 bits behind the point, rounded up: what is left of a mantissa times it is 1 or more.
const RECIPROCAL: [u32; 32] = [
    0x8000_0000,
    0x7C1F_07C2,
    0x7878_7879,
    0x7507_5076,
    0x71C7_1C72,
    0x6EB3_E454,
    0x6BCA_1AF3,
    0x6906_906A,
    0x6666_6667,
    0x63E7_063F,
    0x6186_1862,
    0x5F41_7D06,
    0x5D17_45D2,
    0x5B05_B05C,
    0x590B_2165,
    0x5726_20AF,
    0x5555_5556,
    0x5397_829D,
    0x51EB_851F,
    0x5050_5051,
    0x4EC4_EC4F,
    0x4D48_73ED,
    0x4BDA_12F7,
    0x4A79_04A8,
    0x4924_924A,
    0x47DC_11F8,
    0x469E_E585,
    0x456C_797E,
    0x4444_4445,
    0x4325_C53F,
    0x4210_8422,
    0x4104_1042,
];

/// −log₂ of those, 32 bits behind the point.
const LOG: [u32; 32] = [
    0x0000_0000,
    0x0B5D_69BB,
    0x1663_F6F9,
    0x2118_B117,
    0x2B80_3473,
    0x359E_BC58,
    0x3F78_2D70,
    0x4910_1EA9,
    0x5269_E12D,
    0x5B88_8734,
    0x646E_EA23,
    0x6D1F_AFDD,
    0x759D_4F7F,
    0x7DEA_159F,
    0x8608_2803,
    0x8DF9_88F2,
    0x95C0_1A37,
    0x9D5D_9FD4,
    0xA4D3_C25D,
    0xAC24_1132,
    0xB350_0471,
    0xBA58_FEB1,
    0xC140_4EAC,
    0xC807_30AE,
    0xCEAE_CFE6,
    0xD538_47A7,
    0xDBA4_A478,
    0xE1F4_E516,
    0xE829_FB65,
    0xEE44_CD5A,
    0xF446_3596,
    0xFA2F_0459,
];

/// 2^(i/32), 31 bits behind the point.
const POWER: [u32; 32] = [
    0x8000_0000,
    0x82CD_8699,
    0x85AA_C368,
    0x8898_0E81,
    0x8B95_C1E4,
    0x8EA4_398B,
    0x91C3_D374,
    0x94F4_EFA9,
    0x9837_F052,
    0x9B8D_39BA,
    0x9EF5_3261,
    0xA270_4303,
    0xA5FE_D6AA,
    0xA9A1_5AB5,
    0xAD58_3EEA,
    0xB123_F582,
    0xB504_F334,
    0xB8FB_AF47,
    0xBD08_A39F,
    0xC12C_4CCA,
    0xC567_2A11,
    0xC9B9_BD86,
    0xCE24_8C15,
    0xD2A8_1D92,
    0xD744_FCCB,
    0xDBFB_B798,
    0xE0CC_DEEC,
    0xE5B9_06E7,
    0xEAC0_C6E8,
    0xEFE4_B99C,
    0xF525_7D15,
    0xFA83_B2DB,
];

/// 1/n, 32 bits behind the point.
const HALF: u32 = 0x8000_0000;
const THIRD: u32 = 0x5555_5555;
const QUARTER: u32 = 0x4000_0000;
const FIFTH: u32 = 0x3333_3333;
const SIXTH: u32 = 0x2AAA_AAAB;
/// 1/ln 2 − 1.
const LOG2_E_LESS_1: u32 = 0x7154_7653;
const LN_2: u32 = 0xB172_17F8;

/// The upper half of a product: one of numbers below 1.
const fn times(a: u32, b: u32) -> u32 {
    ((a as u64 * b as u64) >> 32) as u32
}

/// log₂ |x| + 127 of a normal number, given its bits.
pub(super) const fn log2(bits: u32) -> u64 {
    let (exponent, mantissa) = (bits >> 23 & 0xFF, bits & 0x007F_FFFF);
    let i = (mantissa >> 18) as usize;
    // (1 + mantissa) / (1 + i/32) = 1 + r, r below 1/32.
    let product = (((mantissa | 0x0080_0000) << 8) as u64) * RECIPROCAL[i] as u64;
    let r = ((product - (1 << 62)) >> 30) as u32;
    // ln (1 + r) = r·(1 − r·(1/2 − r·(1/3 − …))).
    let mut s = FIFTH - times(r, SIXTH);
    s = QUARTER - times(r, s);
    s = THIRD - times(r, s);
    s = HALF - times(r, s);
    let ln = r - times(r, times(r, s));
    let fraction = LOG[i] + (ln + times(ln, LOG2_E_LESS_1));
    (exponent as u64) << 32 | fraction as u64
}

/// Bits of 2^(x − 127): nearest f32; 0 below the normal numbers, the largest number beyond it.
pub(super) const fn exp2(x: u64) -> u32 {
    const LARGEST: u32 = f32::MAX.to_bits();
    let (exponent, fraction) = ((x >> 32) as u32, x as u32);
    if exponent == 0 {
        return 0;
    }
    if exponent > 254 {
        return LARGEST;
    }
    let power = POWER[(fraction >> 27) as usize];
    // 2^r − 1 = t·(1 + t/2·(1 + t/3·(…))), t = r·ln 2, r below 1/32.
    let t = times(fraction & 0x07FF_FFFF, LN_2);
    let mut s = times(t, FIFTH);
    let mut q = times(t, QUARTER);
    s = q + times(q, s);
    q = times(t, THIRD);
    s = q + times(q, s);
    q = t >> 1;
    s = q + times(q, s);
    s = t + times(t, s);
    let significand = power + times(power, s);
    // 24 bits; a carry lands in the exponent, where it belongs.
    let rounded = (significand >> 8) + (significand >> 7 & 1);
    let bits = (exponent << 23) + (rounded - 0x0080_0000);
    if bits > LARGEST { LARGEST } else { bits }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_what_they_say() {
        for i in 0..32 {
            let c = f64::from(RECIPROCAL[i]) / 2f64.powi(31);
            assert!(c * (1.0 + i as f64 / 32.0) >= 1.0 && c < 1.0 / (1.0 + i as f64 / 32.0) + 2f64.powi(-31));
            assert!((f64::from(LOG[i]) + c.log2() * 2f64.powi(32)).abs() < 0.51);
            assert!((f64::from(POWER[i]) - (i as f64 / 32.0).exp2() * 2f64.powi(31)).abs() < 0.51);
        }
    }

    /// Every mantissa: near the true logarithm, and rising.
    #[test]
    fn log2_of_every_mantissa() {
        let mut before = 0;
        for mantissa in 0..1 << 23 {
            let bits = 0x3F80_0000 | mantissa;
            let (got, want) = (log2(bits), f64::from(f32::from_bits(bits)).log2() + 127.0);
            let error = (got as f64 / 2f64.powi(32) - want).abs();
            assert!(error < 2f64.powi(-29), "{bits:#x}: {error:e}");
            assert!(got > before, "{bits:#x}");
            before = got;
        }
        assert_eq!(log2(1f32.to_bits()), 127 << 32);
        assert_eq!(log2(2f32.powi(-126).to_bits()), 1 << 32);
        assert_eq!(log2(2f32.powi(127).to_bits()), 254 << 32);
    }

    /// 2^log₂ x = x, of every mantissa; between, within half a unit in the last place and what the fraction lacks.
    #[test]
    fn exp2_undoes_log2() {
        for mantissa in 0..1 << 23 {
            let bits = 0x3F80_0000 | mantissa;
            assert_eq!(exp2(log2(bits)), bits);
        }
        let mut before = 0;
        for i in 0..1u64 << 22 {
            let x = (127 << 32) + (i << 10) + 0x1F3;
            let got = exp2(x);
            let want = (x as f64 / 2f64.powi(32) - 127.0).exp2();
            let error = (f64::from(f32::from_bits(got)) - want).abs() / 2f64.powi(-23);
            assert!(error < 0.5 + 2f64.powi(-5), "{x:#x}: {error}");
            assert!(got >= before);
            before = got;
        }
        assert_eq!(exp2(0xFFFF_FFFF), 0);
        assert_eq!(exp2(1 << 32), f32::MIN_POSITIVE.to_bits());
        assert_eq!(exp2(255 << 32), f32::MAX.to_bits());
        assert_eq!(exp2((255 << 32) - 1), f32::MAX.to_bits());
        assert_eq!(exp2((128 << 32) - 1), 2f32.to_bits());
    }
}
