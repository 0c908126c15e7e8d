//! A coordinator that does nothing but carry sealed frames, honestly or not.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use anyhow::Result;
use quorate_api::mpc_v1 as wire;
use quorate_api::mpc_v1::node_service_client::NodeServiceClient;
use quorate_api::mpc_v1::relay_frame::Body;
use quorate_transport::tls::{ClientTls, PeerIdentity, TlsFiles};
use quorate_types::NodeId;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_stream::wrappers::ReceiverStream;

use crate::credentials::Identity;

/// Frames that wait for one node.
const QUEUE: usize = 4_096;

/// Carries frames until it is dropped.
pub struct RelayDouble {
    tampering: Arc<AtomicBool>,
    carried: Arc<AtomicU64>,
    seen: Arc<parking_lot::Mutex<Vec<u8>>>,
    tasks: Vec<JoinHandle<()>>,
}

impl Drop for RelayDouble {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

impl RelayDouble {
    /// Connects to every node; each must listen already.
    pub(crate) async fn connect(own: &Identity, nodes: Vec<(NodeId, String)>) -> Result<Self> {
        let tls = ClientTls::from_files(&TlsFiles {
            certificate: own.certificate.clone(),
            key: own.key.clone(),
            ca: own.authority.clone(),
            crls: Vec::new(),
        })?;
        let mut queues = BTreeMap::new();
        let mut streams = Vec::new();
        for (node, address) in nodes {
            let (queue, frames) = mpsc::channel(QUEUE);
            let identity = PeerIdentity::participant(node.clone());
            let channel = tls.channel(address, identity, &Default::default())?;
            let sent = NodeServiceClient::new(channel)
                .exchange_shares(ReceiverStream::new(frames))
                .await?;
            queues.insert(node.to_string(), queue);
            streams.push(sent.into_inner());
        }
        let mut double = Self {
            tampering: Arc::default(),
            carried: Arc::default(),
            seen: Arc::default(),
            tasks: Vec::new(),
        };
        for mut sent in streams {
            let queues = queues.clone();
            let (tampering, carried) = (Arc::clone(&double.tampering), Arc::clone(&double.carried));
            let seen = Arc::clone(&double.seen);
            double.tasks.push(tokio::spawn(async move {
                while let Ok(Some(message)) = sent.message().await {
                    let Some(mut frame) = message.frame else {
                        return;
                    };
                    carried.fetch_add(1, Ordering::SeqCst);
                    if let Some(Body::Data(data)) = &mut frame.body {
                        seen.lock().extend_from_slice(data);
                        if tampering.load(Ordering::SeqCst)
                            && let Some(last) = data.last_mut()
                        {
                            *last ^= 1;
                        }
                    }
                    let Some(queue) = queues.get(&frame.to) else {
                        continue;
                    };
                    let request = wire::ExchangeSharesRequest { frame: Some(frame) };
                    if queue.send(request).await.is_err() {
                        return;
                    }
                }
            }));
        }
        Ok(double)
    }

    /// Changes a bit of every frame from now on, or does no more.
    pub fn tamper(&self, tamper: bool) {
        self.tampering.store(tamper, Ordering::SeqCst);
    }

    /// Frames carried so far.
    #[must_use]
    pub fn carried(&self) -> u64 {
        self.carried.load(Ordering::SeqCst)
    }

    /// All bytes that it has seen.
    #[must_use]
    pub fn seen(&self) -> Vec<u8> {
        self.seen.lock().clone()
    }
}
