//! VisA (Zou et al., ECCV 2022): one table tells which image is what.

use std::fs;
use std::path::{Component, Path, PathBuf};

use super::GOOD;
use crate::files::{name, read_text};
use crate::{Dataset, DatasetError, GroundTruth, Layout, TestImage};

/// Name of the columns the table must have.
const COLUMNS: [&str; 5] = ["object", "split", "label", "image", "mask"];

/// Whether the folder looks like one of VisA's categories.
pub(super) fn is_category(folder: &Path) -> bool {
    folder.join("Data/Images").is_dir()
}

pub(super) fn open(root: &Path) -> Result<Dataset, DatasetError> {
    let absolute = fs::canonicalize(root).map_err(DatasetError::io(root))?;
    let collection = absolute.parent().unwrap_or(&absolute).to_owned();
    let category = name(&absolute);
    let mut dataset = Dataset::empty(root, Layout::Visa);
    let table = Table::read(&collection.join("split_csv/1cls.csv"))?;
    for row in table.rows.iter().filter(|row| row.object == category) {
        table.place(row, &mut dataset)?;
    }
    if dataset.train.is_empty() {
        return Err(table.error(format!("no training images of object {category} are listed")));
    }
    Ok(dataset)
}

struct Table {
    path: PathBuf,
    rows: Vec<Row>,
}

struct Row {
    line: usize,
    object: String,
    split: String,
    label: String,
    image: String,
    mask: String,
}

impl Table {
    fn read(path: &Path) -> Result<Self, DatasetError> {
        if !path.is_file() {
            return Err(DatasetError::MissingSplitTable(path.to_owned()));
        }
        let text = read_text(path)?;
        let mut table = Self { path: path.to_owned(), rows: Vec::new() };
        let mut lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
        let header = lines.next().map_or("", |(_, line)| line);
        let columns = table.columns(header)?;
        for (index, line) in lines {
            let row = table.row(index + 1, line, columns)?;
            table.rows.push(row);
        }
        Ok(table)
    }

    fn columns(&self, header: &str) -> Result<[usize; 5], DatasetError> {
        let names: Vec<&str> = header.split(',').map(str::trim).collect();
        let mut found = [0; COLUMNS.len()];
        for (place, column) in found.iter_mut().zip(COLUMNS) {
            *place = names
                .iter()
                .position(|&name| name == column)
                .ok_or_else(|| self.error(format!("line 1 names no column {column}")))?;
        }
        Ok(found)
    }

    fn row(&self, line: usize, text: &str, columns: [usize; 5]) -> Result<Row, DatasetError> {
        let fields: Vec<&str> = text.split(',').map(str::trim).collect();
        let field = |column: usize| {
            let field = fields.get(columns[column]).map(|&field| field.to_owned());
            field.ok_or_else(|| self.error(format!("line {line} has no {}", COLUMNS[column])))
        };
        Ok(Row {
            line,
            object: field(0)?,
            split: field(1)?,
            label: field(2)?,
            image: field(3)?,
            mask: field(4)?,
        })
    }

    /// Sorts one row's image into the data set.
    fn place(&self, row: &Row, dataset: &mut Dataset) -> Result<(), DatasetError> {
        let anomalous = self.is_anomalous(row)?;
        let path = self.resolve(row, &row.image, &dataset.root)?;
        match (row.split.as_str(), anomalous) {
            ("train", false) => dataset.train.push(path),
            ("test", _) => dataset.test.push(self.test_image(row, path, &dataset.root)?),
            ("train", true) => {
                return Err(self.error_at(row, "an anomalous image is in the split train"));
            }
            _ => return Err(self.error_at(row, "the split is neither train nor test")),
        }
        Ok(())
    }

    fn is_anomalous(&self, row: &Row) -> Result<bool, DatasetError> {
        match row.label.as_str() {
            "normal" => Ok(false),
            "anomaly" => Ok(true),
            _ => Err(self.error_at(row, "the label is neither normal nor anomaly")),
        }
    }

    fn test_image(&self, row: &Row, path: PathBuf, root: &Path) -> Result<TestImage, DatasetError> {
        let anomalous = self.is_anomalous(row)?;
        let ground_truth = match (anomalous, row.mask.as_str()) {
            (false, _) => GroundTruth::Good,
            (true, "") => GroundTruth::Missing,
            (true, mask) => GroundTruth::Mask(self.resolve(row, mask, root)?),
        };
        let kind = if anomalous { &row.label } else { GOOD };
        Ok(TestImage::new(root, path, kind, ground_truth))
    }

    /// A path of the table, which starts with the category's name, as a path below `root`.
    fn resolve(&self, row: &Row, path: &str, root: &Path) -> Result<PathBuf, DatasetError> {
        let inside = Path::new(path)
            .strip_prefix(&row.object)
            .map_err(|_| self.error_at(row, &format!("{path} is not below {}", row.object)))?;
        if !inside.components().all(|part| matches!(part, Component::Normal(_))) {
            return Err(self.error_at(row, &format!("{path} leads out of {}", row.object)));
        }
        let resolved = root.join(inside);
        if resolved.is_file() {
            Ok(resolved)
        } else {
            Err(self.error_at(row, &format!("{} does not exist", resolved.display())))
        }
    }

    fn error_at(&self, row: &Row, reason: &str) -> DatasetError {
        self.error(format!("line {}: {reason}", row.line))
    }

    fn error(&self, reason: String) -> DatasetError {
        DatasetError::malformed(&self.path, reason)
    }
}
