//! Rules about any file: how long it may be, and that it speaks of nobody's machine.

use crate::finding::Finding;
use crate::tree::File;

/// A file of code has its wall at [`LINES_MAX`].
pub(super) fn not_too_long(file: &File) -> Vec<Finding> {
    if !["rs", "sql", "ts", "js", "css", "html", "sh"].contains(&file.extension()) {
        return Vec::new();
    }
    judge_length(file, &KNOWN)
}

const LINES_MAX: usize = 600;

/// Files that were longer when the wall was built, with a number that may only shrink.
const KNOWN: [(&str, usize); 0] = [];

fn judge_length(file: &File, known: &[(&str, usize)]) -> Vec<Finding> {
    let lines = file.text.lines().count();
    let known = known.iter().find(|(path, _)| *path == file.path).map(|(_, lines)| *lines);
    let what = match known {
        None if lines > LINES_MAX => {
            format!(
                "{lines} lines, the wall stands at {LINES_MAX}; split it by what its parts are for"
            )
        }
        Some(before) if lines > before => {
            format!("{lines} lines, {before} are known; a known file may only shrink")
        }
        Some(_) if lines <= LINES_MAX => {
            "no longer too long; take it off the list in xtask/src/tidy/text.rs".to_owned()
        }
        Some(before) if lines < before => {
            format!("{lines} lines, {before} are known; lower the number in xtask/src/tidy/text.rs")
        }
        None | Some(_) => return Vec::new(),
    };
    vec![Finding::new(&file.path, lines.max(1), what)]
}

/// What works only on somebody's machine does not work.
pub(super) fn no_path_of_a_machine(file: &File) -> Vec<Finding> {
    (1..)
        .zip(file.text.lines())
        .filter_map(|(line, text)| {
            let folder = FOLDERS.iter().find(|folder| names_path(text, folder))?;
            let what = format!(
                "a path under /{folder} exists on one machine; use one from the project's root"
            );
            Some(Finding::new(&file.path, line, what))
        })
        .collect()
}

/// Without their slashes, so that this file does not find itself.
const FOLDERS: [&str; 4] = ["home", "work", "root", "Users"];

/// A path stands at the beginning of a word; `https://example.com/home/` is none.
fn names_path(text: &str, folder: &str) -> bool {
    let path = format!("/{folder}/");
    text.match_indices(&path).any(|(at, _)| {
        let before = text.get(..at).and_then(|before| before.chars().next_back());
        before.is_none_or(|char| char.is_whitespace() || "\"'`=(:<[,".contains(char))
    })
}

/// Everybody builds from the public registry, by whatever way their own settings lead there.
pub(super) fn no_private_registry(file: &File) -> Vec<Finding> {
    let lock = file.name() == "Cargo.lock";
    if !lock && file.name().contains("lock") {
        return Vec::new();
    }
    (1..)
        .zip(file.text.lines())
        .filter(|(_, text)| {
            let foreign = lock && text.starts_with("source = ") && !text.contains(DEFAULT_REGISTRY);
            foreign || HOSTS.iter().any(|(name, end)| text.contains(&format!("{name}.{end}")))
        })
        .map(|(line, _)| {
            let what =
                "names where packages are fetched from; leave that to everybody's own settings";
            Finding::new(&file.path, line, what)
        })
        .collect()
}

const DEFAULT_REGISTRY: &str = "\"registry+https://github.com/rust-lang/crates.io-index\"";

/// Without their last dots, so that this file does not find itself.
const HOSTS: [(&str, &str); 6] = [
    ("index.crates", "io"),
    ("static.crates", "io"),
    ("pypi", "org"),
    ("files.pythonhosted", "org"),
    ("registry.npmjs", "org"),
    ("proxy.golang", "org"),
];

#[cfg(test)]
mod tests {
    use super::super::testing::{check, file};
    use super::*;

    #[test]
    fn a_file_stops_at_the_wall() {
        let path = "crates/domain/src/lib.rs";
        check(not_too_long, path, &"//\n".repeat(600), &[]);
        check(not_too_long, path, &"//\n".repeat(601), &[601]);
        check(not_too_long, "CHANGELOG.md", &"-\n".repeat(601), &[]);
    }

    #[test]
    fn a_known_long_file_may_only_shrink() {
        let known = [("a.rs", 700)];
        let judged = |lines: usize| {
            let found = judge_length(&file("a.rs", &"//\n".repeat(lines)), &known);
            found.first().map(|finding| finding.what.split_once(' ').unwrap().1.to_owned())
        };
        assert_eq!(judged(700), None);
        assert!(judged(701).unwrap().ends_with("may only shrink"));
        assert!(judged(699).unwrap().contains("lower the number"));
        assert!(judged(600).unwrap().contains("take it off"));
    }

    #[test]
    fn a_path_of_a_machine_is_found() {
        for folder in FOLDERS {
            check(no_path_of_a_machine, "docs/testing.md", &format!("a\ncd /{folder}/me\n"), &[2]);
            check(no_path_of_a_machine, "a.rs", &format!("let a = \"/{folder}/me\";\n"), &[1]);
        }
    }

    #[test]
    fn a_path_inside_the_project_or_a_url_is_fine() {
        let text = "see https://example.com/home/1 and docs/home/a.md and /homestead/\n";
        check(no_path_of_a_machine, "docs/testing.md", text, &[]);
    }

    #[test]
    fn the_host_of_a_registry_is_found() {
        for (name, end) in HOSTS {
            let text = format!("# a\nindex = \"https://{name}.{end}/simple\"\n");
            check(no_private_registry, "scripts/setup.sh", &text, &[2]);
        }
        check(no_private_registry, "README.md", "See crates.io.\n", &[]);
    }

    #[test]
    fn a_lock_file_knows_one_registry() {
        let text = format!("source = {DEFAULT_REGISTRY}\n");
        check(no_private_registry, "Cargo.lock", &text, &[]);
        let text = "source = \"sparse+https://mirror.example/\"\n";
        check(no_private_registry, "Cargo.lock", text, &[1]);
    }
}
