//! Sizes: files and functions that ship stay short, or somebody said why not.

use proc_macro2::Span;
use syn::spanned::Spanned as _;
use syn::visit::{self, Visit};

use super::Violation;
use super::config::Config;
use super::source::{Source, lines_of};

const RULE: &str = "sizes";
/// Lines of a file, tests not counted.
const MAX_FILE_LINES: usize = 600;
/// Lines of a function, from `fn` to its closing brace.
const MAX_FUNCTION_LINES: usize = 70;

/// Checks all files and functions.
pub(crate) fn check(sources: &[Source], config: &Config) -> Vec<Violation> {
    let mut found = Vec::new();
    let mut long = Vec::new();
    for source in sources.iter().filter(|source| !source.is_test) {
        let lines = source.shipped_lines().count();
        let limit = config
            .long_files
            .get(&source.path)
            .map_or(MAX_FILE_LINES, |file| file.lines);
        if lines > MAX_FILE_LINES {
            long.push(source.path.clone());
        }
        if lines > limit {
            let why = format!("{lines} lines, the limit is {limit}: split it by concept");
            found.push(Violation::new(&source.path, 0, RULE, why));
        }
        let mut functions = Functions {
            source,
            found: Vec::new(),
        };
        functions.visit_file(&source.file);
        for (name, line, lines) in functions.found {
            let key = format!("{}::{name}", source.path);
            let limit = config.long_functions.get(&key);
            let limit = limit.map_or(MAX_FUNCTION_LINES, |function| function.lines);
            if lines > MAX_FUNCTION_LINES {
                long.push(key);
            }
            if lines > limit {
                let why = format!("fn {name} has {lines} lines, the limit is {limit}");
                found.push(Violation::new(&source.path, line, RULE, why));
            }
        }
    }
    let decided = config.long_files.keys().chain(config.long_functions.keys());
    found.extend(decided.filter(|name| !long.contains(name)).map(|name| {
        let why = format!("{name} is short or gone: remove it");
        Violation::new("xtask/tidy.toml", 0, RULE, why)
    }));
    found
}

struct Functions<'a> {
    source: &'a Source,
    found: Vec<(String, usize, usize)>,
}

impl Functions<'_> {
    fn note(&mut self, signature: &syn::Signature, body: Span) {
        let (first, _) = lines_of(signature.span());
        let (_, last) = lines_of(body);
        if !self.source.is_test_line(first) {
            self.found
                .push((signature.ident.to_string(), first, last + 1 - first));
        }
    }
}

impl<'ast> Visit<'ast> for Functions<'_> {
    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        self.note(&item.sig, item.block.span());
        visit::visit_item_fn(self, item);
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        self.note(&item.sig, item.block.span());
        visit::visit_impl_item_fn(self, item);
    }
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::tidy::config::{Config, tests::SAMPLE};
    use crate::tidy::source::Source;

    fn found(text: &str, decided: &str) -> Vec<String> {
        let config = Config::parse(&format!("{SAMPLE}\n{decided}")).unwrap();
        let sources = [Source::parse("crates/a/src/x.rs", text).unwrap()];
        check(&sources, &config)
            .into_iter()
            .map(|violation| violation.message)
            .collect()
    }

    fn long_function(lines: usize) -> String {
        format!("fn f() {{\n{}}}\n", "    g();\n".repeat(lines - 2))
    }

    #[test]
    fn sizes__must_refuse_a_long_function() {
        assert_eq!(found(&long_function(70), ""), Vec::<String>::new());
        assert_eq!(
            found(&long_function(71), ""),
            ["fn f has 71 lines, the limit is 70"]
        );
        let method = format!("impl A {{ {} }}", long_function(71));
        assert_eq!(found(&method, "").len(), 1);
        let test = format!("#[cfg(test)] mod tests {{ {} }}", long_function(90));
        assert_eq!(found(&test, ""), Vec::<String>::new());
    }

    #[test]
    fn sizes__must_refuse_a_long_file() {
        let text = "const A: u8 = 0;\n".repeat(601);
        assert_eq!(found(&text, "").len(), 1);
        assert_eq!(
            found(&"const A: u8 = 0;\n".repeat(600), ""),
            Vec::<String>::new()
        );
    }

    #[test]
    fn sizes__should_accept_a_decision_while_it_is_needed() {
        let decided = "[long_functions]\n\"crates/a/src/x.rs::f\" = { lines = 75, reason = \"one table of states\" }";
        assert_eq!(found(&long_function(75), decided), Vec::<String>::new());
        assert_eq!(found(&long_function(76), decided).len(), 1);
        assert_eq!(found(&long_function(9), decided).len(), 1);
    }
}
