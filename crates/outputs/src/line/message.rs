//! What the line of a record says.

use serde::{Deserialize, Serialize};

use crate::error::OutputError;
use crate::record::Record;

/// Longest text, in bytes.
const MAX_TEXT: usize = 4_096;

/// What the line of a record says.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct MessageConfig {
    /// The text, with names of a record's fields in braces, such as `{verdict};{score}`; `{{` and `}}`
    /// are braces. True is 1, false is 0, what is null is nothing, and control characters in names and
    /// reasons are spaces. Without, a line is the record as JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// How a line ends: `lf` (the default), `crlf` or `cr`.
    #[serde(default)]
    pub end: LineEnd,
}

/// How a line ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum LineEnd {
    /// With a line feed.
    #[default]
    Lf,
    /// With a carriage return and a line feed.
    CrLf,
    /// With a carriage return.
    Cr,
}

/// Makes lines of records.
#[derive(Debug)]
pub(super) struct Message {
    /// `None` for JSON.
    parts: Option<Vec<Part>>,
    end: &'static str,
}

#[derive(Debug)]
enum Part {
    Text(String),
    /// Place in [`Record::FIELDS`].
    Field(usize),
}

impl MessageConfig {
    pub(super) fn message(&self) -> Result<Message, OutputError> {
        let end = match self.end {
            LineEnd::Lf => "\n",
            LineEnd::CrLf => "\r\n",
            LineEnd::Cr => "\r",
        };
        let parts = self.text.as_deref().map(parse).transpose();
        let parts = parts.map_err(|reason| OutputError::field("message.text", reason))?;
        Ok(Message { parts, end })
    }
}

fn parse(text: &str) -> Result<Vec<Part>, String> {
    if text.len() > MAX_TEXT {
        return Err(format!("is longer than {MAX_TEXT} bytes"));
    }
    if text.contains(['\n', '\r']) {
        return Err("has a line break; how a line ends is the field `message.end`".to_owned());
    }
    let mut parts = Vec::new();
    let mut literal = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(['{', '}']) {
        literal += &rest[..at];
        let brace = &rest[at..=at];
        rest = &rest[at + 1..];
        if let Some(behind) = rest.strip_prefix(brace) {
            literal += brace;
            rest = behind;
        } else if brace == "}" {
            return Err("has a `}` too many; write `}}` for a brace".to_owned());
        } else {
            let (name, behind) =
                rest.split_once('}').ok_or("has a `{` without its `}`; write `{{` for a brace")?;
            parts.push(Part::Text(std::mem::take(&mut literal)));
            parts.push(Part::Field(field(name)?));
            rest = behind;
        }
    }
    parts.push(Part::Text(literal + rest));
    Ok(parts)
}

fn field(name: &str) -> Result<usize, String> {
    let place = Record::FIELDS.iter().position(|&field| field == name);
    place.ok_or_else(|| {
        format!("`{{{name}}}` is no field of a record; there are {}", Record::FIELDS.join(", "))
    })
}

impl Message {
    pub(super) fn bytes(&self, record: &Record) -> Vec<u8> {
        let mut line = match &self.parts {
            // A record is always JSON: it has only text, numbers and flags.
            None => serde_json::to_string(record).unwrap_or_default(),
            Some(parts) => {
                let cells = record.cells();
                parts.iter().map(|part| part.text(&cells)).collect()
            }
        };
        line += self.end;
        line.into_bytes()
    }
}

impl Part {
    fn text(&self, cells: &[String]) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Field(place) => cells[*place].replace(|c: char| c.is_control(), " "),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::record::example;

    fn line(text: &str, end: LineEnd) -> Result<String, String> {
        let config = MessageConfig { text: Some(text.to_owned()), end };
        let message = config.message().map_err(|error| error.to_string())?;
        Ok(String::from_utf8(message.bytes(&example())).unwrap())
    }

    #[test]
    fn a_text_has_its_fields_filled_in() {
        let text = "<{line}> {{{reject}}} {verdict};{score};{model};{late}";
        assert_eq!(line(text, LineEnd::CrLf).unwrap(), "<lids> {1} anomalous;0.1;;0\r\n");
        assert_eq!(line("", LineEnd::Cr).unwrap(), "\r");
        let mut record = example();
        record.photo = Some("a\nb\u{1b}.png".to_owned());
        let config = MessageConfig { text: Some("{photo}".to_owned()), ..Default::default() };
        assert_eq!(config.message().unwrap().bytes(&record), b"a b .png\n");
        let json = MessageConfig::default().message().unwrap().bytes(&record);
        assert_eq!(json.iter().filter(|byte| byte.is_ascii_control()).count(), 1);
        assert_eq!(serde_json::from_slice::<Record>(&json).unwrap(), record);
    }

    #[test]
    fn what_is_no_text_is_refused_with_the_reason() {
        for (text, reason) in [
            ("{colour}", "`{colour}` is no field of a record; there are id, sequence"),
            ("{id", "has a `{` without its `}`"),
            ("id}", "has a `}` too many"),
            ("a\nb", "how a line ends is the field `message.end`"),
            (&"x".repeat(5_000), "is longer than 4096 bytes"),
        ] {
            let error = line(text, LineEnd::Lf).unwrap_err();
            assert!(error.starts_with("message.text: ") && error.contains(reason), "{error}");
        }
    }
}
