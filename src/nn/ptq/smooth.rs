//! SmoothQuant: outliers of activations move into weights.

use super::{Batches, Network, inputs, place::is_given, rewrite::Rewrite};
use crate::{
    context::Context,
    error::Error,
    nn::{Value, graph::Node},
    ops::{Activation, Binary, BinaryOp, Gemm, LayerNorm, Operation, Orientation, RmsNorm, problem::Problem},
    scale::Progress,
    tensor::{DType, HostTensor},
};
use std::{collections::BTreeSet, sync::Arc};

/// Which activations are smoothed, and how far.
///
/// ```
/// use quarter::nn::ptq::Smooth;
/// assert_eq!(Smooth::default().alpha, 0.5);
/// let smooth = Smooth::default().alpha(0.75).exempt(["block0.gemm 15"]);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Smooth {
    /// The share of the outliers that weights take over, from 0 to 1.
    pub alpha: f64,
    /// Names of linear layers whose weights stay as they are.
    pub exempt: BTreeSet<String>,
}

impl Default for Smooth {
    /// Half of the outliers, of all linear layers.
    fn default() -> Self {
        Self { alpha: 0.5, exempt: BTreeSet::new() }
    }
}

impl Smooth {
    /// The share of the outliers that weights take over.
    #[must_use]
    pub fn alpha(self, alpha: f64) -> Self {
        Self { alpha, ..self }
    }

    /// These linear layers too stay as they are.
    #[must_use]
    pub fn exempt<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
        self.exempt.extend(names.into_iter().map(Into::into));
        self
    }
}

/// What [`Network::smooth`] made.
#[derive(Debug)]
pub struct Smoothed {
    /// The network, the same function in f32.
    pub network: Network,
    /// What it did to each activation.
    pub smoothings: Vec<Smoothing>,
}

impl Smoothed {
    /// Names of the multiplications that were inserted: to be [exempt](super::Scheme::exempt) from extended schemes.
    pub fn inserted(&self) -> impl Iterator<Item = &str> {
        self.smoothings.iter().filter(|s| !s.folded).map(|s| s.by.as_str())
    }
}

/// One activation that was smoothed.
#[derive(Clone, Debug, PartialEq)]
pub struct Smoothing {
    /// The linear layers that read it.
    pub nodes: Vec<String>,
    /// The normalisation that took the factors in, or else the multiplication that was inserted.
    pub by: String,
    /// Whether it is the former.
    pub folded: bool,
    /// What each channel was divided by: powers of two.
    pub factors: Vec<f32>,
}

/// Linear layers that read one activation in one shape.
struct Group {
    value: Value,
    shape: Vec<u32>,
    /// Places of the layers among the operations.
    nodes: Vec<usize>,
    /// The normalisation that makes it, if that can take the factors in.
    producer: Option<usize>,
    amax: Vec<f32>,
    exponents: Vec<i32>,
}

/// A product of activations \[…, k\] with given weights, one matrix, both f32 or bf16: in f16 the factors might overflow.
fn linear<'a>(network: &Network, node: &'a Node) -> Option<&'a Gemm> {
    let gemm = node.problem.as_any().downcast_ref::<Gemm>()?;
    let upright = matches!(gemm.orientation, Orientation::Nn | Orientation::Nt);
    let given = is_given(&network.graph, node, "b") && !is_given(&network.graph, node, "a");
    let plain = [gemm.a, gemm.b].iter().all(|e| matches!(e.dtype(), DType::F32 | DType::Bf16));
    (upright && given && plain && gemm.batch_b.is_empty()).then_some(gemm)
}

/// Which channel an element of weights multiplies.
fn channel(gemm: &Gemm, at: usize) -> usize {
    match gemm.orientation {
        Orientation::Nt | Orientation::Tt => at % gemm.k as usize,
        Orientation::Nn | Orientation::Tn => at / gemm.n as usize,
    }
}

/// Takes magnitudes into the maxima of their channels.
fn see(maxima: &mut [f32], x: &[f32], channel: impl Fn(usize) -> usize) {
    for (i, v) in x.iter().enumerate() {
        let most = &mut maxima[channel(i)];
        // NaN stays, and stops smoothing.
        *most = if v.is_nan() || most.is_nan() { f32::NAN } else { most.max(v.abs()) };
    }
}

/// log₂(x^α / w^(1 − α)), rounded, both powers normal in f32; 0 where a channel is empty, or not finite.
fn exponent(x: f32, w: f32, alpha: f64) -> i32 {
    if !(x.is_normal() && w.is_normal()) {
        return 0;
    }
    let exponent = alpha * f64::from(x).log2() - (1.0 - alpha) * f64::from(w).log2();
    exponent.round().clamp(-126.0, 126.0) as i32
}

/// Numbers times 2^exponent by channel.
fn shifted(t: &HostTensor, exponent: impl Fn(usize) -> i32) -> Result<HostTensor, Error> {
    let x = t.to_f32().into_iter().enumerate();
    let x: Vec<f32> = x.map(|(i, v)| (f64::from(v) * 2f64.powi(exponent(i))) as f32).collect();
    Ok(HostTensor::from_f32_as(t.layout().element().dtype(), &x, t.shape())?)
}

impl Network {
    /// SmoothQuant (G. Xiao et al., arXiv 2211.10438): for every activation that linear layers read, each channel j is divided by
    /// s_j = max|x_j|^α / max|W_j|^(1 − α), and column j of the weights multiplied by it; the maxima over all batches of inputs,
    /// and over all linear layers that read the activation and are not exempt. An α of 0.5 shares outliers out evenly; the larger it
    /// is the more of them weights take over. The paper's implementation smooths what norms make; exempt the others to do the same.
    ///
    /// s_j is rounded to the nearest power of two: then products and sums are the same numbers, so that the network computes the same
    /// bits in f32 and bf16, as long as nothing becomes subnormal or overflows (layers of f16, which might, are left alone); and codes of floating formats lose nothing by it.
    ///
    /// The division is taken in by the gamma and beta of the `layer_norm` or `rms_norm` that makes the activation, if nobody else
    /// reads it and both are given in f32; otherwise it is a multiplication of its own
    /// ([`Smoothed::inserted`]).
    ///
    /// # Errors
    /// [`Error::Argument`] for an α that is not in \[0, 1\], without batches, for an exempt name that no operation has, and for
    /// activations that are written more than once; as
    /// [`Graph::compile`](crate::nn::Graph::compile) and [`Model::call`](crate::nn::Model::call).
    pub async fn smooth<I>(
        &self,
        ctx: &Context,
        smooth: &Smooth,
        batches: I,
        mut progress: impl FnMut(Progress),
    ) -> Result<Smoothed, Error>
    where
        I: IntoIterator<Item: AsRef<[HostTensor]>>,
    {
        let alpha = smooth.alpha;
        if !(0.0..=1.0).contains(&alpha) {
            let (expected, got) = ("a number from 0 to 1".to_owned(), alpha.to_string());
            return Err(Error::Argument { op: "smooth", role: "alpha", expected, got });
        }
        self.expect_names("smooth", &smooth.exempt)?;
        let mut groups = self.groups(&smooth.exempt);
        self.expect_written_once("smooth", groups.iter().map(|g| self.graph.root(g.value)))?;
        let asked: Vec<Value> = groups.iter().map(|g| g.value).collect();
        let model = self.graph.compile(ctx, &asked).await?;
        let mut batches = Batches::new(batches);
        while let Some((batch, now)) = batches.next() {
            for (x, group) in model.call(&inputs(&batch)).await?.iter().zip(&mut groups) {
                let channels = group.amax.len();
                see(&mut group.amax, &x.to_f32(), |i| i % channels);
            }
            progress(now);
        }
        batches.expect_some("smooth")?;
        for group in &mut groups {
            let mut of_weights = vec![0.0; group.amax.len()];
            for &at in &group.nodes {
                let node = &self.graph.nodes()[at];
                if let (Some(gemm), Some(b)) = (linear(self, node), node.value("b")) {
                    see(&mut of_weights, &self.given(ctx, b).await?.to_f32(), |i| channel(gemm, i));
                }
            }
            let pairs = group.amax.iter().zip(of_weights);
            group.exponents = pairs.map(|(x, w)| exponent(*x, w, alpha)).collect();
        }
        self.moved(ctx, &groups).await
    }

    /// Activations that linear layers read, but these.
    fn groups(&self, exempt: &BTreeSet<String>) -> Vec<Group> {
        let mut groups: Vec<Group> = vec![];
        let smoothed = self.graph.nodes().iter().enumerate().filter(|(_, n)| !exempt.contains(&*n.name));
        for (i, node) in smoothed {
            let Some(a) = linear(self, node).and_then(|_| node.value("a")) else { continue };
            let shape = self.graph.at(a).shape().to_vec();
            let root = |v| self.graph.root(v);
            match groups.iter_mut().find(|g| root(g.value) == root(a) && g.shape == shape) {
                Some(group) => group.nodes.push(i),
                None => {
                    let amax = vec![0.0; shape.last().map_or(0, |k| *k as usize)];
                    let (producer, exponents) = (None, vec![]);
                    groups.push(Group { value: a, shape, nodes: vec![i], producer, amax, exponents });
                }
            }
        }
        for group in &mut groups {
            group.producer = self.producer(group);
        }
        groups
    }

    /// The normalisation whose gamma and beta can take the factors of a group in.
    fn producer(&self, group: &Group) -> Option<usize> {
        let (graph, root) = (&self.graph, self.graph.root(group.value));
        let touch = |node: &Node| node.values.iter().filter(|(_, v)| graph.root(*v) == root).count();
        let (mut readers, mut maker) = (0, None);
        for (i, node) in graph.nodes().iter().enumerate().filter(|(_, n)| touch(n) > 0) {
            match maker {
                None if node.value("out") == Some(root) => maker = Some(i),
                _ if group.nodes.contains(&i) && touch(node) == 1 => readers += 1,
                _ => return None,
            }
        }
        let asked = self.outputs.iter().any(|v| graph.root(*v) == root);
        let same = graph.at(root).shape().last() == group.shape.last();
        let maker = maker.filter(|_| !asked && same && readers == group.nodes.len())?;
        let node = &graph.nodes()[maker];
        let any = node.problem.as_any();
        let suits = |gamma: Option<DType>, beta: Option<DType>, activation, zero_centred: bool| {
            gamma == Some(DType::F32)
                && beta.is_none_or(|b| b == DType::F32)
                && activation == Activation::None
                && !zero_centred
        };
        let suits = any
            .downcast_ref::<LayerNorm>()
            .is_some_and(|o| suits(o.gamma, o.beta, o.activation, o.zero_centred))
            || any
                .downcast_ref::<RmsNorm>()
                .is_some_and(|o| suits(o.gamma, o.beta, o.activation, o.zero_centred));
        let given = ["gamma", "beta"].iter().all(|r| node.value(r).is_none() || is_given(graph, node, r));
        (suits && given).then_some(maker)
    }

    /// The network with the factors where they belong.
    async fn moved(&self, ctx: &Context, groups: &[Group]) -> Result<Smoothed, Error> {
        let mut rewrite = Rewrite::new(&self.graph);
        let mut divided: Vec<Option<Value>> = vec![None; groups.len()];
        let mut smoothings = vec![];
        for (i, node) in self.graph.nodes().iter().enumerate() {
            let mut others = vec![];
            if let Some(group) = groups.iter().find(|g| g.producer == Some(i)) {
                for role in ["gamma", "beta"] {
                    if let Some(v) = node.value(role) {
                        let t = shifted(&self.given(ctx, v).await?, |j| -group.exponents[j])?;
                        others.push((role, rewrite.new.constant(&t)));
                    }
                }
            }
            if let Some(at) = groups.iter().position(|g| g.nodes.contains(&i))
                && let (Some(gemm), Some(b)) = (linear(self, node), node.value("b"))
            {
                let group = &groups[at];
                if group.nodes[0] == i {
                    smoothings.push(self.smoothing(group));
                }
                if group.producer.is_none() {
                    let a = match divided[at] {
                        Some(a) => a,
                        None => self.divide(&mut rewrite, group)?,
                    };
                    divided[at] = Some(a);
                    others.push(("a", a));
                }
                let w = shifted(&self.given(ctx, b).await?, |j| group.exponents[channel(gemm, j)])?;
                others.push(("b", rewrite.new.constant(&w)));
            }
            rewrite.node(node, Arc::clone(&node.problem), &others)?;
        }
        Ok(Smoothed { network: self.rewritten(rewrite)?, smoothings })
    }

    /// The activation of a group divided by its factors.
    fn divide(&self, rewrite: &mut Rewrite<'_>, group: &Group) -> Result<Value, Error> {
        let x = rewrite.value(group.value)?;
        let element = self.graph.at(group.value).element().plain();
        let inverse: Vec<f32> = group.exponents.iter().map(|e| 2f32.powi(-e)).collect();
        let channels = [inverse.len() as u32];
        let inverse = rewrite.new.constant(&HostTensor::from_f32(&inverse, channels)?);
        let product = Binary::new(BinaryOp::Mul, group.shape.clone(), channels).a(element).out(element);
        let name = self.multiplication(group).into();
        let made = rewrite.new.apply_any(Problem::clone_arc(&product), name, &[("a", x), ("b", inverse)])?;
        Ok(made.first().map_or(x, |m| m.1))
    }

    /// Its name.
    fn multiplication(&self, group: &Group) -> String {
        let base = format!("{} of {}", Binary::NAME, self.graph.nodes()[group.nodes[0]].name);
        // Smoothed before, perhaps.
        let taken = |name: &String| self.graph.names().any(|n| n == name);
        let later = (2..).map(|i| format!("{base}, {i}"));
        std::iter::once(base.clone()).chain(later).find(|name| !taken(name)).unwrap_or(base)
    }

    fn smoothing(&self, group: &Group) -> Smoothing {
        let name = |i: &usize| self.graph.nodes()[*i].name.to_string();
        Smoothing {
            nodes: group.nodes.iter().map(name).collect(),
            by: group.producer.map_or_else(|| self.multiplication(group), |i| name(&i)),
            folded: group.producer.is_some(),
            factors: group.exponents.iter().map(|e| 2f32.powi(*e)).collect(),
        }
    }
}
