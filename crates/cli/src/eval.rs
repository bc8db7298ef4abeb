//! `efficientad eval`.

use std::ops::ControlFlow;
use std::path::Path;

use anyhow::{Result, bail};
use efficientad_datasets::Layout;
use efficientad_evaluation::{MaskReading, Report};
use efficientad_jobs::{EvaluatePlan, Evaluated, Event, evaluate, evaluate_merged, evaluate_shard};
use efficientad_metrics::{Confusion, Metrics};

use crate::args::EvalArgs;
use crate::detector::{self, Verdicts};
use crate::output::{self, Status, note};
use crate::progress::{Progress, Style};
use crate::remarks::remark;
use crate::table::align;
use crate::taking::Taking;

/// Judges and measures.
pub fn run(args: EvalArgs) -> Result<Status> {
    let detector = detector::open(&args.model, &args.threshold, &args.engine, Verdicts::Optional)?;
    let plan = EvaluatePlan {
        model: args.model,
        dataset: args.data.source(),
        reading: args.decode.reading(),
        masks: masks(args.mask_threshold, args.invert_masks),
        output: args.out,
        page: args.report,
    };
    if args.shards.part().is_some() && (plan.output.is_some() || plan.page.is_some()) {
        bail!("a part of the work has no results to show: give --out and --report with --merge");
    }
    let taking = Taking { dry_run: args.data.dry_run, json: args.json, quiet: false };
    let mut progress = Progress::new(Style::choose(false, args.json));
    let mut observe = |event: Event<'_>| {
        match event {
            Event::Taking { layout, taken } => taking.show(layout, taken)?,
            Event::Progress { stage, done, total } => progress.count(stage, done, total),
            _ => remark(&event).iter().for_each(|line| progress.note(line)),
        }
        ControlFlow::Continue(())
    };
    if let Some(part) = args.shards.part() {
        let done = taking.end(evaluate_shard(&plan, part, &detector, &mut observe))?;
        drop(progress);
        let Some(done) = done else { return Ok(Status::Done) };
        note(format_args!("part {}: {done}", part.0));
        return Ok(Status::Done);
    }
    let evaluated = taking.end(match &args.shards.merge {
        Some(results) => evaluate_merged(&plan, results, &detector, &mut observe),
        None => evaluate(&plan, &detector, &mut observe),
    })?;
    drop(progress);
    let Some(Evaluated { report, layout, page, not_listed }) = evaluated else {
        return Ok(Status::Done);
    };
    if args.json {
        output::print_json(&report)?;
    } else {
        print_report(&report, layout, plan.output.as_deref())?;
        if let Some(page) = page {
            output::print(format_args!("the report is in {}", page.display()))?;
        }
    }
    Ok(Status::from_failures(report.failed.len() + report.unusable_masks.len() + not_listed))
}

/// Whoever says which values of masks are defects knows better than their look.
fn masks(threshold: Option<u8>, inverted: bool) -> MaskReading {
    match (threshold, inverted) {
        (None, false) => MaskReading::Recognised,
        _ => MaskReading::Stated { threshold: threshold.unwrap_or(1), inverted },
    }
}

fn print_report(report: &Report, layout: Layout, out: Option<&Path>) -> Result<()> {
    for line in align(&rows(report, layout)) {
        output::print(line)?;
    }
    output::print("")?;
    if layout == Layout::MvtecLoco
        && let Some((image_auroc, auspro)) = report.loco_means()
    {
        output::print(format_args!(
            "means of the kinds, as stated of MVTec LOCO: image AU-ROC {image_auroc:.4}, AU-sPRO to 5 % {auspro:.4}"
        ))?;
    }
    for line in remarks(report) {
        output::print(line)?;
    }
    if let Some(folder) = out {
        output::print(format_args!("results are in {}", folder.display()))?;
    }
    Ok(())
}

fn rows(report: &Report, layout: Layout) -> Vec<Vec<String>> {
    let region_overlap = if layout == Layout::MvtecLoco { "AU-sPRO" } else { "AU-PRO" };
    let header = [
        "kind",
        "images",
        "anomalous",
        "image AU-ROC",
        "AU-PR",
        "best F1",
        "pixel AU-ROC",
        "AU-PR",
        region_overlap,
        "to 5 %",
    ];
    let mut rows = vec![header.map(str::to_owned).to_vec()];
    for (kind, metrics) in &report.kinds {
        rows.push(row(kind, metrics.n_anomalous, called(report, kind), Some(metrics)));
    }
    rows.push(row("good", report.overall.n_good, called(report, "good"), None));
    let verdicts = report.verdicts.as_ref().map(|verdicts| verdicts.overall);
    rows.push(row("all", report.images.len(), verdicts, Some(&report.overall)));
    rows
}

/// The verdicts on one kind.
fn called(report: &Report, kind: &str) -> Option<Confusion> {
    report.verdicts.as_ref().and_then(|verdicts| verdicts.kinds.get(kind).copied())
}

fn row(
    kind: &str,
    images: usize,
    verdicts: Option<Confusion>,
    metrics: Option<&Metrics>,
) -> Vec<String> {
    let called = verdicts.map_or_else(dash, |v| (v.true_positives + v.false_positives).to_string());
    let mut cells = vec![kind.to_owned(), images.to_string(), called];
    if let Some(metrics) = metrics {
        let values = [
            metrics.image_auroc,
            metrics.image_aupr,
            metrics.image_f1,
            metrics.pixel_auroc,
            metrics.pixel_aupr,
            metrics.aupro,
            metrics.aupro_05,
        ];
        let cell = |value: f64| format!("{value:.4}");
        cells.extend(values.map(|value| value.map_or_else(dash, cell)));
    }
    cells
}

fn dash() -> String {
    "-".to_owned()
}

/// What the table does not say.
fn remarks(report: &Report) -> Vec<String> {
    let mut lines = Vec::new();
    match (&report.promise, &report.verdicts) {
        (Some(promise), Some(verdicts)) => {
            let threshold = promise.value;
            let v = verdicts.overall;
            lines.push(format!(
                "at the threshold {threshold:.4}: {} of {} defective images found, {} of {} good \
                 images called anomalous",
                v.true_positives,
                v.true_positives + v.false_negatives,
                v.false_positives,
                v.false_positives + v.true_negatives,
            ));
            lines.push(format!("threshold {promise}"));
        }
        _ => lines.push("the model has no threshold: give --threshold for verdicts".to_owned()),
    }
    let overall = &report.overall;
    if overall.pixel_error > 0.0 {
        let error = overall.pixel_error;
        lines.push(format!("pixel metrics are exact to within {error:.1e}"));
    }
    let counted = [
        (report.without_mask, "defective images have no mask: they count for image metrics only"),
        (
            report.unusable_masks.len(),
            "masks could not be used: their images count for image metrics only",
        ),
        (report.empty_masks, "masks show no defect: see --mask-threshold and --invert-masks"),
        (
            report.mostly_defect_masks,
            "masks call most of their image a defect: see --mask-threshold and --invert-masks",
        ),
        (report.failed.len(), "images could not be judged and count nowhere"),
    ];
    lines.extend(mixed_masks(report));
    let counted = counted.into_iter().filter(|&(count, _)| count > 0);
    lines.extend(counted.map(|(count, what)| format!("{count} {what}")));
    lines
}

/// Masks of both kinds in one data set: of one of them the look may deceive.
fn mixed_masks(report: &Report) -> Option<String> {
    let kinds = || report.mask_kinds.iter();
    let has = |on_white| kinds().any(|(kind, _)| kind.is_on_white() == Some(on_white));
    let counts: Vec<String> = kinds().map(|(kind, count)| format!("{count} {kind}")).collect();
    (has(true) && has(false)).then(|| {
        format!(
            "some masks are taken for defects on white, others for defects on black ({}): if that \
             is wrong, see --mask-threshold and --invert-masks",
            counts.join(", ")
        )
    })
}
