//! [rten](https://github.com/robertknight/rten), the runtime that every program has.

use std::path::Path;
use std::sync::Arc;

use efficientad_pretraining::{BackboneRuntime, LayerMaps, LoadedBackbone, PretrainingError};
use rten::{DataType, Model, RunError, RunOptions, ThreadPool, Value, ValueType, ValueView};
use rten_tensor::Layout;

use crate::part::{INPUT_SHAPE, Layer, Part, fenced, zeros};

thread_local! {
    /// The runtime computes on a pool of threads, if not told otherwise on one of all cores.
    static ONE_THREAD: Arc<ThreadPool> = Arc::new(ThreadPool::with_num_threads(1));
}

/// [rten](https://github.com/robertknight/rten), which runs ONNX networks on CPUs in single precision.
#[derive(Clone, Copy, Debug)]
pub struct Rten;

impl BackboneRuntime for Rten {
    fn name(&self) -> String {
        "rten".to_owned()
    }

    /// Loads a network, and runs it once, on zeros.
    fn load(
        &self,
        path: &Path,
        bytes: Vec<u8>,
        layers: &[String; 2],
    ) -> Result<Box<dyn LoadedBackbone>, PretrainingError> {
        let loaded = fenced(path, || Loaded::new(Part::read(path, bytes, layers)?))?;
        Ok(Box::new(loaded))
    }
}

/// A network that can be run.
struct Loaded {
    part: Part,
    model: Model,
    channels: [usize; 2],
}

impl Loaded {
    fn new(part: Part) -> Result<Self, PretrainingError> {
        let model =
            Model::load(part.to_bytes()).map_err(|error| part.refuse(&error.to_string()))?;
        let maps = run(&model, &zeros()).map_err(|error| part.refuse(&error.to_string()))?;
        let layer = |map: &Value| {
            let numbers = map.dtype();
            let floats = numbers == ValueType::Tensor(DataType::Float);
            let other_numbers = (!floats).then(|| numbers.to_string());
            Layer { shape: map.shape().to_vec(), other_numbers }
        };
        let channels = part.channels([layer(&maps[0]), layer(&maps[1])])?;
        Ok(Self { part, model, channels })
    }
}

impl LoadedBackbone for Loaded {
    fn channels(&self) -> [usize; 2] {
        self.channels
    }

    /// Runs it on one thread, which the calling one waits for.
    fn run(&self, planes: &[f32]) -> Result<LayerMaps, PretrainingError> {
        let refuse = |reason: String| self.part.refuse(&reason);
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
