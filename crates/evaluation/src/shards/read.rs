//! All shards' files, put together.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use efficientad::AnomalyMap;
use efficientad_files::open_regular;
use efficientad_images::DecodeOptions;
use efficientad_images::float_tiff::load_float_tiff;

use super::run::{Line, Run, Stored, VERSION, inspection};
use super::write::maps;
use super::{MAX_SHARDS, Shard, ShardError};
use crate::{Frame, InspectError, Judged, OutputFolder, Photo};

/// Most bytes of a line: a hundred regions take a tenth of it.
const MAX_LINE: u64 = 1 << 18;

/// What all shards of a run found, in the order of the list.
pub struct Merged {
    files: Vec<Lines>,
    maps: Option<OutputFolder>,
    next: usize,
}

impl Merged {
    /// Opens the results of `run` in `folder`.
    ///
    /// # Errors
    /// Shards are not finished, are of another run, or can't be read.
    pub fn open(folder: &Path, run: &Run, photos: &[Photo]) -> Result<Self, ShardError> {
        let count = count_in(folder)?;
        let shards = (0..count).map(|index| Shard::new(index, count));
        let shards = shards.collect::<Result<Vec<_>, _>>()?;
        let is_missing = |shard: &&Shard| !shard.file(folder).is_file();
        if let Some(first) = shards.iter().find(is_missing) {
            let missing = shards.iter().filter(is_missing).count();
            let folder = folder.to_owned();
            return Err(ShardError::Missing { folder, missing, example: first.index, count });
        }
        let open = |shard| Lines::open(shard, folder, run);
        let files = shards.into_iter().map(open).collect::<Result<_, _>>()?;
        let maps =
            run.has_maps().then(|| OutputFolder::create(&maps(folder), photos)).transpose()?;
        Ok(Self { files, maps, next: 0 })
    }

    /// What was found out about the next photo of the list.
    ///
    /// # Errors
    /// There is none, or a file is damaged or can't be read.
    pub fn next_stored(&mut self) -> Result<Stored, ShardError> {
        let count = self.files.len();
        let file = &mut self.files[self.next % count];
        self.next += 1;
        match file.next()? {
            Some(Line::Photo(stored)) => Ok(stored),
            _ => Err(file.damaged()),
        }
    }

    /// Makes sure that there are no more.
    ///
    /// # Errors
    /// A file has other results than those that were asked for, or can't be read.
    pub fn end(&mut self) -> Result<(), ShardError> {
        self.files.iter_mut().try_for_each(Lines::end)
    }

    /// The next photo of the list, which must be `photo`, as if it had been judged now; the inner error is
    /// the photo's own matter.
    ///
    /// # Errors
    /// A file is damaged or can't be read.
    pub fn next_judged(
        &mut self,
        photo: &Photo,
        decode: &DecodeOptions,
    ) -> Result<Result<Judged, InspectError>, ShardError> {
        let (verdict, used_bits) = match self.next_stored()? {
            Stored::Judged { verdict, used_bits } => (verdict, used_bits),
            Stored::Failed(reason) => return Ok(Err(InspectError::Elsewhere(reason))),
        };
        let image = match Frame::from(photo.path.as_path()).decode_measured(decode) {
            Ok((image, _)) => image,
            Err(error) => return Ok(Err(error.into())),
        };
        let (width, height) = image.dimensions();
        let values = match &self.maps {
            Some(maps) => load_float_tiff(maps.map_path(&photo.relative), (width, height)),
            None => return Err(self.files[0].damaged()),
        };
        let values = match values {
            Ok(values) => values,
            Err(error) => return Ok(Err(error.into())),
        };
        let map = AnomalyMap { values, width, height };
        Ok(Ok(Judged { image, used_bits, inspection: inspection(verdict, map) }))
    }
}

/// How many shards the finished results of a folder are of.
fn count_in(folder: &Path) -> Result<usize, ShardError> {
    let mut found = None;
    for entry in fs::read_dir(folder).map_err(ShardError::of_file(folder))? {
        let name = entry.map_err(ShardError::of_file(folder))?.file_name();
        let Some(count) = name.to_str().and_then(count_of) else { continue };
        match found {
            Some(other) if other != count => {
                return Err(ShardError::Counts {
                    folder: folder.to_owned(),
                    counts: [count.min(other), count.max(other)],
                });
            }
            _ => found = Some(count),
        }
    }
    found.ok_or_else(|| ShardError::NoShards(folder.to_owned()))
}

/// Of how many shards a file of this name has one.
fn count_of(name: &str) -> Option<usize> {
    let (index, count) = name.strip_prefix("shard-")?.strip_suffix(".jsonl")?.split_once("-of-")?;
    let (index, count): (usize, usize) = (index.parse().ok()?, count.parse().ok()?);
    (index < count && count <= MAX_SHARDS).then_some(count)
}

/// The lines of a shard's file.
pub(super) struct Lines {
    path: PathBuf,
    reader: BufReader<File>,
    line: usize,
    /// Bytes of the lines that were read whole.
    pub(super) bytes: u64,
    photos: usize,
}

impl Lines {
    fn open(shard: Shard, folder: &Path, run: &Run) -> Result<Self, ShardError> {
        let path = shard.file(folder);
        let file = open_regular(&path).map_err(ShardError::of_file(&path))?;
        let mut lines = Self::new(path, file);
        lines.check_head(shard, run)?;
        Ok(lines)
    }

    pub(super) fn new(path: PathBuf, file: File) -> Self {
        Self { path, reader: BufReader::new(file), line: 0, bytes: 0, photos: 0 }
    }

    /// Reads the first line, which must be this shard's of this run.
    pub(super) fn check_head(&mut self, shard: Shard, run: &Run) -> Result<(), ShardError> {
        let Some(Line::Shard { version: VERSION, index, count, run: found }) = self.next()? else {
            return Err(self.damaged());
        };
        let is_other = (index, count) != (shard.index, shard.count);
        let what = if is_other { Some("the shard's number") } else { run.difference(&found) };
        what.map_or(Ok(()), |what| Err(ShardError::OtherRun { path: self.path.clone(), what }))
    }

    /// The next line; `None` if there is none, or but a part of one.
    pub(super) fn next(&mut self) -> Result<Option<Line>, ShardError> {
        let mut text = String::new();
        let read = (&mut self.reader).take(MAX_LINE).read_line(&mut text);
        self.line += 1;
        match read {
            Ok(_) if !text.ends_with('\n') && text.len() < MAX_LINE as usize => return Ok(None),
            Ok(read) => self.bytes += read as u64,
            Err(error) if error.kind() == std::io::ErrorKind::InvalidData => {
                return Err(self.damaged());
            }
            Err(source) => return Err(ShardError::of_file(&self.path)(source)),
        }
        let line = serde_json::from_str(&text).map_err(|_| self.damaged())?;
        self.photos += usize::from(matches!(line, Line::Photo(_)));
        Ok(Some(line))
    }

    /// Reads the last line, which must tell the number of photos that were read.
    fn end(&mut self) -> Result<(), ShardError> {
        match self.next()? {
            Some(Line::End { photos }) if photos == self.photos => Ok(()),
            _ => Err(self.damaged()),
        }
    }

    pub(super) fn photos(&self) -> usize {
        self.photos
    }

    pub(super) fn damaged(&self) -> ShardError {
        ShardError::Damaged { path: self.path.clone(), line: self.line }
    }
}
