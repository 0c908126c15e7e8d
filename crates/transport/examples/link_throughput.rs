//! Messages per second and CPU per message over one link, both nodes in this process.
//!
//! `cargo run --release -p quorate-transport --example link_throughput [messages] [bytes]`

#![allow(clippy::print_stdout, reason = "a benchmark prints its result")]

use std::error::Error;
use std::time::{Duration, Instant};

use quorate_transport::noise::{
    LinkConfig, LinkEvent, LinkEvents, LinkLimits, Links, Peer, SendError,
};
use quorate_types::{Digest32, NodeId, SecretBytes};
use tokio::net::TcpListener;
use x25519_dalek::{PublicKey, StaticSecret};

/// Messages of the round-trip measurement.
const ROUND_TRIPS: u32 = 20_000;

#[tokio::main(worker_threads = 2)]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let messages = arguments
        .next()
        .map_or(Ok(1_000_000), |text| text.parse())?;
    let sizes: Vec<usize> = match arguments.next() {
        Some(text) => vec![text.parse()?],
        None => vec![100, 500, 20_000],
    };
    let (a, b, mut at_a, mut at_b) = linked().await?;
    for size in sizes {
        let count = messages.min(2_000_000_000 / size.max(1));
        one_way(&a, &b, &mut at_b, count, size).await?;
    }
    round_trips(&a, &b, &mut at_a, at_b).await?;
    Ok(())
}

async fn one_way(
    a: &Links,
    b: &Target,
    at_b: &mut LinkEvents,
    count: usize,
    size: usize,
) -> Result<(), Box<dyn Error>> {
    let (start, cpu) = (Instant::now(), cpu_time()?);
    let sender = tokio::spawn({
        let (a, to) = (a.clone(), b.id.clone());
        async move {
            for _ in 0..count {
                send(&a, &to, vec![7; size]).await?;
            }
            Ok::<(), SendError>(())
        }
    });
    for _ in 0..count {
        message(at_b).await?;
    }
    sender.await??;
    let (time, cpu) = (start.elapsed(), cpu_time()?.saturating_sub(cpu));
    let per = |total: Duration| total.as_secs_f64() * 1e6 / count as f64;
    let rate = count as f64 / time.as_secs_f64();
    let cpu = per(cpu);
    println!(
        "one way, {size:>6} B: {rate:>9.0} messages/s, {cpu:.2} us CPU per message (both ends)"
    );
    Ok(())
}

async fn round_trips(
    a: &Links,
    b: &Target,
    at_a: &mut LinkEvents,
    mut at_b: LinkEvents,
) -> Result<(), Box<dyn Error>> {
    let echo = tokio::spawn({
        let b = b.links.clone();
        async move {
            while let Some(event) = at_b.recv().await {
                if let LinkEvent::Message { from, body } = event
                    && b.send(&from, body).is_err()
                {
                    return;
                }
            }
        }
    });
    let mut times = Vec::new();
    let cpu = cpu_time()?;
    for _ in 0..ROUND_TRIPS {
        let start = Instant::now();
        a.send(&b.id, vec![7; 500])?;
        message(at_a).await?;
        times.push(start.elapsed());
    }
    let cpu = cpu_time()?.saturating_sub(cpu) / ROUND_TRIPS;
    echo.abort();
    times.sort_unstable();
    let at = |share: usize| {
        times
            .get(times.len() * share / 100)
            .copied()
            .unwrap_or_default()
    };
    let (p50, p99) = (at(50), at(99));
    println!("round trip, 500 B, one at a time: p50 {p50:?}, p99 {p99:?}, {cpu:?} CPU (both ends)");
    Ok(())
}

/// A node that others send to.
struct Target {
    id: NodeId,
    links: Links,
}

async fn send(links: &Links, to: &NodeId, body: Vec<u8>) -> Result<(), SendError> {
    let mut body = SecretBytes::new(body);
    loop {
        // A copy is kept, since a refused message is not given back.
        match links.send(to, body.clone()) {
            Err(SendError::QueueFull { .. }) => tokio::task::yield_now().await,
            other => {
                body.clear();
                return other;
            }
        }
    }
}

async fn message(events: &mut LinkEvents) -> Result<(), Box<dyn Error>> {
    loop {
        match events.recv().await {
            Some(LinkEvent::Message { .. }) => return Ok(()),
            Some(LinkEvent::Down { reason, .. }) => return Err(reason.into()),
            Some(_) => {}
            None => return Err("the links ended".into()),
        }
    }
}

async fn linked() -> Result<(Links, Target, LinkEvents, LinkEvents), Box<dyn Error>> {
    let (id_a, id_b) = (NodeId::new("a")?, NodeId::new("b")?);
    let public = |byte| PublicKey::from(&StaticSecret::from([byte; 32])).to_bytes();
    let config = |me: &NodeId, secret, peer: &NodeId, address: String, key| {
        let context = Digest32::from_array([0; 32]);
        let mut config =
            LinkConfig::new(me.clone(), zeroize::Zeroizing::new([secret; 32]), context);
        config.limits = LinkLimits::default();
        config.peers.insert(
            peer.clone(),
            Peer {
                address,
                static_key: public(key),
            },
        );
        config
    };
    let socket_b = TcpListener::bind("127.0.0.1:0").await?;
    let address_b = socket_b.local_addr()?.to_string();
    let config_b = config(&id_b, 2, &id_a, String::new(), 1);
    let (b, at_b) = Links::start(config_b, socket_b)?;
    let socket_a = TcpListener::bind("127.0.0.1:0").await?;
    let (a, at_a) = Links::start(config(&id_a, 1, &id_b, address_b, 2), socket_a)?;
    while !(a.connected(&id_b) && b.connected(&id_a)) {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    Ok((a, Target { id: id_b, links: b }, at_a, at_b))
}

/// CPU time of this process, user and system (Linux `/proc/self/stat`, in ticks of 10 ms).
fn cpu_time() -> Result<Duration, Box<dyn Error>> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let fields = stat.rsplit_once(')').ok_or("unexpected /proc/self/stat")?.1;
    let ticks: u64 = fields
        .split_whitespace()
        .skip(11)
        .take(2)
        .map(str::parse::<u64>)
        .sum::<Result<u64, _>>()?;
    Ok(Duration::from_millis(ticks * 10))
}
