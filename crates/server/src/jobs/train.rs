//! Trainings: anew, on marked photos, and from where they were stopped.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use efficientad::{ContinuationRecipe, FalseRejectRate, Recipe};
use efficientad_datasets::file_fingerprint;
use efficientad_files::write_atomically;
use efficientad_jobs::{
    DataPaths, JobError, Parent, PhotosFrom, RegionFiles, Start, TrainOutcome, TrainPlan, Trained,
    checkpoint_of, train,
};
use efficientad_record::ChangeKind;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::board::Ending;
use super::request::{Continue, Train};
use super::telling::Telling;
use super::{Outcome, Work, refused, told};
use crate::decide::promise;
use crate::desk::{Because, Shop};
use crate::parts::api::source;
use crate::parts::{Part, Shelf, photos_in};

/// How often it is told how a training stands.
const REPORT_EVERY: Duration = Duration::from_secs(1);
/// What a training was asked, until it is finished.
const BEGUN: &str = "training.json";
/// The folders that the model learned from.
const LEARNED: &str = "learned.json";
const REGION: &str = "region.json";

/// A training that began, so that it can be gone on with by another process.
#[derive(Clone, Serialize, Deserialize)]
struct Begun {
    /// The folder of new photos.
    folder: PathBuf,
    /// Whether its photos are good whatever they are called.
    surely_good: bool,
    /// Folders of photos that the model learned from before; `None` if it begins anew.
    old: Option<Vec<PathBuf>>,
    has_region: bool,
    false_reject: Option<FalseRejectRate>,
    /// SHA-256 of the model's file before, if there was one.
    before: Option<String>,
    who: String,
    why: String,
}

/// Trains a model anew.
pub(super) fn anew(work: &Work<'_>, request: &Train) -> Outcome {
    let part = work.shop.parts.part(&request.part).map_err(refused)?;
    let out = work.shop.model_file(&part.name);
    // Its region is beside it.
    if checkpoint_of(&out).exists() {
        return Err(format!(
            "{}: a training was stopped here; go on with it, or give it up",
            part.name
        ));
    }
    if out.is_file() && !request.replace {
        return Err(format!(
            "{}: there is a model of this name; say that it is to be replaced, or choose another name",
            part.name
        ));
    }
    fs::create_dir_all(&part.folder).map_err(|error| failed(&part.folder, &error))?;
    if let Some(region) = &request.region {
        write_json(&part.file(REGION), region)?;
    }
    let false_reject = request.false_reject.map(FalseRejectRate::try_from).transpose()?;
    let because = because(work)?;
    let begun = Begun {
        folder: match &request.folder {
            Some(folder) => work.shop.parts.below(folder).map_err(refused)?,
            None => part.train(),
        },
        surely_good: request.surely_good,
        old: None,
        has_region: request.region.is_some(),
        false_reject,
        before: fingerprint(&work.shop.model_file(&part.name)),
        who: because.who,
        why: because.why,
    };
    let default = Recipe::default();
    let recipe =
        Recipe { size: request.size, steps: request.steps.unwrap_or(default.steps), ..default };
    run(work, &part, &begun, |_| Start::new(recipe).map_err(told), true)
}

/// Has a model learn from photos that were marked as good. They are marked no more: what a model
/// learned from can't tell how it works.
pub(super) fn with_marks(work: &Work<'_>, request: &Continue) -> Outcome {
    let part = work.shop.parts.part(&request.part).map_err(refused)?;
    let known: Vec<PathBuf> = read_json(&part.file(LEARNED)).unwrap_or_default();
    if known.is_empty() && !request.forget {
        return Err(format!(
            "{}: the photos that the model was trained on are not known here; say that it is to learn \
             from the marked photos alone, or train anew",
            part.name
        ));
    }
    if part.photos(Shelf::Good).is_empty() {
        return Err(format!("{}: no photos are marked as good; mark some first", part.name));
    }
    let because = because(work)?;
    let folder = part.next_training();
    take_marks(&part, &folder)?;
    let begun = Begun {
        folder: folder.clone(),
        surely_good: false,
        old: Some(if request.forget { Vec::new() } else { known }),
        has_region: false,
        false_reject: None,
        before: fingerprint(&work.shop.model_file(&part.name)),
        who: because.who,
        why: because.why,
    };
    let steps = request.steps;
    let start = |parent: Option<Parent>| {
        let parent = parent.ok_or("there is no model to go on from")?;
        let default = parent.default_recipe(!request.forget);
        let recipe = ContinuationRecipe { steps: steps.unwrap_or(default.steps), ..default };
        Ok(Start::Continue { parent: Box::new(parent), recipe })
    };
    let outcome = run(work, &part, &begun, start, true);
    let can_go_on = read_json(&part.file(BEGUN)).is_some_and(|it: Begun| it.folder == folder);
    if !can_go_on && !has_learned(&part, &folder) {
        give_marks_back(&part, &folder)?;
    }
    outcome
}

/// Goes on with a training that was stopped.
pub(super) fn resume(work: &Work<'_>, name: &str) -> Outcome {
    let part = work.shop.parts.part(name).map_err(refused)?;
    let begun: Begun = read_json(&part.file(BEGUN))
        .ok_or_else(|| format!("{name}: no training was stopped here; train anew"))?;
    let out = work.shop.model_file(name);
    run(work, &part, &begun, |parent| Start::resume(&out, parent).map_err(told), false)
}

/// Trains, and keeps what a later one has to know.
fn run(
    work: &Work<'_>,
    part: &Part,
    begun: &Begun,
    start: impl FnOnce(Option<Parent>) -> Result<Start, String>,
    is_new: bool,
) -> Outcome {
    let out = work.shop.model_file(&part.name);
    let plan = plan(work, part, begun, start, &out)?;
    if is_new {
        plan.check().map_err(told)?;
        write_json(&part.file(BEGUN), begun)?;
    }
    let mut telling = Telling::new(work);
    let outcome = train(plan, &mut |event| telling.take(&event));
    if !matches!(outcome, Ok(TrainOutcome::Done(_))) && !checkpoint_of(&out).is_file() {
        let _ = fs::remove_file(part.file(BEGUN));
    }
    match outcome {
        Ok(TrainOutcome::Stopped(_)) | Err(JobError::Cancelled) => Ok(Ending::Stopped),
        Err(error) => Err(told(error)),
        Ok(TrainOutcome::Done(trained)) => {
            settle(work.shop, part, begun)?;
            Ok(Ending::Done(result(&trained)))
        }
    }
}

/// Keeps what a later training has to know of one that is finished, and records the change.
fn settle(shop: &Shop, part: &Part, begun: &Begun) -> Result<(), String> {
    let mut learned = begun.old.clone().unwrap_or_default();
    learned.push(begun.folder.clone());
    write_json(&part.file(LEARNED), &learned)?;
    let because = Because { who: begun.who.clone(), why: begun.why.clone() };
    let change = (begun.before.clone(), fingerprint(&shop.model_file(&part.name)));
    shop.record(&because, &part.name, ChangeKind::Model, change)?;
    let _ = fs::remove_file(part.file(BEGUN));
    Ok(())
}

/// Brings a part in order whose training ended with its process, and left no checkpoint: either the
/// model was saved, or nothing came of it.
pub(super) fn recover(shop: &Shop, part: &Part) -> Result<(), String> {
    let out = shop.model_file(&part.name);
    let Some(begun) = read_json::<Begun>(&part.file(BEGUN)) else { return Ok(()) };
    if checkpoint_of(&out).is_file() {
        return Ok(());
    }
    if fingerprint(&out) != begun.before {
        return settle(shop, part, &begun);
    }
    let _ = fs::remove_file(part.file(BEGUN));
    if begun.old.is_some() { give_marks_back(part, &begun.folder) } else { Ok(()) }
}

fn plan(
    work: &Work<'_>,
    part: &Part,
    begun: &Begun,
    start: impl FnOnce(Option<Parent>) -> Result<Start, String>,
    out: &Path,
) -> Result<TrainPlan, String> {
    let (shop, old) = (work.shop, begun.old.clone());
    let parent = old.is_some().then(|| Parent::open(out)).transpose().map_err(told)?;
    let reading = shop.reading;
    let start = start(parent)?;
    let parent = start.parent();
    let data = DataPaths {
        decode: match parent {
            Some(parent) => reading.options_for(parent.model().info()),
            None => reading.options(),
        },
        photos: match parent.is_some_and(Parent::is_without_photos) {
            true => PhotosFrom::Nowhere,
            false => PhotosFrom::Procedural,
        },
        recognise_bits: parent.is_none(),
        old: parent.and_then(|parent| parent.old_paths(old.unwrap_or_default())),
        ..DataPaths::new(source(&begun.folder, begun.surely_good))
    };
    let (cpu, _) = shop.engines()?;
    let mut plan = TrainPlan::new(data, out, start, Arc::clone(&cpu) as _);
    let region = begun.has_region.then(|| part.file(REGION));
    plan.region = RegionFiles::open(region.as_deref(), None).map_err(told)?;
    plan.report_every = REPORT_EVERY;
    plan.false_reject = begun.false_reject.or(plan.false_reject);
    Ok(plan)
}

fn result(trained: &Trained) -> Value {
    let info = trained.model.info();
    json!({
        "steps": trained.steps,
        "threshold": info.threshold.as_ref().map(promise),
        "held_back": trained.effect,
        "skipped": trained.skipped,
    })
}

/// Makes marked photos those of a training, under names that tell nothing but their content.
fn take_marks(part: &Part, folder: &Path) -> Result<(), String> {
    fs::create_dir_all(folder).map_err(|error| failed(folder, &error))?;
    for photo in part.photos(Shelf::Good) {
        let name = photo.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let short = name.rsplit_once('-').map_or(name.as_str(), |(_, short)| short);
        fs::rename(&photo, folder.join(short)).map_err(|error| failed(&photo, &error))?;
    }
    Ok(())
}

/// The photos of a training that came to nothing are marked again.
fn give_marks_back(part: &Part, folder: &Path) -> Result<(), String> {
    let marks = part.file(Shelf::Good.folder());
    fs::create_dir_all(&marks).map_err(|error| failed(&marks, &error))?;
    for photo in photos_in(folder) {
        let name = photo.file_name().unwrap_or_default().to_string_lossy();
        let place = marks.join(format!("photo-{name}"));
        fs::rename(&photo, &place).map_err(|error| failed(&photo, &error))?;
    }
    let _ = fs::remove_dir(folder);
    Ok(())
}

fn has_learned(part: &Part, folder: &Path) -> bool {
    let learned: Vec<PathBuf> = read_json(&part.file(LEARNED)).unwrap_or_default();
    learned.iter().any(|known| known == folder)
}

/// A training that was stopped is given up: its checkpoint goes, and marked photos are marked again.
pub(super) fn give_up(shop: &Shop, part: &Part) -> Result<(), String> {
    let checkpoint = checkpoint_of(&shop.model_file(&part.name));
    let begun: Option<Begun> = read_json(&part.file(BEGUN));
    match fs::remove_file(&checkpoint) {
        Err(error) if error.kind() == io::ErrorKind::NotFound && begun.is_none() => {
            return Err(format!("{}: no training was stopped here", part.name));
        }
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(failed(&checkpoint, &error));
        }
        _ => {}
    }
    let _ = fs::remove_file(part.file(BEGUN));
    match begun {
        Some(Begun { folder, old: Some(_), .. }) => give_marks_back(part, &folder),
        _ => Ok(()),
    }
}

pub(super) fn because(work: &Work<'_>) -> Result<Because, String> {
    work.job.because.clone().ok_or_else(|| "who and why were not said".to_owned())
}

/// SHA-256 of a file, if it is there.
pub(super) fn fingerprint(path: &Path) -> Option<String> {
    file_fingerprint(path).ok().map(|sum| sum.to_string())
}

fn write_json(path: &Path, value: &impl Serialize) -> Result<(), String> {
    let text = serde_json::to_vec(value).map_err(told)?;
    write_atomically::<io::Error>(path, |file| file.write_all(&text))
        .map_err(|error| failed(path, &error))
}

fn read_json<T: for<'de> Deserialize<'de>>(path: &Path) -> Option<T> {
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}

fn failed(path: &Path, error: &io::Error) -> String {
    format!("{}: cannot be written ({error}); make room, or check its permissions", path.display())
}
