//! Rules about what belongs together: a problem code and its page, a fixture and where it came from.

use std::collections::BTreeMap;

use crate::finding::Finding;
use crate::tree::File;

/// A problem code has a page that explains it, and a page explains a code that exists.
pub(super) fn every_problem_has_a_page(files: &[File]) -> Vec<Finding> {
    let Some(catalogue) = files.iter().find(|file| file.path == CATALOGUE) else {
        return Vec::new();
    };
    let codes = codes(&catalogue.text);
    let pages: BTreeMap<&str, &File> = files
        .iter()
        .filter_map(|file| {
            let name = file.path.strip_prefix(PAGES)?.strip_suffix(".md")?;
            is_code(name).then_some((name, file))
        })
        .collect();
    let without_page =
        codes.iter().filter(|(code, _)| !pages.contains_key(*code)).map(|(code, line)| {
            Finding::new(CATALOGUE, *line, format!("`{code}` has no page; write {PAGES}{code}.md"))
        });
    let without_code =
        pages.iter().filter(|(code, _)| !codes.contains_key(*code)).map(|(code, page)| {
            let what = format!("`{code}` is not in {CATALOGUE}; add it there, or remove the page");
            Finding::new(&page.path, 1, what)
        });
    without_page.chain(without_code).collect()
}

const CATALOGUE: &str = "crates/engine/src/problem.rs";

const PAGES: &str = "docs/problems/";

/// The codes named in a text, each with the line that names it first.
fn codes(text: &str) -> BTreeMap<&str, usize> {
    let mut codes = BTreeMap::new();
    for (line, text) in (1..).zip(text.lines()) {
        for word in text.split(|char: char| !char.is_alphanumeric() && char != '_') {
            if is_code(word) {
                codes.entry(word).or_insert(line);
            }
        }
    }
    codes
}

fn is_code(word: &str) -> bool {
    word.strip_prefix('P')
        .is_some_and(|digits| digits.len() == 4 && digits.chars().all(|char| char.is_ascii_digit()))
}

/// A folder of recorded payloads says where each came from.
pub(super) fn every_fixture_has_a_provenance(files: &[File]) -> Vec<Finding> {
    let mut folders: BTreeMap<&str, Option<&File>> = BTreeMap::new();
    for file in files {
        if let Some(folder) = fixture_folder(&file.path) {
            let readme = folders.entry(folder).or_default();
            if file.path.strip_prefix(folder) == Some("/README.md") {
                *readme = Some(file);
            }
        }
    }
    folders
        .into_iter()
        .filter_map(|(folder, readme)| match readme {
            None => {
                let what = "no README.md in this folder; say where each file came from";
                Some(Finding::new(folder, 1, what))
            }
            Some(readme) if names_a_provenance(&readme.text) => None,
            Some(readme) => {
                let what =
                    "no provenance; say where each file came from, under a heading of that name";
                Some(Finding::new(&readme.path, 1, what))
            }
        })
        .collect()
}

/// The folder right below `crates/*/fixtures/` that a file lies in.
fn fixture_folder(path: &str) -> Option<&str> {
    let inside = path.strip_prefix("crates/")?.split_once('/')?.1.strip_prefix("fixtures/")?;
    let (folder, _) = inside.split_once('/')?;
    let bytes = path.len() - inside.len() + folder.len();
    path.get(..bytes)
}

fn names_a_provenance(text: &str) -> bool {
    text.to_lowercase().contains("provenance")
}

#[cfg(test)]
mod tests {
    use super::super::testing::check_tree;
    use super::*;

    #[test]
    fn a_code_without_a_page_is_found() {
        let catalogue = "//! Problems.\n\npub const GONE: &str = \"P0001\";\n";
        let found =
            "crates/engine/src/problem.rs:3: `P0001` has no page; write docs/problems/P0001.md";
        check_tree(every_problem_has_a_page, &[(CATALOGUE, catalogue)], &[found]);
        let page = ("docs/problems/P0001.md", "# Gone\n");
        check_tree(every_problem_has_a_page, &[(CATALOGUE, catalogue), page], &[]);
    }

    #[test]
    fn a_page_without_a_code_is_found() {
        let page = ("docs/problems/P0002.md", "# Lost\n");
        let found = "docs/problems/P0002.md:1: `P0002` is not in crates/engine/src/problem.rs; \
            add it there, or remove the page";
        check_tree(every_problem_has_a_page, &[(CATALOGUE, ""), page], &[found]);
        check_tree(every_problem_has_a_page, &[page], &[]);
    }

    #[test]
    fn a_word_that_only_looks_like_a_code_is_none() {
        assert!(codes("P000 P00001 AP0001 P0001x P00a1").is_empty());
    }

    #[test]
    fn a_folder_of_fixtures_names_its_provenance() {
        let payload = ("crates/dialects/fixtures/ironclad/a.json", "{}");
        let readme = "crates/dialects/fixtures/ironclad/README.md";
        let rule = every_fixture_has_a_provenance;
        let missing = "crates/dialects/fixtures/ironclad:1: no README.md in this folder; \
            say where each file came from";
        check_tree(rule, &[payload], &[missing]);
        let silent = "crates/dialects/fixtures/ironclad/README.md:1: no provenance; \
            say where each file came from, under a heading of that name";
        check_tree(rule, &[payload, (readme, "# Ironclad\n")], &[silent]);
        check_tree(
            rule,
            &[payload, (readme, "# Ironclad\n\n## Provenance\n\nWritten by hand.\n")],
            &[],
        );
        check_tree(rule, &[("crates/dialects/fixtures/README.md", "")], &[]);
    }
}
