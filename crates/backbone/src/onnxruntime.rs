//! ONNX Runtime, where it is installed: several times faster than rten, by OpenVINO most of all.

use std::path::Path;

use efficientad_engine::InspectionEngine;
use efficientad_engine_onnx::{GraphOutput, OnnxRuntimeEngine, PreparedGraph};
use efficientad_pretraining::{BackboneRuntime, LayerMaps, LoadedBackbone, PretrainingError};

use crate::part::{INPUT_SHAPE, Layer, Part, fenced, zeros};

/// [ONNX Runtime](https://onnxruntime.ai) with the execution provider of an engine.
///
/// What a network may take is bounded by the file's checks before the library sees it.
pub struct OnnxRuntime(pub OnnxRuntimeEngine);

impl BackboneRuntime for OnnxRuntime {
    fn name(&self) -> String {
        self.0.id().to_string()
    }

    /// Loads a network, and runs it once, on zeros.
    fn load(
        &self,
        path: &Path,
        bytes: Vec<u8>,
        layers: &[String; 2],
    ) -> Result<Box<dyn LoadedBackbone>, PretrainingError> {
        let part = fenced(path, || Part::read(path, bytes, layers))?;
        let graph = self.0.prepare_graph(&part.to_bytes());
        let graph = graph.map_err(|error| part.refuse(&error.to_string()))?;
        let mut loaded = Loaded { part, graph, channels: [0; 2] };
        let layers = loaded.layers_of(&zeros())?;
        let layers = layers.map(|GraphOutput { shape, .. }| Layer { shape, other_numbers: None });
        loaded.channels = loaded.part.channels(layers)?;
        Ok(Box::new(loaded))
    }
}

/// A network that can be run.
struct Loaded {
    part: Part,
    graph: PreparedGraph,
    channels: [usize; 2],
}

impl Loaded {
    fn layers_of(&self, planes: &[f32]) -> Result<[GraphOutput; 2], PretrainingError> {
        let layers = self.part.layers.each_ref().map(String::as_str);
        let maps = self.graph.run(INPUT_SHAPE, planes, layers);
        maps.map_err(|error| self.part.refuse(&error.to_string()))
    }
}

impl LoadedBackbone for Loaded {
    fn channels(&self) -> [usize; 2] {
        self.channels
    }

    /// Runs it on all threads of the engine, with which callers take turns.
    fn run(&self, planes: &[f32]) -> Result<LayerMaps, PretrainingError> {
        let [fine, coarse] = self.layers_of(planes)?.map(|output| output.numbers);
        Ok(LayerMaps { fine, coarse })
    }
}
