//! INT8 as the baseline: symmetric, codes −127 … 127, on the host.

/// round(x · 127 / amax) · amax / 127, nearest even, over groups of `group` numbers that follow one another.
pub fn simulated(x: &[f32], group: usize) -> Vec<f32> {
    let of = |x: &[f32]| {
        let amax = x.iter().fold(0f32, |most, v| most.max(v.abs()));
        let step = if amax == 0.0 { 1.0 } else { amax / 127.0 };
        x.iter().map(move |v| (v / step).round_ties_even() * step).collect::<Vec<_>>()
    };
    x.chunks(group).flat_map(of).collect()
}
