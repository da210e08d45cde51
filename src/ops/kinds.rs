//! Kinds of element that cases of every operation go through.

use crate::{
    dtype::{Format, FormatError, Specials},
    scale::Granularity::{Mx, PerBlock, PerChannel, PerTensor, PerToken},
    tensor::Element,
};

/// Every kind of operand, 8-bit ones per tensor.
pub(crate) fn kinds() -> Vec<Element> {
    let coded = Format::ALL.map(|f| Element::f8(f, PerTensor));
    [Element::F32, Element::F16, Element::BF16].into_iter().chain(coded).collect()
}

/// Every kind of factor of a product: those, and codes of a codebook.
pub(crate) fn factors() -> Vec<Element> {
    kinds().into_iter().chain([Element::CODE8]).collect()
}

/// Every kind of output whose last axis is this one: plain, observed, 8-bit at every granularity; no block ends
/// where a quad does.
pub(crate) fn outs(axis: u8) -> Vec<Element> {
    let plain = [Element::F32, Element::F16, Element::BF16];
    let observed = [Element::F32, Element::F16].map(Element::observed);
    let coded = [PerTensor, PerToken, PerChannel { axis }, PerBlock { rows: 2, cols: 5 }, Mx { cols: 3 }]
        .map(|g| Element::f8(Format::E4M3FN, g));
    plain.into_iter().chain(observed).chain(coded).collect()
}

/// Formats that stand for all the flexible ones in cases: fewer bits, no sign, no NaN, IEEE's specials in other places.
pub(crate) const FLEXIBLE: [Format; 5] = [
    Format::E2M3FN,
    Format::E2M1FN,
    flexible(Format::unsigned(4, 4, 8, Specials::None)),
    flexible(Format::unsigned(5, 3, 15, Specials::Ieee)),
    flexible(Format::signed(3, 3, 4, Specials::Fnuz)),
];

const fn flexible(f: Result<Format, FormatError>) -> Format {
    match f {
        Ok(f) => f,
        Err(_) => panic!("internal: a format that cannot be"),
    }
}
