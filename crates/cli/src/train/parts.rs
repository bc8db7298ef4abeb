//! `efficientad train-parts`: a model for each part of a list.

use std::collections::HashSet;
use std::ffi::OsString;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, Error, Result, bail, ensure};
use efficientad::Model;
use efficientad_files::open_regular;
use efficientad_jobs::{LONGEST_PART_NAME, checkpoint_of, is_part_name};

use super::{run_with, stopping};
use crate::args::{TrainArgs, TrainPartsArgs};
use crate::output::{self, Status, note};
use crate::resuming::same_command;

/// Most bytes of a list.
const MAX_LIST: u64 = 1 << 24;

/// A part, and what its training takes besides the options of all.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Part {
    name: String,
    photos: PathBuf,
}

/// Trains those of the list that have no model yet.
pub fn run(args: &TrainPartsArgs) -> Result<Status> {
    let list = args.list.display();
    let mut parts = read(&args.list)?;
    if let Some(shard) = args.shard {
        parts = shard.of(&parts);
    }
    fs::create_dir_all(&args.models).with_context(|| args.models.display().to_string())?;
    // Words that are no options of a training are found out before the first one.
    parts.iter().try_for_each(|part| training(args, part).map(drop))?;
    let interrupt = stopping()?;
    let mut failed = 0;
    for (number, part) in parts.iter().enumerate() {
        note(format_args!("part {} of {}: {}", number + 1, parts.len(), part.name));
        let status = match is_trained(args, part) {
            Ok(true) => Ok(Status::Done),
            Ok(false) => {
                training(args, part).and_then(|args| run_with(args, &interrupt, same_command()))
            }
            Err(error) => Err(error),
        };
        match status {
            Ok(Status::Interrupted) => return Ok(Status::Interrupted),
            Ok(Status::Done) => {}
            Ok(Status::SomeFailed) => failed += 1,
            Err(error) if output::is_broken_pipe(&error) => return Err(error),
            Err(error) => {
                output::complain(&error.context(part.name.clone()));
                failed += 1;
            }
        }
    }
    let there = parts.iter().filter(|part| model_of(args, part).exists()).count();
    note(format_args!(
        "{list}: {there} of {} parts have their models, {failed} failed or skipped photos",
        parts.len()
    ));
    Ok(Status::from_failures(failed))
}

fn model_of(args: &TrainPartsArgs, part: &Part) -> PathBuf {
    args.models.join(format!("{}.model", part.name))
}

/// Whether a part's model is there, and is one.
fn is_trained(args: &TrainPartsArgs, part: &Part) -> Result<bool> {
    let model = model_of(args, part);
    if !model.exists() || checkpoint_of(&model).exists() {
        return Ok(false);
    }
    Model::open(&model)?;
    Ok(true)
}

/// The training of a part: anew, or from where it was stopped.
fn training(args: &TrainPartsArgs, part: &Part) -> Result<TrainArgs> {
    let model = model_of(args, part);
    let mut words: Vec<OsString> = vec![part.photos.clone().into(), "--out".into()];
    let is_begun = checkpoint_of(&model).exists();
    words.push(model.into());
    words.extend(is_begun.then(|| "--resume".into()));
    words.extend(args.options.iter().cloned());
    crate::train_args(&words)
}

/// Reads a list: CSV with the columns `part` and `photos`; folders are meant from the list's own.
fn read(path: &Path) -> Result<Vec<Part>> {
    let name = path.display();
    let mut text = String::new();
    let file = open_regular(path).with_context(|| name.to_string())?;
    file.take(MAX_LIST + 1).read_to_string(&mut text).with_context(|| name.to_string())?;
    ensure!(text.len() as u64 <= MAX_LIST, "{name}: a list of parts has 16 MiB at most");
    let folder = path.parent().unwrap_or(Path::new(""));
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(text.as_bytes());
    let columns = reader.headers().with_context(|| name.to_string())?.clone();
    let column = |wanted: &str| columns.iter().position(|it| it.eq_ignore_ascii_case(wanted));
    let (Some(part), Some(photos)) = (column("part"), column("photos")) else {
        bail!("{name}: the first line of a list of parts is: part,photos");
    };
    let (mut parts, mut names) = (Vec::new(), HashSet::new());
    for record in reader.records() {
        let record = record.map_err(Error::from).with_context(|| name.to_string())?;
        let line = record.position().map_or(0, csv::Position::line);
        let (part, photos) = (record[part].to_owned(), &record[photos]);
        ensure!(
            is_part_name(&part),
            "{name}: line {line}: {part:?} is no name of a part: 1 to {LONGEST_PART_NAME} letters a to z, digits, \
             dots, dashes and underscores, the first a letter or digit"
        );
        ensure!(!photos.is_empty(), "{name}: line {line}: the part {part} has no photos");
        ensure!(
            names.insert(part.to_ascii_lowercase()),
            "{name}: line {line}: the part {part} is there twice"
        );
        parts.push(Part { name: part, photos: folder.join(photos) });
    }
    ensure!(!parts.is_empty(), "{name}: there are no parts in this list");
    Ok(parts)
}
