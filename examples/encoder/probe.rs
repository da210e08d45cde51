//! A logistic probe: what a linear classifier can tell from the vectors.

/// P(positive) = σ(w · v + b).
pub struct Probe {
    weights: Vec<f64>,
    bias: f64,
}

const STEPS: usize = 400;
const RATE: f64 = 4.0;
/// Weight of ½|w|² in the loss.
const RIDGE: f64 = 1e-3;

impl Probe {
    /// Full-batch gradient descent with momentum on the mean log loss: convex, so the start does not matter.
    pub fn train(vectors: &[Vec<f32>], positive: &[bool]) -> Self {
        let width = vectors.first().map_or(0, Vec::len);
        let mut probe = Self { weights: vec![0.0; width], bias: 0.0 };
        let mut speed = (vec![0.0; width], 0.0);
        for _ in 0..STEPS {
            let (mut slope, mut bias) = (vec![0.0; width], 0.0);
            for (v, positive) in vectors.iter().zip(positive) {
                let off = probe.chance(v) - f64::from(u8::from(*positive));
                slope.iter_mut().zip(v).for_each(|(s, v)| *s += off * f64::from(*v));
                bias += off;
            }
            let n = vectors.len() as f64;
            for ((w, s), m) in probe.weights.iter_mut().zip(slope).zip(&mut speed.0) {
                *m = 0.9 * *m + s / n + RIDGE * *w;
                *w -= RATE * *m;
            }
            speed.1 = 0.9 * speed.1 + bias / n;
            probe.bias -= RATE * speed.1;
        }
        probe
    }

    fn chance(&self, v: &[f32]) -> f64 {
        let sum: f64 = self.weights.iter().zip(v).map(|(w, v)| w * f64::from(*v)).sum();
        1.0 / (1.0 + (-sum - self.bias).exp())
    }

    /// Whether it takes the vector for a positive one.
    pub fn positive(&self, v: &[f32]) -> bool {
        self.chance(v) > 0.5
    }
}
