//! How often callers may call: a bucket for each address, each credential, and for the failures of
//! each address.
//!
//! Many callers may share an address. A credential that was authentic from an address a while ago is
//! told apart from the others there: its failures are counted in a bucket of its own, and those of
//! the others do not close the door for it.
//!
//! The buckets are GCRA (ITU-T I.371, annex A): one time for each name, at which its bucket will be
//! full again. Tables have a size; names that find no place share one bucket.

mod bucket;
mod proven;

use std::net::IpAddr;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use quorate_api::ErrorCode;

use crate::config::GatewayLimits;
use crate::error::ApiError;
use crate::source::Source;
use bucket::Buckets;
use proven::Proven;

/// Which limit refused a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Limit {
    Address,
    Credential,
    Failures,
}

impl Limit {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Address => "address",
            Self::Credential => "credential",
            Self::Failures => "auth_failures",
        }
    }

    const fn message(self) -> &'static str {
        match self {
            Self::Address => "too many requests from this address",
            Self::Credential => "too many requests with this credential",
            Self::Failures => "too many requests of this address were not authentic",
        }
    }
}

/// All buckets of a gateway.
pub(crate) struct Rates {
    start: Instant,
    addresses: Mutex<Buckets<Source>>,
    credentials: Mutex<Buckets<String>>,
    failures: Mutex<Buckets<Source>>,
    proven: Mutex<Proven>,
}

impl Rates {
    pub(crate) fn new(limits: &GatewayLimits) -> Self {
        let places = limits.max_rate_entries;
        Self {
            start: Instant::now(),
            addresses: Mutex::new(Buckets::new(
                limits.address_requests_per_second,
                limits.address_burst,
                places,
            )),
            credentials: Mutex::new(Buckets::new(
                limits.credential_requests_per_second,
                limits.credential_burst,
                places,
            )),
            failures: Mutex::new(Buckets::new(
                limits.auth_failures_per_second,
                limits.auth_failure_burst,
                places,
            )),
            proven: Mutex::new(Proven::new(
                limits.auth_failures_per_second,
                limits.auth_failure_burst,
                places,
            )),
        }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    /// Counts a call of an address that names this credential; before anything is read or computed
    /// for it.
    ///
    /// # Errors
    /// `RATE_LIMITED` with the time after which it may come again.
    ///
    /// # Security
    /// Whether a credential exists is not asked here: only whether it was used from this address.
    pub(crate) fn admit_address(
        &self,
        address: Option<IpAddr>,
        named: Option<&str>,
    ) -> Result<(), ApiError> {
        let (now, source) = (self.now(), Source::of(address));
        let proven = named.and_then(|named| self.proven.lock().look(source, named, now));
        let failures = proven.unwrap_or_else(|| self.failures.lock().look(&source, now));
        failures.map_err(|wait| limited(Limit::Failures, wait))?;
        let taken = self.addresses.lock().take(&source, now);
        taken.map_err(|wait| limited(Limit::Address, wait))
    }

    /// Counts a call that was not authentic.
    pub(crate) fn count_failure(&self, address: Option<IpAddr>, named: Option<&str>) {
        let (now, source) = (self.now(), Source::of(address));
        if let Some(named) = named
            && self.proven.lock().count_failure(source, named, now)
        {
            return;
        }
        // An empty bucket refuses the address before the next failure.
        let _ = self.failures.lock().take(&source, now);
    }

    /// Remembers that a credential was authentic from an address.
    pub(crate) fn prove(&self, address: Option<IpAddr>, key: &str) {
        let now = self.now();
        self.proven.lock().add(Source::of(address), key, now);
    }

    /// Counts an authentic call of a credential.
    ///
    /// # Errors
    /// As [`Self::admit_address`].
    pub(crate) fn admit_credential(&self, key: &str) -> Result<(), ApiError> {
        let now = self.now();
        let taken = self.credentials.lock().take(key, now);
        taken.map_err(|wait| limited(Limit::Credential, wait))
    }
}

fn limited(limit: Limit, wait: Duration) -> ApiError {
    metrics::counter!("mpc_rate_limited_total", "limit" => limit.name()).increment(1);
    ApiError::new(ErrorCode::RateLimited, limit.message())
        .with("limit", limit.name())
        .retry_after(wait)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Option<IpAddr> {
        Some(text.parse().unwrap())
    }

    #[test]
    fn failures__must_shut_out_their_address_alone_and_only_when_spent() {
        let rates = Rates::new(&GatewayLimits {
            auth_failures_per_second: 1,
            auth_failure_burst: 2,
            ..GatewayLimits::default()
        });
        let (bad, good) = (address("10.0.0.1"), address("10.0.0.2"));
        for _ in 0..2 {
            rates.admit_address(bad, Some("a")).unwrap();
            rates.count_failure(bad, Some("a"));
        }
        let refused = rates.admit_address(bad, Some("a")).unwrap_err();
        assert_eq!(refused.code, ErrorCode::RateLimited);
        assert_eq!(refused.details["limit"], "auth_failures");
        rates.admit_address(good, Some("a")).unwrap();
    }

    #[test]
    fn failures__must_not_shut_out_who_was_authentic_from_the_same_address() {
        let rates = Rates::new(&GatewayLimits {
            auth_failures_per_second: 1,
            auth_failure_burst: 2,
            ..GatewayLimits::default()
        });
        let (shared, other) = (address("10.0.0.1"), address("10.0.0.2"));
        rates.prove(shared, "good");
        for named in [Some("bad"), None] {
            rates.count_failure(shared, named);
        }
        assert!(rates.admit_address(shared, Some("bad")).is_err());
        assert!(rates.admit_address(shared, None).is_err());
        rates.admit_address(shared, Some("good")).unwrap();
        // Its own failures count for it alone.
        for _ in 0..2 {
            rates.count_failure(shared, Some("good"));
        }
        assert!(rates.admit_address(shared, Some("good")).is_err());
        rates.admit_address(other, Some("good")).unwrap();
    }
}
