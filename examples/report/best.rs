//! The best of some rounds: whatever else a machine does makes a round slower, never faster.

use crate::Result;
use std::time::Duration;

const ROUNDS: usize = 5;
/// A round takes this long at least, so that what a submission costs does not count.
const BATCH: Duration = Duration::from_millis(50);

/// Seconds of one run in the best round; `run` runs it so many times and says how long all took.
pub fn best(mut run: impl FnMut(u64) -> Result<Duration>) -> Result<f64> {
    let mut times = 1u64;
    let mut took = run(times)?;
    while took < BATCH {
        let more = 1.2 * BATCH.as_secs_f64() / took.as_secs_f64().max(1e-9);
        times = ((times as f64 * more) as u64).clamp(times + 1, 16 * times);
        took = run(times)?;
    }
    for _ in 1..ROUNDS {
        took = took.min(run(times)?);
    }
    Ok(took.as_secs_f64() / times as f64)
}
