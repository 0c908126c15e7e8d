//! Where a call comes from when proxies stand in between.
//!
//! A header that names an address is believed from listed proxies alone, and only the part that they
//! wrote: read from the right, the first address that is no listed proxy is the client's.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use axum::http::HeaderMap;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Most hops that are looked at; whatever is further left is not believed.
const MAX_HOPS: usize = 16;

/// A text that is neither an address nor a network.
#[derive(Debug, Error)]
#[error("`{0}` is neither an IP address nor a network such as 10.0.0.0/8")]
pub struct NotANetwork(String);

/// An address, or a network of addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Network {
    address: IpAddr,
    bits: u8,
}

impl Network {
    fn holds(&self, address: IpAddr) -> bool {
        let equal = |own: &[u8], other: &[u8]| {
            let (whole, rest) = (usize::from(self.bits / 8), self.bits % 8);
            let mask = |byte: Option<&u8>| byte.map(|byte| byte & !(0xff >> rest));
            own.get(..whole) == other.get(..whole)
                && (rest == 0 || mask(own.get(whole)) == mask(other.get(whole)))
        };
        match (self.address, address) {
            (IpAddr::V4(own), IpAddr::V4(other)) => equal(&own.octets(), &other.octets()),
            (IpAddr::V6(own), IpAddr::V6(other)) => equal(&own.octets(), &other.octets()),
            _ => false,
        }
    }
}

impl FromStr for Network {
    type Err = NotANetwork;

    fn from_str(text: &str) -> Result<Self, NotANetwork> {
        let invalid = || NotANetwork(text.chars().take(64).collect());
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| invalid())?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.map_or(Ok(most), |bits| bits.parse().map_err(|_| invalid()))?;
        if bits > most {
            return Err(invalid());
        }
        Ok(Self { address, bits })
    }
}

impl TryFrom<String> for Network {
    type Error = NotANetwork;

    fn try_from(text: String) -> Result<Self, NotANetwork> {
        text.parse()
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.bits)
    }
}

impl From<Network> for String {
    fn from(network: Network) -> Self {
        network.to_string()
    }
}

/// Which header the proxies write. The other one is a client's own, and never read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ForwardedHeader {
    /// `X-Forwarded-For`.
    #[default]
    XForwardedFor,
    /// `Forwarded`, RFC 7239.
    Forwarded,
}

/// The proxies that are believed.
#[derive(Debug, Clone, Default)]
pub struct Proxies {
    /// Their addresses.
    pub trusted: Vec<Network>,
    /// The header that they write.
    pub header: ForwardedHeader,
}

impl Proxies {
    pub(crate) fn are_trusted(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.trusted.iter().any(|network| network.holds(address))
    }

    /// Whose call this is, if `peer` hands it over: the nearest address that is no listed proxy.
    ///
    /// # Security
    /// What stands left of that address was written by the client. An element that cannot be read
    /// ends the search: the call then counts for the proxy that wrote it.
    pub(crate) fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut client = peer.to_canonical();
        if !self.are_trusted(client) {
            return client;
        }
        let name = match self.header {
            ForwardedHeader::XForwardedFor => "x-forwarded-for",
            ForwardedHeader::Forwarded => "forwarded",
        };
        let lines: Vec<_> = headers.get_all(name).iter().collect();
        let lines = lines.into_iter().rev();
        // Commas inside of quotes are not looked for: an element that a quote opens or closes
        // alone is not read at all.
        for hop in lines
            .flat_map(|line| line.as_bytes().rsplit(|byte| *byte == b','))
            .take(MAX_HOPS)
        {
            // Each for itself: what a client wrote into the line does not hide what the proxy added.
            let hop = std::str::from_utf8(hop).unwrap_or_default();
            let address = match self.header {
                ForwardedHeader::XForwardedFor => address(hop),
                ForwardedHeader::Forwarded => forwarded(hop),
            };
            let Some(address) = address else {
                break;
            };
            client = address.to_canonical();
            if !self.are_trusted(client) {
                break;
            }
        }
        client
    }
}

/// An address, or one with a port.
fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let with_port = || text.parse::<SocketAddr>().ok().map(|a| a.ip());
    let in_brackets = || {
        let inner = text.strip_prefix('[')?.strip_suffix(']')?;
        inner.parse().ok()
    };
    let plain = text.parse().ok();
    plain.or_else(with_port).or_else(in_brackets)
}

/// The address of `for=` in an element of `Forwarded`.
fn forwarded(element: &str) -> Option<IpAddr> {
    let mut found = None;
    for pair in element.split(';') {
        let (name, value) = pair.trim().split_once('=')?;
        let quoted = value.strip_prefix('"');
        let value = match quoted {
            Some(value) => value.strip_suffix('"')?,
            None => value,
        };
        if value.contains('"') {
            return None;
        }
        if name.eq_ignore_ascii_case("for") && found.replace(address(value)?).is_some() {
            return None;
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::GatewayConfig;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn proxies(header: ForwardedHeader) -> Proxies {
        let trusted = ["10.0.0.0/9", "192.0.2.7", "2001:db8::/33"];
        Proxies {
            trusted: trusted.map(|text| text.parse().unwrap()).to_vec(),
            header,
        }
    }

    fn client(proxies: &Proxies, peer: &str, lines: &[(&'static str, &str)]) -> IpAddr {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, value.parse().unwrap());
        }
        proxies.client(ip(peer), &headers)
    }

    #[test]
    fn bytes_of_a_client_that_are_no_text__must_not_hide_what_the_proxy_added() {
        let mut headers = HeaderMap::new();
        let line = axum::http::HeaderValue::from_bytes(b"\xe9\xff, 198.51.100.1").unwrap();
        headers.append("x-forwarded-for", line);
        let proxies = proxies(ForwardedHeader::XForwardedFor);
        assert_eq!(proxies.client(ip("10.0.0.1"), &headers), ip("198.51.100.1"));
    }

    #[test]
    fn configuration__should_name_networks_and_the_header() {
        let text = |network: &str| {
            format!(
                r#"{{"listen":"127.0.0.1:1","credentials_file":"c",
                    "trusted_proxies":["{network}","::1"],"forwarded_header":"forwarded"}}"#
            )
        };
        let config: GatewayConfig = serde_json::from_str(&text("10.0.0.0/8")).unwrap();
        let proxies = config.proxies();
        assert_eq!(proxies.header, ForwardedHeader::Forwarded);
        assert!(proxies.are_trusted(ip("10.1.2.3")) && proxies.are_trusted(ip("::1")));
        assert!(!proxies.are_trusted(ip("11.1.2.3")));
        let refused = serde_json::from_str::<GatewayConfig>(&text("10.0.0.0/40")).unwrap_err();
        assert!(refused.to_string().contains("10.0.0.0/40"), "{refused}");
    }

    #[test]
    fn network__should_hold_its_addresses_and_no_others() {
        let proxies = proxies(ForwardedHeader::default());
        for (address, expected) in [
            ("10.127.255.255", true),
            ("10.128.0.0", false),
            ("::ffff:10.1.2.3", true),
            ("192.0.2.7", true),
            ("192.0.2.8", false),
            ("2001:db8:7fff::1", true),
            ("2001:db8:8000::1", false),
        ] {
            assert_eq!(proxies.are_trusted(ip(address)), expected, "{address}");
        }
        let everything = Network::from_str("0.0.0.0/0").unwrap();
        assert!(everything.holds(ip("203.0.113.1")) && !everything.holds(ip("::1")));
        for bad in ["", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/-1", "x", "::/129"] {
            assert!(Network::from_str(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn header__must_not_be_believed_from_anybody_else() {
        let proxies = proxies(ForwardedHeader::XForwardedFor);
        let lines = [("x-forwarded-for", "198.51.100.1")];
        assert_eq!(client(&proxies, "203.0.113.9", &lines), ip("203.0.113.9"));
        assert_eq!(client(&proxies, "10.0.0.1", &lines), ip("198.51.100.1"));
        let nobody = Proxies::default();
        assert_eq!(client(&nobody, "10.0.0.1", &lines), ip("10.0.0.1"));
        // The header that these proxies do not write is the client's own.
        let lines = [("forwarded", "for=198.51.100.1")];
        assert_eq!(client(&proxies, "10.0.0.1", &lines), ip("10.0.0.1"));
    }

    #[test]
    fn client__should_be_the_rightmost_hop_that_is_no_proxy() {
        let proxies = proxies(ForwardedHeader::XForwardedFor);
        for (lines, expected) in [
            (&["1.1.1.1, 198.51.100.1, 10.0.0.2"][..], "198.51.100.1"),
            (&["1.1.1.1", "198.51.100.1:4711,192.0.2.7"], "198.51.100.1"),
            (&["[2001:db8:ffff::1]:80"], "2001:db8:ffff::1"),
            (&["::ffff:198.51.100.1"], "198.51.100.1"),
            (&["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
            (&["198.51.100.1, unknown, 10.0.0.2"], "10.0.0.2"),
            (&["198.51.100.1,"], "10.0.0.1"),
            (&[], "10.0.0.1"),
        ] {
            let lines: Vec<_> = lines.iter().map(|l| ("x-forwarded-for", *l)).collect();
            assert_eq!(client(&proxies, "10.0.0.1", &lines), ip(expected));
        }
        let long = format!("198.51.100.1{}", ", 10.0.0.2".repeat(MAX_HOPS));
        let lines = [("x-forwarded-for", long.as_str())];
        assert_eq!(client(&proxies, "10.0.0.1", &lines), ip("10.0.0.2"));
    }

    #[test]
    fn forwarded__should_be_read_as_rfc_7239_writes_it_and_resist_quotes() {
        let proxies = proxies(ForwardedHeader::Forwarded);
        for (line, expected) in [
            ("for=1.1.1.1, For=198.51.100.1;proto=https", "198.51.100.1"),
            (
                "proto=http;for=\"[2001:db8:ffff::1]:4711\"",
                "2001:db8:ffff::1",
            ),
            ("for=\"198.51.100.1:80\";by=10.0.0.1", "198.51.100.1"),
            // What a client began cannot swallow what the proxy added, nor stand for it.
            ("for=\"1.1.1.1, for=198.51.100.1", "198.51.100.1"),
            ("for=198.51.100.1;host=\"a, for=1.1.1.1\"", "10.0.0.1"),
            ("for=198.51.100.1;for=1.1.1.1", "10.0.0.1"),
            ("for=_hidden", "10.0.0.1"),
            ("proto=http", "10.0.0.1"),
        ] {
            let found = client(&proxies, "10.0.0.1", &[("forwarded", line)]);
            assert_eq!(found, ip(expected), "{line}");
        }
    }
}
