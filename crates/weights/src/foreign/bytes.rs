//! A cursor over bytes that never reads beyond their end.

use crate::Cause;

/// Bytes and a position in them. Every reading function fails with [`Cause::PickleTruncated`] at the end.
pub(super) struct Bytes<'a> {
    bytes: &'a [u8],
    position: usize,
}

impl<'a> Bytes<'a> {
    /// All of `bytes`, from the first.
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, position: 0 }
    }

    /// How many bytes were read.
    pub(super) fn position(&self) -> usize {
        self.position
    }

    /// The next `count` bytes.
    pub(super) fn take(&mut self, count: usize) -> Result<&'a [u8], Cause> {
        let rest = &self.bytes[self.position..];
        let taken = rest.get(..count).ok_or(Cause::PickleTruncated(self.position))?;
        self.position += count;
        Ok(taken)
    }

    /// The next `N` bytes.
    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], Cause> {
        let rest = &self.bytes[self.position..];
        let taken = *rest.first_chunk().ok_or(Cause::PickleTruncated(self.position))?;
        self.position += N;
        Ok(taken)
    }

    /// The next byte.
    pub(super) fn byte(&mut self) -> Result<u8, Cause> {
        self.array().map(|[byte]| byte)
    }

    /// A length of 32 bits.
    pub(super) fn length(&mut self) -> Result<usize, Cause> {
        self.array().map(|bytes| u32::from_le_bytes(bytes) as usize)
    }

    /// The bytes up to the next line feed, which is read but not returned.
    pub(super) fn line(&mut self) -> Result<&'a [u8], Cause> {
        let rest = &self.bytes[self.position..];
        let length = rest
            .iter()
            .position(|&byte| byte == b'\n')
            .ok_or(Cause::PickleTruncated(self.position))?;
        self.position += length + 1;
        Ok(&rest[..length])
    }
}
