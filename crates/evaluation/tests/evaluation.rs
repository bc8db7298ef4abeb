//! Judging with a real model, trained for a single step.

use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use efficientad::{
    CpuEngine, DataDescription, Detector, ImageSource, Inspection, InstructionSet, Model, PdnSize,
    Recipe, RgbImage, SourceError, Teacher, TrainOptions, Trainer, TrainingData,
};
use efficientad_datasets::Dataset;
use efficientad_datasets::photos::procedural_photo;
use efficientad_evaluation::{
    Event, Frame, InspectError, JudgeOptions, Judged, Judging, Options, OutputFolder, Photo,
    evaluate, find_photos, heat_range, inspect_photos, judge,
};
use efficientad_images::picture::save_png;
use efficientad_images::{PixelFormat, PixelsView};
use image::{GrayImage, Luma};

struct Painted(u64);

impl ImageSource for Painted {
    fn len(&self) -> usize {
        2
    }
    fn name(&self, index: usize) -> String {
        format!("painted {index}")
    }
    fn load(&self, index: usize) -> Result<RgbImage, SourceError> {
        Ok(procedural_photo(self.0 + index as u64, 80, 60))
    }
}

fn detector() -> Detector {
    static MODEL: OnceLock<Model> = OnceLock::new();
    let cpu = Arc::new(CpuEngine::new(2, InstructionSet::best()).unwrap());
    let model = MODEL.get_or_init(|| {
        let data = TrainingData {
            train: Arc::new(Painted(0)),
            validation: Arc::new(Painted(10)),
            photos: None,
            description: DataDescription {
                fingerprint: String::new(),
                train_images: 2,
                validation_images: 2,
                photos: "none".to_owned(),
                ..DataDescription::default()
            },
            old: None,
        };
        let teacher = Teacher::embedded(PdnSize::Small).unwrap();
        let recipe = Recipe { steps: 1, ..Recipe::default() };
        let (cpu, options) = (cpu.clone(), TrainOptions::default());
        let mut quiet = |_| ControlFlow::Continue(());
        let mut trainer = Trainer::new(cpu, teacher, recipe, data, options, &mut quiet).unwrap();
        trainer.step().unwrap();
        trainer.finish(&mut quiet).unwrap()
    });
    Detector::new(model, cpu).unwrap()
}

fn write_photo(path: &Path, seed: u64) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    save_png(path, &procedural_photo(seed, 80, 60)).unwrap();
}

/// A mask whose pixels in a square have `value`.
fn write_mask(path: &Path, value: u8) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let square = |x, y| (20..40).contains(&x) && (20..40).contains(&y);
    let mask = GrayImage::from_fn(80, 60, |x, y| Luma([if square(x, y) { value } else { 0 }]));
    mask.save(path).unwrap();
}

const CONFIG: &str = r#"[{"defect_name": "missing", "pixel_value": 255,
    "saturation_threshold": 50, "relative_saturation": false}]"#;

/// A data set in MVTec LOCO's layout, with one image of every kind of ground truth.
fn write_loco(root: &Path) {
    for n in 0..2 {
        write_photo(&root.join(format!("train/good/{n}.png")), n);
        write_photo(&root.join(format!("test/good/{n}.png")), 30 + n);
    }
    fs::write(root.join("defects_config.json"), CONFIG).unwrap();
    let truth = root.join("ground_truth/logical");
    for (name, values) in
        [("two", &[255, 255][..]), ("other_value", &[7]), ("nothing", &[0]), ("unmasked", &[])]
    {
        write_photo(&root.join(format!("test/logical/{name}.png")), 50);
        for (index, &value) in values.iter().enumerate() {
            write_mask(&truth.join(format!("{name}/{index:03}.png")), value);
        }
    }
}

#[test]
fn regions_are_measured_and_bad_ones_named() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    write_loco(root);
    let dataset = Dataset::open(root).unwrap();
    let options = Options { output: Some(root.join("out")), ..Options::default() };
    let (mut done, mut failures, mut seen) = (Vec::new(), Vec::new(), Vec::new());
    let report = evaluate(&detector(), &dataset, &options, &mut |event| match event {
        Event::Progress { done: n, total } => done.push((n, total)),
        Event::Judged(sample) => seen.push((sample.image.clone(), sample.defects.is_some())),
        Event::MaskNotUsed(failure) => failures.push(failure.clone()),
        Event::Failed(failure) => panic!("{failure:?}"),
        _ => {}
    })
    .unwrap();
    assert_eq!(done, (1..=6).map(|n| (n, 6)).collect::<Vec<_>>());
    assert_eq!((&failures, report.failed.len()), (&report.unusable_masks, 0));
    let (images, with_mask): (Vec<_>, Vec<_>) = seen.into_iter().unzip();
    assert_eq!(
        (images, with_mask),
        (report.images.clone(), vec![false, false, false, false, true, false])
    );
    let reason = |index: usize| &report.unusable_masks[index].reason;
    assert!(reason(0).contains("nothing/000.png: it has no pixel above 0"), "{}", reason(0));
    assert!(reason(1).contains("pixel value 7 is not in "), "{}", reason(1));
    assert_eq!((report.overall.n_good, report.overall.n_anomalous), (2, 4));
    assert_eq!((report.without_mask, report.empty_masks), (1, 0));
    for value in [report.overall.image_auroc, report.overall.pixel_auroc, report.overall.aupro] {
        assert!((0.0..=1.0).contains(&value.unwrap()));
    }
    let logical = &report.kinds["logical"];
    assert_eq!(report.loco_means(), logical.image_auroc.zip(logical.aupro_05));
    let verdicts = report.verdicts.unwrap().overall;
    assert_eq!(verdicts.true_positives + verdicts.false_negatives, 4);
    assert_eq!(fs::read_dir(root.join("out/overlays")).unwrap().count(), 6);
    for name in ["unmasked", "nothing"] {
        assert!(root.join(format!("out/test/logical/{name}.tiff")).is_file(), "{name}");
    }
}

#[test]
fn a_set_without_one_readable_image_has_no_metrics() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    for n in 0..2 {
        write_photo(&root.join(format!("train/good/{n}.png")), n);
    }
    fs::create_dir_all(root.join("test/good")).unwrap();
    fs::write(root.join("test/good/0.png"), b"broken").unwrap();
    let dataset = Dataset::open(root).unwrap();
    let error = evaluate(&detector(), &dataset, &Options::default(), &mut |_| ()).unwrap_err();
    assert_eq!(error.to_string(), "none of the 1 test images could be judged");
}

#[test]
fn photos_are_judged_in_order_until_the_visitor_has_enough() {
    let root = tempfile::tempdir().unwrap();
    let photos: Vec<Photo> = (0..5)
        .map(|n| {
            let path = root.path().join(format!("{n}.png"));
            write_photo(&path, n);
            Photo { path, relative: PathBuf::from(format!("{n}.png")) }
        })
        .collect();
    assert_eq!(find_photos(&[root.path().to_owned()], None).photos, photos);
    fs::write(&photos[1].path, b"broken").unwrap();
    let mut seen = Vec::new();
    let stopped =
        inspect_photos(&detector(), &photos, &JudgeOptions::default(), |index, judged| {
            seen.push((index, judged.is_ok()));
            if index == 2 { Err("enough") } else { Ok(()) }
        });
    assert_eq!(stopped, Err("enough"));
    assert_eq!(seen, [(0, true), (1, false), (2, true)]);
}

#[test]
fn maps_and_overlays_have_the_size_of_the_photo() {
    let root = tempfile::tempdir().unwrap();
    let photo = Photo { path: root.path().join("in/0.png"), relative: "0.png".into() };
    write_photo(&photo.path, 3);
    let photos = [photo];
    let output = OutputFolder::create(&root.path().join("out"), &photos).unwrap();
    let detector = detector();
    let range = heat_range(detector.threshold());
    inspect_photos(&detector, &photos, &JudgeOptions::default(), |_, judged| {
        let judged = judged.unwrap();
        let map = &judged.inspection.map;
        assert_eq!((map.width, map.height), (80, 60));
        output.save_map(&photos[0], &judged)?;
        output.save_overlay(&photos[0], &judged, range)
    })
    .unwrap();
    let overlay = image::open(output.overlay_path(Path::new("0.png"))).unwrap();
    assert_eq!((overlay.width(), overlay.height()), (80, 60));
    assert!(output.map_path(Path::new("0.png")).is_file());
}

/// Hands out photos as files, as bytes and as pixels in turn.
struct Mixed<'a> {
    photos: &'a [(PathBuf, Vec<u8>, RgbImage)],
    given: usize,
    inspections: Vec<Inspection>,
}

impl<'a> Judging<'a> for Mixed<'a> {
    type Error = InspectError;

    fn next_frame(&mut self) -> Result<Option<Frame<'a>>, InspectError> {
        let Some((path, bytes, image)) = self.photos.get(self.given) else { return Ok(None) };
        self.given += 1;
        let (width, height) = image.dimensions();
        let pixels = PixelsView::packed(image, width, height, PixelFormat::Rgb8).into();
        Ok(Some(match self.given % 3 {
            0 => Frame::from(path.as_path()),
            1 => Frame::Bytes { name: "bytes".into(), bytes: bytes.into() },
            _ => Frame::Pixels { name: "pixels".into(), pixels },
        }))
    }

    fn record_verdict(&mut self, judged: Result<Judged, InspectError>) -> Result<(), InspectError> {
        self.inspections.push(judged?.inspection);
        Ok(())
    }
}

#[test]
fn verdicts_do_not_depend_on_the_number_of_workers_or_where_a_photo_lies() {
    let root = tempfile::tempdir().unwrap();
    let photos: Vec<_> = (0..9)
        .map(|n| {
            let path = root.path().join(format!("{n}.png"));
            write_photo(&path, n);
            let bytes = fs::read(&path).unwrap();
            (path, bytes, procedural_photo(n, 80, 60))
        })
        .collect();
    let detector = detector();
    let one_by_one: Vec<Inspection> =
        photos.iter().map(|(_, _, image)| detector.inspect(image).unwrap()).collect();
    for workers in [1, 2, 5] {
        let mut mixed = Mixed { photos: &photos, given: 0, inspections: Vec::new() };
        let options = JudgeOptions { workers, ..JudgeOptions::default() };
        judge(&detector, &options, &mut mixed).unwrap();
        assert!(mixed.inspections == one_by_one, "{workers} workers");
    }
}
