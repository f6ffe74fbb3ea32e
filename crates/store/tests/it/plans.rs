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
    for file in fs::read_dir(root.join("sql/sqlite")).unwrap() {
        let file = file.unwrap().path();
        let name = file.file_stem().unwrap().to_string_lossy().into_owned();
        let text = fs::read_to_string(&file).unwrap();
        let looks = ["SELECT", "INSERT", "UPDATE", "DELETE"];
        if !looks.iter().any(|word| text.starts_with(word)) {
            continue;
        }
        seen += 1;
        let costly = costly(&db, &text);
        let excepted = EXCEPTIONS.iter().find(|(exception, ..)| *exception == name);
        if costly != excepted.map_or(&[][..], |(_, steps, _)| steps) {
            wrong.push((name, costly));
        }
    }
    assert!(seen > 60, "{seen}");
    assert!(wrong.is_empty(), "{wrong:#?}");
}
