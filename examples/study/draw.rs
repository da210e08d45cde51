//! Numbers of given distributions, the same every time: Philox4x32-10, two words to a uniform number of 53 bits.

use quarter::dtype::Philox;

/// Random numbers of one stream.
pub struct Draw {
    philox: Philox,
    next: u64,
}

impl Draw {
    pub fn new(stream: u64) -> Self {
        Self { philox: Philox::new(20_230_914, stream), next: 0 }
    }

    /// In (0, 1).
    pub fn unit(&mut self) -> f64 {
        let mut word = || {
            self.next += 1;
            u64::from(self.philox.word(self.next - 1))
        };
        let bits = (word() << 21) ^ (word() >> 11);
        (bits as f64 + 0.5) / 2f64.powi(53)
    }

    pub fn uniform(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }

    /// Of mean 0 and variance 1 (G. Box, M. Muller, 1958).
    pub fn normal(&mut self) -> f64 {
        let (radius, angle) = ((-2.0 * self.unit().ln()).sqrt(), std::f64::consts::TAU * self.unit());
        radius * angle.cos()
    }

    /// Of mean 0 and scale 1.
    pub fn laplace(&mut self) -> f64 {
        let u = self.unit() - 0.5;
        -u.signum() * (1.0 - 2.0 * u.abs()).ln()
    }

    /// Student's t of three degrees of freedom.
    pub fn student3(&mut self) -> f64 {
        let chi = (0..3).map(|_| self.normal().powi(2)).sum::<f64>();
        self.normal() / (chi / 3.0).sqrt()
    }

    /// Of either sign; ln of the magnitude is of mean 0 and this deviation.
    pub fn lognormal(&mut self, sigma: f64) -> f64 {
        let sign = if self.unit() < 0.5 { -1.0 } else { 1.0 };
        sign * (sigma * self.normal()).exp()
    }
}

/// So many numbers.
pub fn many(n: usize, stream: u64, mut one: impl FnMut(&mut Draw) -> f64) -> Vec<f32> {
    let mut draw = Draw::new(stream);
    (0..n).map(|_| one(&mut draw) as f32).collect()
}
