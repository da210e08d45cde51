//! Operands of a case, the same every time.

use crate::{
    cpu,
    dtype::{Codebook, Format, Overflow, S2fp8},
    ops::Data,
    scale::{Granularity, Scales, flags},
    tensor::{DType, Draw, HostTensor, Operand},
};

/// A small generator (PCG-XSH-RR, M. O'Neill 2014): test data must not depend on a library's version.
struct Pcg(u64);

impl Pcg {
    fn next(&mut self) -> u32 {
        let old = self.0;
        self.0 = old.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (((old >> 18) ^ old) >> 27) as u32
    }

    fn below(&mut self, n: u32) -> u32 {
        (self.next() >> 3) % n
    }

    /// In [0, 1).
    fn unit(&mut self) -> f32 {
        (self.next() >> 8) as f32 / 16_777_216.0
    }

    fn sign(&mut self) -> f32 {
        if self.below(2) == 0 { 1.0 } else { -1.0 }
    }

    /// Sum of four uniform numbers, of variance 1/3: bell-shaped enough.
    fn normal(&mut self) -> f32 {
        self.unit() + self.unit() + self.unit() + self.unit() - 2.0
    }
}

/// Values and scales of an operand as this kind of data has them.
pub fn draw(o: &Operand, data: Data, seed: u64) -> HostTensor {
    let mut r = Pcg(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ o.layout.elements());
    let (rows, cols) = (o.layout.rows() as usize, o.layout.cols() as usize);
    let n = rows * cols;
    let shape = o.layout.shape().to_vec();
    let dtype = o.layout.element().dtype();
    let mut x: Vec<f32> = match o.draw {
        Draw::Balanced { rows: height, cols: width, beside } => {
            let block = (height as usize, width as usize);
            (0..n).map(|i| balanced(&mut r, block, beside, data, dtype, (i / cols, i % cols), cols)).collect()
        }
        Draw::Levels if data == Data::SmallIntegers => levels(&mut r, rows, cols),
        Draw::Hiding => hiding(&mut r, data, rows, cols),
        draw => (0..n).map(|i| number(&mut r, draw, data, i, n)).collect(),
    };
    let tensor = match dtype {
        DType::U32 if matches!(o.draw, Draw::Offsets(_)) => {
            HostTensor::from_u32(&offsets(&mut r, o.draw, data, n), shape)
        }
        DType::U32 => {
            HostTensor::from_u32(&(0..n).map(|i| word(&mut r, o.draw, data, i)).collect::<Vec<_>>(), shape)
        }
        DType::F8(f) => {
            let mut codes: Vec<u8> = x.iter().map(|&v| f.encode(v, Overflow::Saturate)).collect();
            if data == Data::Specials {
                sprinkle(&mut codes, &special_codes(f), cols, &mut r);
            }
            let scales = scales(o, data, &mut r);
            HostTensor::from_codes(f, &codes, shape, scales)
        }
        DType::Code8 => {
            let codebook = codebook(data, &x);
            let mut codes: Vec<u8> = x.iter().map(|&v| codebook.encode(v)).collect();
            match data {
                // Any code that means the same.
                Data::SmallIntegers => codes.iter_mut().for_each(|c| *c += NUMBERS * r.below(28) as u8),
                Data::Random => {}
                Data::Specials => sprinkle(&mut codes, &special_codes(Format::E5M2), cols, &mut r),
            }
            HostTensor::from_codebook(&codebook, &codes, shape)
        }
        _ => {
            if data == Data::Specials {
                sprinkle(&mut x, &special_numbers(dtype), cols, &mut r);
            }
            HostTensor::from_f32_as(dtype, &x, shape)
        }
    };
    let tensor = tensor.unwrap_or_else(|e| panic!("internal: operand `{}`: {e}", o.role));
    if o.layout.element().is_observed() { tensor.observed() } else { tensor }
}

/// Numbers of the codebook of small integers, over and over.
const NUMBERS: u8 = 9;

/// Small integers, all codes in use; posits; S2FP8's of these numbers or one without NaN.
fn codebook(data: Data, x: &[f32]) -> Codebook {
    match data {
        Data::SmallIntegers => {
            let number =
                |code: usize| [0.0, 1.0, -1.0, 2.0, -2.0, 3.0, -3.0, 4.0, -4.0][code % usize::from(NUMBERS)];
            Codebook::new(&std::array::from_fn(number)).expect("small integers")
        }
        Data::Random => Codebook::posit8(1).expect("a posit"),
        Data::Specials if x.len() % 2 == 1 => Codebook::dynamic_tree(),
        Data::Specials => S2fp8::new(x).codebook(),
    }
}

/// The same with amax in its record, as after a kernel that wrote it.
pub(super) fn seen(t: HostTensor) -> HostTensor {
    let Some(mut s) = t.scales().cloned() else { return t };
    let (map, cols) = (t.layout().group_map(), t.layout().cols() as usize);
    for (i, v) in t.to_f32().into_iter().enumerate() {
        s.see(map.group(i / cols, i % cols), cpu::magnitude(v));
    }
    if !f32::from_bits(s.record().amax_bits).is_finite() {
        s.raise(flags::NON_FINITE_AMAX);
    }
    HostTensor::from_parts(t.layout().clone(), t.words().to_vec(), Some(s.words().to_vec()))
}

/// [`Draw::Balanced`] at this row and column.
fn balanced(
    r: &mut Pcg,
    (height, width): (usize, usize),
    beside: bool,
    data: Data,
    dtype: DType,
    (row, col): (usize, usize),
    cols: usize,
) -> f32 {
    let block = row / height * (cols / width).max(1) + col / width;
    match data {
        Data::Specials => 2.0 * r.normal(),
        Data::Random => {
            let far = match dtype {
                DType::F32 => 1e4,
                DType::F16 => 100.0,
                DType::Bf16 => 8.0,
                DType::F8(_) | DType::Code8 | DType::U32 => 0.0,
            };
            // Of variance 1.
            (if beside { 0.0 } else { [0.0, far, 1.0][block % 3] }) + 1.75 * r.normal()
        }
        Data::SmallIntegers => {
            let sign = if block.is_multiple_of(3) { -1.0 } else { 1.0 };
            let step = (1 + block % 2) as f32;
            // No magnitude above 8: what three bits of mantissa, and two, hold.
            let level = [0.0, 1.0, 4.0, -2.0][block % 4];
            let deviation = deviation(row % height * width + col % width, height * width);
            (if beside { 0.0 } else { level }) + sign * step * deviation
        }
    }
}

/// Numbers of mean square 4 and, but for a single one, of mean 0, of `n`, in an order of no pattern: ±2, and fives of 3,
/// −3, 1, −1, 0 where n is odd or there is room for two.
fn deviation(i: usize, n: usize) -> f32 {
    let stride = [7919, 104_729, 1].into_iter().find(|s| !n.is_multiple_of(*s)).unwrap_or(1);
    let i = i * stride % n;
    let five = [3.0, -3.0, 1.0, -1.0, 0.0];
    let fives = match n {
        1 => return 2.0,
        3 => return [3.0, -3.0, 0.0][i],
        _ if n % 2 == 1 => 5,
        10.. => 10,
        _ => 0,
    };
    match i.checked_sub(fives) {
        None => five[i % 5],
        Some(i) if i < (n - fives) / 2 => 2.0,
        Some(_) => -2.0,
    }
}

fn number(r: &mut Pcg, draw: Draw, data: Data, i: usize, n: usize) -> f32 {
    match (draw, data) {
        (Draw::Positive, Data::SmallIntegers) => 4f32.powi(r.below(3) as i32),
        (Draw::Positive, _) => 0.05 + 2.0 * r.unit(),
        // Never zero: a term that is dropped must be missed.
        (Draw::Normal | Draw::Moderate | Draw::Balanced { .. }, Data::SmallIntegers) => {
            r.sign() * (1 + r.below(4)) as f32
        }
        (Draw::Powers, Data::SmallIntegers) => r.sign() * (1 << r.below(3)) as f32,
        (Draw::Rising, Data::SmallIntegers) => r.sign() * (1 + i * 15 / n) as f32,
        (Draw::Normal | Draw::Moderate | Draw::Balanced { .. }, _) => 2.0 * r.normal(),
        (Draw::Rising, _) => r.sign() * (0.1 + 7.0 * (i as f32 + r.unit()) / n as f32),
        _ => 2.0 * r.normal(),
    }
}

/// Any word, or one below the bound; among special data every third is beyond it, the largest first.
fn word(r: &mut Pcg, draw: Draw, data: Data, i: usize) -> u32 {
    match draw {
        Draw::Below(n) if data == Data::Specials && i % 3 == 1 => [u32::MAX, n][i / 3 % 2],
        Draw::Below(n) => r.below(n),
        _ => r.next(),
    }
}

/// [`Draw::Offsets`].
fn offsets(r: &mut Pcg, draw: Draw, data: Data, n: usize) -> Vec<u32> {
    let Draw::Offsets(end) = draw else { return vec![0; n] };
    let mut x: Vec<u32> = (0..n).map(|_| r.below(end.saturating_add(1))).collect();
    x.sort_unstable();
    x[0] = 0;
    for i in (1..n).filter(|i| i % 4 == 3) {
        x[i] = x[i - 1];
    }
    x[n - 1] = end;
    if data == Data::Specials {
        for (i, x) in x.iter_mut().enumerate().filter(|(i, _)| i % 5 == 2) {
            *x = [u32::MAX, 0, end.saturating_add(1)][i / 5 % 3];
        }
    }
    x
}

fn levels(r: &mut Pcg, rows: usize, cols: usize) -> Vec<f32> {
    let mut x = Vec::with_capacity(rows * cols);
    for _ in 0..rows {
        let (mut top, mut ties) = (1, 0);
        for _ in 0..cols {
            // About three rises in a row.
            if top < 4 && r.below(cols as u32) < 3 {
                (top, ties) = (top + 1, 0);
            }
            let level = if ties == 0 || (ties == 1 && r.below(3) == 0) { top } else { r.below(top) };
            ties += u32::from(level == top);
            x.push(level as f32);
        }
    }
    x
}

fn hiding(r: &mut Pcg, data: Data, rows: usize, cols: usize) -> Vec<f32> {
    let mut x = Vec::with_capacity(rows * cols);
    for _ in 0..rows {
        let end = r.below(cols as u32 + 1) as usize;
        for col in 0..cols {
            let hidden = if data == Data::SmallIntegers { col >= end } else { r.below(8) == 0 };
            let shown = if data == Data::SmallIntegers { 0.0 } else { r.normal() };
            x.push(if hidden { f32::NEG_INFINITY } else { shown });
        }
    }
    x
}

/// Every row gets zeros, subnormals and large numbers; every third an Inf, every fourth a NaN; the sixth is nothing
/// but the smallest subnormal.
fn sprinkle<T: Copy>(x: &mut [T], special: &Special<T>, cols: usize, r: &mut Pcg) {
    for (row, x) in x.chunks_exact_mut(cols).enumerate() {
        for &v in &special.ordinary {
            x[r.below(cols as u32) as usize] = v;
        }
        if row % 3 == 1
            && let Some(v) = special.infinite
        {
            x[r.below(cols as u32) as usize] = v;
        }
        if row % 4 == 2 {
            x[r.below(cols as u32) as usize] = special.nan;
        }
        if row % 7 == 5 {
            x.fill(special.tiny);
        }
    }
}

struct Special<T> {
    ordinary: Vec<T>,
    infinite: Option<T>,
    nan: T,
    tiny: T,
}

fn special_codes(f: Format) -> Special<u8> {
    let last_subnormal = (1u8 << f.man_bits()) - 1;
    let negative_zero = if f.has_negative_zero() { f.sign_mask() } else { 0 };
    let ordinary =
        vec![0, negative_zero, 1, f.sign_mask() | 1, last_subnormal, last_subnormal + 1, f.max_code()];
    Special { ordinary, infinite: f.infinity_code(), nan: f.nan_code(), tiny: 1 }
}

fn special_numbers(dtype: DType) -> Special<f32> {
    let (tiny, large) = match dtype {
        DType::F16 => (2f32.powi(-24), 65504.0),
        // Products of two of them, summed, stay finite.
        _ => (f32::from_bits(1), 2f32.powi(60)),
    };
    let ordinary = vec![0.0, -0.0, tiny, -3.0 * tiny, large, f32::MIN_POSITIVE];
    Special { ordinary, infinite: Some(f32::NEG_INFINITY), nan: f32::NAN, tiny }
}

fn scales(o: &Operand, data: Data, r: &mut Pcg) -> Scales {
    let groups = o.layout.groups() as usize;
    let granularity = o.layout.element().scaling().expect("an 8-bit operand");
    let moderate = matches!(o.draw, Draw::Moderate | Draw::Balanced { .. });
    let large = if moderate { 40 } else { 100 };
    let extremes = [1.0, 0.0, 2f32.powi(-126), 2f32.powi(large), 0.37];
    // Numbers of one block of exact statistics share a scale.
    let alike = match o.draw {
        Draw::Balanced { beside: true, .. } => Some(1.0),
        Draw::Balanced { rows: 1, .. } if granularity == Granularity::PerToken => None,
        Draw::Balanced { .. } => Some(2f32.powi(r.below(7) as i32 - 3)),
        _ => None,
    };
    let powers = matches!(granularity, Granularity::Mx { .. });
    let extremes = extremes.into_iter().filter(|s| !powers || s.log2().fract() == 0.0).collect::<Vec<_>>();
    let s: Vec<f32> = (0..groups)
        .map(|g| match data {
            Data::SmallIntegers => alike.unwrap_or_else(|| 2f32.powi(r.below(7) as i32 - 3)),
            Data::Random if powers => 2f32.powi(r.below(5) as i32 - 3),
            Data::Random => 0.01 + 2.0 * r.unit(),
            Data::Specials => extremes[g % extremes.len()],
        })
        .collect();
    Scales::new(granularity, &s, groups).expect("scales in range")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_level_occurs_once_or_twice_in_every_beginning() {
        let cols = 57;
        let (mut pairs, mut tops) = (0, 0);
        for row in levels(&mut Pcg(7), 200, cols).chunks(cols) {
            for end in 1..=cols {
                let top = row[..end].iter().copied().fold(0.0, f32::max);
                let count = row[..end].iter().filter(|&&v| v == top).count();
                assert!((1.0..=4.0).contains(&top) && (count == 1 || count == 2), "{row:?}");
                pairs += usize::from(count == 2);
                tops += 1;
            }
        }
        assert!(pairs > tops / 4, "{pairs} of {tops}");
    }
}
