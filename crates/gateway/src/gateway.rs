use std::sync::Arc;

use axum::Router;
use metrics_exporter_prometheus::PrometheusHandle;
use parking_lot::Mutex;
use quorate_coordinator::Coordinator;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use zeroize::Zeroizing;

use crate::auth::Credentials;
use crate::config::GatewayLimits;
use crate::intake::FailureBudget;
use crate::routes;

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
    /// Checked in place of the secret of a credential that does not exist.
    pub(crate) decoy_secret: Zeroizing<[u8; 32]>,
    pub(crate) slots: Semaphore,
    pub(crate) watchers: Arc<Semaphore>,
    /// Streams end when the service stops: nobody would end them otherwise.
    pub(crate) closing: CancellationToken,
    pub(crate) failure_budget: Mutex<FailureBudget>,
}

impl Gateway {
    /// Puts the parts together.
    #[must_use]
    pub fn new(parts: GatewayParts) -> Self {
        let mut decoy_secret = Zeroizing::new([0; 32]);
        getrandom::fill(decoy_secret.as_mut_slice())
            .expect("the system's randomness works, or the process stops");
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
            closing: CancellationToken::new(),
            coordinator,
            credentials,
            metrics,
            limits,
            decoy_secret,
            failure_budget: Mutex::default(),
        }))
    }

    /// All routes.
    pub fn router(&self) -> Router {
        routes::router(self.clone())
    }
}
