//! Operations of a network, in order, before there is memory for what flows between them.

use crate::{
    context::Context,
    error::Error,
    ops::{Operation, Slots, problem::Problem},
    plan::{Bound, Choice, expect_roles},
    tensor::{Access, DeviceTensor, HostTensor, Layout, Operand, TensorError},
};
use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, Ordering},
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
enum Source {
    /// The caller writes it before every run.
    Input,
    /// A tensor that is there already: weights.
    Given(DeviceTensor),
    /// An operation writes it.
    Made,
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
struct Node {
    problem: Arc<dyn Problem>,
    operands: Vec<Operand>,
    values: Vec<(&'static str, Value)>,
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
        Self { number: NEXT.fetch_add(1, Ordering::Relaxed), entries: vec![], nodes: vec![] }
    }

    fn add(&mut self, layout: Layout, source: Source) -> Value {
        self.entries.push(Entry { layout, source });
        Value { index: self.entries.len() - 1, graph: self.number }
    }

    /// A tensor that the caller writes before every run.
    pub fn input(&mut self, layout: &Layout) -> Value {
        self.add(layout.clone(), Source::Input)
    }

    /// A tensor that is there already: weights.
    pub fn tensor(&mut self, tensor: &DeviceTensor) -> Value {
        self.add(tensor.layout().clone(), Source::Given(tensor.clone()))
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
    /// gave, or that is given twice, or a value of another graph, shape or element.
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
        let operands = Problem::operands(op)?;
        let fail = |role, expected: String, got: String| Error::Argument { op: O::NAME, role, expected, got };
        let roles: Vec<_> = args.iter().map(|a| a.0).collect();
        expect_roles(O::NAME, &operands, &roles, "value")?;
        args.iter().try_for_each(|(role, v)| self.expect(O::NAME, role, *v).map(|_| ()))?;
        let (mut values, mut written) = (vec![], vec![]);
        for o in &operands {
            let given = args.iter().find(|(role, _)| *role == o.role).map(|a| a.1);
            let value = match given {
                Some(v) if self.at(v).serves(o) => v,
                Some(v) => return Err(fail(o.role, o.layout.to_string(), self.at(v).to_string())),
                None if o.access == Access::Write => self.add(o.layout.clone(), Source::Made),
                None => return Err(fail(o.role, o.layout.to_string(), "no tensor".into())),
            };
            values.push((o.role, value));
            if o.access != Access::Read {
                written.push((o.role, value));
            }
        }
        self.nodes.push(Node { problem: op.clone_arc(), operands, values });
        Ok(written)
    }

    /// Shape and elements of a value that is known to be of this graph.
    fn at(&self, v: Value) -> &Layout {
        &self.entries[v.index].layout
    }

    /// What holds the numbers of a value.
    fn root(&self, v: Value) -> Value {
        match self.entries[v.index].source {
            Source::View(of) => self.root(of),
            _ => v,
        }
    }

    /// Plans and binds everything. What flows between operations shares memory where it is not needed at the same time, and
    /// so does scratch memory.
    ///
    /// # Errors
    /// [`Error::Argument`] for an output of another graph; as [`Context::plan`], [`Context::empty`] and
    /// [`Plan::bind`](crate::Plan::bind).
    pub async fn compile(&self, ctx: &Context, outputs: &[Value]) -> Result<Model, Error> {
        outputs.iter().try_for_each(|v| self.expect("graph", "output", *v).map(|_| ()))?;
        let roots: Vec<Value> = outputs.iter().map(|v| self.root(*v)).collect();
        // The last operation that touches each value; what the caller sees is needed for ever.
        let mut last = vec![0; self.entries.len()];
        for (i, node) in self.nodes.iter().enumerate() {
            node.values.iter().for_each(|(_, v)| last[self.root(*v).index] = i);
        }
        roots.iter().for_each(|v| last[v.index] = usize::MAX);
        let mut tensors: Vec<Option<DeviceTensor>> = vec![None; self.entries.len()];
        let mut inputs = vec![];
        for (entry, tensor) in self.entries.iter().zip(&mut tensors) {
            match &entry.source {
                Source::Given(t) => *tensor = Some(t.clone()),
                Source::Input => {
                    let t = ctx.empty(&entry.layout).await?;
                    inputs.push(t.clone());
                    *tensor = Some(t);
                }
                _ => {}
            }
        }
        let mut plans = vec![];
        for node in &self.nodes {
            plans.push(ctx.plan_any(&*node.problem, &Choice::Best).await?);
        }
        #[cfg(feature = "gpu")]
        let workspace = ctx.workspace(plans.iter().map(|p| p.workspace_bytes()))?;
        let mut bounds = vec![];
        let mut free: Vec<DeviceTensor> = vec![];
        for (i, (node, plan)) in self.nodes.iter().zip(&plans).enumerate() {
            for (role, v) in &node.values {
                let root = self.root(*v);
                if tensors[root.index].is_some() {
                    continue;
                }
                let layout = self.at(root);
                let o = node.operands.iter().find(|o| o.role == *role).expect("an operand");
                // Given scales are those of one tensor; what has none but 1, or finds them, may stand where another stood.
                let reused = (layout.element().format().is_none() || o.scales == Access::Write)
                    .then(|| free.iter().position(|t| t.layout() == layout))
                    .flatten();
                tensors[root.index] = Some(match reused {
                    Some(at) => free.swap_remove(at),
                    None => ctx.empty(layout).await?,
                });
            }
            let args: Vec<(&'static str, DeviceTensor)> = node
                .values
                .iter()
                .map(|(role, v)| Ok((*role, self.view(*v, &tensors)?)))
                .collect::<Result<_, Error>>()?;
            let slots = Slots(args.iter().map(|(role, t)| (*role, t)).collect());
            #[cfg(feature = "gpu")]
            bounds.push(plan.bind_with(&slots, &workspace)?);
            #[cfg(not(feature = "gpu"))]
            bounds.push(plan.bind(&slots)?);
            for (_, v) in &node.values {
                let root = self.root(*v);
                let made = matches!(self.entries[root.index].source, Source::Made);
                if made
                    && last[root.index] == i
                    && let Some(t) = tensors[root.index].take()
                {
                    free.push(t);
                }
            }
        }
        let outputs = outputs.iter().map(|v| self.view(*v, &tensors)).collect::<Result<_, Error>>()?;
        Ok(Model { ctx: ctx.clone(), inputs, outputs, bounds, called: Arc::default() })
    }

    /// The tensor of a value in its shape.
    fn view(&self, v: Value, tensors: &[Option<DeviceTensor>]) -> Result<DeviceTensor, Error> {
        let t = tensors[self.root(v).index].as_ref();
        let t = t.ok_or_else(|| TensorError::Unused(self.at(v).to_string()))?;
        t.reshape(self.at(v).shape())
    }
}

/// A network, planned and bound for inputs of given shapes. Cheap to clone; clones share its tensors.
#[derive(Clone, Debug)]
pub struct Model {
    ctx: Context,
    inputs: Vec<DeviceTensor>,
    outputs: Vec<DeviceTensor>,
    bounds: Vec<Bound>,
    /// Whether a call is under way.
    called: Arc<AtomicBool>,
}

impl Model {
    /// Its inputs, in the order in which the graph got them: to be written before it runs.
    pub fn inputs(&self) -> &[DeviceTensor] {
        &self.inputs
    }

    /// Its outputs, as [`Graph::compile`] was asked for them.
    pub fn outputs(&self) -> &[DeviceTensor] {
        &self.outputs
    }

    /// Its operations, in order.
    pub fn bounds(&self) -> &[Bound] {
        &self.bounds
    }

    /// Runs it: on a GPU one pass and one submission, no wait.
    ///
    /// # Errors
    /// As [`Context::run`].
    pub fn run(&self) -> Result<(), Error> {
        self.ctx.run(&self.bounds)
    }

    /// Records it into a pass of the caller's.
    ///
    /// # Errors
    /// As [`Bound::encode`].
    #[cfg(feature = "gpu")]
    pub fn encode(&self, pass: &mut wgpu::ComputePass<'_>) -> Result<(), Error> {
        self.bounds.iter().try_for_each(|b| b.encode(pass))
    }

    /// Writes the inputs, runs it, and reads the outputs: one call at a time, as clones share the tensors.
    ///
    /// # Errors
    /// [`Error::Busy`] while another call, of a clone perhaps, is not over;
    /// [`Error::Argument`] for another number of inputs; as [`Context::write`], [`Context::run`] and
    /// [`Context::download`].
    pub async fn call(&self, inputs: &[&HostTensor]) -> Result<Vec<HostTensor>, Error> {
        if inputs.len() != self.inputs.len() {
            let (expected, got) = (format!("{} tensors", self.inputs.len()), inputs.len().to_string());
            return Err(Error::Argument { op: "model", role: "inputs", expected, got });
        }
        let _call = Call::begin(&self.called)?;
        for (to, from) in self.inputs.iter().zip(inputs) {
            self.ctx.write(to, from)?;
        }
        self.run()?;
        let mut out = vec![];
        for t in &self.outputs {
            out.push(self.ctx.download(t).await?);
        }
        Ok(out)
    }
}

/// A call that is under way; it is over when this is dropped, even if it was given up half-way.
struct Call<'a>(&'a AtomicBool);

impl<'a> Call<'a> {
    fn begin(called: &'a AtomicBool) -> Result<Self, Error> {
        if called.swap(true, Ordering::Acquire) {
            return Err(Error::Busy { slot: "tensors of a model".to_owned() });
        }
        Ok(Self(called))
    }
}

impl Drop for Call<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}
