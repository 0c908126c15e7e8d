//! Names that say nothing: drawers such as `util`, and managers of whatever.

use syn::visit::{self, Visit};

use super::Violation;
use super::source::{Source, lines_of};
use super::tree::Tree;

const RULE: &str = "names";
const DRAWERS: [&str; 8] = [
    "common", "util", "utils", "helper", "helpers", "misc", "shared", "stuff",
];
const EMPTY_WORDS: [&str; 5] = ["Manager", "Helper", "Helpers", "Util", "Utils"];

/// Checks folders, files, modules and types.
pub(crate) fn check(tree: &Tree) -> Vec<Violation> {
    let mut found: Vec<Violation> = tree
        .sources
        .iter()
        .filter_map(|source| check_path(&source.path))
        .collect();
    for source in &tree.sources {
        found.extend(check_items(source));
    }
    found
}

fn check_path(path: &str) -> Option<Violation> {
    if path.ends_with("/mod.rs") {
        return Some(Violation::new(
            path,
            0,
            RULE,
            "mod.rs: use foo.rs beside foo/",
        ));
    }
    let mut parts = path.trim_end_matches(".rs").split('/');
    let drawer = parts.find(|part| DRAWERS.contains(part))?;
    let why = format!("`{drawer}` is a drawer: name what it holds");
    Some(Violation::new(path, 0, RULE, why))
}

fn check_items(source: &Source) -> Vec<Violation> {
    let mut items = Items {
        path: &source.path,
        found: Vec::new(),
    };
    items.visit_file(&source.file);
    items.found
}

struct Items<'a> {
    path: &'a str,
    found: Vec<Violation>,
}

impl Items<'_> {
    fn check_type(&mut self, ident: &syn::Ident) {
        let name = ident.to_string();
        if EMPTY_WORDS
            .iter()
            .any(|word| name.ends_with(word) || name.starts_with(word))
        {
            let why = format!("type `{name}`: say what it does");
            self.note(ident, why);
        }
    }

    fn note(&mut self, ident: &syn::Ident, why: String) {
        let (line, _) = lines_of(ident.span());
        self.found.push(Violation::new(self.path, line, RULE, why));
    }
}

impl<'ast> Visit<'ast> for Items<'_> {
    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        let name = item.ident.to_string();
        if DRAWERS.contains(&name.as_str()) {
            self.note(
                &item.ident,
                format!("module `{name}` is a drawer: name what it holds"),
            );
        }
        visit::visit_item_mod(self, item);
    }

    fn visit_item_struct(&mut self, item: &'ast syn::ItemStruct) {
        self.check_type(&item.ident);
    }

    fn visit_item_enum(&mut self, item: &'ast syn::ItemEnum) {
        self.check_type(&item.ident);
    }

    fn visit_item_trait(&mut self, item: &'ast syn::ItemTrait) {
        self.check_type(&item.ident);
        visit::visit_item_trait(self, item);
    }

    fn visit_item_type(&mut self, item: &'ast syn::ItemType) {
        self.check_type(&item.ident);
    }
}

#[cfg(test)]
mod tests {
    use super::{check_items, check_path};
    use crate::tidy::source::Source;

    #[test]
    fn names__must_refuse_drawers_and_mod_rs() {
        for path in [
            "crates/a/src/mod.rs",
            "crates/common/src/lib.rs",
            "crates/a/src/util.rs",
        ] {
            assert!(check_path(path).is_some(), "{path}");
        }
        assert!(check_path("crates/a/src/utility_rate.rs").is_none());
    }

    #[test]
    fn names__must_refuse_empty_words_in_types_and_modules() {
        let found = |text| check_items(&Source::parse("crates/a/src/x.rs", text).unwrap()).len();
        assert_eq!(found("struct SessionManager;"), 1);
        assert_eq!(
            found("enum HelperKind {}\ntrait Utils {}\ntype KeyHelper = u8;"),
            3
        );
        assert_eq!(found("mod misc { mod util {} }"), 2);
        assert_eq!(found("struct Session;\nmod session {}"), 0);
    }
}
