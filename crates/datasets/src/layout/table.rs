//! A table of photos: a CSV file with the columns `path` and `label`, perhaps `mask` and `split`.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use csv::{Reader, ReaderBuilder, StringRecord, Trim};

use super::{GOOD, reserve};
use crate::files::{Listing, Wanted, images_below, read_text};
use crate::meaning::{self, Label, Part};
use crate::{Dataset, DatasetError, GroundTruth, Layout, Reason, TestImage};

const PATH: &[&str] = &["path", "image", "image_path", "file", "filename", "file_name", "img_path"];
const LABEL: &[&str] = &["label", "class", "status", "verdict", "label_index"];
const MASK: &[&str] = &["mask", "mask_path", "ground_truth"];
const SPLIT: &[&str] = &["split", "set", "subset"];
/// A mask or split that is not there.
const NONE: &[&str] = &["", "none", "null", "nan"];

/// The one table in a folder.
///
/// # Errors
/// There are several.
pub(super) fn of_folder(root: &Path, listing: &Listing) -> Result<Option<PathBuf>, DatasetError> {
    let is_table = |file: &&PathBuf| {
        read_text(file)
            .is_ok_and(|text| Columns::of(&mut reader(&text)).is_ok_and(|it| it.is_some()))
    };
    let mut tables = listing.tables.iter().filter(is_table);
    match (tables.next(), tables.next()) {
        (first, None) => Ok(first.cloned()),
        (Some(first), Some(_)) => {
            Err(DatasetError::SeveralTables { folder: root.to_owned(), example: first.clone() })
        }
        (None, Some(_)) => Ok(None),
    }
}

pub(super) fn open(file: &Path) -> Result<Dataset, DatasetError> {
    let no_table = || {
        let reason = "the first line names no columns path and label".to_owned();
        DatasetError::malformed(file, reason)
    };
    Table::read(file)?.ok_or_else(no_table)?.open()
}

/// The rows of a table, whatever separates its columns.
fn reader(text: &str) -> Reader<&[u8]> {
    let text = text.trim_start_matches('\u{feff}');
    let first = text.lines().next().unwrap_or_default();
    let mut others = [b';', b'\t'].into_iter();
    let delimiter = others.find(|&delimiter| first.contains(char::from(delimiter))).unwrap_or(b',');
    ReaderBuilder::new().delimiter(delimiter).trim(Trim::All).from_reader(text.as_bytes())
}

struct Table<'a> {
    file: &'a Path,
    /// Where its paths begin.
    root: &'a Path,
    columns: Columns,
    rows: Vec<StringRecord>,
}

struct Columns {
    path: usize,
    label: usize,
    mask: Option<usize>,
    split: Option<usize>,
}

impl<'a> Table<'a> {
    /// None if the first line does not name a path and a label.
    fn read(file: &'a Path) -> Result<Option<Self>, DatasetError> {
        let text = read_text(file)?;
        let mut reader = reader(&text);
        let malformed = |error: csv::Error| DatasetError::malformed(file, error.to_string());
        let Some(columns) = Columns::of(&mut reader).map_err(malformed)? else {
            return Ok(None);
        };
        let rows = reader.into_records().collect::<Result<_, _>>().map_err(malformed)?;
        let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
        Ok(Some(Self { file, root: folder.unwrap_or(Path::new(".")), columns, rows }))
    }

    fn open(&self) -> Result<Dataset, DatasetError> {
        let mut dataset = Dataset::empty(self.root, Layout::Table);
        let mut lines = BTreeMap::new();
        for row in &self.rows {
            let path = self.resolve(row, &row[self.columns.path])?;
            if let Some(before) = lines.insert(path.clone(), line(row)) {
                let reason = format!("this photo is in line {before}, too");
                return Err(self.error(row, &reason));
            }
            self.place(row, path, &mut dataset)?;
        }
        let (photos, left_out) = images_below(self.root, Wanted::All)?;
        let masks: Vec<&PathBuf> =
            dataset.test.iter().flat_map(|image| image.ground_truth.masks()).collect();
        let unlisted = |photo: &&PathBuf| !lines.contains_key(*photo) && !masks.contains(photo);
        let unlisted = photos.iter().filter(unlisted).count();
        dataset.left_out = left_out;
        dataset.left_out.add_photos(self.root, unlisted, Reason::NoKind);
        if self.columns.split.is_none() {
            reserve(&mut dataset);
        }
        Ok(dataset)
    }

    fn place(
        &self,
        row: &StringRecord,
        path: PathBuf,
        dataset: &mut Dataset,
    ) -> Result<(), DatasetError> {
        let text = &row[self.columns.label];
        let anomalous = self.is_anomalous(row, text)?;
        let split = self.columns.split.map(|column| row.get(column).unwrap_or_default());
        let part = match split {
            None => None,
            Some(split) => Some(meaning::of(split).part.ok_or_else(|| {
                self.error(row, "the split is neither train nor validation nor test")
            })?),
        };
        match (part, anomalous) {
            (None | Some(Part::Train), false) => dataset.train.push(path),
            (Some(Part::Validation), false) => dataset.validation.push(path),
            (Some(Part::Train | Part::Validation), true) => {
                return Err(self.error(row, "a defect is in a split for good parts"));
            }
            (None | Some(Part::Test | Part::Unlabelled), anomalous) => {
                let (kind, truth) = if anomalous {
                    (if text.parse::<f64>().is_ok() { "defect" } else { text }, self.mask(row)?)
                } else {
                    (GOOD, GroundTruth::Good)
                };
                let image = TestImage::new(self.root, path, kind, truth);
                dataset.test.push(image);
            }
        }
        Ok(())
    }

    fn is_anomalous(&self, row: &StringRecord, label: &str) -> Result<bool, DatasetError> {
        match label {
            "" => Err(self.error(row, "there is no label")),
            "0" => Ok(false),
            "1" | "-1" => Ok(true),
            _ => Ok(meaning::of(label).label != Some(Label::Good)),
        }
    }

    fn mask(&self, row: &StringRecord) -> Result<GroundTruth, DatasetError> {
        let mask = self.columns.mask.and_then(|column| row.get(column)).unwrap_or_default();
        if NONE.contains(&mask.to_lowercase().as_str()) {
            return Ok(GroundTruth::Missing);
        }
        self.resolve(row, mask).map(GroundTruth::Mask)
    }

    /// A path of the table: below its folder, or whole but inside it.
    fn resolve(&self, row: &StringRecord, path: &str) -> Result<PathBuf, DatasetError> {
        let path = path.replace('\\', "/");
        let path = Path::new(&path);
        let inside = path.strip_prefix(self.root).unwrap_or(path);
        let inside = inside.strip_prefix(".").unwrap_or(inside);
        if !inside.components().all(|part| matches!(part, Component::Normal(_))) {
            let reason = format!(
                "{} does not lie below the table's folder; put the table into a folder that holds \
                 all photos",
                path.display()
            );
            return Err(self.error(row, &reason));
        }
        let resolved = self.root.join(inside);
        if resolved.is_file() {
            Ok(resolved)
        } else {
            Err(self.error(row, &format!("{} does not exist", resolved.display())))
        }
    }

    fn error(&self, row: &StringRecord, reason: &str) -> DatasetError {
        DatasetError::malformed(self.file, format!("line {}: {reason}", line(row)))
    }
}

impl Columns {
    /// None if the first line does not name a path and a label.
    fn of(reader: &mut Reader<&[u8]>) -> Result<Option<Self>, csv::Error> {
        let header = reader.headers()?;
        let column = |names: &[&str]| {
            header.iter().position(|name| names.contains(&name.to_lowercase().as_str()))
        };
        let (Some(path), Some(label)) = (column(PATH), column(LABEL)) else { return Ok(None) };
        Ok(Some(Self { path, label, mask: column(MASK), split: column(SPLIT) }))
    }
}

fn line(row: &StringRecord) -> u64 {
    row.position().map_or(0, csv::Position::line)
}
