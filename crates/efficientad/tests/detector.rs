//! One detector, many images and threads: every image gets the same bits as alone.

use efficientad::engine::{
    EngineError, EngineId, InspectionEngine, Networks, PdnSize, Precision, PreparedNetworks,
    PreparedTeacher, Threads, Weights,
};
use efficientad::{
    Arithmetic, CpuEngine, DataDescription, Detector, Error, FalseRejectRate, ImageSource,
    Inspection, InstructionSet, Model, Recipe, RgbImage, SourceError, Teacher, TrainOptions,
    Trainer, TrainingData, View,
};
use std::ops::ControlFlow;
use std::sync::Arc;

/// Images of all kinds of sizes, each unlike the others.
struct Stripes(usize);

fn stripes(index: usize) -> RgbImage {
    let (width, height) = ([300, 40, 513][index % 3], [200, 30, 90, 700][index % 4]);
    let mut image = RgbImage::new(width, height);
    let value = |place: usize| (place * (index + 3) / 7 * 31 % 256) as u8;
    image.iter_mut().enumerate().for_each(|(place, channel)| *channel = value(place));
    image
}

impl ImageSource for Stripes {
    fn len(&self) -> usize {
        self.0
    }
    fn name(&self, index: usize) -> String {
        format!("stripes {index}")
    }
    fn load(&self, index: usize) -> Result<RgbImage, SourceError> {
        Ok(stripes(index))
    }
}

fn engine(threads: usize) -> Arc<CpuEngine> {
    Arc::new(CpuEngine::new(threads, InstructionSet::best()).unwrap())
}

/// Two images to learn from and to calibrate on.
fn data() -> TrainingData {
    let images = Arc::new(Stripes(2));
    TrainingData {
        train: images.clone(),
        validation: images,
        photos: None,
        description: DataDescription {
            fingerprint: String::new(),
            train_images: 2,
            validation_images: 2,
            photos: "none".to_owned(),
            ..DataDescription::default()
        },
        old: None,
    }
}

/// Trained for a step.
fn model(view: View) -> Model {
    let recipe = Recipe { view, steps: 1, ..Recipe::default() };
    let teacher = Teacher::embedded(recipe.size).unwrap();
    let mut quiet = |_| ControlFlow::Continue(());
    let options = TrainOptions::default();
    let mut trainer =
        Trainer::new(engine(2), teacher, recipe, data(), options, &mut quiet).unwrap();
    trainer.step().unwrap();
    trainer.finish(&mut quiet).unwrap()
}

#[test]
fn a_batch_gives_bit_for_bit_what_single_calls_give_whatever_the_threads() {
    for view in [View::Letterbox, View::Tiles { size: 512, overlap: 80 }] {
        let model = model(view);
        let images: Vec<RgbImage> = (0..5).map(stripes).collect();
        let images: Vec<&RgbImage> = images.iter().collect();
        let alone = Detector::new(&model, engine(1)).unwrap();
        let expected: Vec<Inspection> =
            images.iter().map(|image| alone.inspect(image).unwrap()).collect();
        for (threads, count) in [(1, 0), (1, 5), (2, 1), (2, 5), (3, 5)] {
            let detector = Detector::new(&model, engine(threads)).unwrap();
            let results = detector.inspect_batch(&images[..count]);
            let results: Vec<Inspection> = results.into_iter().map(Result::unwrap).collect();
            assert!(results == expected[..count], "{view}: {count} on {threads} threads");
        }
    }
}

#[test]
fn clones_on_several_threads_give_the_same_bits() {
    let detector = Detector::new(&model(View::Stretch), engine(2)).unwrap();
    let expected: Vec<Inspection> =
        (0..4).map(|index| detector.inspect(&stripes(index)).unwrap()).collect();
    std::thread::scope(|scope| {
        for first in 0..4 {
            let (detector, expected) = (detector.clone(), &expected);
            scope.spawn(move || {
                for index in (0..8).map(|i| (first + i) % 4) {
                    assert!(detector.inspect(&stripes(index)).unwrap() == expected[index]);
                }
            });
        }
    });
}

#[test]
fn a_model_comes_from_a_path_bytes_or_a_reader() {
    let model = model(View::Stretch);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("part.model");
    model.save(&path).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    assert!(Model::open(&path).unwrap() == model);
    assert!(Model::from_bytes(&bytes, "part").unwrap() == model);
    assert!(Model::read(&bytes[..], "part").unwrap() == model);
    let cut = Model::read(&bytes[..bytes.len() / 2], "the network's answer").unwrap_err();
    assert!(cut.to_string().starts_with("the network's answer: "), "{cut}");
    // Networks of another size than the document says would end what goes on with them.
    let kind = "efficientad-model";
    let mut other = efficientad_weights::load::<serde_json::Value>(&path, kind).unwrap();
    other.document["size"] = "medium".into();
    efficientad_weights::save(&path, kind, &other.document, &other.tensors).unwrap();
    let error = Model::open(&path).unwrap_err().to_string();
    assert!(error.contains("tensor `teacher.conv1.weight` has shape"), "{error}");
}

#[test]
fn what_is_told_of_a_threshold_is_the_one_in_use() {
    let mut detector = Detector::new(&model(View::Stretch), engine(1)).unwrap();
    detector.set_threshold(0.75);
    assert_eq!(detector.threshold(), Some(0.75));
    assert_eq!(detector.info().threshold.as_ref(), detector.guarantee());
    let rate = FalseRejectRate::new(0.5).unwrap();
    detector.set_false_reject(rate).unwrap();
    assert_eq!(detector.info().threshold.as_ref().unwrap().false_reject, Some(rate));
    assert_eq!(detector.info().threshold.as_ref(), detector.guarantee());
}

/// The CPU engine under another name.
struct Renamed(EngineId);

impl InspectionEngine for Renamed {
    fn id(&self) -> EngineId {
        self.0.clone()
    }
    fn threads(&self) -> &Threads {
        const { &Threads::calling() }
    }
    fn prepare(&self, networks: &Networks) -> Result<Box<dyn PreparedNetworks>, EngineError> {
        engine(1).prepare(networks)
    }
    fn prepare_teacher(
        &self,
        size: PdnSize,
        weights: &Weights,
    ) -> Result<Box<dyn PreparedTeacher>, EngineError> {
        engine(1).prepare_teacher(size, weights)
    }
}

#[test]
fn a_threshold_is_for_the_arithmetic_that_it_was_calibrated_with() {
    let model = model(View::Stretch);
    let own = model.info().engine.clone().unwrap();
    assert_eq!(own, engine(1).id());
    let on = |id: EngineId| Detector::new(&model, Arc::new(Renamed(id))).unwrap();

    let same = on(own.clone());
    assert_eq!(*same.arithmetic(), Arithmetic::Same);
    let other = on(EngineId { device: "another".to_owned(), ..own.clone() });
    assert_eq!(*other.arithmetic(), Arithmetic::Other { calibrated: own.clone() });
    assert_eq!(other.threshold(), same.threshold());

    let mut lower = on(EngineId { precision: Precision::Bf16, ..own.clone() });
    assert_eq!(*lower.arithmetic(), Arithmetic::LowerPrecision { calibrated: own });
    let inspection = lower.inspect(&stripes(0)).unwrap();
    assert_eq!(inspection.score, same.inspect(&stripes(0)).unwrap().score);
    assert_eq!((inspection.anomalous, inspection.p_value), (None, None));
    assert_eq!(lower.info().threshold, None);
    let refused = lower.set_false_reject(FalseRejectRate::default()).unwrap_err();
    assert!(matches!(refused, Error::LowerPrecision { .. }), "{refused}");
    lower.set_threshold(f32::MIN);
    assert_eq!(lower.inspect(&stripes(0)).unwrap().anomalous, Some(true));
}

#[test]
fn progress_can_cancel_a_training() {
    let recipe = Recipe { steps: 1, ..Recipe::default() };
    let teacher = Teacher::embedded(recipe.size).unwrap();
    let mut seen = 0;
    let mut cancel = |_| {
        seen += 1;
        ControlFlow::Break(())
    };
    let begun =
        Trainer::new(engine(1), teacher, recipe, data(), TrainOptions::default(), &mut cancel);
    assert!(matches!(begun.err(), Some(Error::Cancelled)));
    assert_eq!(seen, 1);
}
