//! Errors in words of the command line: the libraries say what to do, this says by which option.

use std::env;
use std::error::Error;

use efficientad_datasets::{DatasetError, Mixed};
use efficientad_jobs::{JobError, NoReadablePhoto};
use efficientad_pretraining::PretrainingError;

use crate::output::{self, printable};

/// What the libraries call options, and what the command line calls them.
const OPTIONS: [(&str, &str); 5] = [
    ("Limits::max_pixels", "--max-pixels"),
    ("Limits::max_bytes", "--max-pixels"),
    ("Limits::max_side", "--max-side"),
    ("DecodeOptions::bits", "--bits"),
    ("DecodeOptions::range", "--range"),
];

/// An error as the command line tells it: a line, or several, with nothing from outside that would begin
/// another or control a terminal.
pub fn in_words(error: &(dyn Error + 'static)) -> String {
    with_options(&by_kind(error))
}

/// A text of a library with options as they are called here.
pub fn with_options(text: &str) -> String {
    OPTIONS.iter().fold(text.to_owned(), |text, (theirs, ours)| text.replace(theirs, ours))
}

fn by_kind(error: &(dyn Error + 'static)) -> String {
    #[cfg(feature = "server")]
    if let Some(error @ efficientad_server::ServeError::Open(_)) = error.downcast_ref() {
        let remedy = "give a token file or certificates of clients, listen to 127.0.0.1, or say that it is \
                      to be insecure";
        let options = "give --token or --tls-client-ca, listen to 127.0.0.1, or give --insecure";
        return replaced(error, remedy, options);
    }
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
        JobError::Dataset(error) => return of_dataset(error),
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
        JobError::OtherFile { .. } => ("another path to write to", "another path for --out"),
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

fn of_dataset(error: &DatasetError) -> String {
    match error {
        DatasetError::Mixed(mixed) => {
            format!("{}:\n{}", printable(&error.to_string()), printable(&stating(mixed)))
        }
        DatasetError::DoubtfulFolder { .. } | DatasetError::DoubtfulNames { .. } => {
            printable(&format!("{error} (--good DIR)"))
        }
        _ => printable(&error.to_string()),
    }
}

/// The command that says what folders hold, as far as their names tell.
fn stating(mixed: &Mixed) -> String {
    let Mixed { good, defects, masks, unclear, .. } = mixed;
    // What is neither called good nor bad is the one or the other where the rest is called so.
    let (as_good, as_defects) = match (good.is_empty(), defects.is_empty()) {
        (true, _) => (unclear, &Vec::new()),
        (false, true) => (&Vec::new(), unclear),
        (false, false) => (&Vec::new(), &Vec::new()),
    };
    let options = [
        ("--good", good),
        ("--good", as_good),
        ("--defects", defects),
        ("--defects", as_defects),
        ("--masks", masks),
    ];
    let mut words: Vec<String> = match env::args().nth(1).as_deref() {
        Some("eval") => ["efficientad", "eval", "MODEL"].map(str::to_owned).to_vec(),
        Some("calibrate") => return "efficientad calibrate MODEL --good DIR".to_owned(),
        _ => ["efficientad", "train", "--out", "MODEL"].map(str::to_owned).to_vec(),
    };
    for (option, folders) in options {
        for folder in folders {
            words.extend([option.to_owned(), folder.display().to_string()]);
        }
    }
    output::shell_command(words)
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
    use efficientad_images::ImageError;
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
        let image = |error: ImageError| -> Box<dyn Error> { Box::new(error) };
        let name = || "photo.png".to_owned();
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
            (job(JobError::OtherFile { path: path() }), "--out"),
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
            (
                image(ImageError::TooManyPixels {
                    name: name(),
                    width: 9,
                    height: 9,
                    max_pixels: 1,
                }),
                "--max-pixels",
            ),
            (
                image(ImageError::SideTooLong { name: name(), width: 9, height: 9, max_side: 1 }),
                "--max-side",
            ),
            (image(ImageError::TooManyBytes { name: name(), max_bytes: 1 }), "--max-pixels"),
            (image(ImageError::AboveBits { name: name(), bits: 12, sample: 4096 }), "--bits"),
            (image(ImageError::FloatRange { low: 1.0, high: 0.0 }), "--range"),
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
