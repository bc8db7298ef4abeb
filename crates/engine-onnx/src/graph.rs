//! A graph that is not one of the model's.

use crate::networks::{Graphs, lock, output};
use efficientad_engine::EngineError;
use ort::session::Session;
use ort::value::TensorRef;
use std::sync::{Arc, Mutex};

/// A graph with one input, in a session that calls take turns with.
pub struct PreparedGraph {
    graphs: Arc<Graphs>,
    input: String,
    session: Mutex<Session>,
}

/// What a graph gives, in single precision.
#[derive(Clone, Debug, Default)]
pub struct GraphOutput {
    /// Lengths of its axes.
    pub shape: Vec<usize>,
    /// Its numbers, the last axis innermost.
    pub numbers: Vec<f32>,
}

impl PreparedGraph {
    pub(crate) fn new(graphs: &Arc<Graphs>, graph: &[u8]) -> Result<Self, EngineError> {
        let session = graphs.session(graph)?;
        let [input] = session.inputs() else {
            let reason = format!("the graph has {} inputs, not 1", session.inputs().len());
            return Err(EngineError::new(graphs.name(), reason));
        };
        let input = input.name().to_owned();
        Ok(Self { graphs: Arc::clone(graphs), input, session: Mutex::new(session) })
    }

    /// Some of its outputs for an input of `shape`.
    ///
    /// # Errors
    /// When the graph can't be run on it, or has no such outputs of single precision.
    pub fn run<const OUTPUTS: usize>(
        &self,
        shape: [usize; 4],
        input: &[f32],
        outputs: [&str; OUTPUTS],
    ) -> Result<[GraphOutput; OUTPUTS], EngineError> {
        let mut session = lock(&self.session);
        let mut run = || {
            let input = TensorRef::from_array_view((shape, input))?;
            let found = session.run(ort::inputs![self.input.as_str() => input])?;
            let mut results =
                [const { GraphOutput { shape: Vec::new(), numbers: Vec::new() } }; OUTPUTS];
            for (result, name) in results.iter_mut().zip(outputs) {
                let (shape, numbers) = output(&found, name)?;
                let length = |&length: &i64| usize::try_from(length).unwrap_or_default();
                result.shape = shape.iter().map(length).collect();
                result.numbers = numbers.to_vec();
            }
            Ok(results)
        };
        run().map_err(|error| self.graphs.error("the network could not be run", error))
    }
}
