//! Opening a database, and what stands in it.

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::slice;
use std::sync::Arc;

use domain::secret::Secret;
use store::conformance::Recorder;
use store::postgres::{Options, Postgres};
use store::{Account, Error, MasterKey, Store as _, Write};
use tokio_postgres::Client;

use super::database::Database;
use crate::folder::MASTER;

/// Fails unless opening is refused for good; gives what is said.
async fn refused(options: Options) -> String {
    let refused = Postgres::open(options).await.unwrap_err();
    assert!(matches!(refused, Error::Unusable { .. }), "{refused:?}");
    refused.to_string()
}

fn at(database: &Database, change: impl Fn(&str) -> String) -> Options {
    let url = database.url();
    Options { url: Secret::new(change(url.expose())), ..database.options(Recorder::new(), 1) }
}

#[tokio::test]
async fn a_wrong_password_is_said() {
    let database = Database::new().await;
    let options = at(&database, |url| url.replace("postgres@", "guarded:hidden@"));
    assert!(!format!("{options:?}").contains("hidden"));
    let text = refused(options).await;
    assert!(text.contains("user or password") && !text.contains("hidden"), "{text}");
}

#[tokio::test]
async fn a_database_that_is_not_there_is_said() {
    let database = Database::new().await;
    let text = refused(at(&database, |url| url.replace(database.name(), "no_such"))).await;
    assert!(text.contains("there is no database of that name"), "{text}");
}

#[tokio::test]
async fn a_server_that_is_away_may_come_back() {
    let database = Database::new().await;
    let options = at(&database, |_| "postgres://postgres@127.0.0.1:1/a".to_owned());
    let error = Postgres::open(options).await.unwrap_err();
    assert!(error.is_transient(), "{error:?}");
}

#[tokio::test]
async fn a_server_that_says_nothing_keeps_nobody_from_the_next() {
    let database = Database::new().await;
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = format!("@{},", silent.local_addr().unwrap());
    let options = at(&database, |url| url.replace('@', &silent));
    Postgres::open(options).await.unwrap().close().await.unwrap();
}

/// Has a database take no writes any more, as a server does that became a standby; every connection ends.
async fn stand_by(database: &Database) {
    let setting = "default_transaction_read_only = on";
    let client = database.client().await;
    let set = format!("ALTER DATABASE {} SET {setting}", database.name());
    client.batch_execute(&set).await.unwrap();
    let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid()";
    client.batch_execute(end).await.unwrap();
}

async fn take_writes_again(database: &Database) {
    let client = database.client().await;
    client.batch_execute("SET default_transaction_read_only = off").await.unwrap();
    let reset = format!("ALTER DATABASE {} RESET default_transaction_read_only", database.name());
    client.batch_execute(&reset).await.unwrap();
}

#[tokio::test]
async fn a_server_that_became_a_standby_is_left() {
    let database = Arc::new(Database::new().await);
    let world = database.world(1, Arc::clone(&database)).await;
    let now = world.account().minted_at();
    stand_by(&database).await;
    let Error::Unavailable { hint, .. } = world.store.probe(now).await.unwrap_err() else {
        panic!("it may take writes again")
    };
    assert!(hint.contains("it is a standby"), "{hint}");
    take_writes_again(&database).await;
    world.store.probe(now).await.unwrap();
}

#[tokio::test]
async fn what_was_handed_back_while_the_database_was_away_is_due_again() {
    let database = Arc::new(Database::new().await);
    let world = database.world(1, Arc::clone(&database)).await;
    let account = world.account();
    world.register(world.endpoint(account)).await;
    let event = world.event(account, "custom.a");
    world.say(slice::from_ref(&event)).await;
    let leased = world.lanes.taken().remove(0).delivery;
    stand_by(&database).await;
    world.release(&leased);
    world.store.probe(account.minted_at()).await.unwrap_err();
    take_writes_again(&database).await;
    assert_eq!(world.lease_all(0).await.taken, 1);
}

#[tokio::test]
async fn a_schema_from_the_future_is_refused() {
    let database = Database::new().await;
    let client = database.client().await;
    client.batch_execute("UPDATE meta SET value = 99 WHERE name = 'schema'").await.unwrap();
    let text = refused(database.options(Recorder::new(), 1)).await;
    assert!(text.contains("schema 99"), "{text}");
}

#[tokio::test]
async fn another_master_key_is_refused() {
    let database = Database::new().await;
    let world = database.world(1, ()).await;
    let id = world.account();
    let account = Account {
        id,
        name: "a".to_owned(),
        signing_seed: Secret::new("seed"),
        created_at: id.minted_at(),
    };
    world.write(id, vec![Write::Account(account)]).await.unwrap();
    let mut wrong = MASTER;
    wrong[0] ^= 1;
    let master = MasterKey::new(&wrong).unwrap();
    let text = refused(Options { master, ..database.options(Recorder::new(), 2) }).await;
    assert!(text.starts_with("the master key is not the one"), "{text}");
}

#[tokio::test]
async fn two_nodes_that_start_at_once_migrate_once() {
    let database = Database::empty().await;
    let (one, two) =
        tokio::join!(database.open(Recorder::new(), 1), database.open(Recorder::new(), 2));
    one.unwrap().close().await.unwrap();
    two.unwrap().close().await.unwrap();
}

#[tokio::test]
async fn what_was_leased_when_the_store_was_closed_is_due_again() {
    let database = Database::new().await;
    let lanes = Recorder::new();
    let first = database.open(Arc::<Recorder>::clone(&lanes), 1).await.unwrap();
    let world = database.world(2, ()).await;
    let account = world.account();
    world.register(world.endpoint(account)).await;
    world.lanes.set_room(0);
    let event = world.event(account, "custom.a");
    world.say(slice::from_ref(&event)).await;
    let leased = store::Store::lease(&first, account.minted_at(), store::LeaseScope::All).await;
    assert_eq!(leased.unwrap().taken, 1);
    world.lanes.set_room(9);
    assert_eq!(world.lease_all(0).await.taken, 0);
    first.close().await.unwrap();
    assert_eq!(world.lease_all(0).await.taken, 1);
}

#[tokio::test]
async fn deliveries_rise_even_when_the_clock_was_set_back() {
    let database = Database::new().await;
    let world = database.world(1, ()).await;
    let account = world.account();
    world.register(world.endpoint(account)).await;
    let (first, second) = (world.event(account, "custom.a"), world.event(account, "custom.a"));
    world.say_at(&[first], 3_600).await;
    let earlier = world.lanes.taken().remove(0).delivery.id;
    drop(world);
    let world = database.world(2, ()).await;
    world.say_at(&[second], 0).await;
    assert!(world.lanes.taken()[0].delivery.id > earlier);
}

/// Everything that there is in a database, in words.
async fn schema(client: &Client) -> Vec<String> {
    let text = "
        SELECT format('%s.%s %s %s %s %s', c.relname, a.attname, a.attnum,
                      format_type(a.atttypid, a.atttypmod), a.attnotnull, collname)
        FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
        LEFT JOIN pg_collation ON pg_collation.oid = a.attcollation
        WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND a.attnum > 0
        UNION ALL SELECT format('%s %s', relname, reloptions) FROM pg_class
        WHERE relnamespace = 'public'::regnamespace
        UNION ALL SELECT indexdef FROM pg_indexes WHERE schemaname = 'public'
        UNION ALL SELECT format('%s %s', conrelid::regclass, pg_get_constraintdef(oid))
        FROM pg_constraint WHERE connamespace = 'public'::regnamespace
        ORDER BY 1";
    client.query(text, &[]).await.unwrap().iter().map(|row| row.get(0)).collect()
}

#[tokio::test]
async fn the_migrations_give_the_schema_that_is_written_down() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (migrated, written) = (Database::new().await, Database::empty().await);
    let text = fs::read_to_string(root.join("schema/postgres.sql")).unwrap();
    let client = written.client().await;
    client.batch_execute(&text).await.unwrap();
    let (migrated, written) = (schema(&migrated.client().await).await, schema(&client).await);
    assert_eq!(migrated, written);
    assert!(written.len() > 150, "{}", written.len());
}

#[tokio::test]
async fn a_log_that_was_moved_goes_on_at_its_end() {
    let database = Database::new().await;
    let world = database.world(1, ()).await;
    let account = world.account();
    let first = world.event(account, "custom.a");
    world.say(slice::from_ref(&first)).await;
    // As if the log came from a server that has seen a billion transactions more.
    let client = database.client().await;
    client.batch_execute("UPDATE events SET seq = seq + (1000000000::bigint << 20)").await.unwrap();
    drop(world);
    let world = database.world(2, ()).await;
    let filter = store::EventFilter { ascending: true, ..store::EventFilter::default() };
    let second = world.event_at(account, "custom.a", 5);
    world.say(slice::from_ref(&second)).await;
    world.shown(&second).await;
    let page = store::Page { limit: 9, after: None };
    let found = world.views.events(account, filter, page).await.unwrap();
    let found: Vec<_> = found.iter().map(|event| event.id).collect();
    assert_eq!(found, [first.id, second.id]);
}
