//! What the database does to answer each statement, when it is full.

use std::fs;
use std::path::{Path, PathBuf};

use tokio_postgres::{Client, SimpleQueryMessage};

use super::database::Database;

/// Statements that may look at whole tables, or sort many rows, and why that is fine.
const EXCEPTIONS: &[(&str, &str)] = &[
    ("account_list", "tenants are few, and all are asked for"),
    ("meta_read", "figures are few"),
    ("node_leases", "counts what is leased, for an operator"),
    ("queue_standing", "counts what is due, for an operator"),
    ("node_list", "nodes are few, and all are asked for"),
    ("notice_find", "tenants are few, and of each one row is looked for"),
    ("oldest", "tenants are few, and of each the first is looked for"),
    ("queue_lags", "looks for what is leased, which no index tells"),
    ("queue_endpoints", "walks what it has found"),
    ("highest", "walks what it has found"),
    ("standing", "looks whether there is any row at all"),
    ("stats", "counts what is pending, for an operator"),
    ("timer_free", "once for each node that died"),
    ("timer_next", "a bounded number is claimed"),
    ("writer_raise", "a node has three"),
];

/// Fills every table that grows.
const FILL: &str = "
    INSERT INTO events (account_id, id, request_id, seq, at, test, name, data, link_seq, link_hash)
    SELECT md5((i % 20)::text)::uuid, md5(i::text)::uuid,
           CASE WHEN i % 3 = 0 THEN md5((i % 900)::text)::uuid END, i, i, false, 'custom.a', 'x',
           CASE WHEN i % 3 = 0 THEN i END, CASE WHEN i % 3 = 0 THEN 'x'::bytea END FROM generate_series(1, 20000) i;
    INSERT INTO deliveries (account_id, id, event_id, endpoint_id, cause_id, created_at, attempts, cause, state)
    SELECT md5((i % 20)::text)::uuid, md5(i::text)::uuid, md5(i::text)::uuid, md5((i % 200)::text)::uuid,
           md5('0')::uuid, i, 0, 'event', 'pending' FROM generate_series(1, 20000) i;
    INSERT INTO queue (account_id, delivery_id, endpoint_id, node_id, due_at, bytes, held, cause, order_key, turn)
    SELECT md5((i % 20)::text)::uuid, md5(i::text)::uuid, md5((i % 200)::text)::uuid,
           CASE WHEN i % 10 = 0 THEN md5('n')::uuid END, i, 1, i % 10 = 1, 'event',
           CASE WHEN i % 10 = 1 THEN 'k'::bytea END, CASE WHEN i % 10 = 1 THEN i END FROM generate_series(1, 20000) i;
    INSERT INTO attempts (account_id, delivery_id, id, at, number, took_ms, body_digest, url, outcome)
    SELECT md5((i % 20)::text)::uuid, md5(i::text)::uuid, md5(i::text)::uuid, i, 1, 1, 'x', 'x', 'x'
    FROM generate_series(1, 20000) i;
    INSERT INTO failures SELECT account_id, endpoint_id, delivery_id, 'exhausted' FROM queue;
    INSERT INTO heads SELECT DISTINCT account_id, request_id, 1, 'x'::bytea FROM events WHERE request_id IS NOT NULL;
    INSERT INTO timeline (account_id, request_id, id, seq, at, what, digest, hash)
    SELECT account_id, request_id, id, seq, at, 'event', 'x', 'x' FROM events WHERE request_id IS NOT NULL;
    INSERT INTO requests (account_id, id, version, archived, status, body)
    SELECT account_id, id, 1, false, 'sent', 'x' FROM deliveries;
    INSERT INTO contacts (account_id, id, version, body) SELECT account_id, id, 1, 'x' FROM deliveries;
    INSERT INTO endpoints (account_id, id, version, dialect, scope, status, url, body, sealed)
    SELECT account_id, id, 1, 'standard', 'registered', 'enabled', id::text, 'x', 'x' FROM deliveries;
    INSERT INTO editions SELECT md5(i::text)::uuid, 1 FROM generate_series(1, 5000) i;
    INSERT INTO keys SELECT account_id, id, id::text::bytea, 'x' FROM deliveries;
    INSERT INTO links SELECT account_id, id, id, id::text::bytea FROM deliveries;
    INSERT INTO replays SELECT account_id, id, endpoint_id, 'x' FROM deliveries;
    INSERT INTO replies SELECT account_id, created_at, 200, id::text::bytea, 'x', 'x' FROM deliveries;
    INSERT INTO timers SELECT account_id, id, NULL, created_at, 'probe' FROM deliveries;
    INSERT INTO accounts SELECT md5(i::text)::uuid, i, i::text, 'x' FROM generate_series(1, 5000) i;
    INSERT INTO notices SELECT md5((i % 50)::text)::uuid, md5(i::text)::uuid, md5((i / 5)::text)::uuid, 1, i::text, 'x'
        FROM generate_series(1, 5000) i;
    INSERT INTO settings SELECT md5((i % 50)::text)::uuid, 1, 'provider', i::text, 'x', NULL
        FROM generate_series(1, 5000) i;
    ANALYZE;
";

/// Statements that may walk along an index from its start, and why that is fine.
const WALKS: &[(&str, &str)] = &[
    ("node_leases", "counts what is leased, for an operator"),
    ("queue_endpoints", "takes the first, and begins behind what it has found"),
    ("queue_lags", "takes the first, and begins behind what it has found"),
    ("timer_next", "takes the first few that are due, in the order of the index"),
];

/// Gives the lines of a plan that is made for any arguments.
async fn plan(client: &Client, name: &str, text: &str) -> Vec<String> {
    let statement = client.prepare(text).await.unwrap_or_else(|error| panic!("{name}: {error:?}"));
    let arguments: Vec<&str> = statement.params().iter().map(|_| "NULL").collect();
    let arguments = match arguments.as_slice() {
        [] => String::new(),
        arguments => format!("({})", arguments.join(", ")),
    };
    client.batch_execute(&format!("PREPARE it AS {text}")).await.unwrap();
    let plan = client.simple_query(&format!("EXPLAIN EXECUTE it{arguments}")).await.unwrap();
    client.batch_execute("DEALLOCATE it").await.unwrap();
    let lines = plan.iter().filter_map(|message| {
        let SimpleQueryMessage::Row(row) = message else { return None };
        row.get(0)
    });
    lines.map(|line| line.trim().to_owned()).collect()
}

/// Names the tables that a plan reads from end to end.
fn scanned(plan: &[String]) -> Vec<String> {
    let costly = |line: &&String| {
        line.contains("Seq Scan on") || line.contains("Hash Join") || line.contains("Merge Join")
    };
    plan.iter().filter(costly).cloned().collect()
}

/// Names the indexes that a plan goes through from their start, since nothing says where to begin.
fn walked(plan: &[String]) -> Vec<String> {
    let follows = |line: &str| line.starts_with("Index Cond:");
    let pairs = plan.iter().zip(plan.iter().skip(1).map(String::as_str).chain([""]));
    pairs
        .filter(|(line, next)| line.contains("Index Scan") && !follows(next))
        .map(|(line, _)| line.clone())
        .collect()
}

/// Names the indexes that a plan goes through for a whole account to find a row whose id is known.
fn sifted(plan: &[String]) -> Vec<String> {
    let of_account = |line: &str| line.starts_with("Index Cond: (account_id = ");
    let by_id = |line: &str| line.starts_with("Filter:") && line.contains("_id = id");
    let lines = plan.iter().zip(plan.iter().skip(1)).zip(plan.iter().skip(2));
    lines
        .filter(|((line, cond), filter)| {
            line.contains("Index Scan")
                && of_account(cond)
                && !cond.contains(" AND ")
                && by_id(filter)
        })
        .map(|((line, _), filter)| format!("{line} {filter}"))
        .collect()
}

/// A plan is made once for each connection, perhaps while all tables are empty, and there every index looks as good.
#[tokio::test]
async fn a_plan_that_is_made_while_nothing_is_there_finds_its_rows_by_their_key() {
    let wrong = wrong(None, WALKS, walked).await;
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Or while there is little, where one index happens to be a page shorter than another.
#[tokio::test]
async fn a_plan_that_is_made_while_little_is_there_finds_its_rows_by_their_key() {
    let database = Clients::new().await;
    for rows in (10..=400).step_by(10) {
        database.grow(rows - 9, rows).await;
        let wrong = database.wrong(&[], sifted).await;
        assert!(wrong.is_empty(), "with {rows} rows: {wrong:#?}");
    }
}

#[tokio::test]
async fn every_statement_prepares_and_finds_its_rows_by_an_index() {
    let wrong = wrong(Some(FILL), EXCEPTIONS, scanned).await;
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Plans every statement in a database that was filled with something, and gives what is wrong with which plan.
async fn wrong(
    fill: Option<&str>,
    exceptions: &[(&str, &str)],
    faults: fn(&[String]) -> Vec<String>,
) -> Vec<(String, Vec<String>)> {
    let clients = Clients::new().await;
    if let Some(fill) = fill {
        clients.writer.batch_execute(fill).await.unwrap();
    }
    clients.wrong(exceptions, faults).await
}

/// A database of our own, and who writes and reads there.
struct Clients {
    writer: Client,
    reader: Client,
    _database: Database,
}

impl Clients {
    async fn new() -> Self {
        let database = Database::new().await;
        let (writer, reader) = (database.client().await, database.client().await);
        let settings = |name: &str| fs::read_to_string(folder().join(name)).unwrap();
        writer.batch_execute(&settings("settings_writer.sql")).await.unwrap();
        reader.batch_execute(&settings("settings_reader.sql")).await.unwrap();
        reader.batch_execute("SET plan_cache_mode = force_generic_plan").await.unwrap();
        Self { writer, reader, _database: database }
    }

    /// Adds events of one account, with a delivery each that waits.
    async fn grow(&self, from: usize, to: usize) {
        let of_the_hot_path = FILL.splitn(4, ';').take(3).collect::<Vec<_>>().join(";");
        let rows = of_the_hot_path.replace("(1, 20000)", &format!("({from}, {to})"));
        self.writer.batch_execute(&rows.replace("(i % 20)", "(0)")).await.unwrap();
    }

    /// Plans every statement, and gives what is wrong with which plan.
    async fn wrong(
        &self,
        exceptions: &[(&str, &str)],
        faults: fn(&[String]) -> Vec<String>,
    ) -> Vec<(String, Vec<String>)> {
        let (mut seen, mut wrong) = (0, Vec::new());
        let folders =
            [folder(), folder().join("import")].map(|folder| fs::read_dir(folder).unwrap());
        let mut files: Vec<_> =
            folders.into_iter().flatten().map(|file| file.unwrap().path()).collect();
        files.sort();
        for file in files.into_iter().filter(|file| !file.is_dir()) {
            let name = file.file_stem().unwrap().to_string_lossy().into_owned();
            let text = fs::read_to_string(&file).unwrap();
            let lines = text.lines().filter(|line| !line.starts_with("--"));
            let plain = lines.collect::<Vec<_>>().join("\n");
            let looks = ["SELECT", "INSERT", "UPDATE", "DELETE", "WITH"];
            if !looks.iter().any(|word| plain.starts_with(word)) {
                continue;
            }
            seen += 1;
            let reads = (plain.starts_with("SELECT") || plain.starts_with("WITH"))
                && !["FOR UPDATE", "DELETE FROM", "UPDATE ", "INSERT INTO"]
                    .iter()
                    .any(|w| plain.contains(w));
            let client = if reads { &self.reader } else { &self.writer };
            let faults = faults(&plan(client, &name, &plain).await);
            if !faults.is_empty() && !exceptions.iter().any(|(exception, _)| *exception == name) {
                wrong.push((name, faults));
            }
        }
        assert!(seen > 90, "{seen}");
        wrong
    }
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("sql/postgres")
}
