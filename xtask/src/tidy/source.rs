//! Rules about Rust files: how they open, what they are called, what they leave undone.

use crate::finding::Finding;
use crate::rust::{self, Kind};
use crate::tree::File;

/// A file opens with `//!`: its purpose, its invariants, what it leaves to others.
pub(super) fn opens_with_its_purpose(file: &File) -> Vec<Finding> {
    if file.extension() != "rs" || file.text.trim_start().starts_with("//!") {
        return Vec::new();
    }
    vec![Finding::new(&file.path, 1, "no `//!` at the top; say in a sentence what the file is for")]
}

/// `name.rs` stands beside `name/`.
pub(super) fn no_mod_files(file: &File) -> Vec<Finding> {
    if file.name() != "mod.rs" {
        return Vec::new();
    }
    let folder = file.path.trim_end_matches("/mod.rs");
    let what = format!("files are found by name; move it to {folder}.rs");
    vec![Finding::new(&file.path, 1, what)]
}

/// Nothing in the rooms that decide may depend on the order of a hash.
pub(super) fn no_hash_order(file: &File) -> Vec<Finding> {
    if file.extension() != "rs" || !DECIDING.iter().any(|room| file.path.starts_with(room)) {
        return Vec::new();
    }
    let pieces = rust::pieces(&file.text);
    let code = pieces.iter().filter(|piece| piece.kind == Kind::Code);
    code.flat_map(rust::Piece::lines)
        .filter_map(|(line, text)| {
            let (hash, tree) = HASHES.iter().find(|(hash, _)| has_word(text, hash))?;
            let what = format!("`{hash}` has an order of chance; use `{tree}`");
            Some(Finding::new(&file.path, line, what))
        })
        .collect()
}

const DECIDING: [&str; 3] = ["crates/domain/", "crates/dialects/", "crates/engine/"];

const HASHES: [(&str, &str); 2] = [("HashMap", "BTreeMap"), ("HashSet", "BTreeSet")];

/// What is left for later names the issue that will not forget it.
pub(super) fn to_do_names_an_issue(file: &File) -> Vec<Finding> {
    let lines: Vec<(usize, &str)> = match file.extension() {
        "rs" => {
            let pieces = rust::pieces(&file.text);
            let comments = pieces.iter().filter(|piece| piece.kind == Kind::Comment);
            comments.flat_map(rust::Piece::lines).collect()
        }
        "sql" | "toml" | "sh" | "ts" | "css" | "html" => (1..).zip(file.text.lines()).collect(),
        _ => Vec::new(),
    };
    lines
        .into_iter()
        .filter(|(_, text)| LATER.iter().any(|word| has_word(text, word)) && !names_an_issue(text))
        .map(|(line, _)| {
            Finding::new(&file.path, line, "name the issue, as in `(#12)`, or do it now")
        })
        .collect()
}

const LATER: [&str; 2] = ["TODO", "FIXME"];

fn names_an_issue(text: &str) -> bool {
    let numbers = text.split('#').skip(1).chain(text.split("/issues/").skip(1));
    numbers.into_iter().any(|after| after.starts_with(|first: char| first.is_ascii_digit()))
}

fn has_word(text: &str, word: &str) -> bool {
    text.split(|char: char| !char.is_alphanumeric() && char != '_').any(|found| found == word)
}

#[cfg(test)]
mod tests {
    use super::super::testing::check;
    use super::*;

    #[test]
    fn a_file_without_a_purpose_is_found() {
        check(opens_with_its_purpose, "crates/domain/src/lib.rs", "//! Words.\n", &[]);
        check(opens_with_its_purpose, "crates/domain/src/lib.rs", "use std::fmt;\n", &[1]);
        check(opens_with_its_purpose, "crates/domain/src/lib.rs", "", &[1]);
        check(opens_with_its_purpose, "docs/words.md", "# Words\n", &[]);
    }

    #[test]
    fn a_mod_file_is_found() {
        check(no_mod_files, "crates/domain/src/event/mod.rs", "//! Events.\n", &[1]);
        check(no_mod_files, "crates/domain/src/model.rs", "//! Events.\n", &[]);
    }

    #[test]
    fn a_hash_is_found_in_the_rooms_that_decide() {
        let text = "//! A HashMap.\nuse std::collections::HashMap;\nlet a = \"HashMap\";\n";
        check(no_hash_order, "crates/engine/src/lib.rs", text, &[2]);
        check(no_hash_order, "crates/store/src/lib.rs", text, &[]);
        check(no_hash_order, "crates/domain/src/lib.rs", "struct MyHashMap;\n", &[]);
    }

    #[test]
    fn what_is_left_for_later_names_an_issue() {
        let path = "crates/web/src/lib.rs";
        check(to_do_names_an_issue, path, "// TODO: tidy up.\n", &[1]);
        check(to_do_names_an_issue, path, "/* a\n FIXME */\n", &[2]);
        check(to_do_names_an_issue, path, "// TODO(#12): tidy up.\n", &[]);
        check(to_do_names_an_issue, path, "// TODO: example.org/issues/7\n", &[]);
        check(to_do_names_an_issue, path, "let a = \"TODO\"; // Mastodon.\n", &[]);
        check(to_do_names_an_issue, "scripts/setup.sh", "true # TODO later\n", &[1]);
        check(to_do_names_an_issue, "docs/style.md", "A `TODO` names an issue or goes.\n", &[]);
    }
}
