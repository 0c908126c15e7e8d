//! Lengths of lists ("compact-u16"): 7 bits a byte, the lowest first, at most 16 bits in all.
//! Source: Solana documentation, "Transactions: compact-array format".

use crate::reader::Reader;
use crate::{EncodingFault, Refusal};

/// Set where another byte follows.
const MORE: u8 = 0x80;

/// Reads a length, which must have its shortest form.
pub(super) fn read(input: &mut Reader<'_>, field: &'static str) -> Result<usize, Refusal> {
    let mut length = 0;
    for shift in [0, 7, 14] {
        let byte = input.byte(field)?;
        length |= usize::from(byte & !MORE) << shift;
        if byte & MORE != 0 {
            continue;
        }
        if byte == 0 && shift > 0 {
            return Err(Refusal::malformed(field, EncodingFault::NotMinimal));
        }
        if length > usize::from(u16::MAX) {
            break;
        }
        return Ok(length);
    }
    Err(Refusal::malformed(field, EncodingFault::TooLarge))
}

/// Appends a length.
pub(super) fn write(out: &mut Vec<u8>, length: usize) {
    let mut rest = u16::try_from(length).expect("what was decoded has short lists");
    loop {
        let [low, _] = (rest & 0x7f).to_le_bytes();
        rest >>= 7;
        if rest == 0 {
            return out.push(low);
        }
        out.push(low | MORE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_all(bytes: &[u8]) -> Result<usize, Refusal> {
        let mut input = Reader::new(bytes);
        let length = read(&mut input, "list")?;
        input.finish("list")?;
        Ok(length)
    }

    #[test]
    fn length__should_be_read_as_it_is_written() {
        for length in 0..=usize::from(u16::MAX) {
            let mut out = Vec::new();
            write(&mut out, length);
            assert_eq!(read_all(&out), Ok(length));
        }
        // Solana documentation, examples.
        for (length, bytes) in [
            (0x7f, vec![0x7f]),
            (0x80, vec![0x80, 0x01]),
            (0xff, vec![0xff, 0x01]),
            (0x100, vec![0x80, 0x02]),
            (0x7fff, vec![0xff, 0xff, 0x01]),
            (0xffff, vec![0xff, 0xff, 0x03]),
        ] {
            assert_eq!(read_all(&bytes), Ok(length));
        }
    }

    #[test]
    fn d5_length__must_be_refused_in_a_longer_spelling_or_above_16_bits() {
        for (bytes, fault) in [
            (vec![0x80, 0x00], EncodingFault::NotMinimal),
            (vec![0xff, 0x00], EncodingFault::NotMinimal),
            (vec![0x80, 0x80, 0x00], EncodingFault::NotMinimal),
            (vec![0xff, 0xff, 0x04], EncodingFault::TooLarge),
            (vec![0x80, 0x80, 0x80], EncodingFault::TooLarge),
            (vec![0x80, 0x80, 0x80, 0x00], EncodingFault::TooLarge),
            (vec![0x80], EncodingFault::Truncated),
            (vec![], EncodingFault::Truncated),
        ] {
            assert_eq!(read_all(&bytes), Err(Refusal::malformed("list", fault)));
        }
    }
}
