//! Random words by counting: what host and device draw alike, in any order.

/// A random word for every index, the same on every backend: Philox4x32-10 (J. Salmon, M. Moraes, R. Dror, D. Shaw,
/// *Parallel random numbers: as easy as 1, 2, 3*, SC 2011).
///
/// The key is the seed, the counter is (index, stream), both 64 bits, low word first; word 0 of the block is the
/// index's word. Give every tensor of a step its stream, and every step its seed, or the other way round.
///
/// ```
/// use quarter::dtype::Philox;
/// assert_eq!(Philox::block([0; 4], [0; 2]), [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8]);
/// let random = Philox::new(7, 0);
/// assert_eq!(random.word(3), Philox::block([3, 0, 0, 0], [7, 0])[0]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Philox {
    /// The key.
    pub seed: u64,
    /// The upper half of the counter.
    pub stream: u64,
}

const fn halves(x: u64) -> [u32; 2] {
    [x as u32, (x >> 32) as u32]
}

impl Philox {
    /// The words of one stream of one seed.
    pub const fn new(seed: u64, stream: u64) -> Self {
        Self { seed, stream }
    }

    /// Ten rounds on a counter, with a key.
    pub const fn block(counter: [u32; 4], key: [u32; 2]) -> [u32; 4] {
        let ([mut a, mut b, mut c, mut d], [mut k0, mut k1]) = (counter, key);
        let mut round = 0;
        while round < 10 {
            let p0 = halves(0xD251_1F53 * a as u64);
            let p1 = halves(0xCD9E_8D57 * c as u64);
            [a, b, c, d] = [p1[1] ^ b ^ k0, p1[0], p0[1] ^ d ^ k1, p0[0]];
            k0 = k0.wrapping_add(0x9E37_79B9);
            k1 = k1.wrapping_add(0xBB67_AE85);
            round += 1;
        }
        [a, b, c, d]
    }

    /// The word of an index.
    pub const fn word(self, index: u64) -> u32 {
        let ([i0, i1], [s0, s1]) = (halves(index), halves(self.stream));
        Self::block([i0, i1, s0, s1], halves(self.seed))[0]
    }

    /// As kernels take it, in an operand of u32: seed, then stream, low words first.
    pub const fn to_words(self) -> [u32; 4] {
        let ([k0, k1], [s0, s1]) = (halves(self.seed), halves(self.stream));
        [k0, k1, s0, s1]
    }

    /// Of the words of [`to_words`](Self::to_words).
    pub const fn from_words([k0, k1, s0, s1]: [u32; 4]) -> Self {
        Self { seed: (k1 as u64) << 32 | k0 as u64, stream: (s1 as u64) << 32 | s0 as u64 }
    }
}
