//! What of a station can't work, as far as that is known before it starts.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use efficientad::{Detector, InspectionEngine, Model};
use efficientad_cameras::CameraConfig;

use crate::config::{LineConfig, StationConfig, place};

/// Longest name of a camera, a line or an output.
const MAX_NAME: usize = 64;

/// Everything that can't work, each with its place in the file. Models are opened on `engine`, files
/// are looked at; no camera and no counterpart is asked.
pub fn check(station: &StationConfig, engine: &Arc<dyn InspectionEngine>) -> Vec<String> {
    let mut problems = Vec::new();
    if station.lines.is_empty() {
        problems.push("there is no line: add [lines.NAME] with a camera and a model".to_owned());
    }
    problems.extend(names(station));
    for (name, camera) in &station.cameras {
        let is_used = station.lines.values().any(|line| line.camera == *name);
        let unused = (!is_used).then(|| "no line has this camera".to_owned());
        let wrong = camera.check().err().map(|error| error.to_string());
        problems.extend(unused.into_iter().chain(wrong).map(|it| place("cameras", name, it)));
    }
    for (name, line) in &station.lines {
        let wrong = check_line(line, station, engine);
        problems.extend(wrong.into_iter().map(|it| place("lines", name, it)));
    }
    problems.extend(shared_cameras(station));
    for (name, output) in &station.outputs {
        let unknown = station.lines_of(output).into_iter();
        let unknown = unknown.filter(|line| !station.lines.contains_key(*line));
        let unknown = unknown.map(|line| format!("lines: there is no line `{line}`"));
        let wrong = output.config.check().err().map(|error| error.to_string());
        problems.extend(unknown.chain(wrong).map(|it| place("outputs", name, it)));
    }
    problems
}

/// Names are parts of file names and of addresses.
fn names(station: &StationConfig) -> impl Iterator<Item = String> {
    fn wrong<'a>(kind: &str, names: impl Iterator<Item = &'a String>) -> Vec<String> {
        let is_name = |name: &str| {
            let is_known = |it: char| it.is_ascii_alphanumeric() || "-_".contains(it);
            !name.is_empty() && name.len() <= MAX_NAME && name.chars().all(is_known)
        };
        let what = format!("a name has 1 to {MAX_NAME} of the characters a-z, A-Z, 0-9, - and _");
        names.filter(|name| !is_name(name)).map(|name| place(kind, name, &what)).collect()
    }
    // File systems without case would give two lines one log.
    let mut lower = BTreeSet::new();
    let mut twice = Vec::new();
    for name in station.lines.keys() {
        if !lower.insert(name.to_ascii_lowercase()) {
            twice.push(place("lines", name, "another line differs in upper and lower case alone"));
        }
    }
    wrong("cameras", station.cameras.keys())
        .into_iter()
        .chain(wrong("lines", station.lines.keys()))
        .chain(wrong("outputs", station.outputs.keys()))
        .chain(twice)
}

/// Lines that share a camera which serves one program at a time.
fn shared_cameras(station: &StationConfig) -> Vec<String> {
    let mut lines_of = BTreeMap::<&str, Vec<&str>>::new();
    for (name, line) in &station.lines {
        lines_of.entry(&line.camera).or_default().push(name);
    }
    let is_single = |camera: &str| {
        !matches!(
            station.cameras.get(camera),
            None | Some(CameraConfig::Folder(_) | CameraConfig::Http(_) | CameraConfig::Mjpeg(_))
        )
    };
    let shared =
        lines_of.into_iter().filter(|(camera, lines)| lines.len() > 1 && is_single(camera));
    let text = |(camera, lines): (&str, Vec<&str>)| {
        let lines = lines.join(" and ");
        let why = format!("lines {lines} have this camera, which gives its photos to one of them");
        place("cameras", camera, why)
    };
    shared.map(text).collect()
}

fn check_line(
    line: &LineConfig,
    station: &StationConfig,
    engine: &Arc<dyn InspectionEngine>,
) -> Vec<String> {
    let mut problems = Vec::new();
    if !station.cameras.contains_key(&line.camera) {
        problems.push(format!("camera: there is no [cameras.{}]", line.camera));
    }
    if line.budget_ms == Some(0) {
        problems.push("budget_ms: every verdict would be late; leave it out for none".to_owned());
    }
    if !(0.0..1.0).contains(&line.defect_rate) {
        let rate = line.defect_rate;
        problems.push(format!("defect_rate: {rate} is no share from 0 to below 1"));
    }
    problems.extend(open_detector(line, engine).err());
    problems
}

/// The model of a line, ready to judge; why it can't.
pub(crate) fn open_detector(
    line: &LineConfig,
    engine: &Arc<dyn InspectionEngine>,
) -> Result<Detector, String> {
    let model = |reason: String| format!("model: {reason}");
    let opened = Model::open(&line.model).map_err(|error| model(error.to_string()))?;
    let detector = Detector::new(&opened, Arc::clone(engine));
    let mut detector = detector.map_err(|error| model(error.to_string()))?;
    if let Some(threshold) = line.threshold {
        if !threshold.is_finite() {
            return Err(format!("threshold: {threshold} is no score"));
        }
        detector.set_threshold(threshold);
    }
    if detector.threshold().is_none() {
        let file = line.model.display();
        return Err(model(format!(
            "{file}: it has no threshold for this engine, so that nothing would be a reject: \
             `efficientad calibrate` it, or give the line a `threshold`"
        )));
    }
    Ok(detector)
}
