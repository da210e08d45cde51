//! NeuMF on one context: the product of two embeddings beside three layers on two others, and a linear layer on both.

use crate::models::{Result, Weights};
use quarter::{
    Context,
    nn::{Embedding, Graph, Layer, Linear, Precision, Value},
    ops::{Activation, Binary, BinaryOp, Concat},
    tensor::{Element, Layout},
};

/// Layers of MLP.
const LAYERS: usize = 3;

/// The layers, their weights on a device.
pub struct Network {
    /// Tables of users and of items.
    gmf: [Embedding; 2],
    mlp: [Embedding; 2],
    layers: Vec<Linear>,
    out: Linear,
    /// Bytes of all weights on the device, scales included.
    pub bytes: u64,
}

impl Network {
    /// Tables per row, weights per output, activations per tensor, in this precision.
    pub async fn new(ctx: &Context, weights: &Weights<'_>, precision: Precision) -> Result<Self> {
        let mut bytes = 0;
        let mut count = |l: &Layout| bytes += l.values_bytes() + l.scales_bytes();
        let mut tables = vec![];
        for name in ["gmf.user", "gmf.item", "mlp.user", "mlp.item"] {
            let table = Embedding::new(ctx, &weights.get(name)?, precision).await?;
            count(table.table().layout());
            tables.push(table);
        }
        let mut linear = async |name: &str, activation| {
            let [w, b] = ["weight", "bias"].map(|part| weights.get(&format!("{name}.{part}")));
            let linear = Linear::builder(&w?).bias(&b?).activation(activation).precision(precision);
            let linear = linear.build(ctx).await?;
            count(linear.weights().layout());
            Result::Ok(linear)
        };
        let mut layers = vec![];
        for i in 1..=LAYERS {
            layers.push(linear(&format!("mlp.{i}"), Activation::Relu).await?);
        }
        let out = linear("out", Activation::None).await?;
        let [a, b, c, d] = tables.try_into().map_err(|_| "four tables")?;
        Ok(Self { gmf: [a, b], mlp: [c, d], layers, out, bytes })
    }

    /// Logits, \[pairs, 1\], of as many users and items: the sigmoid that training has at the end does not change their order.
    pub fn record(&self, g: &mut Graph, pairs: u32) -> Result<Value> {
        let layout = Layout::new([pairs], Element::U32)?;
        let index = [g.input(&layout), g.input(&layout)];
        let mut rows = |tables: &[Embedding; 2]| -> Result<[Value; 2]> {
            Ok([tables[0].record(g, index[0])?, tables[1].record(g, index[1])?])
        };
        let ([user, item], [left, right]) = (rows(&self.gmf)?, rows(&self.mlp)?);
        let shape = g.layout(user)?.shape().to_vec();
        let product = Binary::new(BinaryOp::Mul, shape.clone(), shape);
        let product = g.apply(&product, &[("a", user), ("b", item)])?;
        let mut x = beside(g, left, right)?;
        for layer in &self.layers {
            x = layer.record(g, x)?;
        }
        let both = beside(g, product, x)?;
        Ok(self.out.record(g, both)?)
    }
}

/// The columns of both.
fn beside(g: &mut Graph, a: Value, b: Value) -> Result<Value> {
    let input = |v| Result::Ok((g.layout(v)?.shape().to_vec(), g.layout(v)?.element().plain()));
    let op = Concat::new(1, [input(a)?, input(b)?]);
    Ok(g.apply(&op, &[("x0", a), ("x1", b)])?)
}
