//! Tensors whose amax the kernel that writes them leaves beside them: quantised by it they are what they would be if they were
//! read twice, to the bit.

mod common;

use quarter::{
    Error,
    dtype::{Format, PowerRounding},
    nn::{Graph, Value},
    ops::*,
    scale::{Granularity, ScaleRule},
    tensor::*,
};

/// What makes a tensor of these elements of the one input.
type Maker = fn(&mut Graph, Value, Element) -> Result<Value, Error>;

/// By operations that write in every way there is: blocks, rows, tiles, moved elements.
const MAKERS: [(&str, Maker); 5] = [
    ("gemm", |g, x, out| g.apply(&Gemm::new(37, 37, 43).out(out), &[("a", x), ("b", x)])),
    ("unary", |g, x, out| g.apply(&Unary::new([37, 43]).alpha(0.37).out(out), &[("x", x)])),
    ("softmax", |g, x, out| g.apply(&Softmax::new([37, 43]).out(out), &[("x", x)])),
    ("layer_norm", |g, x, out| g.apply(&LayerNorm::new([37, 43]).out(out), &[("x", x)])),
    ("permute", |g, x, out| {
        let y = g.apply(&Unary::new([37, 43]).alpha(3.1).out(out), &[("x", x)])?;
        g.apply(&Permute::new([37, 43], out, [1, 0]), &[("x", y)])
    }),
];

#[test]
fn one_reading_gives_the_bits_of_two() {
    let numbers: Vec<f32> = (0..37 * 43).map(|i| ((i * 7919 % 1009) as f32 - 500.0) * 0.013).collect();
    let mut all = vec![numbers.clone()];
    // Beyond f16, and NaN.
    all.push(numbers.iter().map(|v| v * 3e4).collect());
    all.push(numbers.iter().map(|v| if *v == numbers[77] { f32::NAN } else { *v }).collect());
    for ctx in common::contexts() {
        for (name, make) in MAKERS {
            for plain in [Element::F32, Element::F16, Element::BF16] {
                for rule in [ScaleRule::Amax, ScaleRule::Power(PowerRounding::Ceil)] {
                    let mut g = Graph::new();
                    let x = g.input(&Layout::new([37, 43], Element::F32).unwrap());
                    let [twice, once] = [plain, plain.observed()].map(|out| {
                        let y = make(&mut g, x, out).unwrap();
                        let shape = g.layout(y).unwrap().shape().to_vec();
                        let op = Quantize::new(shape, out.dtype(), Format::E4M3FN, Granularity::PerTensor);
                        let op = if out.is_observed() { op.observed() } else { op };
                        g.apply(&op.rule(rule), &[("x", y)]).unwrap()
                    });
                    let model = pollster::block_on(g.compile(&ctx, &[twice, once])).unwrap();
                    for x in &all {
                        let x = HostTensor::from_f32(x, [37, 43]).unwrap();
                        let y = pollster::block_on(model.call(&[&x])).unwrap();
                        assert_eq!(y[0], y[1], "{name} {plain} {rule:?} on {}", ctx.name());
                    }
                }
            }
        }
    }
}
