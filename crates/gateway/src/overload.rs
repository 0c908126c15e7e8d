//! Requests for signatures that come while too many are made: refused at once, before a nonce is
//! spent or anything is written for them. What was let in is answered soon; reading is not affected.

use axum::http::Method;
use axum::http::request::Parts;
use quorate_api::ErrorCode;
use quorate_coordinator::Arrival;

use crate::error::ApiError;
use crate::gateway::Inner;

/// Calls that begin acts of signing.
const SIGNING: [&str; 6] = [
    "/api/v1/sign",
    "/api/v1/sign/batch",
    "/api/v1/sessions",
    "/mpc.v1.MPCService/Sign",
    "/mpc.v1.MPCService/BatchSign",
    "/mpc.v1.MPCService/CreateSigningSession",
];

/// Lets a request in, and counts it if it will begin an act; refuses that while acts wait for each
/// other.
///
/// # Errors
/// `RATE_LIMITED`, with `limit: overload`.
pub(crate) fn admit(inner: &Inner, parts: &Parts) -> Result<Arrival, ApiError> {
    if !signs(&parts.method, parts.uri.path()) {
        return Ok(Arrival::default());
    }
    if let Some(arrival) = inner.coordinator.arrive() {
        return Ok(arrival);
    }
    metrics::counter!("mpc_rate_limited_total", "limit" => "overload").increment(1);
    let message = "more signatures are asked for than can be made soon; come again";
    Err(ApiError::new(ErrorCode::RateLimited, message).with("limit", "overload"))
}

fn signs(method: &Method, path: &str) -> bool {
    *method == Method::POST && SIGNING.contains(&path)
}

#[cfg(test)]
mod tests {
    use quorate_api::mpc_v1::mpc_service_server::SERVICE_NAME;

    use super::*;

    #[test]
    fn signing__should_be_told_from_reading_and_from_other_acts() {
        for path in SIGNING {
            assert!(signs(&Method::POST, path));
            assert!(!signs(&Method::GET, path), "{path} is a list then");
        }
        for path in [
            "/api/v1/keys",
            "/api/v1/verify",
            "/api/v1/sessions/ses_1/cancel",
        ] {
            assert!(!signs(&Method::POST, path), "{path}");
        }
        assert!(signs(&Method::POST, &format!("/{SERVICE_NAME}/Sign")));
    }
}
