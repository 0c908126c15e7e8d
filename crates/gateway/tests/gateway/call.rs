//! Calls of the router as a client makes them.

use std::sync::Arc;

use axum::body::Body;
use axum::http::Request;
use ed25519_dalek::{Signer as _, SigningKey};
use http_body_util::BodyExt as _;
use quorate_coordinator::now;
use quorate_gateway::{
    Credentials, Gateway, GatewayLimits, GatewayParts, Proxies, SignedHeaders, sign_request,
};
use serde::Serialize;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tower::ServiceExt as _;

use crate::support::client::random;
use crate::support::world::World;

pub struct Answer {
    pub status: u16,
    pub headers: axum::http::HeaderMap,
    pub body: Value,
}

impl Answer {
    pub fn code(&self) -> &str {
        self.body["error"]["code"].as_str().unwrap_or("")
    }

    pub fn data(&self) -> &Value {
        assert_eq!(self.body["success"], true, "{}", self.body);
        &self.body["data"]
    }

    #[track_caller]
    pub fn refused(&self, status: u16, code: &str) {
        assert_eq!((self.status, self.code()), (status, code), "{}", self.body);
        assert_eq!(self.body["success"], false);
        assert!(self.body["meta"]["request_id"].is_string());
        assert!(!self.body["error"]["message"].as_str().unwrap().is_empty());
    }
}

/// One credential's calls.
#[derive(Clone)]
pub struct Api {
    pub router: axum::Router,
    pub key: String,
    pub secret: [u8; 32],
    /// Whether the secret is the seed of an Ed25519 key.
    pub is_ed25519: bool,
}

pub const LIMIT: usize = 512 * 1024;

impl Api {
    pub fn over(world: &World) -> Self {
        Self::with_limits(
            world,
            GatewayLimits {
                max_body_bytes: LIMIT,
                ..GatewayLimits::default()
            },
        )
    }

    pub fn with_limits(world: &World, limits: GatewayLimits) -> Self {
        Self::gateway(world, limits).1
    }

    pub fn gateway(world: &World, limits: GatewayLimits) -> (Gateway, Self) {
        Self::behind(world, Proxies::default(), limits)
    }

    pub fn behind(world: &World, proxies: Proxies, limits: GatewayLimits) -> (Gateway, Self) {
        let entry = |key: &str, tenant: &str, byte: &str| json!({"key": key, "tenant": tenant, "name": key, "secret": byte.repeat(32)});
        let public_key = hex::encode(SigningKey::from_bytes(&[0x33; 32]).verifying_key());
        let service = json!({
            "key": "svc", "kind": "ed25519", "public_key": public_key, "tenant": "acme", "name": "",
        });
        let file = json!([
            entry("k1", "acme", "11"),
            entry("k2", "other", "22"),
            service
        ]);
        let recorder = quorate_gateway::metrics_builder().unwrap().build_recorder();
        let gateway = Gateway::new(GatewayParts {
            coordinator: Arc::clone(world.coordinator()),
            credentials: Credentials::from_json(file.to_string().as_bytes()).unwrap(),
            metrics: recorder.handle(),
            proxies,
            limits,
        });
        let api = Self {
            router: gateway.router(),
            key: "k1".into(),
            secret: [0x11; 32],
            is_ed25519: false,
        };
        (gateway, api)
    }

    /// The caller of another tenant.
    pub fn other(&self) -> Self {
        Self {
            router: self.router.clone(),
            key: "k2".into(),
            secret: [0x22; 32],
            is_ed25519: false,
        }
    }

    /// A caller of the first tenant that signs with Ed25519.
    pub fn service(&self) -> Self {
        Self {
            router: self.router.clone(),
            key: "svc".into(),
            secret: [0x33; 32],
            is_ed25519: true,
        }
    }

    /// The headers of a call, as docs/authentication.md describes them.
    pub fn sign(
        &self,
        method: &str,
        path: &str,
        timestamp: u64,
        nonce: &str,
        body: &[u8],
    ) -> SignedHeaders {
        let mut signed = sign_request(&self.secret, method, path, timestamp, nonce, body);
        if self.is_ed25519 {
            let digest = hex::encode(Sha256::digest(body));
            let text = format!("{method}\n{path}\n{timestamp}\n{nonce}\n{digest}");
            let key = SigningKey::from_bytes(&self.secret);
            signed.signature = hex::encode(key.sign(text.as_bytes()).to_bytes());
        }
        signed
    }

    /// A signed request, to be changed or sent.
    pub fn request(&self, method: &str, path: &str, body: &[u8]) -> Request<Body> {
        let nonce = hex::encode(random::<16>());
        self.request_at(method, path, body, now().seconds().0, &nonce)
    }

    pub fn request_at(
        &self,
        method: &str,
        path: &str,
        body: &[u8],
        timestamp: u64,
        nonce: &str,
    ) -> Request<Body> {
        let signed = self.sign(method, path, timestamp, nonce, body);
        Request::builder()
            .method(method)
            .uri(path)
            .header("content-type", "application/json")
            .header("x-quorate-key", &self.key)
            .header("x-quorate-timestamp", signed.timestamp)
            .header("x-quorate-nonce", signed.nonce)
            .header("x-quorate-signature", signed.signature)
            .body(Body::from(body.to_vec()))
            .unwrap()
    }

    pub async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        Answer {
            status: parts.status.as_u16(),
            headers: parts.headers,
            body: serde_json::from_slice(&bytes).unwrap_or(Value::String(text)),
        }
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(self.request("GET", path, b"")).await
    }

    pub async fn post(&self, path: &str, body: &impl Serialize) -> Answer {
        let body = serde_json::to_vec(body).unwrap();
        self.send(self.request("POST", path, &body)).await
    }

    pub async fn put(&self, path: &str, body: &impl Serialize) -> Answer {
        let body = serde_json::to_vec(body).unwrap();
        self.send(self.request("PUT", path, &body)).await
    }

    pub async fn post_once(&self, key: &str, path: &str, body: &impl Serialize) -> Answer {
        let body = serde_json::to_vec(body).unwrap();
        let mut request = self.request("POST", path, &body);
        let headers = request.headers_mut();
        headers.insert("idempotency-key", key.parse().unwrap());
        self.send(request).await
    }
}

/// Everything that an act could leave behind, as text.
pub async fn traces(world: &World) -> (usize, usize, usize) {
    let caller = world.caller();
    let keys = world
        .coordinator()
        .keys(&caller, Default::default())
        .await
        .unwrap()
        .keys;
    let sessions = world
        .coordinator()
        .sessions(&caller, Default::default())
        .await
        .unwrap();
    let open = world.store.as_ref().unwrap();
    let open = open
        .open_intents(quorate_store::PageRequest::default())
        .await
        .unwrap();
    (keys.len(), sessions.sessions.len(), open.rows.len())
}
