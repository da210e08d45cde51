//! Text: written through the equal `f32`, read through `f64`.

use crate::dtype::format::Format;

/// A text is no value of the type.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseFloat8Error {
    /// Not a number as `f64` reads them.
    #[error("cannot read {text:?} as {format}: expected a decimal number, inf or nan")]
    Syntax {
        /// The format asked for.
        format: Format,
        /// The text given.
        text: String,
    },
    /// An infinity, for a format that has none.
    #[error("cannot read {text:?} as {format}: the format has no infinities")]
    NoInfinity {
        /// The format asked for.
        format: Format,
        /// The text given.
        text: String,
    },
}

/// The code of a text.
pub(super) fn parse(format: Format, text: &str) -> Result<u8, ParseFloat8Error> {
    let Ok(x) = text.parse::<f64>() else {
        return Err(ParseFloat8Error::Syntax { format, text: text.to_owned() });
    };
    // Told from a number too large for f64, which saturates like any other.
    if text.trim_start_matches(['+', '-']).starts_with(['i', 'I']) {
        let Some(infinity) = format.infinity_code() else {
            return Err(ParseFloat8Error::NoInfinity { format, text: text.to_owned() });
        };
        return Ok(infinity | if x < 0.0 { 0x80 } else { 0 });
    }
    Ok(format.encode_f64(x, crate::dtype::Overflow::Saturate))
}

macro_rules! text {
    ($name:ident) => {
        $crate::dtype::float8::text::write!($name Display Debug LowerExp UpperExp);

        /// Reads what `f64` reads, then rounds to the nearest value, saturating. The text is rounded twice: a decimal
        /// number within 2⁻⁵³ of a tie, relatively, is taken for the tie.
        ///
        /// # Errors
        /// [`ParseFloat8Error`] when the text is no number, or an infinity and the format has none.
        impl std::str::FromStr for $name {
            type Err = $crate::dtype::ParseFloat8Error;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                $crate::dtype::float8::text::parse(Self::FORMAT, text).map(Self)
            }
        }
    };
}

macro_rules! write {
    ($name:ident $($style:ident)*) => {$(
        /// As the equal `f32`.
        impl std::fmt::$style for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                std::fmt::$style::fmt(&self.to_f32(), f)
            }
        }
    )*};
}

pub(super) use {text, write};
