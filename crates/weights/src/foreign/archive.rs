//! The zip archive that `torch.save` writes since PyTorch 1.6: `NAME/data.pkl` and one entry `NAME/data/KEY` a storage.

use std::collections::BTreeMap;
use std::io::{self, Cursor};
use std::ops::Range;

use zip::result::ZipError;
use zip::{CompressionMethod, ZipArchive};

use super::bytes::Bytes;
use super::legacy::PyTorchFile;
use super::pickle;
use super::storage::Storages;
use crate::Cause;

/// The most entries; a checkpoint of this method has a few hundred.
const MAX_ENTRIES: usize = 1 << 16;

/// Reads the archive's pickle, and finds its storages.
///
/// # Errors
/// [`Cause::Archive`], [`Cause::EntryMissing`], [`Cause::EntryPacked`], [`Cause::TorchScript`], [`Cause::BigEndian`],
/// [`Cause::Limit`], and those of [`pickle::unpickle`].
pub(super) fn read(bytes: &[u8]) -> Result<PyTorchFile<'_>, Cause> {
    let entries = entries(bytes)?;
    let folder = entries.keys().find_map(|name| name.strip_suffix("/data.pkl"));
    let folder = folder.ok_or_else(|| Cause::EntryMissing("data.pkl".to_owned()))?;
    let entry =
        |name: &str| entries.get(&format!("{folder}/{name}")).map(|range| &bytes[range.clone()]);
    if entry("byteorder").is_some_and(|order| order != b"little") {
        return Err(Cause::BigEndian);
    }
    let (objects, root) = pickle::unpickle(&mut Bytes::new(entry("data.pkl").unwrap_or_default()))?;
    let data = format!("{folder}/data/");
    let ranges = entries
        .iter()
        .filter_map(|(name, range)| Some((name.strip_prefix(&data)?.to_owned(), range.clone())));
    Ok(PyTorchFile { objects, root, storages: Storages { bytes, ranges: ranges.collect() } })
}

/// Where each entry's content lies. All are checked against their checksums, each byte of the file at most once.
fn entries(bytes: &[u8]) -> Result<BTreeMap<String, Range<usize>>, Cause> {
    let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(damaged)?;
    if archive.len() > MAX_ENTRIES {
        return Err(Cause::Limit { what: "zip entries", limit: MAX_ENTRIES });
    }
    if archive.file_names().flatten().any(|name| name.ends_with("/constants.pkl")) {
        return Err(Cause::TorchScript);
    }
    let mut entries = BTreeMap::new();
    let mut bytes_left = bytes.len() as u64;
    for index in 0..archive.len() {
        let (name, size) = stored_entry(&mut archive, index)?;
        let overlap = || Cause::Archive("its entries overlap".to_owned());
        bytes_left = bytes_left.checked_sub(size).ok_or_else(overlap)?;
        let range = checked_content(&mut archive, index, size)?;
        if entries.insert(name.clone(), range).is_some() {
            return Err(Cause::Archive(format!("entry `{name}` occurs twice")));
        }
    }
    Ok(entries)
}

fn damaged(error: ZipError) -> Cause {
    Cause::Archive(error.to_string())
}

/// Name and size of an entry that is stored as it is, so that its size is what it seems.
fn stored_entry(
    archive: &mut ZipArchive<Cursor<&[u8]>>,
    index: usize,
) -> Result<(String, u64), Cause> {
    let entry = archive.by_index_raw(index).map_err(damaged)?;
    let name = entry.name().map_err(damaged)?.into_owned();
    if entry.compression() != CompressionMethod::Stored
        || entry.encrypted()
        || entry.compressed_size() != entry.size()
    {
        return Err(Cause::EntryPacked(name));
    }
    Ok((name, entry.size()))
}

/// Where the content of an entry lies in the file, after its checksum was found right.
fn checked_content(
    archive: &mut ZipArchive<Cursor<&[u8]>>,
    index: usize,
    size: u64,
) -> Result<Range<usize>, Cause> {
    let mut entry = archive.by_index(index).map_err(damaged)?;
    let copied =
        io::copy(&mut entry, &mut io::sink()).map_err(|error| Cause::Archive(error.to_string()))?;
    let start = entry.data_start().and_then(|start| usize::try_from(start).ok());
    let range =
        start.and_then(|start| Some(start..start.checked_add(usize::try_from(size).ok()?)?));
    range
        .filter(|_| copied == size)
        .ok_or_else(|| Cause::Archive("an entry ends beyond the file".to_owned()))
}
