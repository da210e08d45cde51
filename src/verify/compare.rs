//! What came out against what must: numbers within their bound, codes within the codes of that bound, padding zero,
//! record true.

use crate::{
    cpu,
    dtype::{Format, Philox},
    ops::{Data, Real, TINY},
    scale::{Scale, Scales, flags},
    tensor::{Access, DType, HostTensor, Operand},
};
use half::{bf16, f16};
use std::fmt;

/// One kernel on one case.
#[derive(Clone, Debug)]
pub struct Comparison {
    /// Kernel id.
    pub id: String,
    /// Case.
    pub label: String,
    /// Whether every bit had to be right.
    pub strict: bool,
    /// Numbers compared.
    pub elements: usize,
    /// Numbers that are wrong, padding and records included.
    pub wrong: usize,
    /// Largest |error| as a share of its bound; 0 when all are exact.
    pub worst_ratio: f64,
    /// Root mean square of error / bound over the numbers that have a bound.
    pub rms_ratio: f64,
    /// The first wrong number, else the one nearest its bound.
    pub worst: Option<Worst>,
    squares: f64,
    bounded: usize,
}

/// One number of a comparison.
#[derive(Clone, Debug)]
pub struct Worst {
    /// Where.
    pub place: String,
    /// What came.
    pub got: String,
    /// What must.
    pub expected: String,
}

impl fmt::Display for Worst {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: got {}, expected {}", self.place, self.got, self.expected)
    }
}

/// The nearest number that can be stored.
fn nearest(dtype: DType, code: &dyn Fn(Format, f64) -> u8, v: f64) -> f32 {
    match dtype {
        DType::F32 | DType::U32 => v as f32,
        DType::F16 => f16::from_f32(v as f32).to_f32(),
        DType::Bf16 => bf16::from_f32(v as f32).to_f32(),
        DType::F8(f) => f.decode(code(f, v)),
        DType::Code8 => unreachable!("internal: codes of a codebook are compared as such"),
    }
}

/// Bits and scale of the elements at these places.
pub(super) fn elements(t: &HostTensor, places: &[Real]) -> Vec<(u32, u32)> {
    let (layout, map) = (t.layout(), t.layout().group_map());
    let (cols, bytes) = (layout.cols() as usize, layout.element().dtype().bytes() as usize);
    let rows: &[u8] = bytemuck::cast_slice(t.words());
    let element = |place: &Real| {
        let (row, col) = (place.value as usize / cols, place.value as usize % cols);
        let at = row * layout.row_bytes() as usize + col * bytes;
        let mut bits = [0; 4];
        bits[..bytes].copy_from_slice(&rows[at..at + bytes]);
        let scale = t.scales().map_or(1.0, |s| s.scale_of(map.group(row, col)));
        (u32::from_le_bytes(bits), scale.to_bits())
    };
    places.iter().map(element).collect()
}

/// The numbers of an output as it will hold them, where that follows from them and the scales it is given.
pub(super) fn stored(o: &Operand, given: &HostTensor, truth: &[Real]) -> Vec<f64> {
    if o.seed.is_some() || o.scales == Access::Write {
        return truth.iter().map(|t| t.value).collect();
    }
    if let Some(codebook) = given.scales().and_then(Scales::codebook) {
        return truth.iter().map(|t| codebook.decode(codebook.encode(t.value as f32)).into()).collect();
    }
    let (cols, element) = (o.layout.cols() as usize, o.layout.element());
    let map = o.layout.group_map();
    let number = |(i, t): (usize, &Real)| {
        let inv_scale = given.scales().map_or(1.0, |s| s.inv_scale_of(map.group(i / cols, i % cols)));
        let code = |f: Format, v: f64| f.encode(cpu::scaled(v as f32, inv_scale), o.overflow);
        f64::from(nearest(element.dtype(), &code, t.value))
    };
    truth.iter().enumerate().map(number).collect()
}

impl Comparison {
    pub(super) fn new(id: String, label: String, data: Data) -> Self {
        let strict = data == Data::SmallIntegers;
        Self {
            id,
            label,
            strict,
            elements: 0,
            wrong: 0,
            worst_ratio: 0.0,
            rms_ratio: 0.0,
            worst: None,
            squares: 0.0,
            bounded: 0,
        }
    }

    /// Whether nothing is wrong.
    pub fn pass(&self) -> bool {
        self.wrong == 0
    }

    fn fail(&mut self, place: String, got: impl fmt::Display, expected: impl fmt::Display) {
        if self.wrong == 0 {
            self.worst = Some(Worst { place, got: got.to_string(), expected: expected.to_string() });
        }
        self.wrong += 1;
    }

    /// One output tensor. `given` holds the scales it came with.
    /// What rounded its codes, where that was random.
    pub(super) fn tensor(
        &mut self,
        o: &Operand,
        given: &HostTensor,
        got: &HostTensor,
        truth: &[Real],
        random: Option<Philox>,
    ) {
        let dtype = o.layout.element().dtype();
        let cols = o.layout.cols() as usize;
        let map = o.layout.group_map();
        let bytes = dtype.bytes() as usize;
        let (got_len, len) = (truth.len() as u64, o.layout.elements());
        assert_eq!(got_len, len, "internal: the reference of `{}` gives another number of numbers", o.role);
        let truth: Vec<Real> =
            truth.iter().map(|t| if self.strict { Real::exact(t.value) } else { *t }).collect();
        for (row, words) in got.words().chunks_exact(o.layout.row_words()).enumerate() {
            let row_bytes: &[u8] = bytemuck::cast_slice(words);
            for (col, t) in truth[row * cols..][..cols].iter().enumerate() {
                let inv_scale = got.scales().map_or(1.0, |s| s.inv_scale_of(map.group(row, col)));
                let raw = &row_bytes[col * bytes..][..bytes];
                let place = || format!("`{}` [{row}, {col}]", o.role);
                let random = random.map(|r| r.word((row * cols + col) as u64));
                let code = |f: Format, v: f64| {
                    let v = cpu::scaled(v as f32, inv_scale);
                    random.map_or_else(|| f.encode(v, o.overflow), |r| f.encode_stochastic(v, r, o.overflow))
                };
                self.number(dtype, raw, *t, &code, &place);
            }
            if row_bytes[cols * bytes..].iter().any(|&b| b != 0) {
                self.fail(format!("`{}` padding of row {row}", o.role), "something", "zero");
            }
        }
        if let Some(s) = got.scales() {
            self.record(o, given.scales().expect("scales as drawn"), s, got, &truth);
        }
        self.rms_ratio = if self.bounded == 0 { 0.0 } else { (self.squares / self.bounded as f64).sqrt() };
    }

    /// One output tensor whose elements are those of `from` at these places.
    pub(super) fn moved(&mut self, o: &Operand, from: &HostTensor, got: &HostTensor, places: &[Real]) {
        let cols = o.layout.cols() as usize;
        let all: Vec<Real> = (0..o.layout.elements()).map(|i| Real::exact(i as f64)).collect();
        assert_eq!(places.len(), all.len(), "internal: the reference of `{}` gives too few places", o.role);
        self.elements += all.len();
        let place = |i: usize| format!("`{}` [{}, {}]", o.role, i / cols, i % cols);
        let both = elements(got, &all).into_iter().zip(elements(from, places));
        for (i, (got, want)) in both.enumerate().filter(|(_, (got, want))| got != want) {
            self.fail(place(i), format!("bits and scale {got:x?}"), format!("{want:x?}"));
        }
        let used = cols * o.layout.element().dtype().bytes() as usize;
        for (row, words) in got.words().chunks_exact(o.layout.row_words()).enumerate() {
            if bytemuck::cast_slice::<u32, u8>(words)[used..].iter().any(|&b| b != 0) {
                self.fail(format!("`{}` padding of row {row}", o.role), "something", "zero");
            }
        }
        let (Some(got), Some(want)) = (got.scales(), from.scales()) else { return };
        if got.words()[..4] != want.words()[..4] {
            self.fail(
                format!("`{}` record", o.role),
                format!("{:?}", got.record()),
                format!("{:?}", want.record()),
            );
        }
        let (to, map) = (o.layout.group_map(), from.layout().group_map());
        let theirs = from.layout().cols() as usize;
        for (i, place) in places.iter().enumerate() {
            let g = to.group(i / cols, i % cols);
            let at = place.value as usize;
            let group = map.group(at / theirs, at % theirs);
            let of = |s: &Scales, g| [s.inv_scale_of(g).to_bits(), s.amax_of(g).to_bits()];
            if of(got, g) != of(want, group) {
                let what = format!("`{}` inv_scale and amax of group {g}", o.role);
                self.fail(what, format!("{:x?}", of(got, g)), format!("{:x?}", of(want, group)));
            }
        }
    }

    /// One output of codes of a codebook, given or S2FP8's: every bit of it.
    pub(super) fn coded(&mut self, o: &Operand, given: &HostTensor, got: &HostTensor, truth: &[Real]) {
        let role = o.role;
        let numbers: Vec<f32> = truth.iter().map(|t| t.value as f32).collect();
        self.elements += numbers.len();
        let numbers = HostTensor::from_f32(&numbers, o.layout.shape()).expect("the output's shape");
        let codebook = given.scales().and_then(Scales::codebook).expect("codes of a codebook");
        let want = if o.scales == Access::Write { numbers.encode_s2fp8() } else { numbers.coded(&codebook) };
        let want = want.expect("numbers");
        let words = |t: &HostTensor| t.scales().map_or(vec![], |s| s.words().to_vec());
        let both =
            [("codes", got.words().to_vec(), want.words().to_vec()), ("scales", words(got), words(&want))];
        for (what, got, want) in both {
            for (i, (got, want)) in got.iter().zip(&want).enumerate().filter(|(_, (got, want))| got != want) {
                self.fail(
                    format!("`{role}` word {i} of the {what}"),
                    format!("{got:#x}"),
                    format!("{want:#x}"),
                );
            }
        }
    }

    /// One tensor of which nothing but the scales is set, to these.
    pub(super) fn rescaled(&mut self, o: &Operand, given: &HostTensor, got: &HostTensor, scales: &[Real]) {
        let role = o.role;
        let (Some(was), Some(is)) = (given.scales(), got.scales()) else { return };
        self.elements += scales.len();
        if got.words() != given.words() {
            self.fail(format!("`{role}` codes"), "others", "those that were there");
        }
        let mut want = was.clone();
        for (g, scale) in scales.iter().enumerate() {
            want.try_set(g, Scale::new(scale.value as f32).expect("a scale")).expect("an f32 scale");
        }
        for (i, (got, want)) in is.words().iter().zip(want.words()).enumerate() {
            if got != want {
                let numbers = [got, want].map(|w| f32::from_bits(*w));
                self.fail(format!("`{role}` word {i} of the scales"), numbers[0], numbers[1]);
            }
        }
    }

    fn number(
        &mut self,
        dtype: DType,
        raw: &[u8],
        t: Real,
        code: &dyn Fn(Format, f64) -> u8,
        place: &dyn Fn() -> String,
    ) {
        self.elements += 1;
        let word = |i: usize| u16::from_le_bytes([raw[i], raw[i + 1]]);
        let got = match dtype {
            DType::F32 => f32::from_bits(u32::from(word(0)) | u32::from(word(2)) << 16),
            DType::U32 => (u32::from(word(0)) | u32::from(word(2)) << 16) as f32,
            DType::F16 => f16::from_bits(word(0)).to_f32(),
            DType::Bf16 => bf16::from_bits(word(0)).to_f32(),
            DType::F8(f) => f.decode(raw[0]),
            DType::Code8 => unreachable!("internal: codes of a codebook are compared as such"),
        };
        let nearest = |v: f64| nearest(dtype, code, v);
        let shown = || format!("{} ± {:.3e} (as {dtype}: {})", t.value, t.error, nearest(t.value));
        let sure = t.error == 0.0 || !t.value.is_finite() || t.may_be_nan();
        // Where no code is NaN, the flags keep it.
        let is_nan = got.is_nan() || dtype.format().is_some_and(|f| !f.has_nan() && raw[0] == 0);
        let right = if t.value.is_nan() || (t.may_be_nan() && is_nan) {
            is_nan
        } else if sure {
            match dtype {
                // Codes are promised to the bit, the sign of zero included.
                DType::F8(f) if !f.is_nan(raw[0]) => raw[0] == code(f, t.value),
                _ => got == nearest(t.value) || (got.is_nan() && nearest(t.value).is_nan()),
            }
        } else {
            // Strict formats without Inf overflow to NaN: a bound that reaches there allows it.
            let end = |v: f64| match nearest(v) {
                n if n.is_nan() => (f32::INFINITY.copysign(v as f32), true),
                n => (n, false),
            };
            let ((lo, below), (hi, above)) = (end(t.value - t.error), end(t.value + t.error));
            (lo <= got && got <= hi) || (got.is_nan() && (below || above))
        };
        if !right {
            return self.fail(place(), got, shown());
        }
        if let (DType::F32, true) = (dtype, t.error > 0.0 && t.value.is_finite() && got.is_finite()) {
            let ratio = (f64::from(got) - t.value).abs() / t.error;
            self.squares += ratio * ratio;
            self.bounded += 1;
            if ratio > self.worst_ratio {
                self.worst_ratio = ratio;
                if self.wrong == 0 {
                    self.worst = Some(Worst { place: place(), got: got.to_string(), expected: shown() });
                }
            }
        }
    }

    /// amax of every group and of the tensor, flags, and scales: as given, or as they follow from amax.
    fn record(&mut self, o: &Operand, given: &Scales, got: &Scales, tensor: &HostTensor, truth: &[Real]) {
        let map = o.layout.group_map();
        let format = o.layout.element().format();
        let cols = o.layout.cols() as usize;
        // f32::max would lose a NaN.
        let join = |a: f32, b: f32| if a.is_nan() || b.is_nan() { f32::NAN } else { a.max(b) };
        let mut seen = vec![(0.0f32, 0.0f32); got.groups()];
        for (i, t) in truth.iter().enumerate() {
            let (lo, hi) = &mut seen[map.group(i / cols, i % cols)];
            let v = t.value.abs();
            let flush = |v: f64| if v < TINY { 0.0 } else { v as f32 };
            let (least, most) = match v {
                _ if t.may_be_nan() => (v, f64::NAN),
                // Sure, whatever its bound: Inf - Inf would be NaN.
                f64::INFINITY => (v, v),
                _ => (v - t.error, v + t.error),
            };
            *lo = join(*lo, flush(least));
            *hi = join(*hi, flush(most));
        }
        let whole = seen.iter().fold((0.0f32, 0.0f32), |a, b| (join(a.0, b.0), join(a.1, b.1)));
        let fits = |v: f32, (lo, hi): (f32, f32)| match (lo.is_nan(), hi.is_nan()) {
            (true, _) => v.is_nan(),
            (false, true) => v.is_nan() || lo <= v,
            (false, false) => lo <= v && v <= hi,
        };
        let role = o.role;
        let record = got.record();
        let amax = f32::from_bits(record.amax_bits);
        if !fits(amax, whole) {
            self.fail(format!("`{role}` amax"), amax, format!("{whole:?}"));
        }
        let at =
            |i: usize| cpu::scaled(truth[i].value as f32, got.inv_scale_of(map.group(i / cols, i % cols)));
        let (mut lost, mut nan) = (false, false);
        if let Some(format) = format {
            let codes = tensor.codes().expect("an 8-bit output");
            let surely = (0..truth.len()).any(|i| at(i).is_nan());
            let perhaps = truth.iter().any(Real::may_be_nan) && record.flags & flags::LOST_NAN != 0;
            lost = !format.has_nan() && (surely || perhaps);
            nan = lost || codes.iter().any(|&c| format.is_nan(c));
        }
        for (what, flag, want) in [("HAS_NAN", flags::HAS_NAN, nan), ("LOST_NAN", flags::LOST_NAN, lost)] {
            if (record.flags & flag != 0) != want {
                self.fail(format!("`{role}` flags"), record.flags, format!("{what} {want}"));
            }
        }
        let kept = got.granularity().keeps_amax();
        let mut finite = true;
        for (g, seen) in seen.into_iter().enumerate() {
            let mut amax = got.amax_of(g);
            if kept {
                if !fits(amax, seen) {
                    self.fail(format!("`{role}` amax of group {g}"), amax, format!("{seen:?}"));
                }
            } else {
                // Where scales follow from it, the reference is exact.
                amax = seen.1;
            }
            finite &= amax.is_finite();
            let (scale, inverse) = match o.scales {
                Access::Write => {
                    let s = o.rule.scale(amax, format.expect("an 8-bit output"));
                    (s.get(), s.inverse().get())
                }
                _ => (given.scale_of(g), given.inv_scale_of(g)),
            };
            for (what, got, want) in
                [("scale", got.scale_of(g), scale), ("inv_scale", got.inv_scale_of(g), inverse)]
            {
                if got.to_bits() != want.to_bits() {
                    self.fail(format!("`{role}` {what} of group {g}"), got, want);
                }
            }
        }
        if o.scales == Access::Write && (record.flags & flags::NON_FINITE_AMAX != 0) == finite {
            self.fail(format!("`{role}` flags"), record.flags, format!("NON_FINITE_AMAX {}", !finite));
        }
    }
}
