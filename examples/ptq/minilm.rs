//! The sentence encoder of examples/encoder: polarity of snippets, and how alike two words are.

use crate::{
    models::{Result, read},
    score::Rho,
    study::{Batch, Study},
};
use encoder::{Encoder, Group, WIDTH, cosine, unit};
use probe::Probe;
use quarter::{
    Context,
    nn::{Graph, Precision, Value},
    tensor::Layout,
};
use texts::{drawn, pairs, snippets};

#[allow(dead_code, reason = "a part is used")]
#[path = "../encoder/encoder.rs"]
mod encoder;
#[path = "../encoder/probe.rs"]
mod probe;
#[path = "../encoder/texts.rs"]
mod texts;
#[path = "../encoder/tokenizer.rs"]
mod tokenizer;

/// Snippets that the probe is trained on, and that calibrate; then those of the test.
const TRAINING: usize = 600;
const TEST: usize = 1500;
/// Texts that run together.
const BATCH: usize = 16;

/// Texts by their tokens, and which of them run together.
struct Texts {
    tokens: Vec<Vec<u32>>,
    groups: Vec<Group>,
}

impl Texts {
    fn new(encoder: &Encoder, texts: &[&str]) -> Self {
        let tokens: Vec<Vec<u32>> = texts.iter().map(|t| encoder.tokens(t)).collect();
        let groups = encoder.groups(&tokens);
        Self { tokens, groups }
    }

    /// Both filled up to one length: they run through one plan.
    fn alike(mut self, mut other: Self) -> (Self, Self) {
        let all = || self.groups.iter().chain(&other.groups);
        let longest = all().map(|g| g.length).max().unwrap_or(1);
        self.groups.iter_mut().chain(&mut other.groups).for_each(|g| g.length = longest);
        (self, other)
    }

    fn batches(&self, encoder: &Encoder) -> Result<Vec<Batch>> {
        let batch = |group: &Group| {
            let inputs = encoder.inputs(&self.tokens, group)?.into();
            Ok(Batch { inputs, rows: group.texts.len() })
        };
        self.groups.iter().map(batch).collect()
    }

    /// Rows, in the order in which groups have them, as unit vectors of the texts in theirs.
    fn vectors(&self, rows: &[f32]) -> Vec<Vec<f32>> {
        let mut out = vec![vec![]; self.tokens.len()];
        let texts = self.groups.iter().flat_map(|g| &g.texts);
        texts.zip(rows.chunks_exact(WIDTH as usize)).for_each(|(&i, row)| out[i] = unit(row));
        out
    }
}

/// What is made of the vectors.
enum Task {
    /// Whether a snippet is positive, told by a probe that was trained on vectors in f32.
    Polarity { probe: Probe, positive: Vec<bool> },
    /// How alike people found two words.
    Similarity(Vec<f64>),
}

pub struct MiniLm {
    encoder: Encoder,
    calibration: Texts,
    test: Texts,
    task: Task,
}

impl MiniLm {
    async fn encoder(ctx: &Context) -> Result<Encoder> {
        let file = read("minilm/model.safetensors")?;
        let vocabulary = String::from_utf8(read("minilm/vocab.txt")?)?;
        Encoder::new(ctx, (&file, &vocabulary), Precision::F32, BATCH).await
    }

    pub async fn polarity(ctx: &Context) -> Result<Self> {
        let mut encoder = Self::encoder(ctx).await?;
        let all = snippets()?;
        let chosen = drawn(&all, TRAINING + TEST);
        let texts: Vec<&str> = chosen.iter().map(|s| s.text.as_str()).collect();
        let positive: Vec<bool> = chosen.iter().map(|s| s.score > 0.0).collect();
        let vectors = encoder.encode(&texts[..TRAINING]).await?;
        let probe = Probe::train(&vectors, &positive[..TRAINING]);
        let calibration = Texts::new(&encoder, &texts[..TRAINING]);
        let (calibration, test) = calibration.alike(Texts::new(&encoder, &texts[TRAINING..]));
        let task = Task::Polarity { probe, positive: positive[TRAINING..].to_vec() };
        Ok(Self { encoder, calibration, test, task })
    }

    pub async fn similarity(ctx: &Context) -> Result<Self> {
        let encoder = Self::encoder(ctx).await?;
        let all = snippets()?;
        let texts: Vec<&str> = drawn(&all, TRAINING).iter().map(|s| s.text.as_str()).collect();
        let calibration = Texts::new(&encoder, &texts);
        let pairs = pairs()?;
        let words: Vec<&str> = pairs.iter().flat_map(|(a, b, _)| [a.as_str(), b.as_str()]).collect();
        let (calibration, test) = calibration.alike(Texts::new(&encoder, &words));
        let task = Task::Similarity(pairs.iter().map(|p| p.2).collect());
        Ok(Self { encoder, calibration, test, task })
    }
}

impl Study for MiniLm {
    fn name(&self) -> &'static str {
        match self.task {
            Task::Polarity { .. } => "minilm-polarity",
            Task::Similarity(_) => "minilm-wordsim",
        }
    }

    fn measure(&self) -> &'static str {
        match self.task {
            Task::Polarity { .. } => "accuracy",
            Task::Similarity(_) => "Spearman's rho",
        }
    }

    fn describe(&self, inputs: &[Layout]) -> Result<(Graph, Vec<Value>)> {
        let mut g = Graph::new();
        let length = inputs[0].shape()[1];
        let vectors = pollster::block_on(self.encoder.record(&mut g, length))?;
        Ok((g, vec![vectors]))
    }

    fn calibration(&self) -> Result<Vec<Batch>> {
        self.calibration.batches(&self.encoder)
    }

    fn test(&self) -> Result<Vec<Batch>> {
        self.test.batches(&self.encoder)
    }

    /// Right or wrong, or the cosine of a pair.
    fn scores(&self, rows: &[f32]) -> Vec<f64> {
        let vectors = self.test.vectors(rows);
        match &self.task {
            Task::Polarity { probe, positive } => {
                let right = |(v, p): (&Vec<f32>, &bool)| f64::from(u8::from(probe.positive(v) == *p));
                vectors.iter().zip(positive).map(right).collect()
            }
            Task::Similarity(_) => vectors.chunks_exact(2).map(|p| cosine(&p[0], &p[1])).collect(),
        }
    }

    fn figure(&self, scores: &[f64], samples: &[usize]) -> f64 {
        let of = |all: &[f64]| samples.iter().map(|&i| all[i]).collect::<Vec<_>>();
        match &self.task {
            Task::Polarity { .. } => of(scores).iter().sum::<f64>() / samples.len() as f64,
            Task::Similarity(human) => Rho::spearman(&of(scores), &of(human)).value,
        }
    }
}
