//! Samples of 8 to 16 bits, however they are packed.

use super::{Shape, check_length};

/// How samples lie in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packing {
    /// A byte each.
    Bytes,
    /// Two bytes each, the lower first.
    Words,
    /// One after the other, the lowest bit first: `Mono10p`, `BayerRG12p`.
    Lsb,
    /// Two in three bytes, the middle one with the lowest bits of both: `Mono12Packed`.
    GigE,
}

/// The samples of a frame, row by row. Rows of packed samples begin with a byte of their own if
/// there is padding or the frame is long enough, and otherwise follow each other bit by bit.
///
/// # Errors
/// The frame is too short.
pub fn unpack(data: &[u8], packing: Packing, bits: u8, shape: Shape) -> Result<Vec<u16>, String> {
    let Shape { width, height, padding } = shape;
    let sample_bits: u64 = match packing {
        Packing::Bytes => 8,
        Packing::Words => 16,
        Packing::Lsb => bits.into(),
        Packing::GigE => 12,
    };
    let bytes = |samples: u64| samples.saturating_mul(sample_bits).div_ceil(8);
    let samples = u64::from(width) * u64::from(height);
    let row = bytes(width.into());
    let stride = row + padding as u64;
    let of_rows = stride.saturating_mul(u64::from(height).saturating_sub(1)).saturating_add(row);
    let has_rows = padding > 0 || data.len() as u64 >= of_rows;
    check_length(data, if has_rows { of_rows } else { bytes(samples) }, shape)?;
    let mut unpacked = Vec::with_capacity(samples as usize);
    match has_rows {
        true => {
            for row in data.chunks(stride as usize).take(height as usize) {
                append(row, packing, bits, width as usize, &mut unpacked);
            }
        }
        false => append(data, packing, bits, samples as usize, &mut unpacked),
    }
    Ok(unpacked)
}

fn append(data: &[u8], packing: Packing, bits: u8, samples: usize, unpacked: &mut Vec<u16>) {
    let all = 0..samples;
    match packing {
        Packing::Bytes => unpacked.extend(data[all].iter().map(|&byte| u16::from(byte))),
        Packing::Words => {
            let words = data.as_chunks::<2>().0[all].iter();
            unpacked.extend(words.map(|&pair| u16::from_le_bytes(pair)));
        }
        Packing::Lsb => unpacked.extend(all.map(|index| lsb_sample(data, bits, index))),
        Packing::GigE => unpacked.extend(all.map(|index| gige_sample(data, bits, index))),
    }
}

/// A sample lies in three bytes at most.
fn lsb_sample(data: &[u8], bits: u8, index: usize) -> u16 {
    let place = index * usize::from(bits);
    let byte = |offset: usize| u32::from(data.get(place / 8 + offset).copied().unwrap_or(0));
    let window = byte(0) | byte(1) << 8 | byte(2) << 16;
    (window >> (place % 8)) as u16 & (u16::MAX >> (16 - bits))
}

fn gige_sample(data: &[u8], bits: u8, index: usize) -> u16 {
    let start = index / 2 * 3;
    let low_bits = bits - 8;
    let low = u16::from(data[start + 1]);
    let (high, low) = match index % 2 {
        0 => (data[start], low),
        _ => (data[start + 2], low >> 4),
    };
    u16::from(high) << low_bits | low & ((1 << low_bits) - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unpacked(data: &[u8], packing: Packing, bits: u8, width: u32, height: u32) -> Vec<u16> {
        unpack(data, packing, bits, Shape { width, height, padding: 0 }).unwrap()
    }

    /// The bytes that the Pixel Format Naming Convention and GigE Vision draw for two samples.
    #[test]
    fn bits_lie_where_the_standards_draw_them() {
        let twelve = [0xABC, 0x123];
        assert_eq!(unpacked(&[0xBC, 0x3A, 0x12], Packing::Lsb, 12, 2, 1), twelve);
        assert_eq!(unpacked(&[0xAB, 0x3C, 0x12], Packing::GigE, 12, 2, 1), twelve);
        assert_eq!(unpacked(&[0xBC, 0x0A, 0x23, 0x01], Packing::Words, 12, 2, 1), twelve);
        // 10 bits: 0b11_0000_0001, 0b00_1111_0010, 0b10_1010_1011, 0b01_0101_0100
        let ten = [0x301, 0x0F2, 0x2AB, 0x154];
        let lsb = [0x01, 0b1100_1011, 0b1011_0011, 0b0010_1010, 0x55];
        assert_eq!(unpacked(&lsb, Packing::Lsb, 10, 4, 1), ten);
        let gige = [0xC0, 0b0010_0001, 0x3C, 0xAA, 0b0000_0011, 0x55];
        assert_eq!(unpacked(&gige, Packing::GigE, 10, 4, 1), ten);
    }

    #[test]
    fn rows_follow_bit_by_bit_or_begin_with_a_byte() {
        // Three samples of 12 bits a row: four and a half bytes.
        let samples = [1, 2, 3, 4, 5, 6];
        let through = [1, 0x20, 0, 3, 0x40, 0, 5, 0x60, 0];
        assert_eq!(unpacked(&through, Packing::Lsb, 12, 3, 2), samples);
        let rows = [1, 0x20, 0, 3, 0, 4, 0x50, 0, 6, 0];
        assert_eq!(unpacked(&rows, Packing::Lsb, 12, 3, 2), samples);
        let padded = [1, 0x20, 0, 3, 0, 99, 4, 0x50, 0, 6, 0];
        let shape = Shape { width: 3, height: 2, padding: 1 };
        assert_eq!(unpack(&padded, Packing::Lsb, 12, shape).unwrap(), samples);
        assert!(unpack(&padded[..10], Packing::Lsb, 12, shape).is_err());
    }
}
