//! `MultiHeadAttention`: softmax(Q · Kᵀ / √d) · V, head by head.

use super::{Graph, Layer, Linear, Precision, Value};
use crate::{
    error::Error,
    ops::{Causal, DescriptorError, Gemm, Orientation, Permute, Softmax},
    tensor::DType,
};

/// Multi-head attention (A. Vaswani et al., arXiv 1706.03762) of \[batch, tokens, width\], queries, keys and values all of the
/// one input: O(softmax(Q · Kᵀ / √d + mask) · V), d the width of a head.
///
/// Products of activations with activations take the precision of activations, each operand its own scale per tensor.
#[derive(Clone, Debug)]
pub struct MultiHeadAttention {
    query: Linear,
    key: Linear,
    value: Linear,
    output: Linear,
    heads: u32,
    causal: Causal,
    precision: Precision,
    width: u32,
}

impl MultiHeadAttention {
    /// Four projections, \[width, width\] each, and the number of heads.
    ///
    /// # Errors
    /// [`Error::Descriptor`] for heads that do not divide the width, or whose rows are no multiple of 16 bytes (the width of one,
    /// of four numbers in f32 and eight in f16 and bf16): where heads lie beside each other, rows have no padding between
    /// them; for projections of other shapes.
    pub fn new(
        [query, key, value, output]: [Linear; 4],
        heads: u32,
        precision: Precision,
    ) -> Result<Self, Error> {
        let shape = |linear: &Linear| linear.weights().layout().shape().to_vec();
        let fail = |what, expected: String, got: String| {
            Err(DescriptorError::new("attention", what, expected, got).into())
        };
        let width = shape(&query)[0];
        for (what, linear) in [("key", &key), ("value", &value)] {
            if shape(linear) != shape(&query) {
                return fail(
                    what,
                    format!("{:?}, as of query", shape(&query)),
                    format!("{:?}", shape(linear)),
                );
            }
        }
        if shape(&output)[1] != width {
            return fail("output", format!("[out, {width}]"), format!("{:?}", shape(&output)));
        }
        if heads == 0 || !width.is_multiple_of(heads) {
            return fail("heads", format!("a divisor of the width, {width}"), heads.to_string());
        }
        // Heads are mixed in f32.
        let bytes = [&query, &key, &value].map(|linear| linear.out_dtype().bytes());
        let unit = 16 / bytes.into_iter().min().unwrap_or(4);
        let depth = width / heads;
        if heads > 1 && !depth.is_multiple_of(unit) {
            let expected = format!("heads of a multiple of {unit} columns each");
            return fail("heads", expected, format!("{heads} of {depth}"));
        }
        Ok(Self { query, key, value, output, heads, causal: Causal::No, precision, width })
    }

    /// Which tokens see which.
    #[must_use]
    pub fn causal(self, causal: Causal) -> Self {
        Self { causal, ..self }
    }

    /// [`record`](Layer::record) with an additive mask that broadcasts to \[batch, heads, tokens, tokens\], and a residual of
    /// the shape of `x`.
    ///
    /// # Errors
    /// As there.
    pub fn record_with(
        &self,
        g: &mut Graph,
        x: Value,
        mask: Option<Value>,
        residual: Option<Value>,
    ) -> Result<Value, Error> {
        let shape = g.layout(x)?.shape().to_vec();
        let [batch, tokens, _] = <[u32; 3]>::try_from(shape.as_slice()).map_err(|_| {
            DescriptorError::new("attention", "x", "[batch, tokens, width]", format!("{shape:?}"))
        })?;
        if self.causal == Causal::Offset {
            let expected = "No or Aligned: queries and keys are of the same tokens, none of them earlier";
            return Err(DescriptorError::new("attention", "causal", expected, "Offset").into());
        }
        let (width, depth) = (self.width, self.width / self.heads);
        // One quantised x for the three projections.
        let x = self.precision.activations(g, x)?;
        let mut project = |linear: &Linear| -> Result<Value, Error> {
            let y = linear.record(g, x)?;
            let y = g.reshape(y, [batch, tokens, self.heads, depth])?;
            let turn = Permute::new(g.layout(y)?.shape(), g.layout(y)?.element(), [0, 2, 1, 3]);
            let y = g.apply(&turn, &[("x", y)])?;
            self.precision.activations(g, y)
        };
        let (q, k, v) = (project(&self.query)?, project(&self.key)?, project(&self.value)?);
        let heads = [batch, self.heads];
        let scores = Gemm::new(tokens, tokens, depth).batch(heads).a(g.layout(q)?.element());
        let scores = g.apply(&scores.b(g.layout(k)?.element()), &[("a", q), ("b", k)])?;
        let softmax = Softmax::new(g.layout(scores)?.shape()).scale((f64::from(depth)).sqrt().recip() as f32);
        let made = self.precision.made("attention", DType::F32)?;
        let mut softmax = softmax.causal(self.causal).out(made);
        let mut args = vec![("x", scores)];
        if let Some(mask) = mask {
            let layout = g.layout(mask)?;
            softmax = softmax.mask(layout.element().dtype(), layout.shape());
            args.push(("mask", mask));
        }
        let shares = g.apply(&softmax, &args)?;
        let shares = self.precision.activations(g, shares)?;
        let mix = Gemm::new(tokens, depth, tokens).batch(heads).orientation(Orientation::Nn);
        let mix = mix.a(g.layout(shares)?.element()).b(g.layout(v)?.element()).out(made);
        let y = g.apply(&mix, &[("a", shares), ("b", v)])?;
        let back = Permute::new(g.layout(y)?.shape(), g.layout(y)?.element(), [0, 2, 1, 3]);
        let y = g.apply(&back, &[("x", y)])?;
        let y = g.reshape(y, [batch, tokens, width])?;
        if let Some(residual) = residual {
            let out = self.output.weights().layout().shape()[0];
            g.expect_shape("attention", "residual", residual, &[batch, tokens, out])?;
        }
        self.output.record_with(g, y, residual)
    }
}

impl Layer for MultiHeadAttention {
    fn record(&self, g: &mut Graph, x: Value) -> Result<Value, Error> {
        self.record_with(g, x, None, None)
    }
}
