//! A tensor in host memory.

use super::{DType, Element, Layout, TensorError, rows};
use crate::{
    dtype::{Codebook, Format, Overflow, S2fp8},
    scale::{Granularity, ScaleRule, Scales, flags},
};
use half::{bf16, f16};

/// A tensor in host memory, laid out as on the device ([`Layout`]), with its scales.
///
/// ```
/// use quarter::{dtype::Format, scale::Granularity, tensor::HostTensor};
/// let w = HostTensor::from_f32(&[0.5, -1.0, 2.0, 4.0], [2, 2])?;
/// let q = w.quantize(Format::E4M3FN, Granularity::PerChannel { axis: 0 })?;
/// assert_eq!(q.codes()?, [0x76, 0xFE, 0x76, 0x7E]); // each row reaches 448 = 0x7E
/// assert_eq!(q.to_f32(), [0.5, -1.0, 2.0, 4.0]);
/// # Ok::<(), quarter::tensor::TensorError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct HostTensor {
    layout: Layout,
    words: Vec<u32>,
    scales: Option<Scales>,
}

/// Copies unpadded elements into padded rows.
fn pad<T: bytemuck::Pod>(layout: &Layout, data: &[T]) -> Vec<u32> {
    let mut words = vec![0u32; (layout.values_bytes() / 4) as usize];
    for (row, src) in
        words.chunks_exact_mut(layout.row_words()).zip(data.chunks_exact(layout.cols() as usize))
    {
        bytemuck::cast_slice_mut::<u32, T>(row)[..src.len()].copy_from_slice(src);
    }
    words
}

impl HostTensor {
    fn unscaled<T: bytemuck::Pod>(
        data: &[T],
        shape: Vec<u32>,
        element: Element,
    ) -> Result<Self, TensorError> {
        let layout = Layout::new(shape, element)?;
        layout.expect_len("data", data.len())?;
        Ok(Self { words: pad(&layout, data), layout, scales: None })
    }

    /// # Errors
    /// [`TensorError`] for a shape that cannot be or another number of elements.
    pub fn from_f32(data: &[f32], shape: impl Into<Vec<u32>>) -> Result<Self, TensorError> {
        Self::unscaled(data, shape.into(), Element::F32)
    }

    /// # Errors
    /// As [`HostTensor::from_f32`].
    pub fn from_f16(data: &[f16], shape: impl Into<Vec<u32>>) -> Result<Self, TensorError> {
        Self::unscaled(data, shape.into(), Element::F16)
    }

    /// # Errors
    /// As [`HostTensor::from_f32`].
    pub fn from_bf16(data: &[bf16], shape: impl Into<Vec<u32>>) -> Result<Self, TensorError> {
        Self::unscaled(data, shape.into(), Element::BF16)
    }

    /// # Errors
    /// As [`HostTensor::from_f32`].
    pub fn from_u32(data: &[u32], shape: impl Into<Vec<u32>>) -> Result<Self, TensorError> {
        Self::unscaled(data, shape.into(), Element::U32)
    }

    /// 8-bit codes that exist already, with the scales that make them real. Codes are scanned for NaN.
    ///
    /// # Errors
    /// As [`HostTensor::from_f32`]; also when `scales` has another number of groups than the shape, and
    /// [`TensorError::Code`] for a code with bits above the format's.
    pub fn from_codes(
        format: Format,
        codes: &[u8],
        shape: impl Into<Vec<u32>>,
        mut scales: Scales,
    ) -> Result<Self, TensorError> {
        let layout = Layout::new(shape, Element::f8(format, scales.granularity()))?;
        layout.expect_len("codes", codes.len())?;
        layout.expect_scales(&scales)?;
        scales.reset();
        if let Some(index) = codes.iter().position(|&c| c & !format.code_mask() != 0) {
            return Err(TensorError::Code {
                what: "codes",
                expected: "no bits above the format's",
                got: DType::F8(format),
                code: codes[index],
                index: index as u64,
            });
        }
        if codes.iter().any(|&c| format.is_nan(c)) {
            scales.raise(flags::HAS_NAN);
        }
        Ok(Self { words: pad(&layout, codes), layout, scales: Some(scales) })
    }

    /// Numbers given as f32, stored as any unscaled kind (rounded to nearest even).
    ///
    /// # Errors
    /// As [`HostTensor::from_f32`]; [`TensorError::Kind`] for integers and for an 8-bit kind: those are made by
    /// [`quantize`](Self::quantize).
    pub fn from_f32_as(dtype: DType, data: &[f32], shape: impl Into<Vec<u32>>) -> Result<Self, TensorError> {
        match dtype {
            DType::F32 => Self::from_f32(data, shape),
            DType::F16 => Self::from_f16(&data.iter().map(|&x| f16::from_f32(x)).collect::<Vec<_>>(), shape),
            DType::Bf16 => {
                Self::from_bf16(&data.iter().map(|&x| bf16::from_f32(x)).collect::<Vec<_>>(), shape)
            }
            got @ (DType::F8(_) | DType::Code8 | DType::U32) => {
                Err(TensorError::Kind { what: "dtype", expected: "f32, f16 or bf16", got })
            }
        }
    }

    pub(crate) fn from_parts(layout: Layout, words: Vec<u32>, scales: Option<Vec<u32>>) -> Self {
        let scales = layout.element().scaling().zip(scales);
        let scales = scales.map(|(g, words)| Scales::from_words(g, layout.groups() as usize, words));
        Self { layout, words, scales }
    }

    /// Current scaling: every group's scale is its amax over the format's max, codes saturate.
    ///
    /// # Errors
    /// [`TensorError`] for a granularity that does not fit, MX blocks among them
    /// ([`quantize_by`](Self::quantize_by)), or a tensor that is quantised already; [`TensorError::LostNan`] for a NaN and a
    /// format that has none.
    pub fn quantize(&self, format: Format, granularity: Granularity) -> Result<Self, TensorError> {
        self.quantize_by(format, granularity, ScaleRule::Amax)
    }

    /// The same, scales following from amax by `rule`.
    ///
    /// # Errors
    /// As there; [`TensorError::Rule`] for MX blocks and a rule that does not give powers of two.
    ///
    /// ```
    /// use quarter::{dtype::{Format, PowerRounding}, scale::{Granularity, ScaleRule}, tensor::HostTensor};
    /// let w = HostTensor::from_f32(&[0.5; 64], [1, 64])?;
    /// let q = w.quantize_by(Format::E4M3FN, Granularity::MX, ScaleRule::Power(PowerRounding::Floor))?;
    /// assert_eq!(q.scales().unwrap().scale_of(1), 2f32.powi(-9)); // 2^⌊log₂ 0.5⌋ / 2⁸
    /// assert_eq!(q.to_f32(), [0.5; 64]);
    /// # Ok::<(), quarter::tensor::TensorError>(())
    /// ```
    pub fn quantize_by(
        &self,
        format: Format,
        granularity: Granularity,
        rule: ScaleRule,
    ) -> Result<Self, TensorError> {
        let layout = self.quantized_layout(format, granularity)?;
        if !rule.suits(granularity) {
            return Err(TensorError::Rule { rule, granularity });
        }
        let groups = layout.groups() as usize;
        let mut maxima = Scales::unit(granularity.in_f32(), groups);
        self.scan(&mut maxima);
        let mut scales = Scales::unit(granularity, groups);
        scales.join(&maxima);
        scales.derive_from(&maxima, rule, format)?;
        self.encode(layout, scales, Overflow::Saturate)
    }

    /// Static or delayed scaling: the scales are given, amax and flags are found.
    ///
    /// # Errors
    /// As [`HostTensor::quantize`]; also when `scales` has another number of groups than the shape.
    pub fn quantize_with(
        &self,
        format: Format,
        scales: Scales,
        overflow: Overflow,
    ) -> Result<Self, TensorError> {
        let layout = self.quantized_layout(format, scales.granularity())?;
        layout.expect_scales(&scales)?;
        let mut scales = scales;
        scales.reset();
        self.scan(&mut scales);
        self.encode(layout, scales, overflow)
    }

    /// The same by scale 1.
    pub(crate) fn cast(&self, format: Format) -> Result<Self, TensorError> {
        self.quantize_with(format, Scales::unit(Granularity::PerTensor, 1), Overflow::Saturate)
    }

    fn expect_unscaled(&self) -> Result<(), TensorError> {
        match self.layout.element().dtype() {
            DType::F32 | DType::F16 | DType::Bf16 => Ok(()),
            got => Err(TensorError::Kind { what: "tensor", expected: "f32, f16 or bf16", got }),
        }
    }

    fn quantized_layout(&self, format: Format, granularity: Granularity) -> Result<Layout, TensorError> {
        self.expect_unscaled()?;
        self.layout.with(Element::f8(format, granularity))
    }

    /// The same tensor with a record in which its amax is ([`Element::observed`]); 8-bit tensors and integers stay as they are.
    #[must_use]
    pub fn observed(&self) -> Self {
        let element = self.layout.element();
        if element == element.observed() {
            return self.clone();
        }
        let layout = self.layout.with(element.observed()).expect("the same shape");
        let mut scales = Scales::unit(Granularity::PerTensor, 1);
        self.scan(&mut scales);
        Self { layout, words: self.words.clone(), scales: Some(scales) }
    }

    /// amax of every group.
    pub(crate) fn scan(&self, scales: &mut Scales) {
        let map = scales.granularity().map(self.layout.shape());
        let mut x = vec![0.0; self.layout.cols() as usize];
        for row in 0..self.layout.rows() as usize {
            rows::decode(&self.layout, &self.words, row, 0, &mut x);
            for (col, v) in x.iter().enumerate() {
                scales.see(map.group(row, col), crate::cpu::magnitude(*v));
            }
        }
    }

    fn encode(&self, layout: Layout, mut scales: Scales, overflow: Overflow) -> Result<Self, TensorError> {
        let map = scales.granularity().map(layout.shape());
        let mut words = vec![0; (layout.values_bytes() / 4) as usize];
        let mut x = vec![0.0; layout.cols() as usize];
        let format = layout.element().format().expect("8-bit layout");
        for (row, out) in words.chunks_exact_mut(layout.row_words()).enumerate() {
            rows::decode(&self.layout, &self.words, row, 0, &mut x);
            for (col, v) in x.iter_mut().enumerate() {
                *v = crate::cpu::scaled(*v, scales.inv_scale_of(map.group(row, col)));
            }
            if !format.has_nan() && x.iter().any(|v| v.is_nan()) {
                return Err(TensorError::LostNan { what: "tensor", format });
            }
            rows::encode(layout.element().dtype(), overflow, &x, out);
            if bytemuck::cast_slice::<u32, u8>(out).iter().any(|&c| format.is_nan(c)) {
                scales.raise(flags::HAS_NAN);
            }
        }
        Ok(Self { layout, words, scales: Some(scales) })
    }

    /// Codes of a codebook, given.
    ///
    /// # Errors
    /// As [`HostTensor::from_f32`].
    ///
    /// ```
    /// use quarter::{dtype::Codebook, tensor::HostTensor};
    /// let w = HostTensor::from_codebook(&Codebook::posit8(2)?, &[0x40, 0xC0, 0x44], [3])?;
    /// assert_eq!(w.to_f32(), [1.0, -1.0, 1.5]);
    /// # Ok::<(), quarter::Error>(())
    /// ```
    pub fn from_codebook(
        codebook: &Codebook,
        codes: &[u8],
        shape: impl Into<Vec<u32>>,
    ) -> Result<Self, TensorError> {
        let layout = Layout::new(shape, Element::CODE8)?;
        layout.expect_len("codes", codes.len())?;
        let mut scales = Scales::with_codebook(codebook);
        if codes.iter().any(|&c| codebook.is_nan(c)) {
            scales.raise(flags::HAS_NAN);
        }
        Ok(Self { words: pad(&layout, codes), layout, scales: Some(scales) })
    }

    /// The nearest codes of a codebook; amax and flags are found.
    ///
    /// # Errors
    /// [`TensorError::Kind`] for a tensor that is quantised already; [`TensorError::NoNan`] for a NaN that no code means.
    pub fn encode_by(&self, codebook: &Codebook) -> Result<Self, TensorError> {
        self.expect_unscaled()?;
        let coded = self.coded(codebook)?;
        if coded.scales.as_ref().is_some_and(Scales::lost_nan) {
            return Err(TensorError::NoNan { what: "tensor" });
        }
        Ok(coded)
    }

    /// S2FP8 by the tensor's own statistics ([`S2fp8`]).
    ///
    /// # Errors
    /// [`TensorError::Kind`] for a tensor that is quantised already.
    ///
    /// ```
    /// use quarter::tensor::HostTensor;
    /// let x = HostTensor::from_f32(&[1e-9, 3e-9, -2e-8, 0.0], [4])?;
    /// let (s2fp8, e5m2) = (x.encode_s2fp8()?, quarter::dtype::Format::E5M2);
    /// assert!(s2fp8.to_f32().iter().zip(x.to_f32()).all(|(a, b)| (a - b).abs() <= b.abs() / 8.0));
    /// assert!(x.to_f32().iter().all(|x| e5m2.decode(e5m2.encode(*x, Default::default())) == 0.0)); // flushed
    /// # Ok::<(), quarter::Error>(())
    /// ```
    pub fn encode_s2fp8(&self) -> Result<Self, TensorError> {
        self.expect_unscaled()?;
        let mut coded = self.coded(&S2fp8::new(&self.to_f32()).codebook())?;
        if let Some(s) = &mut coded.scales
            && !f32::from_bits(s.record().amax_bits).is_finite()
        {
            s.raise(flags::NON_FINITE_AMAX);
        }
        Ok(coded)
    }

    /// Codes of numbers; a NaN that no code means is lost, and flagged.
    pub(crate) fn coded(&self, codebook: &Codebook) -> Result<Self, TensorError> {
        let x = self.to_f32();
        let codes: Vec<u8> = x.iter().map(|v| codebook.encode(*v)).collect();
        let mut coded = Self::from_codebook(codebook, &codes, self.shape())?;
        if let Some(s) = &mut coded.scales {
            let amax = crate::cpu::largest(&x);
            s.see(0, amax);
            if codebook.nan_code().is_none() && f32::from_bits(amax).is_nan() {
                s.raise(flags::HAS_NAN | flags::LOST_NAN);
            }
        }
        Ok(coded)
    }

    /// Shape and elements.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Extents, outermost first.
    pub fn shape(&self) -> &[u32] {
        self.layout.shape()
    }

    /// Scales and record, of an 8-bit tensor.
    pub fn scales(&self) -> Option<&Scales> {
        self.scales.as_ref()
    }

    /// The words of the values, rows padded to 16 bytes.
    pub fn words(&self) -> &[u32] {
        &self.words
    }

    /// Real numbers: decoded, scales applied (one f32 multiplication each); integers rounded.
    pub fn to_f32(&self) -> Vec<f32> {
        let cols = self.layout.cols() as usize;
        let mut out = vec![0.0; self.layout.elements() as usize];
        let scaling = self.scales.as_ref().map(|s| (s, s.granularity().map(self.layout.shape())));
        for (row, x) in out.chunks_exact_mut(cols).enumerate() {
            rows::decode(&self.layout, &self.words, row, 0, x);
            if let Some((s, map)) = &scaling {
                s.look_up(x);
                s.apply(*map, row, 0, x);
            }
        }
        out
    }

    /// The 8-bit codes, rows unpadded.
    ///
    /// # Errors
    /// [`TensorError::Kind`] when the tensor is not 8-bit.
    pub fn codes(&self) -> Result<Vec<u8>, TensorError> {
        match self.layout.element().dtype() {
            dtype if dtype.is_coded() => Ok(self.unpad()),
            got => Err(TensorError::Kind { what: "codes", expected: "an 8-bit float", got }),
        }
    }

    /// The elements as stored, rows unpadded.
    fn unpad<T: bytemuck::Pod>(&self) -> Vec<T> {
        let cols = self.layout.cols() as usize;
        let rows = self.words.chunks_exact(self.layout.row_words());
        rows.flat_map(|r| bytemuck::cast_slice::<u32, T>(r)[..cols].iter().copied()).collect()
    }

    /// The elements as stored, when they are u32.
    ///
    /// # Errors
    /// [`TensorError::Kind`] when they are not.
    pub fn to_u32(&self) -> Result<Vec<u32>, TensorError> {
        match self.layout.element().dtype() {
            DType::U32 => Ok(self.unpad()),
            got => Err(TensorError::Kind { what: "to_u32", expected: "u32", got }),
        }
    }

    /// The elements as stored, when they are f16.
    ///
    /// # Errors
    /// [`TensorError::Kind`] when they are not.
    pub fn to_f16(&self) -> Result<Vec<f16>, TensorError> {
        match self.layout.element().dtype() {
            DType::F16 => Ok(self.unpad()),
            got => Err(TensorError::Kind { what: "to_f16", expected: "f16", got }),
        }
    }

    /// The elements as stored, when they are bf16.
    ///
    /// # Errors
    /// [`TensorError::Kind`] when they are not.
    pub fn to_bf16(&self) -> Result<Vec<bf16>, TensorError> {
        match self.layout.element().dtype() {
            DType::Bf16 => Ok(self.unpad()),
            got => Err(TensorError::Kind { what: "to_bf16", expected: "bf16", got }),
        }
    }
}
