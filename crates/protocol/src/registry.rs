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
    pub algorithm: Algorithm,
    /// Rounds of one signature.
    pub sign_rounds: u8,
    /// Rounds of key generation with it, set-up included.
    pub keygen_rounds: u8,
    /// Whether new keys use it when the caller names none.
    pub default: bool,
    /// Settings and their values, as shown to operators.
    pub configuration: &'static [(&'static str, &'static str)],
}

impl ProtocolInfo {
    /// The curve of its keys.
    #[must_use]
    pub const fn curve(&self) -> Curve {
        self.algorithm.curve()
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
    #[error("protocol `{name}` signs {signs}, not {asked}")]
    WrongAlgorithm {
        /// Name asked for.
        name: ProtocolName,
        /// What it signs.
        signs: Algorithm,
        /// What was asked for.
        asked: Algorithm,
    },
    /// Nothing here signs this.
    #[error("no enabled protocol signs {0}")]
    NoneFor(Algorithm),
}

/// DKLs23 with the `dkls23` crate as its engine.
pub const DKLS23: ProtocolInfo = ProtocolInfo {
    name: "dkls23",
    version: 1,
    algorithm: Algorithm::Ecdsa,
    sign_rounds: 3,
    keygen_rounds: 6,
    default: true,
    configuration: &[
        ("source", "eprint 2023/765, engine: crate dkls23 0.6.2"),
        ("computational_security_bits", "128"),
        ("statistical_security_bits", "80"),
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
            known: BTreeMap::from([(DKLS23.name, (DKLS23, true))]),
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
        if info.algorithm != algorithm {
            let (name, signs) = (name.clone(), info.algorithm);
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
            .find(|(info, enabled)| *enabled && info.default && info.algorithm == algorithm)
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
}
