//! How well the one item that counts is ranked among the others of a user.

use std::cmp::Ordering;

/// Length of the list that is shown to a user.
pub const TOP: usize = 10;

/// How many are ranked above the first of these scores: what scores as high counts, and so does NaN.
pub fn above(scores: &[f32]) -> usize {
    scores[1..].iter().filter(|s| s.partial_cmp(&&scores[0]) != Some(Ordering::Less)).count()
}

/// What that place is worth in NDCG@10 if nothing else counts: 1 at the top, less further down, 0 below the list.
pub fn gain(above: usize) -> f64 {
    if above < TOP { 1.0 / (above as f64 + 2.0).log2() } else { 0.0 }
}

/// Places of the ten largest scores.
pub fn top(scores: &[f32]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|&i, &j| scores[j].total_cmp(&scores[i]));
    order.truncate(TOP);
    order
}
