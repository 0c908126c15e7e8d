//! `xtask/tidy.toml`: what somebody decided, with the reason.

use std::collections::BTreeMap;

use serde::Deserialize;

/// The whole file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// Layer and allowed edges of each crate, by its name without `quorate-`.
    pub(crate) crates: BTreeMap<String, CrateRule>,
    /// Who must not reach what, not even through others.
    pub(crate) unreachable: Unreachable,
    /// Crates that do no IO, read no clock, own no randomness and spawn nothing.
    pub(crate) pure: Pure,
    /// Files that are longer than the limit.
    #[serde(default)]
    pub(crate) long_files: BTreeMap<String, LongFile>,
    /// Functions that are longer than the limit, by `path::name`.
    #[serde(default)]
    pub(crate) long_functions: BTreeMap<String, LongFile>,
    /// Files that may interpolate, or hold several shares of one key.
    pub(crate) interpolation: BTreeMap<String, String>,
    /// Types that hold a secret.
    pub(crate) secrets: Secrets,
    /// Rows of the attack catalogue that tests must carry.
    pub(crate) attacks: Attacks,
}

/// Where one crate stands.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CrateRule {
    /// It may use crates of lower layers only; absent for development crates.
    pub(crate) layer: Option<u8>,
    /// Crates of ours that it uses.
    #[serde(default)]
    pub(crate) uses: Vec<String>,
    /// Crates of ours that only its tests use; layers do not matter there.
    #[serde(default)]
    pub(crate) tests_use: Vec<String>,
}

/// Architecture invariant 3.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Unreachable {
    /// These crates …
    pub(crate) from: Vec<String>,
    /// … never depend on these.
    pub(crate) to: Vec<String>,
}

/// Architecture invariant 2.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Pure {
    /// Crates of ours that are pure.
    pub(crate) crates: Vec<String>,
    /// Dependencies that a pure crate must not have outside of its tests.
    pub(crate) forbidden_dependencies: Vec<String>,
}

/// A decided exception to a size.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LongFile {
    /// It may grow to this many lines.
    pub(crate) lines: usize,
    /// Why it is one piece.
    pub(crate) reason: String,
}

/// Types that hold secrets.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Secrets {
    /// Structs and enums, as `crate::Type`.
    pub(crate) types: Vec<String>,
    /// Derives that a type may have all the same, with the reason.
    #[serde(default)]
    pub(crate) exceptions: BTreeMap<String, Exception>,
}

/// A derive that is allowed on one secret type.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Exception {
    /// Traits that may be derived.
    pub(crate) derives: Vec<String>,
    /// Why.
    pub(crate) reason: String,
}

/// Rows of the attack catalogue.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Attacks {
    /// Each has at least one test function that carries it in its name.
    pub(crate) rows: Vec<String>,
}

impl Config {
    /// Parses the file and refuses exceptions without a reason.
    ///
    /// # Errors
    /// If it is no such file, or a reason is empty.
    pub(crate) fn parse(text: &str) -> anyhow::Result<Self> {
        let config: Self = toml::from_str(text)?;
        let long = config.long_files.iter().chain(&config.long_functions);
        let reasons = long
            .map(|(name, decided)| (name, &decided.reason))
            .chain(&config.interpolation)
            .chain(
                config
                    .secrets
                    .exceptions
                    .iter()
                    .map(|(name, decided)| (name, &decided.reason)),
            );
        for (name, reason) in reasons {
            anyhow::ensure!(
                reason.trim().len() >= 10,
                "tidy.toml: {name} needs a reason"
            );
        }
        Ok(config)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::Config;

    /// A small file for the tests of the rules.
    pub(crate) const SAMPLE: &str = r#"
        [crates]
        low = { layer = 0 }
        secret = { layer = 1, uses = ["low"] }
        high = { layer = 2, uses = ["low"], tests_use = ["kit"] }
        kit = { uses = ["low"] }
        [unreachable]
        from = ["high"]
        to = ["secret"]
        [pure]
        crates = ["low"]
        forbidden_dependencies = ["tokio"]
        [interpolation]
        "crates/low/src/lagrange.rs" = "gives coefficients only"
        [secrets]
        types = ["a::Share"]
        [attacks]
        rows = ["B1"]
    "#;

    #[test]
    fn config__must_refuse_an_exception_without_a_reason() {
        let with = |reason: &str| {
            format!("{SAMPLE}\n[long_files]\n\"a.rs\" = {{ lines = 700, reason = \"{reason}\" }}")
        };
        assert!(Config::parse(&with("one table, read from top to bottom")).is_ok());
        assert!(Config::parse(&with(" ")).is_err());
    }

    #[test]
    fn config__must_refuse_fields_that_it_does_not_know() {
        assert!(Config::parse(&format!("{SAMPLE}\n[surprise]")).is_err());
    }
}
