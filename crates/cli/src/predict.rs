//! `efficientad predict`.

use anyhow::{Error, Result, bail};
use efficientad::{Detector, Model};
use efficientad_evaluation::{
    FoundPhotos, InspectError, Judged, OutputFolder, Photo, find_photos, heat_range, inspect_photos,
};
use efficientad_images::heatmap::ValueRange;
use serde::Serialize;

use crate::args::PredictArgs;
use crate::machine;
use crate::output::{self, Status, note};

/// Judges photos.
pub fn run(args: PredictArgs) -> Result<Status> {
    let mut detector = Detector::new(&Model::open(&args.model)?, machine::cpu(&args.cpu)?);
    if let Some(threshold) = args.threshold.threshold {
        detector.set_threshold(threshold);
    }
    let FoundPhotos { photos, errors } = find_photos(&args.paths, args.out.as_deref());
    let failed = errors.len();
    errors.into_iter().for_each(|error| output::complain(&error.into()));
    if photos.is_empty() {
        bail!("there are no photos to judge");
    }
    let mut report = Report {
        format: Format::of(&args),
        range: heat_range(detector.threshold()),
        output: args.out.map(|folder| OutputFolder::create(&folder, &photos)).transpose()?,
        failed,
        judged: 0,
        anomalous: 0,
    };
    report.begin(detector.threshold())?;
    let decode = args.decode.options_for(detector.info());
    inspect_photos(&mut detector, &photos, &decode, |index, judged| {
        report.take(&photos[index], judged)
    })?;
    Ok(report.end())
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

    fn print(self, verdict: &Verdict) -> Result<()> {
        match self {
            Self::JsonLines => output::print_json(verdict),
            Self::Csv => output::print(verdict.csv()),
            Self::Text => output::print(verdict.text()),
        }
    }
}

/// The verdict on one photo.
#[derive(Serialize)]
struct Verdict {
    path: String,
    score: f32,
    anomalous: Option<bool>,
}

impl Verdict {
    fn csv(&self) -> String {
        let anomalous = self.anomalous.map_or_else(String::new, |verdict| verdict.to_string());
        format!("{},{},{anomalous}", csv_field(&self.path), self.score)
    }

    fn text(&self) -> String {
        let verdict = match self.anomalous {
            Some(true) => "ANOMALOUS",
            Some(false) => "good",
            None => "-",
        };
        format!("{verdict:<9} {:>9.4}  {}", self.score, self.path)
    }
}

/// A field as RFC 4180 quotes it.
fn csv_field(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

/// What is printed and written about the verdicts.
struct Report {
    format: Format,
    range: ValueRange,
    output: Option<OutputFolder>,
    failed: usize,
    judged: usize,
    anomalous: usize,
}

impl Report {
    fn begin(&self, threshold: Option<f32>) -> Result<()> {
        if threshold.is_none() {
            note("the model has no threshold: give --threshold for verdicts");
        }
        match self.format {
            Format::Csv => output::print("path,score,anomalous"),
            Format::Text | Format::JsonLines => Ok(()),
        }
    }

    fn take(&mut self, photo: &Photo, judged: Result<Judged, InspectError>) -> Result<()> {
        let judged = match judged {
            Ok(judged) => judged,
            Err(error) => {
                output::complain(&Error::from(error));
                self.failed += 1;
                return Ok(());
            }
        };
        if let Some(output) = &self.output {
            output.save_map(&photo.relative, &judged)?;
            output.save_overlay(&photo.relative, &judged, self.range)?;
        }
        let inspection = &judged.inspection;
        self.judged += 1;
        self.anomalous += usize::from(inspection.anomalous == Some(true));
        self.format.print(&Verdict {
            path: photo.path.display().to_string(),
            score: inspection.score,
            anomalous: inspection.anomalous,
        })
    }

    fn end(self) -> Status {
        let Self { judged, anomalous, failed, .. } = self;
        if matches!(self.format, Format::Text) {
            note(format_args!("{judged} judged, {anomalous} anomalous, {failed} failed"));
        } else if failed > 0 {
            note(format_args!("{failed} failed"));
        }
        Status::from_failures(failed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verdicts_have_three_forms() {
        let verdict = |anomalous| Verdict { path: "a, b.png".to_owned(), score: 0.3, anomalous };
        assert_eq!(verdict(Some(true)).text(), "ANOMALOUS    0.3000  a, b.png");
        assert_eq!(verdict(Some(false)).csv(), "\"a, b.png\",0.3,false");
        assert_eq!(verdict(None).csv(), "\"a, b.png\",0.3,");
        let json = serde_json::to_string(&verdict(None)).unwrap();
        assert_eq!(json, r#"{"path":"a, b.png","score":0.3,"anomalous":null}"#);
    }

    #[test]
    fn quotes_are_doubled() {
        assert_eq!(csv_field("plain.png"), "plain.png");
        assert_eq!(csv_field("5\" part.png"), "\"5\"\" part.png\"");
    }
}
