//! `efficientad predict`.

use std::io::{IsTerminal, stdout};

use anyhow::{Error, Result, anyhow, bail};
use efficientad::{EngineId, Threshold};
use efficientad_datasets::{Taken, TakenAs, file_fingerprint};
use efficientad_evaluation::shards::{Merged, Run, Stored, judge_shard};
use efficientad_evaluation::{
    DepthCheck, DepthRemark, FoundPhotos, InspectError, JudgeOptions, Judged, OutputError,
    OutputFolder, Photo, Verdict, VerdictRecord, find_photos, heat_range, inspect_photos,
};
use efficientad_images::heatmap::ValueRange;

use crate::args::PredictArgs;
use crate::detector::{self, Verdicts};
use crate::output::{self, Status, note};
use crate::remarks;
use crate::taking::Taking;
use crate::wording::with_options;

/// Judges photos.
pub fn run(args: PredictArgs) -> Result<Status> {
    let detector = detector::open(&args.model, &args.threshold, &args.engine, Verdicts::Needed)?;
    let FoundPhotos { photos, errors, left_out } = find_photos(&args.paths, args.out.as_deref());
    let failed = errors.len();
    errors.into_iter().for_each(|error| output::complain(&error.into()));
    remarks::left_out(&left_out).iter().for_each(note);
    if photos.is_empty() {
        bail!("there are no photos to judge");
    }
    let taking = Taking {
        dry_run: args.dry_run,
        json: args.json || args.csv,
        quiet: !args.paths.iter().any(|path| path.is_dir()),
    };
    let taken = Taken::count(&photos, |photo| &photo.relative, TakenAs::ToJudge);
    if taking.show(None, &taken).is_break() {
        return Ok(Status::from_failures(failed));
    }
    let options = JudgeOptions {
        decode: args.decode.reading().options_for(detector.info()),
        workers: detector.threads(),
    };
    let mut report = Report {
        format: Format::of(&args),
        engine: detector.engine(),
        range: heat_range(detector.threshold()),
        output: args
            .out
            .as_deref()
            .map(|folder| OutputFolder::create(folder, &photos))
            .transpose()?,
        threshold: detector.guarantee().cloned(),
        depth: DepthCheck::new(options.decode.bits),
        failed,
        judged: 0,
        anomalous: 0,
    };
    report.begin()?;
    let run = || -> Result<Run> {
        let model = file_fingerprint(&args.model)?;
        Ok(Run::new(model, &detector, &options.decode, &photos, false))
    };
    if let Some((shard, folder)) = args.shards.part() {
        let what = (shard, folder, &run()?);
        let done = judge_shard(&detector, &photos, &options, what, |photo, stored, judged| {
            report.record_stored(photo, stored, judged)
        })?;
        note(format_args!("part {shard}: {done}"));
        return Ok(Status::Done);
    } else if let Some(folder) = &args.shards.merge {
        let mut merged = Merged::open(folder, &run()?, &photos)?;
        for photo in &photos {
            report.record_stored(photo, merged.next_stored()?, None)?;
        }
        merged.end()?;
    } else {
        inspect_photos(&detector, &photos, &options, |index, judged| {
            report.record_verdict(&photos[index], judged)
        })?;
    }
    Ok(report.end())
}

fn tell_depth(remark: &DepthRemark) {
    note(with_options(&remark.to_string()));
}

/// How verdicts are printed.
#[derive(Clone, Copy)]
enum Format {
    Text,
    JsonLines,
    Csv,
}

impl Format {
    fn of(args: &PredictArgs) -> Self {
        match (args.json, args.csv) {
            (true, _) => Self::JsonLines,
            (_, true) => Self::Csv,
            _ => Self::Text,
        }
    }

    fn print(self, photo: &Photo, verdict: Verdict, engine: &EngineId) -> Result<()> {
        let path = photo.path.display().to_string();
        match self {
            Self::JsonLines => {
                let engine = Some(engine.clone());
                output::print_json(&VerdictRecord { path, verdict, engine })
            }
            Self::Csv if stdout().is_terminal() => output::print(verdict.csv(&path)),
            // Programs get names as they are.
            Self::Csv => output::print_data(verdict.csv(&path)),
            Self::Text => output::print(verdict.text(&path)),
        }
    }
}

/// What is printed and written about the verdicts.
struct Report {
    format: Format,
    engine: EngineId,
    range: ValueRange,
    output: Option<OutputFolder>,
    threshold: Option<Threshold>,
    depth: DepthCheck,
    failed: usize,
    judged: usize,
    anomalous: usize,
}

impl Report {
    fn begin(&self) -> Result<()> {
        if self.threshold.is_none() {
            note("the model has no threshold: give --threshold for verdicts");
        }
        match self.format {
            Format::Csv => output::print(Verdict::CSV_HEADER),
            Format::Text | Format::JsonLines => Ok(()),
        }
    }

    fn record_verdict(
        &mut self,
        photo: &Photo,
        judged: Result<Judged, InspectError>,
    ) -> Result<()> {
        match judged {
            Ok(judged) => {
                let verdict = Verdict::from(&judged.inspection);
                self.record(photo, verdict, judged.used_bits, Some(&judged))
            }
            Err(error) => {
                self.fail(&error.into());
                Ok(())
            }
        }
    }

    /// As [`record_verdict`](Self::record_verdict), of what a shard keeps of it.
    fn record_stored(
        &mut self,
        photo: &Photo,
        stored: Stored,
        judged: Option<&Judged>,
    ) -> Result<()> {
        match stored {
            Stored::Judged { verdict, used_bits } => self.record(photo, verdict, used_bits, judged),
            Stored::Failed(reason) => {
                self.fail(&anyhow!(reason));
                Ok(())
            }
        }
    }

    fn record(
        &mut self,
        photo: &Photo,
        verdict: Verdict,
        used_bits: Option<u8>,
        judged: Option<&Judged>,
    ) -> Result<()> {
        self.depth.observe(used_bits).iter().for_each(tell_depth);
        if let (Some(output), Some(judged)) = (&self.output, judged) {
            let saved = output.save_map(photo, judged);
            match saved.and_then(|()| output.save_overlay(photo, judged, self.range)) {
                Err(error @ OutputError::NameTooLong { .. }) => self.fail(&error.into()),
                saved => saved?,
            }
        }
        self.judged += 1;
        self.anomalous += usize::from(verdict.anomalous == Some(true));
        self.format.print(photo, verdict, &self.engine)
    }

    fn fail(&mut self, error: &Error) {
        output::complain(error);
        self.failed += 1;
    }

    fn end(mut self) -> Status {
        self.depth.end().iter().for_each(tell_depth);
        let Self { judged, anomalous, failed, .. } = self;
        if matches!(self.format, Format::Text) {
            note(format_args!("{judged} judged, {anomalous} anomalous, {failed} failed"));
            if let Some(threshold) = self.threshold {
                note(format_args!("threshold {threshold}"));
            }
        } else if failed > 0 {
            note(format_args!("{failed} failed"));
        }
        Status::from_failures(failed)
    }
}
