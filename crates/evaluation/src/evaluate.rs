//! A data set's test images, judged and measured.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use efficientad::{Detector, Threshold};
use efficientad_datasets::{Dataset, TestImage};
use efficientad_files::{check_writable, write_atomically};
use efficientad_images::{DecodeOptions, Mask, MaskKind};
use efficientad_metrics::{Evaluator, ImageScore, PixelScores};

use crate::heat::{save_comparison, write_error};
use crate::ranking::RankedFolder;
use crate::report::{Failure, JudgedImage, Report, Verdicts};
use crate::shards::Merged;
use crate::truth::{MaskReading, Truth};
use crate::{
    DepthCheck, DepthRemark, EvaluationError, InspectError, JudgeOptions, Judged, OutputError,
    OutputFolder, Photo, heat_range, inspect_photos,
};

/// How to evaluate.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// How images are decoded; masks always are as stored.
    pub decode: DecodeOptions,
    /// Images that are decoded and judged at once; see [`JudgeOptions::workers`].
    pub workers: usize,
    /// How masks are read.
    pub masks: MaskReading,
    /// Where to write: the anomaly maps as in an [`OutputFolder`], `results.json`, and `overlays`,
    /// a folder of pictures named by falling score.
    pub output: Option<PathBuf>,
}

impl Default for Options {
    /// Images as stored, by all threads that the CPU runs at once; masks are told by their look,
    /// nothing is written.
    fn default() -> Self {
        let JudgeOptions { decode, workers } = JudgeOptions::default();
        Self { decode, workers, masks: MaskReading::default(), output: None }
    }
}

/// What happens during an evaluation.
#[derive(Debug, Clone, Copy)]
pub enum Event<'a> {
    /// An image is done, judged or not.
    Progress {
        /// Images done.
        done: usize,
        /// Test images.
        total: usize,
    },
    /// An image was judged and measured.
    Judged(Sample<'a>),
    /// An image could not be judged.
    Failed(&'a Failure),
    /// The mask of an image could not be used: the image counts for image metrics only.
    MaskNotUsed(&'a Failure),
    /// The first mask that was told by this look.
    MaskKind {
        /// The look.
        kind: MaskKind,
        /// The mask's image, below the data set's root.
        image: &'a Path,
    },
    /// Something to be said of the depth of the images.
    Depth(DepthRemark),
}

/// A judged test image with its pixels.
#[derive(Debug, Clone, Copy)]
pub struct Sample<'a> {
    /// Path, truth and verdict.
    pub image: &'a JudgedImage,
    /// The photo and its anomaly map.
    pub judged: &'a Judged,
    /// Where its defects are; `None` if it has none, or they are not known.
    pub defects: Option<&'a Mask>,
}

/// Judges all test images and computes every metric. An image that cannot be judged is left out of all
/// metrics, one whose mask cannot be used of the pixel metrics; both are named in the report.
///
/// # Errors
/// There are no test images, none could be judged, or the output cannot be written.
pub fn evaluate(
    detector: &Detector,
    dataset: &Dataset,
    options: &Options,
    observe: &mut dyn FnMut(Event<'_>),
) -> Result<Report, EvaluationError> {
    let judging = JudgeOptions { decode: options.decode, workers: options.workers };
    run(detector, dataset, options, observe, |photos, visit| {
        inspect_photos(detector, photos, &judging, visit)
    })
}

/// As [`evaluate`], from what shards found out about the test images ([`test_photos`]): the same report.
///
/// # Errors
/// As [`evaluate`]; and when the shards' files are damaged.
pub fn evaluate_merged(
    detector: &Detector,
    dataset: &Dataset,
    options: &Options,
    mut merged: Merged,
    observe: &mut dyn FnMut(Event<'_>),
) -> Result<Report, EvaluationError> {
    run(detector, dataset, options, observe, |photos, visit| {
        for (index, photo) in photos.iter().enumerate() {
            visit(index, merged.next_judged(photo, &options.decode)?)?;
        }
        Ok(merged.end()?)
    })
}

/// The test images of a data set.
pub fn test_photos(dataset: &Dataset) -> Vec<Photo> {
    dataset.test.iter().map(photo).collect()
}

type Visit<'a> = dyn FnMut(usize, Result<Judged, InspectError>) -> Result<(), EvaluationError> + 'a;

/// Measures what `judge` has to say of the test images, in order.
fn run(
    detector: &Detector,
    dataset: &Dataset,
    options: &Options,
    observe: &mut dyn FnMut(Event<'_>),
    judge: impl FnOnce(&[Photo], &mut Visit<'_>) -> Result<(), EvaluationError>,
) -> Result<Report, EvaluationError> {
    if dataset.test.is_empty() {
        return Err(EvaluationError::NoTestImages(dataset.root.clone()));
    }
    let photos = test_photos(dataset);
    let output = options.output.as_deref().map(|folder| Output::create(folder, &photos));
    let mut run = Run {
        options,
        threshold: detector.guarantee().cloned(),
        output: output.transpose()?,
        evaluator: Evaluator::new(),
        images: Vec::new(),
        failed: Vec::new(),
        depth: DepthCheck::new(options.decode.bits),
        mask_kinds: BTreeMap::new(),
        unusable_masks: Vec::new(),
        empty_masks: 0,
        mostly_defect_masks: 0,
    };
    let total = photos.len();
    judge(&photos, &mut |index, judged| {
        let test = &dataset.test[index];
        if let Err(error) = run.record_image(test, judged, observe)? {
            let failure = Failure { path: test.relative.clone(), reason: error.to_string() };
            observe(Event::Failed(&failure));
            run.failed.push(failure);
        }
        observe(Event::Progress { done: index + 1, total });
        Ok(())
    })?;
    if let Some(remark) = run.depth.end() {
        observe(Event::Depth(remark));
    }
    run.finish(dataset)
}

fn photo(image: &TestImage) -> Photo {
    Photo { path: image.path.clone(), relative: image.relative.clone() }
}

/// An evaluation under way.
struct Run<'a> {
    options: &'a Options,
    threshold: Option<Threshold>,
    output: Option<Output>,
    evaluator: Evaluator,
    images: Vec<JudgedImage>,
    failed: Vec<Failure>,
    depth: DepthCheck,
    mask_kinds: BTreeMap<MaskKind, usize>,
    unusable_masks: Vec<Failure>,
    empty_masks: usize,
    mostly_defect_masks: usize,
}

impl Run<'_> {
    /// Adds one image; the inner error is the image's own matter.
    fn record_image(
        &mut self,
        test: &TestImage,
        judged: Result<Judged, InspectError>,
        observe: &mut dyn FnMut(Event<'_>),
    ) -> Result<Result<(), InspectError>, EvaluationError> {
        if let Some(output) = &self.output {
            match output.folder.check_name(&photo(test)) {
                Err(error @ OutputError::NameTooLong { .. }) => {
                    return Ok(Err(InspectError::Output(error)));
                }
                checked => checked?,
            }
        }
        let judged = match judged {
            Ok(judged) => judged,
            Err(error) => return Ok(Err(error)),
        };
        if let Some(remark) = self.depth.observe(judged.used_bits) {
            observe(Event::Depth(remark));
        }
        let truth = self.truth(test, &judged, observe);
        if let Err(error) = self.measure(test, &judged, &truth) {
            return Ok(Err(error));
        }
        if let Some(output) = &mut self.output {
            let threshold = self.threshold.as_ref().map(|threshold| threshold.value);
            output.save(test, &judged, threshold, &truth)?;
        }
        self.empty_masks += usize::from(truth.is_empty_mask());
        self.mostly_defect_masks += usize::from(truth.is_mostly_defect());
        let image = JudgedImage {
            path: test.relative.clone(),
            kind: test.kind.clone(),
            defective: test.anomalous,
            score: judged.inspection.score,
            anomalous: judged.inspection.anomalous,
            p_value: judged.inspection.p_value,
        };
        observe(Event::Judged(Sample { image: &image, judged: &judged, defects: truth.defects() }));
        self.images.push(image);
        Ok(Ok(()))
    }

    /// What is known of an image's pixels: nothing if its mask can't be used, which is told.
    fn truth(
        &mut self,
        test: &TestImage,
        judged: &Judged,
        observe: &mut dyn FnMut(Event<'_>),
    ) -> Truth {
        let Options { masks, decode, .. } = self.options;
        let size = judged.image.dimensions();
        let truth = Truth::load(&test.ground_truth, *masks, &decode.limits, size);
        let truth = truth.unwrap_or_else(|error| {
            let failure = Failure { path: test.relative.clone(), reason: error.to_string() };
            observe(Event::MaskNotUsed(&failure));
            self.unusable_masks.push(failure);
            Truth::Unknown
        });
        if let Some(kind) = truth.mask_kind() {
            let masks = self.mask_kinds.entry(kind).or_default();
            *masks += 1;
            if *masks == 1 {
                observe(Event::MaskKind { kind, image: &test.relative });
            }
        }
        truth
    }

    fn measure(
        &mut self,
        test: &TestImage,
        judged: &Judged,
        truth: &Truth,
    ) -> Result<(), InspectError> {
        let image = ImageScore {
            kind: test.kind.clone(),
            anomalous: test.anomalous,
            score: judged.inspection.score,
        };
        let Some(truth) = truth.pixels() else {
            self.evaluator.add_image(image);
            return Ok(());
        };
        let map = &judged.inspection.map;
        PixelScores::new(&map.values, map.width as usize, map.height as usize)
            .and_then(|map| self.evaluator.add_image_with_map(image, map, truth))
            .map_err(|source| InspectError::Metric {
                name: test.path.display().to_string(),
                source,
            })
    }

    fn finish(self, dataset: &Dataset) -> Result<Report, EvaluationError> {
        if self.images.is_empty() {
            return Err(EvaluationError::NothingJudged(dataset.test.len()));
        }
        let threshold = self.threshold.as_ref().map(|threshold| threshold.value);
        let verdicts =
            threshold.map(|threshold| Verdicts::at_threshold(self.evaluator.images(), threshold));
        let metrics = self.evaluator.evaluate()?;
        let left_out = dataset.left_out.by_extension();
        let report = Report {
            overall: metrics.overall,
            kinds: metrics.kinds,
            curves: metrics.curves,
            threshold,
            promise: self.threshold,
            verdicts,
            without_mask: dataset.without_mask().count(),
            mask_kinds: self.mask_kinds,
            empty_masks: self.empty_masks,
            mostly_defect_masks: self.mostly_defect_masks,
            images: self.images,
            failed: self.failed,
            unusable_masks: self.unusable_masks,
            left_out: left_out.map(|(kind, files)| (kind.to_owned(), files)).collect(),
        };
        if let Some(output) = self.output {
            output.finish(&report)?;
        }
        Ok(report)
    }
}

/// Where the report goes.
fn results(folder: &OutputFolder) -> PathBuf {
    folder.path().join("results.json")
}

/// What an evaluation writes.
struct Output {
    folder: OutputFolder,
    overlays: RankedFolder,
}

impl Output {
    fn create(folder: &Path, photos: &[Photo]) -> Result<Self, OutputError> {
        let folder = OutputFolder::create(folder, photos)?;
        let path = results(&folder);
        check_writable(&path).map_err(|source| write_error(&path, source))?;
        let overlays = RankedFolder::create(folder.overlays())?;
        Ok(Self { folder, overlays })
    }

    fn save(
        &mut self,
        test: &TestImage,
        judged: &Judged,
        threshold: Option<f32>,
        truth: &Truth,
    ) -> Result<(), OutputError> {
        self.folder.save_map(&photo(test), judged)?;
        let range = heat_range(threshold);
        Ok(save_comparison(self.overlays.next(), judged, range, truth.defects())?)
    }

    fn finish(self, report: &Report) -> Result<(), OutputError> {
        self.overlays.finish(&report.images)?;
        let path = results(&self.folder);
        let written = write_atomically(&path, |writer| {
            serde_json::to_writer_pretty(writer, report).map_err(std::io::Error::from)
        });
        Ok(written.map_err(|source| write_error(&path, source))?)
    }
}
