//! 8-bit float formats, and those of any fields up to 8 bits: descriptions, codec, slices, packed words and, for the
//! eight signed 8-bit formats with a name, typed scalars.
//!
//! [`Format`] describes a format at run time and converts one value at a time; [`encode_slice`] and
//! [`decode_slice`] convert many; [`packed`] is four codes to a `u32`; the `F8…` types are the same codes with the
//! format in the type. The scalar codec, integer work throughout, is the definition; the rest gives the same bits.

mod codebook;
mod codec;
mod decoder;
mod e8m0;
mod encoder;
mod float8;
mod format;
mod log2;
mod name;
pub mod packed;
mod philox;
mod s2fp8;
mod slice;
mod stochastic;
mod table;

pub use codebook::{Codebook, CodebookError};
pub use e8m0::{F8E8M0FNU, PowerRounding};
pub use float8::{
    F8E3M4, F8E3M4FN, F8E4M3, F8E4M3B11FNUZ, F8E4M3FN, F8E4M3FNUZ, F8E5M2, F8E5M2FNUZ, ParseFloat8Error,
};
pub use format::{Format, FormatError, Overflow, Specials};
pub use name::ParseFormatError;
pub use philox::Philox;
pub use s2fp8::S2fp8;
pub(crate) use slice::encode_numbers;
pub use slice::{
    LengthError, decode_slice, decode_slice_bf16, decode_slice_f16, decode_vec, decode_vec_bf16,
    decode_vec_f16, encode_slice, encode_slice_bf16, encode_slice_f16, encode_vec, encode_vec_bf16,
    encode_vec_f16,
};
pub use stochastic::encode_slice_stochastic;
