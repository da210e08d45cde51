//! Magnitudes, counted by the upper bits of their f32.

/// Mantissa bits that tell bins apart: every number halfway between two values of an 8-bit format is an edge.
const MAN_BITS: u32 = 8;
/// Bits below them.
const LOW_BITS: u32 = 23 - MAN_BITS;
/// Bins of one binade: of a factor of two.
const BINADE: usize = 1 << MAN_BITS;

const TINY: u32 = 0x0080_0000;
const INFINITY: u32 = 0x7F80_0000;

/// How often each magnitude was seen, in bins of 1/256 of a factor of two.
///
/// A bin is what shares the exponent and the upper 8 bits of the mantissa in f32; its upper edge, a number with 8 bits of
/// mantissa, belongs to it. Floats are dense where they are small, and so are these bins: linear ones would have
/// to be as narrow as the smallest subnormal code. They never move, whatever the range turns out to be. Edges are the places
/// where 8-bit formats round, up to 7 bits of mantissa, so codes at scale 1 are known exactly.
///
/// Each bin holds its count and the first two moments of its numbers' distances from the edge, in integers: exact for
/// up to 2³⁴ numbers to a bin, the same in any order and on every machine. Only the binades between the least and the largest
/// magnitude take memory: 6 KiB each, 1.5 MiB for all.
///
/// Magnitudes below 2⁻¹²⁶ count as zero, as in every quantisation. NaN and infinities are counted, and in no bin.
///
/// ```
/// use quarter::scale::Histogram;
/// let mut h = Histogram::default();
/// h.observe(&[0.0, 1.5, -3.0, f32::NAN]);
/// assert_eq!((h.count(), h.zeros(), h.negative(), h.non_finite()), (3, 1, 1, 1));
/// assert_eq!(h.amax(), 3.0);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Histogram {
    /// Number of the first bin that has memory; whole binades have.
    first: usize,
    tallies: Vec<Tally>,
    count: u64,
    zeros: u64,
    negative: u64,
    non_finite: u64,
    amax_bits: u32,
}

/// What is kept of the numbers of one bin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Tally {
    count: u64,
    /// Distances from the upper edge, in units of the last place, added up.
    gaps: u64,
    /// Their squares.
    squares: u64,
}

/// The bin of a magnitude, by its bits: a normal number.
fn bin_of(bits: u32) -> usize {
    ((bits - 1) >> LOW_BITS) as usize
}

impl Histogram {
    /// Takes in more numbers.
    pub fn observe(&mut self, x: &[f32]) {
        let (mut low, mut high) = (u32::MAX, 0);
        for v in x {
            let bits = v.to_bits() & 0x7FFF_FFFF;
            if (TINY..INFINITY).contains(&bits) {
                (low, high) = (low.min(bits), high.max(bits));
            }
        }
        if low <= high {
            self.cover(bin_of(low), bin_of(high));
        }
        self.amax_bits = self.amax_bits.max(high);
        for v in x {
            let bits = v.to_bits() & 0x7FFF_FFFF;
            match bits {
                0..TINY => self.zeros += 1,
                TINY..INFINITY => {
                    let gap = u64::from(bits.wrapping_neg() & ((1 << LOW_BITS) - 1));
                    let tally = &mut self.tallies[bin_of(bits) - self.first];
                    tally.add(&Tally { count: 1, gaps: gap, squares: gap * gap });
                    self.negative += u64::from(v.is_sign_negative());
                }
                _ => {
                    self.non_finite += 1;
                    continue;
                }
            }
            self.count += 1;
        }
    }

    /// Takes in what another has seen.
    pub fn join(&mut self, other: &Self) {
        if let Some(last) = other.tallies.len().checked_sub(1) {
            self.cover(other.first, other.first + last);
            let own = &mut self.tallies[other.first - self.first..];
            own.iter_mut().zip(&other.tallies).for_each(|(own, tally)| own.add(tally));
        }
        self.count += other.count;
        self.zeros += other.zeros;
        self.negative += other.negative;
        self.non_finite += other.non_finite;
        self.amax_bits = self.amax_bits.max(other.amax_bits);
    }

    /// Gives memory to the binades of these bins and what is between.
    fn cover(&mut self, low: usize, high: usize) {
        let (low, end) = (low / BINADE * BINADE, (high / BINADE + 1) * BINADE);
        if self.tallies.is_empty() {
            self.first = low;
        }
        if low < self.first {
            let empty = std::iter::repeat_n(Tally::default(), self.first - low);
            self.tallies.splice(..0, empty);
            self.first = low;
        }
        let len = self.tallies.len().max(end - self.first);
        self.tallies.resize(len, Tally::default());
    }

    /// Finite numbers seen.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Those that count as zero: below 2⁻¹²⁶ in magnitude.
    pub fn zeros(&self) -> u64 {
        self.zeros
    }

    /// Those below zero, of finite numbers that do not count as zero.
    pub fn negative(&self) -> u64 {
        self.negative
    }

    /// NaN and infinities seen, which are nowhere else counted.
    pub fn non_finite(&self) -> u64 {
        self.non_finite
    }

    /// The largest finite magnitude; 0 of zeros, and of nothing.
    pub fn amax(&self) -> f32 {
        f32::from_bits(self.amax_bits)
    }

    /// Bins that have memory.
    pub(crate) fn len(&self) -> usize {
        self.tallies.len()
    }

    /// A bin of those that have memory, the lowest first.
    pub(crate) fn bin(&self, i: usize) -> Bin {
        let Tally { count, gaps, squares } = self.tallies[i];
        let (bin, exponent) = (self.first + i, ((self.first + i) / BINADE).max(1));
        // 2^-126 is the upper edge of a bin whose lower edge is subnormal.
        let ulp = 2f64.powi(exponent as i32 - 127 - 23);
        let lower = f64::from(f32::from_bits((bin as u32) << LOW_BITS));
        let width = ulp * f64::from(1 << LOW_BITS);
        Bin {
            upper: lower + width,
            width,
            count: count as f64,
            gaps: gaps as f64 * ulp,
            squares: squares as f64 * (ulp * ulp),
        }
    }

    pub(crate) fn bins(&self) -> impl Iterator<Item = Bin> {
        (0..self.len()).map(|i| self.bin(i))
    }

    /// How many bins lie below `at`, above zero; one that has it inside is counted if the mean of its numbers is below.
    pub(crate) fn below(&self, at: f64) -> usize {
        // As `bin_of`, of the same fields in f64.
        let number = (at.to_bits() - 1) >> (52 - MAN_BITS);
        let bin = number as i64 - ((1023 - 127) << MAN_BITS) - self.first as i64;
        match usize::try_from(bin) {
            Ok(i) if i >= self.len() => self.len(),
            Ok(i) => i + usize::from(self.bin(i).mean() <= at),
            Err(_) => 0,
        }
    }

    /// Upper edges of the bins from the first with a number to the last, the largest magnitude for that; with each, how many bins
    /// are not above it.
    pub(super) fn thresholds(&self) -> impl DoubleEndedIterator<Item = (usize, f32)> {
        let seen = |t: &Tally| t.count != 0;
        let start = self.tallies.iter().position(seen).unwrap_or(0);
        let end = self.tallies.iter().rposition(seen).map_or(0, |last| last + 1);
        (start + 1..=end).map(|i| (i, f32::from_bits(((self.first + i) << LOW_BITS) as u32).min(self.amax())))
    }
}

impl Tally {
    fn add(&mut self, other: &Self) {
        self.count += other.count;
        self.gaps = self.gaps.saturating_add(other.gaps);
        self.squares = self.squares.saturating_add(other.squares);
    }
}

/// The numbers of a bin, as magnitudes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bin {
    /// The edge that belongs to it.
    pub upper: f64,
    /// From edge to edge.
    pub width: f64,
    /// How many there are.
    pub count: f64,
    gaps: f64,
    squares: f64,
}

impl Bin {
    /// Their mean; the upper edge if there are none.
    pub fn mean(self) -> f64 {
        if self.count == 0.0 { self.upper } else { self.upper - self.gaps / self.count }
    }

    pub fn sum(self) -> f64 {
        self.count * self.upper - self.gaps
    }

    /// Sum of their squares.
    pub fn squares(self) -> f64 {
        self.error(0.0)
    }

    /// Sum of the squares of their distances from `x`.
    pub fn error(self, x: f64) -> f64 {
        let a = self.upper - x;
        (self.count * (a * a) - 2.0 * a * self.gaps + self.squares).max(0.0)
    }
}
