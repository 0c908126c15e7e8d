//! Links between documents lead somewhere, and so do citations of documents in code.

use std::collections::BTreeMap;

use super::Violation;
use super::tree::Text;

const RULE: &str = "docs";

/// Checks links in every Markdown file, and citations in every file.
pub(crate) fn check(texts: &[Text]) -> Vec<Violation> {
    let files: BTreeMap<&str, &str> = texts
        .iter()
        .map(|text| (text.path.as_str(), text.text.as_str()))
        .collect();
    let mut found = Vec::new();
    for text in texts {
        if text.path.ends_with(".md") {
            found.extend(check_links(text, &files));
        }
        // The samples below cite documents that do not exist.
        let cites = text.path.ends_with(".rs") || text.path.ends_with(".proto");
        if cites && !text.path.starts_with("xtask/src/tidy/docs") {
            found.extend(check_citations(text, &files));
        }
    }
    found
}

fn check_links(text: &Text, files: &BTreeMap<&str, &str>) -> Vec<Violation> {
    let mut found = Vec::new();
    for (index, line) in text.text.lines().enumerate() {
        for (at, _) in line.match_indices("](") {
            let rest = line.get(at + 2..).unwrap_or_default();
            let Some((target, _)) = rest.split_once(')') else {
                continue;
            };
            if target.contains("://") || target.starts_with("mailto:") {
                continue;
            }
            if let Err(why) = resolve(&text.path, target, files) {
                found.push(Violation::new(&text.path, index + 1, RULE, why));
            }
        }
    }
    found
}

fn resolve(from: &str, target: &str, files: &BTreeMap<&str, &str>) -> Result<(), String> {
    let (path, anchor) = target.split_once('#').unwrap_or((target, ""));
    let file = if path.is_empty() {
        from.to_owned()
    } else {
        join(from, path)
    };
    let folder = format!("{}/", file.trim_end_matches('/'));
    let Some(text) = files.get(file.as_str()) else {
        let is_folder = files.keys().any(|known| known.starts_with(&folder));
        return if is_folder {
            Ok(())
        } else {
            Err(format!("link to {target}: no such file"))
        };
    };
    let headings = text.lines().filter(|line| line.starts_with('#'));
    if anchor.is_empty() || headings.map(slug).any(|slug| slug == anchor) {
        return Ok(());
    }
    Err(format!("link to {target}: no such heading"))
}

fn join(from: &str, path: &str) -> String {
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in path.split('/') {
        match part {
            "." | "" => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}

/// The anchor of a heading, as code hosts make it.
fn slug(heading: &str) -> String {
    let text = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = text
        .chars()
        .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

fn check_citations(text: &Text, files: &BTreeMap<&str, &str>) -> Vec<Violation> {
    let mut found = Vec::new();
    for (at, _) in text.text.match_indices("docs/") {
        let rest = text.text.get(at..).unwrap_or_default();
        let in_path = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '-' | '_' | '.');
        let path = rest
            .split(|c| !in_path(c))
            .next()
            .unwrap_or_default()
            .trim_end_matches('.');
        let inside = text
            .text
            .get(..at)
            .and_then(|before| before.chars().next_back());
        if !path.ends_with(".md") || inside.is_some_and(|c| c.is_ascii_alphanumeric()) {
            continue;
        }
        let line = text
            .text
            .get(..at)
            .unwrap_or_default()
            .lines()
            .count()
            .max(1);
        let Some(document) = files.get(path) else {
            found.push(Violation::new(
                &text.path,
                line,
                RULE,
                format!("{path}: no such file"),
            ));
            continue;
        };
        let after = rest.get(path.len()..).unwrap_or_default();
        if let Some(section) = cited_section(after)
            && !has_section(document, &section)
        {
            let why = format!("{path} has no §{section}");
            found.push(Violation::new(&text.path, line, RULE, why));
        }
    }
    found
}

/// The number after `§`, if the citation has one, also on the next comment line.
fn cited_section(after: &str) -> Option<String> {
    let skipped = |c: char| c.is_whitespace() || matches!(c, '`' | ',' | '/' | '!' | '*');
    let number = after
        .trim_start_matches(skipped)
        .strip_prefix('§')?
        .trim_start();
    let end = number
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(number.len());
    let number = number.get(..end)?.trim_end_matches('.');
    (!number.is_empty()).then(|| number.to_owned())
}

/// A heading or a numbered step that starts with the number.
fn has_section(document: &str, section: &str) -> bool {
    let marks = |c: char| c.is_whitespace() || matches!(c, '#' | '*' | '-' | '|' | '`' | '§');
    document.lines().any(|line| {
        let rest = line.trim_start_matches(marks).strip_prefix(section);
        let rest = rest.map(|rest| rest.strip_prefix('.').unwrap_or(rest));
        rest.is_some_and(|rest| !rest.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '.'))
    })
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::tidy::tree::Text;

    fn found(path: &str, content: &str) -> Vec<String> {
        let text = |path: &str, text: &str| Text {
            path: path.to_owned(),
            text: text.to_owned(),
        };
        let documents = [
            text(
                "docs/a.md",
                "# A\n## 1. First part\n1.2 A step.\n## 10. Last\n",
            ),
            text("README.md", "# Top\n"),
            text(path, content),
        ];
        check(&documents)
            .into_iter()
            .map(|violation| violation.message)
            .collect()
    }

    #[test]
    fn links__must_lead_to_a_file_and_a_heading() {
        for good in [
            "a.md",
            "../README.md",
            "a.md#1-first-part",
            "../docs",
            "https://x.org/y",
        ] {
            assert_eq!(
                found("docs/b.md", &format!("see [x]({good})")),
                Vec::<String>::new()
            );
        }
        for bad in ["c.md", "../a.md", "a.md#second-part", "#nowhere"] {
            assert_eq!(
                found("docs/b.md", &format!("see [x]({bad})")).len(),
                1,
                "{bad}"
            );
        }
    }

    #[test]
    fn citations__must_name_a_document_and_a_section() {
        let path = "crates/a/src/x.rs";
        for good in [
            "docs/a.md",
            "`docs/a.md` §1.2",
            "docs/a.md §10",
            "docs/a.md\n/// §1.",
        ] {
            assert_eq!(
                found(path, &format!("/// {good}")),
                Vec::<String>::new(),
                "{good}"
            );
        }
        for bad in [
            "docs/c.md",
            "docs/a.md §2",
            "`docs/a.md`, §1.3",
            "docs/a.md\n/// §9",
        ] {
            assert_eq!(found(path, &format!("/// {bad}")).len(), 1, "{bad}");
        }
    }
}
