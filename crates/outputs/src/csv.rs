//! A table: a row for each record, appended to a CSV file.

use std::collections::{HashSet, VecDeque};
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use efficientad_files::{check_regular, lock_alone, open_regular, sync_folder_of};
use serde::{Deserialize, Serialize};

use crate::error::OutputError;
use crate::outlet::{Failure, Outlet};
use crate::record::{Events, Record};
use crate::state::LineState;

/// How many rows at the end of a table are held against what is to be written, so that none is
/// written twice. What was written and not noted as delivered is less: [`Outlet::window`] and the
/// records between two notes.
const KNOWN_ROWS: usize = 4_096;
/// Longest row that is read, in bytes.
const MAX_ROW: u64 = 1 << 20;

/// A table as a CSV file (RFC 4180) with a header, that rows are appended to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct CsvConfig {
    /// The file. One that holds anything else is left as it is, and refused.
    pub path: PathBuf,
    /// Which records go out: `verdicts` (the default) or `all`.
    #[serde(default)]
    pub events: Events,
}

impl CsvConfig {
    pub(crate) fn check(&self) -> Result<(), OutputError> {
        let failed =
            |source| OutputError::File { path: self.path.clone(), action: "written", source };
        check_regular(&self.path).map_err(failed)?;
        match recognise(&self.path) {
            Ok(Found::Another) => Err(OutputError::NotATable(self.path.clone())),
            Ok(Found::Table | Found::Nothing) => Ok(()),
            Err(source) => {
                Err(OutputError::File { path: self.path.clone(), action: "read", source })
            }
        }
    }
}

/// What lies at a path.
enum Found {
    Table,
    /// No file, an empty one, or what a power cut left of a header.
    Nothing,
    Another,
}

fn header() -> String {
    Record::FIELDS.join(",") + "\n"
}

fn recognise(path: &Path) -> io::Result<Found> {
    let file = match open_regular(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Found::Nothing),
        file => file?,
    };
    let mut first = Vec::new();
    BufReader::new(file).take(MAX_ROW).read_until(b'\n', &mut first)?;
    let header = header();
    Ok(if first == header.as_bytes() {
        Found::Table
    } else if !first.ends_with(b"\n") && header.as_bytes().starts_with(&first) {
        Found::Nothing
    } else {
        Found::Another
    })
}

/// What tells rows of a table apart: line, number in the log, and time, for logs that are begun anew
/// count from 1 as well.
type RowKey = [String; 3];

fn key(cells: &[String; 18]) -> RowKey {
    // The names of these fields are in `Record::FIELDS`.
    [3, 1, 5].map(|field: usize| cells[field].clone())
}

/// A file that rows are appended to.
pub(crate) struct Table {
    path: PathBuf,
    open: Option<Open>,
    acknowledged: usize,
}

struct Open {
    file: File,
    /// Up to the end of the last whole row.
    length: u64,
    is_synced: bool,
    /// The last rows, so that none of them is written twice.
    known: HashSet<RowKey>,
    order: VecDeque<RowKey>,
}

impl Table {
    pub fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), open: None, acknowledged: 0 }
    }

    fn open(&self) -> io::Result<Open> {
        if matches!(recognise(&self.path)?, Found::Another) {
            return Err(io::Error::other("this file is not such a table; it is left as it is"));
        }
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&self.path)?;
        lock(&file)?;
        sync_folder_of(&self.path);
        let (length, order) = whole_rows(&file)?;
        file.set_len(length)?;
        file.seek(SeekFrom::End(0))?;
        let known = order.iter().cloned().collect();
        let mut open = Open { file, length, is_synced: false, known, order };
        if length == 0 {
            open.write(header().as_bytes())?;
        }
        Ok(open)
    }
}

/// Takes the file for this process alone. On Windows a locked file could not be read by others.
fn lock(file: &File) -> io::Result<()> {
    if cfg!(unix) && lock_alone(file).is_err() {
        return Err(io::Error::other("another process, or another output, writes this table"));
    }
    Ok(())
}

/// The length of the table up to its last whole row, and the keys of its last rows. A row ends at a
/// line break outside of quotes.
fn whole_rows(file: &File) -> io::Result<(u64, VecDeque<RowKey>)> {
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(WholeLines::new(file)?);
    let mut keys = VecDeque::new();
    let mut row = csv::StringRecord::new();
    while reader.read_record(&mut row)? {
        if row.len() != Record::FIELDS.len() {
            let line = row.position().map_or(0, csv::Position::line);
            return Err(io::Error::other(format!(
                "line {line} is not a row of such a table; it is left as it is: repair it, or name \
                 another file"
            )));
        }
        keys.push_back([3, 1, 5].map(|field: usize| row[field].to_owned()));
        if keys.len() > KNOWN_ROWS {
            keys.pop_front();
        }
    }
    Ok((reader.into_inner().whole, keys))
}

/// A file up to its last line break; no cell of this program's rows has one in it.
struct WholeLines<'a> {
    file: io::Take<&'a File>,
    whole: u64,
}

impl<'a> WholeLines<'a> {
    fn new(mut file: &'a File) -> io::Result<Self> {
        file.seek(SeekFrom::Start(0))?;
        let (mut whole, mut read) = (0, 0);
        let mut reader = BufReader::with_capacity(1 << 16, file);
        loop {
            let block = reader.fill_buf()?;
            if block.is_empty() {
                break;
            }
            if let Some(last) = block.iter().rposition(|&byte| byte == b'\n') {
                whole = read + last as u64 + 1;
            }
            let length = block.len();
            read += length as u64;
            reader.consume(length);
        }
        file.seek(SeekFrom::Start(0))?;
        Ok(Self { file: file.take(whole), whole })
    }
}

impl Read for WholeLines<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.file.read(buffer)
    }
}

impl Open {
    fn append(&mut self, record: &Record) -> io::Result<()> {
        let mut cells = record.cells();
        cells.iter_mut().for_each(|cell| *cell = cell.replace(|c: char| c.is_control(), " "));
        let key = key(&cells);
        if self.known.contains(&key) {
            return Ok(());
        }
        let mut writer = csv::Writer::from_writer(Vec::new());
        writer.write_record(&cells)?;
        let row = writer.into_inner().map_err(|error| io::Error::other(error.to_string()))?;
        self.write(&row)?;
        self.known.insert(key.clone());
        self.order.push_back(key);
        if self.order.len() > KNOWN_ROWS
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
        Ok(())
    }

    /// Appends in one write; what was written of a row that could not be written is taken back.
    fn write(&mut self, row: &[u8]) -> io::Result<()> {
        if let Err(error) = self.file.write_all(row) {
            let _ = self.file.set_len(self.length);
            return Err(error);
        }
        self.length += row.len() as u64;
        self.is_synced = false;
        Ok(())
    }
}

impl Outlet for Table {
    fn connect(&mut self) -> Result<bool, Failure> {
        // The lock of a file that could not be written ends before it is taken again.
        self.open = None;
        let opened = self.open();
        self.open = Some(opened.map_err(|error| self.failed(&error))?);
        Ok(true)
    }

    fn window(&self) -> usize {
        64
    }

    fn send(&mut self, record: &Record, _state: &LineState) -> Result<(), Failure> {
        let Some(open) = &mut self.open else { return Err(Failure::away("it is not open")) };
        let appended = open.append(record);
        appended.map_err(|error| self.failed(&error))?;
        self.acknowledged += 1;
        Ok(())
    }

    fn acknowledged(&mut self, _at_most: Duration) -> Result<usize, Failure> {
        Ok(std::mem::take(&mut self.acknowledged))
    }

    fn sync(&mut self) -> io::Result<()> {
        if let Some(open) = self.open.as_mut().filter(|open| !open.is_synced) {
            open.file.sync_data()?;
            open.is_synced = true;
        }
        Ok(())
    }
}

impl Table {
    fn failed(&mut self, error: &io::Error) -> Failure {
        self.acknowledged = 0;
        Failure::away(format!("{}: {error}", self.path.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use std::fs;

    use crate::record::example;

    fn append(path: &Path, sequences: std::ops::Range<u64>) {
        let mut table = Table::new(path);
        table.connect().unwrap();
        for sequence in sequences {
            let mut record = Record { sequence, ..example() };
            record.photo = Some("a, \"b\"\nc.png".to_owned());
            table.send(&record, &LineState::default()).unwrap();
        }
        table.sync().unwrap();
    }

    /// The numbers of the rows, as a reader of CSV sees them.
    fn rows(path: &Path) -> Vec<u64> {
        let mut reader = csv::Reader::from_path(path).unwrap();
        assert_eq!(reader.headers().unwrap().iter().collect::<Vec<_>>(), Record::FIELDS);
        let number = |row: Result<csv::StringRecord, _>| {
            let row = row.unwrap();
            assert_eq!(&row[7], "a, \"b\" c.png");
            row[1].parse().unwrap()
        };
        reader.records().map(number).collect()
    }

    #[test]
    fn rows_are_appended_wherever_the_last_one_was_torn_and_none_twice() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("table.csv");
        append(&path, 1..3);
        let whole = fs::read(&path).unwrap();
        let one = whole[..whole.len() - 1].iter().rposition(|&byte| byte == b'\n').unwrap() + 1;
        for length in (0..header().len()).chain(one..=whole.len()) {
            fs::write(&path, &whole[..length]).unwrap();
            append(&path, 1..5);
            assert_eq!(rows(&path), [1, 2, 3, 4], "torn at {length}");
        }
    }

    #[test]
    fn a_file_of_another_kind_is_left_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("table.csv");
        let config = CsvConfig { path: path.clone(), events: Events::All };
        let not_ours = format!("{}1,2\n", header());
        for content in ["path,score\n1.png,0.5\n", "\n", "id,sequence\n", "iddqd", &not_ours] {
            fs::write(&path, content).unwrap();
            let mut table = Table::new(&path);
            assert!(table.connect().is_err(), "{content}");
            let is_refused = matches!(config.check(), Err(OutputError::NotATable(_)));
            assert!(is_refused || content == not_ours, "{content}");
            assert_eq!(fs::read_to_string(&path).unwrap(), content);
        }
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        assert!(matches!(config.check(), Err(OutputError::File { .. })));
    }

    #[cfg(unix)]
    #[test]
    fn one_output_has_a_table() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("table.csv");
        let mut first = Table::new(&path);
        first.connect().unwrap();
        assert!(Table::new(&path).connect().is_err());
        first.connect().unwrap();
        drop(first);
        Table::new(&path).connect().unwrap();
    }
}
