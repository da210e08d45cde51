//! Transposed convolution on the GPU: the kernels of `conv2d`, phase by phase.

use super::{
    ConvTranspose2d,
    phases::{computed, count, phases, unreached},
};
use crate::{
    gpu::{Capabilities, Tuning},
    ops::{
        Refusal,
        conv2d::gpu::{self, Problem},
        gemm::gpu::{register_variants, tiled_variants},
    },
};

/// Phases at most: each is two dispatches or more, and of a kernel of 64 × 64 taps that meet no other there are as many.
const PHASES: u64 = 1 << 12;

fn accepts(o: &ConvTranspose2d) -> Result<(), Refusal> {
    let (needed, limit) = (count(o), PHASES);
    if needed <= limit { Ok(()) } else { Err(Refusal::Limit { what: "phases".to_owned(), needed, limit }) }
}

fn accepts_product(o: &ConvTranspose2d) -> Result<(), Refusal> {
    gpu::accepts_product(&o.images(), o.out_size()).and(accepts(o))
}

pub(super) fn register_tunings(o: &ConvTranspose2d, caps: &Capabilities) -> Result<Vec<Tuning>, Refusal> {
    accepts_product(o).and(register_variants(caps))
}

pub(super) fn tiled_tunings(o: &ConvTranspose2d, _: &Capabilities) -> Result<Vec<Tuning>, Refusal> {
    accepts_product(o).map(|()| tiled_variants())
}

pub(super) fn depthwise_tunings(o: &ConvTranspose2d, caps: &Capabilities) -> Result<Vec<Tuning>, Refusal> {
    accepts(o).and(gpu::depthwise_tunings(&o.images(), caps))
}

pub(super) fn grouped_tunings(o: &ConvTranspose2d, caps: &Capabilities) -> Result<Vec<Tuning>, Refusal> {
    accepts(o).and(gpu::grouped_tunings(&o.images(), caps))
}

/// What `conv2d`'s kernels compute of it.
pub(super) fn problem(o: &ConvTranspose2d) -> Problem {
    let inner = computed(o);
    Problem {
        given: (o.images(), o.out_size()),
        phases: phases(&inner),
        unreached: unreached(&inner),
        inner: (inner.images(), inner.out_size()),
    }
}
