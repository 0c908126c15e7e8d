use std::collections::BTreeMap;

use axum::extract::State;
use quorate_api::rest::Success;
use serde::Serialize;
use utoipa::ToSchema;

use super::Authenticated;
use crate::answer::Answer;
use crate::error::ApiError;
use crate::gateway::Gateway;
use crate::openapi::Errors;

/// A protocol of the registry.
#[derive(Serialize, ToSchema)]
pub(crate) struct ProtocolView {
    /// Name in requests and intents.
    name: String,
    /// Version of its messages.
    version: u16,
    /// What it signs.
    algorithms: Vec<String>,
    /// Curve of each of its algorithms' keys, in the same order.
    curves: Vec<String>,
    /// Rounds of one signature.
    sign_rounds: u8,
    /// Rounds of key generation with it.
    keygen_rounds: u8,
    /// Whether new keys use it when none is named.
    default: bool,
    /// Whether it may be used here.
    enabled: bool,
    /// Its settings.
    configuration: BTreeMap<String, String>,
}

/// The protocols.
#[derive(Serialize, ToSchema)]
pub(crate) struct ProtocolList {
    /// All that this version knows.
    protocols: Vec<ProtocolView>,
}

/// Lists the signing protocols.
#[utoipa::path(
    get, path = "/api/v1/protocols", tag = "protocols",
    responses((status = 200, description = "All protocols", body = Success<ProtocolList>), Errors)
)]
pub(crate) async fn list(
    State(gateway): State<Gateway>,
    _caller: Authenticated,
) -> Result<Answer<ProtocolList>, ApiError> {
    let known = gateway.0.coordinator.protocols().iter();
    let protocols = known.map(|(info, enabled)| {
        let settings = info.configuration.iter();
        ProtocolView {
            name: info.name.to_owned(),
            version: info.version,
            algorithms: info.algorithms.iter().map(ToString::to_string).collect(),
            curves: info.curves().map(|curve| curve.to_string()).collect(),
            sign_rounds: info.sign_rounds,
            keygen_rounds: info.keygen_rounds,
            default: info.default,
            enabled,
            configuration: settings
                .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
                .collect(),
        }
    });
    Ok(Answer::ok(ProtocolList {
        protocols: protocols.collect(),
    }))
}
