//! Drivers known to do otherwise than one would hope, and what follows for kernels. What a table cannot know the
//! [`probe`](super::probe) measures.

/// What is done about a quirk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Remedy {
    /// No kernel relies on it.
    Avoided,
    /// Codes are decoded by integers, never by way of f16.
    ExactDecode,
}

/// One thing a driver does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quirk {
    /// Part of the adapter's description ([`Context::name`](crate::Context::name)).
    pub adapter: &'static str,
    /// What it does.
    pub fact: &'static str,
    /// What follows.
    pub remedy: Remedy,
}

const fn quirk(adapter: &'static str, fact: &'static str) -> Quirk {
    Quirk { adapter, fact, remedy: Remedy::Avoided }
}

/// All that are known, each seen by ourselves.
pub static QUIRKS: &[Quirk] = &[
    quirk("llvmpipe", "NaN != NaN is false, clamp(NaN, -448, 448) is -448, NaN * 0 is 0"),
    quirk("llvmpipe", "exp is off by up to 14.5 ulp, inverseSqrt by 1.5"),
    quirk("llvmpipe", "pipelines of one device are compiled one after the other"),
    quirk("SwiftShader", "NaN != NaN is false, clamp(NaN, -448, 448) is -448, NaN * 0 is 0"),
    quirk("SwiftShader", "tanh of more than 60 is not finite"),
    quirk("SwiftShader", "pack2x16float is wrong for one subnormal"),
    quirk("SwiftShader", "f32 subnormals are flushed to zero"),
];

/// Those of the adapter with this description.
pub(crate) fn of(description: &str) -> Vec<&'static Quirk> {
    QUIRKS.iter().filter(|q| description.contains(q.adapter)).collect()
}
