//! A file's bytes, and what errors call the file.

use crate::error::ImageError;

/// A whole file in memory.
#[derive(Clone, Copy)]
pub(crate) struct Source<'a> {
    pub bytes: &'a [u8],
    pub name: &'a str,
}

impl<'a> Source<'a> {
    /// `length` bytes from `start` on, unless the file ends before.
    pub fn part(&self, start: u64, length: u64) -> Result<&'a [u8], ImageError> {
        let end = start.checked_add(length).and_then(|end| usize::try_from(end).ok());
        let part = end.and_then(|end| self.bytes.get(usize::try_from(start).ok()?..end));
        part.ok_or_else(|| self.corrupt("it ends too early"))
    }

    pub fn corrupt(&self, reason: impl Into<String>) -> ImageError {
        ImageError::Corrupt { name: self.name.to_owned(), reason: reason.into() }
    }

    pub fn unsupported(&self, reason: impl Into<String>) -> ImageError {
        ImageError::Unsupported { name: self.name.to_owned(), reason: reason.into() }
    }
}
