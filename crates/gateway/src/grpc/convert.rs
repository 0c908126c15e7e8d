//! Between the bodies of REST and the messages of `mpc.v1`: the only such place.
//!
//! The REST bodies are what the rest of the gateway works with. An empty string of a message is
//! "none" there; times go from RFC 3339 to Unix seconds.

use quorate_api::mpc_v1 as pb;
use quorate_api::mpc_v1::batch_sign_result::Result as ItemResult;
use quorate_api::rest;

use crate::error::ApiError;

fn given(text: String) -> Option<String> {
    Some(text).filter(|text| !text.is_empty())
}

/// Values that are small in practice; the largest stands for what does not fit.
fn narrow(value: u64) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

/// Unix seconds of a time as our own views write it (`2026-01-31T00:00:00Z`); 0 for none.
fn seconds(text: &str) -> i64 {
    read_seconds(text).unwrap_or(0)
}

fn read_seconds(text: &str) -> Option<i64> {
    let mut numbers = text.strip_suffix('Z')?.split(['-', 'T', ':']);
    let mut next = || numbers.next()?.parse::<i64>().ok();
    let (year, month, day) = (next()?, next()?, next()?);
    let (hour, minute, second) = (next()?, next()?, next()?);
    // Days from a civil date, after Howard Hinnant: years start in March.
    let year = year - i64::from(month <= 2);
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    let days = era * 146_097 + day_of_era - 719_468;
    Some(days * 86_400 + hour * 3_600 + minute * 60 + second)
}

fn maybe_seconds(text: Option<String>) -> i64 {
    text.map_or(0, |text| seconds(&text))
}

impl From<pb::CreateKeyRequest> for Request<rest::CreateKeyRequest> {
    fn from(m: pb::CreateKeyRequest) -> Self {
        Self(rest::CreateKeyRequest {
            algorithm: m.algorithm,
            curve: m.curve,
            threshold: m.threshold.into(),
            total_nodes: m.total_nodes.into(),
            chain_type: m.chain_type,
            metadata: m.metadata.into_iter().collect(),
            protocol: given(m.protocol),
            address_kind: given(m.address_kind),
            rights: m.rights,
            description: given(m.description),
            tags: m.tags,
            wait_ms: m.wait_ms,
            intent: m.intent,
            initiator_signature: m.initiator_signature,
        })
    }
}

/// A body of REST, made from a message: both types are of another crate.
pub(super) struct Request<T>(pub(super) T);

impl From<pb::SignRequest> for Request<rest::SignRequest> {
    fn from(m: pb::SignRequest) -> Self {
        Self(rest::SignRequest {
            key_id: m.key_id,
            message: m.message,
            message_type: m.message_type,
            chain_type: m.chain_type,
            metadata: m.metadata.into_iter().collect(),
            wait_ms: m.wait_ms,
            intent: m.intent,
            initiator_signature: m.initiator_signature,
        })
    }
}

impl From<pb::VerifyRequest> for Request<rest::VerifyRequest> {
    fn from(m: pb::VerifyRequest) -> Self {
        Self(rest::VerifyRequest {
            key_id: given(m.key_id),
            public_key: given(m.public_key),
            algorithm: given(m.algorithm),
            message: m.message,
            message_type: m.message_type,
            chain_type: given(m.chain_type),
            signature: m.signature,
        })
    }
}

impl TryFrom<pb::ListKeysRequest> for Request<quorate_coordinator::KeyQuery> {
    type Error = ApiError;

    fn try_from(m: pb::ListKeysRequest) -> Result<Self, ApiError> {
        let limit = m.limit.map(u16::try_from).transpose();
        Ok(Self(quorate_coordinator::KeyQuery {
            status: given(m.status),
            chain_type: given(m.chain_type),
            algorithm: given(m.algorithm),
            tag: given(m.tag),
            address: given(m.address),
            limit: limit.map_err(|_| ApiError::invalid("limit", "1 to 200"))?,
            cursor: given(m.cursor),
        }))
    }
}

pub(super) fn key(view: rest::KeyView) -> pb::Key {
    let member = |m: rest::CommitteeMember| pb::CommitteeMember {
        index: m.index.into(),
        node_id: m.node_id,
    };
    let signature = |s: rest::NodeSignature| pb::NodeSignature {
        node_id: s.node_id,
        signature: s.signature,
    };
    pb::Key {
        key_id: view.key_id,
        public_key: view.public_key,
        algorithm: view.algorithm,
        curve: view.curve,
        threshold: narrow(view.threshold),
        total_nodes: narrow(view.total_nodes),
        chain_type: view.chain_type,
        address: view.address,
        address_kind: view.address_kind,
        status: view.status,
        protocol: view.protocol,
        rights: view.rights,
        description: view.description,
        tags: view.tags,
        epoch: view.epoch,
        committee: view.committee.into_iter().map(member).collect(),
        node_signatures: view.node_signatures.into_iter().map(signature).collect(),
        certificate: view.certificate,
        session_id: view.session_id.unwrap_or_default(),
        error_message: view.error_message.unwrap_or_default(),
        created_at: seconds(&view.created_at),
        updated_at: seconds(&view.updated_at),
    }
}

pub(super) fn created_key(view: rest::KeyView, complete: bool) -> pb::CreateKeyResponse {
    let key = key(view);
    pb::CreateKeyResponse {
        key_id: key.key_id.clone(),
        public_key: key.public_key.clone(),
        address: key.address.clone(),
        created_at: key.created_at,
        key: Some(key),
        complete,
    }
}

pub(super) fn key_list(list: rest::KeyList) -> pb::ListKeysResponse {
    pb::ListKeysResponse {
        keys: list.keys.into_iter().map(key).collect(),
        next_cursor: list.next_cursor.unwrap_or_default(),
    }
}

pub(super) fn signed(result: rest::SignResult) -> pb::SignResponse {
    pb::SignResponse {
        signature: result.signature.unwrap_or_default(),
        key_id: result.key_id,
        session_id: result.session_id,
        signed_at: maybe_seconds(result.signed_at),
        status: result.status,
        recovery_id: result.recovery_id.map(u32::from),
        signature_der: result.signature_der.unwrap_or_default(),
        message_hash: result.message_hash.unwrap_or_default(),
        signed_transaction: result.signed_transaction.unwrap_or_default(),
        tx_id: result.tx_id.unwrap_or_default(),
        signers: result.signers,
        signatures: result.signatures,
    }
}

pub(super) fn batch(result: rest::BatchSignResult) -> pb::BatchSignResponse {
    let results = result.results.into_iter().map(|item| {
        let result = match (item.data, item.error) {
            (Some(data), _) => Some(ItemResult::Response(signed(data))),
            (None, error) => error.map(|error| ItemResult::Error(batch_error(error))),
        };
        pb::BatchSignResult { result }
    });
    pb::BatchSignResponse {
        results: results.collect(),
    }
}

fn batch_error(error: rest::ErrorBody) -> pb::BatchSignError {
    let text = |value: serde_json::Value| match value {
        serde_json::Value::String(text) => text,
        other => other.to_string(),
    };
    let details = error
        .details
        .into_iter()
        .map(|(name, value)| (name, text(value)));
    pb::BatchSignError {
        code: error.code,
        message: error.message,
        details: details.collect(),
    }
}

pub(super) fn verified(result: rest::VerifyResult) -> pb::VerifyResponse {
    pb::VerifyResponse {
        valid: result.valid,
        reason: result.reason.unwrap_or_default(),
        public_key: result.public_key,
        message_hash: result.message_hash,
    }
}

pub(super) fn session(view: rest::SessionView) -> pb::SigningSession {
    let waited = |w: rest::WaitedOn| pb::WaitedOn {
        attempt: w.attempt,
        session_id: w.session_id,
        nodes: w.nodes,
        waited_ms: w.waited_ms,
        reason: w.reason,
    };
    let (error_code, error_message) = view
        .error
        .map_or_else(Default::default, |e| (e.code, e.message));
    pb::SigningSession {
        session_id: view.session_id,
        kind: view.kind,
        key_id: view.key_id,
        protocol: view.protocol,
        status: view.status,
        threshold: narrow(view.threshold),
        total_nodes: narrow(view.total_nodes),
        participating_nodes: view.participating_nodes,
        intent_digest: view.intent_digest,
        attempt: view.attempt,
        current_round: view.current_round,
        total_rounds: view.total_rounds,
        round_name: view.round_name,
        awaiting: view.awaiting,
        awaiting_since: maybe_seconds(view.awaiting_since),
        waited_on: view.waited_on.into_iter().map(waited).collect(),
        signature: view.signature.unwrap_or_default(),
        message_hash: view.message_hash.unwrap_or_default(),
        created_at: seconds(&view.created_at),
        completed_at: maybe_seconds(view.completed_at),
        duration_ms: view.duration_ms.unwrap_or_default(),
        error_code,
        error_message,
    }
}

#[cfg(test)]
mod tests {
    use quorate_types::UnixSeconds;

    use super::*;

    #[test]
    fn seconds__should_invert_our_own_times() {
        for day in (0..40_000).step_by(13) {
            let at = UnixSeconds(day * 86_400 + day % 86_400);
            assert_eq!(u64::try_from(seconds(&at.to_rfc3339())), Ok(at.0), "{at}");
        }
        assert_eq!(seconds("2000-02-29T23:59:59Z"), 951_868_799);
        assert_eq!(seconds(""), 0);
    }
}
