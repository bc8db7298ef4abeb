//! `POST /api/models/NAME/inspect`: photos in, verdicts out.

use axum::http::header::ACCEPT;
use axum::http::{HeaderName, HeaderValue, StatusCode};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use efficientad_evaluation::VerdictRecord;
use serde::Serialize;
use serde_json::value::RawValue;
use tokio::task::spawn_blocking;

use super::parts;
use crate::answer::{Answer, JSON, error_document, file};
use crate::call::Call;
use crate::inspecting::{Content, Inspected, Map, MapForm, Order, Photo, Wanted};
use crate::pool::Outcome;
use crate::refusal::Refusal;

/// The verdict on a photo whose picture or map is the answer.
const VERDICT: HeaderName = HeaderName::from_static("x-verdict");
/// The version of the model that judged.
pub(crate) const MODEL_VERSION: HeaderName = HeaderName::from_static("x-model-version");
/// What a photo is called that has no name.
pub(super) const UNNAMED: &str = "photo";

/// A verdict as `efficientad predict --json` prints it, and what was asked for beside it.
#[derive(Serialize)]
struct Verdict {
    #[serde(flatten)]
    record: VerdictRecord,
    #[serde(skip_serializing_if = "Option::is_none")]
    overlay: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    map: Option<String>,
}

/// What came of the photos of a form, in order.
#[derive(Serialize)]
struct Verdicts {
    verdicts: Vec<Box<RawValue>>,
}

/// What is to be answered.
struct Question {
    wanted: Wanted,
    form: Form,
    name: String,
}

/// How the answer comes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Json,
    /// The overlay, as it is.
    Png,
    /// The map, as it is.
    Tiff,
}

/// Judges the photo that the body is, or the photos of a form.
pub(crate) async fn inspect(mut call: Call) -> Answer {
    let question = Question::of(&call)?;
    let model = call.model().await?;
    let body = call.read_body().await?;
    let boundary = parts::boundary(call.content_type());
    let is_form = boundary.is_some();
    let photos = match boundary {
        Some(boundary) => parts::photos(&call, body, boundary?).await?,
        None => vec![Photo { name: question.name.clone(), content: Content::File(body) }],
    };
    if question.form != Form::Json && photos.len() != 1 {
        return Err(Refusal::bad_request(
            "a picture or map alone can be the answer to one photo: send one, or leave out Accept and \
             ask by ?overlay=true or ?map=true",
        ));
    }
    let order = call.order(model, question.wanted);
    let version = HeaderValue::from_str(order.model.version());
    let outcomes = call.shared.pool.inspect(photos, &order).await?;
    let mut response = match question.form {
        Form::Json => spawn_blocking(move || documents(outcomes, is_form, &order))
            .await
            .unwrap_or_else(|error| Err(Refusal::internal(error.to_string())))?,
        form => picture(outcomes, form)?,
    };
    if let Ok(version) = version {
        response.headers_mut().insert(MODEL_VERSION, version);
    }
    Ok(response)
}

/// All verdicts of a form, or that on one photo.
fn documents(outcomes: Vec<Outcome>, is_form: bool, order: &Order) -> Answer {
    let room = order.room_for_answer(outcomes.iter().flatten())?;
    let text =
        if is_form { all(outcomes) } else { serde_json::to_vec(&Verdict::from(only(outcomes)?)) };
    let text = text.map_err(|error| Refusal::internal(error.to_string()))?;
    Ok(file(StatusCode::OK, JSON, room.hold(text)))
}

/// What came of the photos of a form, as JSON.
fn all(outcomes: Vec<Outcome>) -> serde_json::Result<Vec<u8>> {
    // A photo without a verdict stands in its place.
    let of = |outcome: Outcome| match outcome {
        Ok(inspected) => serde_json::value::to_raw_value(&Verdict::from(inspected)),
        Err(Refusal { code, message, .. }) => {
            serde_json::value::to_raw_value(&error_document(code, &message))
        }
    };
    let verdicts = outcomes.into_iter().map(of).collect::<Result<_, _>>()?;
    serde_json::to_vec(&Verdicts { verdicts })
}

/// The overlay or map alone, the verdict in a header.
fn picture(outcomes: Vec<Outcome>, form: Form) -> Answer {
    let Inspected { record, overlay, map, .. } = only(outcomes)?;
    let (kind, bytes) = match form {
        Form::Tiff => ("image/tiff", map.map(|map| map.bytes)),
        _ => ("image/png", overlay),
    };
    let bytes = bytes.ok_or_else(|| Refusal::internal("there is no picture"))?;
    let mut response = file(StatusCode::OK, kind, bytes);
    // Regions may be many, and a header is short.
    let record = VerdictRecord { verdict: record.verdict.without_regions(), ..record };
    let text = serde_json::to_string(&record).map_err(|it| Refusal::internal(it.to_string()))?;
    if let Ok(verdict) = HeaderValue::from_str(&ascii(&text)) {
        response.headers_mut().insert(VERDICT, verdict);
    }
    Ok(response)
}

/// What came of the one photo.
fn only(mut outcomes: Vec<Outcome>) -> Outcome {
    outcomes.pop().unwrap_or_else(|| Err(Refusal::internal("there is no verdict")))
}

/// JSON in the characters that a header may have.
fn ascii(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for unit in json.encode_utf16() {
        match u8::try_from(unit) {
            Ok(byte @ b' '..=b'~') => text.push(byte.into()),
            _ => text.push_str(&format!("\\u{unit:04x}")),
        }
    }
    text
}

impl From<Inspected> for Verdict {
    fn from(Inspected { record, overlay, map, .. }: Inspected) -> Self {
        let text = |bytes| BASE64.encode(bytes);
        let map = map.map(|Map { bytes, .. }| bytes);
        Self { record, overlay: overlay.map(text), map: map.map(text) }
    }
}

impl Question {
    fn of(call: &Call) -> Result<Self, Refusal> {
        let form = Form::accepted(call.header(&ACCEPT))?;
        let mut question = Self { wanted: Wanted::default(), form, name: UNNAMED.to_owned() };
        for (field, value) in call.query() {
            match field.as_str() {
                "name" => question.name = value,
                "overlay" => question.wanted.overlay = flag(&field, &value)?,
                "map" => {
                    question.wanted.map = flag(&field, &value)?.then_some(MapForm::Tiff);
                }
                _ => {
                    return Err(Refusal::bad_request(format!(
                        "{field:?}: there is no such field of the query; name, overlay and map are"
                    )));
                }
            }
        }
        match form {
            Form::Json => {}
            Form::Png => question.wanted = Wanted { overlay: true, map: None },
            Form::Tiff => question.wanted = Wanted { overlay: false, map: Some(MapForm::Tiff) },
        }
        Ok(question)
    }
}

impl Form {
    /// The first form of a list of types that there is.
    fn accepted(accept: Option<&str>) -> Result<Self, Refusal> {
        let Some(accept) = accept else { return Ok(Self::Json) };
        let types = accept.split(',').map(|kind| kind.split(';').next().unwrap_or("").trim());
        let mut forms = types.filter_map(|kind| match kind.to_ascii_lowercase().as_str() {
            "image/png" => Some(Self::Png),
            "image/tiff" => Some(Self::Tiff),
            "application/json" | "application/*" | "*/*" | "" => Some(Self::Json),
            _ => None,
        });
        forms.next().ok_or_else(|| {
            Refusal::new(
                StatusCode::NOT_ACCEPTABLE,
                "not_acceptable",
                format!(
                    "{accept:?}: the answer can be application/json, image/png (the overlay) or \
                     image/tiff (the map): name one of them in Accept, or leave it out"
                ),
            )
        })
    }
}

fn flag(field: &str, value: &str) -> Result<bool, Refusal> {
    match value {
        "true" | "1" | "" => Ok(true),
        "false" | "0" => Ok(false),
        _ => Err(Refusal::bad_request(format!("{field}={value:?}: write true or false"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_in_a_header_is_the_same_json() {
        let value = serde_json::json!({ "path": "größe 𝄞\n\u{7f}.png" });
        let text = ascii(&value.to_string());
        assert!(text.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{text}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), value);
    }

    #[test]
    fn the_first_type_that_there_is_is_taken() {
        let of = |accept| Form::accepted(accept).map_err(|refusal| refusal.status.as_u16());
        assert!(of(None) == Ok(Form::Json) && of(Some("*/*")) == Ok(Form::Json));
        assert!(of(Some("text/html, image/PNG;q=0.5, */*")) == Ok(Form::Png));
        assert!(of(Some("image/tiff")) == Ok(Form::Tiff));
        assert!(of(Some("text/html")) == Err(406));
    }
}
