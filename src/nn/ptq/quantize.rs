//! A scheme applied to a network.

use super::{
    Approach, Network, Numbers, Quantized, QuantizedOperand, Ranges, Report, Scheme,
    int8::{self, Cut},
    place::{Place, places},
    rewrite::Rewrite,
};
use crate::{
    context::Context,
    dtype::Format,
    error::Error,
    nn::{
        Recipe, Value,
        graph::{Graph, Node, Source},
    },
    ops::{BatchNorm, Unary, problem::Problem},
    scale::{Granularity, Scale},
    tensor::{Element, HostTensor, TensorError},
};
use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

impl Network {
    /// The network with operands quantised as the scheme says; by `ranges` where its activations are [`Approach::Static`].
    /// Weights are quantised on the host.
    ///
    /// # Errors
    /// [`Error::Argument`] where a range is asked for that `ranges` do not have, for an exempt name that no operation has, and for int8
    /// that is cast; [`Error::Descriptor`] for a format that an
    /// operation does not take; as [`Context::download`] for weights that lie on a device.
    pub async fn quantize(
        &self,
        ctx: &Context,
        scheme: &Scheme,
        ranges: Option<&Ranges>,
    ) -> Result<Quantized, Error> {
        self.expect_names("quantize", &scheme.exempt)?;
        let int8 = [scheme.weights, scheme.activations].contains(&Some(Numbers::Int8));
        if int8 && scheme.approach == Approach::Cast {
            let (expected, got) = ("static or dynamic for int8".to_owned(), scheme.approach.to_string());
            return Err(Error::Argument { op: "quantize", role: "approach", expected, got });
        }
        let mut walk = Walk::new(self, scheme, ranges);
        for (node, place) in self.graph.nodes().iter().zip(places(&self.graph, scheme)) {
            match place {
                Ok(places) => walk.quantize(ctx, node, &places).await?,
                Err(why) => {
                    walk.report.left.push((node.name.to_string(), why));
                    let problem = walk.observed(node, Arc::clone(&node.problem));
                    walk.copy(node, problem, &[])?;
                }
            }
        }
        let mut outputs = vec![];
        for v in &self.outputs {
            outputs.push(walk.rewrite.value(*v)?);
        }
        Ok(Quantized { graph: walk.rewrite.new, outputs, cuts: walk.cuts, report: walk.report })
    }

    /// The same with every `batch_norm` in training, momentum 1: running statistics become those of the batch, and are asked for
    /// instead of the network's outputs: mean and variance of one operation after the other.
    pub(super) async fn trained(&self, ctx: &Context, scheme: &Scheme) -> Result<Quantized, Error> {
        let mut walk = Walk::new(self, scheme, None);
        let mut outputs = vec![];
        for (node, place) in self.graph.nodes().iter().zip(places(&self.graph, scheme)) {
            let mut node = node.clone();
            let norm = node.problem.as_any().downcast_ref::<BatchNorm>();
            let norm = norm.filter(|o| o.training.is_none()).cloned();
            let states = norm.is_some().then(|| walk.statistics(&node)).transpose()?;
            if let Some(norm) = norm {
                node.problem = norm.training(1.0).clone_arc();
            }
            let states = states.unwrap_or_default();
            walk.states.clone_from(&states);
            match place {
                Ok(places) => walk.quantize(ctx, &node, &places).await?,
                Err(_) => {
                    let problem = walk.observed(&node, Arc::clone(&node.problem));
                    walk.copy(&node, problem, &states)?;
                }
            }
            outputs.extend(states.into_iter().map(|s| s.1));
        }
        Ok(Quantized { graph: walk.rewrite.new, outputs, cuts: walk.cuts, report: walk.report })
    }

    /// What a given value holds, in its shape.
    pub(super) async fn given(&self, ctx: &Context, v: Value) -> Result<HostTensor, Error> {
        let (graph, root) = (&self.graph, self.graph.root(v));
        let tensor = match graph.source(root) {
            Source::Constant(t) => (**t).clone(),
            Source::Given(t) => ctx.download(t).await?,
            _ => return Err(TensorError::Unused(graph.at(root).to_string()).into()),
        };
        let shape = graph.at(v).shape();
        if tensor.shape() == shape {
            return Ok(tensor);
        }
        Ok(HostTensor::from_f32_as(tensor.layout().element().dtype(), &tensor.to_f32(), shape)?)
    }
}

/// A graph on its way to a quantised one.
struct Walk<'a> {
    network: &'a Network,
    scheme: &'a Scheme,
    ranges: Option<&'a Ranges>,
    rewrite: Rewrite<'a>,
    /// Values that are quantised by their own maximum: whoever makes them leaves it beside them.
    live: HashSet<Value>,
    /// Quantised activations, by what holds their numbers and the shape they were quantised in.
    activations: HashMap<(Value, Vec<u32>), Value>,
    weights: HashMap<(Value, Vec<u32>, Granularity), (Value, Element)>,
    /// Statistics of the operation at hand, where it trains.
    states: Vec<(&'static str, Value)>,
    cuts: Vec<Cut>,
    report: Report,
}

impl<'a> Walk<'a> {
    fn new(network: &'a Network, scheme: &'a Scheme, ranges: Option<&'a Ranges>) -> Self {
        let graph = &network.graph;
        let mut live = HashSet::new();
        if scheme.approach == Approach::Dynamic && !int8::is_int8(scheme.activations) {
            for (node, places) in graph.nodes().iter().zip(places(graph, scheme)) {
                let read = places.into_iter().flatten().filter(|p| !p.given);
                live.extend(read.filter_map(|p| node.value(p.role)).map(|v| graph.root(v)));
            }
            // What is asked for, kept or written by several stays as it was described.
            network.outputs.iter().for_each(|v| _ = live.remove(&graph.root(*v)));
            let writers = |v: &Value| graph.nodes().iter().filter(|n| n.writes(graph, *v)).count();
            live.retain(|v| matches!(graph.source(*v), Source::Made) && writers(v) == 1);
        }
        Self {
            network,
            scheme,
            ranges,
            rewrite: Rewrite::new(graph),
            live,
            activations: HashMap::new(),
            weights: HashMap::new(),
            states: vec![],
            cuts: vec![],
            report: Report::default(),
        }
    }

    fn graph(&self) -> &'a Graph {
        &self.network.graph
    }

    /// The problem with amax beside what it makes, where that is asked for.
    fn observed(&self, node: &Node, problem: Arc<dyn Problem>) -> Arc<dyn Problem> {
        let Some(out) = node.value("out").filter(|v| self.live.contains(v)) else { return problem };
        let element = self.graph().at(out).element().observed();
        let observed = problem.with_element("out", element).filter(|p| p.operands().is_ok());
        observed.unwrap_or(problem)
    }

    /// Copies an operation with these operands quantised.
    async fn quantize(&mut self, ctx: &Context, node: &Node, places: &[Place]) -> Result<(), Error> {
        let mut problem = self.observed(node, Arc::clone(&node.problem));
        let mut others = self.states.clone();
        for place in places {
            let Some(v) = node.value(place.role) else { continue };
            let (value, element, scale) = if place.given {
                let (value, element) = self.weights(ctx, v, place).await?;
                (value, element, None)
            } else {
                let (value, scale) = self.activations(node, v, place.numbers)?;
                (value, place.element(), scale)
            };
            if let Some(other) = problem.with_element(place.role, element) {
                problem = other;
                others.push((place.role, value));
            }
            self.report.quantized.push(QuantizedOperand {
                node: node.name.to_string(),
                role: place.role,
                numbers: place.numbers,
                granularity: place.granularity,
                given: place.given,
                scale: scale.map(Scale::get),
            });
        }
        self.copy(node, problem, &others)
    }

    /// Copies an operation; what was quantised of values that it writes is of the past.
    fn copy(
        &mut self,
        node: &Node,
        problem: Arc<dyn Problem>,
        others: &[(&'static str, Value)],
    ) -> Result<(), Error> {
        self.rewrite.node(node, problem, others)?;
        let graph = self.graph();
        self.activations.retain(|of, _| !node.writes(graph, of.0));
        Ok(())
    }

    /// Weights as constants.
    async fn weights(&mut self, ctx: &Context, v: Value, place: &Place) -> Result<(Value, Element), Error> {
        let (root, shape) = (self.graph().root(v), self.graph().at(v).shape().to_vec());
        let key = (root, shape, place.granularity);
        if let Some(known) = self.weights.get(&key) {
            return Ok(*known);
        }
        let w = self.network.given(ctx, v).await?;
        let cast = self.scheme.approach == Approach::Cast;
        let w = match place.numbers {
            Numbers::Float(f) if cast => w.cast(f)?,
            Numbers::Float(f) => w.quantize(f, place.granularity)?,
            Numbers::Int8 => int8::weights(&w, place.granularity, !cast)?,
        };
        let made = (self.rewrite.new.constant(&w), w.layout().element());
        self.weights.insert(key, made);
        Ok(made)
    }

    /// What stands for an activation in its shape, and the scale if it was given.
    fn activations(&mut self, node: &Node, v: Value, n: Numbers) -> Result<(Value, Option<Scale>), Error> {
        let root = self.graph().root(v);
        let shape = self.graph().at(v).shape();
        let scale = match self.scheme.approach {
            Approach::Cast => Some(Scale::ONE),
            Approach::Dynamic => None,
            Approach::Static => Some(self.range(node, root, n)?),
        };
        // Once for all shapes, where rows of codes lie as rows of numbers do.
        let whole = self.graph().at(root);
        let coded = match n {
            Numbers::Float(f) => whole.with(Element::f8(f, Granularity::PerTensor)),
            Numbers::Int8 => whole.with(Element::F32),
        };
        let from = if coded.is_ok_and(|c| c.reshape(shape).is_ok()) { root } else { v };
        let key = (root, self.graph().at(from).shape().to_vec());
        let made = match self.activations.get(&key) {
            Some(known) => *known,
            None => {
                let x = self.rewrite.value(from)?;
                let made = match n {
                    Numbers::Float(format) => self.codes(x, format, scale)?,
                    Numbers::Int8 => self.cut(node, x, scale)?,
                };
                self.activations.insert(key, made);
                made
            }
        };
        let new = &mut self.rewrite.new;
        let made = if new.at(made).shape() == shape { made } else { new.reshape(made, shape)? };
        Ok((made, scale.filter(|_| self.scheme.approach == Approach::Static)))
    }

    fn codes(&mut self, x: Value, format: Format, scale: Option<Scale>) -> Result<Value, Error> {
        scale.map_or(Recipe::Current, Recipe::Static).quantize(&mut self.rewrite.new, x, format)
    }

    /// A copy that the host rounds.
    fn cut(&mut self, node: &Node, x: Value, scale: Option<Scale>) -> Result<Value, Error> {
        let new = &mut self.rewrite.new;
        let copy = Unary::new(new.at(x).shape()).x(new.at(x).element().plain());
        let place = new.nodes().len();
        let name = format!("int8 of {}", node.name);
        let made = new.apply_any(copy.clone_arc(), name.into(), &[("x", x)])?;
        let value = made.first().map(|m| m.1).unwrap_or(x);
        self.cuts.push(Cut { node: place, value, scale });
        Ok(value)
    }

    /// The scale that was found beforehand.
    fn range(&self, node: &Node, root: Value, n: Numbers) -> Result<Scale, Error> {
        let found = self.ranges.and_then(|r| r.scale(root, n));
        found.ok_or_else(|| Error::Argument {
            op: "quantize",
            role: "ranges",
            expected: format!("a range of {n} for every activation, found by `calibrate` of this network"),
            got: format!("none for {}", node.name),
        })
    }

    /// Fresh running statistics for one that trains.
    fn statistics(&mut self, node: &Node) -> Result<Vec<(&'static str, Value)>, Error> {
        let mut all = vec![];
        for role in ["running_mean", "running_var"] {
            if let Some(v) = node.value(role) {
                let layout = self.graph().at(v);
                let zeros = vec![0.0; layout.elements() as usize];
                let zeros = HostTensor::from_f32(&zeros, layout.shape())?;
                all.push((role, self.rewrite.new.state(&zeros)));
            }
        }
        Ok(all)
    }
}
