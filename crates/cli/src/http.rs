//! Calls to the service, each signed with HMAC or Ed25519 (`docs/authentication.md`).

mod query;
mod request_signature;

use std::time::Duration;

use quorate_api::rest::{Failure, Success};
use reqwest::{Method, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

pub use query::Query;
pub use request_signature::{Credential, Secret, SignedHeaders};

use crate::clock::now;
use crate::config::{Setting, Settings};
use crate::error::{CliError, Refusal};

/// Calls that found no listener are tried so often in all.
const ATTEMPTS: u32 = 3;
/// Pause before the second try; doubles each time.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
/// Time for a TCP connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Most bytes of an answer: the limit of the wire contract.
const MAX_ANSWER_BYTES: usize = 4 << 20;

/// An answer of the service, not checked yet.
#[derive(Debug)]
pub struct Answer<T> {
    /// HTTP status: 200, 201, or 202 for work that goes on.
    pub status: u16,
    /// What it says.
    pub data: T,
    /// Names the request in the service's logs.
    pub request_id: String,
    /// The service's clock, RFC 3339.
    pub timestamp: String,
}

/// The service, as one credential sees it.
pub struct ApiClient {
    http: reqwest::Client,
    endpoint: String,
    credential: Option<Credential>,
}

/// One call, kept for repeating it.
struct Call<'a> {
    method: Method,
    path: &'a str,
    body: Vec<u8>,
    idempotency_key: Option<&'a str>,
}

impl ApiClient {
    /// A client with what the settings say.
    ///
    /// # Errors
    /// [`CliError::Invalid`] for settings that are missing or not usable.
    pub fn new(settings: &Settings) -> Result<Self, CliError> {
        let mut client = Self::anonymous(settings)?;
        client.credential = Some(Credential::read(settings)?);
        Ok(client)
    }

    /// A client for what needs no credential: health and metrics.
    ///
    /// # Errors
    /// [`CliError::Invalid`] for an endpoint that is not usable.
    pub fn anonymous(settings: &Settings) -> Result<Self, CliError> {
        let endpoint = settings
            .required(Setting::Endpoint)?
            .trim_end_matches('/')
            .to_owned();
        let timeout = Duration::from_millis(settings.millis(Setting::TimeoutMs)?);
        Self::build(endpoint, timeout)
    }

    fn build(endpoint: String, timeout: Duration) -> Result<Self, CliError> {
        let Some(host) = endpoint.strip_prefix("http://") else {
            let what = format!("`{endpoint}` is no address of a service");
            let remedy = "give http://HOST:PORT; https comes with the next version, until then \
                          keep the service on loopback or behind your own TLS proxy";
            return Err(CliError::invalid(what, remedy));
        };
        let mut http = reqwest::Client::builder()
            .timeout(timeout)
            .connect_timeout(CONNECT_TIMEOUT)
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("quorate-cli/", env!("CARGO_PKG_VERSION")));
        if ["127.", "localhost", "[::1]"]
            .iter()
            .any(|local| host.starts_with(local))
        {
            http = http.no_proxy();
        }
        let http = http.build().map_err(|error| {
            CliError::failed(
                format!("no HTTP client: {error}"),
                "check HTTP_PROXY and NO_PROXY",
            )
        })?;
        Ok(Self {
            http,
            endpoint,
            credential: None,
        })
    }

    /// Where the service is.
    #[must_use]
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// Reads something below `/api/v1`.
    ///
    /// # Errors
    /// [`CliError::Refused`], [`CliError::Unreachable`].
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<Answer<T>, CliError> {
        let body = Vec::new();
        self.call(Call {
            method: Method::GET,
            path,
            body,
            idempotency_key: None,
        })
        .await
    }

    /// Sends a request below `/api/v1`.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
        idempotency_key: Option<&str>,
    ) -> Result<Answer<T>, CliError> {
        let body = serde_json::to_vec(body).expect("requests hold text keys");
        self.call(Call {
            method: Method::POST,
            path,
            body,
            idempotency_key,
        })
        .await
    }

    /// Replaces something below `/api/v1`.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub async fn put<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<Answer<T>, CliError> {
        let body = serde_json::to_vec(body).expect("requests hold text keys");
        self.call(Call {
            method: Method::PUT,
            path,
            body,
            idempotency_key: None,
        })
        .await
    }

    /// Status and text of something outside `/api/v1`, without a credential.
    ///
    /// # Errors
    /// [`CliError::Unreachable`].
    pub async fn probe(&self, path: &str) -> Result<(u16, String), CliError> {
        let request = self.http.get(format!("{}{path}", self.endpoint));
        let response = request
            .send()
            .await
            .map_err(|error| self.unreachable(&error))?;
        let status = response.status().as_u16();
        let body = self.read(response).await?;
        Ok((status, String::from_utf8_lossy(&body).into_owned()))
    }

    async fn call<T: DeserializeOwned>(&self, call: Call<'_>) -> Result<Answer<T>, CliError> {
        let mut pause = FIRST_PAUSE;
        for attempt in 1.. {
            match self.send(&call).await {
                // Nothing was sent, so nothing can be done twice.
                Err(error) if error.is_connect() && attempt < ATTEMPTS => {
                    tokio::time::sleep(pause).await;
                    pause *= 2;
                }
                Err(error) => return Err(self.unreachable(&error)),
                Ok(response) => return self.answer(response).await,
            }
        }
        unreachable!("the loop ends by returning")
    }

    /// Sends once; each time with a fresh nonce, because the service refuses a used one.
    async fn send(&self, call: &Call<'_>) -> Result<Response, reqwest::Error> {
        let path = format!("/api/v1{}", call.path);
        let mut request = self
            .http
            .request(call.method.clone(), self.endpoint.clone() + &path);
        if let Some(credential) = &self.credential {
            let headers = credential.sign(call.method.as_str(), &path, now(), &call.body);
            for (name, value) in headers.pairs() {
                request = request.header(name, value);
            }
        }
        if let Some(key) = call.idempotency_key {
            request = request.header("Idempotency-Key", key);
        }
        if !call.body.is_empty() {
            request = request
                .header("Content-Type", "application/json")
                .body(call.body.clone());
        }
        request.send().await
    }

    async fn answer<T: DeserializeOwned>(&self, response: Response) -> Result<Answer<T>, CliError> {
        let status = response.status().as_u16();
        let retry_after = retry_after(&response);
        let body = self.read(response).await?;
        if !(200..300).contains(&status) {
            return Err(self.refused(status, retry_after, &body));
        }
        let success: Success<T> = serde_json::from_slice(&body).map_err(|error| {
            let why = format!("its answer is not of the documented form: {error}");
            CliError::Unreachable {
                endpoint: self.endpoint.clone(),
                why,
            }
        })?;
        let (request_id, timestamp) = (success.meta.request_id, success.meta.timestamp);
        Ok(Answer {
            status,
            data: success.data,
            request_id,
            timestamp,
        })
    }

    async fn read(&self, mut response: Response) -> Result<Vec<u8>, CliError> {
        let mut body = Vec::new();
        while let Some(part) = response
            .chunk()
            .await
            .map_err(|error| self.unreachable(&error))?
        {
            body.extend_from_slice(&part);
            if body.len() > MAX_ANSWER_BYTES {
                let why = format!("its answer is longer than {MAX_ANSWER_BYTES} bytes");
                return Err(CliError::Unreachable {
                    endpoint: self.endpoint.clone(),
                    why,
                });
            }
        }
        Ok(body)
    }

    fn refused(&self, status: u16, retry_after: Option<Duration>, body: &[u8]) -> CliError {
        let Ok(failure) = serde_json::from_slice::<Failure>(body) else {
            let why = format!("HTTP status {status} without a documented error: not this service?");
            return CliError::Unreachable {
                endpoint: self.endpoint.clone(),
                why,
            };
        };
        CliError::Refused(Box::new(Refusal {
            status,
            code: failure.error.code,
            message: failure.error.message,
            details: failure.error.details,
            request_id: failure.meta.request_id,
            retry_after,
        }))
    }

    fn unreachable(&self, error: &reqwest::Error) -> CliError {
        let mut why = String::new();
        let mut cause: Option<&dyn std::error::Error> = Some(error);
        while let Some(error) = cause {
            why = error.to_string(); // the innermost one says what happened
            cause = error.source();
        }
        if error.is_timeout() {
            why = "no answer in time".to_owned();
        }
        CliError::Unreachable {
            endpoint: self.endpoint.clone(),
            why,
        }
    }
}

/// The secret of a credential, as the service's file and the client's file hold it.
pub(crate) type CredentialSecret = Zeroizing<Vec<u8>>;
/// Seconds, as this service says it.
fn retry_after(response: &Response) -> Option<Duration> {
    let value = response.headers().get("retry-after")?;
    value.to_str().ok()?.parse().ok().map(Duration::from_secs)
}
