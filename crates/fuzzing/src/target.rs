//! A parser: how it is called, with which files it begins, how much memory it may take.

/// A parser as a function of bytes.
pub struct Target {
    /// Its name: of a folder of `regressions`, and of the target for cargo-fuzz.
    pub name: &'static str,
    /// What it parses, in words.
    pub parses: &'static str,
    /// Parses bytes; whether they are taken for sound, or go as far as such a small file can.
    pub run: fn(&[u8]) -> bool,
    /// Files that changes begin with.
    pub seeds: fn() -> Vec<Vec<u8>>,
    /// Makes checksums and the like right again, so that changes get past them.
    pub repair: fn(&mut [u8]),
    /// Parts of files of this kind, to be put anywhere.
    pub tokens: &'static [&'static [u8]],
    /// What it may take.
    pub memory: Memory,
    /// How many changed files the tests try.
    pub tried_in_tests: u64,
}

/// How much memory a parser may take for a file, beside the file itself.
#[derive(Clone, Copy, Debug)]
pub struct Memory {
    /// Bytes whatever the file.
    pub fixed: usize,
    /// Bytes for each byte of the file.
    pub per_byte: usize,
}

impl Memory {
    /// Bytes for a file of `length` bytes.
    pub fn of(self, length: usize) -> usize {
        self.fixed.saturating_add(self.per_byte.saturating_mul(length))
    }
}

/// For files without checksums.
pub(crate) fn as_it_is(_: &mut [u8]) {}
