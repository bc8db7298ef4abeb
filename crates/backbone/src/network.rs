//! An ONNX file's graph, and parts of it.

use std::collections::{HashMap, HashSet};

use efficientad_onnx_format::{
    Bytes, Dimension, DimensionProto, GraphProto, Message, ModelProto, NodeProto, TensorShapeProto,
    TensorTypeProto, TypeProto, ValueInfoProto, Weight, data_location, data_type,
};

use crate::extent::Extents;

/// Most operations in a graph: the runtime walks through them by recursion.
const MAX_NODES: usize = 5000;
/// Most entries of a file, and bytes in them besides the weights; each may take hundreds of times that in
/// memory.
const MAX_ENTRIES: u64 = 1 << 20;
const MAX_STRUCTURE: u64 = 1 << 22;

/// A graph with one input.
pub(crate) struct Network {
    file: ModelProto,
    graph: GraphProto,
    input: String,
}

impl Network {
    /// Reads a file; the error is the reason why it is no such network.
    pub(crate) fn read(bytes: Bytes) -> Result<Self, String> {
        let weight = Weight::of(&bytes).ok_or("it is no ONNX file, or a damaged one")?;
        if weight.entries > MAX_ENTRIES || weight.bytes > MAX_STRUCTURE {
            return Err(format!(
                "without the numbers of its weights it has {} entries of {} bytes, more than the limits of \
                 {MAX_ENTRIES} and {MAX_STRUCTURE}",
                weight.entries, weight.bytes
            ));
        }
        let mut file = ModelProto::decode(bytes).map_err(|error| error.to_string())?;
        let graph = file.graph.take().ok_or("it has no graph")?;
        let nodes = operations(&graph);
        if nodes > MAX_NODES {
            return Err(format!("it has {nodes} operations, more than the limit of {MAX_NODES}"));
        }
        if graph.initializer.iter().any(|it| it.data_location == data_location::EXTERNAL) {
            return Err("its weights are in another file; save it as one file".to_owned());
        }
        let constants: HashSet<&str> =
            graph.initializer.iter().map(|constant| constant.name.as_str()).collect();
        let inputs = graph.input.iter().map(|input| input.name.as_str());
        let inputs: Vec<&str> = inputs.filter(|input| !constants.contains(input)).collect();
        let &[input] = inputs.as_slice() else {
            return Err(format!("it has {} inputs where 1 is needed", inputs.len()));
        };
        Ok(Self { input: input.to_owned(), file, graph })
    }

    /// Names of all tensors that are computed.
    pub(crate) fn tensors(&self) -> Vec<&str> {
        let names = self.graph.node.iter().flat_map(|node| &node.output);
        let mut seen = HashSet::new();
        names.map(String::as_str).filter(|name| !name.is_empty() && seen.insert(*name)).collect()
    }

    /// What all tensors measure, as far as that is known before they are computed, from an input of
    /// `shape`.
    pub(crate) fn extents(&self, shape: [usize; 4]) -> Extents {
        Extents::of(&self.file, &self.graph, (&self.input, &shape), |_| true)
    }

    /// Whether these outputs can be computed from an input of `shape` within the limits of memory and
    /// time; the error is the reason why not.
    pub(crate) fn check(&self, shape: [usize; 4], outputs: &[&str]) -> Result<(), String> {
        let needed = self.needed(outputs);
        let extents = Extents::of(&self.file, &self.graph, (&self.input, &shape), |node| {
            computes(node, &needed)
        });
        extents.refusal.map_or(Ok(()), Err)
    }

    /// A file of what is needed from an input of floats of `shape` to these outputs.
    pub(crate) fn cut(&self, shape: [usize; 4], outputs: &[&str]) -> Vec<u8> {
        let needed = self.needed(outputs);
        let initializers = self.graph.initializer.iter();
        let graph = GraphProto {
            node: self.graph.node.iter().filter(|node| computes(node, &needed)).cloned().collect(),
            name: self.graph.name.clone(),
            initializer: initializers
                .filter(|it| needed.contains(it.name.as_str()))
                .cloned()
                .collect(),
            input: vec![floats(&self.input, shape)],
            output: outputs.iter().map(|name| value(name)).collect(),
        };
        ModelProto { graph: Some(graph), ..self.file.clone() }.encode_to_vec()
    }

    /// Names of all values that these depend on, and of themselves.
    fn needed<'a>(&'a self, outputs: &[&'a str]) -> HashSet<&'a str> {
        let computed =
            |node: &'a NodeProto| node.output.iter().map(move |name| (name.as_str(), node));
        let sources: HashMap<&str, &NodeProto> =
            self.graph.node.iter().flat_map(computed).collect();
        let (mut needed, mut open) = (HashSet::new(), outputs.to_vec());
        while let Some(name) = open.pop() {
            if needed.insert(name)
                && let Some(node) = sources.get(name)
            {
                reads(node, &mut open);
            }
        }
        needed
    }
}

/// Whether an operation computes one of these values.
fn computes(node: &NodeProto, values: &HashSet<&str>) -> bool {
    node.output.iter().any(|name| values.contains(name.as_str()))
}

/// The graphs that an operation runs.
fn inner(node: &NodeProto) -> impl Iterator<Item = &GraphProto> {
    node.attribute.iter().filter_map(|attribute| attribute.g.as_ref())
}

/// How many operations there are in a graph, and in the graphs in it.
fn operations(graph: &GraphProto) -> usize {
    graph.node.len() + graph.node.iter().flat_map(inner).map(operations).sum::<usize>()
}

/// Adds the names of the values that an operation reads, and the graphs in it.
fn reads<'a>(node: &'a NodeProto, names: &mut Vec<&'a str>) {
    names.extend(node.input.iter().map(String::as_str));
    for graph in inner(node) {
        graph.node.iter().for_each(|node| reads(node, names));
        names.extend(graph.output.iter().map(|output| output.name.as_str()));
    }
}

/// A value of whatever type.
pub(crate) fn value(name: &str) -> ValueInfoProto {
    ValueInfoProto { name: name.to_owned(), ..Default::default() }
}

fn floats(name: &str, shape: [usize; 4]) -> ValueInfoProto {
    let fixed = |length| DimensionProto { value: Some(Dimension::Fixed(length as i64)) };
    let shape = Some(TensorShapeProto { dim: shape.map(fixed).to_vec() });
    let tensor_type = Some(TensorTypeProto { elem_type: data_type::FLOAT, shape });
    ValueInfoProto { r#type: Some(TypeProto { tensor_type }), ..value(name) }
}
