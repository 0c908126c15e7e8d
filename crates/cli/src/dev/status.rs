use std::path::Path;

use serde::Serialize;

use super::cluster::{COORDINATOR, Cluster, client_file, log_file};
use super::process::Pids;
use super::shares::{self, Share};
use crate::console::{Report, table};
use crate::error::CliError;

#[derive(Serialize)]
struct Status {
    dir: String,
    config: String,
    processes: Vec<Process>,
    keys: Vec<Key>,
}

#[derive(Serialize)]
struct Process {
    name: String,
    pid: Option<i32>,
    alive: bool,
    listen: Vec<String>,
    log: String,
}

#[derive(Serialize)]
struct Key {
    key_id: String,
    shares: Vec<Share>,
}

/// Each process, and where each share lies. Public facts only: no share is opened.
pub(super) fn report(dir: &Path) -> Result<Report, CliError> {
    let cluster = Cluster::existing(dir)?;
    let pids = Pids::of(dir)?;
    let names = cluster.process_names();
    let keys = shares::by_key(dir, &cluster).into_iter();
    let status = Status {
        dir: dir.display().to_string(),
        config: client_file(dir).display().to_string(),
        processes: names
            .iter()
            .map(|name| process(dir, &cluster, &pids, name))
            .collect(),
        keys: keys
            .map(|(key_id, shares)| Key { key_id, shares })
            .collect(),
    };
    Ok(Report::new(&status, human(&status)))
}

fn process(dir: &Path, cluster: &Cluster, pids: &Pids, name: &str) -> Process {
    let pid = pids.running(dir, name);
    let listen = match cluster.node(name) {
        Some(node) => vec![
            format!("grpc {}", node.grpc),
            format!("noise {}", node.noise),
        ],
        None => vec![format!("http {}", cluster.http)],
    };
    let log = log_file(dir, name).display().to_string();
    Process {
        name: name.to_owned(),
        pid,
        alive: pid.is_some(),
        listen,
        log,
    }
}

fn human(status: &Status) -> String {
    let process = |process: &Process| {
        let state = if process.alive { "running" } else { "down" };
        let pid = process.pid.map(|pid| pid.to_string()).unwrap_or_default();
        let name = process.name.clone();
        vec![
            name,
            state.to_owned(),
            pid,
            process.listen.join(", "),
            process.log.clone(),
        ]
    };
    let header = ["process", "state", "pid", "listens on", "log"];
    let mut text = table(&header, status.processes.iter().map(process).collect());
    for key in &status.keys {
        let share = |share: &Share| {
            let index = format!("{} of {}", share.share_index, share.total_shares);
            let (node, state, path) = (
                share.node_id.clone(),
                share.state.clone(),
                share.path.clone(),
            );
            vec![node, index, share.epoch.to_string(), state, path]
        };
        let header = ["node", "share", "epoch", "state", "folder"];
        let needed = key.shares.first().map_or(0, |share| share.threshold);
        let shares = table(&header, key.shares.iter().map(share).collect());
        text += &format!("\n\n{}: {needed} of its shares sign\n{shares}", key.key_id);
    }
    let down = status.processes.iter().filter(|process| !process.alive);
    if let Some(name) = down
        .map(|process| &process.name)
        .find(|name| *name != COORDINATOR)
    {
        text += &format!("\n\nquorate dev start-node --dir {} {name}", status.dir);
    }
    text
}
