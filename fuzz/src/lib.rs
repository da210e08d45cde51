//! What must hold of any bytes at all: each module has one `check` that panics if it does not.

#[path = "../../tests/robust/codec.rs"]
pub mod codec;
#[path = "../../tests/robust/composer.rs"]
pub mod composer;
#[path = "../../tests/robust/descriptors.rs"]
pub mod descriptors;
