//! What PyTorch's numbers are not of: steps by Muon, with dropout, with locations that don't count, without a penalty
//! photo. The CPU's engine, which is tested on its own, says what is right.
#![cfg(feature = "wgpu")]

mod device;

use efficientad_engine::{
    Adam, AutoencoderInput, AutoencoderPlan, Dropout, InputSize, Learner, LearnerOptions,
    LearnerState, Losses, Muon, NetworkState, PdnSize, StepInputs, StepPlan, Tensor,
    TrainingEngine, TrainingNetworks, ValidMask, Weights,
};
use efficientad_engine_conformance::{self as conformance, Fixture, norm};
use efficientad_engine_cpu::CpuEngine;
use efficientad_engine_gpu::Precisions;

fn learner(engine: &dyn TrainingEngine) -> Box<dyn Learner> {
    let fixture = Fixture::open(PdnSize::Small);
    let state = LearnerState {
        student: NetworkState::new(fixture.student()),
        autoencoder: NetworkState::new(fixture.autoencoder()),
    };
    learner_from(engine, state)
}

fn learner_from(engine: &dyn TrainingEngine, state: LearnerState) -> Box<dyn Learner> {
    let fixture = Fixture::open(PdnSize::Small);
    let networks = TrainingNetworks {
        size: fixture.size,
        input: InputSize::default(),
        teacher: &fixture.normalized_teacher(),
        state,
    };
    let options = LearnerOptions { images: 2, feature_cache_bytes: usize::MAX };
    engine.learner(networks, options).unwrap()
}

/// An image as it is and with jitter, and one more for the autoencoder; every third location counts.
fn inputs() -> StepInputs {
    let fixture = Fixture::open(PdnSize::Small);
    let [plain, jittered] = ["x1", "x2"].map(|name| fixture.image(name, 256, 256));
    let mut batch = Tensor::zeros(InputSize::default().shape(2));
    for (place, image) in [&plain, &jittered].into_iter().enumerate() {
        batch.images_mut(place..place + 1).data.copy_from_slice(image.data());
    }
    let valid = ValidMask::Some((0..56 * 56).step_by(3).collect());
    let more = AutoencoderInput {
        image: Some(1),
        valid: ValidMask::All,
        input: fixture.image("photo", 256, 256),
    };
    StepInputs { image: Some(0), valid, batch, for_autoencoder: vec![more] }
}

fn adam(step: u64) -> Adam {
    Adam::usual(1e-4, 1e-5, step)
}

fn muon(step: u64) -> AutoencoderPlan {
    AutoencoderPlan::Muon { muon: Muon { learning_rate: 0.01, momentum: 0.9 }, adam: adam(step) }
}

fn values(weights: &Weights) -> Vec<f64> {
    let all = weights.0.iter().flat_map(|conv| conv.weight.iter().chain(&conv.bias));
    all.copied().map(f64::from).collect()
}

fn minus(a: &[f64], b: &[f64]) -> Vec<f64> {
    a.iter().zip(b).map(|(a, b)| a - b).collect()
}

/// How far numbers are from those that they should be, relative in the 2-norm.
fn difference(got: &[f64], expected: &[f64]) -> f64 {
    norm(minus(got, expected).into_iter()) / norm(expected.iter().copied())
}

fn assert_near(what: &str, got: f64, expected: f64) {
    assert!((got / expected - 1.0).abs() < 1e-3, "{what}: {got}, not {expected}");
}

#[test]
fn a_step_by_muon_is_the_cpus() {
    let Some((engine, _)) = device::engine(Precisions::default()) else { return };
    let inputs = inputs();
    let run = |engine: &dyn TrainingEngine| {
        let mut learner = learner(engine);
        let plan = StepPlan { adam: adam(1), autoencoder: muon(1) };
        (conformance::step(&mut *learner, &inputs, &plan), learner.state().unwrap())
    };
    let (losses, state) = run(&engine);
    let (expected_losses, expected) = run(&CpuEngine::on_all_cores().unwrap());
    assert_eq!(losses.penalty, None);
    for (what, got, expected) in [
        ("hard", losses.hard, expected_losses.hard),
        ("autoencoder", losses.autoencoder, expected_losses.autoencoder),
        ("student", losses.student_autoencoder, expected_losses.student_autoencoder),
    ] {
        assert_near(what, got.into(), expected.into());
    }
    let start = values(&Fixture::open(PdnSize::Small).autoencoder());
    let updates =
        [&state, &expected].map(|state| minus(&values(&state.autoencoder.weights), &start));
    let error = difference(&updates[0], &updates[1]);
    assert!(error < 1e-2, "the update is off by {error:.1e}");
    let means = [&state, &expected].map(|state| values(&state.autoencoder.first_moments));
    let error = difference(&means[0], &means[1]);
    assert!(error < 1e-3, "means of gradients are off by {error:.1e}");
}

#[test]
fn dropout_drops_what_the_cpus_drops() {
    let Some((engine, _)) = device::engine(Precisions::default()) else { return };
    let inputs = StepInputs { for_autoencoder: Vec::new(), ..inputs() };
    let gradients = |engine: &dyn TrainingEngine, step| {
        let plan = AutoencoderPlan::Adam { dropout: Some(Dropout { seed: 5, step }) };
        learner(engine).gradients(&inputs, &plan).unwrap()
    };
    let (losses, got) = gradients(&engine, 0);
    let cpu = CpuEngine::on_all_cores().unwrap();
    let (expected_losses, expected) = gradients(&cpu, 0);
    assert_near("loss", losses.autoencoder.into(), expected_losses.autoencoder.into());
    let expected = values(&expected.autoencoder);
    let error = difference(&values(&got.autoencoder), &expected);
    assert!(error < 1e-3, "gradients are off by {error:.1e}");
    let (_, another) = gradients(&cpu, 1);
    let between_steps = difference(&values(&another.autoencoder), &expected);
    assert!(between_steps > 10.0 * error, "another step drops others: {between_steps:.1e}");
}

/// Losses are read every eight steps.
#[test]
fn steps_keep_their_order_and_a_resumed_training_its_bits() {
    let Some((engine, _)) = device::engine(Precisions::default()) else { return };
    let inputs = StepInputs { for_autoencoder: Vec::new(), ..inputs() };
    let step = |learner: &mut dyn Learner, step: u64| {
        let autoencoder = AutoencoderPlan::Adam { dropout: None };
        learner.step(&inputs, &StepPlan { adam: adam(step), autoencoder }).unwrap()
    };
    let mut whole = learner(&engine);
    let mut returned: Vec<Vec<Losses>> = (1..6).map(|i| step(&mut *whole, i)).collect();
    let between = whole.state().unwrap();
    returned.extend((6..10).map(|i| step(&mut *whole, i)));
    let lengths: Vec<usize> = returned.iter().map(Vec::len).collect();
    let outstanding = whole.outstanding().unwrap();
    assert_eq!((lengths, outstanding.len()), (vec![0, 0, 0, 0, 0, 0, 0, 8, 0], 1));
    let losses = [returned.concat(), outstanding].concat();

    let mut cpu = learner(&CpuEngine::on_all_cores().unwrap());
    for (i, got) in (1..10).zip(&losses) {
        let expected = step(&mut *cpu, i)[0];
        assert_near(&format!("step {i}"), got.total().into(), expected.total().into());
    }

    let mut resumed = learner_from(&engine, between);
    let rest: Vec<Losses> = (6..10).flat_map(|i| step(&mut *resumed, i)).collect();
    let rest = [rest, resumed.outstanding().unwrap()].concat();
    assert_eq!(rest, losses[5..]);
    assert!(resumed.state().unwrap() == whole.state().unwrap(), "other bits");
}
