//! What a review should not have to say, said by a program.
//!
//! Invariant: a rule sees paths and texts, nothing else; the same files give the same findings.
//! Left to others: what the compiler, clippy and rustfmt already say; arrows between rooms (`rooms`).

mod pages;
mod source;
mod sql;
mod text;

use crate::finding::Finding;
use crate::tree::File;

/// Looks through all files by every rule.
pub(crate) fn check(files: &[File]) -> Vec<Finding> {
    let by_file = [
        source::opens_with_its_purpose,
        source::no_mod_files,
        source::no_hash_order,
        source::to_do_names_an_issue,
        sql::only_in_files_of_store,
        sql::never_asks_for_the_time,
        text::not_too_long,
        text::no_path_of_a_machine,
        text::no_private_registry,
    ];
    let by_tree = [pages::every_problem_has_a_page, pages::every_fixture_has_a_provenance];
    let mut findings: Vec<_> =
        files.iter().flat_map(|file| by_file.iter().flat_map(move |rule| rule(file))).collect();
    findings.extend(by_tree.iter().flat_map(|rule| rule(files)));
    findings.sort();
    findings
}

/// Checks a rule against files written as text in its tests.
#[cfg(test)]
mod testing {
    use super::{File, Finding};

    pub(super) fn file(path: &str, text: &str) -> File {
        File { path: path.to_owned(), text: text.to_owned() }
    }

    pub(super) fn check(rule: fn(&File) -> Vec<Finding>, path: &str, text: &str, lines: &[usize]) {
        let found = rule(&file(path, text));
        let at: Vec<_> = found.iter().map(|finding| finding.line).collect();
        assert_eq!(at, lines, "{path}\n{text}\n{found:?}");
    }

    pub(super) fn check_tree(
        rule: fn(&[File]) -> Vec<Finding>,
        files: &[(&str, &str)],
        expected: &[&str],
    ) {
        let files: Vec<_> = files.iter().map(|(path, text)| file(path, text)).collect();
        let found: Vec<_> = rule(&files).iter().map(ToString::to_string).collect();
        assert_eq!(found, expected);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings_come_in_the_order_of_their_places() {
        let file = |path: &str, text: &str| File { path: path.to_owned(), text: text.to_owned() };
        let files = [
            file("crates/web/src/lib.rs", "use std::fmt;\n\nconst A: &str = \"SELECT 1\";\n"),
            file("crates/domain/src/mod.rs", "//! Words.\n"),
        ];
        let found: Vec<_> = check(&files).iter().map(ToString::to_string).collect();
        let places: Vec<_> = found.iter().map(|text| text.split(": ").next().unwrap()).collect();
        let expected =
            ["crates/domain/src/mod.rs:1", "crates/web/src/lib.rs:1", "crates/web/src/lib.rs:3"];
        assert_eq!(places, expected);
    }
}
