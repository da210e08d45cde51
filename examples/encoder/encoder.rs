//! The sentence encoder: token, position and type embeddings, six blocks of attention and a feed-forward network, the mean
//! over the tokens.

use crate::{
    models::{Result, Weights},
    tokenizer::Tokenizer,
};
use quarter::{
    Context,
    nn::{self, Embedding, Graph, Layer, LayerNorm, Linear, MultiHeadAttention, Precision, Value},
    ops::{Activation, Gemm, Orientation},
    tensor::{Element, HostTensor, Layout},
};
use std::collections::BTreeMap;

const BLOCKS: usize = 6;
const HEADS: u32 = 12;
pub const WIDTH: u32 = 384;
/// Of LayerNorm.
const EPSILON: f32 = 1e-12;
/// Tokens of a text, at most: what the model was trained with.
const LIMIT: usize = 128;
struct Block {
    attention: MultiHeadAttention,
    attention_norm: LayerNorm,
    inner: Linear,
    outer: Linear,
    norm: LayerNorm,
}

/// The model on one context.
pub struct Encoder {
    ctx: Context,
    tokenizer: Tokenizer,
    words: Embedding,
    /// Position and type embeddings, \[positions, width\].
    places: HostTensor,
    norm: LayerNorm,
    blocks: Vec<Block>,
    /// Texts that run together.
    batch: usize,
    /// Bytes of all weights on the device, and what they are in f32.
    pub bytes: (u64, u64),
    /// One model per number of tokens.
    models: BTreeMap<usize, nn::Model>,
}

impl Encoder {
    /// Weights per output channel, activations per tensor, in this precision; so many texts run together.
    pub async fn new(
        ctx: &Context,
        (file, vocabulary): (&[u8], &str),
        precision: Precision,
        batch: usize,
    ) -> Result<Self> {
        let weights = Weights::new(file)?;
        let mut bytes = (0, 0);
        let mut count = |l: &Layout| {
            bytes.0 += l.values_bytes() + l.scales_bytes();
            bytes.1 += 4 * l.elements();
        };
        let words =
            Embedding::new(ctx, &weights.get("embeddings.word_embeddings.weight")?, precision).await?;
        count(words.table().layout());
        let norm = async |name: String| {
            let [gamma, beta] = ["weight", "bias"].map(|part| weights.get(&format!("{name}.{part}")));
            Result::Ok(LayerNorm::new(ctx, &gamma?, Some(&beta?), EPSILON).await?)
        };
        let mut linear = async |name: String, activation| {
            let [w, b] = ["weight", "bias"].map(|part| weights.get(&format!("{name}.{part}")));
            let linear = Linear::builder(&w?).bias(&b?).activation(activation).precision(precision);
            let linear = linear.build(ctx).await?;
            count(linear.weights().layout());
            Result::Ok(linear)
        };
        let mut blocks = vec![];
        for i in 0..BLOCKS {
            let at = format!("encoder.layer.{i}");
            let none = Activation::None;
            let mut parts = vec![];
            for part in ["self.query", "self.key", "self.value", "output.dense"] {
                parts.push(linear(format!("{at}.attention.{part}"), none).await?);
            }
            let parts: [Linear; 4] = parts.try_into().map_err(|_| "four projections")?;
            blocks.push(Block {
                attention: MultiHeadAttention::new(parts, HEADS, precision)?,
                attention_norm: norm(format!("{at}.attention.output.LayerNorm")).await?,
                inner: linear(format!("{at}.intermediate.dense"), Activation::Gelu).await?,
                outer: linear(format!("{at}.output.dense"), none).await?,
                norm: norm(format!("{at}.output.LayerNorm")).await?,
            });
        }
        // The type of all tokens is 0.
        let places = weights.get("embeddings.position_embeddings.weight")?.to_f32();
        let kind = weights.get("embeddings.token_type_embeddings.weight")?.to_f32();
        let places: Vec<f32> = places.iter().enumerate().map(|(i, p)| p + kind[i % WIDTH as usize]).collect();
        let rows = places.len() as u32 / WIDTH;
        Ok(Self {
            ctx: ctx.clone(),
            tokenizer: Tokenizer::new(vocabulary)?,
            words,
            places: HostTensor::from_f32(&places, [rows, WIDTH])?,
            norm: norm("embeddings.LayerNorm".to_owned()).await?,
            blocks,
            batch,
            bytes,
            models: BTreeMap::new(),
        })
    }

    /// Tokens of a text.
    pub fn tokens(&self, text: &str) -> Vec<u32> {
        self.tokenizer.encode(text, LIMIT)
    }

    /// Unit vectors of texts: those of like length together, in one submission per batch.
    pub async fn encode(&mut self, texts: &[&str]) -> Result<Vec<Vec<f32>>> {
        let tokens: Vec<Vec<u32>> = texts.iter().map(|t| self.tokens(t)).collect();
        let mut order: Vec<usize> = (0..texts.len()).collect();
        order.sort_by_key(|&i| tokens[i].len());
        let mut out = vec![vec![]; texts.len()];
        for batch in order.chunks(self.batch) {
            // Few lengths: each is planned once.
            let length = batch.iter().map(|&i| tokens[i].len()).max().unwrap_or(1).next_multiple_of(8);
            let mine: Vec<&[u32]> = batch.iter().map(|&i| tokens[i].as_slice()).collect();
            for (&i, v) in batch.iter().zip(self.together(&mine, length).await?) {
                out[i] = v;
            }
        }
        Ok(out)
    }

    async fn together(&mut self, texts: &[&[u32]], length: usize) -> Result<Vec<Vec<f32>>> {
        if !self.models.contains_key(&length) {
            let model = self.compile(length as u32).await?;
            self.models.insert(length, model);
        }
        let (mut index, mut mask, mut share) = (vec![], vec![], vec![]);
        for i in 0..self.batch {
            let text = texts.get(i).copied().unwrap_or(&[0]);
            for at in 0..length {
                index.push(text.get(at).copied().unwrap_or(0));
                mask.push(if at < text.len() { 0.0 } else { f32::NEG_INFINITY });
                share.push(if at < text.len() { 1.0 / text.len() as f32 } else { 0.0 });
            }
        }
        let (batch, length) = (self.batch as u32, length as u32);
        let index = HostTensor::from_u32(&index, [batch, length])?;
        let mask = HostTensor::from_f32(&mask, [batch, 1, 1, length])?;
        let share = HostTensor::from_f32(&share, [batch, 1, length])?;
        let model = &self.models[&(length as usize)];
        let out = model.call(&[&index, &mask, &share]).await?.remove(0).to_f32();
        let unit = |v: &[f32]| {
            let norm = v.iter().map(|v| v * v).sum::<f32>().sqrt();
            v.iter().map(|v| v / norm).collect()
        };
        Ok(out.chunks_exact(WIDTH as usize).take(texts.len()).map(unit).collect())
    }

    /// The network for batches of texts of this length.
    async fn compile(&self, length: u32) -> Result<nn::Model> {
        let batch = self.batch as u32;
        let mut g = Graph::new();
        let index = g.input(&Layout::new([batch, length], Element::U32)?);
        let mask = g.input(&Layout::new([batch, 1, 1, length], Element::F32)?);
        let share = g.input(&Layout::new([batch, 1, length], Element::F32)?);
        let places = &self.places.to_f32()[..(length * WIDTH) as usize];
        let places = HostTensor::from_f32(&places.repeat(self.batch), [batch, length, WIDTH])?;
        let places = g.tensor(&self.ctx.upload(&places).await?);
        let x = self.words.record_with(&mut g, index, Some(places))?;
        let mut x = self.norm.record(&mut g, x)?;
        for block in &self.blocks {
            x = self.block(&mut g, block, x, mask)?;
        }
        let mean = Gemm::new(1, WIDTH, length).batch([batch]).orientation(Orientation::Nn);
        let y = g.apply(&mean, &[("a", share), ("b", x)])?;
        Ok(g.compile(&self.ctx, &[y]).await?)
    }

    fn block(&self, g: &mut Graph, block: &Block, x: Value, mask: Value) -> Result<Value> {
        let y = block.attention.record_with(g, x, Some(mask), Some(x))?;
        let x = block.attention_norm.record(g, y)?;
        let y = block.inner.record(g, x)?;
        let y = block.outer.record_with(g, y, Some(x))?;
        Ok(block.norm.record(g, y)?)
    }
}
