//! What must hold of any input, on random bytes: always the same ones, so that a failure is seen again. `scripts/fuzz`
//! looks for others.

#![cfg(feature = "gpu")]

mod codec;
#[path = "../common/mod.rs"]
mod common;
mod composer;
mod descriptors;

use proptest::{
    collection::vec,
    prelude::*,
    test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner},
};

/// Runs `check` on so many random inputs; a failing one is shrunk and shown.
fn hold(cases: u32, check: impl Fn(&[u8])) {
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let held = runner.run(&vec(any::<u8>(), 0..400), |bytes| {
        check(&bytes);
        Ok::<(), TestCaseError>(())
    });
    // The panic itself was shown; this is the input.
    assert!(held.is_ok(), "{held:?}");
}

#[test]
fn codec() {
    hold(20_000, crate::codec::check);
}

#[test]
fn composer() {
    hold(20_000, crate::composer::check);
}

#[test]
fn descriptors() {
    hold(20_000, crate::descriptors::check);
}

/// Small ones on the GPU too: fewer, as each compiles shaders of its own.
#[test]
fn descriptors_on_the_gpu() {
    let ctx = common::gpu();
    hold(160, |bytes| {
        if let Ok(problem) = descriptors::descriptor(&mut arbitrary::Unstructured::new(bytes)) {
            descriptors::computes(problem, &ctx);
        }
    });
}
