//! The sentence encoder: token, position and type embeddings, six blocks of attention and a feed-forward network, the mean
//! over the tokens.

use super::tokenizer::Tokenizer;
use crate::models::{Result, Weights};
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

/// Texts of like length, which run together.
pub struct Group {
    /// Which.
    pub texts: Vec<usize>,
    /// Tokens of the longest, and a few more, so that there are few lengths.
    pub length: u32,
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
    models: BTreeMap<u32, nn::Model>,
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
        let mut out = vec![vec![]; texts.len()];
        for group in self.groups(&tokens) {
            if !self.models.contains_key(&group.length) {
                let mut g = Graph::new();
                let y = self.record(&mut g, group.length).await?;
                self.models.insert(group.length, g.compile(&self.ctx, &[y]).await?);
            }
            let inputs = self.inputs(&tokens, &group)?;
            let vectors = self.models[&group.length].call(&inputs.each_ref()).await?.remove(0).to_f32();
            for (&i, v) in group.texts.iter().zip(vectors.chunks_exact(WIDTH as usize)) {
                out[i] = unit(v);
            }
        }
        Ok(out)
    }

    /// Which of these texts, by their tokens, run together.
    pub fn groups(&self, tokens: &[Vec<u32>]) -> Vec<Group> {
        let mut order: Vec<usize> = (0..tokens.len()).collect();
        order.sort_by_key(|&i| tokens[i].len());
        let group = |texts: &[usize]| {
            let longest = texts.iter().map(|&i| tokens[i].len()).max().unwrap_or(1);
            // Few lengths: each is planned once.
            Group { texts: texts.to_vec(), length: longest.next_multiple_of(8) as u32 }
        };
        order.chunks(self.batch).map(group).collect()
    }

    /// What the network takes of a group: tokens, a mask, and the share that each token has in the mean.
    pub fn inputs(&self, tokens: &[Vec<u32>], group: &Group) -> Result<[HostTensor; 3]> {
        let (mut index, mut mask, mut share) = (vec![], vec![], vec![]);
        for i in 0..self.batch {
            let text = group.texts.get(i).map_or(&[0][..], |&i| &tokens[i]);
            for at in 0..group.length as usize {
                index.push(text.get(at).copied().unwrap_or(0));
                mask.push(if at < text.len() { 0.0 } else { f32::NEG_INFINITY });
                share.push(if at < text.len() { 1.0 / text.len() as f32 } else { 0.0 });
            }
        }
        let (batch, length) = (self.batch as u32, group.length);
        Ok([
            HostTensor::from_u32(&index, [batch, length])?,
            HostTensor::from_f32(&mask, [batch, 1, 1, length])?,
            HostTensor::from_f32(&share, [batch, 1, length])?,
        ])
    }

    /// The network for groups of this length: \[batch, 1, width\].
    pub async fn record(&self, g: &mut Graph, length: u32) -> Result<Value> {
        let batch = self.batch as u32;
        let index = g.input(&Layout::new([batch, length], Element::U32)?);
        let mask = g.input(&Layout::new([batch, 1, 1, length], Element::F32)?);
        let share = g.input(&Layout::new([batch, 1, length], Element::F32)?);
        let places = &self.places.to_f32()[..(length * WIDTH) as usize];
        let places = HostTensor::from_f32(&places.repeat(self.batch), [batch, length, WIDTH])?;
        let places = g.tensor(&self.ctx.upload(&places).await?);
        let x = self.words.record_with(g, index, Some(places))?;
        let mut x = self.norm.record(g, x)?;
        for block in &self.blocks {
            x = self.block(g, block, x, mask)?;
        }
        let mean = Gemm::new(1, WIDTH, length).batch([batch]).orientation(Orientation::Nn);
        Ok(g.apply(&mean, &[("a", share), ("b", x)])?)
    }

    fn block(&self, g: &mut Graph, block: &Block, x: Value, mask: Value) -> Result<Value> {
        let y = block.attention.record_with(g, x, Some(mask), Some(x))?;
        let x = block.attention_norm.record(g, y)?;
        let y = block.inner.record(g, x)?;
        let y = block.outer.record_with(g, y, Some(x))?;
        Ok(block.norm.record(g, y)?)
    }
}

/// The same direction, of length 1.
pub fn unit(v: &[f32]) -> Vec<f32> {
    let norm = v.iter().map(|v| v * v).sum::<f32>().sqrt();
    v.iter().map(|v| v / norm).collect()
}

/// Of unit vectors.
pub fn cosine(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
}
