//! E8M0FNU against closed forms in f64: every code, every rounding, every rule.

use quarter::{
    dtype::{F8E8M0FNU as E8, Format, PowerRounding},
    scale::{Scale, ScaleError},
};

const RULES: [PowerRounding; 3] = [PowerRounding::Floor, PowerRounding::Ceil, PowerRounding::Even];

fn two(e: i32) -> f64 {
    2f64.powi(e)
}

fn codes() -> std::ops::RangeInclusive<u8> {
    0..=0xFE
}

#[test]
fn every_code_is_its_power_of_two() {
    for code in codes() {
        let x = E8::from_bits(code);
        assert_eq!(f64::from(x.to_f32()), two(i32::from(code) - 127), "{code:02x}");
        for rule in RULES {
            assert_eq!(E8::from_f32(x.to_f32(), rule).to_bits(), code, "{code:02x} {rule:?}");
        }
        assert!(!x.is_nan());
    }
    assert!(E8::NAN.is_nan() && E8::NAN.to_f32().is_nan() && E8::NAN.to_bits() == 0xFF);
    assert_eq!([E8::ONE, E8::MIN, E8::MAX].map(E8::to_f32), [1.0, 2f32.powi(-127), 2f32.powi(127)]);
    assert_eq!(
        (E8::ONE.to_string(), format!("{:?}", E8::MAX)),
        ("1".into(), format!("{:?}", 2f32.powi(127)))
    );
}

/// By search among all values, in f64.
fn nearest(x: f64, rule: PowerRounding) -> u8 {
    let value = |c: u8| two(i32::from(c) - 127);
    match rule {
        PowerRounding::Floor => codes().rev().find(|&c| value(c) <= x).unwrap_or(0),
        PowerRounding::Ceil => codes().find(|&c| value(c) >= x).unwrap_or(0xFE),
        PowerRounding::Even => codes()
            .min_by(|&a, &b| {
                let far = |c| (value(c) - x).abs();
                far(a).total_cmp(&far(b)).then((a & 1).cmp(&(b & 1)))
            })
            .unwrap(),
    }
}

#[test]
fn every_rounding_of_every_edge() {
    let mut compared = 0;
    for e in -149..128i32 {
        for m in [1.0, 1.25, 1.5, 1.75] {
            let x = (m * two(e)) as f32;
            for x in [x.next_down(), x, x.next_up()] {
                if x > 0.0 && x.is_finite() {
                    for rule in RULES {
                        let want = nearest(x.into(), rule);
                        assert_eq!(E8::from_f32(x, rule).to_bits(), want, "{x:e} {rule:?}");
                        compared += 1;
                    }
                }
            }
        }
    }
    assert!(compared > 9000, "{compared}");
    for rule in RULES {
        for zero in [0.0, -0.0] {
            assert_eq!(E8::from_f32(zero, rule).to_bits(), 0);
        }
        for none in [-1.0, -1e-45, f32::INFINITY, f32::NEG_INFINITY, f32::NAN, -f32::NAN] {
            assert!(E8::from_f32(none, rule).is_nan(), "{none}");
        }
        assert_eq!(E8::from_f32(f32::MAX, rule), E8::MAX);
        assert_eq!(E8::from_f32(1e-45, rule), E8::MIN);
    }
}

/// The rules as written down, in f64, where all of it is exact.
fn rule_of(amax: f64, format: Format, rule: PowerRounding) -> i32 {
    let emax = f64::from(format.max()).log2().floor() as i32;
    let floor = |x: f64| (-160..160).rev().find(|&e| two(e) <= x).unwrap();
    match rule {
        PowerRounding::Floor => floor(amax) - emax,
        PowerRounding::Ceil => (-300..300).find(|&e| amax / two(e) <= f64::from(format.max())).unwrap(),
        PowerRounding::Even => {
            let unit = two(floor(amax) - format.man_bits() as i32);
            floor((amax / unit).round_ties_even() * unit) - emax
        }
    }
}

#[test]
fn every_mx_rule_of_every_format() {
    let mut differ = [0; 2];
    for format in Format::ALL {
        for e in -126..128 {
            // All that the mantissas of amax and max can do to each other: 64 steps and their neighbours.
            for m in 64..128u32 {
                let x = (f64::from(m) / 64.0 * two(e)) as f32;
                for x in [x.next_down(), x, -x.next_up()] {
                    if x.abs() < f32::MIN_POSITIVE || !x.is_finite() {
                        continue;
                    }
                    let got = RULES.map(|rule| {
                        let want = (rule_of(f64::from(x.abs()), format, rule) + 127).clamp(0, 0xFE);
                        let got = E8::from_amax(x, format, rule).to_bits();
                        assert_eq!(i32::from(got), want, "{format} {x:e} {rule:?}");
                        got
                    });
                    differ[0] += u32::from(got[0] != got[1]);
                    differ[1] += u32::from(got[0] != got[2]);
                }
            }
        }
        for rule in RULES {
            for (amax, want) in
                [(0.0, E8::ONE), (1e-40, E8::ONE), (f32::NAN, E8::NAN), (f32::INFINITY, E8::NAN)]
            {
                assert_eq!(E8::from_amax(amax, format, rule), want);
            }
        }
    }
    assert!(differ.iter().all(|&d| d > 1000), "rules that never differ: {differ:?}");
}

#[test]
fn scales() {
    for code in codes() {
        let x = E8::from_bits(code);
        match Scale::try_from(x) {
            Ok(s) => {
                assert!((1..=0xFD).contains(&code));
                assert_eq!(E8::try_from(s), Ok(x));
            }
            Err(e) => assert!(matches!(e, ScaleError::OutOfRange(_)) && !(1..=0xFD).contains(&code)),
        }
    }
    assert!(matches!(Scale::try_from(E8::NAN), Err(ScaleError::OutOfRange(x)) if x.is_nan()));
    for s in [0.0, 0.75, 3.0] {
        assert_eq!(E8::try_from(Scale::new(s).unwrap()), Err(ScaleError::NotPowerOfTwo(s)));
    }
}
