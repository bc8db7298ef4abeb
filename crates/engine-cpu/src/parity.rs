//! Parts of the engine, and its optimizers, against PyTorch's numbers.

use crate::autoencoder::{Autoencoder, AutoencoderMaps};
use crate::pdn::{HiddenMaps, Pdn};
use crate::training::{StepNetworks, StepWeights};
use efficientad_engine::{
    Adam, ConvSpec, InputSize, LearnerState, Muon, NetworkState, PdnSize, STUDENT_CHANNELS,
    StepPlan, TEACHER_CHANNELS, Tensor, hwio_from_oihw, oihw_from_hwio,
};
use efficientad_engine_conformance::{
    AUTOENCODER_HALF, Fixture, TEACHER_HALF, TOLERANCE, WITHOUT_DROPOUT, adam_of, assert_agrees,
    assert_gradients_agree, assert_losses_agree, assert_update_agrees, chw, number, step_inputs,
};
use efficientad_kernels::{Cpu, InstructionSet, Moments, Workspace};
use serde_json::Value;
use std::sync::Arc;

/// Both networks' features on an image: teacher, student.
fn pdn_features(fixture: &Fixture, image: &Tensor) -> [Tensor; 2] {
    let cpu = cpu();
    let networks =
        [(TEACHER_CHANNELS, fixture.normalized_teacher()), (STUDENT_CHANNELS, fixture.student())];
    networks.map(|(channels, weights)| {
        let mut features = Tensor::default();
        Pdn::new(&cpu, fixture.size, channels, &weights).forward(
            &mut Workspace::new(Arc::clone(&cpu)),
            image.view(),
            &mut HiddenMaps::default(),
            &mut features,
        );
        features
    })
}

fn autoencoder_features(fixture: &Fixture, image: &Tensor) -> Tensor {
    let cpu = cpu();
    let size = InputSize::new(image.shape().height, image.shape().width).unwrap();
    let mut maps = AutoencoderMaps::default();
    Autoencoder::new(&cpu, &fixture.autoencoder()).forward(
        &mut Workspace::new(Arc::clone(&cpu)),
        image.view(),
        size,
        &mut maps,
    );
    maps.features().clone()
}

fn cpu() -> Arc<Cpu> {
    Arc::new(Cpu::new(2, InstructionSet::best()).unwrap())
}

#[test]
fn features_agree_with_pytorch() {
    for size in [PdnSize::Small, PdnSize::Medium] {
        let fixture = Fixture::open(size);
        let expected = &fixture.json["features"];
        let [teacher, student] = pdn_features(&fixture, &fixture.image("x1", 256, 256));
        let autoencoder = autoencoder_features(&fixture, &fixture.image("x2", 256, 256));
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
        let [teacher, student] = pdn_features(&fixture, &image);
        let what = format!("{height}×{width}");
        let agrees = |features, channels, name: &str| {
            assert_agrees(&what, &chw(features, channels), &rectangle[name], TOLERANCE);
        };
        agrees(&teacher, TEACHER_HALF, "teacher");
        agrees(&student, TEACHER_HALF, "student_teacher");
        agrees(&student, AUTOENCODER_HALF, "student_autoencoder");
        if !rectangle["autoencoder"].is_null() {
            agrees(&autoencoder_features(&fixture, &image), TEACHER_HALF, "autoencoder");
        }
    }
}

/// With the teacher's features as they are, not rounded to half precision as between steps.
fn assert_step_agrees(size: PdnSize) {
    let fixture = Fixture::open(size);
    let mut networks = StepNetworks::new(
        Workspace::new(cpu()),
        &StepWeights {
            size,
            input: InputSize::default(),
            normalized_teacher: &fixture.normalized_teacher(),
            student: &fixture.student(),
            autoencoder: &fixture.autoencoder(),
        },
    );
    let inputs = step_inputs(&fixture);
    let [teacher, _] = pdn_features(&fixture, &fixture.image("x1", 256, 256));
    let losses = networks.losses_given(teacher.data(), &inputs, &WITHOUT_DROPOUT);
    assert_losses_agree(&fixture, &losses, TOLERANCE);
    let gradients = networks.take_gradients(&WITHOUT_DROPOUT);
    assert_gradients_agree(&fixture, &gradients, TOLERANCE);

    let state = |networks: &StepNetworks| {
        let [student, autoencoder] = networks.weights().map(NetworkState::new);
        LearnerState { student, autoencoder }
    };
    let before = state(&networks);
    networks.update(&StepPlan { adam: adam_of(&fixture), autoencoder: WITHOUT_DROPOUT });
    assert_update_agrees(&fixture, &before, &state(&networks));
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
    let fixture = Fixture::muon();
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
