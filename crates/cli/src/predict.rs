//! `efficientad predict`.

use std::path::Path;

use anyhow::{Error, Result, bail};
use efficientad::{Inspection, Region, Threshold};
use efficientad_evaluation::{
    FoundPhotos, InspectError, Judged, OutputFolder, Photo, find_photos, heat_range, inspect_photos,
};
use efficientad_images::heatmap::ValueRange;
use serde::Serialize;

use crate::args::PredictArgs;
use crate::detector::{self, Verdicts};
use crate::output::{self, Status, note};

/// Judges photos.
pub fn run(args: PredictArgs) -> Result<Status> {
    let detector = detector::open(&args.model, &args.threshold, &args.engine, Verdicts::Needed)?;
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
        threshold: detector.guarantee().cloned(),
        failed,
        judged: 0,
        anomalous: 0,
    };
    report.begin()?;
    let decode = args.decode.options_for(detector.info());
    inspect_photos(&detector, &photos, &decode, |index, judged| {
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
struct Verdict<'a> {
    path: String,
    score: f32,
    anomalous: Option<bool>,
    p_value: Option<f64>,
    region_count: Option<usize>,
    regions: Option<&'a [Region]>,
}

impl<'a> Verdict<'a> {
    fn new(path: &Path, inspection: &'a Inspection) -> Self {
        let Inspection { score, anomalous, p_value, ref regions, .. } = *inspection;
        Self {
            path: path.display().to_string(),
            score,
            anomalous,
            p_value,
            region_count: regions.as_ref().map(|regions| regions.count),
            regions: regions.as_ref().map(|regions| regions.listed.as_slice()),
        }
    }

    /// The region with the highest peak.
    fn worst(&self) -> Option<&Region> {
        self.regions.and_then(<[Region]>::first)
    }

    fn csv(&self) -> String {
        let path = csv_field(&self.path);
        let (anomalous, p_value) = (field(self.anomalous), field(self.p_value));
        let bounds = self.worst().map(|region| region.bounds);
        let [x, y, width, height] = [
            bounds.map(|bounds| bounds.x),
            bounds.map(|bounds| bounds.y),
            bounds.map(|bounds| bounds.width),
            bounds.map(|bounds| bounds.height),
        ]
        .map(field);
        let (score, count) = (self.score, field(self.region_count));
        format!("{path},{score},{anomalous},{p_value},{count},{x},{y},{width},{height}")
    }

    fn text(&self) -> String {
        let verdict = match self.anomalous {
            Some(true) => "ANOMALOUS",
            Some(false) => "good",
            None => "-",
        };
        let p_value = self.p_value.map_or_else(|| "-".to_owned(), |p| format!("{p:.4}"));
        let mut line = format!("{verdict:<9} {:>9.4}  p {p_value:<6}  {}", self.score, self.path);
        if let (Some(count), Some(region)) = (self.region_count, self.worst()) {
            let regions = if count == 1 { "region" } else { "regions" };
            let (peak, bounds) = (region.peak, region.bounds);
            line += &format!(
                "  {count} {regions}, highest at x {} y {} in {}×{} pixels",
                peak.x, peak.y, bounds.width, bounds.height
            );
        }
        line
    }
}

/// A value, or nothing.
fn field(value: Option<impl ToString>) -> String {
    value.map_or_else(String::new, |value| value.to_string())
}

/// A field as RFC 4180 quotes it.
fn csv_field(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

const CSV_HEADER: &str = "path,score,anomalous,p_value,regions,x,y,width,height";

/// What is printed and written about the verdicts.
struct Report {
    format: Format,
    range: ValueRange,
    output: Option<OutputFolder>,
    threshold: Option<Threshold>,
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
            Format::Csv => output::print(CSV_HEADER),
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
        self.format.print(&Verdict::new(&photo.path, inspection))
    }

    fn end(self) -> Status {
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

#[cfg(test)]
mod tests {
    use super::*;
    use efficientad::{Bounds, Centroid, Peak};

    fn region() -> Region {
        Region {
            bounds: Bounds { x: 3, y: 4, width: 5, height: 6 },
            area: 20,
            peak: Peak { value: 0.3, x: 5, y: 7 },
            centroid: Centroid { x: 4.5, y: 6.25 },
        }
    }

    #[test]
    fn verdicts_have_three_forms() {
        let regions = [region()];
        let anomalous = Verdict {
            path: "a, b.png".to_owned(),
            score: 0.3,
            anomalous: Some(true),
            p_value: Some(0.25),
            region_count: Some(1),
            regions: Some(&regions),
        };
        assert_eq!(
            anomalous.text(),
            "ANOMALOUS    0.3000  p 0.2500  a, b.png  1 region, highest at x 5 y 7 in 5×6 pixels"
        );
        assert_eq!(anomalous.csv(), "\"a, b.png\",0.3,true,0.25,1,3,4,5,6");
        assert_eq!(
            serde_json::to_string(&anomalous).unwrap(),
            r#"{"path":"a, b.png","score":0.3,"anomalous":true,"p_value":0.25,"region_count":1,"regions":[{"box":{"x":3,"y":4,"width":5,"height":6},"area":20,"peak":{"value":0.3,"x":5,"y":7},"centroid":{"x":4.5,"y":6.25}}]}"#
        );
        let unknown = Verdict {
            anomalous: None,
            p_value: None,
            region_count: None,
            regions: None,
            ..anomalous
        };
        assert_eq!(unknown.text(), "-            0.3000  p -       a, b.png");
        assert_eq!(unknown.csv(), "\"a, b.png\",0.3,,,,,,,");
        assert_eq!(
            serde_json::to_string(&unknown).unwrap(),
            r#"{"path":"a, b.png","score":0.3,"anomalous":null,"p_value":null,"region_count":null,"regions":null}"#
        );
        let columns = CSV_HEADER.split(',').count();
        assert_eq!(unknown.csv().matches(',').count() - 1, columns - 1);
    }

    #[test]
    fn quotes_are_doubled() {
        assert_eq!(csv_field("plain.png"), "plain.png");
        assert_eq!(csv_field("5\" part.png"), "\"5\"\" part.png\"");
    }
}
