//! The file of one shard.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use efficientad_files::{check_regular, lock_alone, sync_folder_of};

use super::read::Lines;
use super::run::{Line, Run, Stored, VERSION};
use super::{Shard, ShardError};
use crate::{InspectError, Judged, OutputError, OutputFolder, Photo};

/// Where shards keep maps.
pub(super) fn maps(folder: &Path) -> PathBuf {
    folder.join("maps")
}

/// A shard that is to be judged.
pub enum Begun {
    /// All of it was judged before.
    Finished {
        /// Photos that could not be judged.
        failed: usize,
    },
    /// Some of it, or nothing.
    Under(ShardFile),
}

/// The results of a shard, as they come. Until all are there, the file has `.partial` behind its name.
pub struct ShardFile {
    shard: Shard,
    folder: PathBuf,
    partial: PathBuf,
    file: File,
    maps: Option<OutputFolder>,
    done: usize,
    failed: usize,
}

impl ShardFile {
    /// Goes on with a shard of `run` in `folder`, which is made; `photos` are all photos of the list.
    ///
    /// # Errors
    /// The shard's file is of another run, or in use, or can't be written.
    pub fn begin(
        folder: &Path,
        shard: Shard,
        run: &Run,
        photos: &[Photo],
    ) -> Result<Begun, ShardError> {
        fs::create_dir_all(folder).map_err(ShardError::of_file(folder))?;
        let finished = shard.file(folder);
        let partial = finished.with_extension("jsonl.partial");
        let file = lock(&partial)?;
        if finished.exists() {
            let found = efficientad_files::open_regular(&finished);
            let lines =
                Lines::new(finished.clone(), found.map_err(ShardError::of_file(&finished))?);
            let (_, failed) = walk(lines, shard, run)?;
            drop(file);
            // It may be gone: whoever finished the shard renamed it.
            let _ = fs::remove_file(&partial);
            return Ok(Begun::Finished { failed });
        }
        let maps =
            run.has_maps().then(|| OutputFolder::create(&maps(folder), photos)).transpose()?;
        let folder = folder.to_owned();
        let mut begun = Self { shard, folder, partial, file, maps, done: 0, failed: 0 };
        begun.go_on(run)?;
        Ok(Begun::Under(begun))
    }

    /// Photos of the shard that have their results already: the first ones.
    pub fn done(&self) -> usize {
        self.done
    }

    /// Photos that could not be judged.
    pub fn failed(&self) -> usize {
        self.failed
    }

    /// Finds the end of what was written whole, or begins.
    fn go_on(&mut self, run: &Run) -> Result<(), ShardError> {
        let failed_at = ShardError::of_file;
        if self.file.metadata().map_err(failed_at(&self.partial))?.len() > 0 {
            let again = self.file.try_clone().map_err(failed_at(&self.partial))?;
            let lines = Lines::new(self.partial.clone(), again);
            let (lines, failed) = walk(lines, self.shard, run)?;
            (self.done, self.failed) = (lines.photos(), failed);
            self.file.set_len(lines.bytes).map_err(failed_at(&self.partial))?;
        }
        self.file.seek(SeekFrom::End(0)).map_err(failed_at(&self.partial))?;
        if self.file.metadata().map_err(failed_at(&self.partial))?.len() == 0 {
            let Shard { index, count } = self.shard;
            self.write(&Line::Shard { version: VERSION, index, count, run: run.clone() })?;
        }
        Ok(())
    }

    /// Adds what became of the shard's next photo.
    ///
    /// # Errors
    /// It can't be written.
    pub fn record(
        &mut self,
        photo: &Photo,
        judged: &Result<Judged, InspectError>,
    ) -> Result<Stored, ShardError> {
        let mut stored = Stored::from(judged);
        if let (Ok(judged), Some(maps)) = (judged, &self.maps) {
            match maps.save_map(photo, judged) {
                Err(error @ OutputError::NameTooLong { .. }) => {
                    stored = Stored::Failed(error.to_string());
                }
                saved => saved?,
            }
        }
        self.done += 1;
        self.failed += usize::from(matches!(stored, Stored::Failed(_)));
        self.write(&Line::Photo(stored.clone()))?;
        Ok(stored)
    }

    /// Gives the file its name: all photos of the shard have their results.
    ///
    /// # Errors
    /// It can't be written.
    pub fn finish(mut self) -> Result<(), ShardError> {
        self.write(&Line::End { photos: self.done })?;
        let finished = self.shard.file(&self.folder);
        self.file.sync_all().map_err(ShardError::of_file(&self.partial))?;
        fs::rename(&self.partial, &finished).map_err(ShardError::of_file(&finished))?;
        sync_folder_of(&finished);
        Ok(())
    }

    fn write(&mut self, line: &Line) -> Result<(), ShardError> {
        let mut text = serde_json::to_string(line)
            .map_err(|error| ShardError::of_file(&self.partial)(error.into()))?;
        text.push('\n');
        self.file.write_all(text.as_bytes()).map_err(ShardError::of_file(&self.partial))
    }
}

/// Opens a file for this process alone.
fn lock(path: &Path) -> Result<File, ShardError> {
    let opened = check_regular(path).and_then(|()| {
        OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)
    });
    let file = opened.map_err(ShardError::of_file(path))?;
    match lock_alone(&file) {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(ShardError::InUse(path.to_owned())),
        Err(TryLockError::Error(source)) => Err(ShardError::of_file(path)(source)),
    }
}

/// Reads all lines of a shard's file that are whole; how many of the photos failed.
fn walk(mut lines: Lines, shard: Shard, run: &Run) -> Result<(Lines, usize), ShardError> {
    match lines.check_head(shard, run) {
        // Killed at its first line.
        Err(ShardError::Damaged { .. }) if lines.bytes == 0 => return Ok((lines, 0)),
        checked => checked?,
    }
    let mut failed = 0;
    let mut whole = lines.bytes;
    while let Some(Line::Photo(stored)) = lines.next()? {
        failed += usize::from(matches!(stored, Stored::Failed(_)));
        whole = lines.bytes;
    }
    lines.bytes = whole;
    Ok((lines, failed))
}
