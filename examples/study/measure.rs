//! Errors of numbers that went through 8 bits.

/// Mean squared error.
pub fn mse(x: &[f32], y: &[f32]) -> f64 {
    let squares = x.iter().zip(y).map(|(x, y)| (f64::from(*x) - f64::from(*y)).powi(2));
    squares.sum::<f64>() / x.len() as f64
}

/// Signal to quantisation noise: 10·log₁₀(Σx² / Σ(x − y)²), decibels.
pub fn sqnr(x: &[f32], y: &[f32]) -> f64 {
    let power = x.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>() / x.len() as f64;
    10.0 * (power / mse(x, y)).log10()
}

/// Mean of |x − y| / |x| over the numbers that are not zero.
pub fn relative(x: &[f32], y: &[f32]) -> f64 {
    let all = x.iter().zip(y).filter(|(x, _)| **x != 0.0);
    let errors: Vec<f64> =
        all.map(|(x, y)| (f64::from(*x) - f64::from(*y)).abs() / f64::from(x.abs())).collect();
    errors.iter().sum::<f64>() / errors.len() as f64
}

/// Share of the numbers that are not zero and became it.
pub fn flushed(x: &[f32], y: &[f32]) -> f64 {
    let all = x.iter().zip(y).filter(|(x, _)| **x != 0.0);
    let (mut n, mut zeros) = (0usize, 0usize);
    for (_, y) in all {
        n += 1;
        zeros += usize::from(*y == 0.0);
    }
    zeros as f64 / n as f64
}
