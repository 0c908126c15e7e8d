//! Lengths and counts: 1, 3, 5 or 9 bytes, in the shortest form.

use crate::reader::Reader;
use crate::{EncodingFault, Refusal};

/// Reads a number, which must have its shortest form.
pub(super) fn read(input: &mut Reader<'_>, field: &'static str) -> Result<usize, Refusal> {
    let (number, least) = match input.byte(field)? {
        0xfd => (u16::from_le_bytes(input.array(field)?).into(), 0xfd),
        0xfe => (u32::from_le_bytes(input.array(field)?).into(), 0x1_0000),
        0xff => (u64::from_le_bytes(input.array(field)?), 0x1_0000_0000),
        short => (u64::from(short), 0),
    };
    if number < least {
        return Err(Refusal::malformed(field, EncodingFault::NotMinimal));
    }
    usize::try_from(number).map_err(|_| Refusal::malformed(field, EncodingFault::TooLarge))
}

/// Reads a length, and as many bytes.
pub(super) fn read_bytes<'a>(
    input: &mut Reader<'a>,
    field: &'static str,
) -> Result<&'a [u8], Refusal> {
    let length = read(input, field)?;
    input.take(field, length)
}

/// Appends a number.
pub(super) fn write(out: &mut Vec<u8>, number: usize) {
    if let Ok(short @ ..0xfd) = u8::try_from(number) {
        out.push(short);
    } else if let Ok(number) = u16::try_from(number) {
        out.push(0xfd);
        out.extend(number.to_le_bytes());
    } else if let Ok(number) = u32::try_from(number) {
        out.push(0xfe);
        out.extend(number.to_le_bytes());
    } else {
        out.push(0xff);
        out.extend((number as u64).to_le_bytes());
    }
}

/// Appends a length, and the bytes.
pub(super) fn write_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    write(out, bytes.len());
    out.extend_from_slice(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_all(bytes: &[u8]) -> Result<usize, Refusal> {
        let mut input = Reader::new(bytes);
        let number = read(&mut input, "count")?;
        input.finish("count")?;
        Ok(number)
    }

    #[test]
    fn number__should_be_read_as_it_is_written() {
        for number in [
            0,
            0xfc,
            0xfd,
            0xffff,
            0x1_0000,
            0xffff_ffff,
            0x1_0000_0000,
            usize::MAX,
        ] {
            let mut out = Vec::new();
            write(&mut out, number);
            assert_eq!(read_all(&out), Ok(number));
        }
    }

    #[test]
    fn d5_number__must_be_refused_in_a_longer_spelling() {
        for bytes in [
            vec![0xfd, 0xfc, 0],
            vec![0xfe, 0xff, 0xff, 0, 0],
            vec![0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0],
        ] {
            let refusal = Refusal::malformed("count", EncodingFault::NotMinimal);
            assert_eq!(read_all(&bytes), Err(refusal));
        }
        for bytes in [vec![], vec![0xfd, 0xfd], vec![0xff; 8]] {
            let refusal = Refusal::malformed("count", EncodingFault::Truncated);
            assert_eq!(read_all(&bytes), Err(refusal));
        }
    }
}
