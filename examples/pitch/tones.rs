//! Tones whose pitch is known, as the network hears them.

use quarter::dtype::Philox;
use std::f64::consts::TAU;

/// Samples of a tone.
pub const FRAME: usize = 1024;
/// Samples per second.
const RATE: f64 = 16_000.0;
/// Hz, where torchcrepe looks unless told otherwise.
const PITCHES: [f64; 2] = [50.0, 2006.0];
/// Signal to noise in decibels; `None`: no noise.
const NOISE: [Option<f64>; 4] = [None, Some(20.0), Some(10.0), Some(0.0)];

/// Which harmonics there are; the k-th at 1/k, up to half the sample rate.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Timbre {
    First,
    All,
    Odd,
}

const TIMBRES: [Timbre; 3] = [Timbre::First, Timbre::All, Timbre::Odd];

/// A frame of sound.
pub struct Tone {
    /// Its pitch, in cents above 10 Hz.
    pub cents: f64,
    /// Of mean 0 and standard deviation 1.
    pub samples: Vec<f32>,
}

/// Numbers of (0, 1), one after another.
struct Random(Philox, u64);

impl Random {
    fn next(&mut self) -> f64 {
        self.1 += 1;
        (f64::from(self.0.word(self.1)) + 0.5) / 2f64.powi(32)
    }

    /// Of mean 0 and standard deviation 1 (G. Box, M. Muller, 1958).
    fn normal(&mut self) -> f64 {
        (-2.0 * self.next().ln()).sqrt() * (TAU * self.next()).cos()
    }
}

impl Tone {
    /// The `i`-th of a seed: pitches are uniform in cents, phases are random, timbre and noise take turns.
    pub fn new(seed: u64, i: usize) -> Self {
        let mut random = Random(Philox::new(seed, i as u64), 0);
        let [low, high] = PITCHES.map(|hz| 1200.0 * (hz / 10.0).log2());
        let cents = low + (high - low) * random.next();
        let hz = 10.0 * (cents / 1200.0).exp2();
        let (timbre, noise) = (TIMBRES[i % TIMBRES.len()], NOISE[i / TIMBRES.len() % NOISE.len()]);
        let mut samples = vec![0.0; FRAME];
        let harmonics = (1..).take_while(|&k| f64::from(k) * hz < RATE / 2.0);
        let harmonics = harmonics.filter(|k| match timbre {
            Timbre::First => *k == 1,
            Timbre::All => true,
            Timbre::Odd => k % 2 == 1,
        });
        for k in harmonics.map(f64::from) {
            let phase = random.next();
            for (t, s) in samples.iter_mut().enumerate() {
                *s += (TAU * (k * hz * t as f64 / RATE + phase)).sin() / k;
            }
        }
        if let Some(decibels) = noise {
            let power = samples.iter().map(|s| s * s).sum::<f64>() / FRAME as f64;
            let deviation = (power * 10f64.powf(-decibels / 10.0)).sqrt();
            samples.iter_mut().for_each(|s| *s += deviation * random.normal());
        }
        Self { cents, samples: normalised(&samples) }
    }
}

/// As torchcrepe hands a frame to the network: its deviation is that of a sample, over n − 1.
fn normalised(samples: &[f64]) -> Vec<f32> {
    let n = samples.len() as f64;
    let mean = samples.iter().sum::<f64>() / n;
    let variance = samples.iter().map(|s| (s - mean).powi(2)).sum::<f64>() / (n - 1.0);
    samples.iter().map(|s| ((s - mean) / variance.sqrt().max(1e-10)) as f32).collect()
}

/// Cents above 10 Hz of the first of the network's answers; they are 20 apart.
const FIRST: f64 = 1_997.379_408_437_619;

/// The pitch that the network's 360 answers stand for, in cents above 10 Hz: the mean of the nine around the largest, weighted by
/// what they are (J. W. Kim et al., *CREPE*, 2018).
pub fn pitch(answers: &[f32]) -> f64 {
    let largest = answers.iter().enumerate().max_by(|x, y| x.1.total_cmp(y.1)).map_or(0, |(i, _)| i);
    let around = largest.saturating_sub(4)..(largest + 5).min(answers.len());
    let (mut sum, mut weights) = (0.0, 0.0);
    for i in around {
        let weight = f64::from(answers[i]);
        sum += weight * (FIRST + 20.0 * i as f64);
        weights += weight;
    }
    sum / weights
}
