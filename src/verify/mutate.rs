//! The mutation mode: kernels that are wrong on purpose. A test that passes one of them could not fail.

use crate::{
    dtype::Codebook,
    scale::Scales,
    tensor::{Access, DType, HostTensor, Operand},
};

/// One way to be wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mutation {
    /// The kernel does not see the last number of this operand.
    DropLast(&'static str),
    /// It does not see the first.
    DropFirst(&'static str),
    /// It takes the first two numbers of the operand's first row for each other.
    SwapTwo(&'static str),
    /// It skips the last quarter of every row.
    SkipTail(&'static str),
    /// It takes the last row for the one before.
    RepeatRow(&'static str),
    /// It decodes the last number one code, or the first bit of a wider mantissa, off.
    OneOff(&'static str),
    /// It reads every scale one group too late.
    ShiftScales(&'static str),
    /// It halves the last scale.
    HalveScale(&'static str),
    /// Its shader reads otherwise: every `find` is replaced.
    Shader {
        /// Text of the composed shader.
        find: String,
        /// What stands there instead.
        replace: String,
    },
}

/// Of the composed text of every shader stage.
pub(super) type Edit = Box<dyn Fn(&str) -> String + Send + Sync>;

/// Every mutation of the operands that this operation reads.
pub fn mutations(operands: &[Operand]) -> Vec<Mutation> {
    use Mutation::{DropFirst, DropLast, HalveScale, OneOff, RepeatRow, ShiftScales, SkipTail, SwapTwo};
    let all = [DropLast, DropFirst, SwapTwo, SkipTail, RepeatRow, OneOff, ShiftScales, HalveScale];
    let read = operands.iter().filter(|o| o.access != Access::Write);
    read.flat_map(|o| all.map(|m| m(o.role))).collect()
}

impl Mutation {
    /// Name without the operand: what reports count by.
    pub fn name(&self) -> &'static str {
        match self {
            Self::DropLast(_) => "drop the last term",
            Self::DropFirst(_) => "drop the first term",
            Self::SwapTwo(_) => "swap two terms",
            Self::SkipTail(_) => "skip the tail of rows",
            Self::RepeatRow(_) => "read a row twice",
            Self::OneOff(_) => "decode one off",
            Self::ShiftScales(_) => "shift the scales by a group",
            Self::HalveScale(_) => "halve a scale",
            Self::Shader { .. } => "edit the shader",
        }
    }

    pub(super) fn edit(&self) -> Option<Edit> {
        match self {
            Self::Shader { find, replace } => {
                let (find, replace) = (find.clone(), replace.clone());
                Some(Box::new(move |text: &str| text.replace(&find, &replace)))
            }
            _ => None,
        }
    }

    /// The operands as the mutant sees them; `None` where there is nothing to mutate.
    pub(super) fn apply(
        &self,
        tensors: &[(&'static str, HostTensor)],
    ) -> Option<Vec<(&'static str, HostTensor)>> {
        let role = match self {
            Self::DropLast(r) | Self::DropFirst(r) | Self::SwapTwo(r) | Self::SkipTail(r) => r,
            Self::RepeatRow(r) | Self::OneOff(r) | Self::ShiftScales(r) | Self::HalveScale(r) => r,
            Self::Shader { .. } => return None,
        };
        let mut out = tensors.to_vec();
        let t = &mut out.iter_mut().find(|t| t.0 == *role)?.1;
        *t = self.tensor(t)?;
        Some(out)
    }

    fn tensor(&self, t: &HostTensor) -> Option<HostTensor> {
        let layout = t.layout().clone();
        let size = layout.element().dtype().bytes() as usize;
        let (rows, cols) = (layout.rows() as usize, layout.cols() as usize);
        let pitch = layout.row_bytes() as usize;
        let mut words = t.words().to_vec();
        let mut scales = t.scales().cloned();
        let bytes: &mut [u8] = bytemuck::cast_slice_mut(&mut words);
        let at = |row: usize, col: usize| row * pitch + col * size;
        let last = at(rows - 1, cols - 1);
        match self {
            Self::DropLast(_) => bytes[last..last + size].fill(0),
            Self::DropFirst(_) => bytes[..size].fill(0),
            Self::SwapTwo(_) if cols > 1 => {
                for i in 0..size {
                    bytes.swap(i, size + i);
                }
            }
            Self::SkipTail(_) => {
                for row in 0..rows {
                    bytes[at(row, cols - cols.div_ceil(4))..at(row, cols)].fill(0);
                }
            }
            Self::RepeatRow(_) if rows > 1 => {
                bytes.copy_within(at(rows - 2, 0)..at(rows - 1, 0), at(rows - 1, 0))
            }
            // One code, or the first bit of a wider mantissa: less would be lost in an 8-bit output.
            Self::OneOff(_) => match layout.element().dtype() {
                DType::F32 | DType::U32 => bytes[last + 2] ^= 0x40,
                DType::F16 => bytes[last + 1] ^= 0x02,
                DType::Bf16 => bytes[last] ^= 0x40,
                DType::F8(_) => bytes[last] ^= 1,
                // Of the codebook of small integers: the next number.
                DType::Code8 => bytes[last] = bytes[last].wrapping_add(1),
            },
            Self::ShiftScales(_) => scales = Some(shifted(scales?)?),
            Self::HalveScale(_) => scales = Some(halved(scales?)?),
            _ => return None,
        }
        let scales = scales.map(|s| s.words().to_vec());
        Some(HostTensor::from_parts(layout, words, scales))
    }
}

fn shifted(s: Scales) -> Option<Scales> {
    if s.codebook().is_some() {
        return None;
    }
    let mut all: Vec<f32> = (0..s.groups()).map(|g| s.scale_of(g)).collect();
    all.rotate_left(1);
    Scales::new(s.granularity(), &all, s.groups()).ok()
}

fn halved(s: Scales) -> Option<Scales> {
    if let Some(c) = s.codebook() {
        return Codebook::new(&c.table().map(|v| 0.5 * v)).ok().map(|c| Scales::with_codebook(&c));
    }
    let mut all: Vec<f32> = (0..s.groups()).map(|g| s.scale_of(g)).collect();
    *all.last_mut()? *= 0.5;
    Scales::new(s.granularity(), &all, s.groups()).ok()
}
