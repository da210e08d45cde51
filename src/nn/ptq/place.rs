//! Which operands of a graph a scheme quantises.

use super::{Approach, Numbers, Scheme};
use crate::{
    nn::graph::{Graph, Node, Source},
    ops::{
        BatchNorm, Binary, Conv1d, Conv2d, ConvTranspose2d, Embedding, EmbeddingBag, Gemm, LayerNorm,
        Orientation, problem::Problem,
    },
    scale::Granularity,
    tensor::{DType, Element},
};
use std::fmt;

/// An operand that may be quantised: its role, and the axis of output channels of one that may be weights.
type Part = (&'static str, Option<u8>);

/// Operands of a kind of operation that a scheme quantises.
struct Kind {
    parts: Vec<Part>,
    /// Whether the standard scheme has it, where its weights are given.
    standard: bool,
}

/// Axis of the output channels of kernels with so many extents: the first; where one sees one channel the last, behind them.
fn channels(one_channel: bool, extents: u8) -> Option<u8> {
    Some(if one_channel { extents } else { 0 })
}

/// What a scheme may quantise of an operation.
fn kind(problem: &dyn Problem) -> Option<Kind> {
    let any = problem.as_any();
    let standard = |parts: &[Part]| Some(Kind { parts: parts.to_vec(), standard: true });
    let extended = |parts: &[Part]| Some(Kind { parts: parts.to_vec(), standard: false });
    if let Some(o) = any.downcast_ref::<Gemm>() {
        let [a, b] = [o.batch_a.len() as u8, o.batch_b.len() as u8];
        let a = if matches!(o.orientation, Orientation::Tn | Orientation::Tt) { a + 1 } else { a };
        let b = if matches!(o.orientation, Orientation::Nn | Orientation::Tn) { b + 1 } else { b };
        return standard(&[("a", Some(a)), ("b", Some(b))]);
    }
    if let Some(o) = any.downcast_ref::<Conv2d>() {
        return standard(&[("x", None), ("w", channels(o.sees_one_channel(), 2))]);
    }
    if let Some(o) = any.downcast_ref::<Conv1d>() {
        return standard(&[("x", None), ("w", channels(o.channels == o.groups, 1))]);
    }
    if let Some(o) = any.downcast_ref::<ConvTranspose2d>() {
        return standard(&[("x", None), ("w", channels(o.sees_one_channel(), 2))]);
    }
    if any.is::<Embedding>() {
        return standard(&[("table", Some(0))]);
    }
    if any.is::<EmbeddingBag>() {
        return extended(&[("table", Some(0))]);
    }
    if any.is::<Binary>() {
        return extended(&[("a", None), ("b", None)]);
    }
    let norm = any.is::<LayerNorm>() || any.downcast_ref::<BatchNorm>().is_some_and(|o| o.training.is_none());
    if norm { extended(&[("x", None)]) } else { None }
}

/// Why an operation stays as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Left {
    /// The scheme does not quantise such an operation.
    Scheme,
    /// The first convolution, where ends are exempt.
    First,
    /// The last linear layer, where ends are exempt.
    Last,
    /// Exempt by name: fallback.
    Exempt,
    /// An operand is 8-bit already.
    Coded(&'static str),
    /// The operation does not take other elements for an operand.
    Fixed(&'static str),
}

impl fmt::Display for Left {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Scheme => f.write_str("not in the scheme"),
            Self::First => f.write_str("the first convolution"),
            Self::Last => f.write_str("the last linear layer"),
            Self::Exempt => f.write_str("exempt"),
            Self::Coded(role) => write!(f, "{role} is 8-bit already"),
            Self::Fixed(role) => write!(f, "{role} takes no other elements"),
        }
    }
}

/// An operand that is to be quantised.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub role: &'static str,
    pub numbers: Numbers,
    pub granularity: Granularity,
    /// Whether it is given: weights.
    pub given: bool,
}

impl Place {
    /// What the operation reads then.
    pub fn element(&self) -> Element {
        match self.numbers {
            Numbers::Float(format) => Element::f8(format, self.granularity),
            Numbers::Int8 => Element::F32,
        }
    }
}

/// Whether a value is there before any run.
pub(super) fn is_given(graph: &Graph, node: &Node, role: &str) -> bool {
    let root = node.value(role).map(|v| graph.source(graph.root(v)));
    matches!(root, Some(Source::Given(_) | Source::Constant(_)))
}

/// Whether it is a convolution.
fn is_convolution(node: &Node) -> bool {
    let any = node.problem.as_any();
    any.is::<Conv2d>() || any.is::<Conv1d>() || any.is::<ConvTranspose2d>()
}

/// What becomes of every operation of a graph: operands that are quantised, or why it stays as it is.
pub(super) fn places(graph: &Graph, scheme: &Scheme) -> Vec<Result<Vec<Place>, Left>> {
    let mut all: Vec<_> = graph.nodes().iter().map(|n| of(graph, n, scheme)).collect();
    let nodes = graph.nodes();
    let given = |i: usize, role| is_given(graph, &nodes[i], role);
    let convolution = |&i: &usize| is_convolution(&nodes[i]);
    if scheme.exempt_ends
        && let Some(first) = (0..nodes.len()).find(convolution)
    {
        all[first] = Err(Left::First);
        let linear = |&i: &usize| nodes[i].problem.as_any().is::<Gemm>() && given(i, "a") != given(i, "b");
        if let Some(last) = (0..nodes.len()).rev().find(linear) {
            all[last] = Err(Left::Last);
        }
    }
    for (place, node) in all.iter_mut().zip(nodes) {
        if scheme.exempt.contains(&*node.name) {
            *place = Err(Left::Exempt);
        }
    }
    all
}

fn of(graph: &Graph, node: &Node, scheme: &Scheme) -> Result<Vec<Place>, Left> {
    let Some(Kind { parts, standard }) = kind(&*node.problem) else { return Err(Left::Scheme) };
    let given = |role| is_given(graph, node, role);
    let weights = parts.iter().filter(|p| p.1.is_some() && given(p.0)).count();
    let activations = parts.iter().filter(|p| !given(p.0)).count();
    // A table without activations, or one side of a product.
    let linear = weights == 1 && activations + 1 == parts.len();
    let table = parts.len() == 1 && parts[0].1.is_some();
    if !(standard && linear || scheme.extended && (linear || activations > 0 && !table)) {
        return Err(Left::Scheme);
    }
    let mut all = vec![];
    for (role, axis) in parts {
        let given = given(role);
        let Some(numbers) = (if given { scheme.weights } else { scheme.activations }) else { continue };
        let element = node.value(role).map(|v| graph.at(v).element());
        if element.is_some_and(|e| e.dtype().is_coded()) {
            return Err(Left::Coded(role));
        }
        if element.is_none_or(|e| e.dtype() == DType::U32) {
            return Err(Left::Scheme);
        }
        let granularity = match axis {
            Some(axis) if given && scheme.approach != Approach::Cast => Granularity::PerChannel { axis },
            _ => Granularity::PerTensor,
        };
        let place = Place { role, numbers, granularity, given };
        if node.problem.with_element(role, place.element()).is_none() {
            return Err(Left::Fixed(role));
        }
        all.push(place);
    }
    if all.is_empty() { Err(Left::Scheme) } else { Ok(all) }
}
