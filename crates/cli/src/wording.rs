//! Errors in words of the command line: the libraries say what to do, this says by which option.

use std::error::Error;

use efficientad_jobs::{JobError, NoReadablePhoto};
use efficientad_pretraining::PretrainingError;

use crate::output::printable;

/// An error as the command line tells it: a line, or several, with nothing from outside that would begin
/// another or control a terminal.
pub fn in_words(error: &(dyn Error + 'static)) -> String {
    if let Some(error) = error.downcast_ref::<JobError>() {
        of_job(error)
    } else if let Some(error) = error.downcast_ref::<Box<JobError>>() {
        of_job(error)
    } else if let Some(error) = error.downcast_ref::<efficientad::Error>() {
        of_method(error)
    } else if let Some(error) = error.downcast_ref::<PretrainingError>() {
        of_pretraining(error)
    } else if let Some(error) = error.downcast_ref::<NoReadablePhoto>() {
        replaced(error, "folder of natural photos", "folder of --photos")
    } else {
        printable(&error.to_string())
    }
}

fn of_job(error: &JobError) -> String {
    let (remedy, with_option) = match error {
        JobError::Method(error) => return of_method(error),
        JobError::Pretraining(error) => return of_pretraining(error),
        JobError::Step { checkpoint, source } => {
            let source = of_job(source);
            let checkpoint = printable(&checkpoint.display().to_string());
            return format!("{source}\nthe last checkpoint is kept in {checkpoint}");
        }
        JobError::Finish { checkpoint, source } => {
            let (source, checkpoint) =
                (of_job(source), printable(&checkpoint.display().to_string()));
            return format!(
                "{source}\nthe last checkpoint is kept in {checkpoint}; go on from it with --resume"
            );
        }
        JobError::NothingNew { .. } => ("among the old ones", "among those of --old"),
        JobError::OldTwice { .. } => ("twice among the old ones", "twice with --old"),
        JobError::OldUnknown { .. } => ("continue it without old photos", "leave out --old"),
        JobError::OldChanged { .. } => (
            "none held back from another folder), or no old photos",
            "none held back by --validation), or leave out --old",
        ),
        JobError::OutIsFolder { .. } => ("name of a file to write", "name of a file for --out"),
        JobError::NotWritable { .. } => ("another path to write to", "another path for --out"),
        JobError::CheckpointExists { .. } => ("go on from it", "go on from it with --resume"),
        JobError::NoCheckpoint { .. } => ("train anew", "leave out --resume to train anew"),
        JobError::TeacherFinished { .. } => ("begin anew", "leave out --resume to begin anew"),
        JobError::BeganAnew { .. } => ("go on without one", "leave out --continue"),
        JobError::BeganWithModel { .. } => ("give that model", "give that model with --continue"),
        JobError::OtherRegion => ("give none", "leave --region and --exclude out"),
        JobError::InitialTooLarge { .. } => ("make a medium one", "leave out --size"),
        JobError::CacheTooSmall => ("allow a larger one", "give a larger --cache-size"),
        JobError::PhotosForTeacher => {
            ("import it without them", "leave out --good, and give it to train")
        }
        JobError::PhotosNeeded => ("give the photos", "give --good DIR with the photos"),
        _ => return printable(&error.to_string()),
    };
    replaced(error, remedy, with_option)
}

fn of_method(error: &efficientad::Error) -> String {
    match error {
        efficientad::Error::Image { name, source } => {
            format!("{}: {}", printable(name), in_words(source.as_ref()))
        }
        efficientad::Error::NoCalibration => format!("{error} (efficientad calibrate)"),
        efficientad::Error::TeacherSize { .. } => replaced(error, "choose size", "choose --size"),
        _ => printable(&error.to_string()),
    }
}

fn of_pretraining(error: &PretrainingError) -> String {
    let (remedy, with_option) = match error {
        PretrainingError::TooFewPhotos { .. } => {
            ("more folders of photos", "more folders with --photos")
        }
        PretrainingError::NotFinite { .. } => {
            ("the preprocessing is", "the preprocessing (--preset) is")
        }
        PretrainingError::Cache { .. } => ("another folder for it", "another folder with --cache"),
        PretrainingError::CacheInUse { .. } => ("choose another one", "choose another --cache"),
        _ => return printable(&error.to_string()),
    };
    replaced(error, remedy, with_option)
}

/// An error's text with another remedy. Names of files stand before it.
fn replaced(error: &impl Error, remedy: &str, with_option: &str) -> String {
    let text = printable(&error.to_string());
    match text.rsplit_once(remedy) {
        Some((before, after)) => format!("{before}{with_option}{after}"),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Error as IoError, ErrorKind};
    use std::path::PathBuf;

    fn path() -> PathBuf {
        "somewhere".into()
    }

    /// Every error that names an option here but not in its library.
    fn errors() -> Vec<(Box<dyn Error>, &'static str)> {
        let source = || IoError::from(ErrorKind::StorageFull);
        let (root, checkpoint) = (path(), path());
        let job = |error: JobError| -> Box<dyn Error> { Box::new(error) };
        let pretraining = |error: PretrainingError| -> Box<dyn Error> { Box::new(error) };
        vec![
            (job(JobError::NothingNew { root: root.clone() }), "--old"),
            (job(JobError::OldTwice { folder: root.clone() }), "--old"),
            (job(JobError::OldUnknown { root: root.clone() }), "--old"),
            (job(JobError::OldChanged { root }), "--validation"),
            (job(JobError::OutIsFolder { path: path() }), "--out"),
            (
                job(JobError::NotWritable { path: path(), problem: "none", source: source() }),
                "--out",
            ),
            (job(JobError::CheckpointExists { checkpoint: checkpoint.clone() }), "--resume"),
            (
                job(JobError::NoCheckpoint { checkpoint: checkpoint.clone(), finished: true }),
                "--resume",
            ),
            (job(JobError::TeacherFinished { teacher: path() }), "--resume"),
            (job(JobError::BeganAnew { checkpoint: checkpoint.clone() }), "--continue"),
            (job(JobError::BeganWithModel { checkpoint: checkpoint.clone() }), "--continue"),
            (job(JobError::OtherRegion), "--exclude"),
            (job(JobError::InitialTooLarge { teacher: path() }), "--size"),
            (job(JobError::CacheTooSmall), "--cache-size"),
            (job(JobError::PhotosForTeacher), "--good"),
            (job(JobError::PhotosNeeded), "--good"),
            (
                job(JobError::Finish { checkpoint, source: Box::new(JobError::OtherRegion) }),
                "--resume",
            ),
            (Box::new(NoReadablePhoto), "--photos"),
            (Box::new(efficientad::Error::NoCalibration), "efficientad calibrate"),
            (pretraining(PretrainingError::TooFewPhotos { usable: 1 }), "--photos"),
            (pretraining(PretrainingError::NotFinite { photo: path() }), "--preset"),
            (pretraining(PretrainingError::Cache { path: path(), source: source() }), "--cache"),
            (pretraining(PretrainingError::CacheInUse { path: path() }), "--cache"),
        ]
    }

    #[test]
    fn libraries_name_no_options_and_the_program_does() {
        for (error, option) in errors() {
            let (plain, worded) = (error.to_string(), in_words(error.as_ref()));
            assert!(!plain.contains("--"), "{plain}");
            assert!(worded.contains(option), "{worded}");
        }
    }

    #[test]
    fn an_error_in_a_step_is_worded_too() {
        let image = efficientad::Error::Image {
            name: "photo".to_owned(),
            source: Box::new(NoReadablePhoto),
        };
        let step = JobError::Step { checkpoint: path(), source: Box::new(JobError::Method(image)) };
        let error = anyhow::Error::from(step);
        assert_eq!(
            crate::output::message(&error),
            "photo: none of 20 photos drawn from the folder of --photos can be read\nthe last \
             checkpoint is kept in somewhere"
        );
    }
}
