//! Memory and plans of a graph.

use super::{Graph, Model, Source, Value};
use crate::{
    context::Context,
    error::Error,
    ops::Slots,
    plan::Choice,
    tensor::{Access, DeviceTensor, TensorError},
};

impl Graph {
    /// Plans and binds everything. What flows between operations shares memory where it is not needed at the same time, and
    /// so does scratch memory; what has given scales, or is kept from run to run, shares it with nothing.
    ///
    /// # Errors
    /// [`Error::Argument`] for an output of another graph; as [`Context::plan`], [`Context::empty`] and
    /// [`Plan::bind`](crate::Plan::bind).
    pub async fn compile(&self, ctx: &Context, outputs: &[Value]) -> Result<Model, Error> {
        outputs.iter().try_for_each(|v| self.expect("graph", "output", *v).map(|_| ()))?;
        let roots: Vec<Value> = outputs.iter().map(|v| self.root(*v)).collect();
        // The last operation that touches each value; what the caller sees is needed for ever.
        let mut last = vec![None; self.entries.len()];
        for (i, node) in self.nodes.iter().enumerate() {
            node.values.iter().for_each(|(_, v)| last[self.root(*v).index] = Some(i));
        }
        roots.iter().for_each(|v| last[v.index] = Some(usize::MAX));
        let mut tensors: Vec<Option<DeviceTensor>> = vec![None; self.entries.len()];
        let mut inputs = vec![];
        for ((entry, tensor), last) in self.entries.iter().zip(&mut tensors).zip(&last) {
            *tensor = match &entry.source {
                Source::Given(t) => Some(t.clone()),
                Source::Input => {
                    let t = ctx.empty(&entry.layout).await?;
                    inputs.push(t.clone());
                    Some(t)
                }
                Source::Constant(t) | Source::State(t) if last.is_some() => Some(ctx.upload(t).await?),
                Source::Scaled(scales) if last.is_some() => {
                    Some(ctx.empty_scaled(&entry.layout, scales).await?)
                }
                _ => None,
            };
        }
        let mut plans = vec![];
        for node in &self.nodes {
            plans.push(ctx.plan_any(&*node.problem, &Choice::Best).await?);
        }
        #[cfg(feature = "gpu")]
        let workspace = ctx.workspace(plans.iter().map(|p| p.workspace_bytes()))?;
        let mut bounds = vec![];
        let mut free: Vec<DeviceTensor> = vec![];
        // Values whose memory may be that of others.
        let mut shared = vec![false; self.entries.len()];
        for (i, (node, plan)) in self.nodes.iter().zip(&plans).enumerate() {
            for (role, v) in &node.values {
                let root = self.root(*v);
                if tensors[root.index].is_some() {
                    continue;
                }
                let layout = self.at(root);
                let o = node.operands.iter().find(|o| o.role == *role).expect("an operand");
                // Given scales are those of one tensor; what has none but 1, or finds them in every run, may stand where another
                // stood, and leave its place to others.
                let own = layout.element().dtype().is_coded();
                shared[root.index] = !own || o.scales == Access::Write;
                let reused = free.iter().position(|t| shared[root.index] && t.layout() == layout);
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
                if shared[root.index]
                    && last[root.index] == Some(i)
                    && let Some(t) = tensors[root.index].take()
                {
                    free.push(t);
                }
            }
        }
        let outputs = outputs.iter().map(|v| self.view(*v, &tensors)).collect::<Result<_, Error>>()?;
        Ok(Model::new(ctx, inputs, outputs, bounds))
    }

    /// The tensor of a value in its shape.
    fn view(&self, v: Value, tensors: &[Option<DeviceTensor>]) -> Result<DeviceTensor, Error> {
        let t = tensors[self.root(v).index].as_ref();
        let t = t.ok_or_else(|| TensorError::Unused(self.at(v).to_string()))?;
        t.reshape(self.at(v).shape())
    }
}
