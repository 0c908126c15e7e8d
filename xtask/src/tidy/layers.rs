//! Layers and crate edges: a crate uses crates of lower layers, and only those somebody decided.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use serde::Deserialize;

use super::Violation;
use super::config::{Config, CrateRule};

const RULE: &str = "layers";
const PREFIX: &str = "quorate-";

/// A crate of the workspace.
#[derive(Debug, Deserialize)]
pub(crate) struct Package {
    name: String,
    dependencies: Vec<Dependency>,
}

#[derive(Debug, Deserialize)]
struct Dependency {
    name: String,
    kind: Option<String>,
    path: Option<String>,
}

impl Package {
    /// Name without the prefix that all of ours have.
    fn short(&self) -> &str {
        self.name.strip_prefix(PREFIX).unwrap_or(&self.name)
    }

    /// Crates of ours that it uses; those of its tests only if `tests`.
    fn ours(&self, tests: bool) -> impl Iterator<Item = &str> {
        let of_kind = move |dependency: &&Dependency| {
            dependency.path.is_some() && (dependency.kind.as_deref() == Some("dev")) == tests
        };
        self.dependencies.iter().filter(of_kind).map(|dependency| {
            dependency
                .name
                .strip_prefix(PREFIX)
                .unwrap_or(&dependency.name)
        })
    }
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

/// The crates of the workspace, from cargo.
///
/// # Errors
/// If cargo does not answer.
pub(crate) fn packages(root: &Path) -> anyhow::Result<Vec<Package>> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .current_dir(root)
        .args(["metadata", "--format-version", "1", "--no-deps"])
        .output()?;
    anyhow::ensure!(
        output.status.success(),
        "cargo metadata: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let metadata: Metadata = serde_json::from_slice(&output.stdout)?;
    Ok(metadata.packages)
}

/// Checks every edge between crates of ours, and the dependencies of pure crates.
pub(crate) fn check(packages: &[Package], config: &Config) -> Vec<Violation> {
    let mut found = Vec::new();
    for package in packages {
        let name = package.short();
        let Some(rule) = config.crates.get(name) else {
            found.push(violation(
                name,
                "has no layer in xtask/tidy.toml: decide one".to_owned(),
            ));
            continue;
        };
        found.extend(check_edges(package, rule, config));
        found.extend(check_stale(package, rule));
        found.extend(check_pure(package, config));
    }
    found.extend(check_unreachable(packages, config));
    found
}

fn violation(name: &str, message: String) -> Violation {
    let file = if name == "xtask" {
        name.to_owned()
    } else {
        format!("crates/{name}")
    };
    Violation::new(&format!("{file}/Cargo.toml"), 0, RULE, message)
}

fn check_edges(package: &Package, rule: &CrateRule, config: &Config) -> Vec<Violation> {
    let name = package.short();
    let mut found = Vec::new();
    for used in package.ours(false) {
        if !rule.uses.iter().any(|allowed| allowed == used) {
            let why = format!("uses {used}, an edge that nobody decided (ADR, then tidy.toml)");
            found.push(violation(name, why));
        }
        let below = config.crates.get(used).and_then(|rule| rule.layer);
        if let (Some(own), Some(below)) = (rule.layer, below)
            && below >= own
        {
            let why = format!("layer {own} uses {used} of layer {below}: only lower layers");
            found.push(violation(name, why));
        }
        if rule.layer.is_some() && below.is_none() {
            found.push(violation(
                name,
                format!("uses {used}, which is for tests only"),
            ));
        }
    }
    for used in package.ours(true) {
        let allowed = rule.uses.iter().chain(&rule.tests_use);
        if !allowed.into_iter().any(|allowed| allowed == used) {
            let why = format!("tests use {used}, which is not in tests_use of tidy.toml");
            found.push(violation(name, why));
        }
    }
    found
}

fn check_stale(package: &Package, rule: &CrateRule) -> Vec<Violation> {
    let used: BTreeSet<&str> = package.ours(false).collect();
    let tested: BTreeSet<&str> = package.ours(true).collect();
    let stale = rule
        .uses
        .iter()
        .filter(|name| !used.contains(name.as_str()));
    let stale_tests = rule
        .tests_use
        .iter()
        .filter(|name| !tested.contains(name.as_str()));
    stale
        .chain(stale_tests)
        .map(|name| {
            let why = format!("does not use {name} any more: remove it from tidy.toml");
            violation(package.short(), why)
        })
        .collect()
}

fn check_pure(package: &Package, config: &Config) -> Vec<Violation> {
    if !config
        .pure
        .crates
        .iter()
        .any(|name| name == package.short())
    {
        return Vec::new();
    }
    let shipped = package
        .dependencies
        .iter()
        .filter(|dependency| dependency.kind.is_none());
    shipped
        .filter(|dependency| {
            config
                .pure
                .forbidden_dependencies
                .contains(&dependency.name)
        })
        .map(|dependency| {
            let why = format!("is pure and must not depend on {}", dependency.name);
            violation(package.short(), why)
        })
        .collect()
}

fn check_unreachable(packages: &[Package], config: &Config) -> Vec<Violation> {
    let edges: BTreeMap<&str, Vec<&str>> = packages
        .iter()
        .map(|package| (package.short(), package.ours(false).collect()))
        .collect();
    let mut found = Vec::new();
    for from in &config.unreachable.from {
        let mut open = vec![vec![from.as_str()]];
        let mut seen = BTreeSet::new();
        while let Some(path) = open.pop() {
            let Some(last) = path.last().copied() else {
                continue;
            };
            if !seen.insert(last) {
                continue;
            }
            if config.unreachable.to.iter().any(|to| to == last) {
                let why = format!(
                    "holds no secret and must not reach {last}: {}",
                    path.join(" → ")
                );
                found.push(violation(from, why));
            }
            for next in edges.get(last).into_iter().flatten() {
                open.push(path.iter().copied().chain([*next]).collect());
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::{Dependency, Package, check};
    use crate::tidy::config::{Config, tests::SAMPLE};

    fn package(name: &str, uses: &[(&str, Option<&str>)]) -> Package {
        let dependencies = uses
            .iter()
            .map(|(used, kind)| Dependency {
                name: if *used == "tokio" {
                    "tokio".into()
                } else {
                    format!("quorate-{used}")
                },
                kind: kind.map(str::to_owned),
                path: (*used != "tokio").then(String::new),
            })
            .collect();
        Package {
            name: format!("quorate-{name}"),
            dependencies,
        }
    }

    fn good() -> Vec<Package> {
        vec![
            package("low", &[]),
            package("secret", &[("low", None)]),
            package("high", &[("low", None), ("kit", Some("dev"))]),
            package("kit", &[("low", None)]),
        ]
    }

    fn messages(packages: &[Package], edit: impl Fn(&str) -> String) -> Vec<String> {
        let config = Config::parse(&edit(SAMPLE)).unwrap();
        check(packages, &config)
            .into_iter()
            .map(|violation| violation.message)
            .collect()
    }

    fn one(packages: &[Package], part: &str) {
        let messages = messages(packages, str::to_owned);
        assert!(
            messages.iter().any(|message| message.contains(part)),
            "{part}: {messages:?}"
        );
    }

    #[test]
    fn layers__should_accept_what_was_decided() {
        assert_eq!(messages(&good(), str::to_owned), Vec::<String>::new());
    }

    #[test]
    fn layers__must_refuse_an_edge_that_nobody_decided() {
        let mut packages = good();
        packages[1] = package("secret", &[("low", None), ("high", None)]);
        one(&packages, "nobody decided");
        one(&packages, "layer 1 uses high of layer 2");
    }

    #[test]
    fn layers__must_refuse_a_decided_edge_within_one_layer() {
        let up = |text: &str| text.replace("low = { layer = 0 }", "low = { layer = 1 }");
        let messages = messages(&good(), up);
        assert!(
            messages
                .iter()
                .any(|message| message.contains("layer 1 uses low of layer 1"))
        );
    }

    #[test]
    fn layers__must_refuse_secrets_reached_through_another_crate() {
        let mut packages = good();
        packages[0] = package("low", &[("secret", None)]);
        one(&packages, "high → low → secret");
    }

    #[test]
    fn layers__must_refuse_unlisted_crates_tests_and_stale_lines() {
        let mut packages = good();
        packages.push(package("new", &[]));
        packages[2] = package("high", &[("kit", None), ("secret", Some("dev"))]);
        one(&packages, "has no layer");
        one(&packages, "for tests only");
        one(&packages, "tests use secret");
        one(&packages, "does not use low any more");
    }

    #[test]
    fn layers__must_refuse_a_runtime_in_a_pure_crate() {
        let mut packages = good();
        packages[0] = package("low", &[("tokio", None)]);
        one(&packages, "must not depend on tokio");
        packages[0] = package("low", &[("tokio", Some("dev"))]);
        assert_eq!(messages(&packages, str::to_owned), Vec::<String>::new());
    }
}
