//! Reading of safetensors files, ours and others': limits, lengths and names are checked before any tensor is touched.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use safetensors::SafeTensors;
use safetensors::tensor::Metadata;
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};

use crate::elements::ElementType;
use crate::{Cause, Tensor, Tensors};

/// The most bytes a safetensors header may have, 16 MiB: names, shapes and the document of a model need a few kilobytes.
pub const MAX_HEADER_SIZE: usize = 16 << 20;

/// Bytes of the number in front of the header that states its length.
pub(crate) const LENGTH_SIZE: usize = 8;

/// The name that safetensors keeps for text beside the tensors.
pub(crate) const METADATA: &str = "__metadata__";

/// A safetensors file whose header holds together.
pub(crate) struct SafetensorsFile<'a> {
    tensors: SafeTensors<'a>,
    metadata: BTreeMap<String, String>,
}

impl<'a> SafetensorsFile<'a> {
    /// Checks the header and the file's length.
    ///
    /// # Errors
    /// [`Cause::Truncated`], [`Cause::TrailingBytes`], [`Cause::HeaderTooLarge`], [`Cause::NotSafetensors`],
    /// [`Cause::PyTorchFile`], [`Cause::Header`], [`Cause::DuplicateName`].
    pub(crate) fn parse(bytes: &'a [u8]) -> Result<Self, Cause> {
        let text = header_text(bytes)?;
        check_names(text)?;
        let metadata: Metadata =
            serde_json::from_str(text).map_err(|error| Cause::Header(error.to_string()))?;
        check_length(bytes, text, &metadata)?;
        let tensors =
            SafeTensors::deserialize(bytes).map_err(|error| Cause::Header(error.to_string()))?;
        let metadata = metadata.metadata().iter().flatten();
        Ok(Self {
            tensors,
            metadata: metadata.map(|(key, value)| (key.clone(), value.clone())).collect(),
        })
    }

    /// A text kept beside the tensors.
    pub(crate) fn text(&self, key: &str) -> Option<&str> {
        self.metadata.get(key).map(String::as_str)
    }

    /// The tensors' names.
    pub(crate) fn names(&self) -> Vec<&str> {
        self.tensors.names()
    }

    /// One tensor, converted.
    ///
    /// # Errors
    /// [`Cause::MissingTensor`], [`Cause::ElementType`].
    pub(crate) fn tensor(&self, name: &str) -> Result<Tensor, Cause> {
        let view = self.tensors.tensor(name).map_err(|_| Cause::MissingTensor(name.to_owned()))?;
        let element = ElementType::from_dtype(view.dtype()).ok_or_else(|| Cause::ElementType {
            tensor: name.to_owned(),
            found: format!("{:?}", view.dtype()),
        })?;
        Tensor::new(view.shape(), element.decode(view.data()))
    }

    /// All tensors, converted.
    ///
    /// # Errors
    /// [`Cause::ElementType`].
    pub(crate) fn all_tensors(&self) -> Result<Tensors, Cause> {
        self.names().into_iter().map(|name| Ok((name.to_owned(), self.tensor(name)?))).collect()
    }
}

fn header_text(bytes: &[u8]) -> Result<&str, Cause> {
    let truncated = |expected| Cause::Truncated { expected, found: bytes.len() as u64 };
    let (length, rest) =
        bytes.split_first_chunk::<LENGTH_SIZE>().ok_or(truncated(LENGTH_SIZE as u64))?;
    let length = u64::from_le_bytes(*length);
    if length > MAX_HEADER_SIZE as u64 {
        return Err(explain_length(bytes, length));
    }
    let header = rest.get(..length as usize).ok_or(truncated(LENGTH_SIZE as u64 + length))?;
    if header.first() != Some(&b'{') {
        return Err(Cause::NotSafetensors);
    }
    str::from_utf8(header).map_err(|error| Cause::Header(error.to_string()))
}

/// Other kinds of file show as an absurd length: what they are helps more.
fn explain_length(bytes: &[u8], length: u64) -> Cause {
    if bytes.starts_with(b"PK\x03\x04") || bytes.starts_with(b"\x80\x02") {
        Cause::PyTorchFile
    } else if bytes.get(LENGTH_SIZE) == Some(&b'{') {
        Cause::HeaderTooLarge { size: length, limit: MAX_HEADER_SIZE as u64 }
    } else {
        Cause::NotSafetensors
    }
}

fn check_length(bytes: &[u8], text: &str, metadata: &Metadata) -> Result<(), Cause> {
    let found = bytes.len() as u64;
    let expected = ((LENGTH_SIZE + text.len()) as u64).saturating_add(metadata.data_len() as u64);
    if found < expected {
        return Err(Cause::Truncated { expected, found });
    }
    if found > expected {
        return Err(Cause::TrailingBytes { expected, found });
    }
    Ok(())
}

/// JSON parsers keep the last of two equal names without a word; here that is an error.
fn check_names(text: &str) -> Result<(), Cause> {
    let names: FirstDuplicate =
        serde_json::from_str(text).map_err(|error| Cause::Header(error.to_string()))?;
    names.0.map_or(Ok(()), |name| Err(Cause::DuplicateName(name)))
}

/// The first key of a JSON object that occurs a second time.
struct FirstDuplicate(Option<String>);

impl<'de> Deserialize<'de> for FirstDuplicate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(KeyCollector)
    }
}

struct KeyCollector;

impl<'de> Visitor<'de> for KeyCollector {
    type Value = FirstDuplicate;

    fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str("an object of tensors")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<FirstDuplicate, A::Error> {
        let mut seen = BTreeSet::new();
        let mut duplicate = None;
        while let Some(key) = map.next_key::<String>()? {
            map.next_value::<IgnoredAny>()?;
            if let Some(key) = seen.replace(key) {
                duplicate.get_or_insert(key);
            }
        }
        Ok(FirstDuplicate(duplicate))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(header: &str, data: &[u8]) -> Vec<u8> {
        [&(header.len() as u64).to_le_bytes(), header.as_bytes(), data].concat()
    }

    fn refusal(bytes: &[u8]) -> Cause {
        match SafetensorsFile::parse(bytes) {
            Ok(_) => panic!("accepted"),
            Err(cause) => cause,
        }
    }

    const ONE: &str = r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#;

    #[test]
    fn a_plain_file_is_read() {
        let bytes = file(ONE, &1.5_f32.to_le_bytes());
        let file = SafetensorsFile::parse(&bytes).unwrap();
        assert_eq!(file.tensor("a").unwrap(), Tensor::new([1], vec![1.5]).unwrap());
        assert!(matches!(file.tensor("b"), Err(Cause::MissingTensor(_))));
    }

    #[test]
    fn lengths_must_agree() {
        assert!(matches!(refusal(b""), Cause::Truncated { expected: 8, found: 0 }));
        assert!(matches!(
            refusal(b"\x05\0\0\0\0\0\0\0{}"),
            Cause::Truncated { expected: 13, found: 10 }
        ));
        assert!(matches!(
            refusal(&file(ONE, &[0; 3])),
            Cause::Truncated { expected: 66, found: 65 }
        ));
        assert!(matches!(
            refusal(&file(ONE, &[0; 5])),
            Cause::TrailingBytes { expected: 66, found: 67 }
        ));
    }

    #[test]
    fn a_huge_header_is_refused_unread() {
        let size = MAX_HEADER_SIZE as u64 + 1;
        let bytes = [&size.to_le_bytes()[..], b"{"].concat();
        assert!(
            matches!(refusal(&bytes), Cause::HeaderTooLarge { size: found, .. } if found == size)
        );
    }

    #[test]
    fn other_files_are_told_apart() {
        assert!(matches!(refusal(b"PK\x03\x04\x2d\0\0\0\0\0"), Cause::PyTorchFile));
        assert!(matches!(refusal(b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j"), Cause::PyTorchFile));
        assert!(matches!(refusal(b"<!DOCTYPE html>"), Cause::NotSafetensors));
        assert!(matches!(refusal(&file("[]", &[])), Cause::NotSafetensors));
    }

    #[test]
    fn contradictory_headers_are_refused() {
        let overlong = ONE.replace("[1]", "[2]");
        let gap = ONE.replace("[0,4]", "[4,8]");
        let overflow = ONE.replace("[1]", "[9223372036854775807,4]");
        let negative = ONE.replace("[0,4]", "[0,-4]");
        let unknown = ONE.replace("F32", "F31");
        for header in
            [&overlong, &gap, &overflow, &negative, &unknown, "{\"a\":1}", "{", "{\"\u{7f}\":"]
        {
            assert!(matches!(refusal(&file(header, &[0; 8])), Cause::Header(_)), "{header}");
        }
        assert!(matches!(refusal(&file("{\"x\"}", b"")), Cause::Header(_)));
        assert!(matches!(refusal(b"\x02\0\0\0\0\0\0\0{\xff"), Cause::Header(_)));
    }

    #[test]
    fn a_name_may_occur_once() {
        let entry = r#""a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}"#;
        let header = format!("{{{entry},{entry}}}");
        assert!(
            matches!(refusal(&file(&header, &[0; 4])), Cause::DuplicateName(name) if name == "a")
        );
    }

    #[test]
    fn other_number_types_are_refused() {
        let bytes = file(&ONE.replace("F32", "I32"), &[0; 4]);
        let cause = SafetensorsFile::parse(&bytes).unwrap().tensor("a").unwrap_err();
        assert!(
            matches!(cause, Cause::ElementType { tensor, found } if tensor == "a" && found == "I32")
        );
    }
}
