//! Ranges of activations, from samples.

use super::{Approach, Batches, Network, Numbers, Scheme, inputs, int8, place::places};
use crate::{
    context::Context,
    dtype::Format,
    error::Error,
    nn::Value,
    scale::{Calibration, Observer, Progress, Scale},
    tensor::HostTensor,
};
use std::collections::HashMap;

/// Scales of the activations of one network, by which a static scheme quantises them.
#[derive(Clone, Debug)]
pub struct Ranges {
    numbers: Numbers,
    scales: HashMap<Value, Scale>,
    non_finite: u64,
}

impl Ranges {
    /// How many of the numbers seen were NaN or infinite: they are in no range.
    pub fn non_finite(&self) -> u64 {
        self.non_finite
    }

    /// How many activations have one.
    pub fn len(&self) -> usize {
        self.scales.len()
    }

    /// Whether none has.
    pub fn is_empty(&self) -> bool {
        self.scales.is_empty()
    }

    /// The scale of what holds an activation's numbers.
    pub(super) fn scale(&self, root: Value, numbers: Numbers) -> Option<Scale> {
        self.scales.get(&root).copied().filter(|_| numbers == self.numbers)
    }
}

/// What stands for int8 where a calibration asks for a format: those that are allowed do not look at it.
const ANY: Format = Format::E4M3FN;

impl Network {
    /// Ranges of every activation that the scheme quantises, from all batches of inputs; `progress` is told after each.
    ///
    /// They are those of the network as it is, nothing quantised, as Intel Neural Compressor's observers find them; so call it after
    /// [`smooth`](Self::smooth) and [`reestimate`](Self::reestimate), on the network that they made. One value has one range, however
    /// many operations read it. Of schemes that are not static there are none.
    ///
    /// # Errors
    /// [`Error::Argument`] without batches, for a calibration of int8 that asks for codes (KL, MSE, cosine), and for activations that
    /// are written more than once, as ranges are those of what they hold in the end;
    /// [`Error::Calibration`] for activations that give no range; as [`Graph::compile`](crate::nn::Graph::compile) and
    /// [`Model::call`](crate::nn::Model::call).
    pub async fn calibrate<I>(
        &self,
        ctx: &Context,
        scheme: &Scheme,
        calibration: Calibration,
        batches: I,
        mut progress: impl FnMut(Progress),
    ) -> Result<Ranges, Error>
    where
        I: IntoIterator<Item: AsRef<[HostTensor]>>,
    {
        // One that does not ask for ranges has none; its formats do not matter then.
        let Some(numbers) = scheme.activations.filter(|_| scheme.approach == Approach::Static) else {
            return Ok(Ranges { numbers: Numbers::Int8, scales: HashMap::new(), non_finite: 0 });
        };
        let format = match numbers {
            Numbers::Float(format) => format,
            Numbers::Int8 => match calibration {
                Calibration::MinMax | Calibration::Percentile(_) => ANY,
                other => {
                    let (expected, got) = ("MinMax or Percentile of int8".to_owned(), format!("{other:?}"));
                    return Err(Error::Argument { op: "calibrate", role: "calibration", expected, got });
                }
            },
        };
        let mut seen: Vec<(Value, Observer)> = vec![];
        for (node, places) in self.graph.nodes().iter().zip(places(&self.graph, scheme)) {
            for place in places.into_iter().flatten().filter(|p| !p.given) {
                let Some(v) = node.value(place.role).map(|v| self.graph.root(v)) else { continue };
                if !seen.iter().any(|s| s.0 == v) {
                    seen.push((v, calibration.observer(format)?));
                }
            }
        }
        let roots: Vec<Value> = seen.iter().map(|s| s.0).collect();
        self.expect_written_once("calibrate", roots.iter().copied())?;
        let model = self.graph.compile(ctx, &roots).await?;
        let mut batches = Batches::new(batches);
        while let Some((batch, now)) = batches.next() {
            for (x, (_, observer)) in model.call(&inputs(&batch)).await?.iter().zip(&mut seen) {
                observer.observe(&x.to_f32());
            }
            progress(now);
        }
        batches.expect_some("calibrate")?;
        let (mut scales, mut non_finite) = (HashMap::new(), 0);
        for (v, observer) in seen {
            non_finite += observer.histogram().non_finite();
            let scale = match numbers {
                Numbers::Float(_) => observer.scale()?,
                Numbers::Int8 => int8::scale(observer.amax()?),
            };
            scales.insert(v, scale);
        }
        Ok(Ranges { numbers, scales, non_finite })
    }
}
