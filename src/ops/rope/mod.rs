//! `rope`: rotary position embedding.

mod angles;
mod cases;
#[cfg(feature = "gpu")]
mod gpu;
#[cfg(test)]
mod tests;

use super::{
    Case, Cost, DescriptorError, Inputs, Kernel, Operation, Outputs, Real,
    binary::spoils,
    expect::{expect_number, unscaled},
};
use crate::{
    arguments,
    cpu::{self, HostArgs, Loop, Threads, vector},
    dtype::Overflow,
    tensor::{DType, Draw, Element, Operand, values},
};

/// Where the tokens of a [`Rope`] stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Positions {
    /// 0, 1, 2, …
    #[default]
    FromZero,
    /// From the operand `offset` on, \[1\]: how many came before, which changes at every step.
    Offset,
    /// Each where the operand `positions` says, \[tokens\].
    Shared,
    /// The same, of every index of the outermost axis: `positions` is \[shape\[0\], tokens\].
    PerSequence,
}

/// Where the angles of a [`Rope`] come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Angles {
    /// Position times the operand `frequencies`, f32 \[rotary / 2\], radians: [`Rope::frequencies`], or those scaled as Llama 3
    /// and YaRN have it.
    #[default]
    Frequencies,
    /// The rows of the operands `cos` and `sin`, \[rows, rotary / 2\] each, a row for every position.
    Tables {
        /// How many positions.
        rows: u32,
        /// f32, f16 or bf16.
        dtype: DType,
    },
}

/// Turns pairs of columns by an angle that grows with the position of their token:
/// out\[a\] = x\[a\] · cos − x\[b\] · sin, out\[b\] = x\[b\] · cos + x\[a\] · sin. The first `rotary` columns are turned, pair
/// i of them column i with column i + rotary / 2 (GPT-NeoX, Llama) or, `interleaved`, column 2i with 2i + 1 (GPT-J); those
/// behind pass.
///
/// * `x`: `shape`, f32, f16, bf16 or 8-bit at any granularity; `axis` counts tokens: \[batch, tokens, heads, dim\] by axis 1,
///   \[batch, heads, tokens, dim\] by axis 2.
/// * `offset` or `positions`: u32, as [`Positions`] says; added modulo 2³².
/// * `frequencies`: f32 \[rotary / 2\], or `cos` and `sin`, as [`Angles`] says; both times `scale`, YaRN's attention factor.
/// * `out`: `shape`, f32, f16, bf16, or 8-bit with given scales.
///
/// Position times frequency is reduced by integers, exactly at any position: an angle is off by 3·10⁻⁹ at most. NaN stays NaN, 0
/// · Inf is NaN; an infinite frequency, and a position beyond the tables, make all that they turn NaN.
///
/// Source: J. Su et al., *RoFormer* (arXiv 2104.09864); `RotaryEmbedding` of ONNX (opset 23) by tables.
///
/// Error: cosine and sine within 3 ulp of that angle's; f32 multiplications by `scale`, two more and an addition, fused or not;
/// the rounding of `out`. Strict by tables.
///
/// Errors: an axis that is none, or the last; an odd or a zero `rotary`, or more than there are columns; a scale that is zero,
/// subnormal or not finite; positions per sequence where tokens are the outermost axis; 8-bit tables; integers; shapes that cannot be.
///
/// ```
/// use quarter::{Context, ops::*, tensor::*};
/// let ctx = Context::cpu();
/// let x = ctx.upload_blocking(&HostTensor::from_f32(&[1.0, 2.0, 1.0, 2.0], [2, 2])?)?;
/// let frequencies = ctx.upload_blocking(&HostTensor::from_f32(&Rope::frequencies(2, 10_000.0), [1])?)?;
/// let out = ctx.empty_blocking(x.layout())?;
/// let args = RopeArgs::new(&x, &out).frequencies(&frequencies);
/// ctx.run([&ctx.plan_blocking(&Rope::new([2, 2], 0))?.bind(&args)?])?;
/// let (sin, cos) = 1f32.sin_cos();
/// let got = ctx.download_blocking(&out)?.to_f32();
/// for (got, want) in got.into_iter().zip([1.0, 2.0, cos - 2.0 * sin, 2.0 * cos + sin]) {
///     assert!((got - want).abs() < 1e-6);
/// }
/// # Ok::<(), quarter::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Rope {
    /// Shape of `x` and `out`.
    pub shape: Vec<u32>,
    /// The axis that counts tokens.
    pub axis: usize,
    /// How many columns are turned.
    pub rotary: u32,
    /// Whether pairs are neighbours.
    pub interleaved: bool,
    /// Where tokens stand.
    pub positions: Positions,
    /// Where angles come from.
    pub angles: Angles,
    /// Factor of cosines and sines.
    pub scale: f32,
    /// Elements of `x`.
    pub x: Element,
    /// Elements of `out`.
    pub out: Element,
    /// What becomes of numbers beyond the largest code of an 8-bit output.
    pub overflow: Overflow,
}

arguments! {
    /// Tensors of one [`Rope`].
    pub struct RopeArgs for Rope {
        /// Queries or keys.
        x,
        /// The same, turned.
        out,
    } {
        /// Radians by which a pair turns from one position to the next; exactly with [`Angles::Frequencies`].
        frequencies,
        /// Cosines; exactly with [`Angles::Tables`].
        cos,
        /// Sines, the same.
        sin,
        /// The first token's position; exactly with [`Positions::Offset`].
        offset,
        /// Every token's position; exactly with [`Positions::Shared`] and [`Positions::PerSequence`].
        positions,
    }
}

impl Rope {
    /// All columns of f32 to f32, halves, from position 0 on, by frequencies.
    pub fn new(shape: impl Into<Vec<u32>>, axis: usize) -> Self {
        let shape = shape.into();
        Self {
            rotary: shape.last().copied().unwrap_or(0),
            shape,
            axis,
            interleaved: false,
            positions: Positions::FromZero,
            angles: Angles::Frequencies,
            scale: 1.0,
            x: Element::F32,
            out: Element::F32,
            overflow: Overflow::Saturate,
        }
    }

    /// theta^(−2i / rotary), of every pair i: what models are trained with, theta mostly 10⁴.
    pub fn frequencies(rotary: u32, theta: f32) -> Vec<f32> {
        let of = |i: u32| f64::from(theta).powf(-2.0 * f64::from(i) / f64::from(rotary)) as f32;
        (0..rotary / 2).map(of).collect()
    }

    /// How many columns are turned.
    #[must_use]
    pub fn rotary(self, rotary: u32) -> Self {
        Self { rotary, ..self }
    }

    /// Pairs are neighbours.
    #[must_use]
    pub fn interleaved(self) -> Self {
        Self { interleaved: true, ..self }
    }

    /// Where tokens stand.
    #[must_use]
    pub fn positions(self, positions: Positions) -> Self {
        Self { positions, ..self }
    }

    /// Angles by tables of so many positions.
    #[must_use]
    pub fn tables(self, rows: u32, dtype: DType) -> Self {
        Self { angles: Angles::Tables { rows, dtype }, ..self }
    }

    /// Factor of cosines and sines.
    #[must_use]
    pub fn scale(self, scale: f32) -> Self {
        Self { scale, ..self }
    }

    /// Elements of `x`.
    #[must_use]
    pub fn x(self, x: Element) -> Self {
        Self { x, ..self }
    }

    /// Elements of `out`.
    #[must_use]
    pub fn out(self, out: Element) -> Self {
        Self { out, ..self }
    }

    /// What becomes of numbers beyond the largest code of an 8-bit output.
    #[must_use]
    pub fn overflow(self, overflow: Overflow) -> Self {
        Self { overflow, ..self }
    }

    fn tokens(&self) -> u32 {
        self.shape[self.axis]
    }

    /// Rows of one token.
    fn token_rows(&self) -> u32 {
        self.shape[self.axis + 1..self.shape.len() - 1].iter().product()
    }

    /// Rows that share positions.
    fn sequence_rows(&self) -> u32 {
        let inner = usize::from(self.positions == Positions::PerSequence);
        self.shape[inner..self.shape.len() - 1].iter().product()
    }

    /// Positions that are told apart.
    fn places(&self) -> usize {
        let sequences = if self.positions == Positions::PerSequence { self.shape[0] } else { 1 };
        sequences as usize * self.tokens() as usize
    }

    /// Which of them a row has.
    fn place(&self, row: usize) -> usize {
        let tokens = self.tokens() as usize;
        row / self.sequence_rows() as usize * tokens + row / self.token_rows() as usize % tokens
    }

    /// The columns of a pair.
    fn pair(&self, i: usize) -> (usize, usize) {
        if self.interleaved { (2 * i, 2 * i + 1) } else { (i, i + self.rotary as usize / 2) }
    }
}

impl Operation for Rope {
    const NAME: &'static str = "rope";
    const KERNELS: &'static [Kernel<Self>] = &[
        #[cfg(feature = "gpu")]
        Kernel::gpu("plain", |_, _| Ok(vec![crate::gpu::Tuning::new("", &[])]), gpu::schedule),
        Kernel::cpu(run),
    ];

    fn operands(&self) -> Result<Vec<Operand>, DescriptorError> {
        let fail =
            |what, expected: String, got: String| DescriptorError::new(Self::NAME, what, expected, got);
        expect_number(Self::NAME, "x", self.x)?;
        expect_number(Self::NAME, "out", self.out)?;
        let read = |role: &'static str, shape: Vec<u32>, e, draw| {
            let o = Operand::read(role, shape, e).map_err(DescriptorError::layout(Self::NAME, role))?;
            Ok::<_, DescriptorError>(o.draw(draw))
        };
        let mut all = vec![read("x", self.shape.clone(), self.x, Draw::Moderate)?];
        if self.axis >= self.shape.len() - 1 {
            let expected = format!("an axis of {:?} before the last", self.shape);
            return Err(fail("axis", expected, self.axis.to_string()));
        }
        let cols = self.shape[self.shape.len() - 1];
        if self.rotary == 0 || self.rotary % 2 == 1 || self.rotary > cols {
            let expected = format!("an even number of the {cols} columns");
            return Err(fail("rotary", expected, self.rotary.to_string()));
        }
        if !self.scale.is_normal() {
            let expected = "a finite number, neither zero nor subnormal";
            return Err(fail("scale", expected.into(), self.scale.to_string()));
        }
        let (tokens, half) = (self.tokens(), self.rotary / 2);
        let (mut last, mut first) = (1 << 17, 1 << 17);
        match self.angles {
            Angles::Frequencies => all.push(read("frequencies", vec![half], Element::F32, Draw::Normal)?),
            Angles::Tables { rows, dtype } => {
                for role in ["cos", "sin"] {
                    let e = unscaled(Self::NAME, role, dtype)?;
                    all.push(read(role, vec![rows, half], e, Draw::Normal)?);
                }
                (last, first) = (rows, rows.saturating_sub(tokens) + 1);
            }
        }
        match self.positions {
            Positions::FromZero => {}
            Positions::Offset => all.push(read("offset", vec![1], Element::U32, Draw::Below(first))?),
            Positions::Shared => all.push(read("positions", vec![tokens], Element::U32, Draw::Below(last))?),
            Positions::PerSequence => {
                if self.axis == 0 {
                    let expected = "an axis of sequences before that of tokens";
                    return Err(fail("positions", expected.into(), format!("{:?}", self.shape)));
                }
                let shape = vec![self.shape[0], tokens];
                all.push(read("positions", shape, Element::U32, Draw::Below(last))?);
            }
        }
        let out = Operand::write("out", self.shape.clone(), self.out);
        all.push(out.map_err(DescriptorError::layout(Self::NAME, "out"))?.overflow(self.overflow));
        Ok(all)
    }

    fn variant(&self) -> String {
        let pairs = if self.interleaved { "interleaved" } else { "halves" };
        format!("{pairs}.{}_{}", self.x.dtype(), self.out.dtype())
    }

    fn cost(&self) -> Cost {
        let n = self.shape.iter().fold(1u64, |n, &d| n.saturating_mul(d.into()));
        let bytes = u64::from(self.x.dtype().bytes() + self.out.dtype().bytes());
        // Of every column turned two products and a sum.
        let rows = n / u64::from(self.shape.last().copied().unwrap_or(1).max(1));
        let turned = rows.saturating_mul(self.rotary.into());
        Cost { flops: turned.saturating_mul(3), bytes: n.saturating_mul(bytes) }
    }

    fn reference(&self, x: &Inputs) -> Outputs {
        let (mut out, cols) = (x.real("x"), self.shape[self.shape.len() - 1] as usize);
        let half = self.rotary as usize / 2;
        let words = |role| x.tensor(role).to_u32().expect("u32");
        let positions: Vec<u32> = match self.positions {
            Positions::FromZero => (0..self.tokens()).collect(),
            Positions::Offset => (0..self.tokens()).map(|i| words("offset")[0].wrapping_add(i)).collect(),
            _ => words("positions"),
        };
        let tables = match self.angles {
            Angles::Frequencies => vec![x.real("frequencies")],
            Angles::Tables { .. } => vec![x.real("cos"), x.real("sin")],
        };
        // Cosine and sine.
        let angle = |place: usize, i: usize| match self.angles {
            Angles::Frequencies => angles::real(positions[place], tables[0][i].value),
            Angles::Tables { rows, .. } if positions[place] >= rows => [Real::exact(f64::NAN); 2],
            Angles::Tables { .. } => [0, 1].map(|t| tables[t][positions[place] as usize * half + i]),
        };
        let scale = Real::exact(self.scale.into());
        for (row, v) in out.chunks_exact_mut(cols).enumerate() {
            for i in 0..half {
                let [mut cos, mut sin] = angle(self.place(row), i);
                if self.scale != 1.0 {
                    [cos, sin] = [cos, sin].map(|v| (v * scale).in_f32());
                }
                let (a, b) = self.pair(i);
                (v[a], v[b]) = (sum(v[a], cos, v[b], -sin), sum(v[b], cos, v[a], sin));
            }
        }
        Outputs(vec![("out", out)])
    }

    fn cases() -> Vec<Case<Self>> {
        cases::all()
    }
}

/// a · x + b · y.
fn sum(a: Real, x: Real, b: Real, y: Real) -> Real {
    let v = ((a * x).in_f32() + (b * y).in_f32()).in_f32();
    // An infinite number times one that may be computed as zero.
    let lost = |a: Real, x: Real| spoils(a, x) || (a.value.is_infinite() && x.value.abs() <= x.error);
    if lost(a, x) || lost(b, y) { v.or_nan() } else { v }
}

fn run(o: &Rope, args: &mut HostArgs<'_>, threads: Threads) {
    let operands = o.operands().expect("validated");
    let operand = |role: &str| operands.iter().find(|o| o.role == role).expect("an operand of rope");
    let (x, half) = (cpu::Input::new(operand("x"), args), o.rotary as usize / 2);
    let tokens = o.tokens() as usize;
    let words = match o.positions {
        Positions::FromZero => None,
        Positions::Offset => Some(args.read(values("offset"))),
        _ => Some(args.read(values("positions"))),
    };
    // Rows of positions begin at whole quads.
    let position = |place: usize| match (o.positions, words) {
        (Positions::Offset, Some(w)) => w[0].wrapping_add(place as u32),
        (_, Some(w)) => w[place / tokens * tokens.next_multiple_of(4) + place % tokens],
        (_, None) => place as u32,
    };
    // Cosines, then sines, of every position: heads share them.
    let mut all = vec![0.0; o.places() * 2 * half];
    let pieces = {
        let piece = threads.piece(o.places(), 1);
        (0..).step_by(piece).zip(all.chunks_mut(piece * 2 * half)).collect::<Vec<_>>()
    };
    let scale = |v: &mut [f32]| {
        if o.scale != 1.0 {
            v.iter_mut().for_each(|v| *v *= o.scale);
        }
    };
    if let Angles::Tables { rows, .. } = o.angles {
        let tables = ["cos", "sin"].map(|role| cpu::Input::new(operand(role), args));
        threads.for_each(pieces, |(first, all)| {
            for (place, v) in (first..).zip(all.chunks_exact_mut(2 * half)) {
                match position(place) {
                    row if row < rows => {
                        tables
                            .iter()
                            .zip(v.chunks_exact_mut(half))
                            .for_each(|(t, v)| t.numbers(row as usize, 0, v));
                    }
                    _ => v.fill(f32::NAN),
                }
                scale(v);
            }
        });
    } else {
        let frequencies: &[f32] = bytemuck::cast_slice(&args.read(values("frequencies"))[..half]);
        let turns: Vec<Option<u64>> = frequencies.iter().map(|f| angles::turn(*f)).collect();
        threads.for_each(pieces, |(first, all)| {
            for (place, v) in (first..).zip(all.chunks_exact_mut(2 * half)) {
                let (cos, sin) = v.split_at_mut(half);
                angles::fill(&turns, position(place), cos, sin);
                scale(v);
            }
        });
    }
    cpu::write(operand("out"), args, threads, |row, v| {
        x.numbers(row, 0, v);
        let (cos, sin) = all[o.place(row) * 2 * half..][..2 * half].split_at(half);
        let v = &mut v[..2 * half];
        if o.interleaved {
            for ((pair, c), s) in v.chunks_exact_mut(2).zip(cos).zip(sin) {
                (pair[0], pair[1]) = (pair[0] * c - pair[1] * s, pair[1] * c + pair[0] * s);
            }
        } else {
            let (a, b) = v.split_at_mut(half);
            vector(Halves { a, b, cos, sin });
        }
    });
}

/// The pairs of a row, one half beside the other.
struct Halves<'a> {
    a: &'a mut [f32],
    b: &'a mut [f32],
    cos: &'a [f32],
    sin: &'a [f32],
}

impl Loop for Halves<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        for (((a, b), c), s) in self.a.iter_mut().zip(self.b).zip(self.cos).zip(self.sin) {
            (*a, *b) = (*a * c - *b * s, *b * c + *a * s);
        }
    }
}
