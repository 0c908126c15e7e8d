//! The stable error codes of all interfaces, and what each means. `docs/errors.md` is written from
//! this table, and a test keeps it equal.

use std::fmt;

/// Who must act so that the error goes away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Actor {
    /// The caller must change the request.
    Caller,
    /// A peer misbehaved.
    Peer,
    /// The operator must look at the cluster.
    Operator,
    /// A defect of Quorate.
    Us,
}

impl Actor {
    /// Word in the documentation.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Caller => "caller",
            Self::Peer => "peer",
            Self::Operator => "operator",
            Self::Us => "Quorate",
        }
    }
}

macro_rules! codes {
    ($($name:ident = $code:literal, $status:literal, $actor:ident, $help:literal;)+) => {
        /// A stable error code. Clients match on it; messages may change, codes may not.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum ErrorCode {
            $(#[doc = $help] $name,)+
        }

        impl ErrorCode {
            /// All codes, in the order of the documentation.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// The code as it appears on the wire.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $code),+ }
            }

            /// HTTP status that goes with it.
            #[must_use]
            pub const fn http_status(self) -> u16 {
                match self { $(Self::$name => $status),+ }
            }

            /// gRPC status that goes with it.
            #[must_use]
            pub const fn grpc_code(self) -> tonic::Code {
                grpc_code(self)
            }

            /// Who must act.
            #[must_use]
            pub const fn actor(self) -> Actor {
                match self { $(Self::$name => Actor::$actor),+ }
            }

            /// What it means and what to do.
            #[must_use]
            pub const fn help(self) -> &'static str {
                match self { $(Self::$name => $help),+ }
            }

            /// The code of this spelling.
            #[must_use]
            pub fn parse(text: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|code| code.as_str() == text)
            }
        }
    };
}

codes! {
    MalformedRequest = "MALFORMED_REQUEST", 400, Caller,
        "The body is not of the documented form. Compare it with /openapi.json, or with the proto file.";
    InvalidArgument = "INVALID_ARGUMENT", 400, Caller,
        "A field has a value that is not allowed; the message names it.";
    InvalidThreshold = "INVALID_THRESHOLD", 400, Caller,
        "Choose 2 <= threshold <= total_nodes <= 20.";
    TooManyNodes = "TOO_MANY_NODES", 400, Caller,
        "The cluster has fewer nodes than total_nodes; see GET /nodes.";
    WrongCurve = "WRONG_CURVE", 400, Caller,
        "The chain does not use this algorithm or curve; the message names the right one.";
    UnknownChain = "UNKNOWN_CHAIN", 400, Caller,
        "The chain type is not known; the message lists what is.";
    UnknownProtocol = "UNKNOWN_PROTOCOL", 400, Caller,
        "No enabled protocol of this name signs this algorithm.";
    MalformedIntent = "MALFORMED_INTENT", 400, Caller,
        "The intent is not in canonical form; build it with `quorate intent build` or an SDK.";
    IntentMismatch = "INTENT_MISMATCH", 400, Caller,
        "A readable field differs from the signed intent; send what was signed.";
    MalformedTransaction = "MALFORMED_TRANSACTION", 400, Caller,
        "The payload is not an unsigned transaction of the chain in its one canonical encoding.";
    WrongChain = "WRONG_CHAIN", 400, Caller,
        "The payload is for another chain or network than the key.";
    UnsupportedMessage = "UNSUPPORTED_MESSAGE", 400, Caller,
        "This message or transaction type is not supported (yet); the message names it.";
    Unauthenticated = "UNAUTHENTICATED", 401, Caller,
        "Credential unknown, or its signature of the request (HMAC or Ed25519) does not match. Check key, secret, and the five signed lines.";
    RequestExpired = "REQUEST_EXPIRED", 401, Caller,
        "The timestamp is outside the window of 60 seconds. Check the clock and sign again.";
    RequestReplayed = "REQUEST_REPLAYED", 401, Caller,
        "This nonce was already used with this credential. Sign each request with a fresh nonce.";
    BadInitiatorSignature = "BAD_INITIATOR_SIGNATURE", 403, Caller,
        "The initiator's signature does not verify over the intent.";
    UnknownInitiator = "UNKNOWN_INITIATOR", 403, Caller,
        "The manifest does not know this initiator. Owners add it in a new manifest version.";
    NotAllowed = "NOT_ALLOWED", 403, Caller,
        "The initiator or credential may not do this, or not for this tenant.";
    IntentExpired = "INTENT_EXPIRED", 403, Caller,
        "The intent's time is over, not yet come, or too long. Build and sign a new one.";
    RawHashRefused = "RAW_HASH_REFUSED", 403, Caller,
        "The key was not created with the right raw_hash: send the transaction itself.";
    RawMessageRefused = "RAW_MESSAGE_REFUSED", 403, Caller,
        "The key was not created with the right raw_message.";
    FeeTooHigh = "FEE_TOO_HIGH", 403, Caller,
        "The fee is above the ceiling of a participant; the message names both. Operators set it.";
    NotFound = "NOT_FOUND", 404, Caller,
        "There is no such key, session or node, or the credential may not see it.";
    MethodNotAllowed = "METHOD_NOT_ALLOWED", 405, Caller,
        "The path exists, but not with this method; see /openapi.json.";
    IdempotencyConflict = "IDEMPOTENCY_CONFLICT", 409, Caller,
        "This Idempotency-Key was used with another body. Use a new one for a new request.";
    InProgress = "IN_PROGRESS", 409, Caller,
        "A request with this Idempotency-Key is still running; ask again.";
    KeyNotActive = "KEY_NOT_ACTIVE", 409, Caller,
        "The key's status does not allow this; the message gives the status.";
    NotBanned = "NOT_BANNED", 409, Caller,
        "No ban of this pair and generation stands: it was lifted, the pair has newer state, or there never was one.";
    IntentConflict = "INTENT_CONFLICT", 409, Caller,
        "This intent is already bound to other content or to another session.";
    SessionEnded = "SESSION_ENDED", 409, Caller,
        "The session is over; it cannot be changed any more.";
    PayloadTooLarge = "PAYLOAD_TOO_LARGE", 413, Caller,
        "The body or payload is over its limit; the message gives the limit.";
    UnsupportedMediaType = "UNSUPPORTED_MEDIA_TYPE", 415, Caller,
        "Send application/json, or application/grpc to a gRPC method.";
    RateLimited = "RATE_LIMITED", 429, Caller,
        "Too many requests or sessions at once. Wait as long as Retry-After says.";
    NotImplemented = "NOT_IMPLEMENTED", 501, Caller,
        "The interface has this call, but this version does not do it; see docs/limits.md.";
    Aborted = "ABORTED", 502, Peer,
        "A participant broke the protocol, or a run failed; the message names whom. Nothing was signed.";
    PairBanned = "PAIR_BANNED", 503, Operator,
        "Every possible signer set holds a banned pair. An owner must lift the ban, so that they make new state.";
    PairNotReady = "PAIR_NOT_READY", 503, Operator,
        "Two nodes have no pair state yet; the message names them. They make it once they are linked: ask again.";
    NotEnoughNodes = "NOT_ENOUGH_NODES", 503, Operator,
        "Fewer nodes than the threshold can sign now; the details name the missing ones. Start them.";
    NodeUnavailable = "NODE_UNAVAILABLE", 503, Operator,
        "A participant cannot take part now; the message says why.";
    ShareDamaged = "SHARE_DAMAGED", 503, Operator,
        "A share file failed its check at a node; the message names node, file, check and recovery.";
    AuditUnavailable = "AUDIT_UNAVAILABLE", 503, Operator,
        "The audit log cannot be written, so nothing is done. Check disk space and permissions.";
    StoreUnavailable = "STORE_UNAVAILABLE", 503, Operator,
        "The metadata store cannot be read or written.";
    Unavailable = "UNAVAILABLE", 503, Operator,
        "The service is stopping. Ask again in a moment.";
    Timeout = "TIMEOUT", 504, Operator,
        "The nodes did not finish in time; the details name on whom it waited.";
    Internal = "INTERNAL", 500, Us,
        "A defect of Quorate. Report it with the request id.";
}

/// The HTTP status says it, except where gRPC has finer words.
const fn grpc_code(code: ErrorCode) -> tonic::Code {
    use tonic::Code;
    match code {
        ErrorCode::IdempotencyConflict => Code::AlreadyExists,
        ErrorCode::InProgress => Code::Aborted,
        ErrorCode::MethodNotAllowed => Code::Unimplemented,
        ErrorCode::PairBanned | ErrorCode::ShareDamaged => Code::FailedPrecondition,
        _ => match code.http_status() {
            400 | 415 => Code::InvalidArgument,
            401 => Code::Unauthenticated,
            403 => Code::PermissionDenied,
            404 => Code::NotFound,
            409 => Code::FailedPrecondition,
            413 | 429 => Code::ResourceExhausted,
            501 => Code::Unimplemented,
            502 => Code::Aborted,
            503 => Code::Unavailable,
            504 => Code::DeadlineExceeded,
            _ => Code::Internal,
        },
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As gRPC spells its codes.
    fn upper_snake(camel: &str) -> String {
        let mut out = String::new();
        for letter in camel.chars() {
            if letter.is_ascii_uppercase() && !out.is_empty() {
                out.push('_');
            }
            out.push(letter.to_ascii_uppercase());
        }
        out
    }

    /// `QUORATE_BLESS=1 cargo test -p quorate-api` rewrites the document.
    #[test]
    fn error_codes__should_equal_the_documentation() {
        let mut table = String::from(
            "# Error codes\n\nWritten from `crates/api/src/error_code.rs`; a test keeps them equal. In gRPC \
             the code is the `reason` of `google.rpc.ErrorInfo`.\n\n\
             | code | HTTP | gRPC | who must act | meaning and remedy |\n|---|---|---|---|---|\n",
        );
        for code in ErrorCode::ALL {
            let (status, actor) = (code.http_status(), code.actor().as_str());
            let grpc = upper_snake(&format!("{:?}", code.grpc_code()));
            let help = code.help();
            table += &format!("| `{code}` | {status} | `{grpc}` | {actor} | {help} |\n");
            assert_eq!(ErrorCode::parse(code.as_str()), Some(*code));
        }
        let root = std::env::var("CARGO_MANIFEST_DIR").unwrap();
        let path = &format!("{root}/../../docs/errors.md");
        if std::env::var_os("QUORATE_BLESS").is_some() {
            std::fs::write(path, &table).unwrap();
        }
        assert_eq!(std::fs::read_to_string(path).unwrap(), table);
    }
}
