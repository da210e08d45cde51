//! `Sequential`: layer after layer.

use super::{Graph, Layer, Value};
use crate::error::Error;

/// Layers one after another, each of what the one before makes.
#[derive(Default)]
pub struct Sequential(Vec<Box<dyn Layer>>);

impl Sequential {
    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The same with one more at the end.
    #[must_use]
    pub fn then(mut self, layer: impl Layer + 'static) -> Self {
        self.0.push(Box::new(layer));
        self
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Layer for Sequential {
    fn record(&self, g: &mut Graph, x: Value) -> Result<Value, Error> {
        self.0.iter().try_fold(x, |x, layer| layer.record(g, x))
    }
}

impl std::fmt::Debug for Sequential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Sequential of {} layers", self.0.len())
    }
}
