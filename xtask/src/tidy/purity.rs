//! Architecture invariant 2: pure crates do no IO, read no clock, own no randomness, spawn nothing.

use syn::visit::Visit;

use super::Violation;
use super::config::Config;
use super::source::{Source, lines_of};

const RULE: &str = "purity";
/// What a pure crate must not name, and what it does instead.
const FORBIDDEN: [(&str, &str); 14] = [
    ("std::fs", "no files: take bytes"),
    ("std::net", "no sockets: take and return messages"),
    ("std::thread", "spawn nothing: be driven"),
    ("std::process", "spawn nothing: be driven"),
    ("std::env", "no environment: take configuration"),
    ("std::io", "no IO: take bytes"),
    ("std::time::SystemTime", "no clock: take the time"),
    ("std::time::Instant", "no clock: take the time"),
    ("SystemTime::now", "no clock: take the time"),
    ("Instant::now", "no clock: take the time"),
    ("getrandom", "no randomness of its own: take a CryptoRng"),
    ("OsRng", "no randomness of its own: take a CryptoRng"),
    ("SysRng", "no randomness of its own: take a CryptoRng"),
    ("rand::rng", "no randomness of its own: take a CryptoRng"),
];

/// Checks the pure crates.
pub(crate) fn check(sources: &[Source], config: &Config) -> Vec<Violation> {
    let pure = |source: &&Source| {
        let name = source.crate_name();
        let listed = name.is_some_and(|name| config.pure.crates.iter().any(|pure| pure == name));
        // A build script runs at build time and ships nowhere.
        listed && !source.is_test && !source.path.ends_with("/build.rs")
    };
    sources.iter().filter(pure).flat_map(check_source).collect()
}

fn check_source(source: &Source) -> Vec<Violation> {
    let mut paths: Vec<(usize, String)> = source
        .shipped_lines()
        .map(|(number, line)| (number, line.split_whitespace().collect::<String>()))
        .collect();
    let mut uses = Uses::default();
    uses.visit_file(&source.file);
    paths.extend(
        uses.paths
            .into_iter()
            .filter(|(line, _)| !source.is_test_line(*line)),
    );
    let mut found: Vec<Violation> = paths
        .iter()
        .filter_map(|(line, path)| {
            let (name, instead) = FORBIDDEN.iter().find(|(name, _)| names(path, name))?;
            let why = format!("`{name}` in a pure crate: {instead}");
            Some(Violation::new(&source.path, *line, RULE, why))
        })
        .collect();
    found.sort();
    found.dedup();
    found
}

/// True if `path` has `name` as whole words.
fn names(path: &str, name: &str) -> bool {
    let word =
        |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
    path.match_indices(name).any(|(at, _)| {
        let bytes = path.as_bytes();
        let before = at.checked_sub(1).and_then(|at| bytes.get(at));
        !word(before) && !word(bytes.get(at + name.len()))
    })
}

/// Spells out `use std::{fs, time::Instant}`.
#[derive(Default)]
struct Uses {
    paths: Vec<(usize, String)>,
}

impl Uses {
    fn walk(&mut self, line: usize, prefix: &str, tree: &syn::UseTree) {
        match tree {
            syn::UseTree::Path(path) => {
                self.walk(line, &format!("{prefix}{}::", path.ident), &path.tree);
            }
            syn::UseTree::Name(name) => self.paths.push((line, format!("{prefix}{}", name.ident))),
            syn::UseTree::Rename(name) => {
                self.paths.push((line, format!("{prefix}{}", name.ident)));
            }
            syn::UseTree::Glob(_) => self.paths.push((line, format!("{prefix}*"))),
            syn::UseTree::Group(group) => {
                for tree in &group.items {
                    self.walk(line, prefix, tree);
                }
            }
        }
    }
}

impl<'ast> Visit<'ast> for Uses {
    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        let (line, _) = lines_of(item.use_token.span);
        self.walk(line, "", &item.tree);
    }
}

#[cfg(test)]
mod tests {
    use super::{FORBIDDEN, check};
    use crate::tidy::config::{Config, tests::SAMPLE};
    use crate::tidy::source::Source;

    fn found(path: &str, text: &str) -> usize {
        let config = Config::parse(SAMPLE).unwrap();
        check(&[Source::parse(path, text).unwrap()], &config).len()
    }

    const PURE: &str = "crates/low/src/x.rs";

    #[test]
    fn purity__must_refuse_each_forbidden_name() {
        for (name, _) in FORBIDDEN {
            assert_eq!(
                found(PURE, &format!("fn f() {{ {name}::g(); }}")),
                1,
                "{name}"
            );
        }
    }

    #[test]
    fn purity__must_see_through_grouped_imports() {
        assert_eq!(
            found(
                PURE,
                "use std::{\n    collections::BTreeMap,\n    fs::File,\n};"
            ),
            1
        );
        assert_eq!(found(PURE, "use std::time::{Duration, Instant as Now};"), 1);
        assert_eq!(found(PURE, "use std::time::Duration;"), 0);
    }

    #[test]
    fn purity__should_not_hold_for_tests_comments_and_other_crates() {
        assert_eq!(
            found(PURE, "// std::fs\n#[cfg(test)]\nmod tests { use std::fs; }"),
            0
        );
        assert_eq!(found("crates/low/tests/x.rs", "use std::fs;"), 0);
        assert_eq!(found("crates/high/src/x.rs", "use std::fs;"), 0);
        assert_eq!(
            found(PURE, "fn f() { my_getrandom_like(); std::fsm(); }"),
            0
        );
    }
}
