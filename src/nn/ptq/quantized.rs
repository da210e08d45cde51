//! `Quantized`: a network that a scheme was applied to.

use super::{Numbers, int8::Cut, place::Left};
use crate::{
    context::Context,
    error::Error,
    nn::{Graph, Model, Value},
    scale::Granularity,
    tensor::{DeviceTensor, HostTensor},
};
use std::fmt;

/// One operand that was quantised.
#[derive(Clone, Debug, PartialEq)]
pub struct QuantizedOperand {
    /// Name of the operation.
    pub node: String,
    /// Role of the operand.
    pub role: &'static str,
    /// To what.
    pub numbers: Numbers,
    /// Which numbers share a scale.
    pub granularity: Granularity,
    /// Whether it is given: weights.
    pub given: bool,
    /// The scale, where it is one that was found beforehand.
    pub scale: Option<f32>,
}

/// What a scheme made of every operation.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Report {
    /// Operands that were quantised, in the order of the operations.
    pub quantized: Vec<QuantizedOperand>,
    /// Operations that stay as they are, and why.
    pub left: Vec<(String, Left)>,
}

impl Report {
    /// Names of the operations that were quantised, in order.
    pub fn nodes(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.quantized.iter().map(|q| q.node.as_str()).collect();
        names.dedup();
        names
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for q in &self.quantized {
            let what = if q.given { "weights" } else { "activations" };
            write!(f, "{} {}: {what} {} {}", q.node, q.role, q.numbers, q.granularity)?;
            match q.scale {
                Some(scale) => writeln!(f, ", scale {scale:e}")?,
                None => writeln!(f)?,
            }
        }
        self.left.iter().try_for_each(|(name, why)| writeln!(f, "{name}: {why}"))
    }
}

/// A network that a scheme was applied to.
#[derive(Debug)]
pub struct Quantized {
    pub(super) graph: Graph,
    pub(super) outputs: Vec<Value>,
    pub(super) cuts: Vec<Cut>,
    pub(super) report: Report,
}

impl Quantized {
    /// The rewritten graph. Where activations are int8 it does not round them: [`compile`](Self::compile) does.
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// Its outputs, those of the network.
    pub fn outputs(&self) -> &[Value] {
        &self.outputs
    }

    /// What became of every operation.
    pub fn report(&self) -> &Report {
        &self.report
    }

    /// Plans and binds everything.
    ///
    /// # Errors
    /// As [`Graph::compile`].
    pub async fn compile(&self, ctx: &Context) -> Result<Compiled, Error> {
        let mut asked = self.outputs.clone();
        asked.extend(self.cuts.iter().map(|c| c.value));
        let model = self.graph.compile(ctx, &asked).await?;
        let tensors = model.outputs()[self.outputs.len()..].to_vec();
        Ok(Compiled {
            model,
            asked: self.outputs.len(),
            cuts: self.cuts.iter().cloned().zip(tensors).collect(),
        })
    }
}

/// A [`Quantized`] network, planned and bound.
#[derive(Clone, Debug)]
pub struct Compiled {
    model: Model,
    /// Outputs of the network; the model's others are those of the cuts.
    asked: usize,
    cuts: Vec<(Cut, DeviceTensor)>,
}

impl Compiled {
    /// The model, if it needs no help of the host: unless activations are int8.
    pub fn model(&self) -> Option<&Model> {
        self.cuts.is_empty().then_some(&self.model)
    }

    /// [`Model::call`]. Where activations are int8 the host rounds each of them between two operations.
    ///
    /// # Errors
    /// As there.
    pub async fn call(&self, inputs: &[&HostTensor]) -> Result<Vec<HostTensor>, Error> {
        let _call = self.model.begin(inputs)?;
        let (ctx, mut from) = (self.model.context(), 0);
        for (cut, tensor) in &self.cuts {
            let to = cut.node + 1;
            ctx.run(&self.model.bounds()[from..to])?;
            ctx.write(tensor, &cut.rounded(&ctx.download(tensor).await?)?)?;
            from = to;
        }
        ctx.run(&self.model.bounds()[from..])?;
        let mut out = vec![];
        for t in &self.model.outputs()[..self.asked] {
            out.push(ctx.download(t).await?);
        }
        Ok(out)
    }
}
