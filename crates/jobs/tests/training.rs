//! Trainings as a program calls them: whole, stopped anywhere, and gone on with.

use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use efficientad::{CpuEngine, InstructionSet, Recipe, RgbImage};
use efficientad_jobs::{
    DataPaths, Event, Interval, JobError, Parent, Stage, Start, TrainOutcome, TrainPlan,
    checkpoint_of, train,
};
use tempfile::TempDir;

const STEPS: u64 = 3;

/// Whether an event stops a training.
type Stop<'a> = &'a dyn Fn(&Event<'_>) -> bool;

/// A folder with photos of good parts, one of which is broken.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let photos = folder.path().join("photos");
    fs::create_dir(&photos).unwrap();
    for number in 0..4_u32 {
        let mut state = number.wrapping_mul(0x9E37_79B9) | 1;
        let photo = RgbImage::from_fn(72, 64, |x, y| {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            let weave = if (x / 6 + y / 4) % 2 == 0 { 90 } else { 150 };
            let value = weave + (state % 40) as u8;
            image::Rgb([value, value - 20, 255 - value])
        });
        photo.save(photos.join(format!("{number}.png"))).unwrap();
    }
    fs::write(photos.join("broken.png"), b"no image").unwrap();
    folder
}

fn cpu() -> Arc<CpuEngine> {
    Arc::new(CpuEngine::new(2, InstructionSet::best()).unwrap())
}

fn plan(folder: &Path, out: &str, start: Start) -> TrainPlan {
    let data = DataPaths::new(folder.join("photos"));
    let mut plan = TrainPlan::new(data, folder.join(out), start, cpu());
    plan.checkpoint_every = Interval::Steps(1000);
    plan
}

fn anew() -> Start {
    Start::new(Recipe { steps: STEPS, ..Recipe::default() }).unwrap()
}

/// Trains, stopping at the first event that `stop` is true of.
fn train_until(
    plan: TrainPlan,
    stop: impl Fn(&Event<'_>) -> bool,
) -> Result<TrainOutcome, JobError> {
    train(plan, &mut |event| match stop(&event) {
        true => ControlFlow::Break(()),
        false => ControlFlow::Continue(()),
    })
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn stopped_anywhere_it_goes_on_to_the_same_model() {
    let folder = folder();
    let folder = folder.path();
    let mut skipped = Vec::new();
    let outcome = train(plan(folder, "whole", anew()), &mut |event| {
        if let Event::Skipped { path, .. } = event {
            skipped.push(path.to_owned());
        }
        ControlFlow::Continue(())
    });
    let TrainOutcome::Done(trained) = outcome.unwrap() else { panic!("nobody stopped it") };
    assert_eq!(skipped, [folder.join("photos/broken.png")]);
    assert_eq!((trained.steps, trained.skipped), (STEPS, 1));
    assert!(trained.model.info().threshold.is_some() && trained.effect.is_none());
    assert_eq!(names(folder), ["photos", "whole"], "the checkpoint is removed");
    let whole = fs::read(folder.join("whole")).unwrap();

    let calibrating = |event: &Event<'_>| {
        let calibration = Stage::Method(efficientad::Stage::Calibration);
        matches!(event, Event::Progress { stage, .. } if *stage == calibration)
    };
    let first_step = |event: &Event<'_>| matches!(event, Event::Step(report) if report.step == 1);
    let begun = |event: &Event<'_>| matches!(event, Event::Begun { .. });
    let stops: [(&str, u64, Stop<'_>); 3] =
        [("begun", 0, &begun), ("first", 1, &first_step), ("calibrating", STEPS, &calibrating)];
    for (out, step, stop) in stops {
        let outcome = train_until(plan(folder, out, anew()), stop).unwrap();
        let TrainOutcome::Stopped(stopped) = outcome else { panic!("{out} goes on") };
        let path = folder.join(out);
        assert_eq!((stopped.step, stopped.steps), (step, Some(STEPS)), "{out}");
        assert_eq!(stopped.checkpoint, Some(checkpoint_of(&path)));
        assert!(!path.exists());
        let again = train_until(plan(folder, out, anew()), |_| false);
        assert!(matches!(again, Err(JobError::CheckpointExists { .. })));
        let resumed = plan(folder, out, Start::resume(&path, None).unwrap());
        assert!(matches!(train_until(resumed, |_| false), Ok(TrainOutcome::Done(_))));
        assert!(fs::read(&path).unwrap() == whole, "{out} gives another model");
    }
}

#[test]
fn stopped_before_it_begins_it_leaves_nothing() {
    let folder = folder();
    let folder = folder.path();
    let statistics = Stage::Method(efficientad::Stage::TeacherStatistics);
    let is_at = |event: &Event<'_>, at: Stage| matches!(event, Event::Progress { stage, .. } if *stage == at);
    for stage in [Stage::Images, statistics] {
        let outcome = train_until(plan(folder, "m", anew()), |event| is_at(event, stage));
        assert!(matches!(outcome, Err(JobError::Cancelled)), "{stage}");
        assert_eq!(names(folder), ["photos"]);
    }
    let opened = |event: &Event<'_>| matches!(event, Event::DataOpened(_));
    assert!(matches!(train_until(plan(folder, "m", anew()), opened), Err(JobError::Cancelled)));
    let nothing = Start::resume(&folder.join("m"), None).err();
    assert!(matches!(nothing, Some(JobError::NoCheckpoint { finished: false, .. })));
}

#[test]
fn what_cannot_begin_is_refused_by_its_cause() {
    let folder = folder();
    let folder = folder.path();
    let refused = |change: &dyn Fn(&mut TrainPlan)| {
        let mut plan = plan(folder, "m", anew());
        change(&mut plan);
        train_until(plan, |_| false).err()
    };
    let is_folder = refused(&|plan| plan.out = folder.to_owned());
    assert!(matches!(is_folder, Some(JobError::OutIsFolder { .. })));
    let nowhere = refused(&|plan| plan.out = folder.join("none/m"));
    assert!(matches!(nowhere, Some(JobError::NotWritable { .. })));
    let no_data = refused(&|plan| plan.data.dataset = PathBuf::from("nowhere").into());
    assert!(matches!(no_data, Some(JobError::Dataset(_))));
    assert!(matches!(Parent::open(&folder.join("m")), Err(JobError::Method(_))));
    assert_eq!(names(folder), ["photos"]);
}
