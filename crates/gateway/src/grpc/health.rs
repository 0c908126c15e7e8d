//! The standard health service: the answer of `/health/ready`.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures::Stream;
use quorate_api::mpc_v1::mpc_service_server;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tonic::{Request, Response, Status};
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_server;
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};

use crate::gateway::{Gateway, Inner};
use crate::routes::check_ready;

pub(super) const SERVICE_NAME: &str = health_server::SERVICE_NAME;
/// Pause between two looks for a caller that watches.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Callers that watch at one time. They need no credential, so they have places of their own.
const MAX_WATCHERS: usize = 64;

pub(super) struct Health {
    inner: Arc<Inner>,
    watchers: Arc<Semaphore>,
}

impl Health {
    pub(super) fn new(gateway: &Gateway) -> Self {
        Self {
            inner: Arc::clone(&gateway.0),
            watchers: Arc::new(Semaphore::new(MAX_WATCHERS)),
        }
    }
}

async fn status(inner: &Inner) -> ServingStatus {
    match check_ready(inner).await {
        Ok(_) => ServingStatus::Serving,
        Err(_) => ServingStatus::NotServing,
    }
}

/// The server as a whole, or the service.
fn is_known(name: &str) -> bool {
    name.is_empty() || name == mpc_service_server::SERVICE_NAME
}

const fn answer(status: ServingStatus) -> HealthCheckResponse {
    HealthCheckResponse {
        status: status as i32,
    }
}

struct Watcher {
    inner: Arc<Inner>,
    is_known: bool,
    told: Option<ServingStatus>,
    _place: OwnedSemaphorePermit,
}

impl Watcher {
    /// The next change; `None` when the service stops.
    async fn next(&mut self) -> Option<ServingStatus> {
        loop {
            if self.told.is_some() {
                tokio::select! {
                    () = tokio::time::sleep(LOOK_EVERY) => {}
                    () = self.inner.closing.cancelled() => return None,
                }
            }
            // The specification keeps the stream open for a name that is not known.
            let status = match self.is_known {
                true => status(&self.inner).await,
                false => ServingStatus::ServiceUnknown,
            };
            if self.told != Some(status) {
                self.told = Some(status);
                return Some(status);
            }
        }
    }
}

#[tonic::async_trait]
impl health_server::Health for Health {
    type WatchStream = Pin<Box<dyn Stream<Item = Result<HealthCheckResponse, Status>> + Send>>;

    async fn check(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        if !is_known(&request.get_ref().service) {
            return Err(Status::not_found("no such service"));
        }
        Ok(Response::new(answer(status(&self.inner).await)))
    }

    async fn watch(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let place = Arc::clone(&self.watchers).try_acquire_owned();
        let place = place.map_err(|_| Status::resource_exhausted("too many watchers"))?;
        let watcher = Watcher {
            inner: Arc::clone(&self.inner),
            is_known: is_known(&request.get_ref().service),
            told: None,
            _place: place,
        };
        let stream = futures::stream::unfold(watcher, |mut watcher| async {
            let status = watcher.next().await?;
            Some((Ok(answer(status)), watcher))
        });
        Ok(Response::new(Box::pin(stream)))
    }
}
