//! The directories of a TIFF or BigTIFF file, one for each picture: numbers under tags.

use crate::error::ImageError;
use crate::source::Source;

/// Most tags of a directory; files have some twenty.
const MAX_TAGS: u64 = 4096;
/// Most pictures that are looked at.
const MAX_PICTURES: usize = 64;
/// Most numbers under a tag: as many as the largest picture has tiles of 16×16 pixels in 32 planes.
const MAX_NUMBERS: usize = 1 << 24;

/// Bits of tag 254: a version of another picture of lower resolution, a mask of another.
const REDUCED_OR_MASK: u64 = 1 | 4;

/// The order of bytes in the file's numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    Little,
    Big,
}

impl Order {
    /// The number that up to 8 bytes make.
    pub fn number(self, bytes: &[u8]) -> u64 {
        let join = |sum: u64, &byte: &u8| sum << 8 | u64::from(byte);
        match self {
            Self::Big => bytes.iter().fold(0, join),
            Self::Little => bytes.iter().rev().fold(0, join),
        }
    }
}

/// The tags of a picture.
pub(super) struct Directory<'a> {
    source: Source<'a>,
    pub order: Order,
    is_big: bool,
    start: u64,
    entries: Vec<Entry<'a>>,
    /// Where the next picture's directory starts; 0 after the last one.
    next: u64,
}

struct Entry<'a> {
    tag: u16,
    kind: u16,
    data: &'a [u8],
}

impl<'a> Directory<'a> {
    /// Reads that of the first picture.
    pub fn first(source: Source<'a>) -> Result<Self, ImageError> {
        let order = match source.part(0, 2)? {
            b"II" => Order::Little,
            _ => Order::Big,
        };
        let number = |start, length| source.part(start, length).map(|part| order.number(part));
        let is_big = number(2, 2)? == 43;
        if is_big && number(4, 4)? != if order == Order::Little { 8 } else { 8 << 16 } {
            return Err(source.unsupported("BigTIFF with offsets of other than 8 bytes"));
        }
        let start = if is_big { number(8, 8)? } else { number(4, 4)? };
        Self::read(source, order, is_big, start)
    }

    fn read(
        source: Source<'a>,
        order: Order,
        is_big: bool,
        start: u64,
    ) -> Result<Self, ImageError> {
        let number = |start, length| source.part(start, length).map(|part| order.number(part));
        // Sizes of an offset, the number of tags, and a tag with its kind, count and value.
        let (offset, count, entry) = if is_big { (8, 8, 20) } else { (4, 2, 12) };
        let tags = number(start, count)?;
        if tags > MAX_TAGS {
            return Err(source.corrupt(format!("its directory claims {tags} tags")));
        }
        let table = source.part(start + count, tags * entry)?;
        // Files that end here are read by others, too.
        let next = number(start + count + tags * entry, offset).unwrap_or(0);
        let mut entries = Vec::with_capacity(tags as usize);
        for bytes in table.chunks_exact(entry as usize) {
            let (tag, kind) = (order.number(&bytes[..2]) as u16, order.number(&bytes[2..4]) as u16);
            let (counter, value) = bytes[4..].split_at(offset as usize);
            let Some(size) = size_of(kind) else { continue };
            let length = order.number(counter).checked_mul(size);
            let length = length.ok_or_else(|| source.corrupt(format!("tag {tag} is too long")))?;
            let data = match length <= offset {
                true => &value[..length as usize],
                // Of tags that are not needed (those of cameras and editors) the rest may be amiss.
                false => match source.part(order.number(value), length) {
                    Ok(data) => data,
                    Err(_) if !is_needed(tag) => continue,
                    Err(error) => return Err(error),
                },
            };
            entries.push(Entry { tag, kind, data });
        }
        Ok(Self { source, order, is_big, start, entries, next })
    }

    /// Whether a later picture of the file is no mask or smaller version of this one.
    pub fn has_further_pages(&self) -> bool {
        let mut seen = vec![self.start];
        let mut next = self.next;
        while next != 0 && seen.len() < MAX_PICTURES && !seen.contains(&next) {
            // What follows may be amiss where nobody looks at it.
            let read = Self::read(self.source, self.order, self.is_big, next);
            let Ok(picture) = read else { return false };
            if picture.is_page_beside(self) {
                return true;
            }
            seen.push(next);
            next = picture.next;
        }
        false
    }

    fn is_page_beside(&self, first: &Self) -> bool {
        let number = |of: &Self, tag| of.number(tag).ok().flatten();
        let is_no_less = |tag| number(self, tag) >= number(first, tag);
        let is_smaller_version = number(self, 254).is_some_and(|kind| kind & REDUCED_OR_MASK != 0)
            || number(self, 255) == Some(2);
        !is_smaller_version && is_no_less(256) && is_no_less(257)
    }

    /// The raw bytes under a tag.
    pub fn bytes(&self, tag: u16) -> Option<&'a [u8]> {
        self.entries.iter().find(|entry| entry.tag == tag).map(|entry| entry.data)
    }

    /// The whole numbers under a tag; `None` if there is no such tag.
    pub fn numbers(&self, tag: u16) -> Result<Option<Vec<u64>>, ImageError> {
        let Some(entry) = self.entries.iter().find(|entry| entry.tag == tag) else {
            return Ok(None);
        };
        if !matches!(entry.kind, 1 | 3 | 4 | 13 | 16 | 18) || entry.data.is_empty() {
            return Err(self.source.corrupt(format!("tag {tag} holds no whole numbers")));
        }
        let size = size_of(entry.kind).unwrap_or(1) as usize;
        if entry.data.len() / size > MAX_NUMBERS {
            return Err(self.source.corrupt(format!("tag {tag} holds too many numbers")));
        }
        Ok(Some(entry.data.chunks_exact(size).map(|bytes| self.order.number(bytes)).collect()))
    }

    /// The first number under a tag.
    pub fn number(&self, tag: u16) -> Result<Option<u64>, ImageError> {
        Ok(self.numbers(tag)?.map(|numbers| numbers[0]))
    }
}

/// Bytes of one value of a TIFF data type.
fn size_of(kind: u16) -> Option<u64> {
    match kind {
        1 | 2 | 6 | 7 => Some(1),
        3 | 8 => Some(2),
        4 | 9 | 11 | 13 => Some(4),
        5 | 10 | 12 | 16 | 17 | 18 => Some(8),
        _ => None,
    }
}

/// Whether a tag tells how the pixels lie.
fn is_needed(tag: u16) -> bool {
    matches!(tag, 256..=279 | 284 | 317..=339 | 347 | 529..=532)
}
