//! Changing the code set: every code of every pair of formats that share their fields, against the numbers themselves.

use quarter::{dtype::*, scale::Granularity::*, scale::*, tensor::*};

/// Two scales, so that a group taken for its neighbour shows.
const SCALES: [f32; 2] = [0.37, 96.0];

fn tensor(format: Format, codes: &[u8]) -> HostTensor {
    let scales = Scales::new(PerChannel { axis: 0 }, &SCALES, 2).unwrap();
    HostTensor::from_codes(format, codes, [2, codes.len() as u32 / 2], scales).unwrap()
}

/// What a code must become, by the definition: the code of the same number times 2^(difference of the biases).
fn expected(from: Format, to: Format, code: u8) -> Option<u8> {
    let x = from.decode(code);
    let shift = 2f64.powi(from.bias() - to.bias());
    if x.is_nan() || (x.is_infinite() && to.infinity_code().is_none()) {
        let signed = from.has_negative_zero() && to.has_negative_zero();
        return Some(if signed { code & 0x80 | to.nan_code() } else { to.nan_code() });
    }
    let want = f64::from(x) * shift;
    (0..=255).find(|&c| {
        let y = f64::from(to.decode(c));
        y == want && (x != 0.0 || !to.has_negative_zero() || y.is_sign_negative() == x.is_sign_negative())
    })
}

#[test]
fn every_code_of_every_pair() {
    let (mut pairs, mut refused) = (0, 0);
    for from in Format::ALL {
        for to in Format::ALL {
            if (from.exp_bits(), from.man_bits()) != (to.exp_bits(), to.man_bits()) {
                assert!(matches!(tensor(from, &[0, 0]).repack(to), Err(TensorError::Repack { .. })));
                continue;
            }
            pairs += 1;
            for code in 0..=255 {
                let t = tensor(from, &[0, 0, code, 1, code, code]);
                let got = t.repack(to);
                let Some(want) = expected(from, to, code) else {
                    refused += 1;
                    let e = got.unwrap_err();
                    assert!(
                        matches!(e, TensorError::Code { code: c, index: 2, .. } if c == code),
                        "{from} to {to}: {e}"
                    );
                    continue;
                };
                let got = got.unwrap();
                assert_eq!(got.codes().unwrap(), [0, 0, want, 1, want, want], "{from} to {to} {code:02x}");
                for (a, b) in t.to_f32().into_iter().zip(got.to_f32()) {
                    let lost = a.is_infinite() && to.infinity_code().is_none();
                    assert!(
                        a == b || b.is_nan() && (a.is_nan() || lost),
                        "{from} to {to} {code:02x}: {a} {b}"
                    );
                }
                let s = got.scales().unwrap();
                assert_eq!(s.has_nan(), to.is_nan(want), "{from} to {to} {code:02x}");
                for (g, scale) in SCALES.into_iter().enumerate() {
                    assert_eq!(s.scale_of(g), scale * 2f32.powi(to.bias() - from.bias()));
                    assert_eq!(s.inv_scale_of(g), 1.0 / s.scale_of(g));
                }
            }
        }
    }
    // 5 formats of 4/3, 2 of 5/2, 2 of 3/4. Refused are what FNUZ has above FN's and IEEE's NaNs and infinities, both
    // signs, and E4M3FN's and E3M4FN's above their IEEE twins'.
    assert_eq!(pairs, 4 * 4 + 2 * 2 + 2 * 2);
    assert_eq!(refused, 2 * (1 + 8) + 2 * (1 + 8) + 2 * 4 + 2 * 7 + 2 * 15);
}

#[test]
fn the_named_pairs() {
    let fnuz = tensor(Format::E4M3FN, &[0x80, 0x7F, 0xFF, 0xFE]).repack(Format::E4M3FNUZ).unwrap();
    assert_eq!(fnuz.codes().unwrap(), [0x00, 0x80, 0x80, 0xFE]);
    assert_eq!(fnuz.scales().unwrap().scale_of(1), 192.0);
    let fnuz = tensor(Format::E5M2, &[0x80, 0x7C, 0xFD, 0x7B]).repack(Format::E5M2FNUZ).unwrap();
    assert_eq!(fnuz.codes().unwrap(), [0x00, 0x80, 0x80, 0x7B]);
    assert!(fnuz.scales().unwrap().has_nan());
    let back = fnuz.repack(Format::E5M2).unwrap();
    assert_eq!(back.codes().unwrap(), [0x00, 0x7E, 0x7E, 0x7B]);
    for (format, to, top) in
        [(Format::E4M3FNUZ, Format::E4M3FN, 0x7F), (Format::E5M2FNUZ, Format::E5M2, 0xFC)]
    {
        let e = tensor(format, &[1, 2, 3, top]).repack(to).unwrap_err().to_string();
        assert!(e.contains(&format!("{top:#04x} of {format} at element 3")), "{e}");
    }
}

#[test]
fn scales_amax_and_flags() {
    let one = |s: f32| {
        HostTensor::from_codes(Format::E4M3FN, &[0x38], [1], Scales::per_tensor(Scale::new(s).unwrap()))
    };
    let top = one(2f32.powi(126)).unwrap();
    assert!(matches!(top.repack(Format::E4M3FNUZ), Err(TensorError::Scale(ScaleError::OutOfRange(_)))));
    let low = one(2f32.powi(-126)).unwrap();
    assert_eq!(low.repack(Format::E4M3FNUZ).unwrap().repack(Format::E4M3FN).unwrap(), low);
    let low = HostTensor::from_codes(Format::E4M3FNUZ, &[0x38], [1], low.scales().unwrap().clone()).unwrap();
    assert!(matches!(low.repack(Format::E4M3FN), Err(TensorError::Scale(ScaleError::OutOfRange(_)))));
    assert_eq!(one(0.0).unwrap().repack(Format::E4M3FNUZ).unwrap().scales().unwrap().scale_of(0), 0.0);

    let x = HostTensor::from_f32(&[1.0, -3.0, f32::NAN, 0.5], [2, 2]).unwrap();
    let q = x.quantize(Format::E4M3FN, PerChannel { axis: 0 }).unwrap();
    let (before, after) = (q.scales().unwrap().clone(), q.repack(Format::E4M3FNUZ).unwrap());
    let after = after.scales().unwrap();
    assert_eq!((after.record().flags, after.amax_of(0)), (before.record().flags, 3.0));
    assert!(after.amax_of(1).is_nan() && after.has_nan());
    assert_eq!((after.record().scale, after.record().inv_scale), (1.0, 1.0));
    assert!(matches!(x.repack(Format::E5M2), Err(TensorError::Kind { .. })));
}
