//! Post-training quantisation: a network described in f32, rewritten operation by operation.
//!
//! The workflow of *Efficient Post-training Quantization with FP8 Formats* (arXiv 2309.14592). The description is the
//! [`Graph`]; each step makes a [`Network`] of another, or tells something of it:
//!
//! | step | what it does |
//! |---|---|
//! | [`Network::smooth`] | SmoothQuant: factors move from activations into the weights of linear layers |
//! | [`Network::reestimate`] | statistics of BatchNorm, anew behind quantised operations |
//! | [`Network::calibrate`] | ranges of activations, for static schemes |
//! | [`Network::quantize`] | the rewritten network, and a report of it |
//! | [`Network::sensitivity`] | what each operation costs when it alone is quantised |
//! | [`Network::tune`] | returns operations to f32, worst first, until a metric is as it should be |
//!
//! All of them run on any context, and none changes the network that it is asked of. Weights may be constants of the graph, or lie
//! on the context's device.
//!
//! ```
//! use quarter::{Context, dtype::Format, nn::{Graph, ptq::*}, ops::*, scale::Calibration, tensor::*};
//! # pollster::block_on(async {
//! let ctx = Context::cpu();
//! let mut g = Graph::new();
//! let x = g.input(&Layout::new([2, 3], Element::F32)?);
//! let w = g.constant(&HostTensor::from_f32(&[1.0, 2.0, 3.5, 0.5, 1.0, -1.75], [2, 3])?);
//! let y = g.apply(&Gemm::new(2, 2, 3), &[("a", x), ("b", w)])?;
//! let network = Network::new(g, &[y])?;
//!
//! let scheme = Scheme::new(Format::E4M3FN, Approach::Static);
//! let batch = [HostTensor::from_f32(&[1.0, -0.5, 1.75, 0.0, 0.25, 0.5], [2, 3])?];
//! let ranges = network.calibrate(&ctx, &scheme, Calibration::MinMax, [&batch], |_| ()).await?;
//! let quantized = network.quantize(&ctx, &scheme, Some(&ranges)).await?;
//! assert_eq!(quantized.report().nodes(), ["gemm 0"]);
//! let y = quantized.compile(&ctx).await?.call(&[&batch[0]]).await?.remove(0);
//! // Exact: these numbers are codes × 2^-8 and 2^-7.
//! assert_eq!(y.to_f32(), [6.125, -3.0625, 2.25, -0.625]);
//! # Ok::<(), quarter::Error>(()) }).unwrap();
//! ```

mod batch_norm;
mod calibrate;
mod int8;
mod place;
mod quantize;
mod quantized;
mod rewrite;
mod scheme;
mod sensitivity;
mod smooth;
mod tune;

pub use batch_norm::{NormStatistics, Reestimated};
pub use calibrate::Ranges;
pub use place::Left;
pub use quantized::{Compiled, Quantized, QuantizedOperand, Report};
pub use scheme::{Approach, Numbers, Scheme};
pub use sensitivity::Sensitivity;
pub use smooth::{Smooth, Smoothed, Smoothing};
pub use tune::{Step, Tuned};

use super::{Graph, Model, Value, graph::Source};
use crate::{context::Context, error::Error, scale::Progress, tensor::HostTensor};
use rewrite::Rewrite;
use std::collections::HashSet;

/// A described network, and what is asked of it.
#[derive(Debug)]
pub struct Network {
    graph: Graph,
    outputs: Vec<Value>,
}

impl Network {
    /// # Errors
    /// [`Error::Argument`] for an output of another graph, or for none.
    pub fn new(graph: Graph, outputs: &[Value]) -> Result<Self, Error> {
        if outputs.is_empty() {
            let (expected, got) = ("one or more values".to_owned(), "none".to_owned());
            return Err(Error::Argument { op: "network", role: "outputs", expected, got });
        }
        outputs.iter().try_for_each(|v| graph.layout(*v).map(|_| ()))?;
        Ok(Self { graph, outputs: outputs.to_vec() })
    }

    /// The description.
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// What is asked of it.
    pub fn outputs(&self) -> &[Value] {
        &self.outputs
    }

    /// Plans and binds everything, nothing quantised.
    ///
    /// # Errors
    /// As [`Graph::compile`].
    pub async fn compile(&self, ctx: &Context) -> Result<Model, Error> {
        self.graph.compile(ctx, &self.outputs).await
    }

    /// Steps that look at activations see each as it is in the end: it must not be written twice, or over what was given.
    fn expect_written_once(
        &self,
        op: &'static str,
        roots: impl IntoIterator<Item = Value>,
    ) -> Result<(), Error> {
        for root in roots {
            let made = matches!(self.graph.source(root), Source::Made | Source::Scaled(_));
            let mut writers = self.graph.nodes().iter().filter(|node| node.writes(&self.graph, root));
            if let Some(node) = writers.nth(usize::from(made)) {
                let expected = "activations that are written once".to_owned();
                let got = format!("one that {} writes again", node.name);
                return Err(Error::Argument { op, role: "network", expected, got });
            }
        }
        Ok(())
    }

    /// These must be names of operations.
    fn expect_names<'n>(
        &self,
        op: &'static str,
        names: impl IntoIterator<Item = &'n String>,
    ) -> Result<(), Error> {
        let known: HashSet<&str> = self.graph.names().collect();
        match names.into_iter().find(|name| !known.contains(name.as_str())) {
            None => Ok(()),
            Some(name) => {
                let expected = "names of operations of the network".to_owned();
                Err(Error::Argument { op, role: "exempt", expected, got: name.clone() })
            }
        }
    }

    /// What a rewritten graph is a network of: the same outputs.
    fn rewritten(&self, mut rewrite: Rewrite<'_>) -> Result<Self, Error> {
        let mut outputs = vec![];
        for v in &self.outputs {
            outputs.push(rewrite.value(*v)?);
        }
        Ok(Self { graph: rewrite.new, outputs })
    }
}

/// Batches of inputs, one after the other, and how far they are.
struct Batches<I> {
    all: I,
    now: Progress,
}

impl<I: Iterator<Item: AsRef<[HostTensor]>>> Batches<I> {
    fn new(all: impl IntoIterator<IntoIter = I>) -> Self {
        let all = all.into_iter();
        let of = all.size_hint().1.map(|n| n as u64);
        Self { all, now: Progress { batches: 0, of, elements: 0 } }
    }

    /// The next one, and the progress once it is done.
    fn next(&mut self) -> Option<(I::Item, Progress)> {
        let batch = self.all.next()?;
        self.now.batches += 1;
        self.now.elements += batch.as_ref().iter().map(|t| t.layout().elements()).sum::<u64>();
        Some((batch, self.now))
    }

    /// How many there were: one or more, or `op` has nothing to go by.
    fn expect_some(&self, op: &'static str) -> Result<u64, Error> {
        match self.now.batches {
            0 => Err(Error::Argument { op, role: "batches", expected: "1 or more".into(), got: "0".into() }),
            n => Ok(n),
        }
    }
}

/// References to the inputs of a batch.
fn inputs<B: AsRef<[HostTensor]>>(batch: &B) -> Vec<&HostTensor> {
    batch.as_ref().iter().collect()
}
