//! The model file: tensors and one JSON document in a sealed safetensors file (`docs/model-file.md`).

use std::io::{self, Read};
use std::path::Path;

use efficientad_files::open_regular;
use half::f16;
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

use crate::header::{LENGTH_SIZE, METADATA, SafetensorsFile};
use crate::{Cause, MAX_HEADER_SIZE, Tensors, WeightsError, files};

/// The version of the container that is written and read.
pub const FORMAT_VERSION: u32 = 4;

/// Every container's header begins so: the checksum follows, at the same place in every version.
const SEAL_PREFIX: &[u8] = br#"{"__metadata__":{"sha256":""#;
const SEAL_START: usize = LENGTH_SIZE + SEAL_PREFIX.len();
const SEAL_LENGTH: usize = 64;
const SEAL_END: usize = SEAL_START + SEAL_LENGTH;
/// What stands in the checksum's place while it is computed.
const SEAL_BLANK: &[u8; SEAL_LENGTH] = &[b'0'; SEAL_LENGTH];
const ALIGNMENT: usize = 8;

/// How a container's numbers are stored; they are read as `f32` either way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Precision {
    /// As they are, four bytes each.
    Single,
    /// Rounded to half precision, two bytes each.
    Half,
}

impl Precision {
    /// Bytes per number.
    const fn size(self) -> usize {
        match self {
            Self::Single => 4,
            Self::Half => 2,
        }
    }

    /// What is read of a number that was stored so.
    fn rounded(self, value: f32) -> f32 {
        match self {
            Self::Single => value,
            Self::Half => f16::from_f32(value).to_f32(),
        }
    }

    /// What safetensors calls it.
    const fn dtype(self) -> &'static str {
        match self {
            Self::Single => "F32",
            Self::Half => "F16",
        }
    }
}

/// What a container holds.
#[derive(Debug, Clone, PartialEq)]
pub struct Contents<D> {
    /// The caller's document.
    pub document: D,
    /// The tensors by name.
    pub tensors: Tensors,
}

/// Writes a container to `path`; see [`to_bytes`]. An earlier file of this name is replaced at once and only by a
/// complete one: a temporary file in the same folder is written, forced to the disk and renamed.
///
/// # Errors
/// As [`to_bytes`], and [`Cause::NotAFile`], [`Cause::FolderMissing`], [`Cause::NotWritable`], [`Cause::DiskFull`],
/// [`Cause::Write`].
pub fn save<D: Serialize>(
    path: &Path,
    kind: &str,
    document: &D,
    tensors: &Tensors,
) -> Result<(), WeightsError> {
    encode(Precision::Single, kind, document, tensors)
        .and_then(|bytes| files::write(path, &bytes))
        .map_err(|cause| cause.in_file(path))
}

/// As [`save`], with numbers of the given precision; an earlier file is only replaced once the new one was read back
/// and says the same.
///
/// # Errors
/// As [`save`], and [`Cause::NotReadBack`]; a number beyond the range of half precision is [`Cause::NotFinite`] there.
pub fn save_checked<D: Serialize + DeserializeOwned>(
    precision: Precision,
    path: &Path,
    kind: &str,
    document: &D,
    tensors: &Tensors,
) -> Result<(), WeightsError> {
    encode(precision, kind, document, tensors)
        .and_then(|bytes| {
            files::write_checked(path, &bytes, |read| {
                check_read_back::<D>(read, &bytes, precision, kind)
            })
        })
        .map_err(|cause| cause.in_file(path))
}

/// Whether what was read of a file is what was written, and is understood.
fn check_read_back<D: Serialize + DeserializeOwned>(
    read: &[u8],
    written: &[u8],
    precision: Precision,
    kind: &str,
) -> Result<(), Cause> {
    let again = open(read, &[kind]).and_then(|Contents::<D> { document, tensors }| {
        encode(precision, kind, &document, &tensors)
    });
    match again {
        Ok(again) if again == written => Ok(()),
        Ok(_) => Err(Cause::NotReadBack("it says something else".to_owned())),
        Err(cause) => Err(Cause::NotReadBack(cause.to_string())),
    }
}

/// Reads a container of this `kind` from `path`; see [`from_bytes`].
///
/// # Errors
/// As [`from_bytes`], and [`Cause::Missing`], [`Cause::NotAFile`], [`Cause::Read`].
pub fn load<D: DeserializeOwned>(path: &Path, kind: &str) -> Result<Contents<D>, WeightsError> {
    load_any(path, &[kind])
}

/// Whether a file begins as a container of this `kind` does, of whatever version; the rest may be damaged.
///
/// # Errors
/// The file can't be read.
pub fn is_of_kind(path: &Path, kind: &str) -> io::Result<bool> {
    let named = format!(r#"","format":{}"#, quoted(kind));
    let mut start = Vec::new();
    open_regular(path)?.take((SEAL_END + named.len()) as u64).read_to_end(&mut start)?;
    Ok(start.get(LENGTH_SIZE..SEAL_START) == Some(SEAL_PREFIX)
        && start.get(SEAL_END..) == Some(named.as_bytes()))
}

/// Reads a container of any of some kinds.
///
/// # Errors
/// As [`load`]; of another kind, the first one is named as expected.
///
/// # Panics
/// Without a kind.
pub fn load_any<D: DeserializeOwned>(
    path: &Path,
    kinds: &[&str],
) -> Result<Contents<D>, WeightsError> {
    files::read(path).and_then(|bytes| open(&bytes, kinds)).map_err(|cause| cause.in_file(path))
}

/// The bytes of a container, the same for the same content.
///
/// `kind` says what the file is for, such as `efficientad-model`. The document becomes JSON: numbers return exactly,
/// but NaN and infinities become null, so a document should hold none.
///
/// # Errors
/// [`Cause::NotFinite`], [`Cause::ReservedName`], [`Cause::Document`] when the document cannot be JSON,
/// [`Cause::HeaderTooLarge`], [`Cause::FileTooLarge`].
pub fn to_bytes<D: Serialize>(
    kind: &str,
    document: &D,
    tensors: &Tensors,
) -> Result<Vec<u8>, Cause> {
    encode(Precision::Single, kind, document, tensors)
}

fn encode<D: Serialize>(
    precision: Precision,
    kind: &str,
    document: &D,
    tensors: &Tensors,
) -> Result<Vec<u8>, Cause> {
    check_tensors(precision, tensors)?;
    let header = header(precision, kind, &document_text(document)?, tensors)?;
    let data_size = data_size(precision, tensors) as usize;
    let mut bytes = Vec::with_capacity(LENGTH_SIZE + header.len() + data_size);
    bytes.extend((header.len() as u64).to_le_bytes());
    bytes.extend(header.into_bytes());
    for (_, tensor) in tensors.iter() {
        let values = tensor.data().iter();
        match precision {
            Precision::Single => bytes.extend(values.flat_map(|value| value.to_le_bytes())),
            Precision::Half => {
                bytes.extend(values.flat_map(|&value| f16::from_f32(value).to_le_bytes()));
            }
        }
    }
    seal(&mut bytes);
    Ok(bytes)
}

/// The content of a container of this `kind`; `name` stands for a file's name in the error.
///
/// # Errors
/// [`Cause::FileTooLarge`], [`Cause::Truncated`], [`Cause::TrailingBytes`], [`Cause::HeaderTooLarge`],
/// [`Cause::NotSafetensors`], [`Cause::PyTorchFile`], [`Cause::Header`], [`Cause::DuplicateName`],
/// [`Cause::NotAContainer`], [`Cause::ChecksumMissing`], [`Cause::Checksum`], [`Cause::OtherVersion`],
/// [`Cause::OtherKind`], [`Cause::Document`], [`Cause::ElementType`], [`Cause::NotFinite`].
pub fn from_bytes<D: DeserializeOwned>(
    bytes: &[u8],
    kind: &str,
    name: &str,
) -> Result<Contents<D>, WeightsError> {
    open(bytes, &[kind]).map_err(|cause| cause.in_file(name))
}

/// Reads a container of this `kind` from whatever its bytes come from, to its end; `name` stands for a
/// file's name in the error.
///
/// # Errors
/// As [`from_bytes`], and [`Cause::Read`].
pub fn read<D: DeserializeOwned>(
    reader: impl Read,
    kind: &str,
    name: &str,
) -> Result<Contents<D>, WeightsError> {
    let mut bytes = Vec::new();
    // One byte more than is taken, so that what is too large is refused and not cut.
    let read = reader.take(files::MAX_FILE_SIZE + 1).read_to_end(&mut bytes);
    read.map_err(Cause::Read)
        .and_then(|_| open(&bytes, &[kind]))
        .map_err(|cause| cause.in_file(name))
}

fn open<D: DeserializeOwned>(bytes: &[u8], kinds: &[&str]) -> Result<Contents<D>, Cause> {
    files::check_size(bytes.len() as u64)?;
    let file = SafetensorsFile::parse(bytes)?;
    let found = file.text("format").ok_or(Cause::NotAContainer)?;
    check_seal(bytes)?;
    let version = file.text("format_version").unwrap_or_default();
    if version != FORMAT_VERSION.to_string() {
        return Err(Cause::OtherVersion { found: version.to_owned() });
    }
    if !kinds.contains(&found) {
        return Err(Cause::OtherKind { found: found.to_owned(), expected: kinds[0].to_owned() });
    }
    let document =
        serde_json::from_str(file.text("document").unwrap_or_default()).map_err(Cause::Document)?;
    let tensors = file.all_tensors()?;
    tensors.check_finite()?;
    Ok(Contents { document, tensors })
}

fn check_tensors(precision: Precision, tensors: &Tensors) -> Result<(), Cause> {
    if tensors.get(METADATA).is_some() {
        return Err(Cause::ReservedName(METADATA.to_owned()));
    }
    let header_size = (LENGTH_SIZE + MAX_HEADER_SIZE) as u64;
    files::check_size(data_size(precision, tensors).saturating_add(header_size))?;
    tensors.check_finite_after(|value| precision.rounded(value))
}

fn data_size(precision: Precision, tensors: &Tensors) -> u64 {
    tensors.iter().map(|(_, tensor)| (precision.size() * tensor.data().len()) as u64).sum()
}

/// JSON with the keys of every object sorted, whatever the order in memory.
fn document_text<D: Serialize>(document: &D) -> Result<String, Cause> {
    let mut value = serde_json::to_value(document).map_err(Cause::Document)?;
    value.sort_all_objects();
    Ok(value.to_string())
}

/// The header, with the checksum's place blank. The safetensors crate would write the metadata in random order.
fn header(
    precision: Precision,
    kind: &str,
    document: &str,
    tensors: &Tensors,
) -> Result<String, Cause> {
    let dtype = precision.dtype();
    let mut header = String::from_utf8_lossy(SEAL_PREFIX).into_owned();
    header.push_str(&String::from_utf8_lossy(SEAL_BLANK));
    header.push_str(&format!(
        r#"","format":{},"format_version":"{FORMAT_VERSION}","document":{}}}"#,
        quoted(kind),
        quoted(document)
    ));
    let mut start = 0;
    for (name, tensor) in tensors.iter() {
        let end = start + precision.size() * tensor.data().len();
        let (name, shape) = (quoted(name), serde_json::json!(tensor.shape()));
        header.push_str(&format!(
            r#",{name}:{{"dtype":"{dtype}","shape":{shape},"data_offsets":[{start},{end}]}}"#
        ));
        start = end;
    }
    header.push('}');
    while !header.len().is_multiple_of(ALIGNMENT) {
        header.push(' ');
    }
    if header.len() > MAX_HEADER_SIZE {
        return Err(Cause::HeaderTooLarge {
            size: header.len() as u64,
            limit: MAX_HEADER_SIZE as u64,
        });
    }
    Ok(header)
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// SHA-256 in lower-case hexadecimal of all bytes, the checksum's place taken as blank. `bytes` reach beyond it.
fn checksum(bytes: &[u8]) -> String {
    let mut hash = Sha256::new();
    hash.update(&bytes[..SEAL_START]);
    hash.update(SEAL_BLANK);
    hash.update(&bytes[SEAL_END..]);
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn seal(bytes: &mut [u8]) {
    let checksum = checksum(bytes);
    bytes[SEAL_START..SEAL_END].copy_from_slice(checksum.as_bytes());
}

fn check_seal(bytes: &[u8]) -> Result<(), Cause> {
    let stated = bytes.get(SEAL_START..SEAL_END).ok_or(Cause::ChecksumMissing)?;
    if bytes[LENGTH_SIZE..SEAL_START] != *SEAL_PREFIX {
        return Err(Cause::ChecksumMissing);
    }
    let computed = checksum(bytes);
    if stated == computed.as_bytes() {
        Ok(())
    } else {
        Err(Cause::Checksum { stated: String::from_utf8_lossy(stated).into_owned(), computed })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Tensor;
    use serde_json::{Value, json};

    const KIND: &str = "efficientad-model";

    fn tensors(value: f32) -> Tensors {
        [
            ("b".to_owned(), Tensor::new([2], vec![value, 2.0]).unwrap()),
            ("a".to_owned(), Tensor::new([], vec![1.0]).unwrap()),
        ]
        .into_iter()
        .collect()
    }

    fn valid() -> Vec<u8> {
        to_bytes(KIND, &json!({"size": "S"}), &tensors(0.5)).unwrap()
    }

    fn refusal(bytes: &[u8]) -> Cause {
        from_bytes::<Value>(bytes, KIND, "test").unwrap_err().cause
    }

    /// A valid file with one text replaced by another of the same length, and a new checksum.
    fn resealed(from: &str, to: &str) -> Vec<u8> {
        let mut bytes = valid();
        let at = bytes.windows(from.len()).position(|window| window == from.as_bytes()).unwrap();
        bytes[at..at + to.len()].copy_from_slice(to.as_bytes());
        seal(&mut bytes);
        bytes
    }

    /// The checksum was computed with Python's hashlib from the same bytes with 64 zeros in its place.
    #[test]
    fn the_bytes_are_as_documented() {
        let header = concat!(
            r#"{"__metadata__":{"sha256":"4264b4fd67abab8cb29d705cb0c7b9ea0db27589be26b028bbce91d6894f6577","#,
            r#""format":"efficientad-model","format_version":"4","document":"{\"size\":\"S\"}"},"#,
            r#""a":{"dtype":"F32","shape":[],"data_offsets":[0,4]},"#,
            r#""b":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}}"#,
        );
        let padding = " ".repeat(header.len().next_multiple_of(8) - header.len());
        let data = [1.0_f32, 0.5, 2.0].map(f32::to_le_bytes).concat();
        let length = (header.len() + padding.len()) as u64;
        let expected =
            [&length.to_le_bytes(), header.as_bytes(), padding.as_bytes(), &data].concat();
        assert_eq!(String::from_utf8_lossy(&valid()), String::from_utf8_lossy(&expected));
    }

    #[test]
    fn another_version_is_refused() {
        let changed = |to| resealed(r#""format_version":"4""#, to);
        for (version, name) in [(r#""format_version":"5""#, "5"), (r#""format_version":"3""#, "3")]
        {
            let cause = refusal(&changed(version));
            assert!(matches!(cause, Cause::OtherVersion { found } if found == name));
        }
    }

    #[test]
    fn another_kind_is_refused() {
        let bytes = to_bytes("efficientad-checkpoint", &json!({}), &tensors(0.5)).unwrap();
        let cause = refusal(&bytes);
        assert!(
            matches!(cause, Cause::OtherKind { found, expected } if found == "efficientad-checkpoint" && expected == KIND)
        );
    }

    #[test]
    fn a_file_tells_its_kind_though_it_is_damaged() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let bytes = to_bytes(KIND, &json!({}), &tensors(0.5)).unwrap();
        for (bytes, expected) in [
            (&bytes[..], true),
            (&bytes[..bytes.len() - 1], true),
            (
                &to_bytes("efficientad-model-of-something", &json!({}), &tensors(0.5)).unwrap(),
                false,
            ),
            (&bytes[..100], false),
            (b"no model", false),
            (b"", false),
        ] {
            std::fs::write(&path, bytes).unwrap();
            assert_eq!(is_of_kind(&path, KIND).unwrap(), expected);
        }
        assert!(is_of_kind(folder.path(), KIND).is_err());
    }

    #[test]
    fn a_file_of_another_program_is_refused() {
        let header = r#"{"a":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}}"#;
        let bytes = [&(header.len() as u64).to_le_bytes(), header.as_bytes()].concat();
        assert!(matches!(refusal(&bytes), Cause::NotAContainer));
    }

    #[test]
    fn a_rewritten_header_is_refused() {
        for header in
            [r#"{"__metadata__":{"format":"efficientad-model"}}"#.to_owned(), rewritten_header()]
        {
            let bytes = [&(header.len() as u64).to_le_bytes(), header.as_bytes()].concat();
            assert!(matches!(refusal(&bytes), Cause::ChecksumMissing), "{header}");
        }
    }

    fn rewritten_header() -> String {
        format!(
            r#"{{"__metadata__":{{"format":"efficientad-model","sha256":"{}"}}}}"#,
            "0".repeat(64)
        )
    }

    #[test]
    fn a_changed_number_is_refused() {
        let mut bytes = valid();
        *bytes.last_mut().unwrap() ^= 1;
        assert!(
            matches!(refusal(&bytes), Cause::Checksum { stated, computed } if stated != computed)
        );
    }

    #[test]
    fn a_wrong_document_is_refused() {
        let bytes = valid();
        let error = from_bytes::<Vec<u32>>(&bytes, KIND, "test").unwrap_err();
        assert!(matches!(error.cause, Cause::Document(_)), "{error}");
        assert!(matches!(
            refusal(&resealed(r#""document":"#, r#""documenx":"#)),
            Cause::Document(_)
        ));
    }

    #[test]
    fn numbers_that_are_none_are_refused_on_both_ways() {
        for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let cause = to_bytes(KIND, &json!({}), &tensors(value)).unwrap_err();
            assert!(matches!(cause, Cause::NotFinite { tensor, index: 0, .. } if tensor == "b"));
            let mut bytes = valid();
            let at = bytes.len() - 4;
            bytes[at..].copy_from_slice(&value.to_le_bytes());
            seal(&mut bytes);
            assert!(
                matches!(refusal(&bytes), Cause::NotFinite { tensor, index: 1, .. } if tensor == "b")
            );
        }
    }

    #[test]
    fn a_file_that_cannot_be_read_back_replaces_none() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model");
        for precision in [Precision::Single, Precision::Half] {
            let save = |number: f64| save_checked(precision, &path, KIND, &number, &tensors(0.5));
            save(0.1).unwrap();
            // JSON has no such number: null is written.
            let error = save(f64::INFINITY).unwrap_err();
            assert!(matches!(&error.cause, Cause::NotReadBack(_)), "{error}");
            assert_eq!(load::<f64>(&path, KIND).unwrap().document, 0.1);
        }
        // Read as something else than was written.
        let forgetful: Result<(), _> =
            save_checked(Precision::Single, &path, KIND, &Forgetful { number: 7 }, &tensors(0.5));
        assert!(matches!(forgetful.unwrap_err().cause, Cause::NotReadBack(_)));
    }

    #[derive(Serialize, serde::Deserialize)]
    struct Forgetful {
        #[serde(skip_deserializing)]
        number: u32,
    }

    #[test]
    fn what_cannot_be_written_is_refused() {
        let reserved =
            [(METADATA.to_owned(), Tensor::new([], vec![1.0]).unwrap())].into_iter().collect();
        assert!(matches!(to_bytes(KIND, &json!({}), &reserved), Err(Cause::ReservedName(_))));
        let long = "x".repeat(MAX_HEADER_SIZE);
        assert!(matches!(
            to_bytes(KIND, &long, &Tensors::new()),
            Err(Cause::HeaderTooLarge { .. })
        ));
        let unnamed = std::collections::HashMap::from([(vec![1], 2)]);
        assert!(matches!(to_bytes(KIND, &unnamed, &Tensors::new()), Err(Cause::Document(_))));
    }
}
