//! Names of formats: as `ml_dtypes` has them where it does, else spelt from the fields.

use std::fmt;
use std::str::FromStr;

use super::format::{Format, Specials};
use super::table::Kept;

const NAMED: [(Format, &str); 11] = [
    (Format::E4M3FN, "e4m3fn"),
    (Format::E5M2, "e5m2"),
    (Format::E3M4FN, "e3m4fn"),
    (Format::E4M3, "e4m3"),
    (Format::E3M4, "e3m4"),
    (Format::E4M3FNUZ, "e4m3fnuz"),
    (Format::E5M2FNUZ, "e5m2fnuz"),
    (Format::E4M3B11FNUZ, "e4m3b11fnuz"),
    (Format::E2M3FN, "e2m3fn"),
    (Format::E3M2FN, "e3m2fn"),
    (Format::E2M1FN, "e2m1fn"),
];

/// Suffixes of the generic names; `f` is finite only.
const SPECIALS: [(Specials, &str); 4] =
    [(Specials::Ieee, ""), (Specials::Fn, "fn"), (Specials::Fnuz, "fnuz"), (Specials::None, "f")];

impl Format {
    /// The lower-case name: as `ml_dtypes` writes it after `float8_`, `float6_` or `float4_`; `"e3m4fn"` is this
    /// crate's. Formats without one are called `e{exp_bits}m{man_bits}b{bias}`, then nothing (IEEE), `fn`, `fnuz` or
    /// `f` (no specials), then `u` if they are unsigned: `"e4m4b7fu"`.
    pub fn name(self) -> &'static str {
        static OTHERS: Kept<String> = Kept::new();
        let named = NAMED.iter().find(|n| n.0 == self).map(|n| n.1);
        named.unwrap_or_else(|| OTHERS.get(self, || self.spelt()))
    }

    fn spelt(self) -> String {
        let specials = SPECIALS.iter().find(|s| s.0 == self.specials()).map_or("", |s| s.1);
        let unsigned = if self.is_signed() { "" } else { "u" };
        format!("e{}m{}b{}{specials}{unsigned}", self.exp_bits(), self.man_bits(), self.bias())
    }
}

/// Reads a generic name.
fn read(text: &str) -> Option<Format> {
    let text = text.strip_prefix('e')?;
    let (exp_bits, text) = text.split_once('m')?;
    let (man_bits, text) = text.split_once('b')?;
    let end = text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len());
    let (bias, specials) = text.split_at(end);
    let (exp_bits, man_bits, bias) = (exp_bits.parse().ok()?, man_bits.parse().ok()?, bias.parse().ok()?);
    let (specials, signed) = match specials.strip_suffix('u') {
        Some(s) => (s, false),
        None => (specials, true),
    };
    let specials = SPECIALS.iter().find(|s| s.1 == specials)?.0;
    let new = if signed { Format::signed } else { Format::unsigned };
    new(exp_bits, man_bits, bias, specials).ok()
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl fmt::Debug for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.name().to_ascii_uppercase())
    }
}

/// The text names no format.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "unknown 8-bit float format {text:?}: expected one of {}, or fields that can be, such as e4m3b8fn",
    names()
)]
pub struct ParseFormatError {
    text: String,
}

fn names() -> String {
    NAMED.map(|n| n.1).join(", ")
}

/// Reads [`Format::name`] in either case.
///
/// # Errors
/// [`ParseFormatError`] when the text is no such name.
impl FromStr for Format {
    type Err = ParseFormatError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let lower = text.to_ascii_lowercase();
        let named = NAMED.iter().find(|n| n.1 == lower).map(|n| n.0);
        named.or_else(|| read(&lower)).ok_or_else(|| ParseFormatError { text: text.to_owned() })
    }
}
