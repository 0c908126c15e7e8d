//! The OpenAPI 3.1 document, made from the routes themselves.

use std::collections::BTreeMap;

use quorate_api::ErrorCode;
use quorate_api::rest::Failure;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, SecurityScheme};
use utoipa::openapi::{ContentBuilder, Ref, RefOr, Response, ResponseBuilder};
use utoipa::{IntoParams, IntoResponses, Modify, OpenApi};

use crate::routes;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Quorate",
        description = "Threshold signing with keys that never exist in one place. Every answer \
                       has one envelope; every failure has a stable code (docs/errors.md)."
    ),
    components(schemas(Failure)),
    modifiers(&Hmac)
)]
struct Frame;

/// The four headers of an authenticated call (docs/authentication.md).
struct Hmac;

impl Modify for Hmac {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let components = document.components.get_or_insert_default();
        for (name, header) in [
            ("key", "X-Quorate-Key"),
            ("timestamp", "X-Quorate-Timestamp"),
            ("nonce", "X-Quorate-Nonce"),
            ("signature", "X-Quorate-Signature"),
        ] {
            let scheme = SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::new(header)));
            components.add_security_scheme(name, scheme);
        }
    }
}

/// Header of calls that can be repeated safely.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[allow(dead_code, reason = "describes a header that a layer reads")]
pub(crate) struct IdempotencyHeader {
    /// The same key and body get the first answer; another body is refused.
    #[param(rename = "Idempotency-Key")]
    idempotency_key: Option<String>,
}

/// Every failure, grouped by status.
pub(crate) struct Errors;

impl IntoResponses for Errors {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let mut codes: BTreeMap<u16, Vec<&str>> = BTreeMap::new();
        for code in ErrorCode::ALL {
            codes
                .entry(code.http_status())
                .or_default()
                .push(code.as_str());
        }
        let response = |(status, codes): (u16, Vec<&str>)| {
            let content = ContentBuilder::new()
                .schema(Some(Ref::from_schema_name("Failure")))
                .build();
            let response = ResponseBuilder::new()
                .description(codes.join(", "))
                .content("application/json", content)
                .build();
            (status.to_string(), RefOr::T(response))
        };
        codes.into_iter().map(response).collect()
    }
}

/// The document that `/openapi.json` serves.
#[must_use]
pub fn document() -> utoipa::openapi::OpenApi {
    let (_, paths) = routes::api().merge(routes::open()).split_for_parts();
    let mut document = Frame::openapi();
    document.merge(paths);
    document
}
