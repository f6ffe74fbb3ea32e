//! Opening the data folder, and what stands in it.

use std::fs;
use std::path::Path;
use std::slice;

use domain::delivery::State;
use domain::endpoint::{Endpoint, Secrets, SigningSecret};
use domain::secret::Secret;
use rusqlite::Connection;
use store::conformance::{Recorder, World, at};
use store::sqlite::{Options, Sqlite};
use store::{Account, Error, MasterKey, Write};

use crate::folder::{Folder, MASTER, open_in, options};

fn reopen(folder: &Folder, seed: u64) -> World {
    open_in(folder.path(), Recorder::new(), seed, ()).unwrap()
}

#[tokio::test]
async fn a_second_opening_of_the_folder_is_refused() {
    let folder = Folder::new();
    let first = reopen(&folder, 1);
    let refused = Sqlite::open(options(folder.path(), Recorder::new(), 2)).unwrap_err();
    let text = refused.to_string();
    assert!(text.contains("another countersign runs on the data folder"), "{text}");
    assert!(text.contains(&folder.path().display().to_string()), "{text}");
    assert!(!refused.is_transient());
    drop(first);
    drop(reopen(&folder, 3));
}

#[tokio::test]
async fn another_master_key_is_refused() {
    let folder = Folder::new();
    let world = reopen(&folder, 1);
    let id = world.account();
    let account = Account {
        id,
        name: "a".to_owned(),
        signing_seed: Secret::new("seed"),
        created_at: id.minted_at(),
    };
    world.write(id, vec![Write::Account(account)]).await.unwrap();
    drop(world);
    let mut wrong = MASTER;
    wrong[0] ^= 1;
    let wrong = Options {
        master: MasterKey::new(&wrong).unwrap(),
        ..options(folder.path(), Recorder::new(), 2)
    };
    let refused = Sqlite::open(wrong).unwrap_err();
    assert!(refused.to_string().starts_with("the master key is not the one"), "{refused}");
    drop(reopen(&folder, 3));
}

#[test]
fn a_file_that_is_no_database_is_refused() {
    let folder = Folder::new();
    fs::write(folder.path().join("countersign.db"), "not a database, but long enough".repeat(99))
        .unwrap();
    let refused = Sqlite::open(options(folder.path(), Recorder::new(), 1)).unwrap_err();
    assert!(matches!(refused, Error::Corrupt { table: "database", .. }), "{refused:?}");
}

#[tokio::test]
async fn what_was_leased_when_the_store_was_closed_is_due_again() {
    let folder = Folder::new();
    let world = reopen(&folder, 1);
    let account = world.account();
    world.register(world.endpoint(account)).await;
    let event = world.event(account, "custom.a");
    world.say(slice::from_ref(&event)).await;
    assert_eq!(world.lanes.told(), [event.id]);
    drop(world);
    let world = reopen(&folder, 2);
    assert_eq!(world.lease_all(0).await.taken, 1);
    assert_eq!(world.lanes.told(), [event.id]);
}

#[tokio::test]
async fn deliveries_rise_even_when_the_clock_was_set_back() {
    let folder = Folder::new();
    let world = reopen(&folder, 1);
    let account = world.account();
    let id = account;
    let row = Account {
        id,
        name: "a".to_owned(),
        signing_seed: Secret::new("seed"),
        created_at: id.minted_at(),
    };
    world.write(account, vec![Write::Account(row)]).await.unwrap();
    world.register(world.endpoint(account)).await;
    let (first, second) = (world.event(account, "custom.a"), world.event(account, "custom.a"));
    world.say_at(&[first], 3_600).await;
    let earlier = world.lanes.taken().remove(0).delivery.id;
    drop(world);
    let world = reopen(&folder, 2);
    world.say_at(&[second], 0).await;
    assert!(world.lanes.taken()[0].delivery.id > earlier);
}

#[tokio::test]
async fn leases_are_handed_on_once_they_are_durable() {
    let folder = Folder::new();
    let file = folder.path().join("countersign.journal-a");
    let lanes = Recorder::with_witness(move |leases| {
        let journal = fs::read(&file).unwrap();
        for lease in leases {
            let id = lease.delivery.id.bits().to_le_bytes();
            assert!(journal.windows(id.len()).any(|bytes| bytes == id));
        }
    });
    let world = open_in(folder.path(), lanes, 1, ()).unwrap();
    let account = world.account();
    world.register(world.endpoint(account)).await;
    world.say(&[world.event(account, "custom.a")]).await;
    assert_eq!(world.lanes.taken().len(), 1, "a witness that fails closes the store");
    world.store.probe(account.minted_at()).await.unwrap();
}

#[tokio::test]
async fn the_files_hold_no_secret_in_plain() {
    let folder = Folder::new();
    let world = reopen(&folder, 1);
    let account = world.account();
    let mut secrets = Secrets {
        signing: vec![SigningSecret { secret: Secret::new("PLAINLY-signing"), until: None }],
        token: Some(Secret::new("PLAINLY-token")),
        authorization: Some(Secret::new("PLAINLY-authorization")),
        headers: Vec::new(),
    };
    secrets.headers.push(("x-header".to_owned(), Secret::new("PLAINLY-header")));
    let row = Account {
        id: account,
        name: "visible name".to_owned(),
        signing_seed: Secret::new("PLAINLY-seed"),
        created_at: account.minted_at(),
    };
    world.write(account, vec![Write::Account(row)]).await.unwrap();
    world.register(Endpoint { secrets, ..world.endpoint(account) }).await;
    let find = |text: &str| {
        let files = fs::read_dir(folder.path()).unwrap();
        let mut contents = files.map(|file| fs::read(file.unwrap().path()).unwrap());
        contents.any(|bytes| bytes.windows(text.len()).any(|window| window == text.as_bytes()))
    };
    assert!(find("visible name"), "the search works");
    assert!(!find("PLAINLY"));
    drop(world);
    assert!(!find("PLAINLY"), "after the journal went into the database");
}

#[tokio::test]
async fn another_programs_change_is_noticed() {
    let folder = Folder::new();
    let world = reopen(&folder, 1);
    let account = world.account();
    world.register(world.endpoint(account)).await;
    world.say(&[world.event(account, "custom.a")]).await;
    let db = Connection::open(folder.path().join("countersign.db")).unwrap();
    db.execute("UPDATE endpoints SET body = replace(body, '\"enabled\"', '\"disabled\"')", [])
        .unwrap();
    // Whatever looks at the database next sees it.
    world.store.probe(account.minted_at()).await.unwrap();
    world.say(&[world.event(account, "custom.b")]).await;
    assert_eq!(world.lanes.taken().len(), 1, "the second one is told to nobody");
}

/// Everything in a schema, its texts with single spaces and no comments.
fn schema(text: &str) -> Vec<(String, String)> {
    let db = Connection::open_in_memory().unwrap();
    db.execute_batch(text).unwrap();
    let mut statement =
        db.prepare("SELECT name, coalesce(sql, '') FROM sqlite_schema ORDER BY name").unwrap();
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get::<_, String>(1)?))).unwrap();
    rows.map(|row| {
        let (name, sql) = row.unwrap();
        let lines = sql.lines().map(|line| line.split("--").next().unwrap());
        let words: Vec<_> = lines.flat_map(str::split_whitespace).map(str::to_owned).collect();
        (name, words.join(" "))
    })
    .collect()
}

#[test]
fn the_migrations_give_the_schema_that_is_written_down() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut migrations: Vec<_> = fs::read_dir(root.join("migrations/sqlite"))
        .unwrap()
        .map(|file| file.unwrap().path())
        .collect();
    migrations.sort();
    let migrated: String =
        migrations.iter().map(|file| fs::read_to_string(file).unwrap()).collect();
    let written = fs::read_to_string(root.join("schema/sqlite.sql")).unwrap();
    let (migrated, written) = (schema(&migrated), schema(&written));
    assert_eq!(migrated, written);
    assert!(written.len() > 20);
}

#[tokio::test]
async fn attempts_of_an_older_schema_are_still_there() {
    let folder = Folder::new();
    let world = reopen(&folder, 1);
    let account = world.account();
    world.register(world.endpoint(account)).await;
    world.say(&[world.event(account, "custom.a")]).await;
    let delivery = world.lanes.taken().remove(0).delivery;
    let retry = world.settlement(&delivery, State::Pending { due_at: at(1) });
    world.settle(vec![retry]).await;
    world.lease_all(1).await;
    let again = world.lanes.taken().remove(0).delivery;
    world.deliver(&again).await;
    let before = world.delivery(&delivery).await;
    drop(world);
    let db = Connection::open(folder.path().join("countersign.db")).unwrap();
    db.execute_batch(AS_IT_WAS).unwrap();
    let moved: u32 = db.query_row("SELECT count(*) FROM attempts", [], |row| row.get(0)).unwrap();
    drop(db);
    let after = reopen(&folder, 2).delivery(&delivery).await;
    assert_eq!((moved, after), (2, before));
}

/// Undoes the migration that moved first attempts into the rows of their deliveries.
const AS_IT_WAS: &str = "
    INSERT INTO attempts
        SELECT account_id, id, 1, first_id, first_at, first_took_ms, first_url, first_body_digest, first_remote,
               first_outcome
        FROM deliveries WHERE first_id IS NOT NULL;
    ALTER TABLE deliveries DROP COLUMN first_id;
    ALTER TABLE deliveries DROP COLUMN first_at;
    ALTER TABLE deliveries DROP COLUMN first_took_ms;
    ALTER TABLE deliveries DROP COLUMN first_url;
    ALTER TABLE deliveries DROP COLUMN first_body_digest;
    ALTER TABLE deliveries DROP COLUMN first_remote;
    ALTER TABLE deliveries DROP COLUMN first_outcome;
    DROP INDEX events_by_seq;
    DROP TABLE settings;
    DROP TABLE notices;
    PRAGMA user_version = 1;
";

#[tokio::test]
async fn views_go_on_reading_when_the_store_is_closed() {
    let folder = Folder::new();
    let sqlite = Sqlite::open(options(folder.path(), Recorder::new(), 1)).unwrap();
    let views = sqlite.views();
    drop(sqlite);
    assert!(views.accounts().await.unwrap().is_empty());
}
