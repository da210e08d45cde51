//! `Embedding`: rows of a table.

use super::{Graph, Layer, Precision, Value};
use crate::{
    context::Context,
    error::Error,
    ops::{self, DescriptorError},
    tensor::{DeviceTensor, HostTensor},
};

/// Row index\[i\] of a table: [`ops::Embedding`]. Its input is u32.
#[derive(Clone, Debug)]
pub struct Embedding {
    table: DeviceTensor,
}

impl Embedding {
    /// Rows \[vocabulary, dim\]; 8-bit if the precision of weights is, a scale per row.
    ///
    /// # Errors
    /// [`Error::Descriptor`] for a table of other than two axes; [`Error::Tensor`] for one that cannot be quantised; as
    /// [`Context::upload`].
    pub async fn new(ctx: &Context, table: &HostTensor, precision: Precision) -> Result<Self, Error> {
        if table.shape().len() != 2 {
            let got = format!("{:?}", table.shape());
            return Err(DescriptorError::new("embedding", "table", "[vocabulary, dim]", got).into());
        }
        Ok(Self { table: ctx.upload(&precision.weights("embedding", "table", table, 0)?).await? })
    }

    /// Its table as it lies on the device.
    pub fn table(&self) -> &DeviceTensor {
        &self.table
    }

    /// [`record`](Layer::record) with a residual of the output's shape: position embeddings.
    ///
    /// # Errors
    /// As there.
    pub fn record_with(&self, g: &mut Graph, index: Value, residual: Option<Value>) -> Result<Value, Error> {
        let (rows, dim) = (self.table.layout().shape()[0], self.table.layout().shape()[1]);
        let op =
            ops::Embedding::new(g.layout(index)?.shape(), rows, dim).table(self.table.layout().element());
        let mut args = vec![("index", index), ("table", g.tensor(&self.table))];
        args.extend(residual.map(|r| ("residual", r)));
        let op = match residual {
            Some(r) => op.residual(g.layout(r)?.element().plain()),
            None => op,
        };
        g.apply(&op, &args)
    }
}

impl Layer for Embedding {
    fn record(&self, g: &mut Graph, index: Value) -> Result<Value, Error> {
        self.record_with(g, index, None)
    }
}
