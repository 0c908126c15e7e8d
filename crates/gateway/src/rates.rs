//! How often callers may call: a bucket for each address, each credential, and for the failures of
//! each address.
//!
//! The buckets are GCRA (ITU-T I.371, annex A): one time for each name, at which its bucket will be
//! full again. Tables have a size; names that find no place share one bucket.

mod bucket;

use std::net::IpAddr;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use quorate_api::ErrorCode;

use crate::config::GatewayLimits;
use crate::error::ApiError;
use bucket::Buckets;

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

/// Who sends from an address: it alone, or its network of 64 bits, which is one customer's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Source {
    V4([u8; 4]),
    V6([u8; 8]),
    Unknown,
}

impl Source {
    fn of(address: Option<IpAddr>) -> Self {
        match address.map(|address| address.to_canonical()) {
            Some(IpAddr::V4(address)) => Self::V4(address.octets()),
            Some(IpAddr::V6(address)) => {
                let octets = address.octets();
                let (network, _) = octets.split_first_chunk().expect("16 bytes begin with 8");
                Self::V6(*network)
            }
            None => Self::Unknown,
        }
    }
}

/// All buckets of a gateway.
pub(crate) struct Rates {
    start: Instant,
    addresses: Mutex<Buckets<Source>>,
    credentials: Mutex<Buckets<String>>,
    failures: Mutex<Buckets<Source>>,
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
        }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    /// Counts a call of an address; before anything is read or computed for it.
    ///
    /// # Errors
    /// `RATE_LIMITED` with the time after which it may come again.
    pub(crate) fn admit_address(&self, address: Option<IpAddr>) -> Result<(), ApiError> {
        let (now, source) = (self.now(), Source::of(address));
        let failures = self.failures.lock().look(&source, now);
        failures.map_err(|wait| limited(Limit::Failures, wait))?;
        let taken = self.addresses.lock().take(&source, now);
        taken.map_err(|wait| limited(Limit::Address, wait))
    }

    /// Counts a call that was not authentic.
    pub(crate) fn count_failure(&self, address: Option<IpAddr>) {
        let now = self.now();
        // An empty bucket refuses the address before the next failure.
        let _ = self.failures.lock().take(&Source::of(address), now);
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
    fn source__should_be_one_address_or_one_network_of_64_bits() {
        let of = |text| Source::of(address(text));
        assert_ne!(of("10.0.0.1"), of("10.0.0.2"));
        assert_eq!(of("10.0.0.1"), of("::ffff:10.0.0.1"));
        assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:2"));
        assert_ne!(of("2001:db8:0:1::1"), of("2001:db8:0:2::1"));
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
            rates.admit_address(bad).unwrap();
            rates.count_failure(bad);
        }
        let refused = rates.admit_address(bad).unwrap_err();
        assert_eq!(refused.code, ErrorCode::RateLimited);
        assert_eq!(refused.details["limit"], "auth_failures");
        rates.admit_address(good).unwrap();
    }
}
