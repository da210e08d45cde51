//! `Model`: a graph, planned and bound.

use crate::{
    context::Context,
    error::Error,
    plan::Bound,
    tensor::{DeviceTensor, HostTensor},
};
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

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
    pub(super) fn new(
        ctx: &Context,
        inputs: Vec<DeviceTensor>,
        outputs: Vec<DeviceTensor>,
        bounds: Vec<Bound>,
    ) -> Self {
        Self { ctx: ctx.clone(), inputs, outputs, bounds, called: Arc::default() }
    }

    /// Its inputs, in the order in which the graph got them: to be written before it runs.
    pub fn inputs(&self) -> &[DeviceTensor] {
        &self.inputs
    }

    /// Its outputs, as [`Graph::compile`](super::Graph::compile) was asked for them.
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
        let _call = self.begin(inputs)?;
        self.run()?;
        let mut out = vec![];
        for t in &self.outputs {
            out.push(self.ctx.download(t).await?);
        }
        Ok(out)
    }

    /// Begins a call: nobody else's may, and the inputs are written.
    pub(in crate::nn) fn begin(&self, inputs: &[&HostTensor]) -> Result<Call<'_>, Error> {
        if inputs.len() != self.inputs.len() {
            let (expected, got) = (format!("{} tensors", self.inputs.len()), inputs.len().to_string());
            return Err(Error::Argument { op: "model", role: "inputs", expected, got });
        }
        let call = Call::begin(&self.called)?;
        for (to, from) in self.inputs.iter().zip(inputs) {
            self.ctx.write(to, from)?;
        }
        Ok(call)
    }

    /// Where it runs.
    pub(in crate::nn) fn context(&self) -> &Context {
        &self.ctx
    }
}

/// A call that is under way; it is over when this is dropped, even if it was given up half-way.
pub(in crate::nn) struct Call<'a>(&'a AtomicBool);

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
