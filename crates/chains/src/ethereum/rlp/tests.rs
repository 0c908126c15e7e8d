use super::*;

fn fault<T: std::fmt::Debug>(read: Result<T, Refusal>) -> EncodingFault {
    match read {
        Err(Refusal::Malformed { fault, .. }) => fault,
        other => panic!("expected a fault, got {other:?}"),
    }
}

fn string(bytes: &[u8]) -> Result<Vec<u8>, Refusal> {
    let mut items = Items { rest: bytes };
    items.string("x").map(<[u8]>::to_vec)
}

fn number(bytes: &[u8]) -> Result<u64, Refusal> {
    Items { rest: bytes }.u64("x")
}

#[test]
fn string__should_round_trip_at_every_length_boundary() {
    for length in [0, 1, 2, 54, 55, 56, 57, 255, 256, 257, 65_535, 65_536] {
        let content = vec![0xab; length];
        let mut out = Vec::new();
        write_string(&mut out, &content);
        assert_eq!(string(&out), Ok(content), "length {length}");
    }
    for byte in 0..=255 {
        let mut out = Vec::new();
        write_string(&mut out, &[byte]);
        assert_eq!(out.len(), if byte < 0x80 { 1 } else { 2 });
        assert_eq!(string(&out), Ok(vec![byte]));
    }
}

#[test]
fn number__should_round_trip() {
    for value in [0, 1, 127, 128, 255, 256, u64::MAX] {
        let mut out = Vec::new();
        write_uint(&mut out, value);
        assert_eq!(number(&out), Ok(value));
    }
}

#[test]
fn d5_string__must_refuse_longer_spellings() {
    let mut long = vec![0xb8, 55];
    long.extend([1; 55]);
    let mut padded = vec![0xb9, 0, 56];
    padded.extend([1; 56]);
    for bytes in [&[0x81, 0x00][..], &[0x81, 0x7f], &long, &padded] {
        assert_eq!(fault(string(bytes)), EncodingFault::NotMinimal);
    }
    let mut long_list = vec![0xf8, 55];
    long_list.extend([1; 55]);
    assert_eq!(
        fault(Items::of("x", &long_list).map(|_| ())),
        EncodingFault::NotMinimal
    );
}

#[test]
fn d5_number__must_refuse_leading_zeros_and_too_many_digits() {
    assert_eq!(fault(number(&[0x00])), EncodingFault::LeadingZero);
    assert_eq!(fault(number(&[0x82, 0, 1])), EncodingFault::LeadingZero);
    let nine = [0x89, 1, 0, 0, 0, 0, 0, 0, 0, 0];
    assert_eq!(fault(number(&nine)), EncodingFault::TooLarge);
    let mut seventeen = vec![0x91];
    seventeen.extend([1; 17]);
    assert_eq!(
        fault(Items { rest: &seventeen }.u128("x")),
        EncodingFault::TooLarge
    );
    let mut thirty_three = vec![0xa1];
    thirty_three.extend([1; 33]);
    assert_eq!(
        fault(
            Items {
                rest: &thirty_three
            }
            .u256("x")
        ),
        EncodingFault::TooLarge
    );
}

#[test]
fn d5_items__must_refuse_truncation_wrong_kinds_and_trailing_bytes() {
    assert_eq!(fault(string(&[])), EncodingFault::Missing);
    assert_eq!(fault(string(&[0x82, 1])), EncodingFault::Truncated);
    assert_eq!(fault(string(&[0xb9, 1])), EncodingFault::Truncated);
    assert_eq!(fault(string(&[0xc0])), EncodingFault::NotAString);
    let list = |bytes| Items::of("x", bytes).map(|_| ());
    assert_eq!(fault(list(&[0x80])), EncodingFault::NotAList);
    assert_eq!(fault(list(&[0xc0, 0x80])), EncodingFault::TrailingBytes);
    let mut huge = vec![0xbf];
    huge.extend([0xff; 8]);
    assert_eq!(fault(string(&huge)), EncodingFault::Truncated);
    let items = Items { rest: &[0x80] };
    assert_eq!(fault(items.finish("x")), EncodingFault::ExtraFields);
}
