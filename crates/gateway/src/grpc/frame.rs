//! The one message of a request: the bytes that a caller signed.
//!
//! A request body is one frame: a flag (1: compressed), the length in 4 bytes, the message. What
//! the HMAC covers is the message itself, uncompressed: clients see it before their library frames
//! and compresses it, and the server sees it before anything is decoded.

use std::io::Read as _;

use bytes::{BufMut as _, Bytes, BytesMut};
use flate2::read::GzDecoder;
use prost::encoding::{DecodeContext, decode_key, skip_field};
use quorate_api::ErrorCode;

use crate::error::ApiError;

/// Flag and length.
pub(crate) const HEADER_BYTES: usize = 5;

/// The message in a body, and whether it was compressed.
///
/// # Errors
/// `MALFORMED_REQUEST` for anything but one whole frame, `PAYLOAD_TOO_LARGE` above `limit`,
/// `NOT_IMPLEMENTED` for a compression other than gzip.
pub(crate) fn message(
    body: &Bytes,
    encoding: Option<&str>,
    limit: usize,
) -> Result<(Bytes, bool), ApiError> {
    let Some((header, rest)) = body.split_first_chunk::<HEADER_BYTES>() else {
        return Err(malformed("the body is not one gRPC frame"));
    };
    let [flag, length @ ..] = *header;
    if usize::try_from(u32::from_be_bytes(length)) != Ok(rest.len()) {
        return Err(malformed("the body is not exactly one gRPC frame"));
    }
    let message = body.slice(HEADER_BYTES..);
    match flag {
        0 if message.len() > limit => Err(too_large(limit)),
        0 => Ok((message, false)),
        1 if encoding == Some("gzip") => Ok((gunzip(&message, limit)?, true)),
        1 => {
            let text = "send messages as they are, or with gzip";
            Err(ApiError::new(ErrorCode::NotImplemented, text))
        }
        _ => Err(malformed("the first byte of a gRPC frame is 0 or 1")),
    }
}

/// A frame around an uncompressed message.
pub(crate) fn frame(message: &Bytes) -> Bytes {
    let mut frame = BytesMut::with_capacity(HEADER_BYTES + message.len());
    frame.put_u8(0);
    frame.put_u32(u32::try_from(message.len()).expect("a message is below its limit"));
    frame.extend_from_slice(message);
    frame.freeze()
}

/// Stops one byte above the limit, whatever the compressed bytes promise.
fn gunzip(compressed: &[u8], limit: usize) -> Result<Bytes, ApiError> {
    let mut message = Vec::new();
    let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    GzDecoder::new(compressed)
        .take(most)
        .read_to_end(&mut message)
        .map_err(|_| malformed("the message is not valid gzip"))?;
    if message.len() > limit {
        return Err(too_large(limit));
    }
    Ok(message.into())
}

/// Whether a message has more than `most` records of its field 1, counted without decoding any.
/// A message that is malformed counts as far as it can be read; its decoder refuses it.
pub(super) fn has_more_than(most: usize, message: &Bytes) -> bool {
    let mut rest = message.clone();
    let mut found = 0;
    while !rest.is_empty() {
        let Ok((tag, wire_type)) = decode_key(&mut rest) else {
            return false;
        };
        found += usize::from(tag == 1);
        if found > most {
            return true;
        }
        if skip_field(wire_type, tag, &mut rest, DecodeContext::default()).is_err() {
            return false;
        }
    }
    false
}

fn malformed(why: &str) -> ApiError {
    ApiError::new(ErrorCode::MalformedRequest, why)
}

fn too_large(limit: usize) -> ApiError {
    let message = format!("the message is longer than {limit} bytes");
    ApiError::new(ErrorCode::PayloadTooLarge, message).with("limit", limit)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn framed(flag: u8, message: &[u8]) -> Bytes {
        let length = u32::try_from(message.len()).unwrap().to_be_bytes();
        [&[flag][..], &length, message].concat().into()
    }

    fn code(body: &Bytes, encoding: Option<&str>) -> ErrorCode {
        message(body, encoding, 100).unwrap_err().code
    }

    #[test]
    fn records__should_be_counted_without_decoding_them() {
        let empty = [0x0a, 0x00];
        let other = [0x10, 0x05]; // field 2: a number
        let message = |count: usize| Bytes::from([empty.repeat(count), other.to_vec()].concat());
        for (count, more) in [(0, false), (3, false), (4, true), (1_000, true)] {
            assert_eq!(has_more_than(3, &message(count)), more, "{count}");
        }
        assert!(
            !has_more_than(1, &Bytes::from_static(&[0x0b, 0xff])),
            "malformed"
        );
    }

    #[test]
    fn message__should_be_the_same_with_and_without_compression() {
        let plain = Bytes::from_static(b"message");
        let (read, _) = message(&frame(&plain), None, 100).unwrap();
        assert_eq!(read, plain);
        let packed = framed(1, &gzip(b"message"));
        assert_eq!(message(&packed, Some("gzip"), 100).unwrap(), (plain, true));
    }

    #[test]
    fn message__must_be_one_whole_frame() {
        let good = framed(0, b"message");
        for bad in [
            Bytes::new(),
            good.slice(..4),
            good.slice(..good.len() - 1),
            [&good[..], b"x"].concat().into(),
            [&good[..], &good[..]].concat().into(),
            framed(2, b"message"),
        ] {
            assert_eq!(code(&bad, None), ErrorCode::MalformedRequest, "{bad:?}");
        }
    }

    #[test]
    fn compressed_message__must_be_gzip_and_said_to_be() {
        let packed = framed(1, &gzip(b"message"));
        assert_eq!(code(&packed, None), ErrorCode::NotImplemented);
        assert_eq!(code(&packed, Some("deflate")), ErrorCode::NotImplemented);
        let broken = framed(1, b"message");
        assert_eq!(code(&broken, Some("gzip")), ErrorCode::MalformedRequest);
    }

    #[test]
    fn gzip_bomb__must_stop_at_the_limit() {
        let bomb = gzip(&vec![0; 10_000_000]);
        assert!(bomb.len() < 20_000);
        let refused = message(&framed(1, &bomb), Some("gzip"), 100).unwrap_err();
        assert_eq!(refused.code, ErrorCode::PayloadTooLarge);
        assert_eq!(refused.details["limit"], 100);
    }
}
