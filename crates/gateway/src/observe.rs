//! Metrics: which exist, and with which buckets.

use metrics_exporter_prometheus::{BuildError, PrometheusBuilder, PrometheusHandle};

/// Bucket bounds of every duration, in seconds.
const SECONDS: &[f64] = &[
    0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0,
];

/// The exporter with this product's buckets.
///
/// # Errors
/// [`BuildError`]; not with the buckets that are compiled in.
pub fn metrics_builder() -> Result<PrometheusBuilder, BuildError> {
    PrometheusBuilder::new().set_buckets(SECONDS)
}

/// Makes it the process's recorder and describes the metrics. Once per process.
///
/// # Errors
/// [`BuildError`] if there is a recorder already.
pub fn install_metrics() -> Result<PrometheusHandle, BuildError> {
    let handle = metrics_builder()?.install_recorder()?;
    describe();
    Ok(handle)
}

fn describe() {
    use metrics::{describe_counter, describe_gauge, describe_histogram};
    describe_counter!("mpc_requests_total", "Requests by method, route and status");
    describe_histogram!("mpc_request_duration_seconds", "Time to answer a request");
    describe_counter!("mpc_errors_total", "Failed requests by stable code");
    describe_counter!(
        "mpc_auth_failures_total",
        "Requests that nobody authenticated, by code"
    );
    describe_counter!(
        "mpc_rate_limited_total",
        "Requests refused by a rate, by limit"
    );
    describe_counter!(
        "mpc_strangers_cut_off_total",
        "Requests, connections and health checks of unknown callers that gave way, by kind"
    );
    describe_counter!(
        "mpc_unread_streams_total",
        "Streams of progress that ended because nobody read them"
    );
    describe_counter!(
        "mpc_audit_events_total",
        "Audit records that the gateway wrote, by kind"
    );
    describe_counter!("mpc_acts_total", "Acts that ended, by kind and result");
    describe_histogram!(
        "mpc_act_duration_seconds",
        "Time from start to outcome of an act"
    );
    describe_gauge!("mpc_active_acts", "Acts that run");
    describe_counter!(
        "mpc_signatures_total",
        "Signatures handed out, by algorithm"
    );
    describe_counter!(
        "mpc_attempts_given_up_total",
        "Attempts replaced by another signer set"
    );
    describe_histogram!(
        "mpc_session_round_duration_seconds",
        "Time of a round, as nodes report it"
    );
    describe_counter!(
        "mpc_round_bytes_total",
        "Bytes of round messages that nodes report"
    );
    describe_gauge!("mpc_node_up", "1 if the node answers its heartbeats");
    describe_histogram!("mpc_node_heartbeat_seconds", "Round trip of heartbeats");
    describe_counter!("mpc_node_stream_breaks_total", "Session streams that broke");
    describe_counter!(
        "mpc_act_reports_dropped_total",
        "Reports of nodes dropped by a full queue"
    );
    describe_counter!(
        "mpc_anomalies_total",
        "Findings about nodes that need a person"
    );
    describe_gauge!("process_cpu_seconds_total", "CPU time of this process");
    describe_gauge!(
        "process_resident_memory_bytes",
        "Resident memory of this process"
    );
    describe_gauge!("process_open_fds", "Open file descriptors of this process");
}
