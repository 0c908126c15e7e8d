//! Which stable code and which details go with each error: the one table.

use quorate_api::ErrorCode;
use quorate_chains::Refusal;
use quorate_intent::IntentError;
use quorate_lead::{Failure, Setback, SetbackReason};
use quorate_protocol::registry::ProtocolError;
use quorate_store::StoreError;
use quorate_types::Right;
use serde_json::{Map, Value, json};

use crate::error::{ActFailure, CoordinatorError};

impl CoordinatorError {
    /// The stable code.
    #[must_use]
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::InvalidArgument { .. } => ErrorCode::InvalidArgument,
            Self::InvalidThreshold(_) => ErrorCode::InvalidThreshold,
            Self::TooManyNodes { .. } => ErrorCode::TooManyNodes,
            Self::UnknownChain { .. } => ErrorCode::UnknownChain,
            Self::Chain(refusal) => of_refusal(refusal),
            Self::Protocol(error) => of_protocol(error),
            Self::Intent(error) => of_intent(error),
            Self::IntentMismatch { .. } => ErrorCode::IntentMismatch,
            Self::WrongTenant => ErrorCode::NotAllowed,
            Self::NotFound { .. } => ErrorCode::NotFound,
            Self::KeyNotActive { .. } => ErrorCode::KeyNotActive,
            Self::WrongChain { .. } => ErrorCode::WrongChain,
            Self::IntentConflict { .. } => ErrorCode::IntentConflict,
            Self::SessionEnded { .. } | Self::Cancelled => ErrorCode::SessionEnded,
            Self::Busy { .. } => ErrorCode::RateLimited,
            Self::Failed(failure) => of_failure(failure),
            Self::NodeRefused { code, .. } => of_node(code),
            Self::NodeUnreachable { .. } => ErrorCode::NodeUnavailable,
            Self::PairsNotReady { .. } => ErrorCode::PairNotReady,
            Self::AuditUnavailable(_) => ErrorCode::AuditUnavailable,
            Self::Store(error) if !error.is_operators() => ErrorCode::Internal,
            Self::Store(_) => ErrorCode::StoreUnavailable,
            Self::Bug { .. } => ErrorCode::Internal,
        }
    }

    /// Facts behind the error, for the answer.
    #[must_use]
    pub fn details(&self) -> Map<String, Value> {
        let mut details = Map::new();
        let mut put = |name: &str, value: Value| details.insert(name.to_owned(), value);
        match self {
            Self::InvalidArgument { field, .. } | Self::IntentMismatch { field } => {
                put("field", json!(field));
            }
            Self::Chain(refusal) => {
                put("reason", json!(refusal.code()));
            }
            Self::TooManyNodes { nodes, .. } => {
                put("nodes", json!(nodes));
            }
            Self::KeyNotActive { status, .. } => {
                put("status", json!(status.as_str()));
            }
            Self::NodeRefused { node, .. } | Self::NodeUnreachable { node, .. } => {
                put("node", json!(node));
            }
            Self::PairsNotReady { pairs } => {
                put("pairs", json!(pairs));
            }
            Self::Failed(failure) => {
                if let Failure::NotEnoughNodes {
                    needed,
                    available,
                    missing,
                    banned_pairs,
                } = &failure.failure
                {
                    put("needed", json!(needed));
                    put("available", json!(available));
                    put("missing", json!(missing));
                    put("banned_pairs", json!(banned_pairs));
                }
                if let Failure::Refused { node, .. } = &failure.failure {
                    put("node", json!(node));
                }
                let waited_on = failure.waited_on.iter().map(setback).collect();
                put("waited_on", Value::Array(waited_on));
            }
            _ => {}
        }
        details
    }
}

fn setback(setback: &Setback) -> Value {
    json!({
        "attempt": setback.attempt,
        "session_id": setback.session,
        "nodes": setback.nodes,
        "waited_ms": setback.at.since(setback.since),
        "reason": setback.reason.to_string(),
    })
}

fn of_refusal(refusal: &Refusal) -> ErrorCode {
    match refusal {
        Refusal::WrongAlgorithm { .. } | Refusal::WrongCurve { .. } => ErrorCode::WrongCurve,
        Refusal::RightMissing { right, .. } => match right {
            Right::RawMessage => ErrorCode::RawMessageRefused,
            _ => ErrorCode::RawHashRefused,
        },
        Refusal::UnsupportedMessageType { .. }
        | Refusal::NoTransactions { .. }
        | Refusal::UnsupportedTransactionType { .. }
        | Refusal::UnsupportedField { .. }
        | Refusal::SighashType { .. }
        | Refusal::OtherSigners { .. }
        | Refusal::ForeignInput { .. } => ErrorCode::UnsupportedMessage,
        Refusal::FeeAboveCeiling { .. } => ErrorCode::FeeTooHigh,
        Refusal::TooLong { .. } | Refusal::TooManyInputs { .. } => ErrorCode::PayloadTooLarge,
        Refusal::Malformed { .. } | Refusal::NotCanonical | Refusal::AlreadySigned => {
            ErrorCode::MalformedTransaction
        }
        Refusal::ReplayableEverywhere | Refusal::WrongNetwork { .. } => ErrorCode::WrongChain,
        Refusal::TipAboveFee
        | Refusal::FeeTooLarge
        | Refusal::NotTheSigner
        | Refusal::UnknownReceiver
        | Refusal::PreviousOutputMissing { .. }
        | Refusal::PreviousOutputMismatch { .. }
        | Refusal::OutputsAboveInputs => ErrorCode::MalformedTransaction,
        _ => ErrorCode::InvalidArgument,
    }
}

fn of_protocol(error: &ProtocolError) -> ErrorCode {
    match error {
        ProtocolError::WrongAlgorithm { .. } => ErrorCode::WrongCurve,
        _ => ErrorCode::UnknownProtocol,
    }
}

fn of_intent(error: &IntentError) -> ErrorCode {
    match error {
        IntentError::Malformed(_) => ErrorCode::MalformedIntent,
        IntentError::UnknownInitiator(_) => ErrorCode::UnknownInitiator,
        IntentError::BadSignature => ErrorCode::BadInitiatorSignature,
        IntentError::Expired { .. }
        | IntentError::FromTheFuture { .. }
        | IntentError::BadLifetime { .. } => ErrorCode::IntentExpired,
        _ => ErrorCode::NotAllowed,
    }
}

fn of_failure(failure: &ActFailure) -> ErrorCode {
    match &failure.failure {
        Failure::NotEnoughNodes {
            needed, available, ..
        } if available >= needed => ErrorCode::PairBanned,
        Failure::NotEnoughNodes { .. } => ErrorCode::NotEnoughNodes,
        Failure::Refused { code, .. } => of_node(code),
        Failure::AttemptsExhausted { .. } => failure
            .waited_on
            .last()
            .map_or(ErrorCode::Timeout, |last| of_setback(&last.reason)),
        _ => ErrorCode::Timeout,
    }
}

fn of_setback(reason: &SetbackReason) -> ErrorCode {
    match reason {
        SetbackReason::Refused { code } => of_node(code),
        SetbackReason::Aborted { .. } | SetbackReason::BadResult => ErrorCode::Aborted,
        SetbackReason::LinkLost => ErrorCode::NodeUnavailable,
        _ => ErrorCode::Timeout,
    }
}

/// A node's code is hostile text: only a known one is passed on.
fn of_node(code: &str) -> ErrorCode {
    ErrorCode::parse(code).unwrap_or(ErrorCode::Aborted)
}

/// The error of a write that had to be durable before an act.
pub(crate) fn unaudited(error: StoreError) -> CoordinatorError {
    if error.is_operators() {
        CoordinatorError::AuditUnavailable(error)
    } else {
        CoordinatorError::of_store(error)
    }
}
