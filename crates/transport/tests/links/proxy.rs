//! An attacker on the path: forwards TCP, and can flip, repeat, record and freeze.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

#[derive(Default)]
struct Orders {
    flip: AtomicBool,
    repeat: AtomicBool,
    /// Connections with a number below this are frozen.
    frozen_below: AtomicUsize,
    /// Connections with a number below this deliver nothing to the server for now.
    held_below: AtomicUsize,
    released: Notify,
    opened: AtomicUsize,
    recorded: Mutex<Vec<u8>>,
}

pub(crate) struct Proxy {
    address: String,
    orders: Arc<Orders>,
}

impl Proxy {
    pub(crate) async fn start(server: String) -> Self {
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap().to_string();
        let orders = Arc::new(Orders::default());
        let shared = Arc::clone(&orders);
        tokio::spawn(async move {
            loop {
                let (client, _) = socket.accept().await.unwrap();
                let Ok(server) = TcpStream::connect(&server).await else {
                    continue;
                };
                client.set_nodelay(true).unwrap();
                server.set_nodelay(true).unwrap();
                let number = shared.opened.fetch_add(1, Ordering::SeqCst);
                let (client_read, client_write) = client.into_split();
                let (server_read, server_write) = server.into_split();
                tokio::spawn(to_server(
                    client_read,
                    server_write,
                    number,
                    Arc::clone(&shared),
                ));
                tokio::spawn(to_client(
                    server_read,
                    client_write,
                    number,
                    Arc::clone(&shared),
                ));
            }
        });
        Self { address, orders }
    }

    pub(crate) fn address(&self) -> String {
        self.address.clone()
    }

    /// Flips the last byte of the next chunk.
    pub(crate) fn flip_next_byte_to_server(&self) {
        self.orders.flip.store(true, Ordering::SeqCst);
    }

    pub(crate) fn repeat_next_chunk_to_server(&self) {
        self.orders.repeat.store(true, Ordering::SeqCst);
    }

    /// Everything that clients have sent so far.
    pub(crate) fn recorded_to_server(&self) -> Vec<u8> {
        self.orders.recorded.lock().unwrap().clone()
    }

    /// Open connections swallow everything; later ones work.
    pub(crate) fn freeze_open_connections(&self) {
        let opened = self.orders.opened.load(Ordering::SeqCst);
        self.orders.frozen_below.store(opened, Ordering::SeqCst);
    }

    /// Open connections keep what they carry to the server until [`Self::release`].
    pub(crate) fn hold_open_connections(&self) {
        let opened = self.orders.opened.load(Ordering::SeqCst);
        self.orders.held_below.store(opened, Ordering::SeqCst);
    }

    pub(crate) fn release(&self) {
        self.orders.held_below.store(0, Ordering::SeqCst);
        self.orders.released.notify_waiters();
    }

    pub(crate) fn freeze_for_ever(&self) {
        self.orders.frozen_below.store(usize::MAX, Ordering::SeqCst);
    }
}

async fn to_server(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    number: usize,
    orders: Arc<Orders>,
) {
    let mut chunk = vec![0; 1 << 16];
    loop {
        let frozen = || number < orders.frozen_below.load(Ordering::SeqCst);
        let Ok(length) = from.read(&mut chunk).await else {
            break;
        };
        if frozen() {
            // The end of the connection is swallowed, too.
            std::future::pending::<()>().await;
        }
        loop {
            let released = orders.released.notified();
            if number >= orders.held_below.load(Ordering::SeqCst) {
                break;
            }
            released.await;
        }
        if length == 0 {
            break;
        }
        let bytes = &mut chunk[..length];
        if orders.flip.swap(false, Ordering::SeqCst) {
            bytes[length - 1] ^= 1;
        }
        orders.recorded.lock().unwrap().extend_from_slice(bytes);
        if to.write_all(bytes).await.is_err() {
            break;
        }
        if orders.repeat.swap(false, Ordering::SeqCst) && to.write_all(bytes).await.is_err() {
            break;
        }
    }
}

async fn to_client(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    number: usize,
    orders: Arc<Orders>,
) {
    let mut chunk = vec![0; 1 << 16];
    while let Ok(length) = from.read(&mut chunk).await {
        if number < orders.frozen_below.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        if length == 0 || to.write_all(&chunk[..length]).await.is_err() {
            break;
        }
    }
}
