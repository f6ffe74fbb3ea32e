//! Rules about SQL: where it may stand, and that no statement reads a clock.
//!
//! The two databases need not have statements of the same names: each does a verb in its own way, one row after the
//! other beside the disk, or whole batches where each statement is a way there and back. That both do the same is what
//! the contracts of `store` are for.
//! Left to others: whether a statement is right; the tests of `store` prepare and run each.

use crate::finding::Finding;
use crate::rust::{self, Kind};
use crate::tree::File;

/// SQL stands in files of `store`, and Rust takes it from there with `include_str!`.
///
/// Tests and measurements of `store` may say SQL of their own, to look at a database from outside; so may the yardsticks
/// of `bench`, which measure a database without the service.
pub(super) fn only_in_files_of_store(file: &File) -> Vec<Finding> {
    let outside = ["crates/store/tests/", "crates/store/examples/", "bench/src/yardstick/"];
    if outside.iter().any(|folder| file.path.starts_with(folder)) {
        return Vec::new();
    }
    if file.extension() == "sql" && !file.path.starts_with("crates/store/") {
        let what = "SQL stands only in crates/store; ask it there, through a verb or a view";
        return vec![Finding::new(&file.path, 1, what)];
    }
    if file.extension() != "rs" {
        return Vec::new();
    }
    let advice = if file.path.starts_with("crates/store/") {
        "SQL in Rust; move it to crates/store/sql and take it with `include_str!`"
    } else {
        "SQL outside store; ask through a verb or a view"
    };
    let pieces = rust::pieces(&file.text);
    let literals = pieces.iter().filter(|piece| piece.kind == Kind::Literal);
    literals
        .filter(|literal| is_sql(literal.inner()))
        .map(|literal| Finding::new(&file.path, literal.line, advice))
        .collect()
}

/// Sees statements as they are commonly written, in capitals.
fn is_sql(text: &str) -> bool {
    // A literal may go on after `\` and a line's end, or begin on a line of its own.
    let text = text.trim_start_matches(['\\', '\n', ' ']);
    let words: Vec<&str> = text.split_whitespace().take(4).collect();
    matches!(
        words.as_slice(),
        ["SELECT" | "PRAGMA" | "WITH", _, ..]
            | ["INSERT", "INTO" | "OR", ..]
            | ["DELETE", "FROM", ..]
            | ["UPDATE", _, "SET", ..]
            | ["CREATE" | "ALTER" | "DROP", "TABLE" | "INDEX" | "UNIQUE" | "VIEW" | "TRIGGER", ..]
            | ["BEGIN", "IMMEDIATE" | "EXCLUSIVE" | "DEFERRED", ..]
    )
}

/// Time comes into a statement as a parameter, or the simulator's days would be lies.
pub(super) fn never_asks_for_the_time(file: &File) -> Vec<Finding> {
    if file.extension() != "sql" {
        return Vec::new();
    }
    (1..)
        .zip(file.text.lines())
        .filter(|(_, text)| asks_for_the_time(text.split("--").next().unwrap_or("")))
        .map(|(line, _)| {
            let what = "the database is asked for the time; take it as a parameter";
            Finding::new(&file.path, line, what)
        })
        .collect()
}

fn asks_for_the_time(statement: &str) -> bool {
    let statement = statement.to_lowercase();
    let calls = |name: &str| {
        statement.match_indices(name).any(|(at, _)| {
            let before = statement.get(..at).and_then(|before| before.chars().next_back());
            let after = statement.get(at + name.len()..).unwrap_or("");
            // A parameter such as `:now` is a time handed in.
            let part_of_a_name = |char: char| char.is_alphanumeric() || "_:@$.".contains(char);
            !before.is_some_and(part_of_a_name) && after.trim_start().starts_with('(')
        })
    };
    let words = statement.split(|char: char| !char.is_alphanumeric() && char != '_');
    CLOCKS.into_iter().any(calls)
        || words.into_iter().any(|word| CLOCK_WORDS.contains(&word))
        || statement.contains("'now'")
}

const CLOCKS: [&str; 4] =
    ["now", "clock_timestamp", "statement_timestamp", "transaction_timestamp"];

const CLOCK_WORDS: [&str; 5] =
    ["current_timestamp", "current_time", "current_date", "localtimestamp", "localtime"];

#[cfg(test)]
mod tests {
    use super::super::testing::check;
    use super::*;

    #[test]
    fn sql_in_rust_is_found() {
        let rule = only_in_files_of_store;
        for path in ["crates/web/src/lib.rs", "crates/store/src/sqlite.rs", "bench/src/main.rs"] {
            check(rule, path, "db.query(\n    \"SELECT a FROM b\",\n);\n", &[2]);
            check(rule, path, "let a = r#\"\n  INSERT INTO a VALUES (1)\"#;\n", &[1]);
            check(rule, path, "let a = \"UPDATE a SET b = 1\";\n", &[1]);
            check(rule, path, "let a = \"DELETE FROM a\";\n", &[1]);
            check(rule, path, "let a = \"CREATE TABLE a (b)\";\n", &[1]);
            check(rule, path, "let a = \"PRAGMA journal_mode\";\n", &[1]);
        }
        check(rule, "crates/store/tests/it/main.rs", "let a = \"SELECT 1 FROM b\";\n", &[]);
    }

    #[test]
    fn methods_paths_and_prose_are_no_sql() {
        let text = "let a = [\"DELETE\", \"DELETE /requests/{id}\", \"SELECT\", \"UPDATE me\"];\n\
            // SELECT a FROM b\nlet b = include_str!(\"../sql/sqlite/lease.sql\");\n";
        check(only_in_files_of_store, "crates/web/src/lib.rs", text, &[]);
    }

    #[test]
    fn a_file_of_sql_outside_store_is_found() {
        check(only_in_files_of_store, "crates/web/src/a.sql", "", &[1]);
        check(only_in_files_of_store, "crates/store/sql/sqlite/lease.sql", "", &[]);
    }

    #[test]
    fn a_statement_that_reads_a_clock_is_found() {
        let path = "crates/store/sql/sqlite/lease.sql";
        for statement in [
            "WHERE a < now()",
            "WHERE a < NOW ()",
            "VALUES (CURRENT_TIMESTAMP)",
            "datetime('now')",
            "strftime('%s', 'now')",
            "clock_timestamp()",
        ] {
            check(never_asks_for_the_time, path, &format!("-- Leases.\n{statement}\n"), &[2]);
        }
    }

    #[test]
    fn a_time_that_is_handed_in_is_fine() {
        let path = "crates/store/sql/sqlite/lease.sql";
        let text = "-- Never now().\nWHERE due_at <= :now AND a IN (:now) AND known(:now)\n";
        check(never_asks_for_the_time, path, text, &[]);
    }
}
