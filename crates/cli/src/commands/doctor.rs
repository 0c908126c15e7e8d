//! Looks for what is wrong between here and the cluster, from near to far.

mod links;
mod process;

use std::io::IsTerminal as _;
use std::path::Path;

use quorate_api::rest::{NodeList, NodeView};
use quorate_intent::Manifest;
use serde::Serialize;

use super::Context;
use crate::clock::now;
use crate::config::Setting;
use crate::console::{Console, Report};
use crate::error::CliError;
use crate::http::{Answer, ApiClient};
use crate::intents::{IntentSigner, read_manifest};

/// Beyond this difference of clocks, calls fail soon.
const WARN_SKEW_SECONDS: u64 = 10;
/// The service refuses calls beyond this.
const MAX_SKEW_SECONDS: u64 = 60;
/// Less free space than this is worth a word.
const WARN_FREE_MIB: u64 = 512;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum State {
    Ok,
    Warn,
    Fail,
}

#[derive(Debug, Serialize)]
struct Finding {
    check: String,
    state: State,
    found: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    remedy: String,
}

#[derive(Debug, Default, Serialize)]
struct Findings {
    checks: Vec<Finding>,
}

impl Findings {
    fn ok(&mut self, check: &str, found: impl Into<String>) {
        self.add(check, State::Ok, found.into(), String::new());
    }

    fn warn(&mut self, check: &str, found: impl Into<String>, remedy: impl Into<String>) {
        self.add(check, State::Warn, found.into(), remedy.into());
    }

    fn fail(&mut self, check: &str, found: impl Into<String>, remedy: impl Into<String>) {
        self.add(check, State::Fail, found.into(), remedy.into());
    }

    fn add(&mut self, check: &str, state: State, found: String, remedy: String) {
        self.checks.push(Finding {
            check: check.to_owned(),
            state,
            found,
            remedy,
        });
    }

    /// Notes an error, or hands on the value.
    fn keep<T>(&mut self, check: &str, result: Result<T, CliError>) -> Option<T> {
        result
            .map_err(|error| self.fail(check, error.to_string(), error.remedy()))
            .ok()
    }

    fn worst(&self) -> State {
        let has = |state| self.checks.iter().any(|finding| finding.state == state);
        if has(State::Fail) {
            State::Fail
        } else if has(State::Warn) {
            State::Warn
        } else {
            State::Ok
        }
    }
}

/// Prints all findings; fails if one of them is a failure.
pub(super) async fn run(context: &Context) -> Result<(), CliError> {
    conclude(&context.console, &look(context).await)
}

/// The same for the links of one process of this machine, as its configuration names them.
pub(super) async fn run_for_process(console: &Console, config: &Path) -> Result<(), CliError> {
    let mut findings = Findings::default();
    process::look(config, &mut findings).await?;
    conclude(console, &findings)
}

fn conclude(console: &Console, findings: &Findings) -> Result<(), CliError> {
    let colour = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    console.report(&Report::new(findings, human(findings, colour)))?;
    if findings.worst() != State::Fail {
        return Ok(());
    }
    // The report is the one document of --json; the code says the rest.
    std::process::exit(i32::from(crate::ExitCode::Failure as u8));
}

async fn look(context: &Context) -> Findings {
    let mut findings = Findings::default();
    let settings = &context.settings;
    match settings.file() {
        Some(path) => findings.ok("configuration", path.display().to_string()),
        None => findings.warn(
            "configuration",
            "no file: flags, environment and defaults only",
            "write ~/.config/quorate/client.toml, or name one with --config",
        ),
    }
    let manifest = findings.keep("manifest", read_manifest(settings));
    if let Some(manifest) = &manifest {
        let (cluster, version) = (&manifest.cluster, manifest.version);
        let count = manifest.nodes.len();
        findings.ok(
            "manifest",
            format!("cluster {cluster}, version {version}, {count} nodes, signed"),
        );
        if findings
            .keep("initiator", IntentSigner::new(settings, manifest))
            .is_some()
        {
            findings.ok(
                "initiator",
                "the key file is safe, and the manifest knows its key",
            );
        }
    }
    free_space(settings.file().and_then(Path::parent), &mut findings);
    look_at_service(context, manifest.as_ref(), &mut findings).await;
    findings
}

async fn look_at_service(context: &Context, manifest: Option<&Manifest>, findings: &mut Findings) {
    let settings = &context.settings;
    let Some(open) = findings.keep("gateway", ApiClient::anonymous(settings)) else {
        return;
    };
    let endpoint = open.endpoint().to_owned();
    match open.probe("/health/live").await {
        Ok((200, _)) => findings.ok("gateway", format!("{endpoint} answers")),
        Ok((status, _)) => {
            let remedy = format!(
                "is `{}` the address of a coordinator?",
                Setting::Endpoint.name()
            );
            findings.fail(
                "gateway",
                format!("{endpoint} answers with status {status}"),
                remedy,
            );
        }
        Err(error) => return findings.fail("gateway", error.to_string(), error.remedy()),
    }
    match open.probe("/health/ready").await {
        Ok((200, _)) => findings.ok("ready", "the service takes requests"),
        Ok((status, _)) => findings.fail(
            "ready",
            format!("the service does not take requests (status {status})"),
            "start the participants; look at the coordinator's log",
        ),
        Err(error) => findings.fail("ready", error.to_string(), error.remedy()),
    }
    let Some(client) = findings.keep("credential", ApiClient::new(settings)) else {
        return;
    };
    let Some(answer) = findings.keep("credential", client.get::<NodeList>("/nodes").await) else {
        return;
    };
    findings.ok("credential", "the service knows it");
    clock(&answer, findings);
    nodes(&answer.data, manifest, findings);
}

fn clock(answer: &Answer<NodeList>, findings: &mut Findings) {
    let Some(theirs) = seconds_of(&answer.timestamp) else {
        let remedy = "the service is of another version";
        return findings.warn("clock", "the service's time cannot be read", remedy);
    };
    let skew = now().0.abs_diff(theirs);
    let found = format!("{skew} s from the service's");
    let remedy = "set this machine's clock (`timedatectl set-ntp true`)";
    match skew {
        0..=WARN_SKEW_SECONDS => findings.ok("clock", found),
        skew if skew <= MAX_SKEW_SECONDS => findings.warn("clock", found, remedy),
        _ => findings.fail("clock", found, remedy),
    }
}

fn nodes(list: &NodeList, manifest: Option<&Manifest>, findings: &mut Findings) {
    for node in &list.nodes {
        let check = format!("node {}", node.node_id);
        let down = node.links.iter().filter(|link| link.state != "up");
        let down: Vec<&str> = down.map(|link| link.peer.as_str()).collect();
        let trouble = node.last_error.clone().unwrap_or_default();
        let start = "start it, and look at its log";
        match node.status.as_str() {
            "offline" => links::offline(node, &trouble, findings),
            _ if !node.key_problems.is_empty() => {
                let remedy = "docs/protocols/share-files.md says how to recover";
                findings.fail(&check, node.key_problems.join("; "), remedy);
            }
            "online" if down.is_empty() => {
                let (keys, load) = (node.keys_active, node.load_factor);
                findings.ok(
                    &check,
                    format!("online, {keys} keys, load {load} of 100, links up"),
                );
            }
            status if down.is_empty() => {
                findings.warn(&check, format!("{status}: {trouble}"), start);
            }
            status => {
                let found = format!("{status}: no link to {}", down.join(", "));
                let remedy = "are these nodes up, and their Noise ports open to it?";
                findings.warn(&check, found, remedy);
            }
        }
        links::look(node, findings);
        if let Some(manifest) = manifest {
            identity(node, manifest, findings);
        }
    }
    let Some(manifest) = manifest else { return };
    let (ours, theirs) = (manifest.version, list.manifest_version);
    if list.cluster != manifest.cluster.as_str() || ours != theirs {
        let found = format!(
            "the service has cluster {}, version {theirs}; this configuration has {}, version {ours}",
            list.cluster, manifest.cluster,
        );
        findings.fail(
            "same manifest",
            found,
            "use the cluster's own manifest, from its owner",
        );
    } else {
        findings.ok(
            "same manifest",
            "cluster and version are those of the service",
        );
    }
}

fn identity(node: &NodeView, manifest: &Manifest, findings: &mut Findings) {
    let known = manifest
        .nodes
        .iter()
        .find(|known| known.id.as_str() == node.node_id);
    let remedy = "do not trust this service before its owner has explained it";
    match known {
        Some(known) if hex::encode(known.identity) == node.public_key => {}
        Some(_) => {
            let found = "the service names another identity key than the manifest";
            findings.fail(&format!("node {}", node.node_id), found, remedy);
        }
        None => {
            let found = "the manifest does not know it";
            findings.fail(&format!("node {}", node.node_id), found, remedy);
        }
    }
}

fn free_space(folder: Option<&Path>, findings: &mut Findings) {
    let Some(folder) = folder else { return };
    let Ok(disk) = rustix::fs::statvfs(folder) else {
        return;
    };
    let free_mib = disk.f_bavail.saturating_mul(disk.f_frsize) >> 20;
    let found = format!("{free_mib} MiB free at {}", folder.display());
    if free_mib < WARN_FREE_MIB {
        findings.warn(
            "disk",
            found,
            "make room: audit logs that cannot be written stop signing",
        );
    } else {
        findings.ok("disk", found);
    }
}

/// Unix seconds of `YYYY-MM-DDThh:mm:ss…Z`.
fn seconds_of(rfc3339: &str) -> Option<u64> {
    let number = |range: std::ops::Range<usize>| rfc3339.get(range)?.parse::<u64>().ok();
    let (year, month, day) = (number(0..4)?, number(5..7)?, number(8..10)?);
    let (hour, minute, second) = (number(11..13)?, number(14..16)?, number(17..19)?);
    if !rfc3339.ends_with('Z') || year < 1970 || !(1..=12).contains(&month) {
        return None;
    }
    // Days from civil, after Howard Hinnant; the year starts in March.
    let year = if month <= 2 { year - 1 } else { year };
    let shifted_month = (month + 9) % 12;
    let (era, year_of_era) = (year / 400, year % 400);
    let day_of_year = (153 * shifted_month + 2) / 5 + day.checked_sub(1)?;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    let days = (era * 146_097 + day_of_era).checked_sub(719_468)?;
    Some(days * 86_400 + hour * 3_600 + minute * 60 + second)
}

fn human(findings: &Findings, colour: bool) -> String {
    let width = findings
        .checks
        .iter()
        .map(|finding| finding.check.len())
        .max()
        .unwrap_or(0);
    let mut text = String::new();
    for Finding {
        check,
        state,
        found,
        remedy,
    } in &findings.checks
    {
        let (word, code) = match state {
            State::Ok => ("ok  ", 32),
            State::Warn => ("warn", 33),
            State::Fail => ("FAIL", 31),
        };
        let word = if colour {
            format!("\x1b[{code}m{word}\x1b[0m")
        } else {
            word.to_owned()
        };
        text += &format!("{word}  {check:width$}  {found}\n");
        if !remedy.is_empty() {
            text += &format!("      {:width$}  next: {remedy}\n", "");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use quorate_types::UnixSeconds;

    use super::*;

    #[test]
    fn time__should_be_read_as_it_is_written() {
        for seconds in [
            0,
            951_782_399,
            951_782_400,
            1_709_251_199,
            1_763_800_000,
            4_102_444_800,
        ] {
            let text = UnixSeconds(seconds).to_rfc3339();
            assert_eq!(seconds_of(&text), Some(seconds), "{text}");
        }
        assert_eq!(seconds_of("2024-02-29T23:59:59.123Z"), Some(1_709_251_199));
        for bad in [
            "",
            "2024",
            "2024-13-01T00:00:00Z",
            "2024-01-01T00:00:00+01:00",
        ] {
            assert_eq!(seconds_of(bad), None, "{bad}");
        }
    }

    #[test]
    fn findings__should_be_as_bad_as_the_worst() {
        let mut findings = Findings::default();
        findings.ok("a", "x");
        assert_eq!(findings.worst(), State::Ok);
        findings.warn("b", "x", "y");
        assert_eq!(findings.worst(), State::Warn);
        findings.fail("c", "x", "do this");
        assert_eq!(findings.worst(), State::Fail);
        let text = human(&findings, false);
        assert!(
            text.contains("FAIL  c  x") && text.contains("next: do this"),
            "{text}"
        );
        assert!(!text.contains('\x1b'));
    }
}
