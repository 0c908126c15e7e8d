use std::collections::{BTreeMap, BTreeSet};

use quorate_types::Threshold;
use serde::Serialize;
use serde_json::{Map, Value};

use super::cpu::{CpuSeconds, CpuUsed, LOAD_GENERATOR, Work, WorkSeconds};
use super::latency::Latencies;
use super::load::{Load, Measured};
use super::machine::Machine;
use crate::clock::now;
use crate::console::{Report, table};

/// One measurement. The names are part of the wire contract.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Run {
    concurrency: Option<usize>,
    rate_per_second: Option<f64>,
    /// Signatures in one request.
    batch: usize,
    seconds: f64,
    completed: u64,
    signatures_per_second: f64,
    p50_ms: f64,
    p95_ms: f64,
    p99_ms: f64,
    max_ms: f64,
    errors: u64,
    errors_by_code: BTreeMap<String, u64>,
    /// Requests that were refused because there are too many; they count as errors too.
    refused: u64,
    /// How long a refusal took; none without refusals.
    refusal_p50_ms: Option<f64>,
    refusal_p99_ms: Option<f64>,
    cpu_seconds: CpuSeconds,
    cpu_ms_per_signature: CpuSeconds,
    /// By process and by what its threads do.
    cpu_ms_per_signature_by_work: BTreeMap<String, WorkSeconds>,
    /// Of all processes of the cluster together, without the load generator.
    cluster_cpu_ms_per_signature: f64,
    bytes_per_signature: f64,
}

impl Run {
    pub(super) fn new(load: &Load, measured: &Measured, cpu: CpuUsed, link_bytes: u64) -> Self {
        let latencies = Latencies::new(&measured.latencies);
        let refusals = Latencies::new(&measured.refusals);
        let refusal = |part| {
            let any = !measured.refusals.is_empty();
            any.then(|| rounded(refusals.quantile(part)))
        };
        let completed = measured.latencies.len() as u64;
        let seconds = measured.elapsed.as_secs_f64();
        let each = |total: f64| {
            if completed == 0 {
                0.0
            } else {
                total / count(completed)
            }
        };
        let millis = |seconds: f64| rounded(each(seconds * 1_000.0));
        let of_process = |(name, seconds): (&String, &f64)| (name.clone(), millis(*seconds));
        let by_work = |(name, work): (String, WorkSeconds)| {
            let work = work.into_iter();
            (name, work.map(|(work, s)| (work, millis(s))).collect())
        };
        let of_cluster = cpu
            .by_process
            .iter()
            .filter(|(name, _)| *name != LOAD_GENERATOR);
        let of_cluster: f64 = of_cluster.map(|(_, seconds)| seconds).sum();
        Self {
            concurrency: load.concurrency,
            rate_per_second: load.rate,
            batch: load.batch,
            seconds: rounded(seconds),
            completed,
            signatures_per_second: rounded(count(completed) / seconds.max(f64::MIN_POSITIVE)),
            p50_ms: rounded(latencies.quantile(0.5)),
            p95_ms: rounded(latencies.quantile(0.95)),
            p99_ms: rounded(latencies.quantile(0.99)),
            max_ms: rounded(latencies.quantile(1.0)),
            errors: measured.errors.values().sum(),
            errors_by_code: measured.errors.clone(),
            refused: measured.refusals.len() as u64,
            refusal_p50_ms: refusal(0.5),
            refusal_p99_ms: refusal(0.99),
            cpu_ms_per_signature: cpu.by_process.iter().map(of_process).collect(),
            cpu_ms_per_signature_by_work: cpu.by_work.into_iter().map(by_work).collect(),
            cluster_cpu_ms_per_signature: millis(of_cluster),
            cpu_seconds: cpu
                .by_process
                .into_iter()
                .map(|(name, s)| (name, rounded(s)))
                .collect(),
            bytes_per_signature: rounded(each(count(link_bytes))),
        }
    }

    /// Milliseconds of each process by kind of work, and of the cluster; empty where the system does
    /// not tell them.
    fn work_table(&self) -> String {
        let processes = &self.cpu_ms_per_signature_by_work;
        let mut cluster = WorkSeconds::new();
        for (_, work) in processes.iter().filter(|(name, _)| *name != LOAD_GENERATOR) {
            for (kind, millis) in work {
                *cluster.entry(*kind).or_default() += millis;
            }
        }
        let mut rows: Vec<(&str, &WorkSeconds)> = processes
            .iter()
            .map(|(name, work)| (name.as_str(), work))
            .collect();
        if !cluster.is_empty() {
            rows.push(("cluster", &cluster));
        }
        // What is 0.00 everywhere takes no column.
        let kinds: BTreeSet<Work> = rows
            .iter()
            .flat_map(|(_, work)| work.iter())
            .filter_map(|(kind, millis)| (*millis >= 0.005).then_some(*kind))
            .collect();
        if kinds.is_empty() {
            return String::new();
        }
        let header: Vec<&str> = ["process"]
            .into_iter()
            .chain(kinds.iter().map(|kind| kind.label()))
            .collect();
        let row = |(name, work): (&str, &WorkSeconds)| {
            let cell = |kind| {
                work.get(kind)
                    .map_or_else(String::new, |ms| format!("{ms:.2}"))
            };
            let mut row = vec![name.to_owned()];
            row.extend(kinds.iter().map(cell));
            row
        };
        table(&header, rows.into_iter().map(row).collect())
    }
}

/// All measurements of one call.
#[derive(Debug, Serialize)]
pub(super) struct BenchReport {
    measured: &'static str,
    threshold: u8,
    total_nodes: u8,
    pub(super) signed: String,
    pub(super) runs: Vec<Run>,
    machine: Machine,
    version: &'static str,
    commit: &'static str,
    measured_at: String,
}

impl BenchReport {
    pub(super) fn new(measured: &'static str, threshold: Threshold) -> Self {
        Self {
            measured,
            threshold: threshold.min_signers(),
            total_nodes: threshold.max_signers(),
            signed: String::new(),
            runs: Vec::new(),
            machine: Machine::here(),
            version: env!("CARGO_PKG_VERSION"),
            // Set by the build (`make`), which knows the checkout.
            commit: option_env!("QUORATE_COMMIT").unwrap_or("unknown"),
            measured_at: now().to_rfc3339(),
        }
    }

    /// For programs, the fastest run's fields are repeated at the top.
    pub(super) fn finished(self) -> Report {
        let speed = |run: &&Run| run.signatures_per_second;
        let best = self
            .runs
            .iter()
            .max_by(|a, b| speed(a).total_cmp(&speed(b)));
        let best = best.map(|run| serde_json::to_value(run).expect("numbers and names only"));
        let human = self.human();
        let mut report = Report::new(&self, human);
        if let (Value::Object(top), Some(Value::Object(best))) = (&mut report.json, best) {
            let mut fields: Map<String, Value> = best;
            fields.append(top);
            *top = fields;
        }
        report
    }

    fn human(&self) -> String {
        let any_refused = self.runs.iter().any(|run| run.refused > 0);
        let row = |run: &Run| {
            let mut load = match (run.concurrency, run.rate_per_second) {
                (Some(concurrency), _) => format!("{concurrency} at a time"),
                (None, rate) => format!("{}/s", rate.unwrap_or_default()),
            };
            if run.batch > 1 {
                load += &format!(", batches of {}", run.batch);
            }
            let mut row = vec![
                load,
                format!("{:.1}", run.signatures_per_second),
                format!("{:.1}", run.p50_ms),
                format!("{:.1}", run.p95_ms),
                format!("{:.1}", run.p99_ms),
                run.errors.to_string(),
                format!("{:.1}", run.cluster_cpu_ms_per_signature),
                format!("{:.0}", run.bytes_per_signature),
            ];
            if any_refused {
                let millis = |ms: Option<f64>| ms.map_or_else(String::new, |ms| format!("{ms:.1}"));
                row.extend([run.refusal_p50_ms, run.refusal_p99_ms].map(millis));
            }
            row
        };
        let mut header = vec![
            "load",
            "per second",
            "p50 ms",
            "p95 ms",
            "p99 ms",
            "errors",
            "CPU ms each",
            "bytes each",
        ];
        if any_refused {
            header.extend(["refused p50 ms", "refused p99 ms"]);
        }
        let numbers = table(&header, self.runs.iter().map(row).collect());
        let processes = self.runs.last().map(|run| {
            let each = run.cpu_ms_per_signature.iter();
            let each = each.map(|(name, millis)| format!("{name} {millis:.2}"));
            each.collect::<Vec<_>>().join(", ")
        });
        let work = self.runs.last().map(Run::work_table);
        let work = work
            .filter(|table| !table.is_empty())
            .map(|table| format!("CPU ms each by kind of work, last row:\n\n{table}\n\n"));
        let Self {
            measured,
            threshold,
            total_nodes,
            signed,
            version,
            commit,
            ..
        } = self;
        format!(
            "{measured}, {threshold} of {total_nodes}\n\n{numbers}\n\nCPU ms each, last row: \
             {}\n{}measured: {signed}\nmachine: {}\nversion: {version}, commit {commit}",
            processes.unwrap_or_default(),
            work.unwrap_or_default(),
            self.machine.one_line(),
        )
    }
}

/// Microseconds are all that the clock is good for.
fn rounded(value: f64) -> f64 {
    (value * 1_000.0).round() / 1_000.0
}

#[allow(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
const fn count(number: u64) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// Of one run on one node, which made 20 signatures and refused 3 requests.
    fn report() -> BenchReport {
        let load = Load {
            concurrency: Some(2),
            rate: None,
            batch: 1,
            warmup: Duration::ZERO,
            length: Duration::from_secs(1),
        };
        let measured = Measured {
            latencies: vec![Duration::from_millis(10); 20],
            refusals: vec![Duration::from_millis(2); 3],
            errors: [("RATE_LIMITED".to_owned(), 3)].into(),
            elapsed: Duration::from_secs(2),
        };
        let work = [(Work::Tasks, 0.3), (Work::IntentLog, 0.2)].into();
        let own = [(Work::Tasks, 0.1)].into();
        let cpu = CpuUsed {
            by_process: [("node-1".to_owned(), 0.5), (LOAD_GENERATOR.to_owned(), 0.1)].into(),
            by_work: [
                ("node-1".to_owned(), work),
                (LOAD_GENERATOR.to_owned(), own),
            ]
            .into(),
        };
        let run = Run::new(&load, &measured, cpu, 40_000);
        let mut report = BenchReport::new("sign", Threshold::new(2, 3).unwrap());
        report.runs.push(run);
        report
    }

    #[test]
    fn report__should_hold_the_fields_of_the_wire_contract() {
        let json = report().finished().json;
        for (field, expected) in [
            ("signatures_per_second", 10.0),
            ("p50_ms", 10.0),
            ("p95_ms", 10.0),
            ("p99_ms", 10.0),
            ("errors", 3.0),
            ("refused", 3.0),
            ("refusal_p50_ms", 2.0),
            ("refusal_p99_ms", 2.0),
            ("bytes_per_signature", 2_000.0),
            ("cluster_cpu_ms_per_signature", 25.0),
        ] {
            assert_eq!(json[field].as_f64(), Some(expected), "{field}");
        }
        assert_eq!(json["cpu_seconds"]["node-1"].as_f64(), Some(0.5));
        assert_eq!(
            json["cpu_ms_per_signature"][LOAD_GENERATOR].as_f64(),
            Some(5.0)
        );
        let by_work = &json["cpu_ms_per_signature_by_work"];
        assert_eq!(by_work["node-1"]["tasks"].as_f64(), Some(15.0));
        assert_eq!(by_work["node-1"]["intent_log"].as_f64(), Some(10.0));
        assert_eq!(by_work[LOAD_GENERATOR]["tasks"].as_f64(), Some(5.0));
        assert_eq!(json["runs"].as_array().unwrap().len(), 1);
        assert!(json["machine"]["cores"].as_u64().is_some() && json["version"].is_string());
    }

    #[test]
    fn table__should_show_kinds_of_work_and_refusals_where_there_are_any() {
        let shown = report().human();
        for line in [
            "process         tasks  intent log",
            "load_generator  5.00",
            "node-1          15.00  10.00",
            "cluster         15.00  10.00",
        ] {
            assert!(shown.lines().any(|shown| shown == line), "{line}\n{shown}");
        }
        assert!(shown.contains("refused p50 ms  refused p99 ms"), "{shown}");

        let mut report = report();
        report.runs[0].cpu_ms_per_signature_by_work.clear();
        report.runs[0].refused = 0;
        let shown = report.human();
        assert!(
            !shown.contains("kind of work") && !shown.contains("refused"),
            "{shown}"
        );
    }
}
