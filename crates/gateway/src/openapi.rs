//! The OpenAPI 3.1 document, made from the routes themselves.

use std::collections::BTreeMap;

use quorate_api::ErrorCode;
use quorate_api::rest::Failure;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, SecurityRequirement, SecurityScheme};
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

/// Names in the document, and headers.
const SIGNED_HEADERS: [(&str, &str); 4] = [
    ("key", "X-Quorate-Key"),
    ("timestamp", "X-Quorate-Timestamp"),
    ("nonce", "X-Quorate-Nonce"),
    ("signature", "X-Quorate-Signature"),
];

/// The four headers of an authenticated call (docs/authentication.md).
struct Hmac;

impl Modify for Hmac {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let components = document.components.get_or_insert_default();
        for (name, header) in SIGNED_HEADERS {
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
    require_signature(&mut document);
    document
}

/// Calls of the API need all four headers.
fn require_signature(document: &mut utoipa::openapi::OpenApi) {
    let none: [&str; 0] = [];
    let all = SIGNED_HEADERS
        .iter()
        .fold(SecurityRequirement::default(), |all, (name, _)| {
            all.add(*name, none)
        });
    let paths = document.paths.paths.iter_mut();
    for (_, item) in paths.filter(|(path, _)| path.starts_with("/api/")) {
        let operations = [
            &mut item.get,
            &mut item.put,
            &mut item.post,
            &mut item.delete,
        ];
        for operation in operations.into_iter().flatten() {
            operation.security = Some(vec![all.clone()]);
        }
    }
}
