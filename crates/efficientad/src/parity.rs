//! The networks, the losses, their gradients and a step of Adam against PyTorch's numbers, which
//! `tools/parity_fixtures.py` computes in float64 and which says how the fixtures are made.

use crate::anomaly_map::{DifferenceMaps, PhotoMaps};
use crate::calibration::{MapQuantiles, Quantiles};
use crate::network::{
    Autoencoder, AutoencoderMaps, ConvWeights, HiddenMaps, InputSize, Layer, Pdn, PdnSize,
    TEACHER_CHANNELS, Weights, autoencoder_layers, pdn_layers,
};
use crate::teacher::TeacherStatistics;
use crate::training::{
    AutoencoderPlan, Counted, Losses, STUDENT_CHANNELS, StepInputs, StepNetworks, StepPlan,
    StepWeights,
};
use crate::view::Framing;
use efficientad_kernels::{
    Adam, ConvSpec, Cpu, InstructionSet, Moments, Muon, Shape, Tensor, Workspace, hwio_from_oihw,
    oihw_from_hwio,
};
use serde_json::Value;
use std::sync::Arc;

/// Largest difference from PyTorch, relative in the 2-norm.
const TOLERANCE: f64 = 1e-4;

struct Fixture {
    json: Value,
    size: PdnSize,
}

/// A file of the fixtures.
fn read_fixture(name: &str) -> Value {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures");
    let text = std::fs::read_to_string(format!("{folder}/{name}.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

impl Fixture {
    fn open(size: PdnSize) -> Self {
        Self { json: read_fixture(&format!("parity_{size}")), size }
    }

    /// A tensor as the fixtures define it: given values, or offset + scale · v.
    fn tensor(&self, name: &str) -> Vec<f32> {
        let tensors = self.json["tensors"].as_array().unwrap();
        let entry = tensors.iter().find(|tensor| tensor["name"] == name).expect(name);
        if let Some(values) = entry["values"].as_array() {
            return values.iter().map(|value| number(value) as f32).collect();
        }
        let shape = entry["shape"].as_array().unwrap();
        let len = shape.iter().map(|n| n.as_u64().unwrap() as usize).product();
        let (scale, offset) = (number(&entry["scale"]) as f32, number(&entry["offset"]) as f32);
        let plain = (0..len).map(|i| scale * hashed(name, i) + offset);
        let patches = &entry["patches"];
        if patches.is_null() {
            return plain.collect();
        }
        let size = patches["size"].as_u64().unwrap() as usize;
        let side = |axis: usize| shape[axis].as_u64().unwrap() as usize;
        let (rows, columns) = (side(1) / size, side(2) / size);
        let patch = |i: usize| {
            let (channel, y, x) = (i / (side(1) * side(2)), i / side(2) % side(1), i % side(2));
            (channel * rows + y / size) * columns + x / size
        };
        let patch_scale = number(&patches["scale"]) as f32;
        let patch_name = format!("{name}.patches");
        plain.enumerate().map(|(i, v)| v + patch_scale * hashed(&patch_name, patch(i))).collect()
    }

    fn weights(&self, layers: &[Layer], network: &str) -> Weights {
        let read = |layer: &Layer| ConvWeights {
            weight: hwio_from_oihw(
                &layer.conv,
                &self.tensor(&format!("{network}.{}.weight", layer.name)),
            ),
            bias: self.tensor(&format!("{network}.{}.bias", layer.name)),
        };
        Weights(layers.iter().map(read).collect())
    }

    fn normalized_teacher(&self) -> Weights {
        let statistics = TeacherStatistics {
            mean: self.tensor("teacher.mean"),
            std: self.tensor("teacher.std"),
        };
        statistics.fold_into(&self.weights(&pdn_layers(self.size, TEACHER_CHANNELS), "teacher"))
    }

    fn student(&self) -> Weights {
        self.weights(&pdn_layers(self.size, STUDENT_CHANNELS), "student")
    }

    fn autoencoder(&self) -> Weights {
        self.weights(&autoencoder_layers(), "autoencoder")
    }

    fn image(&self, name: &str, height: usize, width: usize) -> Tensor {
        let chw = self.tensor(name);
        let mut tensor = Tensor::zeros(Shape { images: 1, height, width, channels: 3 });
        for (place, pixel) in tensor.data_mut().chunks_exact_mut(3).enumerate() {
            for (channel, value) in pixel.iter_mut().enumerate() {
                *value = chw[channel * height * width + place];
            }
        }
        tensor
    }

    /// Both networks' features on an image: teacher, student.
    fn pdn_features(&self, image: &Tensor) -> [Tensor; 2] {
        let cpu = cpu();
        let networks =
            [(TEACHER_CHANNELS, self.normalized_teacher()), (STUDENT_CHANNELS, self.student())];
        networks.map(|(channels, weights)| {
            let mut features = Tensor::default();
            Pdn::new(&cpu, self.size, channels, &weights).forward(
                &mut Workspace::new(Arc::clone(&cpu)),
                image.view(),
                &mut HiddenMaps::default(),
                &mut features,
            );
            features
        })
    }

    fn autoencoder_features(&self, image: &Tensor) -> Tensor {
        let cpu = cpu();
        let size = InputSize::new(image.shape().height, image.shape().width).unwrap();
        let mut maps = AutoencoderMaps::default();
        Autoencoder::new(&cpu, &self.autoencoder()).forward(
            &mut Workspace::new(Arc::clone(&cpu)),
            image.view(),
            size,
            &mut maps,
        );
        maps.features().clone()
    }
}

fn cpu() -> Arc<Cpu> {
    Arc::new(Cpu::new(2, InstructionSet::best()).unwrap())
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap()
}

/// FNV-1a of the name and SplitMix64 of the index, as a number in [-1, 1).
fn hashed(name: &str, index: usize) -> f32 {
    let key = name.bytes().fold(0xCBF2_9CE4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3)
    });
    let step = (index as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let z = key.wrapping_add(step);
    let z = (z ^ z >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let z = (z ^ z >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
    2.0 * (((z ^ z >> 31) >> 40) as f32 / (1 << 24) as f32) - 1.0
}

fn samples(summary: &Value) -> Vec<f64> {
    summary["samples"].as_array().unwrap().iter().map(number).collect()
}

/// Places of a summary's samples in an array of `len` elements.
fn places(count: usize, len: usize) -> impl Iterator<Item = usize> {
    (0..count).map(move |k| k * 104_729 % len)
}

fn norm(values: impl Iterator<Item = f64>) -> f64 {
    values.map(|v| v * v).sum::<f64>().sqrt()
}

/// Compares an array's norm and samples with PyTorch's.
fn assert_agrees(what: &str, got: &[f32], summary: &Value, tolerance: f64) {
    let l2 = norm(got.iter().map(|&v| f64::from(v)));
    let expected_l2 = number(&summary["l2"]);
    assert!((l2 / expected_l2 - 1.0).abs() < tolerance, "{what}: norm {l2}, not {expected_l2}");
    let expected = samples(summary);
    let differences = places(expected.len(), got.len())
        .zip(&expected)
        .map(|(place, expected)| f64::from(got[place]) - expected);
    let error = norm(differences) / norm(expected.iter().copied());
    assert!(error < tolerance, "{what}: samples are off by {error:.1e}");
}

/// Channels of one image, channel by channel as PyTorch has them.
fn chw(features: &Tensor, channels: std::ops::Range<usize>) -> Vec<f32> {
    let all = features.shape().channels;
    let locations = features.data().chunks_exact(all);
    channels.flat_map(|c| locations.clone().map(move |location| location[c])).collect()
}

const TEACHER_HALF: std::ops::Range<usize> = 0..TEACHER_CHANNELS;
const AUTOENCODER_HALF: std::ops::Range<usize> = TEACHER_CHANNELS..STUDENT_CHANNELS;

#[test]
fn the_hash_is_the_fixtures() {
    let fixture = Fixture::open(PdnSize::Small);
    let check = &fixture.json["hash_check"];
    let name = check["name"].as_str().unwrap();
    for (i, expected) in check["values"].as_array().unwrap().iter().enumerate() {
        assert!((f64::from(hashed(name, i)) - number(expected)).abs() < 1e-7);
    }
}

#[test]
fn features_agree_with_pytorch() {
    for size in [PdnSize::Small, PdnSize::Medium] {
        let fixture = Fixture::open(size);
        let expected = &fixture.json["features"];
        let [teacher, student] = fixture.pdn_features(&fixture.image("x1", 256, 256));
        let autoencoder = fixture.autoencoder_features(&fixture.image("x2", 256, 256));
        for (name, features, channels) in [
            ("teacher", &teacher, TEACHER_HALF),
            ("student_teacher", &student, TEACHER_HALF),
            ("student_autoencoder", &student, AUTOENCODER_HALF),
            ("autoencoder", &autoencoder, TEACHER_HALF),
        ] {
            let what = format!("{size} {name}");
            assert_agrees(&what, &chw(features, channels), &expected[name], TOLERANCE);
        }
    }
}

#[test]
fn rectangles_agree_with_pytorch() {
    let fixture = Fixture::open(PdnSize::Small);
    let rectangles = fixture.json["rectangles"].as_array().unwrap();
    assert_eq!(rectangles.len(), 2);
    for rectangle in rectangles {
        let [height, width] = ["height", "width"].map(|k| rectangle[k].as_u64().unwrap() as usize);
        let image = fixture.image(rectangle["input"].as_str().unwrap(), height, width);
        let [teacher, student] = fixture.pdn_features(&image);
        let what = format!("{height}×{width}");
        let agrees = |features, channels, name: &str| {
            assert_agrees(&what, &chw(features, channels), &rectangle[name], TOLERANCE);
        };
        agrees(&teacher, TEACHER_HALF, "teacher");
        agrees(&student, TEACHER_HALF, "student_teacher");
        agrees(&student, AUTOENCODER_HALF, "student_autoencoder");
        if !rectangle["autoencoder"].is_null() {
            agrees(&fixture.autoencoder_features(&image), TEACHER_HALF, "autoencoder");
        }
    }
}

#[test]
fn anomaly_maps_agree_with_pytorch() {
    for size in [PdnSize::Small, PdnSize::Medium] {
        let fixture = Fixture::open(size);
        let expected = &fixture.json["maps"];
        let image = fixture.image("x1", 256, 256);
        let [teacher, student] = fixture.pdn_features(&image);
        let autoencoder = fixture.autoencoder_features(&image);
        let cpu = cpu();
        let maps = DifferenceMaps::compare(
            &cpu,
            (56, 56),
            teacher.data(),
            student.data(),
            autoencoder.data(),
        );
        let quantile = |name: &str| number(&expected["quantiles"][name]) as f32;
        let layout = Framing::stretched(InputSize::default()).layout((200, 300)).unwrap();
        let layout = Arc::new(layout);
        let mut of_photo = PhotoMaps::new(Arc::clone(&layout));
        of_photo.add(layout.windows()[0], &maps);
        let quantiles = Quantiles {
            student_teacher: MapQuantiles { lower: quantile("qa_st"), upper: quantile("qb_st") },
            student_autoencoder: MapQuantiles {
                lower: quantile("qa_ae"),
                upper: quantile("qb_ae"),
            },
        };
        let combined = of_photo.combine(&quantiles);
        let cells = combined.iter().zip(layout.counted());
        let combined: Vec<f32> = cells.filter(|cell| *cell.1).map(|cell| *cell.0).collect();
        let map = of_photo.anomaly_map(&cpu, &quantiles);
        for (name, values) in [
            ("student_teacher", &maps.student_teacher),
            ("student_autoencoder", &maps.student_autoencoder),
            ("combined", &combined),
            ("upsampled", &map.values),
        ] {
            assert_agrees(&format!("{size} {name}"), values, &expected[name], TOLERANCE);
        }
        let score = number(&expected["score"]);
        assert!((f64::from(map.max()) - score).abs() < 1e-4 * score.abs(), "{size} score");
    }
}

const PLAN: AutoencoderPlan = AutoencoderPlan::Adam { dropout: None };

/// The networks of a training step, its losses and its gradients.
fn step(fixture: &Fixture) -> (StepNetworks, Losses) {
    let mut networks = StepNetworks::new(
        Workspace::new(cpu()),
        &StepWeights {
            size: fixture.size,
            input: InputSize::default(),
            normalized_teacher: &fixture.normalized_teacher(),
            student: &fixture.student(),
            autoencoder: &fixture.autoencoder(),
        },
    );
    let images = ["x1", "photo", "x2"].map(|name| fixture.image(name, 256, 256));
    let mut batch = Tensor::zeros(InputSize::default().shape(3));
    for (i, image) in images.iter().enumerate() {
        batch.images_mut(i..i + 1).data.copy_from_slice(image.data());
    }
    let [teacher, _] = fixture.pdn_features(&images[0]);
    let inputs =
        StepInputs { image: Some(0), counted: Counted::All, batch, for_autoencoder: Vec::new() };
    let losses = networks.losses_given(teacher.data(), &inputs, &PLAN);
    (networks, losses)
}

fn assert_step_agrees(size: PdnSize) {
    let fixture = Fixture::open(size);
    let (mut networks, losses) = step(&fixture);
    let expected = &fixture.json["losses"];
    for (name, loss) in [
        ("hard", losses.hard),
        ("penalty", losses.penalty.unwrap()),
        ("autoencoder", losses.autoencoder),
        ("student_autoencoder", losses.student_autoencoder),
        ("total", losses.total()),
    ] {
        let expected = number(&expected[name]);
        let error = (f64::from(loss) / expected - 1.0).abs();
        assert!(error < TOLERANCE, "{size} loss {name}: {loss}, not {expected}");
    }

    let before = networks.weights();
    let gradients = gradients(&mut networks, size);
    let expected = fixture.json["gradients"].as_array().unwrap();
    assert_eq!(gradients.len(), expected.len());
    for expected in expected {
        let name = expected["name"].as_str().unwrap();
        let (_, gradient) = gradients.iter().find(|(n, _)| n == name).expect(name);
        assert_agrees(&format!("{size} gradient {name}"), gradient, expected, TOLERANCE);
    }

    let expected_adam = &fixture.json["adam"];
    let constant = |name: &str| number(&expected_adam[name]) as f32;
    let adam = Adam {
        learning_rate: constant("lr"),
        beta1: constant("beta1"),
        beta2: constant("beta2"),
        epsilon: constant("eps"),
        weight_decay: constant("weight_decay"),
        step: 1,
    };
    networks.update(&StepPlan { adam, autoencoder: PLAN });
    let parameters = |weights: &[Weights; 2]| named(size, weights);
    let (before, after) = (parameters(&before), parameters(&networks.weights()));
    for (delta, gradient) in expected_adam["deltas"].as_array().unwrap().iter().zip(expected) {
        let name = delta["name"].as_str().unwrap();
        let of = |list: &[(String, Vec<f32>)]| -> Vec<f32> {
            list.iter().find(|(n, _)| n == name).expect(name).1.clone()
        };
        assert_delta_agrees(&format!("{size} {name}"), &of(&before), &of(&after), delta, gradient);
    }
}

/// The first step of Adam moves each parameter by the learning rate against its gradient's sign;
/// where the gradient is next to zero that sign is rounding's, so such places are left out.
fn assert_delta_agrees(what: &str, before: &[f32], after: &[f32], delta: &Value, gradient: &Value) {
    let clear = 2e-3 * number(&gradient["l2"]) / (before.len() as f64).sqrt();
    let (deltas, gradients) = (samples(delta), samples(gradient));
    let mut compared = 0;
    for ((place, expected), gradient) in
        places(deltas.len(), before.len()).zip(&deltas).zip(&gradients)
    {
        let decay = 1e-5 * f64::from(before[place]);
        if (gradient + decay).abs() < clear {
            continue;
        }
        compared += 1;
        let got = f64::from(after[place]) - f64::from(before[place]);
        // A parameter near 1 holds a step of 1e-4 to 6e-8 only.
        let rounding = f64::from(f32::EPSILON) * f64::from(before[place]).abs();
        let error = (got - expected).abs();
        assert!(error < 1e-4 * expected.abs() + rounding, "{what}[{place}]: {got}, not {expected}");
    }
    assert!(3 * compared > deltas.len(), "{what}: only {compared} places are clear");
}

/// All gradients under their parameters' names, in PyTorch's order of elements.
fn gradients(networks: &mut StepNetworks, size: PdnSize) -> Vec<(String, Vec<f32>)> {
    let StepNetworks { workspace, student, autoencoder, .. } = networks;
    let weights = [&mut student.pdn.convs, &mut autoencoder.convs].map(|convs| {
        let gradients = convs.iter_mut().map(|conv| {
            let (weight, bias) = conv.gradients(workspace.cpu());
            ConvWeights { weight: weight.to_vec(), bias: bias.to_vec() }
        });
        Weights(gradients.collect())
    });
    named(size, &weights)
}

/// The arrays of student and autoencoder under their names, in PyTorch's order of elements.
fn named(size: PdnSize, weights: &[Weights; 2]) -> Vec<(String, Vec<f32>)> {
    let networks =
        [("student", pdn_layers(size, STUDENT_CHANNELS)), ("autoencoder", autoencoder_layers())];
    let mut all = Vec::new();
    for ((network, layers), weights) in networks.iter().zip(weights) {
        for (layer, weights) in layers.iter().zip(&weights.0) {
            let name = format!("{network}.{}", layer.name);
            all.push((format!("{name}.weight"), oihw_from_hwio(&layer.conv, &weights.weight)));
            all.push((format!("{name}.bias"), weights.bias.clone()));
        }
    }
    all
}

#[test]
fn a_training_step_of_s_agrees_with_pytorch() {
    assert_step_agrees(PdnSize::Small);
}

#[test]
fn a_training_step_of_m_agrees_with_pytorch() {
    assert_step_agrees(PdnSize::Medium);
}

#[test]
fn adam_agrees_with_pytorch_over_steps() {
    let fixture = Fixture::open(PdnSize::Small);
    let series = &fixture.json["adam_series"];
    let constant = |name: &str| number(&series[name]) as f32;
    let tensor = |name: &Value| fixture.tensor(name.as_str().unwrap());
    let mut parameters = tensor(&series["parameter"]);
    let mut moments = Moments::zeros(parameters.len());
    let gradients = series["gradients"].as_array().unwrap();
    let after = series["after"].as_array().unwrap();
    for (i, (gradient, expected)) in gradients.iter().zip(after).enumerate() {
        let adam = Adam {
            learning_rate: constant("lr"),
            beta1: 0.9,
            beta2: 0.999,
            epsilon: 1e-8,
            weight_decay: constant("weight_decay"),
            step: i as u64 + 1,
        };
        adam.update(&cpu(), &mut parameters, &tensor(gradient), &mut moments);
        for (got, expected) in parameters.iter().zip(expected.as_array().unwrap()) {
            assert!((f64::from(*got) - number(expected)).abs() < 1e-6, "step {i}");
        }
    }
}

#[test]
fn muon_agrees_with_pytorch_over_steps() {
    let fixture = Fixture { json: read_fixture("muon"), size: PdnSize::Small };
    let series = &fixture.json;
    // PyTorch's matrices are output × input.
    let spec = ConvSpec::plain(160, 64, 1);
    let matrix = |name: &Value| hwio_from_oihw(&spec, &fixture.tensor(name.as_str().unwrap()));
    let constant = |name: &str| number(&series[name]) as f32;
    let muon = Muon { learning_rate: constant("lr"), momentum: constant("momentum") };
    let mut parameters = matrix(&series["parameter"]);
    let mut mean = vec![0.0; parameters.len()];
    let gradients = series["gradients"].as_array().unwrap();
    for (gradient, expected) in gradients.iter().zip(series["after"].as_array().unwrap()) {
        muon.update(&cpu(), 64, &mut parameters, &matrix(gradient), &mut mean);
        let what = format!("after {gradient}");
        assert_agrees(&what, &oihw_from_hwio(&spec, &parameters), expected, 1e-6);
    }
}
