//! Rows of the attack catalogue: each has a test, and each test that is cited exists.

use std::collections::BTreeSet;

use syn::visit::{self, Visit};

use super::Violation;
use super::config::Config;
use super::source::Source;
use super::tree::{Text, Tree};

const RULE: &str = "attacks";
const PAGE: &str = "docs/past-attacks.md";

/// Checks that `docs/past-attacks.md` and the tests agree.
pub(crate) fn check(tree: &Tree, config: &Config) -> Vec<Violation> {
    let tests = test_names(&tree.sources);
    let page = tree.texts.iter().find(|text| text.path == PAGE);
    check_page(page, &tests, &config.attacks.rows)
}

fn check_page(page: Option<&Text>, tests: &BTreeSet<String>, rows: &[String]) -> Vec<Violation> {
    let Some(page) = page else {
        return vec![Violation::new(PAGE, 0, RULE, "is missing")];
    };
    let mut found = Vec::new();
    for row in rows {
        if !tests.iter().any(|name| carries(name, row)) {
            found.push(Violation::new(
                PAGE,
                0,
                RULE,
                format!("no test carries row {row}"),
            ));
        }
        if !page
            .text
            .lines()
            .any(|line| line.starts_with(&format!("## {row} ")))
        {
            found.push(Violation::new(
                PAGE,
                0,
                RULE,
                format!("no section for row {row}"),
            ));
        }
    }
    for (index, line) in page.text.lines().enumerate() {
        for name in line.split('`').filter(|word| is_test_name(word)) {
            if !tests.contains(name) {
                let why = format!("{name}: no such test");
                found.push(Violation::new(PAGE, index + 1, RULE, why));
            }
        }
    }
    found
}

/// True for `c1_c3_x__must_y` and the rows C1 and C3.
fn carries(name: &str, row: &str) -> bool {
    let is_row = |part: &&str| {
        let mut characters = part.chars();
        characters.next().is_some_and(|c| c.is_ascii_lowercase())
            && !characters.as_str().is_empty()
            && characters.all(|c| c.is_ascii_digit())
    };
    name.split('_')
        .take_while(is_row)
        .any(|part| part.eq_ignore_ascii_case(row))
}

fn is_test_name(word: &str) -> bool {
    let word_characters = |c: char| c.is_ascii_alphanumeric() || c == '_';
    word.chars().all(word_characters) && (word.contains("__must_") || word.contains("__should_"))
}

fn test_names(sources: &[Source]) -> BTreeSet<String> {
    let mut names = Names::default();
    for source in sources {
        names.visit_file(&source.file);
    }
    names.found
}

#[derive(Default)]
struct Names {
    found: BTreeSet<String>,
}

impl<'ast> Visit<'ast> for Names {
    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        let is_test = item.attrs.iter().any(|attribute| {
            attribute
                .path()
                .segments
                .last()
                .is_some_and(|segment| segment.ident == "test")
        });
        if is_test {
            self.found.insert(item.sig.ident.to_string());
        }
        visit::visit_item_fn(self, item);
    }

    /// Tests inside macros (`proptest!`, suites for every implementation) count too.
    fn visit_macro(&mut self, item: &'ast syn::Macro) {
        let text = item.tokens.to_string();
        let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        self.found
            .extend(words.filter(|word| is_test_name(word)).map(str::to_owned));
    }
}

#[cfg(test)]
mod tests {
    use super::{PAGE, carries, check_page, test_names};
    use crate::tidy::source::Source;
    use crate::tidy::tree::Text;

    fn found(page: &str, tests: &str) -> Vec<String> {
        let names = test_names(&[Source::parse("crates/a/src/x.rs", tests).unwrap()]);
        let page = Text {
            path: PAGE.to_owned(),
            text: page.to_owned(),
        };
        let rows = ["B1".to_owned()];
        check_page(Some(&page), &names, &rows)
            .into_iter()
            .map(|found| found.message)
            .collect()
    }

    const PAGE_TEXT: &str = "## B1 Threshold raising\n`b1_degree__must_be_exact`";

    #[test]
    fn attacks__should_accept_a_row_with_a_test_and_a_section() {
        let test = "#[test]\nfn b1_degree__must_be_exact() {}";
        assert_eq!(found(PAGE_TEXT, test), Vec::<String>::new());
        let in_macro = "proptest! { #[test] fn b1_degree__must_be_exact(a in 0..9) {} }";
        assert_eq!(found(PAGE_TEXT, in_macro), Vec::<String>::new());
    }

    #[test]
    fn attacks__must_notice_what_is_missing() {
        let only_named = found(PAGE_TEXT, "fn b1_degree__must_be_exact() {}");
        assert_eq!(
            only_named,
            [
                "no test carries row B1",
                "b1_degree__must_be_exact: no such test"
            ]
        );
        let test = "#[test]\nfn b1_degree__must_be_exact() {}";
        assert_eq!(found("", test), ["no section for row B1"]);
        assert_eq!(check_page(None, &Default::default(), &[]).len(), 1);
    }

    #[test]
    fn carries__should_read_whole_rows() {
        assert!(carries("c1_c3_sessions__should_be_safe", "C3"));
        assert!(!carries("c12_ban__must_hold", "C1"));
        assert!(!carries("degree_b1__must_x", "B1"));
    }
}
