//! What a study of post-training quantisation needs of a network.

use crate::models::Result;
use quarter::{
    Error,
    nn::{Graph, Value},
    tensor::{HostTensor, Layout},
};

/// Inputs of one run.
pub struct Batch {
    /// In the order of the graph's.
    pub inputs: Vec<HostTensor>,
    /// Rows of the output that count, the first ones: a batch may be filled up.
    pub rows: usize,
}

impl AsRef<[HostTensor]> for Batch {
    fn as_ref(&self) -> &[HostTensor] {
        &self.inputs
    }
}

/// A trained network, with a test and with data to calibrate on.
pub trait Study {
    /// As the command line has it.
    fn name(&self) -> &'static str;

    /// What [`figure`](Self::figure) is.
    fn measure(&self) -> &'static str;

    /// The network in f32 for a batch whose inputs are of these layouts, every BatchNorm an operation of its own. Its first output
    /// is what [`scores`](Self::scores) takes, a row for every sample.
    fn describe(&self, inputs: &[Layout]) -> Result<(Graph, Vec<Value>)>;

    /// Training data: nothing of the test.
    fn calibration(&self) -> Result<Vec<Batch>>;

    /// What is tested; all batches of a study, those to calibrate on too, have the same layouts.
    fn test(&self) -> Result<Vec<Batch>>;

    /// What each sample of the test is worth, from the rows that count: 1 where it is right, 0 where it is wrong, or as
    /// [`figure`](Self::figure) takes it.
    fn scores(&self, rows: &[f32]) -> Vec<f64>;

    /// The figure of these samples, some of which may be there more than once.
    fn figure(&self, scores: &[f64], samples: &[usize]) -> f64 {
        samples.iter().map(|&i| scores[i]).sum::<f64>() / samples.len() as f64
    }
}

/// Layouts of the inputs of a batch.
pub fn layouts(batch: &Batch) -> Vec<Layout> {
    batch.inputs.iter().map(|t| t.layout().clone()).collect()
}

/// Rows that count of the first output of every batch, one after another.
pub async fn answers(
    batches: &[Batch],
    mut call: impl AsyncFnMut(&[&HostTensor]) -> std::result::Result<Vec<HostTensor>, Error>,
) -> Result<Vec<f32>> {
    let mut all = vec![];
    for batch in batches {
        let out = call(&batch.inputs.iter().collect::<Vec<_>>()).await?.remove(0);
        let width = out.layout().elements() as usize / out.shape()[0] as usize;
        all.extend_from_slice(&out.to_f32()[..batch.rows * width]);
    }
    Ok(all)
}

/// Rows `0..n` of a tensor in parts of `size`, the last row again where one is not full.
pub fn parts(t: &HostTensor, size: usize) -> Result<Vec<Batch>> {
    let (shape, numbers) = (t.shape(), t.to_f32());
    let width = numbers.len() / shape[0] as usize;
    let part = |some: &[f32]| {
        let rows = some.len() / width;
        let last = &some[some.len() - width..];
        let numbers = [some, &last.repeat(size - rows)].concat();
        let shape = [&[size as u32], &shape[1..]].concat();
        Ok(Batch { inputs: vec![HostTensor::from_f32(&numbers, shape)?], rows })
    };
    numbers.chunks(size * width).map(part).collect()
}

/// 1 for every row whose largest number stands at its label.
pub fn classified(rows: &[f32], labels: &[usize]) -> Vec<f64> {
    let right = |(row, label): (&[f32], &usize)| {
        let best = row.iter().enumerate().max_by(|x, y| x.1.total_cmp(y.1));
        f64::from(u8::from(best.is_some_and(|(i, _)| i == *label)))
    };
    rows.chunks_exact(rows.len() / labels.len()).zip(labels).map(right).collect()
}
