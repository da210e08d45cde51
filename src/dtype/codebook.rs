//! Codebooks: 256 numbers, and which of them a number becomes.

use std::fmt;

/// A table that cannot be a codebook.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum CodebookError {
    /// Padding is code 0, and kernels multiply it.
    #[error("table: expected 0 for code 0, got {0}")]
    Zero(f32),
    /// Kernels on some devices take subnormals for zero.
    #[error("table: expected normal numbers, zeros and NaN, got {value:e} for code {code:#04x}")]
    Value {
        /// The code.
        code: u8,
        /// Its number.
        value: f32,
    },
    /// So many bits of exponent are no posit8.
    #[error("exponent_bits: expected 0 to 4, got {0}")]
    Posit(u32),
}

/// What the 256 codes of a tensor mean: any 8-bit code at all, decoded by a table.
///
/// decode(c) = table\[c\]. encode(x) is the code of the nearest number; a tie goes to the even code, or to the smaller magnitude
/// where both or neither are even; beyond the ends, Inf included, it is the last one. Of codes that mean the same the lowest is
/// written. NaN becomes the lowest code that means NaN, or 0 where none does. Subnormal x count as zero.
///
/// Deciding takes no arithmetic: 255 thresholds in the order of the numbers, compared as integers in eight steps. The thresholds of
/// [`S2fp8`](super::S2fp8) lie elsewhere than half-way: where its own formula rounds.
///
/// ```
/// use quarter::dtype::Codebook;
/// let posit = Codebook::posit8(2)?;
/// assert_eq!(posit.decode(0x40), 1.0);
/// assert_eq!(posit.encode(1.05), 0x40); // 1.125 comes next
/// assert_eq!(posit.encode(f32::INFINITY), 0x7F);
/// assert_eq!(posit.decode(0x7F), 2f32.powi(24));
/// # Ok::<(), quarter::dtype::CodebookError>(())
/// ```
#[derive(Clone, PartialEq)]
pub struct Codebook {
    /// Bits of the number of every code.
    table: [u32; 256],
    /// `thresholds[i]`: the least [`key`] that is the `i`-th number in order, or a later one; the last key of all where there is no
    /// such number. Of the first there is none to tell: in its place stands the code of NaN, 256 for none.
    thresholds: [u32; 256],
    /// Codes in the order of their numbers.
    order: [u8; 256],
}

/// Bits of f32 as integers in the order of the numbers; subnormals as zeros of their sign.
const fn key(bits: u32) -> u32 {
    let sign = bits & 0x8000_0000;
    let flushed = if bits & 0x7FFF_FFFF < 0x0080_0000 { sign } else { bits };
    if sign != 0 { !flushed } else { flushed | 0x8000_0000 }
}

/// Where no code is NaN.
const NO_NAN: u32 = 256;

impl Codebook {
    /// Words that hold one: the numbers, the thresholds, the codes in order, four to a word.
    pub(crate) const WORDS: usize = 256 + 256 + 64;

    /// The codebook of these numbers, by code.
    ///
    /// # Errors
    /// [`CodebookError`]: a code 0 that does not mean 0; an infinite or a subnormal number.
    pub fn new(table: &[f32; 256]) -> Result<Self, CodebookError> {
        if table[0].to_bits() != 0 {
            return Err(CodebookError::Zero(table[0]));
        }
        let fits = |v: &f32| v.is_nan() || v.is_normal() || *v == 0.0;
        if let Some(code) = table.iter().position(|v| !fits(v)) {
            return Err(CodebookError::Value { code: code as u8, value: table[code] });
        }
        let mut codes: Vec<u8> = (0..=255).filter(|c| !table[usize::from(*c)].is_nan()).collect();
        let of = |code: u8| f64::from(table[usize::from(code)]);
        // Stable: the lowest code of those that mean the same comes first.
        codes.sort_by(|a, b| of(*a).partial_cmp(&of(*b)).expect("numbers"));
        codes.dedup_by(|later, first| of(*later) == of(*first));
        let next = |w: &[u8]| {
            let (below, above) = (of(w[0]), of(w[1]));
            let middle = f64::midpoint(below, above);
            let up = match (w[0] % 2, w[1] % 2) {
                (0, 1) => false,
                (1, 0) => true,
                _ => above.abs() < below.abs(),
            };
            // The first f32 that goes up.
            let near = middle as f32;
            let goes = f64::from(near) > middle || (f64::from(near) == middle && up);
            let first = if goes { near } else { near.next_up() };
            // Subnormals are zeros: none of them is above 0, and −0 is not below it.
            key(match first.abs() < f32::MIN_POSITIVE {
                true if below < 0.0 => (-0f32).to_bits(),
                true => f32::MIN_POSITIVE.to_bits(),
                false => first.to_bits(),
            })
        };
        let thresholds: Vec<u32> = codes.windows(2).map(next).collect();
        Ok(Self::of(table.map(f32::to_bits), &codes, &thresholds))
    }

    /// The codebook of these numbers; `codes` in order, and the least key of each but the first.
    pub(super) fn of(table: [u32; 256], codes: &[u8], keys: &[u32]) -> Self {
        debug_assert!(keys.is_sorted());
        let nan = (0..256).find(|c| f32::from_bits(table[*c as usize]).is_nan()).unwrap_or(NO_NAN);
        let mut all = Self { table, thresholds: [u32::MAX; 256], order: [0; 256] };
        all.thresholds[0] = nan;
        all.thresholds[1..=keys.len()].copy_from_slice(keys);
        all.order[..codes.len()].copy_from_slice(codes);
        all
    }

    /// Posits of 8 bits with so many bits of exponent (2: the standard of 2022; 0 and 1: PositNN's), code 0x80 NaR: NaN.
    ///
    /// # Errors
    /// [`CodebookError::Posit`] above 4.
    pub fn posit8(exponent_bits: u32) -> Result<Self, CodebookError> {
        if exponent_bits > 4 {
            return Err(CodebookError::Posit(exponent_bits));
        }
        let mut table = [0.0; 256];
        for code in 0..=255u8 {
            table[usize::from(code)] = posit(code, exponent_bits);
        }
        Self::new(&table)
    }

    /// The signed dynamic tree of *8-bit Approximations for Parallelism in Deep Learning* (Dettmers 2015), as *8-bit Optimizers via
    /// Block-wise Quantization* uses it for numbers in \[−1, 1\]: after the sign, z zeros and a one, then the rest as a fraction f
    /// of 7 − z − 1 bits, that divides \[0.1, 1\] into equal parts of which it takes the middles: 10^(−z) · middle(f). The largest
    /// becomes 1.
    pub fn dynamic_tree() -> Self {
        let mut table = [0f32; 256];
        for code in 1..128u8 {
            let zeros = code.leading_zeros() as i32 - 1;
            let parts = 1u32 << (6 - zeros);
            let middle = f64::from(u32::from(code) - parts) + 0.5;
            let value = (0.1 + 0.9 * middle / f64::from(parts)) * 10f64.powi(-zeros);
            table[usize::from(code)] = if code == 127 { 1.0 } else { value as f32 };
            table[usize::from(code) + 128] = -table[usize::from(code)];
        }
        Self::new(&table).expect("normal numbers")
    }

    /// The numbers, by code.
    pub fn table(&self) -> [f32; 256] {
        self.table.map(f32::from_bits)
    }

    /// The number of a code.
    pub fn decode(&self, code: u8) -> f32 {
        f32::from_bits(self.table[usize::from(code)])
    }

    /// The code of a number.
    pub fn encode(&self, x: f32) -> u8 {
        if x.is_nan() {
            return self.nan_code().unwrap_or(0);
        }
        let (key, mut i) = (key(x.to_bits()), 0);
        for step in [128, 64, 32, 16, 8, 4, 2, 1] {
            if key >= self.thresholds[i + step] {
                i += step;
            }
        }
        self.order[i]
    }

    /// [`encode`](Self::encode) of many numbers: the upper half of a key says where to begin, then few thresholds are left to pass.
    pub(crate) fn encoder(&self) -> impl Fn(&[f32], &mut [u8]) + '_ {
        let mut starts = vec![0u8; 1 << 16];
        let mut passed = 0;
        for (upper, start) in starts.iter_mut().enumerate() {
            while passed < 255 && self.thresholds[passed + 1] <= (upper as u32) << 16 {
                passed += 1;
            }
            *start = passed as u8;
        }
        let nan = self.nan_code().unwrap_or(0);
        move |x, codes| {
            for (x, code) in x.iter().zip(codes) {
                let key = key(x.to_bits());
                let mut i = usize::from(starts[(key >> 16) as usize]);
                while i < 255 && key >= self.thresholds[i + 1] {
                    i += 1;
                }
                *code = if x.is_nan() { nan } else { self.order[i] };
            }
        }
    }

    /// The code that NaN becomes, if one means it.
    pub fn nan_code(&self) -> Option<u8> {
        u8::try_from(self.thresholds[0]).ok()
    }

    /// Whether a code means NaN.
    pub fn is_nan(&self, code: u8) -> bool {
        self.decode(code).is_nan()
    }

    /// As words: [`WORDS`](Self::WORDS) of them.
    pub(crate) fn words(&self) -> impl Iterator<Item = u32> + '_ {
        let order = self.order.chunks_exact(4).map(|c| u32::from_le_bytes([c[0], c[1], c[2], c[3]]));
        self.table.iter().chain(&self.thresholds).copied().chain(order)
    }

    /// From such words.
    pub(crate) fn from_words(words: &[u32]) -> Self {
        let (table, rest) = words.split_at(256);
        let (thresholds, order) = rest.split_at(256);
        let fit = "internal: words of a codebook";
        Self {
            table: table.try_into().expect(fit),
            thresholds: thresholds.try_into().expect(fit),
            order: bytemuck::cast_slice(order).try_into().expect(fit),
        }
    }
}

impl fmt::Debug for Codebook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Codebook").field(&self.table().as_slice()).finish()
    }
}

/// The number of a posit8: a sign, a run of equal bits that ends with another, exponent, fraction; negative ones in two's complement.
fn posit(code: u8, exponent_bits: u32) -> f32 {
    match code {
        0 => return 0.0,
        0x80 => return f32::NAN,
        _ => {}
    }
    let magnitude = if code > 0x80 { code.wrapping_neg() } else { code };
    // Behind the sign, from the top of a byte.
    let body = magnitude << 1;
    let run = if body & 0x80 != 0 { body.leading_ones() } else { body.leading_zeros() }.min(7);
    let regime = if body & 0x80 != 0 { run as i32 - 1 } else { -(run as i32) };
    // What is left of 7 bits after the run and the bit that ends it; missing bits of the exponent are 0.
    let left = 7u32.saturating_sub(run + 1);
    let rest = u32::from(magnitude) & ((1 << left) - 1);
    let (exponent, fraction, bits) = if left >= exponent_bits {
        let bits = left - exponent_bits;
        (rest >> bits, rest & ((1 << bits) - 1), bits)
    } else {
        (rest << (exponent_bits - left), 0, 0)
    };
    let power = regime * (1 << exponent_bits) + exponent as i32;
    let value = (1.0 + f64::from(fraction) / f64::from(1u32 << bits)) * 2f64.powi(power);
    (if code > 0x80 { -value } else { value }) as f32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dtype::{Format, Overflow};

    /// By trying all, in f64; beyond the ends, from there.
    fn nearest(c: &Codebook, x: f32) -> u8 {
        let table = c.table().into_iter().filter(|v| !v.is_nan());
        let (least, most) = table.fold((f64::MAX, f64::MIN), |(l, m), v| (l.min(v.into()), m.max(v.into())));
        let x = if x.abs() < f32::MIN_POSITIVE { 0.0 } else { f64::from(x).clamp(least, most) };
        let distance = |code: u8| (f64::from(c.decode(code)) - x).abs();
        let tied = |code: u8| (code % 2, f64::from(c.decode(code)).abs());
        let mut best: Option<u8> = None;
        for code in (0..=255u8).filter(|code| !c.is_nan(*code)) {
            let better = best.is_none_or(|b| {
                if c.decode(b) == c.decode(code) {
                    return false;
                }
                let tie = tied(code).0.cmp(&tied(b).0).then(tied(code).1.total_cmp(&tied(b).1));
                distance(code).total_cmp(&distance(b)).then(tie).is_lt()
            });
            if better {
                best = Some(code);
            }
        }
        best.expect("codes")
    }

    fn all() -> Vec<Codebook> {
        let table = |f: Format| std::array::from_fn(|c| f.decode(c as u8));
        let finite = [Format::E4M3FN, Format::E3M4FN, Format::E4M3FNUZ].map(|f| Codebook::new(&table(f)));
        let posits = (0..5).map(Codebook::posit8);
        let mut odd = [0.0; 256];
        // Numbers whose distances f64 has exactly, or nearly.
        odd[1..8].copy_from_slice(&[3.0, -1.0, 3.0, -0.0, f32::NAN, 2f32.powi(-20), 1000.0]);
        let single = Codebook::new(&[0.0; 256]);
        let all = finite.into_iter().chain(posits).chain([Codebook::new(&odd), single]);
        all.map(|c| c.expect("a codebook")).chain([Codebook::dynamic_tree()]).collect()
    }

    #[test]
    fn encode_finds_the_nearest() {
        for c in all() {
            let mut x: Vec<f32> = (0..4096u32).map(|i| f32::from_bits(i.wrapping_mul(0x9E37_79B9))).collect();
            x.retain(|v| !v.is_nan());
            let mut table: Vec<f32> = c.table().into_iter().filter(|v| !v.is_nan()).collect();
            table.sort_by(f32::total_cmp);
            for w in table.windows(2) {
                let middle = f64::midpoint(f64::from(w[0]), f64::from(w[1])) as f32;
                x.extend([w[0], middle, middle.next_up(), middle.next_down()]);
            }
            x.extend([0.0, -0.0, f32::MAX, f32::MIN, f32::MIN_POSITIVE, f32::from_bits(1)]);
            for &x in &x {
                assert_eq!(c.encode(x), nearest(&c, x), "{x:e} ({:#x})", x.to_bits());
            }
            x.push(f32::NAN);
            let mut codes = vec![0; x.len()];
            c.encoder()(&x, &mut codes);
            assert!(x.iter().zip(codes).all(|(x, code)| c.encode(*x) == code));
            assert_eq!(c.encode(f32::INFINITY), c.encode(f32::MAX));
            assert_eq!(c.is_nan(c.encode(f32::NAN)), c.nan_code().is_some());
            let words: Vec<u32> = c.words().collect();
            assert_eq!((words.len(), Codebook::from_words(&words) == c), (Codebook::WORDS, true));
        }
    }

    /// Between 0 and the least normal number there is none.
    #[test]
    fn subnormals_are_zero() {
        for sign in [1.0, -1.0] {
            let mut table = [0.0; 256];
            table[6] = sign * f32::MIN_POSITIVE;
            let c = Codebook::new(&table).expect("a codebook");
            let codes = [0.0, -0.0, 1e-40, -1e-40, sign * f32::MIN_POSITIVE, -sign * f32::MIN_POSITIVE, sign];
            assert_eq!(codes.map(|x| c.encode(x)), [0, 0, 0, 0, 6, 0, 6], "{sign}");
        }
    }

    /// A float format as a codebook: the format's own codes, but for zero's sign, and ties, even in both.
    #[test]
    fn formats_are_codebooks() {
        let f = Format::E4M3FN;
        let c = Codebook::new(&std::array::from_fn(|c| f.decode(c as u8))).expect("a codebook");
        for bits in (0..=u32::MAX).step_by(9973) {
            let x = f32::from_bits(bits);
            let want = f.encode(x, Overflow::Saturate);
            let want = if want == 0x80 {
                0
            } else if f.is_nan(want) {
                0x7F
            } else {
                want
            };
            assert_eq!(c.encode(x), want, "{x:e}");
        }
    }

    /// Values of the standard's posit8 (es = 2), and of es = 0 and 1 by hand.
    #[test]
    fn posits() {
        let p = Codebook::posit8(2).expect("a posit");
        let known =
            [(0x01, 2f32.powi(-24)), (0x40, 1.0), (0x44, 1.5), (0x48, 2.0), (0x50, 4.0), (0x60, 16.0)];
        for (code, value) in known {
            assert_eq!((p.decode(code), p.decode(code.wrapping_neg())), (value, -value), "{code:#x}");
        }
        assert_eq!(p.decode(0x7F), 2f32.powi(24));
        assert!(p.is_nan(0x80) && p.nan_code() == Some(0x80));
        let p = Codebook::posit8(0).expect("a posit");
        assert_eq!(
            [0x01, 0x20, 0x40, 0x50, 0x60, 0x7F].map(|c| p.decode(c)),
            [1.0 / 64.0, 0.5, 1.0, 1.5, 2.0, 64.0]
        );
        let p = Codebook::posit8(1).expect("a posit");
        assert_eq!([0x01, 0x40, 0x58, 0x7F].map(|c| p.decode(c)), [2f32.powi(-12), 1.0, 3.0, 4096.0]);
        assert_eq!(Codebook::posit8(5), Err(CodebookError::Posit(5)));
    }

    #[test]
    fn the_dynamic_tree() {
        let c = Codebook::dynamic_tree();
        assert_eq!([0x00, 0x80, 0x7F, 0xFF].map(|code| c.decode(code)), [0.0, 0.0, 1.0, -1.0]);
        // 0000001: six zeros, one part, its middle.
        assert_eq!(c.decode(1), 0.55e-6);
        assert_eq!(c.decode(0x40), (0.1 + 0.9 * 0.5 / 64.0) as f32);
    }

    #[test]
    fn what_cannot_be_says_why() {
        let with = |code: usize, value: f32| {
            let mut table = [0.0; 256];
            table[code] = value;
            Codebook::new(&table).unwrap_err().to_string()
        };
        assert_eq!(with(0, 1.0), "table: expected 0 for code 0, got 1");
        assert!(
            with(7, 1e-40)
                .starts_with("table: expected normal numbers, zeros and NaN, got 1e-40 for code 0x07")
        );
        assert!(with(7, f32::INFINITY).contains("0x07"));
    }
}
