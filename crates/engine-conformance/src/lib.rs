//! The suite that every engine passes: PyTorch's numbers, and the same bits whatever is computed
//! beside.
//!
//! An engine's tests call [`inspection`], and [`training`] and [`distillation`] if it learns; they
//! panic where the engine differs by more than [`Tolerances`] of its precision.

mod fixture;

pub use fixture::{
    AUTOENCODER_HALF, Fixture, TEACHER_HALF, TOLERANCE, assert_agrees, chw, hashed, norm, number,
    places, samples,
};

use efficientad_engine::{
    Adam, AutoencoderPlan, DifferenceMaps, DistillationBatch, DistillationPlan, Gradients,
    InputSize, InspectionEngine, Layer, Learner, LearnerOptions, LearnerState, Losses, Muon,
    NetworkState, PdnSize, Precision, PreparedNetworks, STUDENT_CHANNELS, Share, StepInputs,
    StepPlan, TEACHER_CHANNELS, Tensor, TrainingEngine, TrainingNetworks, ValidMask, Weights,
    autoencoder_layers, oihw_from_hwio, pdn_layers,
};
use serde_json::Value;

/// Largest differences from PyTorch's float64, relative in the 2-norm.
#[derive(Clone, Copy, Debug)]
pub struct Tolerances {
    /// Of the teacher's features.
    pub features: f64,
    /// Of the two difference maps.
    pub maps: f64,
    /// Of each loss.
    pub losses: f64,
    /// Of each array's gradient.
    pub gradients: f64,
}

impl Tolerances {
    /// Those of a precision. Losses and gradients are wider than features, as a learner may keep the
    /// teacher's features in half precision: then other features are among the hardest thousandth.
    ///
    /// # Panics
    /// When the precision is newer than the suite.
    pub fn of(precision: Precision) -> Self {
        let (features, maps, gradients) = match precision {
            Precision::F32 => (1e-4, 1e-4, 2e-2),
            Precision::Tf32 | Precision::F16 => (5e-3, 1e-2, 3e-2),
            Precision::Bf16 => (4e-2, 8e-2, 0.5),
            Precision::Int8 => (0.2, 1.0, f64::INFINITY),
            other => panic!("the suite has no tolerances of {other:?} yet"),
        };
        Self { features, maps, losses: 10.0 * features, gradients }
    }
}

/// How much of the suite.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// All of it.
    Whole,
    /// Size S alone, each thing once: for devices that take many seconds for an image.
    Brief,
}

/// Describing and comparing: against PyTorch, and against the engine itself.
///
/// # Panics
/// When the engine fails the suite.
pub fn inspection(engine: &dyn InspectionEngine, extent: Extent) {
    if extent == Extent::Brief {
        rectangles_agree_with_pytorch(engine);
        a_batch_agrees_with_pytorch_and_with_single_images(engine);
        return;
    }
    for size in [PdnSize::Small, PdnSize::Medium] {
        features_agree_with_pytorch(engine, size);
        maps_agree_with_pytorch(engine, size);
    }
    rectangles_agree_with_pytorch(engine);
    maps_do_not_depend_on_what_is_computed_beside(engine);
}

fn features_agree_with_pytorch(engine: &dyn InspectionEngine, size: PdnSize) {
    let fixture = Fixture::open(size);
    let teacher = engine.prepare_teacher(size, &fixture.normalized_teacher()).unwrap();
    let features = teacher.describe(fixture.image("x1", 256, 256).view()).unwrap();
    let features = chw(&features, TEACHER_HALF);
    let tolerance = Tolerances::of(engine.id().precision).features;
    let expected = &fixture.json["features"]["teacher"];
    assert_agrees(&format!("{size} teacher"), &features, expected, tolerance);
}

fn rectangles_agree_with_pytorch(engine: &dyn InspectionEngine) {
    let fixture = Fixture::open(PdnSize::Small);
    let tolerance = Tolerances::of(engine.id().precision).features;
    let teacher = engine.prepare_teacher(fixture.size, &fixture.normalized_teacher()).unwrap();
    for rectangle in fixture.json["rectangles"].as_array().unwrap() {
        let [height, width] = ["height", "width"].map(|k| rectangle[k].as_u64().unwrap() as usize);
        let image = fixture.image(rectangle["input"].as_str().unwrap(), height, width);
        let features = chw(&teacher.describe(image.view()).unwrap(), TEACHER_HALF);
        let what = format!("teacher on {height}×{width}");
        assert_agrees(&what, &features, &rectangle["teacher"], tolerance);
    }
}

fn maps_agree_with_pytorch(engine: &dyn InspectionEngine, size: PdnSize) {
    let fixture = Fixture::open(size);
    let networks = engine.prepare(&fixture.networks(InputSize::default())).unwrap();
    let maps = compare(&*networks, &fixture.image("x1", 256, 256), Share::Whole).remove(0);
    assert_maps_agree(&fixture, &maps, Tolerances::of(engine.id().precision).maps);
}

/// Compares the maps of the image `x1` with PyTorch's.
fn assert_maps_agree(fixture: &Fixture, maps: &DifferenceMaps, tolerance: f64) {
    assert_eq!((maps.height, maps.width), (56, 56));
    let expected = &fixture.json["maps"];
    for (name, map) in [
        ("student_teacher", &maps.student_teacher),
        ("student_autoencoder", &maps.student_autoencoder),
    ] {
        assert_agrees(&format!("{} {name}", fixture.size), map, &expected[name], tolerance);
    }
}

fn a_batch_agrees_with_pytorch_and_with_single_images(engine: &dyn InspectionEngine) {
    let fixture = Fixture::open(PdnSize::Small);
    let networks = engine.prepare(&fixture.networks(InputSize::default())).unwrap();
    let images = ["x1", "x2"].map(|name| fixture.image(name, 256, 256));
    let maps = compare(&*networks, &batch(&images), Share::Whole);
    assert_maps_agree(&fixture, &maps[0], Tolerances::of(engine.id().precision).maps);
    assert!(compare(&*networks, &images[1], Share::Whole)[0] == maps[1], "an image alone");
}

fn maps_do_not_depend_on_what_is_computed_beside(engine: &dyn InspectionEngine) {
    let fixture = Fixture::open(PdnSize::Small);
    let networks = engine.prepare(&fixture.networks(InputSize::default())).unwrap();
    let images = ["x1", "x2", "photo"].map(|name| fixture.image(name, 256, 256));
    let singles: Vec<DifferenceMaps> =
        images.iter().flat_map(|image| compare(&*networks, image, Share::Whole)).collect();
    assert!(singles[0] != singles[1] && singles[1] != singles[2]);
    for share in [Share::Whole, Share::OneThread] {
        assert!(compare(&*networks, &batch(&images), share) == singles, "a batch, {share:?}");
    }
    std::thread::scope(|scope| {
        for turn in 0..4 {
            let (networks, images, singles) = (&networks, &images, &singles);
            let share = if turn % 2 == 0 { Share::OneThread } else { Share::Whole };
            scope.spawn(move || {
                for place in (0..2 * images.len()).map(|i| (i + turn) % images.len()) {
                    let maps = compare(&**networks, &images[place], share);
                    assert!(maps[0] == singles[place], "image {place} from several threads");
                }
            });
        }
    });
}

fn compare(networks: &dyn PreparedNetworks, images: &Tensor, share: Share) -> Vec<DifferenceMaps> {
    networks.compare(images.view(), share).unwrap()
}

fn batch(images: &[Tensor]) -> Tensor {
    let mut batch = Tensor::zeros(InputSize::default().shape(images.len()));
    for (i, image) in images.iter().enumerate() {
        batch.images_mut(i..i + 1).data.copy_from_slice(image.data());
    }
    batch
}

/// A plan without dropout, which PyTorch's numbers are of.
pub const WITHOUT_DROPOUT: AutoencoderPlan = AutoencoderPlan::Adam { dropout: None };

/// A training step: against PyTorch, and gone on with from its state.
///
/// # Panics
/// When the engine fails the suite.
pub fn training(engine: &dyn TrainingEngine, extent: Extent) {
    if extent == Extent::Brief {
        gradients_agree_with_pytorch(engine, PdnSize::Small);
        return;
    }
    for size in [PdnSize::Small, PdnSize::Medium] {
        a_step_agrees_with_pytorch(engine, size);
    }
    a_training_goes_on_from_its_state(engine);
    losses_that_are_no_numbers_change_no_weights(engine);
}

fn learner(
    engine: &dyn TrainingEngine,
    fixture: &Fixture,
    state: LearnerState,
) -> Box<dyn Learner> {
    let networks = TrainingNetworks {
        size: fixture.size,
        input: InputSize::default(),
        teacher: &fixture.normalized_teacher(),
        state,
    };
    let options = LearnerOptions { images: 1, feature_cache_bytes: usize::MAX };
    engine.learner(networks, options).unwrap()
}

/// Does a step and waits for its losses.
///
/// # Panics
/// When the device fails, or losses of other steps were outstanding.
pub fn step(learner: &mut dyn Learner, inputs: &StepInputs, plan: &StepPlan) -> Losses {
    let mut losses = learner.step(inputs, plan).unwrap();
    losses.append(&mut learner.outstanding().unwrap());
    assert_eq!(losses.len(), 1, "a step has its losses once");
    losses[0]
}

fn first_state(fixture: &Fixture) -> LearnerState {
    LearnerState {
        student: NetworkState::new(fixture.student()),
        autoencoder: NetworkState::new(fixture.autoencoder()),
    }
}

/// The images of the step that PyTorch's numbers are of.
pub fn step_inputs(fixture: &Fixture) -> StepInputs {
    let images = ["x1", "photo", "x2"].map(|name| fixture.image(name, 256, 256));
    StepInputs {
        image: Some(0),
        valid: ValidMask::All,
        batch: batch(&images),
        for_autoencoder: Vec::new(),
    }
}

fn gradients_agree_with_pytorch(
    engine: &dyn TrainingEngine,
    size: PdnSize,
) -> (Fixture, Box<dyn Learner>, Losses) {
    let fixture = Fixture::open(size);
    let (state, inputs) = (first_state(&fixture), step_inputs(&fixture));
    let mut learner = learner(engine, &fixture, state.clone());
    let (losses, gradients) = learner.gradients(&inputs, &WITHOUT_DROPOUT).unwrap();
    let tolerances = Tolerances::of(engine.learning_id().precision);
    assert_losses_agree(&fixture, &losses, tolerances.losses);
    assert_gradients_agree(&fixture, &gradients, tolerances.gradients);
    assert!(learner.state().unwrap() == state, "gradients alone change no weights");
    (fixture, learner, losses)
}

fn a_step_agrees_with_pytorch(engine: &dyn TrainingEngine, size: PdnSize) {
    let (fixture, mut learner, losses) = gradients_agree_with_pytorch(engine, size);
    let (state, inputs) = (first_state(&fixture), step_inputs(&fixture));
    let adam = adam_of(&fixture);
    let plan = StepPlan { adam, autoencoder: WITHOUT_DROPOUT };
    let again = step(&mut *learner, &inputs, &plan);
    assert_eq!(again, losses);
    assert_update_agrees(&fixture, &state, &learner.state().unwrap());
}

/// Compares the losses of [`step_inputs`] with PyTorch's.
///
/// # Panics
/// When they differ by more than the tolerance.
pub fn assert_losses_agree(fixture: &Fixture, losses: &Losses, tolerance: f64) {
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
        assert!(error < tolerance, "{} loss {name}: {loss}, not {expected}", fixture.size);
    }
}

/// Compares the gradients of [`step_inputs`] with PyTorch's.
///
/// # Panics
/// When they differ by more than the tolerance.
pub fn assert_gradients_agree(fixture: &Fixture, gradients: &Gradients, tolerance: f64) {
    let size = fixture.size;
    let gradients = named(size, [&gradients.student, &gradients.autoencoder]);
    let expected = fixture.json["gradients"].as_array().unwrap();
    assert_eq!(gradients.len(), expected.len());
    for expected in expected {
        let name = expected["name"].as_str().unwrap();
        let gradient = array(&gradients, name);
        assert_agrees(&format!("{size} gradient {name}"), gradient, expected, tolerance);
    }
}

/// The step of Adam that PyTorch's numbers are of.
pub fn adam_of(fixture: &Fixture) -> Adam {
    let constant = |name: &str| number(&fixture.json["adam"][name]) as f32;
    Adam {
        learning_rate: constant("lr"),
        beta1: constant("beta1"),
        beta2: constant("beta2"),
        epsilon: constant("eps"),
        weight_decay: constant("weight_decay"),
        step: 1,
    }
}

/// Compares what a step by [`adam_of`] changes with PyTorch's changes.
///
/// # Panics
/// When they differ.
pub fn assert_update_agrees(fixture: &Fixture, before: &LearnerState, after: &LearnerState) {
    let size = fixture.size;
    let parameters =
        |state: &LearnerState| named(size, [&state.student.weights, &state.autoencoder.weights]);
    let (before, after) = (parameters(before), parameters(after));
    let gradients = fixture.json["gradients"].as_array().unwrap();
    let deltas = fixture.json["adam"]["deltas"].as_array().unwrap();
    for (delta, gradient) in deltas.iter().zip(gradients) {
        let name = delta["name"].as_str().unwrap();
        let (before, after) = (array(&before, name), array(&after, name));
        assert_delta_agrees(&format!("{size} {name}"), before, after, delta, gradient);
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

/// The arrays of student and autoencoder under their names, in PyTorch's order of elements.
fn named(size: PdnSize, weights: [&Weights; 2]) -> Vec<(String, Vec<f32>)> {
    let networks: [(&str, Vec<Layer>); 2] =
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

fn array<'a>(list: &'a [(String, Vec<f32>)], name: &str) -> &'a [f32] {
    &list.iter().find(|(other, _)| other == name).expect(name).1
}

fn a_training_goes_on_from_its_state(engine: &dyn TrainingEngine) {
    let fixture = Fixture::open(PdnSize::Small);
    let inputs = step_inputs(&fixture);
    let plan = |step| {
        let adam = Adam { step, ..adam_of(&fixture) };
        StepPlan { adam, autoencoder: WITHOUT_DROPOUT }
    };
    let mut whole = learner(engine, &fixture, first_state(&fixture));
    step(&mut *whole, &inputs, &plan(1));
    let between = whole.state().unwrap();
    let losses = step(&mut *whole, &inputs, &plan(2));
    let mut resumed = learner(engine, &fixture, between);
    assert_eq!(step(&mut *resumed, &inputs, &plan(2)), losses);
    assert!(resumed.state().unwrap() == whole.state().unwrap());
}

fn losses_that_are_no_numbers_change_no_weights(engine: &dyn TrainingEngine) {
    let fixture = Fixture::open(PdnSize::Small);
    let mut inputs = step_inputs(&fixture);
    inputs.batch.data_mut()[0] = f32::NAN;
    let mut learner = learner(engine, &fixture, first_state(&fixture));
    let plan = StepPlan { adam: adam_of(&fixture), autoencoder: WITHOUT_DROPOUT };
    assert!(!step(&mut *learner, &inputs, &plan).total().is_finite());
    assert!(learner.state().unwrap() == first_state(&fixture));
}

/// A distillation step, against what describing says.
///
/// # Panics
/// When the engine fails the suite.
pub fn distillation(engine: &dyn TrainingEngine, extent: Extent) {
    // No multiple of what an engine may compute at once.
    let samples = match extent {
        Extent::Whole => 5,
        Extent::Brief => 1,
    };
    let fixture = Fixture::open(PdnSize::Small);
    let weights = fixture.normalized_teacher();
    let input = InputSize::default();
    let mut batch = DistillationBatch {
        images: Tensor::zeros(input.shape(samples)),
        targets: Tensor::zeros(input.feature_shape(samples, TEACHER_CHANNELS)),
    };
    let fill = |tensor: &mut Tensor, name: &str| {
        let values = tensor.data_mut().iter_mut().enumerate();
        values.for_each(|(i, value)| *value = hashed(name, i));
    };
    fill(&mut batch.images, "distillation.images");
    fill(&mut batch.targets, "distillation.targets");

    // Sums over all samples of the squared differences, and of the differences of each channel.
    let differences = |weights: &Weights| {
        let teacher = engine.prepare_teacher(fixture.size, weights).unwrap();
        let (mut squares, mut sums) = (0.0, vec![0.0; TEACHER_CHANNELS]);
        for sample in 0..samples {
            let features = teacher.describe(batch.images.images(sample..sample + 1)).unwrap();
            let targets = batch.targets.images(sample..sample + 1).data;
            for (i, (feature, target)) in features.data().iter().zip(targets).enumerate() {
                let difference = f64::from(*feature) - f64::from(*target);
                squares += difference * difference;
                sums[i % TEACHER_CHANNELS] += difference;
            }
        }
        (squares, sums)
    };
    let (squares, sums) = differences(&weights);
    let values = batch.targets.shape().len() as f64;

    let mut learner =
        engine.distillation_learner(fixture.size, NetworkState::new(weights.clone())).unwrap();
    let adam = Adam { weight_decay: 0.0, ..adam_of(&fixture) };
    let mut losses = learner.step(&batch, &DistillationPlan::Adam(adam)).unwrap();
    losses.append(&mut learner.outstanding().unwrap());
    let [loss] = losses[..] else { panic!("a step has its loss once: {losses:?}") };
    let tolerances = Tolerances::of(engine.learning_id().precision);
    assert!((loss / (squares / values) - 1.0).abs() < 0.1 * tolerances.features, "{loss}");
    // After one step the mean of the gradients is (1 − β₁) times the gradient.
    let state = learner.state().unwrap();
    let bias = &state.first_moments.0.last().unwrap().bias;
    let share = 1.0 - f64::from(adam.beta1);
    let expected: Vec<f64> = sums.iter().map(|sum| share * 2.0 * sum / values).collect();
    let errors = bias.iter().zip(&expected).map(|(&got, expected)| f64::from(got) - expected);
    let error = norm(errors) / norm(expected.iter().copied());
    assert!(error < tolerances.features, "the gradient of the last bias is off by {error:.1e}");
    drop(learner);

    // By Muon the first layer and the biases as by Adam, other weights along the same gradients.
    let mut learner =
        engine.distillation_learner(fixture.size, NetworkState::new(weights.clone())).unwrap();
    let muon = Muon { learning_rate: 0.01, momentum: 0.5 };
    learner.step(&batch, &DistillationPlan::Muon { muon, adam }).unwrap();
    let by_muon = learner.state().unwrap();
    assert!(by_muon.weights.0[0] == state.weights.0[0], "the first layer learns by Adam");
    for (i, now) in by_muon.weights.0.iter().enumerate().skip(1) {
        assert!(now.bias == state.weights.0[i].bias, "biases learn by Adam");
        let means = [&by_muon, &state].map(|state| &state.first_moments.0[i].weight);
        let share = (1.0 - muon.momentum) / (1.0 - adam.beta1);
        let pairs = means[0].iter().zip(means[1]);
        let error = norm(pairs.map(|(&a, &b)| f64::from(a) - f64::from(share * b)));
        assert!(error < 1e-3 * norm(means[0].iter().map(|&mean| f64::from(mean))), "{error:e}");
        let moves = now.weight.iter().zip(&weights.0[i].weight);
        let moves: Vec<f64> = moves.map(|(&a, &b)| f64::from(a) - f64::from(b)).collect();
        let along: f64 = moves.iter().zip(means[0]).map(|(by, &mean)| by * f64::from(mean)).sum();
        assert!(along < 0.0, "layer {i} moves against the gradient");
        // Singular values are near the learning rate, of one direction at least and of all at most.
        let rate = f64::from(muon.learning_rate);
        let bounds = 0.6 * rate..1.3 * rate * (now.bias.len() as f64).sqrt();
        let moved = norm(moves.into_iter());
        assert!(bounds.contains(&moved), "layer {i} moves by {moved}, not in {bounds:?}");
    }

    if extent == Extent::Brief {
        return;
    }
    // Of a layer before, by finite differences of the loss over all samples.
    let gradient = &state.first_moments.0[2].bias;
    let largest =
        (0..gradient.len()).max_by(|&a, &b| gradient[a].abs().total_cmp(&gradient[b].abs()));
    let largest = largest.unwrap();
    let moved = |by: f32| {
        let mut weights = weights.clone();
        weights.0[2].bias[largest] += by;
        differences(&weights).0 / values
    };
    let slope = (moved(0.01) - moved(-0.01)) / 0.02;
    let found = f64::from(gradient[largest]) / share;
    assert!((found / slope - 1.0).abs() < 0.02, "a hidden bias: {found}, not {slope}");
}
