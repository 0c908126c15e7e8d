//! One parsed Rust file, and which of its lines are tests.

use proc_macro2::Span;
use syn::spanned::Spanned as _;
use syn::visit::{self, Visit};

use super::lexer::code_only;

/// A Rust file.
pub(crate) struct Source {
    /// Path from the root of the repository.
    pub(crate) path: String,
    /// Its items.
    pub(crate) file: syn::File,
    /// Its lines without comments and literals.
    pub(crate) code: Vec<String>,
    /// True if all of it is a test, an example or a development tool.
    pub(crate) is_test: bool,
    /// Lines, from 1, inside items under `#[cfg(test)]`.
    test_lines: Vec<(usize, usize)>,
}

impl Source {
    /// Parses `text`.
    ///
    /// # Errors
    /// If it is not Rust.
    pub(crate) fn parse(path: &str, text: &str) -> syn::Result<Self> {
        let file = syn::parse_file(text)?;
        let mut finder = TestItems::default();
        finder.visit_file(&file);
        Ok(Self {
            path: path.to_owned(),
            is_test: is_test_path(path),
            code: code_only(text).lines().map(str::to_owned).collect(),
            test_lines: finder.lines,
            file,
        })
    }

    /// The crate it belongs to, without `quorate-`: its folder below `crates/`.
    pub(crate) fn crate_name(&self) -> Option<&str> {
        self.path.strip_prefix("crates/")?.split('/').next()
    }

    /// True if line `line` (from 1) is a test.
    pub(crate) fn is_test_line(&self, line: usize) -> bool {
        self.is_test
            || self
                .test_lines
                .iter()
                .any(|(first, last)| (*first..=*last).contains(&line))
    }

    /// Lines of code that ship, with their numbers.
    pub(crate) fn shipped_lines(&self) -> impl Iterator<Item = (usize, &str)> {
        let numbered = self.code.iter().enumerate();
        numbered
            .map(|(index, line)| (index + 1, line.as_str()))
            .filter(|(number, _)| !self.is_test_line(*number))
    }
}

/// First and last line of a span, from 1.
pub(crate) fn lines_of(span: Span) -> (usize, usize) {
    (span.start().line, span.end().line)
}

fn is_test_path(path: &str) -> bool {
    let folders = [
        "/tests/",
        "/examples/",
        "/benches/",
        "crates/testkit/",
        "crates/bench/",
        "fuzz/",
    ];
    path.ends_with("/tests.rs") || folders.iter().any(|folder| path.contains(folder))
}

/// Files, without `.rs`, of modules that `source` declares under `#[cfg(test)]`.
pub(crate) fn test_modules(source: &Source) -> Vec<String> {
    let stem = source.path.trim_end_matches(".rs");
    let folder = match stem.rsplit_once('/') {
        Some((folder, "lib" | "main")) => folder,
        _ => stem,
    };
    let modules = source.file.items.iter().filter_map(|item| match item {
        syn::Item::Mod(module) if module.content.is_none() && is_cfg_test(&module.attrs) => {
            Some(format!("{folder}/{}", module.ident))
        }
        _ => None,
    });
    modules.collect()
}

/// True for `#[cfg(test)]` and `#[cfg(all(test, …))]`, not for `any(test, …)`, which also ships.
fn is_cfg_test(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let syn::Meta::List(list) = &attribute.meta else {
            return false;
        };
        let tokens = list.tokens.to_string();
        list.path.is_ident("cfg")
            && (tokens == "test"
                || tokens.starts_with("all (test")
                || tokens.starts_with("all(test"))
    })
}

fn is_test_function(attributes: &[syn::Attribute]) -> bool {
    let last = |path: &syn::Path| {
        path.segments
            .last()
            .is_some_and(|part| part.ident == "test")
    };
    attributes.iter().any(|attribute| last(attribute.path()))
}

#[derive(Default)]
struct TestItems {
    lines: Vec<(usize, usize)>,
}

impl TestItems {
    fn note(&mut self, attributes: &[syn::Attribute], span: Span) {
        if is_cfg_test(attributes) || is_test_function(attributes) {
            self.lines.push(lines_of(span));
        }
    }
}

impl<'ast> Visit<'ast> for TestItems {
    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        self.note(&item.attrs, item.span());
        visit::visit_item_mod(self, item);
    }

    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        self.note(&item.attrs, item.span());
        visit::visit_item_fn(self, item);
    }

    fn visit_item_impl(&mut self, item: &'ast syn::ItemImpl) {
        self.note(&item.attrs, item.span());
        visit::visit_item_impl(self, item);
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        self.note(&item.attrs, item.span());
        visit::visit_impl_item_fn(self, item);
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        self.note(&item.attrs, item.span());
    }
}

#[cfg(test)]
mod tests {
    use super::{Source, test_modules};

    #[test]
    fn source__should_know_which_lines_are_tests() {
        let text =
            "fn ships() {}\n#[cfg(test)]\nmod tests {\n    fn f() {}\n}\nfn ships_too() {}\n";
        let source = Source::parse("crates/a/src/x.rs", text).unwrap();
        let shipped: Vec<usize> = source.shipped_lines().map(|(number, _)| number).collect();
        assert_eq!(shipped, [1, 6]);
        assert_eq!(source.crate_name(), Some("a"));
        assert!(Source::parse("crates/a/tests/x.rs", "").unwrap().is_test);
        assert!(Source::parse("crates/bench/src/x.rs", "").unwrap().is_test);
    }

    #[test]
    fn test_modules__should_follow_declarations() {
        let text =
            "#[cfg(test)]\nmod toy;\nmod real;\n#[cfg(any(test, feature = \"x\"))]\nmod both;";
        let of = |path| test_modules(&Source::parse(path, text).unwrap());
        assert_eq!(of("crates/a/src/lib.rs"), ["crates/a/src/toy"]);
        assert_eq!(of("crates/a/src/b.rs"), ["crates/a/src/b/toy"]);
    }
}
