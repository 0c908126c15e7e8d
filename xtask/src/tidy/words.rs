//! Words that must not be in any file: open ends without an issue, paths of one machine, addresses
//! of other registries.

use super::Violation;
use super::tree::Text;

const RULE: &str = "words";
/// Put together here, so that this file does not break its own rules.
const OPEN_ENDS: [&str; 3] = [
    concat!("TO", "DO"),
    concat!("FIX", "ME"),
    concat!("XX", "X:"),
];
const MACHINE_PATHS: [&str; 4] = [
    concat!("/ro", "ot/"),
    concat!("/ho", "me/"),
    concat!("/wo", "rk/"),
    concat!("/Us", "ers/"),
];
const REGISTRY_WORDS: [&str; 4] = [
    concat!("index", "-url"),
    concat!("INDEX", "_URL"),
    concat!("arti", "factory"),
    concat!("replace", "-with"),
];
const REGISTRIES: [&str; 4] = [
    "https://github.com/rust-lang/crates.io-index",
    "https://registry.npmjs.org/",
    "https://pypi.org/",
    "https://files.pythonhosted.org/",
];

/// Checks all files.
pub(crate) fn check(texts: &[Text]) -> Vec<Violation> {
    texts.iter().flat_map(check_text).collect()
}

fn check_text(text: &Text) -> Vec<Violation> {
    let lock = text.path.ends_with("Cargo.lock") || text.path.ends_with("package-lock.json");
    let mut found = Vec::new();
    for (index, line) in text.text.lines().enumerate() {
        let mut note = |why: String| {
            found.push(Violation::new(&text.path, index + 1, RULE, why));
        };
        if lock {
            if let Some(url) = foreign_registry(line) {
                note(format!("`{url}` is not a public registry"));
            }
            continue;
        }
        if let Some(word) = open_end(line) {
            note(format!("{word} without an issue: write {word}(#n)"));
        }
        if let Some(path) = machine_path(line) {
            note(format!("`{path}` is a path of one machine"));
        }
        if let Some(word) = REGISTRY_WORDS.iter().find(|word| line.contains(*word)) {
            note(format!("`{word}`: registries are the user's to configure"));
        }
    }
    found
}

fn open_end(line: &str) -> Option<&'static str> {
    OPEN_ENDS.into_iter().find(|word| {
        line.match_indices(word).any(|(at, _)| {
            let after = line.get(at + word.len()..).unwrap_or_default();
            let before = line.get(..at).and_then(|before| before.chars().next_back());
            let number = after
                .strip_prefix("(#")
                .and_then(|rest| rest.split_once(')'));
            let numbered = number.is_some_and(|(digits, _)| digits.parse::<u32>().is_ok());
            !numbered && !before.is_some_and(char::is_alphanumeric)
        })
    })
}

fn machine_path(line: &str) -> Option<&'static str> {
    MACHINE_PATHS.into_iter().find(|path| {
        line.match_indices(path).any(|(at, _)| {
            let before = line.get(..at).and_then(|before| before.chars().next_back());
            !before.is_some_and(|c| c.is_alphanumeric() || matches!(c, '.' | '_' | '-' | '}' | '/'))
        })
    })
}

fn foreign_registry(line: &str) -> Option<&str> {
    let at = line.find("https://").or_else(|| line.find("http://"))?;
    let field = ["source = ", "\"resolved\":"]
        .iter()
        .any(|field| line.contains(field));
    let url = line.get(at..)?.split('"').next()?;
    (field && !REGISTRIES.iter().any(|known| url.starts_with(known))).then_some(url)
}

#[cfg(test)]
mod tests {
    use super::{MACHINE_PATHS, OPEN_ENDS, REGISTRY_WORDS, check_text};
    use crate::tidy::tree::Text;

    fn found(path: &str, text: String) -> usize {
        check_text(&Text {
            path: path.to_owned(),
            text,
        })
        .len()
    }

    #[test]
    fn words__must_refuse_open_ends_without_an_issue() {
        for word in OPEN_ENDS {
            assert_eq!(found("a.rs", format!("// {word} later")), 1, "{word}");
            assert_eq!(found("a.rs", format!("// {word}(#x): later")), 1, "{word}");
            assert_eq!(found("a.rs", format!("// {word}(#12): later")), 0, "{word}");
        }
    }

    #[test]
    fn words__must_refuse_paths_of_one_machine() {
        for path in MACHINE_PATHS {
            assert_eq!(found("a.md", format!("see `{path}me/x`")), 1, "{path}");
            assert_eq!(found("a.md", format!("see docs{path}x")), 0, "{path}");
        }
    }

    #[test]
    fn words__must_refuse_other_registries() {
        for word in REGISTRY_WORDS {
            assert_eq!(found("a.sh", format!("pip --{word} x")), 1, "{word}");
        }
        let source = |url: &str| format!("source = \"registry+{url}\"");
        assert_eq!(
            found("Cargo.lock", source("https://mirror.example/index")),
            1
        );
        assert_eq!(
            found(
                "Cargo.lock",
                source("https://github.com/rust-lang/crates.io-index")
            ),
            0
        );
        let resolved = "\"resolved\": \"http://10.0.0.1/a.tgz\",".to_owned();
        assert_eq!(found("web/package-lock.json", resolved), 1);
    }
}
