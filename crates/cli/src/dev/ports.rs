//! Free ports, chosen once: configurations keep them.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};

use crate::error::CliError;
use crate::secret_file::fill_random;

/// Below the range that systems take for outgoing connections, so that nobody else is given the
/// port while the cluster is down.
const RANGE: std::ops::Range<u16> = 20_000..32_000;
/// Usual port of the REST interface.
const USUAL_HTTP_PORT: u16 = 8_080;

/// Hands out different free ports of loopback.
pub(super) struct FreePorts {
    next: u16,
    tried: usize,
}

impl FreePorts {
    pub(super) fn new() -> Result<Self, CliError> {
        let mut random = [0; 2];
        fill_random(&mut random)?;
        let offset = u16::from_be_bytes(random) % (RANGE.end - RANGE.start);
        Ok(Self {
            next: RANGE.start + offset,
            tried: 0,
        })
    }

    pub(super) fn take(&mut self) -> Result<SocketAddr, CliError> {
        while self.tried < RANGE.len() {
            let address = loopback(self.next);
            self.next = if self.next + 1 < RANGE.end {
                self.next + 1
            } else {
                RANGE.start
            };
            self.tried += 1;
            if is_free(address) {
                return Ok(address);
            }
        }
        let what = format!("no free port from {} to {}", RANGE.start, RANGE.end);
        Err(CliError::failed(what, "stop programs that listen there"))
    }

    /// Port of the REST interface: the usual one if it is free.
    pub(super) fn http(&mut self) -> Result<SocketAddr, CliError> {
        let usual = loopback(USUAL_HTTP_PORT);
        if is_free(usual) {
            Ok(usual)
        } else {
            self.take()
        }
    }
}

/// Whether nobody listens there.
pub(super) fn is_free(address: SocketAddr) -> bool {
    TcpListener::bind(address).is_ok()
}

const fn loopback(port: u16) -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports__should_be_free_and_different() {
        let mut ports = FreePorts::new().unwrap();
        let (one, two) = (ports.take().unwrap(), ports.take().unwrap());
        assert_ne!(one, two);
        let listener = TcpListener::bind(one).unwrap();
        assert!(!is_free(one));
        assert!(RANGE.contains(&listener.local_addr().unwrap().port()));
    }
}
