//! Watching a folder: a hot folder, the detector, and a folder of rejects.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use efficientad::Detector;
use efficientad_datasets::file_fingerprint;
use efficientad_evaluation::JudgeOptions;

use crate::error::StreamError;
use crate::folder::{HotFolder, HotFolderOptions};
use crate::rejects::Rejects;
use crate::sink::Sink;
use crate::stream::{Event, Stream, StreamOptions, Summary};

/// What to watch, and how.
#[derive(Clone, Debug)]
pub struct Options {
    /// The folder that photos arrive in.
    pub folder: PathBuf,
    /// The log.
    pub log: PathBuf,
    /// Where rejects go; `None` to leave them.
    pub rejects: Option<Rejects>,
    /// How long a photo must not change before it counts as complete.
    pub settle: Duration,
    /// Whether to end once every photo in the folder is judged.
    pub once: bool,
    /// How photos are decoded, and how many are judged at once.
    pub judge: JudgeOptions,
    /// The model's file, to be named in the log.
    pub model: PathBuf,
    /// Largest rate of defective parts that is no drift, from 0 to below 1.
    pub defect_rate: f64,
}

/// Judges photos as they arrive, until `stop` says so, or with [`Options::once`] until all are
/// judged. `observe` is told what happens, after it is in the log.
///
/// # Errors
/// The log or the folder can't be used, or whatever `observe` returns. The next call goes on where
/// this one ended, also if the process was killed.
pub fn watch<E: From<StreamError>>(
    detector: &Detector,
    options: &Options,
    stop: &dyn Fn() -> bool,
    observe: &mut dyn FnMut(Event<'_>) -> Result<(), E>,
) -> Result<Summary, E> {
    let stream_options = StreamOptions {
        log: options.log.clone(),
        model: file_fingerprint(&options.model).map_err(StreamError::Model)?.to_string(),
        judge: options.judge,
        defect_rate: options.defect_rate,
    };
    let mut source = HotFolder::new(HotFolderOptions {
        folder: options.folder.clone(),
        left_out: prepare_folders(options, detector)?,
        settle: options.settle,
        once: options.once,
    });
    let mut rejects = options.rejects.clone();
    let sink = rejects.as_mut().map(|rejects| rejects as &mut dyn Sink);
    Stream { source: &mut source, detector, sink, options: stream_options }.run(stop, observe)
}

/// Checks the watched folder and makes that of rejects; the path of the latter as it is met while
/// the watched folder is listed, if it lies there.
fn prepare_folders(options: &Options, detector: &Detector) -> Result<Option<PathBuf>, StreamError> {
    let folder = fs::read_dir(&options.folder)
        .and_then(|_| fs::canonicalize(&options.folder))
        .map_err(|source| StreamError::Folder { path: options.folder.clone(), source })?;
    let Some(Rejects { folder: rejects, .. }) = &options.rejects else { return Ok(None) };
    if detector.threshold().is_none() {
        return Err(StreamError::NoThreshold);
    }
    let real = fs::create_dir_all(rejects)
        .and_then(|()| fs::canonicalize(rejects))
        .map_err(|source| StreamError::RejectsFolder { path: rejects.clone(), source })?;
    if folder.starts_with(&real) {
        return Err(StreamError::RejectsAroundPhotos(rejects.clone()));
    }
    Ok(real.strip_prefix(&folder).ok().map(|below| options.folder.join(below)))
}
