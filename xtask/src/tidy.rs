//! `cargo xtask tidy`: what reviewers would otherwise have to remember.
//!
//! Each rule is one file with its own tests; each test has a sample that breaks the rule, because a
//! check that cannot fail is a defect. What is decided, and why, stands in `xtask/tidy.toml`.

mod attacks;
mod config;
mod docs;
mod interpolation;
mod layers;
mod lexer;
mod names;
mod purity;
mod secrets;
mod sizes;
mod source;
mod tree;
mod words;

use std::process::ExitCode;

use anyhow::Context as _;

use config::Config;
use tree::Tree;

/// One broken rule at one place.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Violation {
    /// Path from the root of the repository.
    pub(crate) file: String,
    /// Line, from 1; 0 for the whole file.
    pub(crate) line: usize,
    /// Name of the rule.
    pub(crate) rule: &'static str,
    /// What is wrong, and what to do.
    pub(crate) message: String,
}

impl Violation {
    /// A violation of `rule`.
    pub(crate) fn new(
        file: &str,
        line: usize,
        rule: &'static str,
        message: impl Into<String>,
    ) -> Self {
        Self {
            file: file.to_owned(),
            line,
            rule,
            message: message.into(),
        }
    }
}

/// Runs all rules over the tree, prints what they found, and fails if they found anything.
///
/// # Errors
/// If the tree cannot be read: no git, no cargo, a file that does not parse.
pub(crate) fn run() -> anyhow::Result<ExitCode> {
    let root = tree::root()?;
    let config_text = std::fs::read_to_string(root.join("xtask/tidy.toml"))
        .context("xtask/tidy.toml is missing")?;
    let config = Config::parse(&config_text)?;
    let tree = Tree::read(&root)?;
    let packages = layers::packages(&root)?;

    let mut violations = layers::check(&packages, &config);
    violations.extend(sizes::check(&tree.sources, &config));
    violations.extend(names::check(&tree));
    violations.extend(interpolation::check(&tree.sources, &config));
    violations.extend(purity::check(&tree.sources, &config));
    violations.extend(secrets::check(&tree.sources, &config));
    violations.extend(words::check(&tree.texts));
    violations.extend(docs::check(&tree.texts));
    violations.extend(attacks::check(&tree, &config));
    violations.sort();
    violations.dedup();

    for violation in &violations {
        let Violation {
            file,
            line,
            rule,
            message,
        } = violation;
        println!("{file}:{line}: {rule}: {message}");
    }
    if violations.is_empty() {
        println!(
            "tidy: {} files, {} crates, ok",
            tree.texts.len(),
            packages.len()
        );
        return Ok(ExitCode::SUCCESS);
    }
    println!("tidy: {} violations", violations.len());
    Ok(ExitCode::FAILURE)
}
