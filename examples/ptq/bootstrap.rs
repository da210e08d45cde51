//! What a figure of a sample says of the figure itself: the bootstrap (B. Efron, 1979), paired where two networks answer the
//! same questions.

use quarter::dtype::Philox;

/// How often the samples are drawn again.
pub const RESAMPLES: usize = 10_000;
const SEED: u32 = 20;
/// The largest loss that passes, as a share of the figure in f32: that of arXiv 2309.14592.
pub const LIMIT: f64 = 0.01;

/// The middle 95 % of all resamples.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    pub low: f64,
    pub high: f64,
}

/// What an interval of the loss says of [`LIMIT`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// All of it is within.
    Pass,
    /// All of it is beyond.
    Fail,
    /// Neither: more samples would be needed; or something in it is no number.
    Undecided,
}

/// How much of the figure in f32 is lost; below zero, won.
#[derive(Clone, Copy, Debug)]
pub struct Loss {
    pub value: f64,
    pub interval: Interval,
}

impl Loss {
    pub fn verdict(&self) -> Verdict {
        let Interval { low, high } = self.interval;
        match (low, high) {
            _ if low.is_nan() || high.is_nan() => Verdict::Undecided,
            _ if high <= LIMIT => Verdict::Pass,
            _ if low > LIMIT => Verdict::Fail,
            _ => Verdict::Undecided,
        }
    }
}

/// The interval of a figure of `n` samples: `figure` is told which, some of them more than once.
pub fn interval(n: usize, figure: impl Fn(&[usize]) -> f64) -> Interval {
    let mut samples = vec![0; n];
    let figures = (0..RESAMPLES as u32).map(|i| {
        draw(i, &mut samples);
        figure(&samples)
    });
    middle(figures.collect())
}

/// What lies between the fortieth part at either end.
fn middle(mut figures: Vec<f64>) -> Interval {
    if figures.iter().any(|f| f.is_nan()) {
        return Interval { low: f64::NAN, high: f64::NAN };
    }
    figures.sort_by(f64::total_cmp);
    let beyond = figures.len() / 40;
    Interval { low: figures[beyond - 1], high: figures[figures.len() - beyond] }
}

/// What is lost of `reference`, both figures of the very same samples.
pub fn loss(n: usize, reference: impl Fn(&[usize]) -> f64, figure: impl Fn(&[usize]) -> f64) -> Loss {
    let lost = |samples: &[usize]| {
        let reference = reference(samples);
        (reference - figure(samples)) / reference
    };
    let all: Vec<usize> = (0..n).collect();
    Loss { value: lost(&all), interval: interval(n, lost) }
}

/// The `i`-th resample: as many samples, each as likely as any other (to a share of n / 2³²).
fn draw(i: u32, samples: &mut [usize]) {
    let n = samples.len() as u64;
    for (block, four) in (0..).zip(samples.chunks_mut(4)) {
        let words = Philox::block([block, i, 0, 0], [SEED, 0]);
        four.iter_mut().zip(words).for_each(|(s, word)| *s = ((u64::from(word) * n) >> 32) as usize);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mean(scores: &[f64]) -> impl Fn(&[usize]) -> f64 + '_ {
        |samples| samples.iter().map(|&i| scores[i]).sum::<f64>() / samples.len() as f64
    }

    /// `wrong` zeros, spread out, the rest ones.
    fn scores(n: usize, wrong: usize) -> Vec<f64> {
        (0..n).map(|i| f64::from(u8::from(i * wrong / n == (i + 1) * wrong / n))).collect()
    }

    #[test]
    fn draws_are_uniform_and_differ() {
        // Of 1000 × 30 draws each of 30 samples comes 1000 times, standard deviation √(1000 · 29/30) = 31.1: within six of it.
        let (mut counts, mut before) = ([0; 30], vec![]);
        for i in 0..1000 {
            let mut samples = vec![0; 30];
            draw(i, &mut samples);
            samples.iter().for_each(|&s| counts[s] += 1);
            assert_ne!(samples, before);
            before = samples;
        }
        assert!(counts.iter().all(|c| (1000i32 - c).abs() < 187), "{counts:?}");
    }

    #[test]
    fn a_share_has_the_normal_interval() {
        let (n, p) = (2000, 0.9);
        let scores = scores(n, 200);
        let Interval { low, high } = interval(n, mean(&scores));
        let deviation = (p * (1.0 - p) / n as f64).sqrt();
        // The 250th of 10 000 has a standard error of √(0.025 · 0.975 / 10 000) / φ(1.96) = 0.0267 deviations: four of these, and two
        // steps of 1 / n, as a share is discrete and a little skewed.
        let bound = 4.0 * 0.0267 * deviation + 2.0 / n as f64;
        for (end, normal) in [(low, p - 1.959_964 * deviation), (high, p + 1.959_964 * deviation)] {
            assert!((end - normal).abs() < bound, "{end}, {normal} ± {bound}");
        }
        assert_eq!(interval(n, mean(&scores)), Interval { low, high }, "the same seed, the same interval");
    }

    #[test]
    fn an_interval_ends_at_the_250th_from_either_end() {
        let figures = (1..=10_000).map(|i| f64::from(i * 7 % 10_000 + 1));
        assert_eq!(middle(figures.collect()), Interval { low: 250.0, high: 9751.0 });
    }

    #[test]
    fn a_constant_has_no_width() {
        assert_eq!(interval(7, mean(&[0.5; 7])), Interval { low: 0.5, high: 0.5 });
    }

    #[test]
    fn verdicts() {
        let n = 2000;
        let reference = scores(n, 200);
        let judged = |changed: &dyn Fn(usize, f64) -> f64| {
            let other: Vec<f64> = reference.iter().enumerate().map(|(i, s)| changed(i, *s)).collect();
            let loss = loss(n, mean(&reference), mean(&other));
            (loss.value, loss.verdict())
        };
        assert_eq!(judged(&|_, s| s), (0.0, Verdict::Pass));
        // One sample lost: a passed verdict although the figure itself is known to ± 1.3 points. Resamples are shared.
        let (value, verdict) = judged(&|i, s| if i == 1 { 0.0 } else { s });
        assert_eq!(verdict, Verdict::Pass);
        assert!((value - 1.0 / 1800.0).abs() < 1e-12, "{value}"); // Sums of ones: exact but for two divisions.
        // A ninth of the right ones lost, far beyond; one in ninety, near the line; none on the whole, but with many that differ.
        assert_eq!(judged(&|i, s| if i % 10 == 5 { 0.0 } else { s }).1, Verdict::Fail);
        assert_eq!(judged(&|i, s| if i % 100 == 5 { 0.0 } else { s }).1, Verdict::Undecided);
        let swapped = |i, s| match i % 20 {
            5 => 0.0,
            9 => 1.0,
            _ => s,
        };
        assert_eq!(judged(&swapped), (0.0, Verdict::Undecided));
        // A win is no loss.
        assert_eq!(judged(&|_, _| 1.0).1, Verdict::Pass);
    }

    #[test]
    fn what_is_no_number_decides_nothing() {
        let nan = loss(10, |_| 1.0, |samples| if samples[0] == 3 { f64::NAN } else { 1.0 });
        assert_eq!(nan.verdict(), Verdict::Undecided);
        // Some resamples have nothing to lose: 0 / 0.
        let rare = scores(10, 9);
        assert_eq!(loss(10, mean(&rare), mean(&rare)).verdict(), Verdict::Undecided);
    }

    #[test]
    fn the_limit_itself_passes() {
        let loss = |low, high| Loss { value: low, interval: Interval { low, high } }.verdict();
        assert_eq!(loss(0.0, LIMIT), Verdict::Pass);
        assert_eq!(loss(LIMIT, 0.02), Verdict::Undecided);
        assert_eq!(loss(LIMIT.next_up(), 0.02), Verdict::Fail);
        assert_eq!(loss(-0.01, 0.02), Verdict::Undecided);
    }
}
