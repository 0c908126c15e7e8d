//! What can be wrong with a link, in words for whoever has to repair it.
//!
//! One list for TCP, TLS and Noise, so that a process, the API and `quorate doctor` name a fault
//! alike. Table: `docs/runbooks/links.md`.

use std::fmt;
use std::io;

use rustls::{AlertDescription, CertificateError};

use crate::noise::Refusal;

macro_rules! faults {
    ($($(#[$doc:meta])* $variant:ident = $label:literal, $found:literal, $remedy:literal;)+) => {
        /// Why a link between two processes does not work.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum LinkFault {
            $($(#[$doc])* $variant,)+
        }

        impl LinkFault {
            /// All faults.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// Stable name, as in metrics and in the API.
            #[must_use]
            pub const fn label(self) -> &'static str {
                match self { $(Self::$variant => $label,)+ }
            }

            /// What to do about it.
            #[must_use]
            pub const fn remedy(self) -> &'static str {
                match self { $(Self::$variant => $remedy,)+ }
            }
        }

        impl fmt::Display for LinkFault {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self { $(Self::$variant => $found,)+ })
            }
        }
    };
}

faults! {
    /// Nothing listens at the address.
    ConnectionRefused = "connection_refused",
        "the connection was refused: nothing listens at this address",
        "start the process there, and compare the address and port with its `listen` setting";
    /// No route, unknown host, or a firewall that answers.
    Unreachable = "unreachable",
        "the address cannot be reached",
        "check the host name, the route and the firewalls between the two machines";
    /// No answer in time.
    TimedOut = "timed_out",
        "no answer in time: packets are dropped on the way, or the process hangs",
        "open the port in the firewalls between the two machines; look at the other process's log";
    /// The other side closed the connection during the handshake and did not say why.
    Closed = "closed",
        "the other side closed the connection during the handshake and did not say why",
        "look at the other process's log and its metrics of refused handshakes";
    /// The peer's certificate ran out.
    PeerExpired = "peer_certificate_expired",
        "the other side's certificate has expired",
        "renew it there (`quorate node enroll request --renew`); if it has not expired, set this machine's clock";
    /// The peer's certificate starts in the future.
    PeerNotYetValid = "peer_certificate_not_yet_valid",
        "the other side's certificate is not valid yet: one of the clocks is wrong",
        "set the clocks of this machine and of the machine that issued the certificate";
    /// The peer's certificate is on a revocation list.
    PeerRevoked = "peer_certificate_revoked",
        "the other side's certificate is revoked",
        "if its machine is sound, enroll it anew (`quorate node enroll`); if not, leave it out";
    /// The peer's certificate comes from an authority that is not ours.
    PeerForeign = "peer_foreign_authority",
        "the other side's certificate comes from an authority that this side does not trust",
        "install on both sides certificates of the authority in `tls.ca_file`";
    /// The peer's certificate names somebody else.
    PeerWrongName = "peer_wrong_name",
        "the process at this address proves to be somebody else",
        "correct the address in the configuration, or install the certificate of the right node";
    /// The peer showed no certificate.
    PeerMissing = "peer_certificate_missing",
        "the other side showed no certificate",
        "only Quorate's own processes connect to this port; set `tls.cert_file` there";
    /// The peer's authority has no revocation list here.
    PeerRevocationUnknown = "peer_revocation_unknown",
        "this side has no revocation list of the authority of the other side's certificate",
        "add this authority's list to `tls.crl_file`";
    /// Our revocation list ran out.
    ListOverdue = "revocation_list_overdue",
        "this side's revocation list is overdue, so that it accepts nobody",
        "put a new list of the authority into `tls.crl_file`; no restart is needed";
    /// The peer may not connect here.
    PeerNotAccepted = "peer_not_accepted",
        "the other side's certificate is sound, but its role has no business here",
        "a participant accepts coordinators alone: check which certificate the caller uses";
    /// A certificate that is broken in another way.
    PeerBadCertificate = "peer_bad_certificate",
        "the other side's certificate cannot be used",
        "issue it anew for this node (`quorate node enroll`)";
    /// The other side says that our certificate ran out, or is not valid yet.
    OwnExpired = "own_certificate_expired",
        "the other side says that this side's certificate has expired or is not valid yet",
        "renew it (`quorate node enroll request --renew`); if its dates are right, set the other machine's clock";
    /// The other side says that our certificate is revoked.
    OwnRevoked = "own_certificate_revoked",
        "the other side says that this side's certificate is revoked",
        "enroll this machine anew with a new key (`quorate node enroll`)";
    /// The other side does not know our authority, or has no list of it.
    OwnForeign = "own_foreign_authority",
        "the other side does not trust this side's authority, or its revocation list is overdue",
        "compare `tls.ca_file` of both sides, and look at the other side's log";
    /// The other side wants a certificate.
    OwnMissing = "own_certificate_missing",
        "the other side wants a client certificate, and this side showed none",
        "set `tls.cert_file` and `tls.key_file`";
    /// The other side does not want our role.
    OwnNotAccepted = "own_not_accepted",
        "the other side knows this side's certificate, but its name has no business there",
        "use a certificate with the name `<id>.coordinator.quorate.internal`";
    /// The other side refused our certificate for another reason.
    OwnBadCertificate = "own_bad_certificate",
        "the other side cannot use this side's certificate",
        "issue it anew (`quorate node enroll`)";
    /// Not TLS 1.3, or no TLS at all.
    NotTls = "not_tls",
        "what listens at this address does not speak TLS 1.3",
        "is this the address of `listen.grpc`, and no proxy before it?";
    /// A static key that is not the manifest's.
    WrongNoiseKey = "wrong_noise_key",
        "the Noise key is not the one that the manifest names for this node",
        "both nodes need the same manifest; `noise_key_file` must be the key that is named there";
    /// The node is not in the manifest.
    NotInManifest = "not_in_manifest",
        "the node is not in this side's manifest",
        "give both nodes the same manifest, and both an entry for each other under [peers]";
    /// A Noise handshake that does not decrypt.
    OtherCluster = "undecryptable",
        "the Noise handshake does not decrypt: another cluster, or another key of this node",
        "compare the manifests: the dialling side may have an older key of this node";
    /// The listener of a Noise handshake closed without a word.
    NoiseClosed = "noise_closed",
        "the other node ended the Noise handshake without a word: it does not know this node's key",
        "compare the manifests and this node's `noise_key_file`; the other node's link shows the reason";
    /// No common wire version.
    NoCommonVersion = "no_common_version",
        "the two nodes speak no common version",
        "upgrade the older one: versions differ by one at most";
    /// Clocks that differ.
    ClockSkew = "clock_skew",
        "the clocks of the two machines differ",
        "set both clocks (`timedatectl set-ntp true`)";
    /// Anything else.
    Other = "other",
        "the connection failed",
        "look at the logs of both processes";
}

impl LinkFault {
    /// Reads a [`Self::label`].
    #[must_use]
    pub fn parse(label: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .copied()
            .find(|fault| fault.label() == label)
    }

    /// The fault behind an error of TCP or TLS.
    #[must_use]
    pub fn of_io(error: &io::Error) -> Self {
        if let Some(tls) = error.get_ref().and_then(|inner| inner.downcast_ref()) {
            return Self::of_tls(tls);
        }
        match error.kind() {
            io::ErrorKind::ConnectionRefused => Self::ConnectionRefused,
            io::ErrorKind::TimedOut => Self::TimedOut,
            io::ErrorKind::UnexpectedEof
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::BrokenPipe => Self::Closed,
            _ => Self::Unreachable,
        }
    }

    /// The fault behind an error of rustls: what we refused, or what the peer's alert says.
    #[must_use]
    pub fn of_tls(error: &rustls::Error) -> Self {
        match error {
            rustls::Error::InvalidCertificate(error) => Self::of_certificate(error),
            rustls::Error::NoCertificatesPresented => Self::PeerMissing,
            rustls::Error::AlertReceived(alert) => Self::of_alert(*alert),
            rustls::Error::InvalidMessage(_) | rustls::Error::PeerIncompatible(_) => Self::NotTls,
            _ => Self::Other,
        }
    }

    fn of_certificate(error: &CertificateError) -> Self {
        match error {
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                Self::PeerExpired
            }
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                Self::PeerNotYetValid
            }
            CertificateError::Revoked => Self::PeerRevoked,
            // A bad signature: an authority of the same name with another key.
            CertificateError::UnknownIssuer | CertificateError::BadSignature => Self::PeerForeign,
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                Self::PeerWrongName
            }
            CertificateError::UnknownRevocationStatus => Self::PeerRevocationUnknown,
            CertificateError::ExpiredRevocationList
            | CertificateError::ExpiredRevocationListContext { .. } => Self::ListOverdue,
            CertificateError::ApplicationVerificationFailure => Self::PeerNotAccepted,
            _ => Self::PeerBadCertificate,
        }
    }

    fn of_alert(alert: AlertDescription) -> Self {
        match alert {
            AlertDescription::CertificateExpired => Self::OwnExpired,
            AlertDescription::CertificateRevoked => Self::OwnRevoked,
            AlertDescription::UnknownCA | AlertDescription::DecryptError => Self::OwnForeign,
            AlertDescription::CertificateRequired => Self::OwnMissing,
            AlertDescription::AccessDenied => Self::OwnNotAccepted,
            AlertDescription::BadCertificate
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateUnknown => Self::OwnBadCertificate,
            AlertDescription::ProtocolVersion => Self::NotTls,
            _ => Self::Other,
        }
    }

    /// The fault behind a Noise handshake that came to nothing.
    #[must_use]
    pub const fn of_refusal(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Undecryptable => Self::OtherCluster,
            Refusal::UnknownNode => Self::NotInManifest,
            Refusal::WrongKey | Refusal::WrongResponder => Self::WrongNoiseKey,
            Refusal::NoCommonVersion | Refusal::Downgraded => Self::NoCommonVersion,
            Refusal::TimedOut => Self::TimedOut,
            Refusal::Refused => Self::ConnectionRefused,
            Refusal::Unreachable => Self::Unreachable,
            Refusal::Closed => Self::NoiseClosed,
            _ => Self::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn fault__should_have_one_label_each_and_say_what_to_do() {
        let labels: BTreeSet<_> = LinkFault::ALL.iter().map(|fault| fault.label()).collect();
        assert_eq!(labels.len(), LinkFault::ALL.len());
        for fault in LinkFault::ALL {
            assert_eq!(LinkFault::parse(fault.label()), Some(*fault));
            assert!(!fault.remedy().is_empty() && !fault.to_string().is_empty());
        }
        assert_eq!(LinkFault::parse("no such fault"), None);
    }

    #[test]
    fn fault__should_be_in_the_runbook_in_the_same_words() {
        let root = std::env::var("CARGO_MANIFEST_DIR").unwrap();
        let runbook = std::fs::read_to_string(format!("{root}/../../docs/runbooks/links.md"));
        let runbook = runbook.unwrap();
        for fault in LinkFault::ALL {
            let row = format!("| `{}` | {fault} | {} |", fault.label(), fault.remedy());
            assert!(runbook.contains(&row), "missing: {row}");
        }
    }

    #[test]
    fn fault__should_be_found_inside_an_io_error() {
        let alert = rustls::Error::AlertReceived(AlertDescription::CertificateRevoked);
        let error = io::Error::new(io::ErrorKind::InvalidData, alert);
        assert_eq!(LinkFault::of_io(&error), LinkFault::OwnRevoked);
        let error = io::Error::from(io::ErrorKind::ConnectionRefused);
        assert_eq!(LinkFault::of_io(&error), LinkFault::ConnectionRefused);
    }
}
