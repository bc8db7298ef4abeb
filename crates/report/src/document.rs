//! All that the page shows, in the order of the page.

use askama::Template;
use efficientad_datasets::Layout;
use efficientad_evaluation::{Failure, JudgedImage, Report, heat_range};
use efficientad_images::MaskKind;
use efficientad_images::heatmap::color;
use efficientad_metrics::{Confusion, Metrics};

use crate::hardest::{Hardest, Shown};
use crate::histogram::Histogram;
use crate::origin::{self, Facts, Subject};
use crate::plot::{CurvePlot, OperatingPoint};
use crate::promise::Promise;
use crate::text::{self, Share, counted};
use crate::{MAX_LISTED, ReportError};

/// Colours from the weakest heat to the strongest that the legend is drawn with.
const LEGEND_STEPS: usize = 6;

/// The page.
#[derive(Template)]
#[template(path = "report.html")]
pub(crate) struct Document<'a> {
    dataset: String,
    model: String,
    summary: Vec<String>,
    figures: Vec<Figure>,
    remarks: Vec<String>,
    matrix: Option<Matrix>,
    histogram: Histogram,
    curves: Vec<CurvePlot>,
    kinds: Vec<KindRow>,
    /// Name of the area under the curve of region overlaps.
    overlap_area: &'static str,
    galleries: [Gallery<'a>; 2],
    legend: Legend,
    promise: Option<Promise>,
    facts: Vec<Facts>,
    images: Listed<ImageRow>,
    failed: Listed<&'a Failure>,
    version: &'static str,
}

/// A number of the summary.
struct Figure {
    name: &'static str,
    value: String,
    detail: String,
}

/// Right and wrong verdicts.
struct Matrix {
    accepted: u64,
    false_rejects: Share,
    false_accepts: Share,
    found: u64,
}

/// A line of the table of defect kinds.
struct KindRow {
    name: String,
    images: usize,
    /// How many were called anomalous; `None` without a threshold.
    called: Option<Share>,
    image_auroc: String,
    image_f1: String,
    pixel_auroc: String,
    aupro: String,
    aupro_05: String,
    is_total: bool,
}

/// The hardest images of one class.
struct Gallery<'a> {
    title: &'static str,
    verdict: String,
    pictures: Vec<Picture<'a>>,
}

/// An image with its photo and overlay.
struct Picture<'a> {
    shown: &'a Shown,
    row: ImageRow,
}

/// The colours of the overlays.
struct Legend {
    colors: Vec<String>,
    low: String,
    high: String,
}

/// A line of the list of images.
struct ImageRow {
    path: String,
    kind: String,
    score: String,
    p_value: String,
    verdict: &'static str,
    wrong: bool,
}

/// The first of many.
struct Listed<T> {
    rows: Vec<T>,
    total: usize,
}

impl<T> Listed<T> {
    fn first(rows: impl ExactSizeIterator<Item = T>) -> Self {
        Self { total: rows.len(), rows: rows.take(MAX_LISTED).collect() }
    }

    fn is_cut(&self) -> bool {
        self.rows.len() < self.total
    }
}

impl<'a> Document<'a> {
    pub fn new(
        report: &'a Report,
        subject: &Subject<'_>,
        hardest: &'a Hardest,
    ) -> Result<Self, ReportError> {
        let verdicts = report.verdicts.as_ref().map(|verdicts| verdicts.overall);
        let matrix = verdicts.as_ref().map(Matrix::of);
        let rejected = matrix.as_ref().map(|matrix| matrix.false_rejects.clone());
        let promise = report
            .promise
            .as_ref()
            .zip(rejected)
            .map(|(threshold, rejected)| Promise::of(threshold, subject.info, &rejected));
        let failures: Vec<&Failure> = report.failed.iter().chain(&report.unusable_masks).collect();
        let overlap_area =
            if subject.dataset.layout == Layout::MvtecLoco { "AU-sPRO" } else { "AU-PRO" };
        Ok(Self {
            dataset: origin::name(&subject.dataset.root),
            model: origin::name(subject.model),
            summary: summary(report, matrix.as_ref()),
            figures: figures(&report.overall, matrix.as_ref(), overlap_area),
            remarks: remarks(report, subject.dataset.layout),
            histogram: Histogram::new(&report.images, report.threshold),
            curves: CurvePlot::of(&report.curves, verdicts.and_then(OperatingPoint::of)),
            kinds: kind_rows(report),
            overlap_area,
            galleries: galleries(hardest, matrix.as_ref()),
            legend: Legend::new(report.threshold),
            promise,
            facts: origin::facts(subject)?,
            images: listed_images(&report.images),
            failed: Listed::first(failures.into_iter()),
            version: env!("CARGO_PKG_VERSION"),
            matrix,
        })
    }
}

impl Matrix {
    fn of(verdicts: &Confusion) -> Self {
        let good = verdicts.false_positives + verdicts.true_negatives;
        let defective = verdicts.true_positives + verdicts.false_negatives;
        Self {
            accepted: verdicts.true_negatives,
            false_rejects: Share::new(verdicts.false_positives, good),
            false_accepts: Share::new(verdicts.false_negatives, defective),
            found: verdicts.true_positives,
        }
    }

    fn found_share(&self) -> Share {
        Share::new(self.found, self.false_accepts.total)
    }
}

impl OperatingPoint {
    /// The rates of verdicts on both classes.
    fn of(verdicts: Confusion) -> Option<Self> {
        Some(Self {
            false_positive_rate: verdicts.false_positive_rate()?,
            recall: verdicts.recall()?,
            precision: verdicts.precision(),
        })
    }
}

fn summary(report: &Report, matrix: Option<&Matrix>) -> Vec<String> {
    let Some((matrix, threshold)) = matrix.zip(report.threshold) else {
        return vec![
            "The model has no threshold, so no image was called good or anomalous.".to_owned(),
        ];
    };
    let Matrix { false_rejects, false_accepts, found, .. } = matrix;
    let mut sentences = vec![format!(
        "At the threshold {} the model found {found} of {} defective images and rejected {} of {} \
         good ones.",
        text::score(threshold),
        false_accepts.total,
        false_rejects.hits,
        false_rejects.total,
    )];
    if !report.failed.is_empty() {
        let failed = counted(report.failed.len(), "image", "images");
        sentences.push(format!("{failed} could not be judged and count nowhere."));
    }
    sentences
}

fn figures(overall: &Metrics, matrix: Option<&Matrix>, overlap_area: &'static str) -> Vec<Figure> {
    let mut figures = Vec::new();
    if let Some(matrix) = matrix {
        let found = matrix.found_share();
        for (name, share) in
            [("Defects found", &found), ("Good images rejected", &matrix.false_rejects)]
        {
            let Share { hits, total } = share;
            let detail = match total {
                0 => "there are none in this set".to_owned(),
                _ => format!("{hits} of {total}; true rate {}", share.interval()),
            };
            figures.push(Figure { name, value: share.percent(), detail });
        }
    }
    figures.push(Figure {
        name: "Image AU-ROC",
        value: text::measure(overall.image_auroc),
        detail: "how well scores part good from defective images, whatever the threshold; 0.5 is \
                 guessing, 1 is without error"
            .to_owned(),
    });
    figures.push(Figure {
        name: overlap_area,
        value: text::measure(overall.aupro),
        detail: match overall.aupro {
            Some(_) => "how well the area of defects is marked; 1 is without error",
            None => "not measured: no masks tell where the defects are",
        }
        .to_owned(),
    });
    figures
}

fn remarks(report: &Report, layout: Layout) -> Vec<String> {
    let counts = [
        (
            report.unusable_masks.len(),
            "masks could not be used; their images count for image metrics only.",
        ),
        (report.without_mask, "defective images have no mask; they count for image metrics only."),
        (report.empty_masks, "masks show no defect; all pixels of their images count as good."),
        (
            report.mostly_defect_masks,
            "masks call more than half of their image a defect; check that light and dark are not \
             exchanged.",
        ),
    ];
    let mut remarks: Vec<String> = counts
        .into_iter()
        .filter(|&(count, _)| count > 0)
        .map(|(count, what)| format!("{count} {what}"))
        .collect();
    remarks.extend(mask_kinds(report));
    if layout == Layout::MvtecLoco
        && let Some((image_auroc, auspro)) = report.loco_means()
    {
        remarks.push(format!(
            "Means of the kinds, as stated of MVTec LOCO: image AU-ROC {}, AU-sPRO up to a \
             false-positive rate of 5 % {}.",
            text::measure(Some(image_auroc)),
            text::measure(Some(auspro)),
        ));
    }
    if report.overall.pixel_error > 0.0 {
        let error = report.overall.pixel_error;
        remarks.push(format!("Pixel metrics are exact to within {error:.1e}."));
    }
    remarks
}

/// How masks were told, unless all are of the usual kind.
fn mask_kinds(report: &Report) -> Option<String> {
    let kinds = &report.mask_kinds;
    let is_usual = kinds.keys().all(|&kind| kind == MaskKind::WhiteOnBlack);
    let counts: Vec<String> = kinds.iter().map(|(kind, n)| format!("{n} are {kind}")).collect();
    (!is_usual).then(|| format!("Masks are told by their look: {}.", counts.join(", ")))
}

fn kind_rows(report: &Report) -> Vec<KindRow> {
    let called = |kind: Option<&str>| {
        let verdicts = report.verdicts.as_ref()?;
        let counts = match kind {
            Some(kind) => verdicts.kinds.get(kind).copied()?,
            None => verdicts.overall,
        };
        let called = counts.true_positives + counts.false_positives;
        Some(Share::new(called, called + counts.true_negatives + counts.false_negatives))
    };
    let row = |name: &str, images, called, metrics: Option<&Metrics>, is_total| {
        let area = |of: fn(&Metrics) -> Option<f64>| text::measure(metrics.and_then(of));
        KindRow {
            name: name.to_owned(),
            images,
            called,
            image_auroc: area(|metrics| metrics.image_auroc),
            image_f1: area(|metrics| metrics.image_f1),
            pixel_auroc: area(|metrics| metrics.pixel_auroc),
            aupro: area(|metrics| metrics.aupro),
            aupro_05: area(|metrics| metrics.aupro_05),
            is_total,
        }
    };
    let kinds = report.kinds.iter();
    let mut rows: Vec<KindRow> = kinds
        .map(|(kind, metrics)| {
            row(kind, metrics.n_anomalous, called(Some(kind)), Some(metrics), false)
        })
        .collect();
    let overall = &report.overall;
    rows.push(row("good", overall.n_good, called(Some("good")), None, false));
    rows.push(row("all", report.images.len(), called(None), Some(overall), true));
    rows
}

fn galleries<'a>(hardest: &'a Hardest, matrix: Option<&Matrix>) -> [Gallery<'a>; 2] {
    let gallery = |title, shown: &'a [Shown], wrong: Option<u64>, name: &str| {
        let verdict = match (wrong, shown.len()) {
            (_, 0) => "There are none in this set.".to_owned(),
            (None, _) => "The closest calls.".to_owned(),
            (Some(0), _) => format!("There is no {name}. These were the closest calls."),
            (Some(wrong), shown) if wrong > shown as u64 => {
                format!("The {shown} worst of {wrong} {name}s.")
            }
            (Some(wrong), shown) if wrong == shown as u64 => {
                let wrong = counted(shown, name, &format!("{name}s"));
                format!("{wrong}, the worst first.")
            }
            (Some(wrong), _) => {
                let wrong = counted(wrong as usize, name, &format!("{name}s"));
                format!("{wrong}, the worst first; then the closest calls.")
            }
        };
        let pictures = shown.iter().map(|shown| Picture { shown, row: ImageRow::of(&shown.image) });
        Gallery { title, verdict, pictures: pictures.collect() }
    };
    [
        gallery(
            "Defective images with the lowest scores",
            &hardest.defective,
            matrix.map(|matrix| matrix.false_accepts.hits),
            "false accept",
        ),
        gallery(
            "Good images with the highest scores",
            &hardest.good,
            matrix.map(|matrix| matrix.false_rejects.hits),
            "false reject",
        ),
    ]
}

impl Legend {
    fn new(threshold: Option<f32>) -> Self {
        let range = heat_range(threshold);
        let colors = (0..LEGEND_STEPS).map(|step| {
            let [red, green, blue] = color(step as f32 / (LEGEND_STEPS - 1) as f32);
            format!("rgb({red} {green} {blue})")
        });
        Self {
            colors: colors.collect(),
            low: text::score(range.low),
            high: text::score(range.high),
        }
    }
}

impl ImageRow {
    fn of(image: &JudgedImage) -> Self {
        let verdict = match (image.anomalous, image.defective) {
            (None, _) => "no verdict",
            (Some(true), true) => "found",
            (Some(true), false) => "false reject",
            (Some(false), true) => "false accept",
            (Some(false), false) => "accepted",
        };
        Self {
            path: image.path.display().to_string(),
            kind: image.kind.clone(),
            score: text::score(image.score),
            p_value: text::measure(image.p_value),
            verdict,
            wrong: image.anomalous.is_some_and(|anomalous| anomalous != image.defective),
        }
    }
}

/// Wrong verdicts first, then by falling score.
fn listed_images(images: &[JudgedImage]) -> Listed<ImageRow> {
    let mut order: Vec<&JudgedImage> = images.iter().collect();
    let right = |image: &JudgedImage| image.anomalous.is_none_or(|a| a == image.defective);
    order.sort_by(|a, b| right(a).cmp(&right(b)).then(b.score.total_cmp(&a.score)));
    Listed::first(order.into_iter().map(ImageRow::of))
}
