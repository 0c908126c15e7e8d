//! What is written to the terminal: results on stdout, everything else on stderr.

use std::io::{BufRead as _, IsTerminal as _, Read as _, Write as _};
use std::time::Duration;

use comfy_table::{Table, presets};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use serde_json::Value;

use crate::error::CliError;

/// Longest answer to a question, in bytes.
const MAX_ANSWER_BYTES: u64 = 1_024;

/// A result, for programs and for people.
#[derive(Debug, Clone)]
pub struct Report {
    /// What `--json` prints.
    pub json: Value,
    /// What is printed otherwise.
    pub human: String,
}

impl Report {
    /// A result from something that serialises.
    #[must_use]
    pub fn new(value: &impl Serialize, human: impl Into<String>) -> Self {
        let json = serde_json::to_value(value).expect("reports hold text keys and finite numbers");
        Self {
            json,
            human: human.into(),
        }
    }
}

/// How this call talks.
#[derive(Debug, Clone, Copy)]
pub struct Console {
    json: bool,
    progress: bool,
}

impl Console {
    /// Spinners are shown on a terminal only, never with `--json`.
    #[must_use]
    pub fn new(json: bool) -> Self {
        let progress = !json && std::io::stderr().is_terminal();
        Self { json, progress }
    }

    /// Nothing but results: for tests and for nested calls.
    #[must_use]
    pub const fn quiet() -> Self {
        Self {
            json: true,
            progress: false,
        }
    }

    /// Prints a result.
    ///
    /// # Errors
    /// [`CliError::Failed`] if stdout is closed.
    pub fn report(&self, report: &Report) -> Result<(), CliError> {
        let text = if self.json {
            serde_json::to_string_pretty(&report.json).expect("a JSON value can be written")
        } else {
            report.human.trim_end().to_owned()
        };
        write_stdout(&format!("{text}\n"))
    }

    /// A line for people, on stderr; nothing with `--json`.
    pub fn note(&self, line: &str) {
        if !self.json {
            write_stderr(line);
        }
    }

    /// Asks for a line, if there is somebody to ask: on a terminal, without `--json`.
    ///
    /// # Errors
    /// [`CliError::Failed`] if the terminal cannot be read.
    pub fn ask(&self, question: &str) -> Result<Option<String>, CliError> {
        if self.json || !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
            return Ok(None);
        }
        let mut out = std::io::stderr().lock();
        // Whoever closed stderr is not asked.
        let shown = write!(out, "{question}").and_then(|()| out.flush());
        if shown.is_err() {
            return Ok(None);
        }
        drop(out);
        let mut line = String::new();
        let input = std::io::stdin().lock().take(MAX_ANSWER_BYTES);
        let read = std::io::BufReader::new(input).read_line(&mut line);
        read.map_err(|error| {
            CliError::failed(
                format!("the terminal cannot be read: {error}"),
                "use the flag that says the same",
            )
        })?;
        Ok(Some(line.trim().to_owned()))
    }

    /// Prints an error: for programs on stdout (one document in any case), for people on stderr.
    pub fn error(&self, error: &CliError) {
        if self.json {
            let text = serde_json::to_string_pretty(&error.to_json());
            // A closed stdout leaves the exit code.
            let _ = write_stdout(&format!("{}\n", text.expect("a JSON value can be written")));
            return;
        }
        let mut lines = format!("error: {error}");
        if let CliError::Refused(refusal) = error {
            let details = refusal
                .details
                .iter()
                .filter(|(_, value)| !plain(value).is_empty());
            for (name, value) in details {
                lines += &format!("\n  {name}: {}", plain(value));
            }
            if !refusal.request_id.is_empty() {
                lines += &format!("\n  request id: {}", refusal.request_id);
            }
        }
        write_stderr(&format!("{lines}\n  next: {}", error.remedy()));
    }

    /// A spinner for something that takes long.
    #[must_use]
    pub fn spinner(&self, message: &str) -> Spinner {
        if !self.progress {
            return Spinner(ProgressBar::hidden());
        }
        let bar = ProgressBar::new_spinner();
        bar.set_style(ProgressStyle::default_spinner());
        bar.set_message(message.to_owned());
        bar.enable_steady_tick(Duration::from_millis(100));
        Spinner(bar)
    }
}

/// Shows that something is going on; disappears when dropped.
#[derive(Debug)]
pub struct Spinner(ProgressBar);

impl Spinner {
    /// Says what is going on.
    pub fn say(&self, message: impl Into<String>) {
        self.0.set_message(message.into());
    }
}

impl Drop for Spinner {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

/// Columns without lines.
#[must_use]
pub fn table(header: &[&str], rows: Vec<Vec<String>>) -> String {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_header(header.to_vec());
    for row in rows {
        table.add_row(row);
    }
    let lines = table.to_string();
    // Cells are padded on both sides.
    let lines = lines
        .lines()
        .map(|line| line.strip_prefix(' ').unwrap_or(line).trim_end());
    lines.collect::<Vec<_>>().join("\n")
}

/// Name and value, one a line.
#[must_use]
pub fn facts(facts: &[(&str, String)]) -> String {
    let width = facts.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let shown = facts.iter().filter(|(_, value)| !value.is_empty());
    shown
        .map(|(name, value)| format!("{name:width$}  {value}\n"))
        .collect()
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(plain).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

pub(crate) fn write_stdout(text: &str) -> Result<(), CliError> {
    let mut out = std::io::stdout().lock();
    let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    written.map_err(|error| {
        CliError::failed(
            format!("stdout cannot be written: {error}"),
            "keep the pipe open",
        )
    })
}

fn write_stderr(line: &str) {
    // There is nowhere left to say that stderr is closed.
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}
