//! Models, checkpoints and teachers: containers and the documents in them.
//!
//! The numbers of a real one are some 30 MB. Most targets have files with a few numbers, which are sound as far as the
//! tensors, the first of which is missing. The last one has a model's header, to which all numbers are added.

use std::path::Path;
use std::sync::LazyLock;

use efficientad::engine::{Layer, autoencoder_layers, pdn_layers};
use efficientad::{
    Calibration, CalibrationImages, Continuation, ContinuationRecipe, DataDescription, Detector,
    Distillation, DistillationData, DistillationRecipe, Distiller, EngineId, Error,
    FalseRejectRate, InitialTeacher, InputSize, Model, ModelInfo, OldImages, PdnSize, PhotoFolder,
    Precision, RSquared, Recipe, RegionOfInterest, Samples, TEACHER_CHANNELS, Teacher, Trainer,
    View,
};
use efficientad_weights::{Cause, Tensor, Tensors, to_bytes};
use serde_json::{Value, json};

use super::MIB;
use crate::target::{Memory, Target, as_it_is};
use crate::{repair, scratch};

const MODEL: Target = Target {
    name: "model",
    parses: "model files, as far as the tensors",
    run: |bytes| goes_as_far_as_tensors(Model::from_bytes(bytes, "model")),
    seeds: || vec![model(), small("efficientad-model", &json!(info(View::Letterbox, None)))],
    repair: repair::container,
    tokens: &[
        br#"\"region\":{\"height\":61,\"runs\":[0,5917],\"width\":97}"#,
        br#"\"view\":{\"tiles\":{\"overlap\":64,\"size\":512}}"#,
        br#"\"threshold\":null"#,
        br#"\"recipe\":null"#,
        br#""format":"efficientad-model""#,
        br#""format_version":"4""#,
        br#","b":{"dtype":"F16","shape":[2],"data_offsets":[4,8]}"#,
        br#"\""#,
        br#"\\"#,
        b"null",
        b"{",
        b"}",
        b"[",
        b"]",
        b",",
        b"18446744073709551615",
        b"1e-300",
    ],
    memory: Memory { fixed: (1 << 28) + 4 * MIB, per_byte: 256 },
    tried_in_tests: 2000,
};

/// The parsers of this program's own weights.
pub(super) const TARGETS: &[Target] = &[
    MODEL,
    Target {
        name: "checkpoint",
        parses: "checkpoints of trainings, as far as the tensors",
        run: |bytes| {
            scratch::with_file("checkpoint", bytes, |path| {
                goes_as_far_as_tensors(Trainer::begun(path))
            })
        },
        seeds: checkpoints,
        ..MODEL
    },
    Target {
        name: "distillation",
        parses: "checkpoints of distillations, and teachers, as far as the tensors",
        run: |bytes| scratch::with_file("distillation", bytes, teacher_or_distillation),
        seeds: distillations,
        ..MODEL
    },
    Target {
        name: "model_header",
        parses: "headers of whole models",
        run: whole_model,
        seeds: || vec![WHOLE.header.clone()],
        repair: as_it_is,
        // Six copies of 8 million numbers: as they are read, as the networks keep them, prepared for the engine.
        memory: Memory { fixed: 512 * MIB, per_byte: 256 },
        tried_in_tests: 40,
        ..MODEL
    },
];

/// Whether a container was found sound before a tensor was missing.
fn goes_as_far_as_tensors<T>(read: Result<T, Error>) -> bool {
    match read {
        Ok(_) => true,
        Err(Error::Weights(error)) => matches!(error.cause, Cause::MissingTensor(_)),
        Err(_) => false,
    }
}

fn teacher_or_distillation(path: &Path) -> bool {
    let teacher = goes_as_far_as_tensors(Teacher::open(path));
    teacher | goes_as_far_as_tensors(Distiller::in_checkpoint(path))
}

/// A container with a document and two small tensors.
fn small(kind: &str, document: &Value) -> Vec<u8> {
    let mut tensors = Tensors::new();
    tensors.insert("w", Tensor::new([2], vec![0.5, 2.0]).expect("two numbers"));
    tensors.insert("x", Tensor::new([], vec![1.0]).expect("a number"));
    to_bytes(kind, document, &tensors).expect("a sound container")
}

fn model() -> Vec<u8> {
    small("efficientad-model", &json!(info(View::Tiles { size: 512, overlap: 64 }, Some(region()))))
}

fn region() -> RegionOfInterest {
    let inside = (0..97 * 61).map(|pixel| pixel % 97 > 5 && pixel < 4000).collect();
    RegionOfInterest::new(97, 61, inside).expect("a sound region")
}

fn data() -> DataDescription {
    DataDescription {
        fingerprint: "0123".repeat(16),
        train_images: 54,
        validation_images: 6,
        photos: "painted".to_owned(),
        orientation: Default::default(),
        samples: Samples::default(),
        folders: vec![PhotoFolder {
            folder: "OK".to_owned(),
            taken_as: "good, to train on".to_owned(),
            files: 60,
        }],
        left_out: "1 .gif".to_owned(),
        train_files: vec!["0123456789abcdef".to_owned()],
    }
}

fn engine() -> EngineId {
    EngineId { name: "cpu".to_owned(), device: "avx2".to_owned(), precision: Precision::F32 }
}

fn continuation() -> Continuation {
    let recipe =
        ContinuationRecipe { model: "89ab".repeat(16), steps: 500, seed: 1, learning_rate: 1e-4 };
    let old = OldImages {
        fingerprints: vec![data().fingerprint],
        train_images: 54,
        validation_images: 6,
    };
    Continuation { recipe, data: data(), old: Some(old) }
}

/// A document with everything that one may have.
fn info(view: View, region: Option<RegionOfInterest>) -> ModelInfo {
    let scores = Calibration::new((0..300).map(|i| i as f32 / 100.0).collect());
    let rate = FalseRejectRate::default();
    ModelInfo {
        size: PdnSize::Small,
        input: InputSize::default(),
        recipe: Some(Recipe { view, region, ..Recipe::default() }),
        data: Some(data()),
        continuations: vec![continuation()],
        calibration: Some(CalibrationImages { fingerprint: "4567".repeat(16), images: 300 }),
        threshold: scores.and_then(|scores| scores.threshold(rate)).ok(),
        engine: Some(engine()),
        samples: Some(Samples::default()),
        program_version: "0.1.0".to_owned(),
    }
}

fn checkpoints() -> Vec<Vec<u8>> {
    let mut document = json!({
        "recipe": Recipe { region: Some(region()), ..Recipe::paper() },
        "data": data(),
        "steps_done": 100,
        "engine": engine(),
        "program_version": "0.1.0",
    });
    let begun = small("efficientad-checkpoint", &document);
    document["continued"] = json!({
        "recipe": Recipe::default(),
        "data": data(),
        "continuations": [continuation()],
    });
    vec![begun, small("efficientad-continuation", &document)]
}

fn distillations() -> Vec<Vec<u8>> {
    let data = |initial| DistillationData {
        backbone: "net.onnx".to_owned(),
        backbone_sha256: "cdef".repeat(16),
        runtime: Some("rten".to_owned()),
        layers: ["layer2", "layer3"].map(str::to_owned),
        preprocessing: "torchvision".to_owned(),
        photos: 2000,
        held_back: 64,
        photos_fingerprint: "0123".repeat(16),
        augmentation: "crops".to_owned(),
        sample_seed: 0,
        samples: 10_000,
        initial,
    };
    let distillation = |initial| Distillation {
        data: data(initial),
        recipe: DistillationRecipe::default(),
        samples_seen: 160_000,
        r_squared: RSquared { all: 0.5, fine: 0.4, coarse: 0.6 },
        program_version: "0.1.0".to_owned(),
    };
    let initial = InitialTeacher {
        file: "first".to_owned(),
        sha256: "89ab".repeat(16),
        distillation: Some(Box::new(distillation(None))),
    };
    let progress = json!({
        "recipe": DistillationRecipe::default(),
        "data": data(None),
        "steps_done": 100,
        "engine": engine(),
        "program_version": "0.1.0",
    });
    let teacher = json!({ "size": "small", "distillation": distillation(Some(initial)) });
    vec![small("efficientad-distillation", &progress), small("efficientad-teacher", &teacher)]
}

/// A whole model, its numbers apart.
struct Whole {
    header: Vec<u8>,
    numbers: Vec<u8>,
}

static WHOLE: LazyLock<Whole> = LazyLock::new(|| {
    let mut tensors = Tensors::new();
    let mut add = |name: &str, shape: &[usize]| {
        let count = shape.iter().product();
        let numbers = (0..count).map(|i| (i % 7) as f32 / 1000.0).collect();
        tensors.insert(name, Tensor::new(shape, numbers).expect("as many numbers"));
    };
    let mut network = |prefix: &str, layers: Vec<Layer>| {
        for layer in layers {
            let conv = layer.conv;
            let name = format!("{prefix}.{}", layer.name);
            let [input, kernel] = [conv.in_channels, conv.kernel];
            add(&format!("{name}.weight"), &[conv.out_channels, input, kernel, kernel]);
            add(&format!("{name}.bias"), &[conv.out_channels]);
        }
    };
    network("teacher", pdn_layers(PdnSize::Small, TEACHER_CHANNELS));
    network("student", pdn_layers(PdnSize::Small, 2 * TEACHER_CHANNELS));
    network("autoencoder", autoencoder_layers());
    for name in ["teacher.mean", "teacher.std"] {
        add(name, &[TEACHER_CHANNELS]);
    }
    for name in ["st_a", "st_b", "ae_a", "ae_b"] {
        add(&format!("quantiles.{name}"), &[1]);
    }
    add("teacher_map.channel_weights", &[TEACHER_CHANNELS]);
    add("autoencoder_map.position_weights", &[56, 56]);
    add("calibration.scores", &[300]);
    let document = info(View::Stretch, Some(region()));
    let mut header = to_bytes("efficientad-model", &document, &tensors).expect("a sound model");
    let length = header.first_chunk().map_or(0, |&length| u64::from_le_bytes(length)) as usize;
    let numbers = header.split_off(8 + length);
    Whole { header: header.split_off(8), numbers }
});

/// Reads a model with a changed header, and prepares it to inspect.
fn whole_model(header: &[u8]) -> bool {
    if serde_json::from_slice::<serde::de::IgnoredAny>(header).is_err() {
        return false;
    }
    let length = (header.len() as u64).to_le_bytes();
    let mut bytes = [&length[..], header, &WHOLE.numbers].concat();
    repair::seal(&mut bytes);
    let Ok(model) = Model::from_bytes(&bytes, "model") else { return false };
    let engine = efficientad::CpuEngine::new(1, efficientad::InstructionSet::best());
    engine.is_ok_and(|engine| Detector::new(&model, std::sync::Arc::new(engine)).is_ok())
}
