//! Waiting for a cluster: on what it says about itself, with a deadline.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Child;
use std::time::{Duration, Instant};

use quorate_api::rest::{NodeList, NodeView};

use super::cluster::{client_file, log_file};
use super::process::log_tail;
use crate::config::Settings;
use crate::error::CliError;
use crate::http::ApiClient;

/// How long a cluster may take to be ready.
const DEADLINE: Duration = Duration::from_secs(60);
/// Pause between two questions.
const ASK_EVERY: Duration = Duration::from_millis(50);

/// A client with the cluster's own `client.toml`, whatever the caller's environment says.
pub(super) fn client(dir: &Path) -> Result<ApiClient, CliError> {
    let settings = Settings::resolve(&BTreeMap::new(), Some(&client_file(dir)), &|_| None)?;
    ApiClient::new(&settings)
}

/// Waits until the gateway is ready and these nodes are online with all their links.
pub(super) async fn wait(
    dir: &Path,
    wanted: &[&str],
    children: &mut BTreeMap<String, Child>,
) -> Result<(), CliError> {
    let client = client(dir)?;
    let deadline = Instant::now() + DEADLINE;
    loop {
        refuse_dead(dir, children)?;
        let missing = missing(&client, wanted).await;
        if missing.is_empty() {
            return Ok(());
        }
        if Instant::now() >= deadline {
            let what = format!("not ready after {} s: {missing}", DEADLINE.as_secs());
            let remedy = format!("look at the logs in {}", dir.display());
            return Err(CliError::failed(what, remedy));
        }
        tokio::time::sleep(ASK_EVERY).await;
    }
}

/// What is not there yet; empty if everything is.
async fn missing(client: &ApiClient, wanted: &[&str]) -> String {
    match client.probe("/health/live").await {
        Ok((200, _)) => {}
        Ok((status, _)) => return format!("the gateway answers with status {status}"),
        Err(error) => return error.to_string(),
    }
    let nodes = match client.get::<NodeList>("/nodes").await {
        Ok(answer) => answer.data.nodes,
        Err(error) => return error.to_string(),
    };
    let is_missing = |name: &&&str| !nodes.iter().any(|node| is_ready(node, name, wanted));
    let missing: Vec<String> = wanted
        .iter()
        .filter(is_missing)
        .map(|name| {
            let found = nodes.iter().find(|node| node.node_id == **name);
            let why = found.map(|node| node.last_error.as_deref().unwrap_or(&node.status));
            format!("{name} ({})", why.unwrap_or("not in the manifest"))
        })
        .collect();
    missing.join(", ")
}

/// Online for the coordinator, linked to all other nodes that are wanted, with the pair state that keys
/// need.
fn is_ready(node: &NodeView, name: &str, wanted: &[&str]) -> bool {
    let others = wanted.iter().filter(|other| **other != name);
    let is_up = |peer: &str| {
        node.links
            .iter()
            .any(|link| link.peer == peer && link.state == "up")
    };
    let has_pair_state = |peer: &str| {
        let mut pairs = node.pairs.iter();
        pairs.any(|pair| pair.peer == peer && pair.state != "missing")
    };
    node.node_id == name
        && node.status != "offline"
        && others
            .clone()
            .all(|other| is_up(other) && has_pair_state(other))
}

/// A process that ends while it should start says why in its log.
fn refuse_dead(dir: &Path, children: &mut BTreeMap<String, Child>) -> Result<(), CliError> {
    for (name, child) in children {
        let Ok(Some(status)) = child.try_wait() else {
            continue;
        };
        let log = log_file(dir, name);
        let what = format!("{name} ended at its start ({status}):{}", log_tail(&log));
        let remedy = format!("the whole log is {}", log.display());
        return Err(CliError::failed(what, remedy));
    }
    Ok(())
}
