//! Memory that a thread keeps from one piece of its work to the next.

/// Vectors of numbers as long as somebody needed them; what is in them does not matter. New ones for every piece would be zeroed
/// each time.
#[derive(Debug, Default)]
pub(crate) struct Room {
    /// Lines of an image.
    pub image: Vec<f32>,
    /// Lines of both sides of a product.
    pub panels: [Vec<f32>; 2],
}
