//! Files with changes, each from its number: the same everywhere and at any time.

use fastrand::Rng;

use crate::Target;

/// Longest file that is made.
const MAX_LENGTH: usize = 1 << 16;
/// Bytes at the start and at the end that are changed more often than others: headers lie there.
const HEAD: usize = 512;
const TAIL: usize = 256;
/// Numbers at which lengths, counts and offsets go wrong.
const NUMBERS: [u64; 22] = [
    0,
    1,
    2,
    3,
    7,
    8,
    16,
    127,
    128,
    255,
    256,
    32_767,
    32_768,
    65_535,
    65_536,
    0x7FFF_FFFF,
    0x8000_0000,
    0xFFFF_FFFF,
    0x1_0000_0000,
    0x7FFF_FFFF_FFFF_FFFF,
    0x8000_0000_0000_0000,
    0xFFFF_FFFF_FFFF_FFFF,
];
/// The same as text.
const TEXT_NUMBERS: [&[u8]; 16] = [
    b"0",
    b"1",
    b"-1",
    b"0.5",
    b"1e308",
    b"1e-308",
    b"-0",
    b"255",
    b"256",
    b"65535",
    b"65536",
    b"4294967296",
    b"9223372036854775807",
    b"18446744073709551615",
    b"18446744073709551616",
    b"1e999",
];

/// Makes changed files for a target.
pub struct Mutator {
    seeds: Vec<Vec<u8>>,
    tokens: &'static [&'static [u8]],
    repair: fn(&mut [u8]),
    seed: u64,
}

/// A change of a file.
type Change = fn(&Mutator, &mut Rng, &mut Vec<u8>);

const CHANGES: [Change; 13] = [
    |_, rng, bytes| {
        let at = place(rng, bytes.len());
        bytes[at] ^= 1 << rng.u8(..8);
    },
    |_, rng, bytes| {
        let at = place(rng, bytes.len());
        bytes[at] = rng.u8(..);
    },
    set_number,
    set_number,
    |_, rng, bytes| nudge_number(rng, bytes),
    set_text_number,
    |_, rng, bytes| bytes.truncate(rng.usize(..bytes.len())),
    |_, rng, bytes| drop(bytes.drain(chunk(rng, bytes.len()))),
    |_, rng, bytes| {
        let part = bytes[chunk(rng, bytes.len())].to_vec();
        insert(rng, bytes, &part);
    },
    |_, rng, bytes| {
        let part: Vec<u8> = (0..rng.usize(1..=16)).map(|_| rng.u8(..)).collect();
        insert(rng, bytes, &part);
    },
    |mutator, rng, bytes| {
        let other = &mutator.seeds[rng.usize(..mutator.seeds.len())];
        bytes.truncate(rng.usize(..=bytes.len()));
        bytes.extend_from_slice(&other[rng.usize(..=other.len().min(bytes.len()))..]);
    },
    |mutator, rng, bytes| {
        if let Some(token) = rng.choice(mutator.tokens) {
            insert(rng, bytes, token);
        }
    },
    |mutator, rng, bytes| {
        if let Some(token) = rng.choice(mutator.tokens) {
            overwrite(rng, bytes, token);
        }
    },
];

impl Mutator {
    /// Changes of the target's files; with another seed others.
    pub fn new(target: &Target, seed: u64) -> Self {
        let seeds = (target.seeds)();
        assert!(seeds.iter().any(|seed| !seed.is_empty()), "{} has no files", target.name);
        Self { seeds, tokens: target.tokens, repair: target.repair, seed }
    }

    /// A file: one of the target's own as it is, for the first numbers, or one with changes.
    pub fn file(&self, number: u64) -> Vec<u8> {
        if let Some(seed) = usize::try_from(number).ok().and_then(|number| self.seeds.get(number)) {
            return seed.clone();
        }
        // Numbers and seeds next to each other are to give files that have nothing in common.
        let mut rng = Rng::with_seed(self.seed.rotate_left(32) ^ number);
        rng.u64(..);
        let mut bytes = self.seeds[rng.usize(..self.seeds.len())].clone();
        for _ in 0..1 << rng.u32(..4) {
            if bytes.is_empty() {
                bytes.push(rng.u8(..));
            }
            CHANGES[rng.usize(..CHANGES.len())](self, &mut rng, &mut bytes);
            bytes.truncate(MAX_LENGTH);
        }
        if rng.u8(..8) > 0 {
            (self.repair)(&mut bytes);
        }
        bytes
    }
}

/// A place in a file that is not empty.
fn place(rng: &mut Rng, length: usize) -> usize {
    match rng.u8(..4) {
        0 | 1 => rng.usize(..length.min(HEAD)),
        2 => rng.usize(length.saturating_sub(TAIL)..length),
        _ => rng.usize(..length),
    }
}

/// Some bytes in a row, mostly few.
fn chunk(rng: &mut Rng, length: usize) -> std::ops::Range<usize> {
    let start = place(rng, length);
    let longest = (length - start).min(1 << rng.u32(..14));
    start..start + rng.usize(1..=longest)
}

fn insert(rng: &mut Rng, bytes: &mut Vec<u8>, part: &[u8]) {
    let at = place(rng, bytes.len());
    bytes.splice(at..at, part.iter().copied());
}

fn overwrite(rng: &mut Rng, bytes: &mut Vec<u8>, part: &[u8]) {
    let at = place(rng, bytes.len());
    let end = (at + part.len()).min(bytes.len());
    bytes.splice(at..end, part.iter().copied());
}

/// Bytes of a number, 1, 2, 4 or 8 of them, in either order.
fn number_bytes(rng: &mut Rng, number: u64, size: usize) -> Vec<u8> {
    let mut bytes = number.to_le_bytes()[..size].to_vec();
    if rng.bool() {
        bytes.reverse();
    }
    bytes
}

fn set_number(_: &Mutator, rng: &mut Rng, bytes: &mut Vec<u8>) {
    let number = NUMBERS[rng.usize(..NUMBERS.len())];
    // The file's own length is a number at which much goes wrong, too.
    let number = if rng.u8(..8) == 0 { bytes.len() as u64 } else { number };
    let number = number.wrapping_add(rng.u64(..3)).wrapping_sub(1);
    let size = 1 << rng.u32(..4);
    let part = number_bytes(rng, number, size);
    overwrite(rng, bytes, &part);
}

/// Adds a little to a number of 1, 2 or 4 bytes.
fn nudge_number(rng: &mut Rng, bytes: &mut [u8]) {
    let size = 1 << rng.u32(..3);
    let at = place(rng, bytes.len());
    let Some(part) = bytes.get_mut(at..at + size) else { return };
    let is_big = rng.bool();
    if is_big {
        part.reverse();
    }
    let old = part.iter().rev().fold(0_u64, |sum, &byte| sum << 8 | u64::from(byte));
    let new = old.wrapping_add(rng.u64(..33)).wrapping_sub(16);
    part.copy_from_slice(&new.to_le_bytes()[..size]);
    if is_big {
        part.reverse();
    }
}

/// Puts another number into the place of the next one that is written as text.
fn set_text_number(_: &Mutator, rng: &mut Rng, bytes: &mut Vec<u8>) {
    let at = rng.usize(..bytes.len());
    let Some(start) = bytes[at..].iter().position(u8::is_ascii_digit).map(|i| at + i) else {
        return;
    };
    let digits = bytes[start..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let number = TEXT_NUMBERS[rng.usize(..TEXT_NUMBERS.len())];
    bytes.splice(start..start + digits, number.iter().copied());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target;

    #[test]
    fn a_number_gives_the_same_file_again_and_another_one_another() {
        let target = target("region_polygons").unwrap();
        let files = |seed| {
            let mutator = Mutator::new(target, seed);
            (100..200).map(|number| mutator.file(number)).collect::<Vec<_>>()
        };
        assert_eq!(files(1), files(1));
        let (one, other) = (files(1), files(2));
        let equal = one.iter().zip(&other).filter(|(one, other)| one == other).count();
        assert!(equal < 10, "{equal} of 100 files are the same for another seed");
        let mut distinct = one.clone();
        distinct.sort();
        distinct.dedup();
        assert!(distinct.len() > 90, "{} of 100 files are distinct", distinct.len());
    }
}
