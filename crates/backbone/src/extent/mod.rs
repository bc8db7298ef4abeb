//! What the tensors of a network measure, found out before it runs: a file of a few hundred bytes can
//! ask for more memory than any machine has, and an allocation that fails ends the program.
//!
//! | module | what it does |
//! |---|---|
//! | `operation` | one operation: its inputs and parameters |
//! | `rules` | the shapes that each operator makes of others |
//! | `values` | small constant tensors, which shapes are computed from |
//!
//! The input's shape is given, so that every shape is a list of numbers. Shapes that depend on what a
//! photo shows have no bound, and are refused.

mod operation;
mod rules;
mod values;

use std::collections::{HashMap, HashSet};

use efficientad_onnx_format::{GraphProto, ModelProto, NodeProto, TensorProto};

use operation::{Operation, Refusal};

/// Numbers that all tensors of a network may hold together, as if none were freed.
pub const MAX_NUMBERS: u64 = 1 << 31;
/// Numbers that one of them may hold.
pub const MAX_TENSOR: u64 = 1 << 30;
/// Dimensions of a tensor.
const MAX_DIMENSIONS: usize = 16;
/// Multiplications, or what takes as long, that a network may need for a photo.
pub const MAX_WORK: u64 = 1 << 40;

/// What is known of a tensor.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Tensor {
    /// Lengths of its dimensions.
    pub shape: Vec<u64>,
    /// Its numbers, if they are few and the same for all photos.
    value: Option<TensorProto>,
}

/// What is known of a network's tensors.
#[derive(Debug, Default)]
pub(crate) struct Extents {
    /// By name, as far as it could be found out.
    pub tensors: HashMap<String, Tensor>,
    /// Why the network must not run, if so.
    pub refusal: Option<String>,
    used: Used,
}

/// What tensors and operations take together.
#[derive(Debug, Default)]
struct Used {
    numbers: u64,
    work: u64,
}

impl Extents {
    /// Of those operations of a graph that are `wanted`, for an input of a shape.
    pub(crate) fn of(
        file: &ModelProto,
        graph: &GraphProto,
        (input, shape): (&str, &[usize]),
        wanted: impl Fn(&NodeProto) -> bool,
    ) -> Self {
        let mut extents = Self::default();
        let shape = shape.iter().map(|&length| length as u64).collect();
        extents.add(input, Tensor { shape, value: None });
        for constant in &graph.initializer {
            match values::tensor(constant) {
                Some(tensor) if extents.used.takes(std::slice::from_ref(&tensor.shape)) => {
                    extents.add(&constant.name, tensor);
                }
                _ => {
                    let (name, dims) = (&constant.name, &constant.dims);
                    extents.refuse(format!("its tensor `{name}` cannot have the shape {dims:?}"));
                }
            }
        }
        for node in graph.node.iter().filter(|node| wanted(node)) {
            match extents.outputs(file, node) {
                Ok(outputs) => {
                    let named = node.output.iter().zip(outputs);
                    named.for_each(|(name, tensor)| extents.add(name, tensor));
                }
                Err(refusal) => extents.refuse(refusal.tell(node)),
            }
        }
        extents
    }

    /// The tensors that an operation makes.
    fn outputs(&mut self, file: &ModelProto, node: &NodeProto) -> Result<Vec<Tensor>, Refusal> {
        let operation = Operation::new(node, &self.tensors)?;
        let (shapes, work) = rules::shapes(&operation)?;
        if !self.used.takes(&shapes) {
            return Err(Refusal::TooLarge(shapes));
        }
        self.used.work = self.used.work.saturating_add(work);
        if self.used.work > MAX_WORK {
            return Err(Refusal::TooLong);
        }
        let values = values::of_outputs(file, &operation, &shapes)?;
        Ok(shapes.into_iter().zip(values).map(|(shape, value)| Tensor { shape, value }).collect())
    }

    fn add(&mut self, name: &str, tensor: Tensor) {
        if !name.is_empty() && self.tensors.insert(name.to_owned(), tensor).is_some() {
            self.refuse(format!("it has two tensors of the name `{name}`"));
        }
    }

    /// The first reason counts: others may follow from it.
    fn refuse(&mut self, reason: String) {
        self.refusal.get_or_insert(reason);
    }
}

impl Used {
    /// Takes tensors into account; whether there is room for them.
    fn takes(&mut self, shapes: &[Vec<u64>]) -> bool {
        if shapes.iter().any(|shape| shape.len() > MAX_DIMENSIONS) {
            return false;
        }
        let counts = shapes.iter().map(|shape| count(shape));
        self.numbers = counts.fold(self.numbers, u64::saturating_add);
        // A length that is not the runtime's kind of number would be cut, also beside one of 0.
        let mut largest =
            shapes.iter().flat_map(|shape| shape.iter().copied().chain([count(shape)]));
        self.numbers <= MAX_NUMBERS && largest.all(|numbers| numbers <= MAX_TENSOR)
    }
}

/// Numbers in a tensor of this shape.
fn count(shape: &[u64]) -> u64 {
    if shape.contains(&0) {
        0
    } else {
        shape.iter().fold(1, |all, &length| all.saturating_mul(length))
    }
}

/// A shape, as `1×3×512×512`.
fn by(shape: &[u64]) -> String {
    shape.iter().map(ToString::to_string).collect::<Vec<_>>().join("×")
}

/// Whether a name occurs twice.
fn repeats<'a>(names: impl Iterator<Item = &'a String>) -> bool {
    let mut seen = HashSet::new();
    names.into_iter().any(|name| !name.is_empty() && !seen.insert(name))
}

#[cfg(test)]
mod tests;
