//! A classification network in ONNX, run up to two of its layers.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest, Sha256};
use tract_onnx::prelude::*;
use tract_onnx::tract_hir::infer::{Factoid, InferenceOp};

use crate::error::PretrainingError;
use crate::patches::{COARSE_SIDE, FINE_SIDE};
use crate::samples::BACKBONE_SIDE;

/// Bytes of the largest file that is read, 1 GiB.
pub const MAX_BACKBONE_BYTES: u64 = 1 << 30;
/// Most names of layers in an error.
const MAX_NAMES: usize = 40;
/// Rows and columns that the two layers must have.
const SIDES: [usize; 2] = [FINE_SIDE, COARSE_SIDE];

type RawNetwork = InferenceModel;

/// A network that is run from its input, 1×3×512×512, to two of its tensors.
pub struct Backbone {
    path: PathBuf,
    sha256: String,
    plan: Arc<TypedRunnableModel>,
    channels: [usize; 2],
}

/// The two layers' maps, channels × rows × columns.
pub(crate) struct LayerMaps {
    pub fine: Vec<f32>,
    pub coarse: Vec<f32>,
}

impl Backbone {
    /// Reads a network whose tensors of the names `layers` are 1×C×64×64 and 1×C×32×32.
    ///
    /// # Errors
    /// When the file can't be read, is no network that can be run, or lacks the layers.
    pub fn open(path: &Path, layers: &[String; 2]) -> Result<Self, PretrainingError> {
        let bytes = read(path)?;
        let sha256 = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        // What a file is made to look like by malice or mistake must not end the program.
        let planned = catch_unwind(AssertUnwindSafe(|| plan(path, &bytes, layers)));
        let (plan, channels) = planned.unwrap_or_else(|_| {
            Err(cannot_run(path, "the runtime gave up on it, as the message above says"))
        })?;
        Ok(Self { path: path.to_owned(), sha256, plan, channels })
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

    /// Runs it on 3 × 512 × 512 numbers, on the calling thread.
    pub(crate) fn run(&self, planes: &[f32]) -> Result<LayerMaps, PretrainingError> {
        let side = BACKBONE_SIDE as usize;
        let run = || -> TractResult<LayerMaps> {
            let input = Tensor::from_shape(&[1, 3, side, side], planes)?;
            let outputs = self.plan.run(tvec!(input.into()))?;
            let map = |i: usize| -> TractResult<Vec<f32>> {
                Ok(outputs[i].to_plain_array_view::<f32>()?.iter().copied().collect())
            };
            Ok(LayerMaps { fine: map(0)?, coarse: map(1)? })
        };
        run().map_err(|error| cannot_run(&self.path, &reason(&error)))
    }
}

fn read(path: &Path) -> Result<Vec<u8>, PretrainingError> {
    let read_error = |source| PretrainingError::ReadBackbone { path: path.to_owned(), source };
    let mut file = File::open(path).map_err(read_error)?;
    let bytes = file.metadata().map_err(read_error)?.len();
    if bytes > MAX_BACKBONE_BYTES {
        let path = path.to_owned();
        return Err(PretrainingError::BackboneSize { path, bytes, limit: MAX_BACKBONE_BYTES });
    }
    let mut content = Vec::with_capacity(bytes as usize);
    (&mut file).take(MAX_BACKBONE_BYTES).read_to_end(&mut content).map_err(read_error)?;
    Ok(content)
}

fn plan(
    path: &Path,
    mut bytes: &[u8],
    layers: &[String; 2],
) -> Result<(Arc<TypedRunnableModel>, [usize; 2]), PretrainingError> {
    let refuse = |error: TractError| cannot_run(path, &reason(&error));
    let onnx = tract_onnx::onnx().with_ignore_output_shapes(true).with_ignore_value_info(true);
    // Weights in other files are not followed.
    let mut network = onnx.model_for_read(&mut bytes).map_err(refuse)?;
    if network.inputs.len() != 1 {
        let inputs = network.inputs.len();
        return Err(cannot_run(path, &format!("it has {inputs} inputs where 1 is needed")));
    }
    let side = BACKBONE_SIDE as usize;
    network.set_input_fact(0, f32::fact([1, 3, side, side]).into()).map_err(refuse)?;
    let outlets = outlets(path, &network, layers)?;
    let network = network.with_output_outlets(&outlets).map_err(refuse)?;
    let typed = network.clone().into_typed().map_err(refuse)?;
    let mut channels = [0; 2];
    for i in 0..2 {
        let fact = typed.output_fact(i).map_err(refuse)?;
        channels[i] = match fact.shape.as_concrete() {
            Some(&[1, channels, height, width])
                if (height, width) == (SIDES[i], SIDES[i])
                    && fact.datum_type == f32::datum_type() =>
            {
                channels
            }
            _ => {
                return Err(PretrainingError::LayerShape {
                    path: path.to_owned(),
                    layer: layers[i].clone(),
                    found: format!("{:?}", fact.without_value()),
                    side: SIDES[i],
                    stride: side / SIDES[i],
                    names: names(network),
                });
            }
        };
    }
    let plan =
        typed.into_optimized().and_then(|network| network.into_runnable()).map_err(refuse)?;
    Ok((plan, channels))
}

/// Where the layers leave the network.
fn outlets(
    path: &Path,
    network: &RawNetwork,
    layers: &[String; 2],
) -> Result<[OutletId; 2], PretrainingError> {
    let find = |layer: &String| {
        let node = || network.node_id_by_name(layer).ok().map(|node| OutletId::new(node, 0));
        network.find_outlet_label(layer).or_else(node).ok_or_else(|| PretrainingError::NoLayer {
            path: path.to_owned(),
            layer: layer.clone(),
            names: names(network.clone()),
        })
    };
    Ok([find(&layers[0])?, find(&layers[1])?])
}

/// The layers that would fit, as far as their shapes can be found out.
fn names(mut network: RawNetwork) -> String {
    // Layers after the ones of interest may not take this size; what is known until then counts.
    let _ = network.analyse(true);
    let lists = SIDES.map(|side| {
        let fits = |node: &&Node<InferenceFact, Box<dyn InferenceOp>>| {
            let shape = node.outputs.first().and_then(|output| output.fact.shape.concretize());
            shape.is_some_and(|shape| {
                let sides = shape.iter().rev().take(2).map(|dim| dim.to_i64().ok());
                shape.len() == 4 && sides.into_iter().all(|found| found == Some(side as i64))
            })
        };
        let label = |node: &Node<InferenceFact, Box<dyn InferenceOp>>| {
            let label = network.outlet_label(OutletId::new(node.id, 0));
            label.unwrap_or(&node.name).to_owned()
        };
        let names: BTreeSet<String> = network.nodes().iter().filter(fits).map(label).collect();
        let shown: Vec<&str> = names.iter().take(MAX_NAMES).map(String::as_str).collect();
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

/// An error and its causes.
fn reason(error: &TractError) -> String {
    error.chain().map(ToString::to_string).collect::<Vec<_>>().join(": ")
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
    use serde::Deserialize;
    use std::collections::HashMap;

    /// A file or folder of the development data, or `None` with a notice where there is none.
    fn shared(name: &str) -> Option<PathBuf> {
        let path =
            PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared")).join(name);
        if path.exists() {
            return Some(path);
        }
        eprintln!("SKIPPED: {} is not there, so this backbone was not run", path.display());
        None
    }

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
