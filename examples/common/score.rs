//! What a network's answers are worth: shares and correlations with their confidence intervals.
#![allow(dead_code)] // every example uses a part

use std::fmt;

/// A share of `n` cases, with its 95 % confidence interval (E. Wilson, 1927).
#[derive(Clone, Copy, Debug)]
pub struct Share {
    pub hits: usize,
    pub n: usize,
}

impl Share {
    /// Cases that agree.
    pub fn equal<T: PartialEq>(a: &[T], b: &[T]) -> Self {
        assert_eq!(a.len(), b.len());
        Self { hits: a.iter().zip(b).filter(|(a, b)| a == b).count(), n: a.len() }
    }

    /// Lower and upper end of the interval.
    pub fn interval(self) -> (f64, f64) {
        let (n, p, z) = (self.n as f64, self.hits as f64 / self.n as f64, 1.959_964);
        let centre = (p + z * z / (2.0 * n)) / (1.0 + z * z / n);
        let half = z / (1.0 + z * z / n) * (p * (1.0 - p) / n + z * z / (4.0 * n * n)).sqrt();
        (centre - half, centre + half)
    }
}

impl fmt::Display for Share {
    /// `462/500 92.4% (89.7-94.4)`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (low, high) = self.interval();
        let percent = 100.0 * self.hits as f64 / self.n as f64;
        let interval = format!("({:.1}-{:.1})", 100.0 * low, 100.0 * high);
        f.pad(&format!("{}/{} {percent:.1}% {interval}", self.hits, self.n))
    }
}

/// A mean of `n` numbers, with its 95 % confidence interval (the normal one: for many numbers).
#[derive(Clone, Copy, Debug)]
pub struct Mean {
    pub value: f64,
    half: f64,
}

impl Mean {
    pub fn of(numbers: &[f64]) -> Self {
        let n = numbers.len() as f64;
        let value = numbers.iter().sum::<f64>() / n;
        let variance = numbers.iter().map(|v| (v - value).powi(2)).sum::<f64>() / (n - 1.0);
        Self { value, half: 1.959_964 * (variance / n).sqrt() }
    }
}

impl fmt::Display for Mean {
    /// `0.369 (0.343-0.395)`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { value, half } = self;
        f.pad(&format!("{value:.3} ({:.3}-{:.3})", value - half, value + half))
    }
}

/// A rank correlation of `n` pairs, with its 95 % confidence interval (D. Bonett, T. Wright, 2000).
#[derive(Clone, Copy, Debug)]
pub struct Rho {
    pub value: f64,
    pub n: usize,
}

impl Rho {
    /// Spearman's: the correlation of ranks, equal numbers at the mean of theirs.
    pub fn spearman(a: &[f64], b: &[f64]) -> Self {
        assert_eq!(a.len(), b.len());
        let (a, b) = (ranks(a), ranks(b));
        let mean = (a.len() as f64 + 1.0) / 2.0;
        let product =
            |x: &[f64], y: &[f64]| -> f64 { x.iter().zip(y).map(|(x, y)| (x - mean) * (y - mean)).sum() };
        Self { value: product(&a, &b) / (product(&a, &a) * product(&b, &b)).sqrt(), n: a.len() }
    }

    /// Lower and upper end of the interval.
    pub fn interval(self) -> (f64, f64) {
        let half = 1.959_964 * ((1.0 + self.value * self.value / 2.0) / (self.n as f64 - 3.0)).sqrt();
        ((self.value.atanh() - half).tanh(), (self.value.atanh() + half).tanh())
    }
}

impl fmt::Display for Rho {
    /// `0.729 (0.67-0.78)`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (low, high) = self.interval();
        f.pad(&format!("{:.3} ({low:.2}-{high:.2})", self.value))
    }
}

fn ranks(v: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..v.len()).collect();
    order.sort_by(|&i, &j| v[i].total_cmp(&v[j]));
    let mut out = vec![0.0; v.len()];
    for group in order.chunk_by(|&i, &j| v[i] == v[j]) {
        let below = order.partition_point(|&i| v[i] < v[group[0]]);
        group.iter().for_each(|&i| out[i] = below as f64 + (group.len() as f64 + 1.0) / 2.0);
    }
    out
}
