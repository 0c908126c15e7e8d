//! The standard health service: the answer of `/health/ready`.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures::Stream;
use quorate_api::mpc_v1::mpc_service_server;
use tonic::{Request, Response, Status};
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_server;
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};

use crate::context::Context;
use crate::crowd::{Crowd, Place};
use crate::gateway::{Gateway, Inner};
use crate::routes::check_ready;
use crate::source::Source;

pub(super) const SERVICE_NAME: &str = health_server::SERVICE_NAME;
/// Pause between two looks for a caller that watches.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Callers that watch at one time. They need no credential, so they have places of their own; one
/// more takes the place of the oldest one of the address that has most.
const MAX_WATCHERS: usize = 64;
/// Of one address.
const MAX_WATCHERS_PER_ADDRESS: usize = 16;

pub(super) struct Health {
    inner: Arc<Inner>,
    watchers: Arc<Crowd>,
}

impl Health {
    pub(super) fn new(gateway: &Gateway) -> Self {
        Self {
            inner: Arc::clone(&gateway.0),
            watchers: Crowd::new("health watch", MAX_WATCHERS, MAX_WATCHERS_PER_ADDRESS),
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
    place: Place,
}

impl Watcher {
    /// The next change; `None` when the service stops or another one takes the place.
    async fn next(&mut self) -> Option<ServingStatus> {
        loop {
            if self.told.is_some() {
                tokio::select! {
                    () = tokio::time::sleep(LOOK_EVERY) => {}
                    () = self.inner.closing.cancelled() => return None,
                    () = self.place.taken_away() => return None,
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
        let context = request.extensions().get::<Context>();
        let source = Source::of(context.and_then(|context| context.address));
        let watcher = Watcher {
            inner: Arc::clone(&self.inner),
            is_known: is_known(&request.get_ref().service),
            told: None,
            place: self.watchers.enter(source),
        };
        let stream = futures::stream::unfold(watcher, |mut watcher| async {
            let status = watcher.next().await?;
            Some((Ok(answer(status)), watcher))
        });
        Ok(Response::new(Box::pin(stream)))
    }
}
