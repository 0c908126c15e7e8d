//! What was measured, as a table and as JSON.

use std::fmt::Write as _;
use std::time::{SystemTime, UNIX_EPOCH};

use quorate_types::UnixSeconds;
use serde::Serialize;

use anyhow::Result;

use crate::cpu::{Contestant, Effort, Figure, Measured, TOTAL, measure_together};
use crate::machine::Machine;

/// Who made the code that was measured, in the column `engine`.
pub(crate) const OURS: &str = "quorate";

/// Something that is measured.
#[derive(Debug, Clone)]
pub(crate) struct Subject {
    /// Heading that it stands under.
    pub(crate) section: &'static str,
    pub(crate) engine: &'static str,
    /// For example `sign 2-of-3`.
    pub(crate) what: String,
    /// Over how many parties a run is divided.
    pub(crate) parties: u8,
}

/// One line of the table. The names are those of the JSON.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Row {
    section: &'static str,
    engine: &'static str,
    what: String,
    part: &'static str,
    parties: u8,
    /// Of one party.
    cpu_us: f64,
    lowest_cpu_us: f64,
    all_parties_cpu_us: f64,
    bytes_sent: Option<usize>,
    batches: usize,
    runs_per_batch: u32,
}

/// All measurements of one call.
#[derive(Debug, Serialize)]
pub(crate) struct EngineReport {
    measured: &'static str,
    is_quick: bool,
    rows: Vec<Row>,
    machine: Machine,
    /// Of the last minute, before and after: what else the machine was doing.
    load_average: [f64; 2],
    version: &'static str,
    commit: &'static str,
    measured_at: String,
}

impl EngineReport {
    pub(crate) fn new(is_quick: bool) -> Self {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = UnixSeconds(since_epoch.unwrap_or_default().as_secs());
        Self {
            measured: "engines",
            is_quick,
            rows: Vec::new(),
            machine: Machine::here(),
            load_average: [load_average(), 0.0],
            version: env!("CARGO_PKG_VERSION"),
            // Set by the build (`make`), which knows the checkout.
            commit: option_env!("QUORATE_COMMIT").unwrap_or("unknown"),
            measured_at: now.to_rfc3339(),
        }
    }

    /// Adds a row for each part and one for the whole.
    pub(crate) fn add(&mut self, subject: &Subject, measured: &Measured) {
        let parties = f64::from(subject.parties);
        for (part, all) in &measured.figures {
            let Figure {
                median_us,
                lowest_us,
            } = all.divided(parties);
            let bytes = (*part == TOTAL).then_some(measured.bytes_sent).flatten();
            self.rows.push(Row {
                section: subject.section,
                engine: subject.engine,
                what: subject.what.clone(),
                part,
                parties: subject.parties,
                cpu_us: rounded(median_us),
                lowest_cpu_us: rounded(lowest_us),
                all_parties_cpu_us: rounded(all.median_us),
                bytes_sent: bytes.map(|bytes| bytes / usize::from(subject.parties)),
                batches: measured.batches,
                runs_per_batch: measured.runs_per_batch,
            });
        }
    }

    /// Measures all of these in turn, and adds them.
    ///
    /// # Errors
    /// The first that a run gives.
    pub(crate) fn compare(
        &mut self,
        effort: Effort,
        contestants: Vec<(Subject, Contestant<'_>)>,
    ) -> Result<()> {
        let (subjects, runs): (Vec<_>, Vec<_>) = contestants.into_iter().unzip();
        let measured = measure_together(effort, runs)?;
        for (subject, measured) in subjects.iter().zip(&measured) {
            self.add(subject, measured);
        }
        Ok(())
    }

    /// Nothing more will be added.
    pub(crate) fn finish(&mut self) {
        let [_, after] = &mut self.load_average;
        *after = load_average();
    }

    /// For readers.
    pub(crate) fn table(&self) -> String {
        let mut out = String::new();
        let mut section = "";
        for row in &self.rows {
            if row.section != section {
                section = row.section;
                let _ = write!(
                    out,
                    "\n{section}\n  {:<24} {:<34} {:<16} {:>12} {:>12} {:>14} {:>12}\n",
                    "engine",
                    "what",
                    "part",
                    "µs, median",
                    "µs, lowest",
                    "all parties",
                    "bytes sent"
                );
            }
            let bytes = row.bytes_sent.map_or(String::new(), |b| b.to_string());
            let _ = writeln!(
                out,
                "  {:<24} {:<34} {:<16} {:>12.2} {:>12.2} {:>14.2} {:>12}",
                row.engine,
                row.what,
                row.part,
                row.cpu_us,
                row.lowest_cpu_us,
                row.all_parties_cpu_us,
                bytes
            );
        }
        let [before, after] = self.load_average;
        let _ = write!(
            out,
            "\nprocessor time of one thread, microseconds of one party; a part is from its \
             messages to the next ones\nmachine: {}, load {before} before and {after} after\n\
             version: {}, commit {}",
            self.machine.one_line(),
            self.version,
            self.commit
        );
        out
    }
}

/// A thousandth of a microsecond is all that means anything.
fn rounded(us: f64) -> f64 {
    (us * 1_000.0).round() / 1_000.0
}

fn load_average() -> f64 {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let first = text.split(' ').next().and_then(|first| first.parse().ok());
    first.unwrap_or_default()
}
