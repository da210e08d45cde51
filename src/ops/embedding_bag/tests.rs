//! The reference by hand.

use super::*;
use crate::ops::Arithmetic;
use crate::tensor::HostTensor;

fn reference(op: &EmbeddingBag, index: &[u32], offsets: &[u32], weights: &[f32]) -> Vec<Vec<f64>> {
    let shape = |role: &str| {
        let operands = op.operands().unwrap();
        operands.iter().find(|o| o.role == role).map(|o| o.layout.shape().to_vec())
    };
    let table: Vec<f32> = vec![1.0, -1.0, 10.0, -10.0, 100.0, -100.0];
    let mut tensors = vec![
        ("index", HostTensor::from_u32(index, shape("index").unwrap()).unwrap()),
        ("table", HostTensor::from_f32(&table, [3, 2]).unwrap()),
    ];
    if let Some(shape) = shape("offsets") {
        tensors.push(("offsets", HostTensor::from_u32(offsets, shape).unwrap()));
    }
    if let Some(shape) = shape("weights") {
        tensors.push(("weights", HostTensor::from_f32(weights, shape).unwrap()));
    }
    let out = op.reference(&Inputs { tensors, arithmetic: Arithmetic::F32 }).0;
    out.into_iter().map(|(_, v)| v.into_iter().map(|v| v.value).collect()).collect()
}

#[test]
fn even_bags() {
    let op = EmbeddingBag::new(Bags::Even { bags: 2, size: 3 }, 3, 2).status();
    let index = [0, 1, 2, 2, 2, 0];
    let of = |op: &EmbeddingBag| reference(op, &index, &[], &[1.0, 2.0, 3.0, 0.5, 0.0, -1.0]);
    assert_eq!(of(&op), [vec![111.0, -111.0, 201.0, -201.0], vec![0.0; 2]]);
    assert_eq!(of(&op.clone().mode(BagMode::Mean))[0], [37.0, -37.0, 67.0, -67.0]);
    assert_eq!(of(&op.clone().mode(BagMode::Max))[0], [100.0, -1.0, 100.0, -1.0]);
    assert_eq!(of(&op.clone().weights(DType::F32))[0], [321.0, -321.0, 49.0, -49.0]);
    // Two of three count.
    let padded = op.padding_index(0);
    assert_eq!(of(&padded)[0], [110.0, -110.0, 200.0, -200.0]);
    assert_eq!(of(&padded.clone().mode(BagMode::Mean))[0], [55.0, -55.0, 100.0, -100.0]);
    assert_eq!(of(&padded.mode(BagMode::Max))[0], [100.0, -10.0, 100.0, -100.0]);
}

#[test]
fn ragged_bags() {
    let op = EmbeddingBag::new(Bags::Ragged { bags: 3, indices: 5 }, 3, 2).status();
    let of = |op: &EmbeddingBag, offsets: &[u32]| reference(op, &[0, 0, 1, 7, 2], offsets, &[]);
    // The first index is in no bag; the second bag is empty; the third has an index beyond the table, which counts.
    let usual = of(&op, &[1, 3, 3, 5]);
    assert_eq!(usual, [vec![11.0, -11.0, 0.0, 0.0, 100.0, -100.0], vec![1.0, 0.0]]);
    assert_eq!(of(&op.clone().mode(BagMode::Mean), &[1, 3, 3, 5])[0], [5.5, -5.5, 0.0, 0.0, 50.0, -50.0]);
    assert_eq!(of(&op.clone().mode(BagMode::Max), &[1, 3, 3, 5])[0], [10.0, -1.0, 0.0, 0.0, 100.0, 0.0]);
    // Offsets that fall, and beyond the end.
    let bad = of(&op, &[3, 1, 3, 9]);
    assert_eq!(bad, [vec![0.0, 0.0, 11.0, -11.0, 100.0, -100.0], vec![1.0, 2.0]]);
    let beyond = of(&op, &[9, 9, 4, u32::MAX]);
    assert_eq!(beyond, [vec![0.0, 0.0, 0.0, 0.0, 100.0, -100.0], vec![0.0, 3.0]]);
}
