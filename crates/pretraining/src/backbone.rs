//! A classification network in ONNX, run up to two of its layers.

use std::collections::BTreeSet;
use std::io::Read;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use efficientad_files::open_regular;
use efficientad_onnx_format::Bytes;
use rten::{DataType, Model, RunError, RunOptions, ThreadPool, Value, ValueType, ValueView};
use rten_tensor::Layout;
use sha2::{Digest, Sha256};

use crate::error::PretrainingError;
use crate::network::Network;
use crate::patches::{COARSE_SIDE, FINE_SIDE};
use crate::samples::BACKBONE_SIDE;

/// Bytes of the largest file that is read, 1 GiB.
pub const MAX_BACKBONE_BYTES: u64 = 1 << 30;
/// Most names of layers in an error.
const MAX_NAMES: usize = 40;
/// What the network sees: photos, channels, rows, columns.
const INPUT_SHAPE: [usize; 4] = [1, 3, BACKBONE_SIDE as usize, BACKBONE_SIDE as usize];
/// Rows and columns that the two layers must have.
const SIDES: [usize; 2] = [FINE_SIDE, COARSE_SIDE];

thread_local! {
    /// The runtime computes on a pool of threads, if not told otherwise on one of all cores.
    static ONE_THREAD: Arc<ThreadPool> = Arc::new(ThreadPool::with_num_threads(1));
}

/// A network that is run from its input, 1×3×512×512, to two of its tensors.
pub struct Backbone {
    path: PathBuf,
    sha256: String,
    /// Nothing but what the two layers need; they are its outputs.
    model: Model,
    channels: [usize; 2],
}

/// The two layers' maps, channels × rows × columns.
pub(crate) struct LayerMaps {
    pub fine: Vec<f32>,
    pub coarse: Vec<f32>,
}

impl Backbone {
    /// Reads a network whose tensors of the names `layers` are 1×C×64×64 and 1×C×32×32, and runs it
    /// once, on zeros.
    ///
    /// # Errors
    /// When the file can't be read, is no network that can be run, or lacks the layers.
    pub fn open(path: &Path, layers: &[String; 2]) -> Result<Self, PretrainingError> {
        let bytes = read(path)?;
        let sha256 = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        // What a file is made to look like by malice or mistake must not end the program.
        let loaded = catch_unwind(AssertUnwindSafe(|| load(path, bytes, layers)));
        let (model, channels) = loaded.unwrap_or_else(|_| {
            Err(cannot_run(path, "the runtime gave up on it, as the message above says"))
        })?;
        Ok(Self { path: path.to_owned(), sha256, model, channels })
    }

    /// Name of its file.
    pub fn name(&self) -> String {
        self.path.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }

    /// SHA-256 of its file, in hexadecimal.
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// Channels of the two layers.
    pub fn channels(&self) -> [usize; 2] {
        self.channels
    }

    /// Runs it on 3 × 512 × 512 numbers, on one thread, which the calling one waits for.
    pub(crate) fn run(&self, planes: &[f32]) -> Result<LayerMaps, PretrainingError> {
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

fn read(path: &Path) -> Result<Vec<u8>, PretrainingError> {
    let read_error = |source| PretrainingError::ReadBackbone { path: path.to_owned(), source };
    let mut file = open_regular(path).map_err(read_error)?;
    let bytes = file.metadata().map_err(read_error)?.len();
    if bytes > MAX_BACKBONE_BYTES {
        let path = path.to_owned();
        return Err(PretrainingError::BackboneSize { path, bytes, limit: MAX_BACKBONE_BYTES });
    }
    let mut content = Vec::with_capacity(bytes as usize);
    (&mut file).take(MAX_BACKBONE_BYTES).read_to_end(&mut content).map_err(read_error)?;
    Ok(content)
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
            [1, channels, height, width] if floats && [height, width] == [SIDES[i]; 2] => channels,
            _ => {
                let lengths: Vec<String> = shape.iter().map(ToString::to_string).collect();
                let shape = lengths.join("×");
                return Err(PretrainingError::LayerShape {
                    path: path.to_owned(),
                    layer: layers[i].clone(),
                    found: if floats { shape } else { format!("{shape} ({numbers})") },
                    side: SIDES[i],
                    stride: BACKBONE_SIDE as usize / SIDES[i],
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
    let lists = SIDES.map(|side| {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::patches::PatchFeatures;
    use crate::preprocessing::Preset;
    use crate::record::Record;
    use crate::samples::Cut;
    use crate::statistics::TargetStatistics;
    use efficientad::TEACHER_CHANNELS;
    use efficientad_datasets::photos::Photos;
    use efficientad_testing::shared;
    use serde::Deserialize;
    use std::collections::HashMap;

    fn trunk() -> Option<Backbone> {
        let path = shared("teacher/resnet50v2_trunk_f16.onnx")?;
        Some(Backbone::open(&path, &["layer2".to_owned(), "layer3".to_owned()]).unwrap())
    }

    #[derive(Deserialize)]
    struct SomeValues {
        every: usize,
        values: Vec<f32>,
    }

    #[test]
    fn the_shared_trunk_gives_onnx_runtimes_numbers() {
        let Some(trunk) = trunk() else { return };
        let expected: HashMap<String, SomeValues> =
            serde_json::from_str(include_str!("../tests/fixtures/trunk.json")).unwrap();
        assert_eq!(trunk.channels(), [512, 1024]);
        let places = (0..3 * 512 * 512).map(|i| (i / 512 / 512, i / 512 % 512, i % 512));
        let value = |(c, y, x): (usize, usize, usize)| {
            ((c * 61 + y * 3 + x * 5 + (y / 32) * (x / 32) * 17) % 256) as f32 / 255.0
        };
        let LayerMaps { fine, coarse } = trunk.run(&places.map(value).collect::<Vec<_>>()).unwrap();
        for (name, layer) in [("layer2", fine), ("layer3", coarse)] {
            let SomeValues { every, values } = &expected[name];
            let largest = values.iter().copied().fold(0.0, f32::max);
            assert!(largest > 0.1);
            for (found, expected) in layer.iter().step_by(*every).zip(values) {
                assert!((found - expected).abs() < 1e-4 * largest, "{name}: {found} {expected}");
            }
        }
    }

    #[test]
    fn tensors_inside_have_their_own_numbers() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/tiny_backbone.onnx");
        let planes: Vec<f32> = (0..3 * 512 * 512).map(|i| (i % 251) as f32 / 250.0).collect();
        let run = |layers: [&str; 2]| {
            let backbone = Backbone::open(path.as_ref(), &layers.map(str::to_owned)).unwrap();
            backbone.run(&planes).unwrap()
        };
        let (after, before) = (run(["fine", "coarse"]), run(["fine.sum", "coarse.sum"]));
        for (after, before) in [(after.fine, before.fine), (after.coarse, before.coarse)] {
            assert!(before.iter().any(|&sum| sum < 0.0) && before.iter().any(|&sum| sum > 0.0));
            assert!(after.iter().zip(&before).all(|(&after, &sum)| after == sum.max(0.0)));
        }
    }

    /// Prints what `docs/pretraining.md` states: `cargo test -- --nocapture rounding`.
    #[test]
    fn rounding_adds_little_to_the_targets() {
        let (Some(trunk), Some(photos)) = (trunk(), shared("data/natural")) else { return };
        let patches = PatchFeatures::new(512, 1024);
        let preprocessing = Preset::None.preprocessing();
        let files = Photos::folder(photos).unwrap().files().to_vec();
        let (mut sums, mut squares) = (vec![0.0; TEACHER_CHANNELS], vec![0.0; TEACHER_CHANNELS]);
        let (mut errors, mut locations) = (vec![0.0; TEACHER_CHANNELS], 0.0);
        for path in files.iter().step_by(files.len() / 8) {
            let photo = efficientad_images::load(path, &Default::default()).unwrap();
            let of_set = crate::photos::Photo { path: path.clone(), size: photo.dimensions() };
            let views = Cut::whole(0, &of_set).views(&photo);
            let maps = trunk.run(&preprocessing.planes(&views.backbone)).unwrap();
            let target = patches.target(&maps.fine, &maps.coarse);
            let rounded = Record::new(&views.teacher, &target).target(&TargetStatistics::none());
            for (i, (&exact, &rounded)) in target.iter().zip(&rounded).enumerate() {
                let (channel, exact) = (i % TEACHER_CHANNELS, f64::from(exact));
                sums[channel] += exact;
                squares[channel] += exact * exact;
                errors[channel] += (exact - f64::from(rounded)).powi(2);
            }
            locations += (target.len() / TEACHER_CHANNELS) as f64;
        }
        // Of normalised channels, which count alike.
        let share = |c: usize| errors[c] / (squares[c] - sums[c] * sums[c] / locations);
        let mean = (0..TEACHER_CHANNELS).map(share).sum::<f64>() / TEACHER_CHANNELS as f64;
        let worst = (0..TEACHER_CHANNELS).map(share).fold(0.0, f64::max);
        println!("rounding adds {mean:.1e} of the variance, at most {worst:.1e} in a channel");
        assert!(mean < 1e-3 && worst < 1e-2, "{mean} {worst}");
    }
}
