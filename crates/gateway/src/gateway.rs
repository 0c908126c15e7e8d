use std::sync::Arc;

use axum::Router;
use metrics_exporter_prometheus::PrometheusHandle;
use parking_lot::Mutex;
use quorate_coordinator::Coordinator;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::auth::{Credentials, Decoy};
use crate::config::GatewayLimits;
use crate::crowd::Crowd;
use crate::intake::FailureBudget;
use crate::places::Places;
use crate::proxies::Proxies;
use crate::rates::Rates;
use crate::routes::{self, Readiness};

/// What a gateway is made of.
pub struct GatewayParts {
    /// What does the work.
    pub coordinator: Arc<Coordinator>,
    /// Who may call.
    pub credentials: Credentials,
    /// Where metrics are rendered.
    pub metrics: PrometheusHandle,
    /// Proxies that are believed.
    pub proxies: Proxies,
    /// Limits.
    pub limits: GatewayLimits,
}

/// REST and gRPC over a coordinator.
#[derive(Clone)]
pub struct Gateway(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) coordinator: Arc<Coordinator>,
    pub(crate) credentials: Credentials,
    pub(crate) metrics: PrometheusHandle,
    pub(crate) limits: GatewayLimits,
    pub(crate) decoy: Decoy,
    pub(crate) rates: Rates,
    pub(crate) proxies: Proxies,
    /// Connections that may still be served.
    pub(crate) connections: Arc<Semaphore>,
    /// Connections on which nobody has been authenticated.
    pub(crate) unknown_connections: Arc<Crowd>,
    /// Requests whose caller is not known yet.
    pub(crate) unknown_requests: Arc<Crowd>,
    /// Requests of authenticated callers.
    pub(crate) slots: Semaphore,
    pub(crate) watchers: Arc<Places>,
    pub(crate) readiness: Readiness,
    /// Streams end when the service stops: nobody would end them otherwise.
    pub(crate) closing: CancellationToken,
    pub(crate) failure_budget: Mutex<FailureBudget>,
    pub(crate) limited_budget: Mutex<FailureBudget>,
}

impl Gateway {
    /// Puts the parts together.
    #[must_use]
    pub fn new(parts: GatewayParts) -> Self {
        let GatewayParts {
            coordinator,
            credentials,
            metrics,
            proxies,
            limits,
        } = parts;
        Self(Arc::new(Inner {
            slots: Semaphore::new(limits.max_concurrent_requests.min(Semaphore::MAX_PERMITS)),
            watchers: Places::new(limits.max_watchers, limits.max_watchers_per_credential),
            // The semaphore counts all; whoever comes when it is empty makes room here.
            unknown_connections: Crowd::new("connection", usize::MAX, usize::MAX),
            unknown_requests: Crowd::new(
                "request",
                limits.max_unknown_requests,
                limits.max_unknown_requests_per_address,
            ),
            proxies,
            readiness: Readiness::default(),
            closing: CancellationToken::new(),
            coordinator,
            credentials,
            metrics,
            rates: Rates::new(&limits),
            connections: Arc::new(Semaphore::new(limits.connections())),
            limits,
            decoy: Decoy::new(),
            failure_budget: Mutex::default(),
            limited_budget: Mutex::default(),
        }))
    }

    /// All routes.
    pub fn router(&self) -> Router {
        routes::router(self.clone())
    }
}
