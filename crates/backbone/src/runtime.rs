//! Loads and runs a network.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use efficientad_onnx_format::Bytes;
use efficientad_pretraining::{
    BACKBONE_SIDE, BackboneRuntime, LAYER_SIDES, LayerMaps, LoadedBackbone, PretrainingError,
};
use rten::{DataType, Model, RunError, RunOptions, ThreadPool, Value, ValueType, ValueView};
use rten_tensor::Layout;

use crate::network::Network;

/// Most names of layers in an error.
const MAX_NAMES: usize = 40;
/// What the network sees: photos, channels, rows, columns.
const INPUT_SHAPE: [usize; 4] = [1, 3, BACKBONE_SIDE as usize, BACKBONE_SIDE as usize];

thread_local! {
    /// The runtime computes on a pool of threads, if not told otherwise on one of all cores.
    static ONE_THREAD: Arc<ThreadPool> = Arc::new(ThreadPool::with_num_threads(1));
}

/// [rten](https://github.com/robertknight/rten), which runs ONNX networks on CPUs in single precision.
#[derive(Clone, Copy, Debug)]
pub struct Rten;

impl BackboneRuntime for Rten {
    /// Loads a network, and runs it once, on zeros.
    fn load(
        &self,
        path: &Path,
        bytes: Vec<u8>,
        layers: &[String; 2],
    ) -> Result<Box<dyn LoadedBackbone>, PretrainingError> {
        // What a file is made to look like by malice or mistake must not end the program.
        let loaded = catch_unwind(AssertUnwindSafe(|| load(path, bytes, layers)));
        let (model, channels) = loaded.unwrap_or_else(|_| {
            Err(cannot_run(path, "the runtime gave up on it, as the message above says"))
        })?;
        Ok(Box::new(Loaded { path: path.to_owned(), model, channels }))
    }
}

/// A network that can be run.
struct Loaded {
    path: PathBuf,
    /// Nothing but what the two layers need; they are its outputs.
    model: Model,
    channels: [usize; 2],
}

impl LoadedBackbone for Loaded {
    fn channels(&self) -> [usize; 2] {
        self.channels
    }

    fn run(&self, planes: &[f32]) -> Result<LayerMaps, PretrainingError> {
        let refuse = |reason: String| cannot_run(&self.path, &reason);
        let maps = run(&self.model, planes).map_err(|error| refuse(error.to_string()))?;
        let floats = |value: Value| match value.into_shape_vec::<f32, 4>() {
            Ok((_, floats)) => Ok(floats),
            Err(error) => Err(refuse(error.to_string())),
        };
        let mut maps = maps.into_iter().map(floats);
        let mut next =
            || maps.next().unwrap_or_else(|| Err(refuse("a layer is missing".to_owned())));
        Ok(LayerMaps { fine: next()?, coarse: next()? })
    }
}

/// The part of a network that computes the layers, and their channels.
fn load(
    path: &Path,
    bytes: Vec<u8>,
    layers: &[String; 2],
) -> Result<(Model, [usize; 2]), PretrainingError> {
    let refuse = |reason: String| cannot_run(path, &reason);
    let network = Network::read(Bytes::from(bytes)).map_err(refuse)?;
    let tensors = network.tensors();
    if let Some(layer) = layers.iter().find(|layer| !tensors.contains(&layer.as_str())) {
        return Err(PretrainingError::NoLayer {
            path: path.to_owned(),
            layer: layer.clone(),
            names: names(&network),
        });
    }
    network.check(INPUT_SHAPE, &[&layers[0], &layers[1]]).map_err(refuse)?;
    // Outputs are kept by the runtime's optimisation, other tensors need not be.
    let part = network.cut(INPUT_SHAPE, &[&layers[0], &layers[1]]);
    let model = Model::load(part).map_err(|error| refuse(error.to_string()))?;
    let maps = run(&model, &zeros()).map_err(|error| refuse(error.to_string()))?;
    let mut channels = [0; 2];
    for i in 0..2 {
        let (shape, numbers) = (maps[i].shape(), maps[i].dtype());
        let floats = numbers == ValueType::Tensor(DataType::Float);
        channels[i] = match *shape {
            [1, channels, height, width] if floats && [height, width] == [LAYER_SIDES[i]; 2] => {
                channels
            }
            _ => {
                let lengths: Vec<String> = shape.iter().map(ToString::to_string).collect();
                let shape = lengths.join("×");
                return Err(PretrainingError::LayerShape {
                    path: path.to_owned(),
                    layer: layers[i].clone(),
                    found: if floats { shape } else { format!("{shape} ({numbers})") },
                    side: LAYER_SIDES[i],
                    stride: BACKBONE_SIDE as usize / LAYER_SIDES[i],
                    names: names(&network),
                });
            }
        };
    }
    Ok((model, channels))
}

fn zeros() -> Vec<f32> {
    vec![0.0; INPUT_SHAPE.iter().product()]
}

/// The outputs of a model that has one input.
fn run(model: &Model, planes: &[f32]) -> Result<Vec<Value>, RunError> {
    let input = ValueView::from_shape(INPUT_SHAPE, planes).expect("3 × 512 × 512 numbers");
    let inputs = model.input_ids().iter().map(|&id| (id, input.clone().into())).collect();
    model.run(inputs, model.output_ids(), Some(on_one_thread()))
}

/// Runs a model on the thread that asks for it.
pub(crate) fn on_one_thread() -> RunOptions {
    RunOptions::default().with_thread_pool(Some(ONE_THREAD.with(Arc::clone)))
}

/// The layers that would fit, as far as their shapes are known.
fn names(network: &Network) -> String {
    let extents = network.extents(INPUT_SHAPE);
    let lists = LAYER_SIDES.map(|side| {
        let fits = |name: &&str| {
            let shape = extents.tensors.get(*name).map(|tensor| tensor.shape.as_slice());
            matches!(shape, Some(&[1, _, height, width]) if [height, width] == [side as u64; 2])
        };
        let names: BTreeSet<&str> = network.tensors().into_iter().filter(fits).collect();
        let shown: Vec<&str> = names.iter().take(MAX_NAMES).copied().collect();
        match (names.len(), names.len().saturating_sub(MAX_NAMES)) {
            (0, _) => format!("none of {side}×{side} is known"),
            (_, 0) => format!("those of {side}×{side} are {}", shown.join(", ")),
            (_, more) => format!("those of {side}×{side} are {} and {more} more", shown.join(", ")),
        }
    });
    lists.join("; ")
}

fn cannot_run(path: &Path, reason: &str) -> PretrainingError {
    PretrainingError::Backbone { path: path.to_owned(), reason: reason.to_owned() }
}
