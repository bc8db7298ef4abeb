//! Checksums of changed files made right again, as far as the files still hang together: behind a wrong one nothing would
//! be tried.

use sha2::{Digest, Sha256};

/// PNG's signature.
const PNG_START: usize = 8;
/// Length and kind of a PNG chunk before its data, and the checksum after.
const CHUNK_HEAD: usize = 8;
const CHUNK_SUM: usize = 4;

/// The checksums of PNG chunks.
pub(crate) fn png(bytes: &mut [u8]) {
    let mut at = PNG_START;
    while let Some(length) = number::<4>(bytes, at).map(u32::from_be_bytes) {
        let data_end = at.saturating_add(CHUNK_HEAD).saturating_add(length as usize);
        let Some(chunk) = bytes.get(at + 4..data_end) else { return };
        let sum = crc32fast::hash(chunk).to_be_bytes();
        let Some(place) = bytes.get_mut(data_end..data_end + CHUNK_SUM) else { return };
        place.copy_from_slice(&sum);
        at = data_end + CHUNK_SUM;
    }
}

/// Where the checksum of a container stands (`docs/model-file.md`).
const SEAL: std::ops::Range<usize> = 35..99;

/// The checksum of a model, checkpoint or teacher, and the length of its header: of a header that was changed, what
/// follows begins at the same place as before.
pub(crate) fn container(bytes: &mut [u8]) {
    let header_end = bytes.windows(3).rposition(|three| three == b"]}}").map(|at| {
        let end = at + 3;
        end + bytes[end..].iter().take_while(|&&byte| byte == b' ').count()
    });
    if let Some(length) = header_end.and_then(|end| end.checked_sub(8)) {
        bytes[..8].copy_from_slice(&(length as u64).to_le_bytes());
    }
    seal(bytes);
}

/// The checksum of a model, checkpoint or teacher.
pub(crate) fn seal(bytes: &mut [u8]) {
    if bytes.len() < SEAL.end {
        return;
    }
    bytes[SEAL].fill(b'0');
    let digest = Sha256::digest(&*bytes);
    let digits: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    bytes[SEAL].copy_from_slice(digits.as_bytes());
}

/// Places in a zip archive's central entries and local headers (PKWARE's APPNOTE, 4.3).
const CENTRAL: &[u8] = b"PK\x01\x02";
const CENTRAL_SUM: usize = 16;
const CENTRAL_SIZE: usize = 20;
const CENTRAL_OFFSET: usize = 42;
const LOCAL_SUM: usize = 14;
const LOCAL_NAME: usize = 26;
const LOCAL_EXTRA: usize = 28;
const LOCAL_HEAD: usize = 30;

/// The checksums of a zip archive's entries that are stored as they are.
pub(crate) fn zip(bytes: &mut [u8]) {
    let starts: Vec<usize> = (0..bytes.len().saturating_sub(CENTRAL_OFFSET + 4))
        .filter(|&at| bytes[at..].starts_with(CENTRAL))
        .collect();
    for central in starts {
        // An entry that does not hang together is left as it is.
        let _ = zip_entry(bytes, central);
    }
}

fn zip_entry(bytes: &mut [u8], central: usize) -> Option<()> {
    let size = u32::from_le_bytes(number(bytes, central + CENTRAL_SIZE)?) as usize;
    let local = u32::from_le_bytes(number(bytes, central + CENTRAL_OFFSET)?) as usize;
    let name = u16::from_le_bytes(number(bytes, local.checked_add(LOCAL_NAME)?)?);
    let extra = u16::from_le_bytes(number(bytes, local + LOCAL_EXTRA)?);
    let start = local + LOCAL_HEAD + usize::from(name) + usize::from(extra);
    let sum = crc32fast::hash(bytes.get(start..start.checked_add(size)?)?).to_le_bytes();
    bytes.get_mut(central + CENTRAL_SUM..)?.first_chunk_mut().map(|place| *place = sum)?;
    bytes.get_mut(local + LOCAL_SUM..)?.first_chunk_mut().map(|place| *place = sum)
}

fn number<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk().copied()
}
