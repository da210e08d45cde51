//! The same codes under another format of the same fields: a change of code set, not of numbers.

use super::{DType, HostTensor, TensorError};
use crate::{
    dtype::Format,
    scale::{Scales, flags},
};

impl HostTensor {
    /// The same numbers in a format whose codes have the same fields, exactly: what turns E4M3FN into E4M3FNUZ, E5M2
    /// into E5M2FNUZ, and back, with no rounding.
    ///
    /// Codes stay as they are, since code × scale stays what it was: the new scale is scale · 2^(bias of `to` −
    /// bias of the tensor), so FN → FNUZ doubles it. A NaN becomes the NaN of `to`, an infinity that of `to` or, where
    /// it has none, NaN; where `to` has no negative zero, −0 becomes 0. amax stays, the flags stay true.
    ///
    /// # Errors
    /// [`TensorError::Kind`] for a tensor without codes; [`TensorError::Repack`] for a format of other fields;
    /// [`TensorError::Code`] for a code that is a number here and none in `to` (FNUZ's `0x7F` would be a NaN), which
    /// [`quantize`](HostTensor::quantize) would have to round; [`TensorError::LostNan`] for a NaN that no code holds; [`TensorError::Scale`] for a scale that leaves
    /// \[2⁻¹²⁶, 2¹²⁶\].
    ///
    /// ```
    /// use quarter::{dtype::Format, scale::{Scale, Scales}, tensor::HostTensor};
    /// let scales = Scales::per_tensor(Scale::new(0.25)?);
    /// let w = HostTensor::from_codes(Format::E4M3FN, &[0x38, 0x80, 0x7E], [3], scales)?;
    /// let r = w.repack(Format::E4M3FNUZ)?;
    /// assert_eq!((r.codes()?, r.scales().unwrap().scale_of(0)), (vec![0x38, 0x00, 0x7E], 0.5));
    /// assert_eq!(r.to_f32(), w.to_f32());
    /// # Ok::<(), quarter::Error>(())
    /// ```
    pub fn repack(&self, to: Format) -> Result<Self, TensorError> {
        let element = self.layout().element();
        let (Some(from), Some(granularity), Some(scales)) =
            (element.format(), element.scaling(), self.scales())
        else {
            let got = element.dtype();
            return Err(TensorError::Kind { what: "repack", expected: "an 8-bit float", got });
        };
        if !from.shares_fields(to) {
            return Err(TensorError::Repack { from, to });
        }
        if scales.lost_nan() {
            return Err(TensorError::LostNan { what: "repack", format: from });
        }
        let layout = self.layout().with(super::Element::f8(to, granularity))?;
        let mut scales: Scales = scales.shifted(to.bias() - from.bias())?;
        let mut words = self.words().to_vec();
        let cols = layout.cols() as usize;
        for (row, words) in words.chunks_exact_mut(layout.row_words()).enumerate() {
            for (col, code) in bytemuck::cast_slice_mut::<u32, u8>(words)[..cols].iter_mut().enumerate() {
                let index = (row * cols + col) as u64;
                *code = recode(from, to, *code).ok_or(TensorError::Code {
                    what: "repack",
                    expected: "a code that means the same in both formats",
                    got: DType::F8(from),
                    code: *code,
                    index,
                })?;
                if to.is_nan(*code) {
                    scales.raise(flags::HAS_NAN);
                }
            }
        }
        Ok(Self::from_parts(layout, words, Some(scales.words().to_vec())))
    }
}

/// The code of the same number, a power of two aside; `None` where `to` has none.
fn recode(from: Format, to: Format, code: u8) -> Option<u8> {
    let sign = code & from.sign_mask();
    if from.is_nan(code) {
        // The NaN of FNUZ is its sign bit, and has no sign.
        let sign = if from.has_negative_zero() && to.has_negative_zero() { sign } else { 0 };
        return to.has_nan().then(|| sign | to.nan_code());
    }
    if from.is_infinite(code) {
        return match to.infinity_code() {
            Some(infinity) => Some(sign | infinity),
            None => recode(from, to, sign | from.nan_code()),
        };
    }
    if code == from.sign_mask() && !to.has_negative_zero() {
        return Some(0);
    }
    to.is_finite(code).then_some(code)
}
