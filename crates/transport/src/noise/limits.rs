//! Every limit of a link, by name, with its default. Table: `docs/protocols/noise-links.md` §6.

use std::time::Duration;

use super::config::InvalidConfig;

/// Largest value that [`LinkLimits::max_message_bytes`] may take.
const MAX_MESSAGE_BYTES_CEILING: usize = 64 << 20;

/// Limits of all links of one node.
#[derive(Debug, Clone)]
pub struct LinkLimits {
    /// Longest message in bytes, in both directions. Default 1 MiB.
    pub max_message_bytes: usize,
    /// Messages waiting to be sent to one peer. Default 4096.
    pub send_queue_messages: usize,
    /// Bytes waiting to be sent to one peer. Default 16 MiB.
    pub send_queue_bytes: usize,
    /// Events waiting for the consumer, of all peers together. Default 4096.
    pub event_queue: usize,
    /// Bytes received from one peer and not yet taken by the consumer. Default 16 MiB. Beyond it
    /// the peer is slowed down by TCP; no other peer is.
    pub undelivered_bytes: usize,
    /// Handshakes of strangers at a time; the oldest makes room. Default 32.
    pub max_handshakes: usize,
    /// Time for a TCP connection to open. Default 5 s.
    pub connect_timeout: Duration,
    /// Time for a whole handshake, in both roles. Default 5 s.
    pub handshake_timeout: Duration,
    /// Time between two pings. Default 2 s.
    pub heartbeat_interval: Duration,
    /// A peer from which nothing arrives for so long is dead. Default 7 s.
    pub silence_timeout: Duration,
    /// Time for one write to be taken by the network. Default 7 s.
    pub write_timeout: Duration,
    /// First wait before dialling again. Default 100 ms.
    pub reconnect_min: Duration,
    /// Longest wait before dialling again: what a node that was away misses at most. Default 2 s.
    pub reconnect_max: Duration,
    /// Direct dials in a row that fail before a pair uses the relay. Default 3.
    pub relay_after_failures: u32,
    /// First wait before a pair that uses the relay is dialled directly again; doubles up to
    /// `reconnect_max`. Default 1 s.
    pub direct_retry_min: Duration,
    /// Age at which the dialler replaces a link by a new handshake. Default 1 h.
    pub rehandshake_after: Duration,
    /// Time for the new session to arrive once the peer closed the old one for it. Default 5 s.
    pub handover_timeout: Duration,
    /// Records under one key and direction; then the link ends. Default 2⁴⁰, far below the 2⁶⁴ of
    /// the Noise specification §5.1.
    pub max_records: u64,
    /// Time for a graceful shutdown to reach the peer. Default 500 ms.
    pub shutdown_grace: Duration,
}

impl Default for LinkLimits {
    fn default() -> Self {
        Self {
            max_message_bytes: 1 << 20,
            send_queue_messages: 4096,
            send_queue_bytes: 16 << 20,
            event_queue: 4096,
            undelivered_bytes: 16 << 20,
            max_handshakes: 32,
            connect_timeout: Duration::from_secs(5),
            handshake_timeout: Duration::from_secs(5),
            heartbeat_interval: Duration::from_secs(2),
            silence_timeout: Duration::from_secs(7),
            write_timeout: Duration::from_secs(7),
            reconnect_min: Duration::from_millis(100),
            reconnect_max: Duration::from_secs(2),
            relay_after_failures: 3,
            direct_retry_min: Duration::from_secs(1),
            rehandshake_after: Duration::from_secs(3600),
            handover_timeout: Duration::from_secs(5),
            max_records: 1 << 40,
            shutdown_grace: Duration::from_millis(500),
        }
    }
}

impl LinkLimits {
    /// Checks that the limits can work together.
    pub(super) fn check(&self) -> Result<(), InvalidConfig> {
        let wrong = |limit, rule| Err(InvalidConfig::Limit { limit, rule });
        if self.max_message_bytes == 0 || self.max_message_bytes > MAX_MESSAGE_BYTES_CEILING {
            return wrong("max_message_bytes", "1 byte to 64 MiB");
        }
        if self.send_queue_messages == 0 {
            return wrong("send_queue_messages", "at least 1");
        }
        if self.send_queue_bytes < self.max_message_bytes {
            return wrong("send_queue_bytes", "at least max_message_bytes");
        }
        if self.event_queue == 0 {
            return wrong("event_queue", "at least 1");
        }
        if self.undelivered_bytes < self.max_message_bytes
            || u32::try_from(self.undelivered_bytes).is_err()
        {
            return wrong("undelivered_bytes", "max_message_bytes to 4 GiB");
        }
        if self.max_handshakes == 0 {
            return wrong("max_handshakes", "at least 1");
        }
        if self.heartbeat_interval.is_zero() || self.silence_timeout <= self.heartbeat_interval {
            return wrong(
                "silence_timeout",
                "longer than heartbeat_interval, which is not zero",
            );
        }
        if self.reconnect_min.is_zero() || self.reconnect_max < self.reconnect_min {
            return wrong("reconnect_max", "at least reconnect_min, which is not zero");
        }
        if self.relay_after_failures == 0 {
            return wrong("relay_after_failures", "at least 1");
        }
        if self.max_records == 0 || self.max_records > LinkLimits::default().max_records {
            return wrong("max_records", "1 to 2^40");
        }
        for (limit, value) in [
            ("connect_timeout", self.connect_timeout),
            ("direct_retry_min", self.direct_retry_min),
            ("handshake_timeout", self.handshake_timeout),
            ("write_timeout", self.write_timeout),
            ("rehandshake_after", self.rehandshake_after),
            ("handover_timeout", self.handover_timeout),
        ] {
            if value.is_zero() {
                return wrong(limit, "longer than zero");
            }
        }
        Ok(())
    }
}
