//! Starting and stopping of a cluster and of its single processes.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Child;
use std::time::Duration;

use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};

use super::cluster::{COORDINATOR, Cluster, client_file};
use super::process::{self, Pids};
use super::{create, ports, ready};
use crate::args::DevStart;
use crate::config::Environment;
use crate::console::{Console, Report};
use crate::error::CliError;

/// Participants of a new cluster, unless the caller says otherwise.
const DEFAULT_NODES: u8 = 3;
/// Most participants on one machine: a committee has no more.
const MAX_NODES: u8 = 20;
/// Pause between two looks at the processes of a cluster in the foreground.
const LOOK_EVERY: Duration = Duration::from_millis(500);

type Children = BTreeMap<String, Child>;

/// Starts all processes that do not run, waits until the cluster is ready, and stays or returns.
pub(super) async fn start(
    dir: &Path,
    args: &DevStart,
    console: Console,
    environment: Environment<'_>,
) -> Result<(), CliError> {
    let cluster = prepare(dir, args)?;
    let mut pids = Pids::of(dir)?;
    let names = cluster.process_names();
    let down: Vec<&str> = names
        .iter()
        .copied()
        .filter(|name| pids.running(dir, name).is_none())
        .collect();
    if down.is_empty() && !args.detach {
        let what = format!("the cluster in {} is running already", dir.display());
        let remedy = format!("stop it with `quorate dev stop --dir {}`", dir.display());
        return Err(CliError::invalid(what, remedy));
    }
    let spinner = console.spinner("starting the cluster");
    let mut children = Children::new();
    let started = start_all(dir, &cluster, &down, &mut children, &mut pids, environment).await;
    drop(spinner);
    if let Err(error) = started {
        stop_all(dir, &down, &mut pids).await?;
        return Err(error);
    }
    console.report(&ready_report(dir, &cluster, &pids))?;
    if args.detach {
        return Ok(());
    }
    console.note("Ctrl-C stops the cluster; its keys stay.");
    stay(console, &mut children).await?;
    console.note("stopping");
    stop_all(dir, &names, &mut pids).await
}

/// The cluster of this folder; a new one if there is none.
fn prepare(dir: &Path, args: &DevStart) -> Result<Cluster, CliError> {
    if let Some(address) = args.http.filter(|address| !address.ip().is_loopback()) {
        let what = format!("--http {address}: plain HTTP is served on loopback only");
        return Err(CliError::invalid(what, "give 127.0.0.1:PORT"));
    }
    let Some(mut cluster) = Cluster::read(dir)? else {
        let count = args.nodes.unwrap_or(DEFAULT_NODES);
        if !(2..=MAX_NODES).contains(&count) {
            let what = format!("a cluster of {count} nodes is not possible");
            return Err(CliError::invalid(
                what,
                format!("give 2 to {MAX_NODES} nodes"),
            ));
        }
        return create::cluster(dir, count, args.http);
    };
    let count = cluster.nodes.len();
    if let Some(wanted) = args.nodes.filter(|wanted| usize::from(*wanted) != count) {
        let what = format!(
            "the cluster in {} has {count} nodes, not {wanted}",
            dir.display()
        );
        return Err(CliError::invalid(
            what,
            "leave --nodes out, or use another --dir",
        ));
    }
    if let Some(http) = args.http.filter(|http| *http != cluster.http) {
        if Pids::of(dir)?.running(dir, COORDINATOR).is_some() {
            let what = format!(
                "the cluster runs and listens on {}, not on {http}",
                cluster.http
            );
            return Err(CliError::invalid(what, "stop it first"));
        }
        cluster.http = http;
        cluster.write(dir)?;
        create::write_configs(dir, &cluster)?;
    }
    Ok(cluster)
}

async fn start_all(
    dir: &Path,
    cluster: &Cluster,
    down: &[&str],
    children: &mut Children,
    pids: &mut Pids,
    environment: Environment<'_>,
) -> Result<(), CliError> {
    for name in down {
        refuse_taken_ports(cluster, name)?;
    }
    for name in down {
        spawn(dir, name, children, pids, environment)?;
    }
    let wanted: Vec<&str> = cluster.nodes.iter().map(|node| node.id.as_str()).collect();
    ready::wait(dir, &wanted, children).await
}

fn spawn(
    dir: &Path,
    name: &str,
    children: &mut Children,
    pids: &mut Pids,
    environment: Environment<'_>,
) -> Result<(), CliError> {
    let child = process::start(dir, name, environment)?;
    pids.set(
        name,
        i32::try_from(child.id()).expect("process ids of Linux are below 2^22"),
    );
    children.insert(name.to_owned(), child);
    pids.write(dir)
}

fn refuse_taken_ports(cluster: &Cluster, name: &str) -> Result<(), CliError> {
    let addresses: Vec<SocketAddr> = match cluster.node(name) {
        Some(node) => vec![node.grpc, node.noise],
        None => vec![cluster.http],
    };
    let Some(taken) = addresses
        .into_iter()
        .find(|address| !ports::is_free(*address))
    else {
        return Ok(());
    };
    let what = format!("another program listens on {taken}, the address of {name}");
    let remedy = if name == COORDINATOR {
        "stop it, or give another --http".to_owned()
    } else {
        format!("stop it (`ss -ltnp | grep {}` shows it)", taken.port())
    };
    Err(CliError::failed(what, remedy))
}

fn ready_report(dir: &Path, cluster: &Cluster, pids: &Pids) -> Report {
    let client = client_file(dir);
    let ids: BTreeMap<&str, i32> = pids.iter().collect();
    let json = json!({
        "status": "ready",
        "dir": dir,
        "endpoint": cluster.endpoint(),
        "config": client,
        "nodes": cluster.nodes.iter().map(|node| node.id.as_str()).collect::<Vec<_>>(),
        "pids": ids,
    });
    let human = format!(
        "ready: {} with {} participants\n\n  export QUORATE_CONFIG={}\n  quorate key create --chain \
         ethereum-local --threshold 2 --nodes {}\n",
        cluster.endpoint(),
        cluster.nodes.len(),
        client.display(),
        cluster.nodes.len().min(3),
    );
    Report { json, human }
}

/// Waits until somebody asks to stop; says when a process ends by itself.
async fn stay(console: Console, children: &mut Children) -> Result<(), CliError> {
    let listen = |kind| {
        signal(kind).map_err(|error| {
            CliError::failed(
                format!("signals cannot be handled: {error}"),
                "use --detach",
            )
        })
    };
    let (mut interrupt, mut terminate) = (
        listen(SignalKind::interrupt())?,
        listen(SignalKind::terminate())?,
    );
    loop {
        tokio::select! {
            _ = interrupt.recv() => return Ok(()),
            _ = terminate.recv() => return Ok(()),
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
        children.retain(|name, child| match child.try_wait() {
            Ok(Some(status)) => {
                console.note(&format!(
                    "{name} ended ({status}); `quorate dev start-node` starts it"
                ));
                false
            }
            _ => true,
        });
    }
}

/// Stops these processes, the coordinator first: it accepts no work that cannot be finished.
async fn stop_all(dir: &Path, names: &[&str], pids: &mut Pids) -> Result<(), CliError> {
    // A process may have been started or stopped from another terminal meanwhile.
    *pids = Pids::of(dir)?;
    for name in names.iter().rev() {
        process::stop(dir, name, pids, false).await?;
        pids.remove(name);
    }
    pids.write(dir)
}

/// Stops a cluster.
pub(super) async fn stop(dir: &Path) -> Result<Report, CliError> {
    let cluster = Cluster::existing(dir)?;
    let mut pids = Pids::of(dir)?;
    let names = cluster.process_names();
    let running = names
        .iter()
        .copied()
        .filter(|name| pids.running(dir, name).is_some());
    let running: Vec<String> = running.map(str::to_owned).collect();
    stop_all(dir, &names, &mut pids).await?;
    let human = match running.as_slice() {
        [] => "nothing was running".to_owned(),
        names => format!("stopped: {}", names.join(", ")),
    };
    Ok(Report {
        json: json!({ "stopped": running }),
        human,
    })
}

/// Starts one process, and waits until it takes part.
pub(super) async fn start_node(
    dir: &Path,
    name: &str,
    environment: Environment<'_>,
) -> Result<Report, CliError> {
    let cluster = known(dir, name)?;
    let mut pids = Pids::of(dir)?;
    if pids.running(dir, name).is_none() {
        refuse_taken_ports(&cluster, name)?;
        let mut children = Children::new();
        spawn(dir, name, &mut children, &mut pids, environment)?;
        // A process that was started just now becomes its program at this moment, and has no
        // command line while it does.
        let runs = |other: &str| other == name || pids.running(dir, other).is_some();
        if runs(COORDINATOR) {
            let nodes = cluster.nodes.iter().map(|node| node.id.as_str());
            let up: Vec<&str> = nodes.filter(|node| runs(node)).collect();
            ready::wait(dir, &up, &mut children).await?;
        }
    }
    let pid = pids.iter().find(|(known, _)| *known == name);
    let pid = pid.map(|(_, pid)| pid).unwrap_or_default();
    let human = format!("{name} runs (process {pid})");
    Ok(Report {
        json: json!({ "name": name, "pid": pid, "alive": true }),
        human,
    })
}

/// Stops or kills one process.
pub(super) async fn stop_node(dir: &Path, name: &str, kill: bool) -> Result<Report, CliError> {
    known(dir, name)?;
    let mut pids = Pids::of(dir)?;
    let pid = pids.running(dir, name);
    let was_running = process::stop(dir, name, &pids, kill).await?;
    pids.remove(name);
    pids.write(dir)?;
    let how = if kill { "killed" } else { "stopped" };
    let human = if was_running {
        format!("{name} {how}")
    } else {
        format!("{name} was not running")
    };
    Ok(Report {
        json: json!({ "name": name, "pid": pid, "was_running": was_running }),
        human,
    })
}

fn known(dir: &Path, name: &str) -> Result<Cluster, CliError> {
    let cluster = Cluster::existing(dir)?;
    if cluster.process_names().contains(&name) {
        return Ok(cluster);
    }
    let what = format!("the cluster has no process `{name}`");
    Err(CliError::invalid(
        what,
        format!("it has: {}", cluster.process_names().join(", ")),
    ))
}
