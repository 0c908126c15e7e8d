//! Types that hold secrets are not printed, copied or serialised by a derive.

use super::Violation;
use super::config::Config;
use super::source::{Source, lines_of};
use syn::visit::{self, Visit};

const RULE: &str = "secrets";
const FORBIDDEN: [&str; 5] = ["Debug", "Clone", "Copy", "Serialize", "Deserialize"];

/// Checks the listed types wherever they are declared.
pub(crate) fn check(sources: &[Source], config: &Config) -> Vec<Violation> {
    let mut declared = Vec::new();
    let mut found = Vec::new();
    for source in sources
        .iter()
        .filter(|source| source.crate_name().is_some())
    {
        let mut types = Types {
            source,
            config,
            declared: Vec::new(),
            found: Vec::new(),
        };
        types.visit_file(&source.file);
        declared.extend(types.declared);
        found.extend(types.found);
    }
    let stale = config
        .secrets
        .types
        .iter()
        .filter(|name| !declared.contains(name));
    found.extend(stale.map(|name| {
        let why = format!("secret type {name} does not exist: correct the list");
        Violation::new("xtask/tidy.toml", 0, RULE, why)
    }));
    found
}

struct Types<'a> {
    source: &'a Source,
    config: &'a Config,
    declared: Vec<String>,
    found: Vec<Violation>,
}

impl Types<'_> {
    /// `crate::Type`, as the list spells it.
    fn listed(&self, ident: &syn::Ident) -> Option<String> {
        let name = format!("{}::{ident}", self.source.crate_name()?);
        self.config.secrets.types.contains(&name).then_some(name)
    }

    fn check(&mut self, ident: &syn::Ident, attributes: &[syn::Attribute]) {
        let (line, _) = lines_of(ident.span());
        let Some(name) = self
            .listed(ident)
            .filter(|_| !self.source.is_test_line(line))
        else {
            return;
        };
        for derived in derives(attributes) {
            self.refuse(&name, &derived, line);
        }
        self.declared.push(name);
    }

    fn refuse(&mut self, name: &str, implemented: &str, line: usize) {
        let excepted = self.config.secrets.exceptions.get(name);
        let excepted = excepted.is_some_and(|rule| rule.derives.iter().any(|d| d == implemented));
        if FORBIDDEN.contains(&implemented) && !excepted {
            let why = format!("{name} holds a secret and must not derive {implemented}");
            self.found
                .push(Violation::new(&self.source.path, line, RULE, why));
        }
    }
}

fn derives(attributes: &[syn::Attribute]) -> Vec<String> {
    let mut names = Vec::new();
    for attribute in attributes
        .iter()
        .filter(|attribute| attribute.path().is_ident("derive"))
    {
        // An attribute that does not parse is the compiler's to refuse.
        let _ = attribute.parse_nested_meta(|meta| {
            names.extend(
                meta.path
                    .segments
                    .last()
                    .map(|segment| segment.ident.to_string()),
            );
            Ok(())
        });
    }
    names
}

impl<'ast> Visit<'ast> for Types<'_> {
    fn visit_item_struct(&mut self, item: &'ast syn::ItemStruct) {
        self.check(&item.ident, &item.attrs);
    }

    fn visit_item_enum(&mut self, item: &'ast syn::ItemEnum) {
        self.check(&item.ident, &item.attrs);
    }

    /// By hand, `Debug` can hide what is secret; a copy or a serialisation cannot.
    fn visit_item_impl(&mut self, item: &'ast syn::ItemImpl) {
        if let (Some((_, path, _)), syn::Type::Path(kind)) = (&item.trait_, &*item.self_ty)
            && let (Some(of), Some(name)) = (path.segments.last(), kind.path.segments.last())
            && of.ident != "Debug"
            && let Some(name) = self.listed(&name.ident)
        {
            let (line, _) = lines_of(of.ident.span());
            if !self.source.is_test_line(line) {
                self.refuse(&name, &of.ident.to_string(), line);
            }
        }
        visit::visit_item_impl(self, item);
    }
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::tidy::config::{Config, tests::SAMPLE};
    use crate::tidy::source::Source;

    fn found(text: &str, more: &str) -> usize {
        let config = Config::parse(&format!("{SAMPLE}\n{more}")).unwrap();
        check(
            &[Source::parse("crates/a/src/x.rs", text).unwrap()],
            &config,
        )
        .len()
    }

    #[test]
    fn secrets__must_refuse_derives() {
        for derive in [
            "Debug",
            "Clone",
            "serde::Serialize",
            "Copy, PartialEq",
            "Deserialize",
        ] {
            assert_eq!(
                found(&format!("#[derive({derive})]\nstruct Share(u8);"), ""),
                1,
                "{derive}"
            );
        }
        assert_eq!(
            found("#[derive(ZeroizeOnDrop, PartialEq)]\nenum Share {}", ""),
            0
        );
        assert_eq!(
            found("struct Share(u8);\n#[derive(Debug)]\nstruct Other;", ""),
            0
        );
    }

    #[test]
    fn secrets__must_refuse_copies_by_hand_but_not_redacted_printing() {
        assert_eq!(found("struct Share(u8);\nimpl Clone for Share {}", ""), 1);
        assert_eq!(
            found("struct Share(u8);\nimpl fmt::Debug for Share {}", ""),
            0
        );
    }

    #[test]
    fn secrets__must_notice_a_type_that_is_gone() {
        assert_eq!(found("struct Renamed(u8);", ""), 1);
    }

    #[test]
    fn secrets__should_accept_a_reasoned_exception() {
        let reason = "[secrets.exceptions]\n\"a::Share\" = { derives = [\"Clone\"], reason = \"moved between tasks\" }";
        assert_eq!(found("#[derive(Clone)]\nstruct Share(u8);", reason), 0);
        assert_eq!(
            found("#[derive(Clone, Debug)]\nstruct Share(u8);", reason),
            1
        );
    }
}
