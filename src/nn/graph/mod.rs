//! Operations of a network, in order, before there is memory for what flows between them.

mod compile;
mod model;

pub use model::Model;

use crate::{
    error::Error,
    ops::{Operation, problem::Problem},
    plan::expect_roles,
    scale::Scales,
    tensor::{Access, DeviceTensor, HostTensor, Layout, Operand},
};
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

/// What flows between the operations of one [`Graph`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Value {
    index: usize,
    /// The graph's number: no other has it.
    graph: u64,
}

/// Where a value comes from.
#[derive(Clone, Debug)]
pub(in crate::nn) enum Source {
    /// The caller writes it before every run.
    Input,
    /// A tensor that is there already: weights.
    Given(DeviceTensor),
    /// The same on the host: uploaded when the graph is compiled.
    Constant(Arc<HostTensor>),
    /// What it is to begin with; operations update it.
    State(Arc<HostTensor>),
    /// An operation writes it.
    Made,
    /// The same by scales that are given.
    Scaled(Arc<Scales>),
    /// The same numbers in another shape.
    View(Value),
}

#[derive(Clone, Debug)]
struct Entry {
    layout: Layout,
    source: Source,
}

/// One operation and its values by role.
#[derive(Clone, Debug)]
pub(in crate::nn) struct Node {
    pub name: Arc<str>,
    pub problem: Arc<dyn Problem>,
    pub operands: Vec<Operand>,
    pub values: Vec<(&'static str, Value)>,
}

impl Node {
    /// The value with this role.
    pub fn value(&self, role: &str) -> Option<Value> {
        self.values.iter().find(|(r, _)| *r == role).map(|v| v.1)
    }

    /// Whether it writes what holds this value's numbers, in a graph that both are of.
    pub fn writes(&self, graph: &Graph, root: Value) -> bool {
        let pairs = self.operands.iter().zip(&self.values);
        pairs.filter(|(o, _)| o.access != Access::Read).any(|(_, (_, v))| graph.root(*v) == root)
    }
}

/// A network under construction for inputs of given shapes: symbolic, so nothing is allocated, compiled or awaited until
/// [`compile`](Self::compile).
///
/// ```
/// use quarter::{Context, nn::Graph, ops::*, tensor::*};
/// let ctx = Context::cpu();
/// let mut g = Graph::new();
/// let x = g.input(&Layout::new([2, 3], Element::F32)?);
/// let w = g.tensor(&ctx.upload_blocking(&HostTensor::from_f32(&[1.0; 12], [4, 3])?)?);
/// let y = g.apply(&Gemm::new(2, 4, 3).activation(Activation::Relu), &[("a", x), ("b", w)])?;
/// let model = pollster::block_on(g.compile(&ctx, &[y]))?;
/// let x = HostTensor::from_f32(&[1.0, 2.0, 3.0, -1.0, -1.0, -1.0], [2, 3])?;
/// let y = pollster::block_on(model.call(&[&x]))?.remove(0);
/// assert_eq!(y.to_f32(), [6.0, 6.0, 6.0, 6.0, 0.0, 0.0, 0.0, 0.0]);
/// # Ok::<(), quarter::Error>(())
/// ```
#[derive(Debug)]
pub struct Graph {
    number: u64,
    entries: Vec<Entry>,
    nodes: Vec<Node>,
    scope: String,
}

impl Default for Graph {
    fn default() -> Self {
        Self::new()
    }
}

impl Graph {
    /// An empty one.
    pub fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self {
            number: NEXT.fetch_add(1, Ordering::Relaxed),
            entries: vec![],
            nodes: vec![],
            scope: String::new(),
        }
    }

    fn add(&mut self, layout: Layout, source: Source) -> Value {
        self.entries.push(Entry { layout, source });
        Value { index: self.entries.len() - 1, graph: self.number }
    }

    /// A tensor that the caller writes before every run.
    pub fn input(&mut self, layout: &Layout) -> Value {
        self.add(layout.clone(), Source::Input)
    }

    /// A tensor that is there already: weights. It makes the graph one of that tensor's context.
    pub fn tensor(&mut self, tensor: &DeviceTensor) -> Value {
        self.add(tensor.layout().clone(), Source::Given(tensor.clone()))
    }

    /// A tensor in host memory, uploaded when the graph is compiled: weights of a graph that no context has anything to do
    /// with. Operations cannot write it.
    pub fn constant(&mut self, tensor: &HostTensor) -> Value {
        self.add(tensor.layout().clone(), Source::Constant(Arc::new(tensor.clone())))
    }

    /// A tensor that begins as this and that operations update: a history, running statistics. Each compiled model has its own,
    /// and keeps it from run to run.
    pub fn state(&mut self, begin: &HostTensor) -> Value {
        self.add(begin.layout().clone(), Source::State(Arc::new(begin.clone())))
    }

    /// An 8-bit tensor with these scales, for an operation to write by them: the target of static scaling, and of delayed scaling
    /// whose `DelayedScale` sets the scales that follow. It shares its memory with nothing else.
    ///
    /// ```
    /// use quarter::{Context, dtype::Format, nn::Graph, ops::*, scale::*, tensor::*};
    /// let op = Quantize::new([3], DType::F32, Format::E4M3FN, Granularity::PerTensor).scaling(Scaling::Given);
    /// let mut g = Graph::new();
    /// let x = g.input(&Layout::new([3], Element::F32)?);
    /// let q = g.scaled(&op.out()?, &Scales::per_tensor(Scale::new(0.5)?))?;
    /// g.apply(&op, &[("x", x), ("out", q)])?;
    /// let model = pollster::block_on(g.compile(&Context::cpu(), &[q]))?;
    /// let x = HostTensor::from_f32(&[1.0, 3.0, 1000.0], [3])?;
    /// let q = pollster::block_on(model.call(&[&x]))?.remove(0);
    /// assert_eq!(q.to_f32(), [1.0, 3.0, 224.0]); // 448 × 0.5
    /// # Ok::<(), quarter::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Tensor`] when the scales are not those of such a tensor.
    pub fn scaled(&mut self, layout: &Layout, scales: &Scales) -> Result<Value, Error> {
        layout.expect_scales(scales)?;
        Ok(self.add(layout.clone(), Source::Scaled(Arc::new(scales.clone()))))
    }

    /// What is recorded from here on belongs to this part of the network: its operations are named `scope.operation place`. The
    /// empty scope ends it.
    pub fn scope(&mut self, name: impl Into<String>) {
        self.scope = name.into();
    }

    /// Names of its operations, in order: the operation and its place among all of them, `conv2d 3`, after the scope if there is
    /// one, `layer1.conv2d 3`.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.nodes.iter().map(|n| &*n.name)
    }

    /// Bytes of all tensors that are given or constant and that an operation touches, scales included: those of the weights.
    pub fn given_bytes(&self) -> u64 {
        let mut roots: Vec<Value> =
            self.nodes.iter().flat_map(|n| n.values.iter().map(|v| self.root(v.1))).collect();
        roots.retain(|v| matches!(self.source(*v), Source::Given(_) | Source::Constant(_)));
        roots.sort_unstable_by_key(|v| v.index);
        roots.dedup();
        roots.iter().map(|v| self.at(*v).values_bytes() + self.at(*v).scales_bytes()).sum()
    }

    /// Shape and elements of a value.
    ///
    /// # Errors
    /// [`Error::Argument`] for a value of another graph.
    pub fn layout(&self, v: Value) -> Result<&Layout, Error> {
        self.expect("graph", "value", v)
    }

    /// The layout of a value that must be of this graph: operand `role` of `op`.
    fn expect(&self, op: &'static str, role: &'static str, v: Value) -> Result<&Layout, Error> {
        if v.graph == self.number {
            return Ok(&self.entries[v.index].layout);
        }
        let (expected, got) = ("a value of this graph".to_owned(), "one of another".to_owned());
        Err(Error::Argument { op, role, expected, got })
    }

    /// The same numbers in another shape: nothing is moved.
    ///
    /// # Errors
    /// [`Error::Tensor`] as [`DeviceTensor::reshape`]; [`Error::Argument`] for a value of another graph.
    pub fn reshape(&mut self, v: Value, shape: impl Into<Vec<u32>>) -> Result<Value, Error> {
        let layout = self.layout(v)?.reshape(shape)?;
        Ok(self.add(layout, Source::View(v)))
    }

    /// Operand `role` of the layer `op` must be of this shape.
    pub(super) fn expect_shape(
        &self,
        op: &'static str,
        role: &'static str,
        v: Value,
        shape: &[u32],
    ) -> Result<(), Error> {
        let got = self.expect(op, role, v)?.shape();
        if got == shape {
            return Ok(());
        }
        Err(Error::Argument { op, role, expected: format!("{shape:?}"), got: format!("{got:?}") })
    }

    /// An operation of these values by role. Tensors that it writes and that are not given are made; its output, the role
    /// `out`, is returned.
    ///
    /// # Errors
    /// [`Error::Descriptor`]; [`Error::Argument`]: a role that the operation does not have, or that it reads and nobody
    /// gave, or that is given twice, or a value of another graph, shape or element, or a constant that it would write.
    pub fn apply<O: Operation>(&mut self, op: &O, args: &[(&'static str, Value)]) -> Result<Value, Error> {
        let mut values = self.apply_all(op, args)?;
        let out = values.iter().position(|(role, _)| *role == "out");
        let out = out.unwrap_or_else(|| panic!("internal: {} has no operand `out`", O::NAME));
        Ok(values.swap_remove(out).1)
    }

    /// The same; every tensor that it writes, by role.
    ///
    /// # Errors
    /// As [`apply`](Self::apply).
    pub fn apply_all<O: Operation>(
        &mut self,
        op: &O,
        args: &[(&'static str, Value)],
    ) -> Result<Vec<(&'static str, Value)>, Error> {
        let dot = if self.scope.is_empty() { "" } else { "." };
        let name = format!("{}{dot}{} {}", self.scope, O::NAME, self.nodes.len());
        self.apply_any(op.clone_arc(), name.into(), args)
    }

    /// The same without its type.
    pub(in crate::nn) fn apply_any(
        &mut self,
        problem: Arc<dyn Problem>,
        name: Arc<str>,
        args: &[(&'static str, Value)],
    ) -> Result<Vec<(&'static str, Value)>, Error> {
        let (op, operands) = (problem.name(), problem.operands()?);
        let fail = |role, expected: String, got: String| Error::Argument { op, role, expected, got };
        let roles: Vec<_> = args.iter().map(|a| a.0).collect();
        expect_roles(op, &operands, &roles, "value")?;
        args.iter().try_for_each(|(role, v)| self.expect(op, role, *v).map(|_| ()))?;
        let (mut values, mut written) = (vec![], vec![]);
        for o in &operands {
            let given = args.iter().find(|(role, _)| *role == o.role).map(|a| a.1);
            let value = match given {
                Some(v) if !self.at(v).serves(o) => {
                    return Err(fail(o.role, o.layout.to_string(), self.at(v).to_string()));
                }
                Some(v) if !o.is_read() && matches!(self.source(self.root(v)), Source::Constant(_)) => {
                    return Err(fail(o.role, "a value that may be written".into(), "a constant".into()));
                }
                Some(v) => v,
                None if o.access == Access::Write => self.add(o.layout.clone(), Source::Made),
                None => return Err(fail(o.role, o.layout.to_string(), "no tensor".into())),
            };
            values.push((o.role, value));
            if o.access != Access::Read {
                written.push((o.role, value));
            }
        }
        self.nodes.push(Node { name, problem, operands, values });
        Ok(written)
    }

    /// Its operations, in order.
    pub(in crate::nn) fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// All its values that are no views and that no operation makes, in the order in which it got them.
    pub(in crate::nn) fn begin(&self) -> impl Iterator<Item = (Value, &Layout, &Source)> {
        self.entries.iter().enumerate().filter_map(|(index, e)| match e.source {
            Source::Made | Source::View(_) => None,
            _ => Some((Value { index, graph: self.number }, &e.layout, &e.source)),
        })
    }

    /// Where a value comes from.
    pub(in crate::nn) fn source(&self, v: Value) -> &Source {
        &self.entries[v.index].source
    }

    /// The same value of another graph.
    pub(in crate::nn) fn copy(&mut self, layout: &Layout, source: &Source) -> Value {
        self.add(layout.clone(), source.clone())
    }

    /// Shape and elements of a value that is known to be of this graph.
    pub(in crate::nn) fn at(&self, v: Value) -> &Layout {
        &self.entries[v.index].layout
    }

    /// What holds the numbers of a value.
    pub(in crate::nn) fn root(&self, v: Value) -> Value {
        match self.entries[v.index].source {
            Source::View(of) => self.root(of),
            _ => v,
        }
    }
}
