//! `grpc-timeout`: the time that a caller gives a call.

use std::time::Duration;

use axum::http::HeaderMap;
use quorate_api::ErrorCode;

use crate::error::ApiError;

const HEADER: &str = "grpc-timeout";
/// Digits that the specification allows.
const MAX_DIGITS: usize = 8;

/// The caller's limit, if it gives one.
///
/// # Errors
/// `INVALID_ARGUMENT` for one that is not of the specified form.
pub(crate) fn grpc_timeout(headers: &HeaderMap) -> Result<Option<Duration>, ApiError> {
    let Some(given) = headers.get(HEADER) else {
        return Ok(None);
    };
    let read = given.to_str().ok().and_then(parse);
    let message = "`grpc-timeout` must be 1 to 8 digits and one of H M S m u n";
    let malformed = || ApiError::new(ErrorCode::InvalidArgument, message);
    read.map(Some).ok_or_else(malformed)
}

/// gRPC over HTTP2, "Timeout".
fn parse(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.is_empty() || digits.len() > MAX_DIGITS || !digits.bytes().all(|b| b.is_ascii_digit())
    {
        return None;
    }
    let value: u64 = digits.parse().ok()?;
    Some(match unit {
        "H" => Duration::from_secs(value * 3_600),
        "M" => Duration::from_secs(value * 60),
        "S" => Duration::from_secs(value),
        "m" => Duration::from_millis(value),
        "u" => Duration::from_micros(value),
        "n" => Duration::from_nanos(value),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeout__should_be_read_in_each_unit() {
        for (text, expected) in [
            ("1H", Duration::from_secs(3_600)),
            ("2M", Duration::from_secs(120)),
            ("99999999S", Duration::from_secs(99_999_999)),
            ("250m", Duration::from_millis(250)),
            ("7u", Duration::from_micros(7)),
            ("0n", Duration::ZERO),
        ] {
            assert_eq!(parse(text), Some(expected), "{text}");
        }
    }

    #[test]
    fn timeout__must_be_refused_in_another_form() {
        for text in ["", "S", "1", "1s", "-1S", "1.5S", "123456789S", " 1S", "1é"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
