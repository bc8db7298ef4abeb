//! Entries as CSV and as JSON Lines.

use std::borrow::Cow;
use std::io::{self, Write};

use crate::entry::Recorded;

/// How entries are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A table with a line of names (RFC 4180, UTF-8). Of the regions it has the number, and the box
    /// of the one with the highest peak. Texts that a spreadsheet would compute, or that begin with
    /// `'`, begin with a further `'`.
    Csv,
    /// An object a line, with all regions: fields as `efficientad predict --json` has them, and more.
    JsonLines,
}

const CSV_HEADER: [&str; 20] = [
    "id",
    "time",
    "model",
    "model_sha256",
    "path",
    "score",
    "anomalous",
    "p_value",
    "threshold",
    "regions",
    "x",
    "y",
    "width",
    "height",
    "engine",
    "client",
    "elapsed_ms",
    "photo_sha256",
    "photo_kept",
    "mark",
];

/// Writes entries one after the other.
pub(crate) enum Exporter<W: Write> {
    Csv(Box<csv::Writer<W>>),
    JsonLines(W),
}

impl<W: Write> Exporter<W> {
    pub(crate) fn new(format: Format, out: W) -> io::Result<Self> {
        Ok(match format {
            Format::Csv => {
                let mut table = csv::Writer::from_writer(out);
                table.write_record(CSV_HEADER)?;
                Self::Csv(Box::new(table))
            }
            Format::JsonLines => Self::JsonLines(out),
        })
    }

    pub(crate) fn write(&mut self, entry: &Recorded) -> io::Result<()> {
        match self {
            Self::Csv(table) => Ok(table.write_record(csv_line(entry).iter().map(AsRef::as_ref))?),
            Self::JsonLines(out) => {
                serde_json::to_writer(&mut *out, entry)?;
                out.write_all(b"\n")
            }
        }
    }

    pub(crate) fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Csv(table) => table.flush(),
            Self::JsonLines(out) => out.flush(),
        }
    }
}

fn csv_line(recorded: &Recorded) -> [Cow<'_, str>; CSV_HEADER.len()] {
    let Recorded { id, entry, photo_sha256, photo_kept, mark } = recorded;
    let verdict = &entry.verdict;
    let worst = verdict.regions.as_ref().and_then(|regions| regions.first());
    let bounds = worst.map(|region| region.bounds);
    [
        text(id),
        text(entry.time),
        safe(&entry.model),
        text(entry.model_sha256),
        safe(&entry.path),
        text(verdict.score),
        maybe(verdict.anomalous),
        maybe(verdict.p_value),
        maybe(entry.threshold),
        maybe(verdict.region_count),
        maybe(bounds.map(|bounds| bounds.x)),
        maybe(bounds.map(|bounds| bounds.y)),
        maybe(bounds.map(|bounds| bounds.width)),
        maybe(bounds.map(|bounds| bounds.height)),
        safe(&entry.engine.to_string()).into_owned().into(),
        safe(&entry.client),
        text(entry.elapsed_ms),
        text(photo_sha256),
        text(photo_kept),
        maybe(mark.map(crate::Mark::name)),
    ]
}

fn text(value: impl ToString) -> Cow<'static, str> {
    value.to_string().into()
}

fn maybe(value: Option<impl ToString>) -> Cow<'static, str> {
    value.map_or_else(|| "".into(), text)
}

/// A text that no spreadsheet takes for a formula. Whoever reads the table takes a leading `'` away.
fn safe(text: &str) -> Cow<'_, str> {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '\'', '＝', '＋', '－', '＠']) {
        format!("'{text}").into()
    } else {
        text.into()
    }
}
