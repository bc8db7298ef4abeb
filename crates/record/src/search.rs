//! Queries.

use jiff::Timestamp;
use rusqlite::Connection;
use rusqlite::types::Value;

use crate::entry::{Mark, Recorded};
use crate::rows::{SELECT_ENTRIES, recorded};

/// Which entries are wanted: those for which all that is given holds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Query {
    /// The model's name.
    pub model: Option<String>,
    /// Who asked.
    pub client: Option<String>,
    /// Judged at this time or later, in whole milliseconds.
    pub from: Option<Timestamp>,
    /// Judged before this time.
    pub to: Option<Timestamp>,
    /// Whether the photo was anomalous. What was judged without threshold is neither.
    pub anomalous: Option<bool>,
    /// A score of this or more.
    pub min_score: Option<f32>,
    /// A score of this or less.
    pub max_score: Option<f32>,
    /// A part of the photo's path. Letters of English are the same in both cases.
    pub text: Option<String>,
    /// The last mark of it.
    pub mark: Option<Mark>,
    /// Whether it has a mark at all.
    pub marked: Option<bool>,
}

/// A part of the entries, in order of their numbers.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Part {
    /// Those with lower numbers, the highest first.
    Before(i64),
    /// Those with higher numbers, up to and with the second, the lowest first.
    Between(i64, i64),
}

/// For SQLite to go through entries in the order of their numbers: by its index of times it would sort
/// all of a long time to return a page.
const BY_NUMBER: [&str; 2] = ["+time_ms >= ?", "+time_ms < ?"];
const BY_TIME: [&str; 2] = ["time_ms >= ?", "time_ms < ?"];

impl Query {
    /// The entries of a part.
    pub(crate) fn entries(
        &self,
        connection: &Connection,
        part: Part,
        limit: usize,
    ) -> rusqlite::Result<Vec<Recorded>> {
        let mut filter = self.filter(BY_NUMBER);
        let order = match part {
            Part::Before(id) => {
                filter.add("id < ?", Value::from(id));
                "DESC"
            }
            Part::Between(after, last) => {
                filter.add("id > ?", Value::from(after));
                filter.add("id <= ?", Value::from(last));
                "ASC"
            }
        };
        let sql = format!("{SELECT_ENTRIES}{} ORDER BY id {order} LIMIT {limit}", filter.sql());
        let mut statement = connection.prepare(&sql)?;
        statement.query_map(rusqlite::params_from_iter(filter.values), recorded)?.collect()
    }

    /// How many entries there are.
    pub(crate) fn count(&self, connection: &Connection) -> rusqlite::Result<u64> {
        let filter = self.filter(BY_TIME);
        let sql = format!("SELECT count(*) FROM entries{}", filter.sql());
        let values = rusqlite::params_from_iter(filter.values);
        connection.query_row(&sql, values, |row| row.get(0))
    }

    fn filter(&self, [since, until]: [&'static str; 2]) -> Filter {
        let Self { model, client, from, to, anomalous, min_score, max_score, .. } = self;
        let Self { text, mark, marked, .. } = self;
        let mut filter = Filter::default();
        let number = |score: f32| Value::from(f64::from(score));
        let time = |time: Timestamp| Value::from(time.as_millisecond());
        filter.maybe("model = ?", model.clone().map(Value::from));
        filter.maybe("client = ?", client.clone().map(Value::from));
        filter.maybe(since, from.map(time));
        filter.maybe(until, to.map(time));
        // Written out, for SQLite to know that its index of rejects serves.
        filter.maybe("anomalous = 1 AND ?", anomalous.filter(|is| *is).map(Value::from));
        filter.maybe("anomalous = ?", anomalous.filter(|is| !*is).map(Value::from));
        filter.maybe("score >= ?", min_score.map(number));
        filter.maybe("score <= ?", max_score.map(number));
        let pattern = text.as_deref().map(|text| Value::from(format!("%{}%", escaped(text))));
        filter.maybe("path LIKE ? ESCAPE '\\'", pattern);
        filter.maybe(
            "id IN (SELECT entry FROM marks WHERE mark = ? AND NOT EXISTS \
             (SELECT 1 FROM marks later WHERE later.entry = marks.entry AND later.id > marks.id))",
            mark.map(|mark| Value::from(mark.name().to_owned())),
        );
        let is_marked = "EXISTS (SELECT 1 FROM marks WHERE entry = entries.id) = ?";
        filter.maybe(is_marked, marked.map(Value::from));
        filter
    }
}

/// The number of the last entry; 0 if there is none.
pub(crate) fn last_id(connection: &Connection) -> rusqlite::Result<i64> {
    connection.query_row("SELECT coalesce(max(id), 0) FROM entries", [], |row| row.get(0))
}

/// Conditions, each with its value.
#[derive(Default)]
struct Filter {
    conditions: Vec<&'static str>,
    values: Vec<Value>,
}

impl Filter {
    fn add(&mut self, condition: &'static str, value: Value) {
        self.conditions.push(condition);
        self.values.push(value);
    }

    fn maybe(&mut self, condition: &'static str, value: Option<Value>) {
        if let Some(value) = value {
            self.add(condition, value);
        }
    }

    fn sql(&self) -> String {
        match self.conditions[..] {
            [] => String::new(),
            _ => format!(" WHERE {}", self.conditions.join(" AND ")),
        }
    }
}

/// A text that stands for nothing but itself in a pattern.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        if matches!(character, '%' | '_' | '\\') {
            escaped.push('\\');
        }
        escaped.push(character);
    }
    escaped
}
