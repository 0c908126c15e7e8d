//! How requests are made: closed loop (so many at a time) or open loop (so many a second).

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::error::CliError;

/// Open loop: requests in flight; what would be more counts as an error.
const MAX_IN_FLIGHT: usize = 4_096;
/// Status of HTTP; over gRPC it is `RESOURCE_EXHAUSTED`.
const TOO_MANY_REQUESTS: u16 = 429;

/// One measurement's load.
#[derive(Debug, Clone)]
pub(super) struct Load {
    /// Closed loop: requests in flight.
    pub(super) concurrency: Option<usize>,
    /// Open loop: requests a second.
    pub(super) rate: Option<f64>,
    /// Signatures or keys that one request asks for; each counts with the time of its request.
    pub(super) batch: usize,
    pub(super) warmup: Duration,
    pub(super) length: Duration,
}

impl fmt::Display for Load {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.concurrency, self.rate) {
            (Some(concurrency), _) => write!(f, "{concurrency} at a time")?,
            (None, rate) => write!(f, "{} a second", rate.unwrap_or_default())?,
        }
        if self.batch > 1 {
            write!(f, ", batches of {}", self.batch)?;
        }
        Ok(())
    }
}

/// What came of it.
#[derive(Debug, Default)]
pub(super) struct Measured {
    /// Of each request that succeeded; in an open loop from when it was due.
    pub(super) latencies: Vec<Duration>,
    /// Of each request that was refused because there are too many of them (429), counted as above.
    pub(super) refusals: Vec<Duration>,
    /// Failed requests by code.
    pub(super) errors: BTreeMap<String, u64>,
    /// From the first request to the last answer.
    pub(super) elapsed: Duration,
}

impl Measured {
    fn count(&mut self, result: Result<(), CliError>, latency: Duration, batch: usize) {
        match result {
            Ok(()) => self.latencies.extend(std::iter::repeat_n(latency, batch)),
            Err(error) => {
                if is_too_many(&error) {
                    self.refusals.push(latency);
                }
                *self.errors.entry(code(&error)).or_default() += 1;
            }
        }
    }

    fn add(&mut self, other: Self) {
        self.latencies.extend(other.latencies);
        self.refusals.extend(other.refusals);
        for (code, count) in other.errors {
            *self.errors.entry(code).or_default() += count;
        }
    }
}

/// What a service refuses that has too much to do. It is to say so at once: a late refusal costs its
/// caller the time in which the request could have gone elsewhere.
fn is_too_many(error: &CliError) -> bool {
    matches!(error, CliError::Refused(refusal) if refusal.status == TOO_MANY_REQUESTS)
}

fn code(error: &CliError) -> String {
    match error {
        CliError::Refused(refusal) => refusal.code.clone(),
        CliError::Unreachable { .. } => "UNREACHABLE".to_owned(),
        CliError::Unverified(_) => "NOT_VERIFIED".to_owned(),
        _ => "FAILED".to_owned(),
    }
}

/// How long a refusal asks its caller to wait. A caller that comes again at once would measure how
/// quickly the service refuses.
fn asked_to_wait(result: &Result<(), CliError>) -> Option<Duration> {
    match result {
        Err(CliError::Refused(refusal)) => refusal.retry_after,
        _ => None,
    }
}

impl Load {
    /// The same load whose results do not count.
    pub(super) async fn warm_up<F, R>(&self, one: F)
    where
        F: Fn() -> R + Clone + Send + Sync + 'static,
        R: Future<Output = Result<(), CliError>> + Send + 'static,
    {
        let warm_up = Self {
            length: self.warmup,
            ..self.clone()
        };
        drop(warm_up.run(one).await);
    }

    /// Makes requests for the whole length, and waits for the last answer.
    pub(super) async fn run<F, R>(&self, one: F) -> Measured
    where
        F: Fn() -> R + Clone + Send + Sync + 'static,
        R: Future<Output = Result<(), CliError>> + Send + 'static,
    {
        let start = Instant::now();
        let mut measured = match (self.concurrency, self.rate) {
            (None, Some(rate)) => open_loop(start, self.length, (rate, self.batch), one).await,
            (concurrency, _) => {
                let callers = concurrency.unwrap_or(1);
                closed_loop(start + self.length, (callers, self.batch), one).await
            }
        };
        measured.elapsed = start.elapsed();
        measured
    }
}

async fn closed_loop<F, R>(end: Instant, (concurrency, batch): (usize, usize), one: F) -> Measured
where
    F: Fn() -> R + Clone + Send + Sync + 'static,
    R: Future<Output = Result<(), CliError>> + Send + 'static,
{
    let mut workers = JoinSet::new();
    for _ in 0..concurrency {
        let one = one.clone();
        workers.spawn(async move {
            let mut measured = Measured::default();
            while Instant::now() < end {
                let sent = Instant::now();
                let result = one().await;
                let pause = asked_to_wait(&result);
                measured.count(result, sent.elapsed(), batch);
                // Not beyond the end: nobody waits for a measurement that is over.
                let left = end.saturating_duration_since(Instant::now());
                if let Some(pause) = pause {
                    tokio::time::sleep(pause.min(left)).await;
                }
            }
            measured
        });
    }
    let mut measured = Measured::default();
    while let Some(worker) = workers.join_next().await {
        measured.add(worker.expect("workers do not panic"));
    }
    measured
}

/// A slow service does not slow the load down: latency counts from when a request was due.
async fn open_loop<F, R>(
    start: Instant,
    length: Duration,
    (rate, batch): (f64, usize),
    one: F,
) -> Measured
where
    F: Fn() -> R + Clone + Send + Sync + 'static,
    R: Future<Output = Result<(), CliError>> + Send + 'static,
{
    let mut measured = Measured::default();
    let mut in_flight: JoinSet<(Result<(), CliError>, Duration)> = JoinSet::new();
    let mut number = 0_u32;
    loop {
        let due = start + Duration::from_secs_f64(f64::from(number) / rate);
        if due >= start + length {
            break;
        }
        tokio::time::sleep_until(due.into()).await;
        while let Some(done) = in_flight.try_join_next() {
            let (result, latency) = done.expect("requests do not panic");
            measured.count(result, latency, batch);
        }
        if in_flight.len() < MAX_IN_FLIGHT {
            let request = one();
            in_flight.spawn(async move { (request.await, due.elapsed()) });
        } else {
            *measured.errors.entry("NOT_SENT".to_owned()).or_default() += 1;
        }
        number += 1;
    }
    while let Some(done) = in_flight.join_next().await {
        let (result, latency) = done.expect("requests do not panic");
        measured.count(result, latency, batch);
    }
    measured
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    fn load(concurrency: Option<usize>, rate: Option<f64>) -> Load {
        let length = Duration::from_millis(200);
        Load {
            concurrency,
            rate,
            batch: 1,
            warmup: Duration::ZERO,
            length,
        }
    }

    fn refused(status: u16, code: &str) -> CliError {
        CliError::Refused(Box::new(crate::error::Refusal {
            status,
            code: code.to_owned(),
            message: String::new(),
            details: serde_json::Map::new(),
            request_id: String::new(),
            retry_after: Some(Duration::from_secs(60)),
        }))
    }

    #[tokio::test]
    async fn refusals__should_be_timed_and_no_other_failure() {
        for (status, code, timed) in [(429, "RATE_LIMITED", 3), (403, "FORBIDDEN", 0)] {
            let one = move || async move {
                tokio::time::sleep(Duration::from_millis(10)).await;
                Err(refused(status, code))
            };
            let measured = load(Some(3), None).run(one).await;
            assert_eq!(measured.errors[code], 3);
            assert_eq!(measured.refusals.len(), timed, "{code}");
            let at_once = Duration::from_millis(10);
            assert!(measured.refusals.iter().all(|after| *after >= at_once));
            assert!(measured.latencies.is_empty());
        }
    }

    #[tokio::test]
    async fn closed_loop__should_wait_as_long_as_a_refusal_asks_for() {
        let asked = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&asked);
        let one = move || {
            asked.fetch_add(1, Ordering::SeqCst);
            async { Err(refused(429, "RATE_LIMITED")) }
        };
        let measured = load(Some(3), None).run(one).await;
        assert_eq!(count.load(Ordering::SeqCst), 3, "once for each caller");
        assert_eq!(measured.errors["RATE_LIMITED"], 3);
    }

    #[tokio::test]
    async fn closed_loop__should_keep_so_many_in_flight() {
        let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let seen = Arc::clone(&most);
        let one = move || {
            let (now, most) = (Arc::clone(&now), Arc::clone(&most));
            async move {
                most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                tokio::time::sleep(Duration::from_millis(5)).await;
                now.fetch_sub(1, Ordering::SeqCst);
                Ok(())
            }
        };
        let measured = load(Some(3), None).run(one).await;
        assert_eq!(seen.load(Ordering::SeqCst), 3);
        assert!(measured.latencies.len() >= 3 && measured.errors.is_empty());
    }

    #[tokio::test]
    async fn batch__should_count_each_of_its_signatures() {
        let one = || async {
            tokio::time::sleep(Duration::from_millis(5)).await;
            Ok(())
        };
        let load = Load {
            batch: 10,
            ..load(Some(1), None)
        };
        let latencies = load.run(one).await.latencies;
        assert!(!latencies.is_empty() && latencies.len().is_multiple_of(10));
    }

    #[tokio::test]
    async fn open_loop__should_count_latency_from_when_a_request_was_due() {
        let one = || async {
            tokio::time::sleep(Duration::from_millis(30)).await;
            Ok(())
        };
        let measured = load(None, Some(100.0)).run(one).await;
        assert_eq!(measured.latencies.len(), 20);
        assert!(
            measured
                .latencies
                .iter()
                .all(|latency| *latency >= Duration::from_millis(30))
        );
    }

    #[tokio::test]
    async fn failures__should_be_counted_by_code_and_not_as_latency() {
        let one = || async {
            tokio::time::sleep(Duration::from_millis(20)).await;
            Err(CliError::failed("x", "y"))
        };
        let measured = load(Some(1), None).run(one).await;
        assert!(measured.latencies.is_empty());
        assert!(measured.errors["FAILED"] > 0);
    }
}
