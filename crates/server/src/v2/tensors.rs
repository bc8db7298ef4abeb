//! Requests of the protocol: JSON, with tensors in it or as bytes behind it.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::inspecting::{Content, Photo};
use crate::refusal::Refusal;

/// The input of photos as files.
pub(super) const IMAGE: &str = "image";
/// The input of photos as pixels.
pub(super) const PIXELS: &str = "pixels";
/// Bytes of an RGB pixel.
const RGB: usize = 3;

/// A request, as it is written.
#[derive(Deserialize)]
pub(super) struct Request<'a> {
    pub id: Option<String>,
    #[serde(default)]
    pub parameters: Parameters,
    #[serde(borrow)]
    pub inputs: Vec<Input<'a>>,
    #[serde(default)]
    pub outputs: Vec<Output>,
}

#[derive(Deserialize)]
pub(super) struct Input<'a> {
    name: String,
    shape: Vec<i64>,
    datatype: String,
    #[serde(default)]
    parameters: InputParameters,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
}

#[derive(Default, Deserialize)]
struct InputParameters {
    binary_data_size: Option<u64>,
}

#[derive(Default, Deserialize)]
pub(super) struct Parameters {
    /// Whether outputs come as bytes that say nothing about it.
    #[serde(default)]
    pub binary_data_output: bool,
}

#[derive(Deserialize)]
pub(super) struct Output {
    pub name: String,
    #[serde(default)]
    pub parameters: OutputParameters,
}

#[derive(Default, Deserialize)]
pub(super) struct OutputParameters {
    pub binary_data: Option<bool>,
    /// Asks for something else than the output.
    pub classification: Option<IgnoredAny>,
}

/// A tensor of an answer.
#[derive(Serialize)]
pub(super) struct TensorHead {
    pub name: &'static str,
    pub datatype: &'static str,
    pub shape: Vec<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parameters: Option<BinarySize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<Box<RawValue>>,
}

#[derive(Serialize)]
pub(super) struct BinarySize {
    pub binary_data_size: usize,
}

/// The JSON of a body, and the bytes behind it; `head` is what the client says of the JSON's length.
pub(super) fn split(body: &Bytes, head: Option<&str>) -> Result<(Bytes, Bytes), Refusal> {
    let Some(head) = head else { return Ok((body.clone(), Bytes::new())) };
    let length = head.trim().parse().ok().filter(|&length: &usize| length <= body.len());
    let length = length.ok_or_else(|| {
        Refusal::bad_request(format!(
            "Inference-Header-Content-Length is {head:?}, but the body has {} bytes: it is the number of \
             bytes of the JSON that the body begins with",
            body.len()
        ))
    })?;
    Ok((body.slice(..length), body.slice(length..)))
}

impl<'a> Request<'a> {
    pub(super) fn parse(json: &'a [u8]) -> Result<Self, Refusal> {
        serde_json::from_slice(json).map_err(|error| {
            Refusal::bad_request(format!("the request is not as the protocol has it: {error}"))
        })
    }

    /// The photos of the request; `most` of them at most.
    pub(super) fn photos(&self, binary: &Bytes, most: usize) -> Result<Vec<Photo>, Refusal> {
        let [input] = &self.inputs[..] else {
            return Err(Refusal::bad_request(format!(
                "there are {} inputs: give one, {IMAGE:?} (BYTES, photos as files) or {PIXELS:?} (UINT8, \
                 N × height × width × 3)",
                self.inputs.len()
            )));
        };
        let binary = match (input.parameters.binary_data_size, input.data) {
            (Some(size), None) if size == binary.len() as u64 => Some(binary),
            (Some(size), None) => {
                return Err(input.wrong(format!(
                    "its binary_data_size is {size}, but there are {} bytes behind the JSON",
                    binary.len()
                )));
            }
            (None, Some(_)) if binary.is_empty() => None,
            (None, Some(_)) => {
                return Err(
                    input.wrong("there are bytes behind the JSON, which belong to no input")
                );
            }
            _ => {
                return Err(input.wrong(
                    "it needs either data, or the parameter binary_data_size and bytes behind the JSON",
                ));
            }
        };
        let photos = match (input.name.as_str(), input.datatype.as_str()) {
            (IMAGE, "BYTES") => input.files(binary, most)?,
            (PIXELS, "UINT8") => input.pixels(binary, most)?,
            (IMAGE, _) => return Err(input.wrong("its datatype is to be BYTES")),
            (PIXELS, _) => return Err(input.wrong("its datatype is to be UINT8")),
            _ => {
                return Err(input.wrong(format!(
                    "there is no such input; give {IMAGE:?} (BYTES) or {PIXELS:?} (UINT8)"
                )));
            }
        };
        let name = |index: usize, photo: Content| Photo {
            name: format!("{}[{index}]", input.name),
            content: photo,
        };
        Ok(photos.into_iter().enumerate().map(|(index, photo)| name(index, photo)).collect())
    }
}

impl Input<'_> {
    fn wrong(&self, reason: impl fmt::Display) -> Refusal {
        Refusal::bad_request(format!("input {:?}: {reason}", self.name))
    }

    /// The sides, none of which is 0.
    fn sides(&self) -> Result<Vec<usize>, Refusal> {
        let side = |&side: &i64| usize::try_from(side).ok().filter(|&side| side > 0);
        self.shape.iter().map(side).collect::<Option<_>>().ok_or_else(|| {
            self.wrong(format!("its shape is {:?}, but sides are 1 or more", self.shape))
        })
    }

    /// Photos as files: [N] or [N, 1].
    fn files(&self, binary: Option<&Bytes>, most: usize) -> Result<Vec<Content>, Refusal> {
        let count = match self.sides()?[..] {
            [count] | [count, 1] => self.check_count(count, most)?,
            _ => {
                return Err(self.wrong(format!(
                    "its shape is {:?}, but is to be [N] for N photos",
                    self.shape
                )));
            }
        };
        let files = match binary {
            Some(binary) => self.elements(binary, count)?,
            None => self.base64(count)?,
        };
        if files.len() == count {
            return Ok(files.into_iter().map(Content::File).collect());
        }
        Err(self
            .wrong(format!("its shape is that of {count} photos, but there are {}", files.len())))
    }

    /// Elements of BYTES: each has its length, in four bytes, before it.
    fn elements(&self, binary: &Bytes, count: usize) -> Result<Vec<Bytes>, Refusal> {
        let mut rest = binary.clone();
        let mut elements = Vec::new();
        while !rest.is_empty() {
            let length = rest.first_chunk::<4>().map(|&length| u32::from_le_bytes(length) as usize);
            let end =
                length.and_then(|length| length.checked_add(4)).filter(|&end| end <= rest.len());
            let (Some(end), true) = (end, elements.len() < count) else {
                return Err(self.wrong(
                    "its bytes are not as its shape says: of each photo the length, as 4 bytes, \
                     little-endian, and the bytes of its file",
                ));
            };
            elements.push(rest.slice(4..end));
            rest = rest.slice(end..);
        }
        Ok(elements)
    }

    /// Elements in JSON: the files in Base64.
    fn base64(&self, count: usize) -> Result<Vec<Bytes>, Refusal> {
        let texts: Vec<std::borrow::Cow<'_, str>> =
            self.parsed("strings, each a file in Base64")?;
        if texts.len() != count {
            return Err(self.wrong(format!(
                "its shape is that of {count} photos, but there are {}",
                texts.len()
            )));
        }
        let decoded = texts.iter().map(|text| BASE64.decode(text.as_bytes()).map(Bytes::from));
        decoded.collect::<Result<_, _>>().map_err(|error| {
            self.wrong(format!(
                "its data are no Base64 ({error}): send files as Base64, or as bytes behind the JSON"
            ))
        })
    }

    /// Photos as pixels: [height, width, 3] or [N, height, width, 3].
    fn pixels(&self, binary: Option<&Bytes>, most: usize) -> Result<Vec<Content>, Refusal> {
        let (count, height, width) = match self.sides()?[..] {
            [height, width, RGB] => (1, height, width),
            [count, height, width, RGB] => (self.check_count(count, most)?, height, width),
            _ => {
                return Err(self.wrong(format!(
                    "its shape is {:?}, but is to be [height, width, 3] or [N, height, width, 3]: red, \
                     green and blue",
                    self.shape
                )));
            }
        };
        let photo = height.checked_mul(width).and_then(|pixels| pixels.checked_mul(RGB));
        let needed = photo.and_then(|photo| photo.checked_mul(count));
        let bytes = match (binary, needed) {
            (Some(binary), _) => binary.clone(),
            (None, Some(needed)) => self.numbers(needed)?,
            (None, None) => Bytes::new(),
        };
        let (Some(photo), Ok(width), Ok(height), true) =
            (photo, u32::try_from(width), u32::try_from(height), Some(bytes.len()) == needed)
        else {
            return Err(self.wrong(format!(
                "its shape is {:?}, but there are {} values",
                self.shape,
                bytes.len()
            )));
        };
        let part = |index: usize| bytes.slice(index * photo..(index + 1) * photo);
        Ok((0..count).map(|index| Content::Rgb { bytes: part(index), width, height }).collect())
    }

    /// Numbers in JSON, `needed` of them, in one list or in lists of lists.
    fn numbers(&self, needed: usize) -> Result<Bytes, Refusal> {
        let mut numbers = Vec::new();
        let text = self.data.map_or("null", RawValue::get);
        let mut deserializer = serde_json::Deserializer::from_str(text);
        let flat = Flat { numbers: &mut numbers, most: needed };
        flat.deserialize(&mut deserializer).map_err(|error| {
            self.wrong(format!("its data are no {needed} whole numbers from 0 to 255 ({error})"))
        })?;
        Ok(numbers.into())
    }

    fn parsed<'de, T: Deserialize<'de>>(&'de self, what: &str) -> Result<T, Refusal> {
        let text = self.data.map_or("null", RawValue::get);
        serde_json::from_str(text)
            .map_err(|error| self.wrong(format!("its data are no {what} ({error})")))
    }

    fn check_count(&self, count: usize, most: usize) -> Result<usize, Refusal> {
        if count <= most {
            return Ok(count);
        }
        Err(Refusal::new(
            axum::http::StatusCode::PAYLOAD_TOO_LARGE,
            "too_many_photos",
            format!("a request may have {most} photos at most: send several requests"),
        ))
    }
}

/// Numbers of one list, or of lists of lists, one after the other.
struct Flat<'a> {
    numbers: &'a mut Vec<u8>,
    most: usize,
}

impl<'de> DeserializeSeed<'de> for Flat<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Flat<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("whole numbers from 0 to 255, or lists of them")
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<(), E> {
        let value = u8::try_from(value).map_err(|_| E::custom("a number is above 255"))?;
        if self.numbers.len() == self.most {
            return Err(E::custom("there are more"));
        }
        self.numbers.push(value);
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let Self { numbers, most } = self;
        while list.next_element_seed(Flat { numbers: &mut *numbers, most })?.is_some() {}
        Ok(())
    }
}
