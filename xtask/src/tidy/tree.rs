//! The files of the repository: all that git tracks, or would track.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;

use super::source::{Source, test_modules};

/// A text file.
#[derive(Debug, Clone)]
pub(crate) struct Text {
    /// Path from the root, with `/`.
    pub(crate) path: String,
    /// Its content.
    pub(crate) text: String,
}

/// All files.
pub(crate) struct Tree {
    /// Every text file.
    pub(crate) texts: Vec<Text>,
    /// Those that are Rust, parsed.
    pub(crate) sources: Vec<Source>,
}

/// The root of the repository that this was built in.
///
/// # Errors
/// If git does not answer.
pub(crate) fn root() -> anyhow::Result<PathBuf> {
    let output = Command::new("git")
        .args(["rev-parse", "--show-toplevel"])
        .output()?;
    anyhow::ensure!(output.status.success(), "this is no git checkout");
    Ok(PathBuf::from(String::from_utf8(output.stdout)?.trim()))
}

impl Tree {
    /// Reads every file that git tracks or would track.
    ///
    /// # Errors
    /// If git fails, or a Rust file does not parse.
    pub(crate) fn read(root: &Path) -> anyhow::Result<Self> {
        let output = Command::new("git")
            .current_dir(root)
            .args([
                "ls-files",
                "-z",
                "--cached",
                "--others",
                "--exclude-standard",
            ])
            .output()?;
        anyhow::ensure!(output.status.success(), "git ls-files failed");
        let mut texts = Vec::new();
        for path in String::from_utf8(output.stdout)?
            .split('\0')
            .filter(|path| !path.is_empty())
        {
            // Deleted but not yet committed, or not text: nothing to read.
            let Ok(bytes) = std::fs::read(root.join(path)) else {
                continue;
            };
            let Ok(text) = String::from_utf8(bytes) else {
                continue;
            };
            texts.push(Text {
                path: path.to_owned(),
                text,
            });
        }
        texts.sort_by(|a, b| a.path.cmp(&b.path));
        texts.dedup_by(|a, b| a.path == b.path);
        let sources = parse_all(&texts)?;
        Ok(Self { texts, sources })
    }
}

fn parse_all(texts: &[Text]) -> anyhow::Result<Vec<Source>> {
    let rust = texts.iter().filter(|text| text.path.ends_with(".rs"));
    let mut sources = rust
        .map(|text| {
            Source::parse(&text.path, &text.text)
                .with_context(|| format!("{} does not parse", text.path))
        })
        .collect::<anyhow::Result<Vec<_>>>()?;
    // `#[cfg(test)] mod x;` makes the file of `x` a test, with all that is below it.
    let roots: Vec<String> = sources.iter().flat_map(test_modules).collect();
    for source in &mut sources {
        let below = |root: &String| {
            source.path == format!("{root}.rs") || source.path.starts_with(&format!("{root}/"))
        };
        if roots.iter().any(below) {
            source.is_test = true;
        }
    }
    Ok(sources)
}
