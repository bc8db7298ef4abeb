//! The record of verdicts, as it can be searched, exported and marked.

use std::fmt::Display;
use std::io::{self, Write};
use std::str::FromStr;
use std::sync::Arc;

use axum::body::Body;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::http::{HeaderValue, Response, StatusCode};
use bytes::Bytes;
use efficientad_images::decode;
use efficientad_record::{Format, MAX_PAGE, Mark, Query, RecordError, Recorded};
use futures_util::stream::unfold;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc::{Sender, channel};
use tokio::task::spawn_blocking;

use crate::answer::{self, Answer, file};
use crate::call::Call;
use crate::desk::{Because, Shop, blocking};
use crate::parts::picture;
use crate::refusal::Refusal;

/// Entries of an answer, if no number is asked for.
const PAGE: usize = 100;
/// Bytes of an export that are sent at a time, and how many such pieces wait for a slow client.
const PIECE: usize = 1 << 16;
const PIECES: usize = 4;

/// What was found, with numbers as `predict` prints them.
#[derive(Serialize)]
struct Found {
    entries: Vec<Recorded>,
}

/// Entries, the last ones first.
pub(crate) async fn search(call: Call) -> Answer {
    let query = query(&call)?;
    let (before, limit) = (parsed(&call, "before")?, parsed(&call, "limit")?);
    let limit = limit.unwrap_or(PAGE).min(MAX_PAGE);
    let shop = call.desk()?.shop();
    let found =
        blocking(move || shop.record.search(&query, before, limit).map_err(refused)).await?;
    answer::json(&Found { entries: found })
}

/// All entries, the first ones first, as CSV or JSON Lines.
pub(crate) async fn export(call: Call) -> Answer {
    let (format, kind, name) = match call.field("format").as_deref() {
        None | Some("csv") => {
            (Format::Csv, "text/csv; charset=utf-8", "attachment; filename=\"record.csv\"")
        }
        Some("jsonl") => {
            (Format::JsonLines, "application/jsonl", "attachment; filename=\"record.jsonl\"")
        }
        Some(other) => {
            let message = format!("format={other:?}: there are csv and jsonl");
            return Err(Refusal::bad_request(message));
        }
    };
    let (query, shop) = (query(&call)?, call.desk()?.shop());
    let (sender, receiver) = channel(PIECES);
    spawn_blocking(move || write(&shop, &query, format, sender));
    let stream =
        unfold(receiver, |mut receiver| async move { Some((receiver.recv().await?, receiver)) });
    let mut response = Response::new(Body::from_stream(stream));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(CONTENT_DISPOSITION, HeaderValue::from_static(name));
    Ok(response)
}

/// Writes an export to where it is sent from. One that fails is broken off, so that nobody takes it for whole.
fn write(shop: &Arc<Shop>, query: &Query, format: Format, sender: Sender<io::Result<Bytes>>) {
    let mut pieces = Pieces { sender, bytes: Vec::new() };
    let written = shop.record.export(query, format, &mut pieces);
    if let Err(error) = written.map_err(io::Error::other).and_then(|_| pieces.flush()) {
        tracing::warn!("an export of the record ended early: {error}");
        let _ = pieces.sender.blocking_send(Err(error));
    }
}

/// What is written, in pieces on their way to a client.
struct Pieces {
    sender: Sender<io::Result<Bytes>>,
    bytes: Vec<u8>,
}

impl Pieces {
    fn send(&mut self) -> io::Result<()> {
        let piece = std::mem::take(&mut self.bytes);
        self.sender.blocking_send(Ok(piece.into())).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes.extend_from_slice(bytes);
        if self.bytes.len() >= PIECE {
            self.send()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.bytes.is_empty() { Ok(()) } else { self.send() }
    }
}

/// The photo of an entry, if it was kept: the file as it was sent, or a small picture of it.
pub(crate) async fn photo(call: Call) -> Answer {
    let (id, side) = (entry(&call)?, picture::side(&call)?);
    let desk = call.desk()?;
    let _decoding = if side.is_some() { desk.decoding().await } else { None };
    let shop = desk.shop();
    blocking(move || {
        let entry = shop.record.get(id).map_err(refused)?;
        let photo = shop.record.photo(entry.photo_sha256).map_err(refused)?.ok_or_else(|| {
            let message = format!("the photo of entry {id} was not kept, or is not any more");
            Refusal::new(StatusCode::NOT_FOUND, "no_such_photo", message)
        })?;
        let Some(side) = side else {
            return Ok(file(StatusCode::OK, "application/octet-stream", photo.into()));
        };
        let decoded = decode(&photo, &entry.entry.path, &shop.decode());
        Ok(file(StatusCode::OK, "image/jpeg", picture::shrunk(decoded, side)?.into()))
    })
    .await
}

/// What a person says of an entry.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Said {
    mark: Mark,
    who: Option<String>,
}

/// Marks an entry.
pub(crate) async fn mark(mut call: Call) -> Answer {
    let id = entry(&call)?;
    let Said { mark, who } = call.read_json().await?;
    let who = Because::who(&call.caller, who.as_deref())?;
    let shop = call.desk()?.shop();
    let marked = blocking(move || {
        shop.record.mark(id, mark, &who).map_err(refused)?;
        shop.record.get(id).map_err(refused)
    });
    answer::json(&marked.await?)
}

fn entry(call: &Call) -> Result<i64, Refusal> {
    let text = call.parameter("entry");
    text.parse().map_err(|_| {
        let message = format!("{text:?}: there is no such entry; entries have numbers");
        Refusal::new(StatusCode::NOT_FOUND, "no_such_entry", message)
    })
}

fn query(call: &Call) -> Result<Query, Refusal> {
    let score = |name| -> Result<Option<f32>, Refusal> {
        let score: Option<f32> = parsed(call, name)?;
        match score.filter(|score| !score.is_finite()) {
            Some(_) => Err(Refusal::bad_request(format!("{name}: write a number"))),
            None => Ok(score),
        }
    };
    let mark = match call.field("mark").as_deref() {
        None => None,
        Some("good") => Some(Mark::Good),
        Some("defect") => Some(Mark::Defect),
        Some(other) => {
            return Err(Refusal::bad_request(format!("mark={other:?}: there are good and defect")));
        }
    };
    Ok(Query {
        model: call.field("model"),
        client: call.field("client"),
        from: parsed(call, "from")?,
        to: parsed(call, "to")?,
        anomalous: parsed(call, "anomalous")?,
        min_score: score("min_score")?,
        max_score: score("max_score")?,
        text: call.field("text"),
        mark,
        marked: parsed(call, "marked")?,
    })
}

/// A field of the query.
fn parsed<T: FromStr<Err: Display>>(call: &Call, name: &str) -> Result<Option<T>, Refusal> {
    let parse = |text: String| {
        text.parse().map_err(|error| Refusal::bad_request(format!("{name}={text:?}: {error}")))
    };
    call.field(name).map(parse).transpose()
}

/// Why the record does not do what is asked.
pub(crate) fn refused(error: RecordError) -> Refusal {
    let message = error.to_string();
    match error {
        RecordError::NoSuchEntry(_) => {
            Refusal::new(StatusCode::NOT_FOUND, "no_such_entry", message)
        }
        RecordError::Invalid { .. } => Refusal::bad_request(message),
        _ => Refusal::new(StatusCode::INSUFFICIENT_STORAGE, "not_recorded", message),
    }
}
