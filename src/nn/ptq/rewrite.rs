//! A graph copied operation by operation, some of them with other operands.

use crate::{
    error::Error,
    nn::graph::{Graph, Node, Source, Value},
    ops::problem::Problem,
};
use std::{collections::HashMap, sync::Arc};

/// Copies a graph into a new one.
pub(super) struct Rewrite<'a> {
    pub old: &'a Graph,
    pub new: Graph,
    map: HashMap<Value, Value>,
}

impl<'a> Rewrite<'a> {
    /// With the inputs of the graph, in their order, and nothing else yet.
    pub fn new(old: &'a Graph) -> Self {
        let mut r = Self { old, new: Graph::new(), map: HashMap::new() };
        for (v, layout, source) in old.begin().filter(|b| matches!(b.2, Source::Input)) {
            let input = r.new.copy(layout, source);
            r.map.insert(v, input);
        }
        r
    }

    /// The value of the new graph that stands for one of the old.
    pub fn value(&mut self, v: Value) -> Result<Value, Error> {
        if let Some(known) = self.map.get(&v) {
            return Ok(*known);
        }
        let new = match self.old.source(v) {
            Source::View(of) => {
                let of = self.value(*of)?;
                self.new.reshape(of, self.old.at(v).shape())?
            }
            source => self.new.copy(self.old.at(v), source),
        };
        self.map.insert(v, new);
        Ok(new)
    }

    /// Copies an operation, as this problem and with these operands where they are others.
    pub fn node(
        &mut self,
        node: &Node,
        problem: Arc<dyn Problem>,
        others: &[(&'static str, Value)],
    ) -> Result<(), Error> {
        let mut args = vec![];
        for (role, v) in &node.values {
            // What the operation makes is made anew.
            let made = matches!(self.old.source(*v), Source::Made) && !self.map.contains_key(v);
            match others.iter().find(|(r, _)| r == role) {
                Some(other) => args.push(*other),
                None if made => {}
                None => args.push((role, self.value(*v)?)),
            }
        }
        for (role, new) in self.new.apply_any(problem, Arc::clone(&node.name), &args)? {
            if let Some(old) = node.value(role) {
                self.map.insert(old, new);
            }
        }
        Ok(())
    }
}
