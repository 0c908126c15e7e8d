//! Who a certificate is for: role and node, in one dNSName (Spec 1).

use std::fmt;

use quorate_types::NodeId;
use rustls_pki_types::ServerName;
use thiserror::Error;
use x509_parser::extensions::GeneralName;

/// Names below this one belong to us; a certificate holds exactly one of them.
const ZONE: &str = ".quorate.internal";

/// What a process is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Role {
    /// Holds metadata, no shares.
    Coordinator,
    /// Holds shares.
    Participant,
}

impl Role {
    /// The label between node id and zone.
    const fn label(self) -> &'static str {
        match self {
            Self::Coordinator => ".coordinator",
            Self::Participant => ".node",
        }
    }
}

/// An identity that a certificate proves.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PeerIdentity {
    /// What it is.
    pub role: Role,
    /// Which one it is.
    pub id: NodeId,
}

/// Why a certificate or node id gives no identity.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum IdentityError {
    /// A node id that cannot be one label of a domain name.
    #[error("node id {id} is no host name label: use a-z, 0-9 and inner hyphens")]
    NotALabel {
        /// The node id.
        id: NodeId,
    },
    /// The certificate cannot be read.
    #[error("certificate cannot be parsed")]
    Unparseable,
    /// No dNSName of ours.
    #[error(
        "certificate names no node: a subject alternative name \
             <id>.node.quorate.internal or <id>.coordinator.quorate.internal is missing"
    )]
    Missing,
    /// More than one dNSName of ours.
    #[error("certificate names more than one node")]
    Ambiguous,
    /// A name in our zone that is none of ours: wildcard, unknown role, bad node id.
    #[error("certificate has a name below quorate.internal that is not a node's")]
    Malformed,
}

impl PeerIdentity {
    /// A coordinator.
    #[must_use]
    pub const fn coordinator(id: NodeId) -> Self {
        Self {
            role: Role::Coordinator,
            id,
        }
    }

    /// A participant.
    #[must_use]
    pub const fn participant(id: NodeId) -> Self {
        Self {
            role: Role::Participant,
            id,
        }
    }

    /// Spec 1.1: the dNSName of this identity.
    ///
    /// # Errors
    /// [`IdentityError::NotALabel`] if the node id holds dots or underscores, or ends in a hyphen.
    pub fn dns_name(&self) -> Result<String, IdentityError> {
        let id = self.id.as_str();
        if !is_label(id) {
            return Err(IdentityError::NotALabel {
                id: self.id.clone(),
            });
        }
        Ok(format!("{id}{}{ZONE}", self.role.label()))
    }

    /// The name that a client asks a server for.
    pub(super) fn server_name(&self) -> Result<ServerName<'static>, IdentityError> {
        let malformed = |_| IdentityError::NotALabel {
            id: self.id.clone(),
        };
        ServerName::try_from(self.dns_name()?).map_err(malformed)
    }

    /// Reads a dNSName; `None` if it is outside of our zone.
    fn from_dns_name(name: &str) -> Option<Result<Self, IdentityError>> {
        let name = name.to_ascii_lowercase();
        let inner = name.strip_suffix(ZONE)?;
        let parsed = [Role::Coordinator, Role::Participant]
            .into_iter()
            .find_map(|role| {
                let id = inner.strip_suffix(role.label())?;
                let id = is_label(id).then(|| NodeId::new(id).ok()).flatten()?;
                Some(Self { role, id })
            });
        Some(parsed.ok_or(IdentityError::Malformed))
    }

    /// Spec 1.2: the identity in a certificate.
    ///
    /// # Errors
    /// [`IdentityError`] unless exactly one name below `quorate.internal` is there and well formed.
    ///
    /// # Security
    /// Reads only. The caller must have verified the certificate's chain.
    pub fn from_certificate(der: &[u8]) -> Result<Self, IdentityError> {
        let (rest, certificate) =
            x509_parser::parse_x509_certificate(der).map_err(|_| IdentityError::Unparseable)?;
        if !rest.is_empty() {
            return Err(IdentityError::Unparseable);
        }
        let names = certificate
            .subject_alternative_name()
            .map_err(|_| IdentityError::Unparseable)?;
        let names = names.ok_or(IdentityError::Missing)?;
        let mut found = None;
        for name in &names.value.general_names {
            let GeneralName::DNSName(name) = name else {
                continue;
            };
            let Some(identity) = Self::from_dns_name(name) else {
                continue;
            };
            if found.replace(identity?).is_some() {
                return Err(IdentityError::Ambiguous);
            }
        }
        found.ok_or(IdentityError::Missing)
    }
}

impl fmt::Display for PeerIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.role {
            Role::Coordinator => write!(f, "coordinator {}", self.id),
            Role::Participant => write!(f, "participant {}", self.id),
        }
    }
}

/// One label of a host name (RFC 1123 §2.1), lower case.
fn is_label(text: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    let ends_well = !text.starts_with('-') && !text.ends_with('-');
    !text.is_empty() && text.len() <= 63 && ends_well && text.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn certificate(names: &[&str]) -> Vec<u8> {
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        rcgen::generate_simple_self_signed(names)
            .unwrap()
            .cert
            .der()
            .to_vec()
    }

    fn identity(names: &[&str]) -> Result<PeerIdentity, IdentityError> {
        PeerIdentity::from_certificate(&certificate(names))
    }

    fn id(name: &str) -> NodeId {
        NodeId::new(name).unwrap()
    }

    #[test]
    fn identity__should_survive_the_way_through_a_certificate() {
        for expected in [
            PeerIdentity::participant(id("node-1")),
            PeerIdentity::coordinator(id("c0")),
        ] {
            let name = expected.dns_name().unwrap();
            assert_eq!(identity(&["localhost", &name]), Ok(expected));
        }
        assert_eq!(
            PeerIdentity::participant(id("node-1"))
                .dns_name()
                .as_deref(),
            Ok("node-1.node.quorate.internal")
        );
    }

    #[test]
    fn identity__must_be_exactly_one() {
        assert_eq!(identity(&["localhost"]), Err(IdentityError::Missing));
        let two = ["a.node.quorate.internal", "b.node.quorate.internal"];
        assert_eq!(identity(&two), Err(IdentityError::Ambiguous));
        let both = ["a.node.quorate.internal", "a.coordinator.quorate.internal"];
        assert_eq!(identity(&both), Err(IdentityError::Ambiguous));
    }

    #[test]
    fn identity__must_refuse_wildcards_unknown_roles_and_dotted_ids() {
        for name in [
            "*.node.quorate.internal",
            "a.b.node.quorate.internal",
            "a.gateway.quorate.internal",
            "node.quorate.internal",
            "a-.node.quorate.internal",
        ] {
            assert_eq!(identity(&[name]), Err(IdentityError::Malformed), "{name}");
        }
        assert_eq!(
            PeerIdentity::from_certificate(b"garbage"),
            Err(IdentityError::Unparseable)
        );
    }

    #[test]
    fn dns_name__must_refuse_ids_that_are_no_label() {
        for name in ["a.b", "a_b", "a-"] {
            let refused = PeerIdentity::participant(id(name)).dns_name();
            assert_eq!(refused, Err(IdentityError::NotALabel { id: id(name) }));
        }
    }
}
