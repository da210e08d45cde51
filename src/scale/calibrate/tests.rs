use super::{Calibration::*, *};
use crate::{dtype::Specials, scale::Scale};
use std::collections::BTreeMap;

/// Unit roundoff of f64.
const U: f64 = f64::EPSILON / 2.0;

/// Numbers with all bits of mantissa, normal with deviation 1 or nearly: sums of 12 uniform ones.
fn normal(n: usize) -> Vec<f32> {
    let mut state = 1u64;
    let mut uniform = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1u64 << 24) as f32
    };
    (0..n).map(|_| (0..12).map(|_| uniform()).sum::<f32>() - 6.0).collect()
}

/// The same with 8 bits of mantissa, most of them smaller: all numbers are edges of bins, and many round to zero where codes are few.
fn edges(n: usize) -> Vec<f32> {
    let edge = |x: &f32| f32::from_bits(x.to_bits() & !0x7FFF);
    normal(n).iter().enumerate().map(|(i, x)| edge(x) / 2f32.powi(i as i32 % 8)).collect()
}

fn amax(c: Calibration, f: Format, x: &[f32]) -> f32 {
    let mut o = c.observer(f).unwrap();
    o.observe(x);
    o.amax().unwrap()
}

/// Values of the format at this threshold.
fn levels(f: Format, threshold: f32) -> Vec<f64> {
    let scale = f64::from(Scale::from_amax(threshold, f).get());
    (0..=f.max_code()).map(|c| f64::from(f.decode(c)) * scale).collect()
}

fn nearest(levels: &[f64], x: f32) -> f64 {
    let x = f64::from(x.abs());
    *levels.iter().min_by(|a, b| (x - *a).abs().total_cmp(&(x - *b).abs())).unwrap()
}

fn error(f: Format, threshold: f32, x: &[f32]) -> f64 {
    let levels = levels(f, threshold);
    x.iter().map(|&x| (f64::from(x.abs()) - nearest(&levels, x)).powi(2)).sum()
}

fn cosine(f: Format, threshold: f32, x: &[f32]) -> f64 {
    let levels = levels(f, threshold);
    let q: Vec<f64> = x.iter().map(|&x| nearest(&levels, x)).collect();
    let dot = |a: &mut dyn Iterator<Item = (f64, f64)>| a.map(|(a, b)| a * b).sum::<f64>();
    let size = |x: f32| f64::from(x.abs());
    let xq = dot(&mut x.iter().map(|&x| size(x)).zip(q.iter().copied()));
    let xx = dot(&mut x.iter().map(|&x| (size(x), size(x))));
    xq / (xx * dot(&mut q.iter().map(|&q| (q, q)))).sqrt()
}

/// Every number with 8 bits of mantissa from the least of these to the largest.
fn candidates(x: &[f32]) -> impl Iterator<Item = f32> {
    let bits = |x: &f32| x.abs().to_bits();
    let low = x.iter().map(bits).filter(|&b| b != 0).min().unwrap();
    let high = x.iter().map(bits).max().unwrap();
    (low >> 15..=high >> 15).map(|b| f32::from_bits(b << 15))
}

/// Formats with many and with few values to a binade, with and without subnormals that matter.
fn formats() -> [Format; 5] {
    let signed = |e, m| Format::signed(e, m, 0, Specials::Fn).unwrap();
    [Format::E4M3FN, Format::E5M2, Format::E3M4FN, Format::E2M1FN, signed(1, 6)]
}

#[test]
fn bins_hold_exact_moments() {
    let mut x: Vec<f32> = normal(300).iter().enumerate().map(|(i, x)| x * 2f32.powi(i as i32 % 7)).collect();
    x.extend([f32::MAX, f32::MIN_POSITIVE, 1.0, f32::from_bits(0x3F80_0001), f32::from_bits(0x3F80_8000)]);
    let mut h = Histogram::default();
    h.observe(&x);
    let mut counts = BTreeMap::<u32, Vec<f64>>::new();
    for x in &x {
        counts.entry((x.abs().to_bits() - 1) >> 15).or_default().push(x.abs().into());
    }
    let bins: Vec<_> = h.bins().filter(|b| b.count > 0.0).collect();
    assert_eq!(bins.len(), counts.len());
    for (bin, numbers) in bins.iter().zip(counts.values()) {
        assert_eq!(bin.count, numbers.len() as f64);
        // Few numbers with 24 bits: exact but for the squares, whose few terms are rounded each.
        assert_eq!(bin.sum(), numbers.iter().sum::<f64>());
        let squares: f64 = numbers.iter().map(|x| x * x).sum();
        assert!((bin.squares() - squares).abs() <= 8.0 * numbers.len() as f64 * U * squares);
        assert!(numbers.iter().all(|x| bin.upper - bin.width < *x && *x <= bin.upper));
        assert_eq!(bin.error(numbers[0]) == 0.0, numbers.iter().all(|x| *x == numbers[0]));
    }
    assert_eq!(h.amax(), f32::MAX);
    assert_eq!(amax(Percentile(100.0), Format::E4M3FN, &x), f32::MAX);
}

#[test]
fn bins_lie_on_the_side_of_their_mean() {
    let mut h = Histogram::default();
    h.observe(&normal(2000));
    let mut cut = 0;
    for (i, at) in normal(500).into_iter().map(|at| f64::from(at.abs()) * (1.0 + f64::EPSILON)).enumerate() {
        // An edge, exactly, every other time.
        let at = if i % 2 == 0 { at } else { h.bin(h.len() - 1 - i).upper };
        let counted: Vec<bool> = h.bins().map(|b| b.mean() <= at).collect();
        assert_eq!(h.below(at), counted.iter().filter(|c| **c).count(), "{at}");
        cut += usize::from(
            h.bins().any(|b| b.count > 1.0 && b.upper - b.width < at && b.mean() <= at && at < b.upper),
        );
    }
    assert!(cut > 50, "only {cut} of bins cut");
    assert_eq!((h.below(1e-300), h.below(1e300)), (0, h.len()));
}

#[test]
fn of_equal_thresholds_the_largest_is_taken() {
    let losses = [3.0, 1.0, 2.0, 1.0, 2.0];
    let thresholds = (0..5).zip([1.0, 2.0, 3.0, 4.0, 5.0]);
    assert_eq!(least(thresholds, |i: usize, _| losses[i]), Some(4.0));
}

#[test]
fn percentile_is_the_number_of_that_rank() {
    for (exact, mut x) in [(true, edges(997)), (false, normal(1000))] {
        x.extend([0.0; 3]);
        let mut sorted: Vec<f32> = x.iter().map(|x| x.abs()).collect();
        sorted.sort_by(f32::total_cmp);
        for percent in [0.1, 0.2, 1.0, 25.0, 50.0, 90.0, 99.0, 99.9, 100.0] {
            let rank = (percent * x.len() as f64 / 100.0).ceil() as usize;
            let (want, got) = (sorted[rank - 1], amax(Percentile(percent), Format::E4M3FN, &x));
            let most = if exact { want } else { want * (1.0 + 2f32.powi(-8)) };
            assert!(want <= got && got <= most, "{percent}: {want} {got}");
        }
    }
}

/// Sums of squares over up to as many bins and numbers, each rounded a few times.
fn noise(x: &[f32]) -> f64 {
    let squares: f64 = x.iter().map(|&x| f64::from(x).powi(2)).sum();
    4.0 * U * (candidates(x).count() + x.len()) as f64 * squares
}

#[test]
fn mse_is_the_least_of_all_thresholds() {
    for f in formats() {
        // In E2M1 the small ones are zero unless the large one is clipped.
        let small = [&[0.1875; 400][..], &[6.0]].concat();
        for x in [1, 2, 5, 40].map(edges).into_iter().chain([small]) {
            let best = candidates(&x).map(|t| error(f, t, &x)).min_by(f64::total_cmp).unwrap();
            let got = error(f, amax(Mse, f, &x), &x);
            assert!(got <= best + 2.0 * noise(&x), "{f} {}: {got} {best}", x.len());
        }
        // A number in the bin that a rounding boundary cuts may count for the wrong side of it, by the bin's width at most.
        let x = normal(40);
        let best = candidates(&x).map(|t| (error(f, t, &x) + wrong_side(f, t, &x), t));
        let (best, _) = best.min_by(|a, b| a.0.total_cmp(&b.0)).unwrap();
        let got = error(f, amax(Mse, f, &x), &x);
        assert!(got <= best + 2.0 * noise(&x), "{f}: {got} {best}");
    }
}

/// What rounding all numbers of a bin alike can add to the squared error.
fn wrong_side(f: Format, threshold: f32, x: &[f32]) -> f64 {
    let levels = levels(f, threshold);
    let cost = |x: f32| {
        let upper = f64::from(f32::from_bits((((x.abs().to_bits() - 1) >> 15) + 1) << 15));
        let lower = f64::from(f32::from_bits(((x.abs().to_bits() - 1) >> 15) << 15));
        let cut = levels.windows(2).find(|l| lower < (l[0] + l[1]) / 2.0 && (l[0] + l[1]) / 2.0 < upper);
        cut.map_or(0.0, |l| 2.0 * (upper - lower) * (l[1] - l[0]))
    };
    x.iter().map(|&x| cost(x)).sum()
}

#[test]
fn equal_cosines_take_the_largest() {
    for x in [&[1.0, 2.0][..], &[1.0, 2.0, 4.0, 8.0], &[f32::MAX, 1.0], &[1.0, 1e6]] {
        assert_eq!(amax(Cosine, Format::E4M3FN, x), x.iter().copied().fold(0.0, f32::max), "{x:?}");
    }
}

#[test]
fn cosine_is_the_largest_of_all_thresholds() {
    for f in formats() {
        for n in [1, 2, 5, 40] {
            let x = edges(n);
            let best = candidates(&x).map(|t| cosine(f, t, &x)).max_by(f64::total_cmp).unwrap();
            let got = cosine(f, amax(Cosine, f, &x), &x);
            // Its square is compared in f32, and is at most 1.
            let noise = f64::from(f32::EPSILON);
            assert!(got >= best - noise, "{f} {n}: {got} {best}");
        }
    }
}

/// The divergence of one threshold, with P and Q written out.
fn divergence(f: Format, threshold: f32, x: &[f32]) -> Option<f64> {
    let mut bins = BTreeMap::<u32, f64>::new();
    for x in x {
        *bins.entry((x.abs().to_bits() - 1) >> 15).or_default() += 1.0;
    }
    let upper = |b: u32| f64::from(f32::from_bits((b + 1) << 15));
    let width = |b: u32| upper(b) - f64::from(f32::from_bits(b << 15));
    let (kept, clipped): (Vec<_>, Vec<_>) = bins.iter().partition(|&(&b, _)| upper(b) <= threshold.into());
    if kept.is_empty() || upper(*kept[kept.len() - 1].0) != f64::from(threshold) {
        return None;
    }
    let clipped: f64 = clipped.iter().map(|b| b.1).sum();
    if 2.0 * clipped > x.len() as f64 {
        return None;
    }
    let levels = levels(f, threshold);
    let code = |b: u32| nearest(&levels, upper(b) as f32).to_bits();
    let mut codes = BTreeMap::<u64, (f64, f64)>::new();
    for &(&b, &n) in &kept {
        let code = codes.entry(code(b)).or_default();
        (code.0, code.1) = (code.0 + n, code.1 + width(b));
    }
    let q: Vec<f64> = kept.iter().map(|(b, _)| codes[&code(**b)]).map(|(n, w)| n / w).collect();
    let q: Vec<f64> = q.iter().zip(&kept).map(|(q, (b, _))| q * width(**b)).collect();
    let mut p: Vec<f64> = kept.iter().map(|b| *b.1).collect();
    *p.last_mut().unwrap() += clipped;
    let (of_p, of_q) = (p.iter().sum::<f64>(), q.iter().sum::<f64>());
    Some(p.iter().zip(&q).map(|(p, q)| p / of_p * (p / of_p / (q / of_q)).ln()).sum())
}

#[test]
fn kl_is_the_least_of_all_thresholds() {
    for f in formats() {
        for n in [1, 2, 5, 40, 500] {
            let x: Vec<f32> = edges(n).into_iter().map(|x| if x == 0.0 { 1.0 } else { x }).collect();
            let all: Vec<(f64, f32)> =
                candidates(&x).filter_map(|t| Some((divergence(f, t, &x)?, t))).collect();
            let best = all.iter().map(|a| a.0).min_by(f64::total_cmp).unwrap();
            let got = divergence(f, amax(Kl, f, &x), &x).unwrap();
            // Sums over as many bins of logarithms below 88 + ln n, a few times each.
            let noise = 8.0 * U * (candidates(&x).count() + n) as f64 * (88.0 + (n as f64).ln());
            assert!(got <= best + noise, "{f} {n}: {got} {best} of {}", all.len());
        }
    }
}

#[test]
fn outliers_are_clipped_where_that_pays() {
    // A grid of even steps, which an outlier makes coarse for all.
    let f = Format::signed(1, 6, 0, Specials::Fn).unwrap();
    let mut x = normal(20_000);
    x.push(-8.0);
    for c in [Percentile(99.9), Kl, Mse, Cosine] {
        let got = amax(c, f, &x);
        assert!(2.0 < got && got < 7.5, "{c:?}: {got}");
    }
    for c in [MinMax, Percentile(100.0)] {
        assert_eq!(amax(c, f, &x), 8.0);
    }
}

#[test]
fn order_and_batches_do_not_matter() {
    let mut x = normal(1000);
    x.extend([1e-30, -1e30, 0.0, f32::NAN, f32::NEG_INFINITY, f32::MAX, f32::MIN_POSITIVE]);
    let mut at_once = Histogram::default();
    at_once.observe(&x);
    let mut reversed = Histogram::default();
    x.reverse();
    x.chunks(17).for_each(|x| reversed.observe(x));
    assert_eq!(at_once, reversed);
    let mut joined = Histogram::default();
    for x in x.chunks(100) {
        let mut part = Histogram::default();
        part.observe(x);
        joined.join(&part);
    }
    assert_eq!(at_once, joined);
    assert_eq!((joined.count(), joined.non_finite()), (1005, 2));
}

#[test]
fn constants_zeros_and_nothing() {
    for c in [MinMax, Percentile(99.99), Percentile(1.0), Kl, Mse, Cosine] {
        for f in formats() {
            for x in [&[0.37; 100][..], &[-3.0], &[f32::MAX], &[f32::MIN_POSITIVE], &[1e-42]] {
                let want = if x[0] == 1e-42 { 0.0 } else { x[0].abs() };
                assert_eq!(amax(c, f, x), want, "{c:?} {f}");
            }
            let mut o = c.observer(f).unwrap();
            assert_eq!(o.amax(), Err(CalibrationError::Empty { non_finite: 0 }));
            o.observe(&[]);
            o.observe(&[f32::NAN, f32::INFINITY]);
            assert_eq!(o.scale(), Err(CalibrationError::Empty { non_finite: 2 }));
            o.observe(&[0.0, -0.0]);
            assert_eq!((o.amax(), o.scale()), (Ok(0.0), Ok(Scale::ONE)));
            o.observe(&[-0.5]);
            o.observe(&[f32::NAN]);
            assert_eq!(o.histogram().non_finite(), 3);
            let want = if c == Percentile(1.0) { 0.0 } else { 0.5 };
            assert_eq!(o.amax(), Ok(want));
        }
    }
}

#[test]
fn unsigned_formats_take_no_negative_numbers() {
    let format = Format::unsigned(4, 4, 7, Specials::Fn).unwrap();
    let mut o = Mse.observer(format).unwrap();
    o.observe(&[0.0, -0.0, -1e-40, 2.0]);
    assert!(o.amax().is_ok());
    o.observe(&[-1.0]);
    assert_eq!(o.amax(), Err(CalibrationError::Negative { format, count: 1 }));
}

#[test]
fn percentiles_outside_their_range_are_refused() {
    for p in [0.0, -1.0, 100.1, f64::INFINITY] {
        assert_eq!(Percentile(p).observer(Format::E5M2).err(), Some(CalibrationError::Percentile(p)));
    }
    assert!(Percentile(f64::NAN).observer(Format::E5M2).is_err());
}

#[test]
fn progress_is_told_after_every_batch() {
    let mut told = vec![];
    let batches = (0..3).map(|i| vec![1.0f32; i]).filter(|_| true);
    calibrate(batches, MinMax, Format::E4M3FN, |p| told.push(p)).unwrap();
    let want = [(1, 0), (2, 1), (3, 3)];
    assert_eq!(told, want.map(|(batches, elements)| Progress { batches, of: Some(3), elements }));
    let mut endless = vec![];
    let batches = std::iter::from_fn({
        let mut left = 2;
        move || (left > 0).then(|| left -= 1).map(|()| [1.0f32])
    });
    calibrate(batches, MinMax, Format::E4M3FN, |p| endless.push(p.of)).unwrap();
    assert_eq!(endless, [None, None]);
}

#[test]
fn observers_cross_threads() {
    fn is_send<T: Send + Sync + 'static>() {}
    is_send::<Observer>();
}
