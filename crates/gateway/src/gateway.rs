use std::sync::Arc;

use axum::Router;
use metrics_exporter_prometheus::PrometheusHandle;
use parking_lot::Mutex;
use quorate_coordinator::Coordinator;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::auth::{Credentials, Decoy};
use crate::config::GatewayLimits;
use crate::intake::FailureBudget;
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
    /// Connections that may still be accepted.
    pub(crate) connections: Arc<Semaphore>,
    pub(crate) slots: Semaphore,
    pub(crate) watchers: Arc<Semaphore>,
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
            limits,
        } = parts;
        Self(Arc::new(Inner {
            slots: Semaphore::new(limits.max_concurrent_requests.min(Semaphore::MAX_PERMITS)),
            watchers: Arc::new(Semaphore::new(
                limits.max_watchers.min(Semaphore::MAX_PERMITS),
            )),
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
