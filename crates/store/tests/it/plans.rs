//! What the database does to answer each statement.

use std::fs;
use std::path::Path;

use rusqlite::Connection;

/// Statements that may look at whole tables or indexes, what they do, and why that is fine.
const EXCEPTIONS: &[(&str, &[&str], &str)] = &[
    ("account_list", &["SCAN accounts"], "tenants are few, and all are asked for"),
    (
        "delivery_list_of_event",
        &["USE TEMP B-TREE FOR ORDER BY"],
        "sorts the deliveries of one event, which are few",
    ),
    (
        "endpoint_living",
        &["SEARCH endpoints USING PRIMARY KEY (account_id=?)"],
        "read once, and kept",
    ),
    ("firsts", &["SCAN a"], "at the end of an import, all at once"),
    ("firsts_gone", &["SCAN attempts"], "at the end of an import, all at once"),
    (
        "event_list_of_request_oldest",
        &["USE TEMP B-TREE FOR ORDER BY"],
        "sorts the events of one request, which are few",
    ),
    (
        "highest_id",
        &["SCAN events", "SCAN a", "SEARCH d USING PRIMARY KEY (account_id=?)"],
        "at the opening: the last events, and of a few tenants the last delivery",
    ),
    (
        "key_list",
        &["SEARCH keys USING PRIMARY KEY (account_id=?)"],
        "keys are few, and all are asked for",
    ),
    (
        "notice_find",
        &["SCAN a USING INDEX sqlite_autoindex_accounts_2"],
        "of each of a few tenants one row is looked for",
    ),
    (
        "oldest",
        &[
            "SEARCH v USING INDEX events_by_id (account_id=?)",
            "SEARCH v USING PRIMARY KEY (account_id=?)",
        ],
        "of a few tenants the first event and the first delivery",
    ),
    (
        "request_count_open",
        &["SCAN (subquery-1)"],
        "counts what the statement inside has found by its index, which is bounded",
    ),
    (
        "stats",
        &[
            "SCAN deliveries USING COVERING INDEX deliveries_due",
            "SCAN deliveries USING COVERING INDEX deliveries_in_order",
        ],
        "counts what is pending, for an operator",
    ),
];

/// Says what a statement does that should not be done often: reads all rows, or sorts.
fn costly(db: &Connection, text: &str) -> Vec<String> {
    let mut statement = db.prepare(&format!("EXPLAIN QUERY PLAN {text}")).unwrap();
    // Parameters are not needed for a plan.
    let mut rows = statement.raw_query();
    let mut costly: Vec<String> = Vec::new();
    while let Some(row) = rows.next().unwrap() {
        let step: String = row.get(3).unwrap();
        let scans =
            step.starts_with("SCAN") && !step.contains("json_each") && step != "SCAN CONSTANT ROW";
        // The rows of one account are as good as all.
        let scans = scans || step.ends_with(" (account_id=?)") && !step.contains(" accounts ");
        if scans || step.contains("TEMP B-TREE") || step.contains("AUTOMATIC") {
            costly.push(step);
        }
    }
    costly
}

#[test]
fn every_statement_finds_its_rows_by_an_index() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let db = Connection::open_in_memory().unwrap();
    db.execute_batch(&fs::read_to_string(root.join("schema/sqlite.sql")).unwrap()).unwrap();
    let (mut seen, mut wrong) = (0, Vec::new());
    let folders = ["sql/sqlite", "sql/sqlite/export", "sql/sqlite/import"];
    let files = folders.map(|folder| fs::read_dir(root.join(folder)).unwrap());
    for file in files.into_iter().flatten().map(|file| file.unwrap().path()) {
        if file.is_dir() {
            continue;
        }
        let name = file.file_stem().unwrap().to_string_lossy().into_owned();
        let text = fs::read_to_string(&file).unwrap();
        let lines = text.lines().filter(|line| !line.starts_with("--"));
        let text = lines.collect::<Vec<_>>().join("\n");
        let looks = ["SELECT", "INSERT", "UPDATE", "DELETE"];
        if !looks.iter().any(|word| text.starts_with(word)) {
            continue;
        }
        seen += 1;
        let mut costly = costly(&db, &text);
        if file.parent().unwrap().ends_with("export") {
            // All rows are asked for, each once, in an order in which they stand.
            costly.retain(|step| !step.starts_with("SCAN"));
        }
        let excepted = EXCEPTIONS.iter().find(|(exception, ..)| *exception == name);
        if costly != excepted.map_or(&[][..], |(_, steps, _)| steps) {
            wrong.push((name, costly));
        }
    }
    assert!(seen > 60, "{seen}");
    assert!(wrong.is_empty(), "{wrong:#?}");
}
