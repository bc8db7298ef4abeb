//! The form that `torch.save` wrote before PyTorch 1.6: five pickles in a row (a magic number, a version, the machine,
//! the objects, the storages' keys), then each storage's count and numbers.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

use super::bytes::Bytes;
use super::pickle::{self, Id, Node, Objects};
use super::storage::{StorageRecord, Storages};
use crate::Cause;

/// The pickle of the magic number 0x1950a86a20f9469cfc6c, with which every legacy file begins.
pub(super) const MAGIC: &[u8] = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.";

const VERSION: i64 = 1001;

/// How long a storage's key may be, in bytes: it is a number.
const MAX_KEY: usize = 64;

/// A PyTorch file of either form: its objects, the outermost of them, and the numbers.
pub(super) struct PyTorchFile<'a> {
    pub(super) objects: Objects,
    pub(super) root: Id,
    pub(super) storages: Storages<'a>,
}

/// Reads a file that begins with [`MAGIC`].
///
/// # Errors
/// [`Cause::PlainPickle`], [`Cause::BigEndian`], [`Cause::ElementType`], and those of [`pickle::unpickle`].
pub(super) fn read(bytes: &[u8]) -> Result<PyTorchFile<'_>, Cause> {
    let mut cursor = Bytes::new(bytes);
    cursor.take(MAGIC.len())?;
    check_version(&mut cursor)?;
    check_byte_order(&mut cursor)?;
    let (objects, root) = pickle::unpickle(&mut cursor)?;
    let keys = storage_keys(&mut cursor)?;
    let ranges = storage_ranges(&mut cursor, &objects, keys)?;
    Ok(PyTorchFile { objects, root, storages: Storages { bytes, ranges } })
}

fn check_version(cursor: &mut Bytes) -> Result<(), Cause> {
    let (objects, version) = pickle::unpickle(cursor)?;
    if matches!(objects.node(version), Node::Int(VERSION)) {
        Ok(())
    } else {
        Err(Cause::PlainPickle)
    }
}

fn check_byte_order(cursor: &mut Bytes) -> Result<(), Cause> {
    let (objects, machine) = pickle::unpickle(cursor)?;
    let Node::Dict(items) = objects.node(machine) else { return Err(Cause::PlainPickle) };
    let order = items.iter().find(|(key, _)| objects.text(*key) == Some("little_endian"));
    match order.map(|(_, value)| objects.node(*value)) {
        Some(Node::Bool(true)) => Ok(()),
        Some(Node::Bool(false)) => Err(Cause::BigEndian),
        _ => Err(Cause::PlainPickle),
    }
}

fn storage_keys(cursor: &mut Bytes) -> Result<Vec<String>, Cause> {
    let (objects, keys) = pickle::unpickle(cursor)?;
    let Node::List(keys) = objects.node(keys) else { return Err(Cause::PlainPickle) };
    // A pickle may list one long text millions of times.
    let key = |&key: &Id| match objects.text(key) {
        Some(key) if key.len() > MAX_KEY => {
            Err(Cause::Limit { what: "bytes in a storage's key", limit: MAX_KEY })
        }
        Some(key) => Ok(key.to_owned()),
        None => Err(Cause::PlainPickle),
    };
    keys.iter().map(key).collect()
}

/// Each storage is its count in 64 bits, then its numbers, whose size only the objects tell.
fn storage_ranges(
    cursor: &mut Bytes,
    objects: &Objects,
    keys: Vec<String>,
) -> Result<BTreeMap<String, Range<usize>>, Cause> {
    let records = objects.nodes().filter_map(|node| StorageRecord::of(objects, node));
    let records: HashMap<&str, StorageRecord> =
        records.map(|record| (record.key, record)).collect();
    let mut ranges = BTreeMap::new();
    for key in keys {
        let record = records.get(key.as_str()).ok_or(Cause::PlainPickle)?;
        let element = record.element().ok_or_else(|| Cause::ElementType {
            tensor: format!("storage {key}"),
            found: record.class.to_owned(),
        })?;
        let count = usize::try_from(u64::from_le_bytes(cursor.array()?)).ok();
        let size = count.and_then(|count| count.checked_mul(element.size()));
        let start = cursor.position();
        cursor.take(size.ok_or(Cause::PickleTruncated(start))?)?;
        ranges.insert(key, start..cursor.position());
    }
    Ok(ranges)
}
