//! Which protocols exist, what they sign, and whether they are enabled.

use std::collections::BTreeMap;

use quorate_types::{Algorithm, Curve, ProtocolName};
use thiserror::Error;

/// What the rest of the product knows of a protocol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProtocolInfo {
    /// Name in APIs and intents.
    pub name: &'static str,
    /// Version of its messages; both sides must have the same.
    pub version: u16,
    /// What it signs.
    pub algorithms: &'static [Algorithm],
    /// Rounds of one signature.
    pub sign_rounds: u8,
    /// Rounds of key generation with it, the certificate included.
    pub keygen_rounds: u8,
    /// Whether it signs with state that each pair of nodes has made ahead, for all keys.
    pub has_pair_state: bool,
    /// Whether new keys use it when the caller names none.
    pub default: bool,
    /// Settings and their values, as shown to operators.
    pub configuration: &'static [(&'static str, &'static str)],
}

impl ProtocolInfo {
    /// Whether it signs this.
    #[must_use]
    pub fn signs(&self, algorithm: Algorithm) -> bool {
        self.algorithms.contains(&algorithm)
    }

    /// The curves of its keys, in the order of its algorithms.
    pub fn curves(&self) -> impl Iterator<Item = Curve> {
        self.algorithms.iter().map(|algorithm| algorithm.curve())
    }
}

/// Why a protocol cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ProtocolError {
    /// No protocol of this name is known.
    #[error("unknown protocol `{name}`; known: {known}")]
    Unknown {
        /// Name asked for.
        name: ProtocolName,
        /// What there is.
        known: String,
    },
    /// The operator has not enabled it here.
    #[error("protocol `{name}` is not enabled on this node")]
    Disabled {
        /// Name asked for.
        name: ProtocolName,
    },
    /// It signs something else.
    #[error("protocol `{name}` signs {}, not {asked}", listed(signs))]
    WrongAlgorithm {
        /// Name asked for.
        name: ProtocolName,
        /// What it signs.
        signs: &'static [Algorithm],
        /// What was asked for.
        asked: Algorithm,
    },
    /// Nothing here signs this.
    #[error("no enabled protocol signs {0}")]
    NoneFor(Algorithm),
}

/// DKLs23 with an engine of our own.
pub const DKLS23: ProtocolInfo = ProtocolInfo {
    name: "dkls23",
    version: 2,
    algorithms: &[Algorithm::Ecdsa],
    sign_rounds: 3,
    keygen_rounds: 4,
    has_pair_state: true,
    default: true,
    configuration: &[
        ("source", "eprint 2023/765, own engine"),
        ("computational_security_bits", "128"),
        ("statistical_security_bits", "80"),
        ("presignatures", "none"),
    ],
};

/// FROST with the Zcash Foundation's crates as its engine.
pub const FROST: ProtocolInfo = ProtocolInfo {
    name: "frost",
    version: 1,
    algorithms: &[Algorithm::EdDsa, Algorithm::Schnorr],
    sign_rounds: 2,
    keygen_rounds: 4,
    has_pair_state: false,
    default: true,
    configuration: &[
        (
            "source",
            "RFC 9591, engine: crates frost-ed25519 and frost-secp256k1-tr 3.0.0",
        ),
        ("computational_security_bits", "128"),
        ("presignatures", "none"),
    ],
};

/// The protocols of one process.
#[derive(Debug, Clone)]
pub struct Registry {
    known: BTreeMap<&'static str, (ProtocolInfo, bool)>,
}

impl Registry {
    /// All protocols that this version implements, all but legacy ones enabled.
    #[must_use]
    pub fn standard() -> Self {
        Self {
            known: [DKLS23, FROST].map(|info| (info.name, (info, true))).into(),
        }
    }

    /// Enables or disables a protocol.
    ///
    /// # Errors
    /// [`ProtocolError::Unknown`].
    pub fn set_enabled(&mut self, name: &ProtocolName, on: bool) -> Result<(), ProtocolError> {
        let unknown = self.unknown(name);
        let (_, enabled) = self.known.get_mut(name.as_str()).ok_or(unknown)?;
        *enabled = on;
        Ok(())
    }

    /// The protocol of this name, if it is enabled and signs `algorithm`.
    ///
    /// # Errors
    /// [`ProtocolError`].
    pub fn usable(
        &self,
        name: &ProtocolName,
        algorithm: Algorithm,
    ) -> Result<&ProtocolInfo, ProtocolError> {
        let (info, enabled) = self
            .known
            .get(name.as_str())
            .ok_or_else(|| self.unknown(name))?;
        if !enabled {
            return Err(ProtocolError::Disabled { name: name.clone() });
        }
        if !info.signs(algorithm) {
            let (name, signs) = (name.clone(), info.algorithms);
            return Err(ProtocolError::WrongAlgorithm {
                name,
                signs,
                asked: algorithm,
            });
        }
        Ok(info)
    }

    /// The protocol for a new key whose creator named none.
    ///
    /// # Errors
    /// [`ProtocolError::NoneFor`].
    pub fn default_for(&self, algorithm: Algorithm) -> Result<&ProtocolInfo, ProtocolError> {
        self.iter()
            .find(|(info, enabled)| *enabled && info.default && info.signs(algorithm))
            .map(|(info, _)| info)
            .ok_or(ProtocolError::NoneFor(algorithm))
    }

    /// All protocols, each with whether it is enabled.
    pub fn iter(&self) -> impl Iterator<Item = (&ProtocolInfo, bool)> {
        self.known.values().map(|(info, enabled)| (info, *enabled))
    }

    fn unknown(&self, name: &ProtocolName) -> ProtocolError {
        let known = self.known.keys().copied().collect::<Vec<_>>().join(", ");
        ProtocolError::Unknown {
            name: name.clone(),
            known,
        }
    }
}

fn listed(algorithms: &[Algorithm]) -> String {
    let names: Vec<&str> = algorithms.iter().map(|known| known.as_str()).collect();
    names.join(" and ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registry__should_refuse_unknown_disabled_and_misused_protocols() {
        let name = |text| ProtocolName::new(text).unwrap();
        let mut registry = Registry::standard();
        assert!(registry.usable(&name("dkls23"), Algorithm::Ecdsa).is_ok());
        assert!(matches!(
            registry.usable(&name("gg18"), Algorithm::Ecdsa),
            Err(ProtocolError::Unknown { .. })
        ));
        assert!(matches!(
            registry.usable(&name("dkls23"), Algorithm::EdDsa),
            Err(ProtocolError::WrongAlgorithm { .. })
        ));
        registry.set_enabled(&name("dkls23"), false).unwrap();
        assert!(matches!(
            registry.usable(&name("dkls23"), Algorithm::Ecdsa),
            Err(ProtocolError::Disabled { .. })
        ));
        assert!(registry.default_for(Algorithm::Ecdsa).is_err());
    }

    #[test]
    fn registry__should_have_one_default_for_each_algorithm() {
        let registry = Registry::standard();
        for (algorithm, protocol) in [
            (Algorithm::Ecdsa, "dkls23"),
            (Algorithm::EdDsa, "frost"),
            (Algorithm::Schnorr, "frost"),
        ] {
            assert_eq!(registry.default_for(algorithm).unwrap().name, protocol);
            let defaults = registry.iter().filter(|(info, _)| info.signs(algorithm));
            assert_eq!(defaults.count(), 1, "{algorithm}");
        }
        let name = ProtocolName::new("frost").unwrap();
        let refused = registry.usable(&name, Algorithm::Ecdsa).unwrap_err();
        assert_eq!(
            refused.to_string(),
            "protocol `frost` signs EdDSA and Schnorr, not ECDSA"
        );
    }
}
