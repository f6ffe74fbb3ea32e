//! Between the two stores, and within one: what goes out comes in again.

use std::collections::BTreeSet;
use std::fs;
use std::io::Cursor;
use std::path::Path;
use std::slice;

use domain::endpoint::{Endpoint, Ordering};
use domain::id::AccountId;
use store::carry::{self, Findings, Lines, Pen};
use store::conformance::{Recorder, World, chains};
use store::{DeliveryFilter, Error, MasterKey, Page, RequestFilter, postgres};

use super::database::Database;
use crate::carry::{all_have_rows, carried, complete, export, fill, import, rows};
use crate::folder::{Folder, MASTER, open_in};

async fn export_from(database: &Database) -> Vec<u8> {
    let mut out = Vec::new();
    let mut watch = |_| ();
    let at = AccountId::new(1).minted_at();
    let pen = Pen::begin(&mut out, &mut watch, at, "0").unwrap();
    postgres::export(&database.url(), pen).await.unwrap();
    out
}

async fn import_into(database: &Database, export: &[u8]) -> Result<Findings, Error> {
    let mut watch = |_| ();
    let mut from = Cursor::new(export);
    let mut lines = Lines::begin(&mut from, &mut watch)?;
    postgres::import(&database.url(), &MasterKey::new(&MASTER).unwrap(), &mut lines).await
}

/// Fills a database, and leaves it.
async fn filled() -> Database {
    let database = Database::new().await;
    let world = database.world(1, ()).await;
    fill(&world).await;
    world.store.close().await.unwrap();
    database
}

#[tokio::test]
async fn a_folder_goes_into_a_database_and_back() {
    let (folder, back) = (Folder::new(), Folder::new());
    let world = open_in(folder.path(), Recorder::new(), 1, ()).unwrap();
    fill(&world).await;
    drop(world);
    let first = export(folder.path());
    let database = Database::empty().await;
    let findings = import_into(&database, &first).await.unwrap();
    all_have_rows(findings.counts);
    let second = export_from(&database).await;
    assert_eq!(rows(&second), rows(&first));
    assert_eq!(import(back.path(), &second).unwrap().counts, findings.counts);
    assert_eq!(rows(&export(back.path())), rows(&first));
}

#[tokio::test]
async fn a_database_goes_into_another_one() {
    let (database, other) = (filled().await, Database::new().await);
    let first = export_from(&database).await;
    let findings = import_into(&other, &first).await.unwrap();
    assert_eq!((findings.chains, findings.entries, findings.erased), (1, 7, 0));
    assert_eq!(rows(&export_from(&other).await), rows(&first));
    // What the one has for an operator, the other has as well.
    let (one, other) = (database.world(2, ()).await, other.world(3, ()).await);
    let stats = async |world: &World| {
        let stats = world.views.stats().await.unwrap();
        (stats.pending, stats.events)
    };
    assert_eq!(stats(&one).await, stats(&other).await);
    let account = one.views.accounts().await.unwrap()[0].id;
    for state in ["exhausted", "pending"] {
        let filter =
            || DeliveryFilter { state: Some(state.to_owned()), ..DeliveryFilter::default() };
        let (one, other) =
            (one.deliveries(account, filter()).await, other.deliveries(account, filter()).await);
        assert_eq!(one, other);
        assert!(!one.is_empty());
    }
    // What the closed node had leased is due, and a chain goes on where it was.
    assert_eq!(other.lease_all(0).await.taken, 5);
    let request = other
        .views
        .requests(account, RequestFilter::default(), Page { limit: 9, after: None })
        .await;
    let request = request.unwrap()[0].id;
    other.say(&[other.event_of(account, request, "signer.viewed")]).await;
    let page = Page { limit: 99, after: None };
    let entries = other.views.timeline(account, request, page).await.unwrap();
    assert_eq!(chains::verify(request, &entries), 8);
}

#[tokio::test]
async fn what_is_held_keeps_its_order_though_ids_of_several_nodes_have_another() {
    let database = Database::new().await;
    let world = database.world(1, ()).await;
    let account = world.account();
    world.register(Endpoint { ordering: Ordering::Request, ..world.endpoint(account) }).await;
    // The clock of one node is behind that of the other: ids fall while turns rise.
    let seconds = [9_000, 6_000, 3_000, 0];
    let events = seconds.map(|_| world.keyed(account, "a"));
    let mut nodes = Vec::new();
    for seed in 2..6 {
        nodes.push(database.world(seed, ()).await);
    }
    for ((event, seconds), node) in events.iter().zip(seconds).zip(&nodes) {
        node.say_at(slice::from_ref(event), seconds).await;
    }
    for node in nodes {
        node.store.close().await.unwrap();
    }
    world.store.close().await.unwrap();
    let client = database.client().await;
    let turns =
        client.query("SELECT delivery_id::text FROM queue ORDER BY turn", &[]).await.unwrap();
    let ids: Vec<String> = turns.iter().map(|row| row.get(0)).collect();
    assert!(!ids.is_sorted(), "the ids must fall: {ids:?}");

    let folder = Folder::new();
    let text = export_from(&database).await;
    import(folder.path(), &text).unwrap();
    assert_eq!(rows(&export(folder.path())), rows(&text));
    let world = open_in(folder.path(), Recorder::new(), 9, ()).unwrap();
    let mut told = Vec::new();
    loop {
        // Leased now, or offered as soon as the one before had ended.
        world.lease_all(10_000).await;
        let Some(taken) = world.lanes.taken().pop() else { break };
        told.push(taken.event.id);
        world.deliver(&taken.delivery).await;
    }
    assert_eq!(told, events.map(|event| event.id));
}

#[tokio::test]
async fn half_an_import_is_not_served_and_is_begun_anew() {
    let (database, other) = (filled().await, Database::new().await);
    let text = export_from(&database).await;
    let cut = text.len() - text.len() / 3;
    let said = import_into(&other, &text[..cut]).await.unwrap_err().to_string();
    assert!(said.starts_with("the file was cut off"), "{said}");
    let said = other.open(Recorder::new(), 1).await.unwrap_err().to_string();
    assert!(said.contains("an import into the database was broken off"), "{said}");
    import_into(&other, &text).await.unwrap();
    assert_eq!(rows(&export_from(&other).await), rows(&text));
    other.open(Recorder::new(), 1).await.unwrap();
}

#[tokio::test]
async fn a_row_that_the_database_refuses_is_named_by_its_line() {
    let text = export_from(&filled().await).await;
    let text = str::from_utf8(&text).unwrap();
    let number = 1 + text.lines().position(|line| line.starts_with("[\"requests")).unwrap();
    let changed = text.replacen("\"draft\"", "\"drift\"", 1);
    let refused = import_into(&Database::new().await, changed.as_bytes()).await;
    let said = refused.unwrap_err().to_string();
    assert!(said.starts_with(&format!("the row of line {number} cannot be kept: ")), "{said}");
    assert!(said.contains("requests_status_check"), "{said}");
}

#[tokio::test]
async fn a_database_that_is_used_takes_no_import() {
    let database = filled().await;
    let text = export_from(&database).await;
    let said = import_into(&database, &text).await.unwrap_err().to_string();
    assert!(said.starts_with("the database is not empty"), "{said}");
    let lived_in = Database::new().await;
    let _node = lived_in.open(Recorder::new(), 1).await.unwrap();
    let said = import_into(&lived_in, &text).await.unwrap_err().to_string();
    assert!(said.starts_with("a node is at work"), "{said}");
}

#[tokio::test]
async fn every_column_is_carried_or_left_out_for_a_reason() {
    let database = Database::new().await;
    let client = database.client().await;
    let text = "SELECT table_name::text, column_name::text FROM information_schema.columns WHERE table_schema = 'public'";
    let found = client.query(text, &[]).await.unwrap();
    let found: Vec<(String, String)> = found.iter().map(|row| (row.get(0), row.get(1))).collect();
    assert!(found.len() > 100, "{}", found.len());
    complete(&found);
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for table in carry::columns().map(|(table, _)| table).collect::<BTreeSet<_>>() {
        let text =
            fs::read_to_string(root.join(format!("sql/postgres/export/{table}.sql"))).unwrap();
        let statement = client.prepare(&text).await.unwrap();
        let names: Vec<_> =
            statement.columns().iter().map(|column| column.name().to_owned()).collect();
        assert_eq!(names, carried(table));
    }
}
