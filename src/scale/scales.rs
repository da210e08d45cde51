//! What a quantised tensor carries beside its codes.

use super::{Granularity, GroupMap, Scale, ScaleError, ScaleRule};
use crate::dtype::{Codebook, F8E8M0FNU, Format};
use bytemuck::{Pod, Zeroable};

/// Bits of [`Record::flags`].
pub mod flags {
    /// A code of the tensor is NaN: consumers look for it and pass it on.
    pub const HAS_NAN: u32 = 1;
    /// The amax that should have made the scale was infinite or NaN; the scale is 1.
    pub const NON_FINITE_AMAX: u32 = 2;
    /// A number that was to become a code was NaN, and the format has none: its code is 0, and every number of the
    /// tensor counts as NaN. Never without `HAS_NAN`.
    pub const LOST_NAN: u32 = 4;
    /// An index of the look-up that wrote the tensor was beyond the table, and gave zeros.
    pub const INDEX: u32 = 8;
}

/// The first 16 bytes of the scales of every quantised tensor, on host and device alike.
///
/// `scale` and `inv_scale` hold the scale of a per-tensor tensor and are 1 at any finer granularity; `amax` and
/// `flags` speak for the whole tensor.
#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
#[repr(C)]
pub struct Record {
    /// real = code × scale.
    pub scale: f32,
    /// code = encode(real × inv_scale); the inverse of `scale`, rounded once.
    pub inv_scale: f32,
    /// Bits of max |real|, an integer maximum in which Inf and NaN win; 0 when nobody looked.
    pub amax_bits: u32,
    /// [`flags`].
    pub flags: u32,
}

/// The scales of one tensor, and its [`Record`].
///
/// As words: the record; at granularities finer than the tensor, after it scale, inv_scale and amax bits of every
/// group, each array padded with zeros to a multiple of four words. Of MX blocks only the scales, a byte of
/// [`F8E8M0FNU`] each, four to a word, the first lowest; padded as well. Behind the record of a tensor of codes of a
/// [`Codebook`], whose scale is 1, lies that: 256 numbers by code, 256 thresholds, 256 codes in order.
///
/// ```
/// use quarter::scale::{Granularity, Scale, Scales};
/// let s = Scales::per_tensor(Scale::new(0.5)?);
/// assert_eq!(s.scale_of(0), 0.5);
/// let c = Scales::new(Granularity::PerChannel { axis: 0 }, &[1.0, 0.25], 2)?;
/// assert_eq!(c.scale_of(1), 0.25);
/// # Ok::<(), quarter::scale::ScaleError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Scales {
    granularity: Granularity,
    groups: usize,
    words: Vec<u32>,
}

/// Words that `groups` scales take at this granularity.
pub(crate) fn words_for(granularity: Granularity, groups: u64) -> u64 {
    match granularity {
        Granularity::PerTensor => 4,
        Granularity::Mx { .. } => 4 + groups.div_ceil(16) * 4,
        _ => 4 + 3 * groups.next_multiple_of(4),
    }
}

/// Words of the record and a codebook.
pub(crate) const CODEBOOK_WORDS: usize = 4 + Codebook::WORDS;

impl Scales {
    /// One scale for the whole tensor.
    pub fn per_tensor(scale: Scale) -> Self {
        let mut s = Self::unit(Granularity::PerTensor, 1);
        s.try_set(0, scale).expect("an f32");
        s
    }

    /// `scales` for the `groups` of a tensor ([`Granularity::groups`]).
    ///
    /// # Errors
    /// [`ScaleError::Count`] for a wrong number of scales, [`ScaleError::OutOfRange`] for one that cannot be,
    /// [`ScaleError::NotPowerOfTwo`] for one that MX blocks cannot have.
    pub fn new(granularity: Granularity, scales: &[f32], groups: usize) -> Result<Self, ScaleError> {
        let fits = groups == 1 || (groups > 1 && granularity != Granularity::PerTensor);
        if !fits {
            return Err(ScaleError::Groups { groups, granularity });
        }
        if scales.len() != groups {
            return Err(ScaleError::Count { expected: groups, got: scales.len(), granularity });
        }
        let mut out = Self::unit(granularity, groups);
        for (i, &s) in scales.iter().enumerate() {
            out.try_set(i, Scale::new(s)?)?;
        }
        Ok(out)
    }

    /// Those of codes of a codebook: scale 1.
    pub fn with_codebook(codebook: &Codebook) -> Self {
        let mut s = Self::unit(Granularity::PerTensor, 1);
        s.words.extend(codebook.words());
        s
    }

    /// The codebook, if there is one.
    pub fn codebook(&self) -> Option<Codebook> {
        self.has_codebook().then(|| Codebook::from_words(&self.words[4..]))
    }

    pub(crate) fn has_codebook(&self) -> bool {
        self.words.len() == CODEBOOK_WORDS && self.granularity == Granularity::PerTensor
    }

    /// Codes, as numbers, become what they mean, if there is a codebook; all becomes NaN where one was lost.
    pub(crate) fn look_up(&self, codes: &mut [f32]) {
        if self.lost_nan() {
            return codes.fill(f32::NAN);
        }
        if self.has_codebook() {
            let table = &self.words[4..260];
            codes.iter_mut().for_each(|v| *v = f32::from_bits(table[*v as usize]));
        }
    }

    /// All scales 1.
    pub(crate) fn unit(granularity: Granularity, groups: usize) -> Self {
        let mut words = vec![0; words_for(granularity, groups as u64) as usize];
        words[0] = 1f32.to_bits();
        words[1] = 1f32.to_bits();
        let mut s = Self { granularity, groups, words };
        for i in 0..groups {
            s.try_set(i, Scale::ONE).expect("a power of two");
        }
        s
    }

    pub(crate) fn from_words(granularity: Granularity, groups: usize, words: Vec<u32>) -> Self {
        Self { granularity, groups, words }
    }

    /// The words that travel to the device.
    pub fn words(&self) -> &[u32] {
        &self.words
    }

    /// Which elements share a scale.
    pub fn granularity(&self) -> Granularity {
        self.granularity
    }

    /// How many scales there are.
    pub fn groups(&self) -> usize {
        self.groups
    }

    /// The record.
    pub fn record(&self) -> Record {
        *bytemuck::from_bytes(bytemuck::cast_slice(&self.words[..4]))
    }

    /// Whether a code is known to be NaN.
    pub fn has_nan(&self) -> bool {
        self.words[3] & flags::HAS_NAN != 0
    }

    /// Whether a NaN is among the numbers and no code says which.
    pub(crate) fn lost_nan(&self) -> bool {
        self.words[3] & flags::LOST_NAN != 0
    }

    fn at(&self, array: usize, group: usize) -> usize {
        assert!(group < self.groups, "group {group} of {}", self.groups);
        match self.granularity {
            Granularity::PerTensor => array,
            Granularity::Mx { .. } => 4 + group / 4,
            _ => 4 + array * self.groups.next_multiple_of(4) + group,
        }
    }

    /// Scale of a group.
    ///
    /// # Panics
    /// As an index: if there is no such group.
    pub fn scale_of(&self, group: usize) -> f32 {
        match self.power_of(group) {
            Some(power) => power.to_f32(),
            None => f32::from_bits(self.words[self.at(0, group)]),
        }
    }

    /// Inverse scale of a group.
    ///
    /// # Panics
    /// As an index: if there is no such group.
    pub fn inv_scale_of(&self, group: usize) -> f32 {
        match self.power_of(group) {
            Some(power) => f32::from_bits((254 - u32::from(power.to_bits())) << 23),
            None => f32::from_bits(self.words[self.at(1, group)]),
        }
    }

    /// max |real| of a group, as seen when its codes were written; 0 for MX blocks, which do not keep it.
    ///
    /// # Panics
    /// As an index: if there is no such group.
    pub fn amax_of(&self, group: usize) -> f32 {
        match self.power_of(group) {
            Some(_) => 0.0,
            None => f32::from_bits(self.words[self.at(2, group)]),
        }
    }

    /// The stored scale of an MX block.
    fn power_of(&self, group: usize) -> Option<F8E8M0FNU> {
        if self.granularity.keeps_amax() {
            return None;
        }
        let word = self.words[self.at(0, group)];
        Some(F8E8M0FNU::from_bits(word.to_le_bytes()[group % 4]))
    }

    /// real = code × scale, for the columns of one row from `col` on; `map` is that of the tensor's shape. NaN
    /// where one was lost.
    pub fn apply(&self, map: GroupMap, row: usize, col: usize, codes: &mut [f32]) {
        if self.lost_nan() {
            return codes.fill(f32::NAN);
        }
        let (mut col, mut rest) = (col, codes);
        while !rest.is_empty() {
            let stretch = map.col_stride as usize - col % map.col_stride as usize;
            let (here, after) = rest.split_at_mut(stretch.min(rest.len()));
            let scale = self.scale_of(map.group(row, col));
            here.iter_mut().for_each(|v| *v *= scale);
            (col, rest) = (col + stretch, after);
        }
    }

    /// Every scale times 2^exponent, for |exponent| below 512; amax and flags stay.
    pub(crate) fn shifted(&self, exponent: i32) -> Result<Self, ScaleError> {
        let mut s = self.clone();
        for g in 0..self.groups {
            // Exact in f64; what f32 cannot hold is no scale either.
            s.try_set(g, Scale::new((f64::from(self.scale_of(g)) * 2f64.powi(exponent)) as f32)?)?;
        }
        Ok(s)
    }

    /// Gives a group another scale.
    pub(crate) fn try_set(&mut self, group: usize, s: Scale) -> Result<(), ScaleError> {
        if !self.granularity.keeps_amax() {
            let (at, shift) = (self.at(0, group), 8 * (group % 4));
            let code = F8E8M0FNU::try_from(s)?.to_bits();
            self.words[at] = self.words[at] & !(0xFF << shift) | u32::from(code) << shift;
            return Ok(());
        }
        let (scale, inverse) = (self.at(0, group), self.at(1, group));
        self.words[scale] = s.get().to_bits();
        self.words[inverse] = s.inverse().get().to_bits();
        Ok(())
    }

    /// The same, with nothing known of the codes: kernels look for NaN themselves, as they must where codes came from
    /// elsewhere and nobody looked through them.
    #[must_use]
    pub fn unscanned(mut self) -> Self {
        self.raise(flags::HAS_NAN);
        self
    }

    /// Forgets amax and flags, keeps the scales: what happens before codes are written.
    pub fn reset(&mut self) {
        self.words[2] = 0;
        self.words[3] = 0;
        if !self.granularity.keeps_amax() {
            return;
        }
        for g in 0..self.groups {
            let i = self.at(2, g);
            self.words[i] = 0;
        }
    }

    /// Takes a magnitude (bits, sign cleared) into the running integer maximum of its group and of the tensor.
    pub(crate) fn see(&mut self, group: usize, magnitude: u32) {
        if self.granularity.keeps_amax() {
            let i = self.at(2, group);
            self.words[i] = self.words[i].max(magnitude);
        }
        self.words[2] = self.words[2].max(magnitude);
    }

    /// Takes the maxima of other scales of the same groups into its own.
    pub(crate) fn join(&mut self, other: &Self) {
        for g in 0..self.groups {
            self.see(g, other.amax_of(g).to_bits());
        }
        // Of MX blocks there is no other.
        self.words[2] = self.words[2].max(other.words[2]);
    }

    pub(crate) fn raise(&mut self, flag: u32) {
        self.words[3] |= flag;
    }

    /// Current scaling: every group's scale from its amax by `rule`.
    ///
    /// # Errors
    /// [`ScaleError::NotPowerOfTwo`] for MX blocks and a rule that does not give powers of two: ask
    /// [`ScaleRule::suits`] first. MX blocks do not keep their amax: all become 1. [`ScaleError::Codebook`] for a codebook.
    pub fn derive(&mut self, rule: ScaleRule, format: Format) -> Result<(), ScaleError> {
        if self.has_codebook() {
            return Err(ScaleError::Codebook);
        }
        let maxima = self.clone();
        self.derive_from(&maxima, rule, format)
    }

    /// The same from maxima that lie elsewhere, of the same groups.
    pub(crate) fn derive_from(
        &mut self,
        maxima: &Self,
        rule: ScaleRule,
        format: Format,
    ) -> Result<(), ScaleError> {
        for g in 0..self.groups {
            let amax = maxima.amax_of(g);
            if !amax.is_finite() {
                self.raise(flags::NON_FINITE_AMAX);
            }
            self.try_set(g, rule.scale(amax, format))?;
        }
        Ok(())
    }
}
