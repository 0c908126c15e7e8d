//! Architecture invariant 1: no process ever holds `t` shares of one key, nor a whole private key.
//!
//! Two things are needed to put a key together, and code that ships may have neither unless
//! `xtask/tidy.toml` names its file and says why:
//!
//! 1. the weights: an identifier that contains `interpolat`, `lagrange`, `reconstruct` or
//!    `combine_shares`, or a call into a secret sharing library;
//! 2. several shares of one key in one place: a collection (slice, array, `Vec`, map, set) of
//!    `KeyShare` in a field or in a signature.
//!
//! Tests and `testkit` are exempt: they must show that the shares are those of the key.

use syn::visit::{self, Visit};

use super::Violation;
use super::config::Config;
use super::source::{Source, lines_of};

const RULE: &str = "interpolation";
const WEIGHTS: [&str; 6] = [
    "interpolat",
    "lagrange",
    "reconstruct",
    "combine_shares",
    "recover_secret",
    "vsss_rs",
];
const SHARE_TYPES: [&str; 1] = ["KeyShare"];
const COLLECTIONS: [&str; 7] = [
    "Vec", "VecDeque", "BTreeMap", "HashMap", "BTreeSet", "HashSet", "Inbox",
];

/// Checks all code that ships.
pub(crate) fn check(sources: &[Source], config: &Config) -> Vec<Violation> {
    let mut found = Vec::new();
    let mut needed = Vec::new();
    for source in sources
        .iter()
        .filter(|source| source.crate_name().is_some())
    {
        let here = check_source(source);
        if here.is_empty() {
            continue;
        }
        if config.interpolation.contains_key(&source.path) {
            needed.push(&source.path);
        } else {
            found.extend(here);
        }
    }
    let stale = config
        .interpolation
        .keys()
        .filter(|path| !needed.contains(path));
    found.extend(stale.map(|path| {
        let why = format!("{path} does not interpolate any more: remove it");
        Violation::new("xtask/tidy.toml", 0, RULE, why)
    }));
    found
}

fn check_source(source: &Source) -> Vec<Violation> {
    let mut found = Vec::new();
    for (number, line) in source.shipped_lines() {
        let lower = line.to_ascii_lowercase();
        // Naming the module or passing the function on is not using it.
        if lower.trim_start().starts_with("mod ") || lower.trim_start().starts_with("pub use ") {
            continue;
        }
        if let Some(word) = WEIGHTS.iter().find(|word| lower.contains(*word)) {
            let why = format!("`{word}`: shares must never be put together outside of tests");
            found.push(Violation::new(&source.path, number, RULE, why));
        }
    }
    let mut shares = SeveralShares {
        source,
        found: Vec::new(),
    };
    shares.visit_file(&source.file);
    found.extend(shares.found);
    found
}

/// Finds collections of shares in types.
struct SeveralShares<'a> {
    source: &'a Source,
    found: Vec<Violation>,
}

impl SeveralShares<'_> {
    fn note(&mut self, span: proc_macro2::Span) {
        let (line, _) = lines_of(span);
        if !self.source.is_test_line(line) {
            let why = "several shares of a key in one place";
            self.found
                .push(Violation::new(&self.source.path, line, RULE, why));
        }
    }
}

impl<'ast> Visit<'ast> for SeveralShares<'_> {
    fn visit_type_slice(&mut self, slice: &'ast syn::TypeSlice) {
        if holds_share(&slice.elem) {
            self.note(slice.bracket_token.span.join());
        }
        visit::visit_type_slice(self, slice);
    }

    fn visit_type_array(&mut self, array: &'ast syn::TypeArray) {
        if holds_share(&array.elem) {
            self.note(array.bracket_token.span.join());
        }
        visit::visit_type_array(self, array);
    }

    fn visit_path_segment(&mut self, segment: &'ast syn::PathSegment) {
        if COLLECTIONS.iter().any(|name| segment.ident == name)
            && let syn::PathArguments::AngleBracketed(arguments) = &segment.arguments
        {
            let types = arguments.args.iter().filter_map(|argument| match argument {
                syn::GenericArgument::Type(kind) => Some(kind),
                _ => None,
            });
            if types.into_iter().any(holds_share) {
                self.note(segment.ident.span());
            }
        }
        visit::visit_path_segment(self, segment);
    }
}

fn holds_share(kind: &syn::Type) -> bool {
    struct Finder(bool);
    impl<'ast> Visit<'ast> for Finder {
        fn visit_path_segment(&mut self, segment: &'ast syn::PathSegment) {
            self.0 |= SHARE_TYPES.iter().any(|name| segment.ident == name);
            visit::visit_path_segment(self, segment);
        }
    }
    let mut finder = Finder(false);
    finder.visit_type(kind);
    finder.0
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::tidy::config::{Config, tests::SAMPLE};
    use crate::tidy::source::Source;

    fn found(path: &str, text: &str) -> usize {
        let mut config = Config::parse(SAMPLE).unwrap();
        config.interpolation.retain(|listed, _| listed == path);
        check(&[Source::parse(path, text).unwrap()], &config).len()
    }

    const PATH: &str = "crates/a/src/x.rs";

    #[test]
    fn interpolation__must_be_found_by_its_weights() {
        assert_eq!(
            found(PATH, "fn f() { let w = lagrange_at_zero(&s, i); }"),
            1
        );
        assert_eq!(found(PATH, "fn reconstruct(a: A) {}"), 1);
        assert_eq!(found(PATH, "use vsss_rs::Gf256;"), 1);
        assert_eq!(
            found(
                PATH,
                "// interpolation\nmod lagrange;\npub use lagrange::f;"
            ),
            0
        );
    }

    #[test]
    fn interpolation__must_be_found_by_several_shares() {
        for kind in [
            "&[KeyShare<G>]",
            "Vec<KeyShare<G>>",
            "BTreeMap<u8, Arc<KeyShare<G>>>",
        ] {
            assert_eq!(
                found(PATH, &format!("fn f(shares: {kind}) {{}}")),
                1,
                "{kind}"
            );
            assert_eq!(
                found(PATH, &format!("struct S {{ shares: {kind} }}")),
                1,
                "{kind}"
            );
        }
        assert_eq!(found(PATH, "fn f(share: &KeyShare<G>, bytes: &[u8]) {}"), 0);
    }

    #[test]
    fn interpolation__should_be_allowed_in_tests_and_named_files() {
        let test = "#[cfg(test)]\nmod tests { fn f(s: &[KeyShare<G>]) { interpolate(s) } }";
        assert_eq!(found(PATH, test), 0);
        assert_eq!(
            found("crates/testkit/src/x.rs", "fn f() { interpolate() }"),
            0
        );
        let named = "crates/low/src/lagrange.rs";
        assert_eq!(found(named, "fn lagrange() {}"), 0);
        assert_eq!(found(named, "fn f() {}"), 1, "the exception is stale");
    }
}
