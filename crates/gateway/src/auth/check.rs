//! Who calls: headers, HMAC or signature, time window, nonce; in this order.

use axum::http::request::Parts;
use quorate_api::ErrorCode;
use quorate_coordinator::now;
use quorate_store::{IdempotencyRequest, IdempotencyStart, RequestNonce, RequestStart};
use quorate_types::{Tenant, UnixMillis, UnixSeconds};

use super::lines::{KEY, NONCE, SIGNATURE, TIMESTAMP, signed_text};
use super::proof::Proof;
use crate::error::ApiError;
use crate::gateway::Inner;

const NONCE_LENGTHS: std::ops::RangeInclusive<usize> = 16..=64;
const MAX_TIMESTAMP_DIGITS: usize = 12;

/// An authenticated caller.
#[derive(Debug, Clone)]
pub(crate) struct Identity {
    /// Id of the credential.
    pub(crate) key: String,
    /// Whose keys it may see and use.
    pub(crate) tenant: Tenant,
}

/// The same answer whatever is wrong, so that nobody learns which credentials exist.
fn unauthenticated() -> ApiError {
    let message = "credential unknown, or its signature does not match the request";
    ApiError::new(ErrorCode::Unauthenticated, message)
}

fn header<'a>(parts: &'a Parts, name: &str) -> Result<&'a str, ApiError> {
    let mut values = parts.headers.get_all(name).iter();
    let value = values.next().and_then(|value| value.to_str().ok());
    match (value, values.next()) {
        (Some(value), None) => Ok(value),
        _ => {
            let message = format!("the header `{name}` is missing, double, or not ASCII");
            Err(ApiError::new(ErrorCode::Unauthenticated, message).with("header", name))
        }
    }
}

/// The credential that a request names, right or wrong.
pub(crate) fn named(parts: &Parts) -> Option<&str> {
    header(parts, KEY).ok()
}

/// A request whose proof is right and whose time has not passed; its nonce is not spent yet.
pub(crate) struct Proven<'a> {
    identity: Identity,
    nonce: &'a str,
    forget_at: UnixMillis,
}

/// Authenticates a request, but for its nonce. It waits for nothing.
///
/// # Security
/// An unknown credential costs the same work as a known one, and the answer is the same.
pub(crate) fn prove<'a>(
    gateway: &Inner,
    parts: &'a Parts,
    body: &[u8],
) -> Result<Proven<'a>, ApiError> {
    let (key, timestamp) = (header(parts, KEY)?, header(parts, TIMESTAMP)?);
    let (nonce, signature) = (header(parts, NONCE)?, header(parts, SIGNATURE)?);
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    let known = gateway.credentials.get(key);
    let text = signed_text(parts.method.as_str(), path, timestamp, nonce, body);
    let is_right =
        Proof::read(signature).is_some_and(|proof| proof.is_right(known, &gateway.decoy, &text));
    let (Some(known), true) = (known, is_right) else {
        return Err(unauthenticated());
    };
    let sent_at = read_timestamp(timestamp)?;
    check_nonce(nonce)?;
    let window = gateway.limits.auth_window_seconds;
    let current = now().seconds();
    if current.0.abs_diff(sent_at.0) > window {
        let message = format!("the timestamp is more than {window} s from the server's time");
        return Err(
            ApiError::new(ErrorCode::RequestExpired, message).with("server_time", current.0)
        );
    }
    // One second more than the timestamp can pass.
    let forget_at = UnixMillis::from(sent_at.plus(window + 1));
    let identity = Identity {
        key: key.to_owned(),
        tenant: known.tenant.clone(),
    };
    Ok(Proven {
        identity,
        nonce,
        forget_at,
    })
}

impl Proven<'_> {
    /// Id of the caller's credential.
    pub(crate) fn credential(&self) -> &str {
        &self.identity.key
    }

    /// Spends the nonce, and starts the request if it has an `Idempotency-Key`: in one write.
    ///
    /// # Security
    /// It is recorded only after the proof is right: nobody else can use up a nonce. It is kept as
    /// long as its timestamp can pass, in the store, so a restart does not open a window.
    pub(crate) async fn begin(
        self,
        gateway: &Inner,
        idempotency: Option<IdempotencyRequest>,
    ) -> Result<(Identity, Option<IdempotencyStart>), ApiError> {
        let Self {
            identity,
            nonce,
            forget_at,
        } = self;
        let store = gateway.coordinator.store();
        let nonce = RequestNonce {
            credential: identity.key.clone(),
            nonce: nonce.to_owned(),
            expires_at: forget_at,
        };
        match store.begin_request(nonce, idempotency).await? {
            RequestStart::Fresh(start) => Ok((identity, start)),
            RequestStart::Replayed => {
                let message = "this nonce was used before with this credential";
                Err(ApiError::new(ErrorCode::RequestReplayed, message))
            }
        }
    }
}

fn read_timestamp(text: &str) -> Result<UnixSeconds, ApiError> {
    let is_number = text.len() <= MAX_TIMESTAMP_DIGITS && text.bytes().all(|b| b.is_ascii_digit());
    let seconds = is_number.then(|| text.parse().ok()).flatten();
    seconds.map(UnixSeconds).ok_or_else(|| {
        let message = format!("the header `{TIMESTAMP}` must be Unix seconds");
        ApiError::new(ErrorCode::Unauthenticated, message)
    })
}

fn check_nonce(nonce: &str) -> Result<(), ApiError> {
    let safe = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
    if NONCE_LENGTHS.contains(&nonce.len()) && nonce.bytes().all(safe) {
        return Ok(());
    }
    let message = format!("the header `{NONCE}` must be 16 to 64 of A-Z a-z 0-9 - _");
    Err(ApiError::new(ErrorCode::Unauthenticated, message))
}
